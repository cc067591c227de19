package vsclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/index"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/keep"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
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
	async async
	gone  atomic.Bool // the store was missing or expired when it was last heard of

	uploads *semaphore.Weighted
	bytes   *semaphore.Weighted // of content being uploaded
	lookups *semaphore.Weighted // looks and removals

	closing sync.RWMutex // held while a call or a goroutine begins, so that Close misses none
	closed  bool
	calls   scope // calls under way
	life    scope // goroutines that outlive their call
}

// scope is a context with the goroutines that end with it.
type scope struct {
	ctx context.Context
	end context.CancelCauseFunc
	sync.WaitGroup
}

func newScope() scope {
	ctx, end := context.WithCancelCause(context.Background())
	return scope{ctx: ctx, end: end}
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
		calls:   newScope(),
		life:    newScope(),
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
	c.index = index.New(c.wire, index.Config{
		BatchSize: cfg.batchSize(), IndexTimeout: cfg.IndexTimeout, Life: c.life.ctx, Calls: c.lookups, Logger: c.log,
		Go: func(f func()) bool { return c.spawn(func(context.Context) { f() }) },
	})
	book, attachTime := ledger.New(), max(cfg.IndexTimeout, cfg.RetryTimeout)
	c.view = view.New(book, view.Config{
		Wire: c.wire, Extension: cfg.FileExtension, AttachTime: attachTime,
		Life: c.life.ctx, Go: c.spawn, Calls: c.lookups, Logger: c.log,
	})
	c.keep = keep.New(c.wire, book, c.view, keep.Config{
		StoreID: cfg.VectorStoreID, AttachTime: attachTime, RetryTimeout: cfg.RetryTimeout,
		Go: c.spawn, Removed: c.async.removed, Calls: c.lookups, Logger: c.log,
	})
	return c, nil
}

// begin begins a call. Its context ends with the caller's and with the client's
// calls. Close waits until over is called.
func (c *Client) begin(ctx context.Context) (_ context.Context, over func(), err error) {
	c.closing.RLock()
	defer c.closing.RUnlock()
	if c.closed {
		return nil, nil, ErrClosed
	}
	c.calls.Add(1)
	own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(c.calls.ctx, func() { cancel(ErrClosed) })
	release := context.AfterFunc(ctx, func() { cancel(stopped{context.Cause(ctx)}) })
	if ctx.Err() != nil {
		cancel(stopped{context.Cause(ctx)})
	}
	return own, func() {
		unhook()
		release()
		cancel(nil)
		c.calls.Done()
	}, nil
}

// spawn runs f in a goroutine that may outlive its call. f must end when the
// client's life does. It reports false when that has ended already.
func (c *Client) spawn(f func(ctx context.Context)) bool {
	c.closing.RLock()
	defer c.closing.RUnlock()
	if c.life.ctx.Err() != nil {
		return false
	}
	c.life.Go(func() { f(c.life.ctx) })
	return true
}

// closeTime bounds Close, and cutTime the wait for calls that it has cut.
const (
	closeTime = 10 * time.Second
	cutTime   = 2 * time.Second
)

// Close ends the client. Calls under way return [ErrClosed] at once. Close takes
// nothing back that was acknowledged or accepted. It removes the Files that those calls have
// uploaded and not yet attached, for which it takes at most ten seconds. Its error
// names the Files that may be left; the next process finds the versions among them.
// After Close the client makes no request. Closing twice is harmless.
func (c *Client) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return c.shutdown(ctx, true)
}

// Shutdown ends the client like [Client.Close], and lets calls under way end first,
// and documents that were attached under Config.Async become searchable. Its error
// joins one for each of these that came to nothing, as [Client.Flush] does. When ctx
// ends first, it cuts them and returns at once with an error that names the Files
// that may be left.
func (c *Client) Shutdown(ctx context.Context) error { return c.shutdown(ctx, false) }

func (c *Client) shutdown(ctx context.Context, cut bool) error {
	c.closing.Lock()
	again := c.closed
	c.closed = true
	c.closing.Unlock()
	if !cut {
		pace.Await(ctx, &c.calls.WaitGroup)
		_ = c.async.wait(ctx) // then the rest is cut
	}
	c.calls.end(ErrClosed)
	// A call that runs its caller's own code may take longer. It makes no request any more.
	cutting, cancel := context.WithTimeout(context.Background(), cutTime)
	defer cancel()
	pace.Await(cutting, &c.calls.WaitGroup)
	left := c.keep.Finish(ctx)
	c.closing.Lock()
	c.life.end(ErrClosed)
	c.closing.Unlock()
	c.life.Wait()
	c.wire.Close()
	failed := c.async.told()
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

// maxLeftShown bounds the ids in the error of Close.
const maxLeftShown = 20
