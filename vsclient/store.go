package vsclient

import (
	"context"
	"fmt"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Store describes the vector store itself.
type Store struct {
	ID         string
	Name       string
	Status     string    // expired, in_progress or completed
	Files      int       // attached, by the store's own count, which may lag
	UsageBytes int64     // storage that OpenAI counts
	ExpiresAt  time.Time // zero: never
}

// checkTime bounds Check: a caller that starts up wants to know soon.
const checkTime = 10 * time.Second

// Check asks OpenAI for the store, in one request. It succeeds when the endpoint, the API
// key and the store are good. It tries for ten seconds at the most. A store
// that is missing or has expired is [ErrStoreGone].
func (c *Client) Check(ctx context.Context) (Store, error) {
	ctx, over, err := c.life.Begin(ctx)
	if err != nil {
		return Store{}, wrap("check", "", err)
	}
	defer over()
	ctx, stop := context.WithTimeoutCause(ctx, checkTime, fmt.Errorf("%w: no good answer within %v", ErrTimeout, checkTime))
	defer stop()
	s, err := c.store(ctx, c.wire.For(min(checkTime, c.cfg.RetryTimeout)))
	if err == nil {
		c.keep.Start(false)
	}
	return s, wrap("check", "", err)
}

func (c *Client) store(ctx context.Context, w *wire.Client) (Store, error) {
	s, err := w.Store(ctx)
	if err != nil {
		return Store{}, err
	}
	store := Store{ID: s.ID, Name: s.Name, Status: s.Status, Files: s.FileCounts.Total, UsageBytes: s.UsageBytes}
	if s.ExpiresAt > 0 {
		store.ExpiresAt = time.Unix(s.ExpiresAt, 0)
	}
	return store, nil
}

// storeThere returns an error when the store was missing or expired and still is, so
// that nothing more is uploaded for it.
func (c *Client) storeThere(ctx context.Context) error {
	if !c.gone.Load() {
		return nil
	}
	err := c.view.StoreThere(ctx)
	c.gone.Store(err != nil)
	return err
}
