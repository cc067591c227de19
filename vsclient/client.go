package vsclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/index"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/keep"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/life"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/lists"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/view"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Client puts, gets and deletes documents of one vector store by key. It is safe
// for concurrent use: calls for one key take effect in the order in which they
// were made; others run side by side and share requests.
type Client struct {
	cfg   Config // without the API key
	log   *slog.Logger
	wire  *wire.Client
	index *index.Indexer
	view  *view.View
	keep  *keep.Keeper
	life  *life.Life
	gone  atomic.Bool // the store was missing or expired when it was last heard of

	uploads *semaphore.Weighted
	bytes   *semaphore.Weighted // of content being uploaded
	lookups *semaphore.Weighted // bounds looks at store files; removals have a bound of their own, since one may be tried for minutes

	awaited life.Awaited // documents that Config.Async leaves to be waited for
}

// New returns a client for one store. It makes no request; [Client.Check] does.
func New(cfg Config) (*Client, error) {
	if err := cfg.complete(); err != nil {
		return nil, wrap("new", "", err)
	}
	c := &Client{
		log:     cfg.Logger,
		uploads: semaphore.NewWeighted(int64(cfg.Concurrency)),
		bytes:   semaphore.NewWeighted(cfg.BytesInFlight),
		lookups: semaphore.NewWeighted(int64(cfg.Concurrency)),
		life:    life.New(),
	}
	if cfg.Pacer == nil {
		cfg.Pacer = NewPacer(cfg.Limits)
	}
	var err error
	if c.wire, err = wire.New(cfg.wire()); err != nil {
		return nil, wrap("new", "", err)
	}
	cfg.APIKey, cfg.BaseURL = "", reply.SafeURL(cfg.BaseURL)
	c.cfg = cfg
	book, attachTime := ledger.New(), max(cfg.IndexTimeout, cfg.RetryTimeout)
	readings := lists.New(book, lists.Config{
		Wire: c.wire, Extension: cfg.FileExtension, AttachTime: attachTime, Life: c.life.Context(), Go: c.life.Go, Logger: c.log,
	})
	c.index = index.New(c.wire, index.Config{
		BatchSize: cfg.batchSize(), IndexTimeout: cfg.IndexTimeout, Life: c.life.Context(), Calls: c.lookups, Logger: c.log,
		Go: func(f func()) bool { return c.life.Go(func(context.Context) { f() }) }, Kept: readings.KeepsAttributes,
	})
	c.view = view.New(book, readings, view.Config{Wire: c.wire, Extension: cfg.FileExtension, Calls: c.lookups})
	c.keep = keep.New(c.wire, book, c.view, keep.Config{
		AttachTime: attachTime, RetryTimeout: cfg.RetryTimeout,
		Go: c.life.Go, Removed: c.removed, Calls: semaphore.NewWeighted(int64(cfg.Concurrency)), Logger: c.log,
	})
	return c, nil
}

// Bounds of Close.
const (
	closeTime    = 10 * time.Second // the longest time that Close takes
	cutTime      = 2 * time.Second  // the longest wait for calls that were cut off
	maxLeftShown = 20               // the most ids in its error
)

// Close ends the client. Calls under way return [ErrClosed] at once. Close takes
// nothing back that was acknowledged or accepted. It removes the Files that those calls have
// uploaded and not attached. It returns within ten seconds. Its error names up to 20 Files that
// may be left. The next process finds those among them that are versions. After Close the
// client makes no request. Closing twice is harmless.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return c.shutdown(ctx, true)
}

// Shutdown ends the client like [Client.Close], and lets calls under way end first, and
// documents that were attached under Config.Async become searchable. Its error joins one for
// each of these that failed, as [Client.Flush] does. When ctx ends first, it cuts
// them and returns at once with an error that names the Files that may be left.
func (c *Client) Shutdown(ctx context.Context) error { return c.shutdown(ctx, false) }

func (c *Client) shutdown(ctx context.Context, cut bool) error {
	again := !c.life.Shut()
	if !cut {
		c.life.Await(ctx)
		_ = c.awaited.Wait(ctx) // then the rest is cut
	}
	c.life.Cut(cutTime)
	left := c.keep.Finish(ctx)
	c.life.End()
	c.wire.Close()
	failed := c.awaited.TakeErrors()
	if again || len(left) == 0 {
		return failed
	}
	shown := left[:min(len(left), maxLeftShown)]
	more := ""
	if len(shown) < len(left) {
		more = " and others"
	}
	return errors.Join(failed, &Error{Op: "close", Kind: ErrTimeout, Class: Stopped, Reason: fmt.Sprintf(
		"%d versions were neither seen searchable nor removed: %s%s; the next process to change their keys, or Sweep, settles them",
		len(left), strings.Join(shown, ", "), more)})
}
