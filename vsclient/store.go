package vsclient

import (
	"context"
	"fmt"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Store is what OpenAI tells of the vector store itself.
type Store struct {
	ID         string
	Name       string
	Status     string // expired, in_progress or completed
	Files      int    // attached, by the store's own count, which may lag
	UsageBytes int64
	ExpiresAt  time.Time // zero: never
}

// checkTime bounds Check: a caller that starts up wants to know soon.
const checkTime = 10 * time.Second

// Check asks OpenAI for the store, in one request, and so tells whether the
// endpoint, the key and the store are good. It does not try for longer than ten
// seconds.
func (c *Client) Check(ctx context.Context) (Store, error) {
	ctx, over := c.begin(ctx)
	defer over()
	ctx, stop := context.WithTimeoutCause(ctx, checkTime, fmt.Errorf("%w: no good answer within %v", ErrTimeout, checkTime))
	defer stop()
	s, err := c.store(ctx, min(checkTime, c.cfg.RetryTimeout))
	if err != nil {
		if is(err, ErrStoreNotFound) {
			err = &fail.Error{Kind: ErrStoreNotFound, Reason: fmt.Sprintf("no vector store %q in this project", c.cfg.VectorStoreID), Err: err}
		}
		return Store{}, wrap("check", "", err)
	}
	return s, nil
}

func (c *Client) store(ctx context.Context, limit time.Duration) (Store, error) {
	s, err := c.wire.For(limit).Store(ctx)
	if err != nil {
		return Store{}, err
	}
	store := Store{ID: s.ID, Name: s.Name, Status: s.Status, Files: s.FileCounts.Total, UsageBytes: s.UsageBytes}
	if s.ExpiresAt > 0 {
		store.ExpiresAt = time.Unix(s.ExpiresAt, 0)
	}
	return store, nil
}

// storeIsGone makes sure of it: the words of a 404 about one file can be much the same.
func (c *Client) storeIsGone(ctx context.Context) bool {
	_, err := c.store(ctx, batchPatience)
	return is(err, ErrStoreNotFound)
}

// storeIDs lists the vector stores of the project.
func (c *Client) storeIDs(ctx context.Context) ([]string, error) {
	ids := []string{c.cfg.VectorStoreID}
	for data, err := range c.wire.Stores(ctx) {
		if err != nil {
			return nil, err
		}
		for _, s := range data {
			if s.ID != c.cfg.VectorStoreID {
				ids = append(ids, s.ID)
			}
		}
	}
	return ids, nil
}

// attachedTo reports whether the File is attached to that store.
func (c *Client) attachedTo(ctx context.Context, store, id string) (bool, error) {
	_, _, err := c.wire.StoreFileIn(ctx, store, id)
	if is(err, ErrNotFound) || is(err, ErrStoreNotFound) && store != c.cfg.VectorStoreID {
		return false, nil
	}
	return err == nil, err
}

// attachedAnywhere reports whether the File is attached to one of the stores.
func (c *Client) attachedAnywhere(ctx context.Context, stores []string, id string) (bool, error) {
	for _, s := range stores {
		if there, err := c.attachedTo(ctx, s, id); there || err != nil {
			return there, err
		}
	}
	return false, nil
}

// getStoreFile asks for a file of the store.
func (c *Client) getStoreFile(ctx context.Context, id string) (wire.StoreFile, error) {
	s, _, err := c.wire.StoreFile(ctx, id)
	return s, err
}

// fileExists reports whether the project has the File.
func (c *Client) fileExists(ctx context.Context, id string) (bool, error) {
	_, err := c.wire.File(ctx, id)
	if is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// deleteFile deletes the File. It succeeds when there is none.
func (c *Client) deleteFile(ctx context.Context, id string) error {
	_, err := c.wire.DeleteFile(ctx, id)
	return err
}
