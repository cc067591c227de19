package vsclient

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Client puts, gets and deletes documents of one vector store by key. It is safe
// for concurrent use: calls for one key take effect in the order they were made,
// others run side by side and share requests.
type Client struct {
	cfg   Config // without the key
	log   *slog.Logger
	wire  *wire.Client
	pacer *Pacer
	seed  maphash.Seed

	catalog  *catalog
	turns    turns
	names    turns // uploads of one file name, one after the other
	attacher *attacher
	slots    *semaphore.Weighted // uploads
	bytes    *semaphore.Weighted
	calls    *semaphore.Weighted // looks and removals
	indexing indexPace
	// unordered tells that batches list their files in another order than they were sent.
	unordered atomic.Bool

	life    context.Context // ends with Close
	end     context.CancelCauseFunc
	work    sync.WaitGroup // goroutines of the client's own, and calls under way
	closing sync.RWMutex   // held while one is started, so that Close misses none
	pending pending        // versions attached but not yet settled
}

// New returns a client for one store. It makes no request; [Client.Check] does.
func New(cfg Config) (*Client, error) {
	if err := cfg.complete(); err != nil {
		return nil, wrap("new", "", err)
	}
	c := &Client{
		log:   cfg.Logger,
		pacer: cfg.Pacer,
		seed:  maphash.MakeSeed(),
		slots: semaphore.NewWeighted(int64(cfg.Concurrency)),
		bytes: semaphore.NewWeighted(cfg.BytesInFlight),
		calls: semaphore.NewWeighted(int64(cfg.Concurrency)),
	}
	if c.pacer == nil {
		c.pacer = NewPacer(cfg.Limits)
	}
	wired := wire.Config{
		BaseURL: cfg.BaseURL, APIKey: cfg.APIKey, StoreID: cfg.VectorStoreID, Organization: cfg.Organization, Project: cfg.Project,
		HTTPClient: cfg.HTTPClient, Connections: 2*cfg.Concurrency + 8,
		RetryTimeout: cfg.RetryTimeout, RequestTimeout: cfg.RequestTimeout, Pacer: c.pacer.gates, Logger: cfg.Logger,
	}
	if cfg.OnRequest != nil {
		wired.OnRequest = func(e wire.Event) { cfg.OnRequest(RequestEvent(e)) }
	}
	var err error
	if c.wire, err = wire.New(wired); err != nil {
		return nil, wrap("new", "", err)
	}
	cfg.APIKey = ""
	c.cfg = cfg
	c.life, c.end = context.WithCancelCause(context.Background())
	c.catalog = newCatalog(c)
	c.attacher = newAttacher(c)
	return c, nil
}

// Close ends what the client does in the background and what is under way, whose
// calls return [ErrClosed]. It returns when they have cleaned up after themselves,
// for which each has 30 seconds, and leaves no goroutine and, unless
// Config.HTTPClient was given, no connection behind. Call [Client.Flush] first
// when WaitFor is [WaitAttached]. Closing twice is harmless.
func (c *Client) Close() error {
	c.closing.Lock()
	c.end(ErrClosed)
	c.closing.Unlock()
	c.work.Wait()
	c.wire.Close()
	return nil
}

// begin begins a call: its context ends with the client's life, and Close waits until
// it is over.
func (c *Client) begin(ctx context.Context) (_ context.Context, over func()) {
	leave, ok := c.enter()
	if !ok {
		leave = func() {} // the context has ended already
	}
	ctx, cancel := c.bind(ctx)
	return ctx, func() {
		cancel()
		leave()
	}
}

// bind ties a call's context to the life of the client.
func (c *Client) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(c.life, func() { cancel(ErrClosed) })
	return ctx, func() {
		unhook()
		cancel(nil)
	}
}

// cleanupTime bounds what is done after the caller has given up.
const cleanupTime = 30 * time.Second

// afterwards is a context for cleaning up: it outlives the caller's and the
// client's, for a bounded time.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}

// outliving is a context that ends a bounded time after ctx does.
func outliving(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		time.AfterFunc(cleanupTime, func() { cancel(context.Cause(ctx)) })
	})
	return longer, func() {
		unhook()
		cancel(nil)
	}
}

// spawn runs f in the background; f must end when the client's life does. It
// returns false when that has ended already.
func (c *Client) spawn(f func(ctx context.Context)) bool {
	done, ok := c.enter()
	if !ok {
		return false
	}
	go func() {
		defer done()
		f(c.life)
	}()
	return true
}

// enter counts something that Close waits for, until leave is called; it is false
// when the client is closed.
func (c *Client) enter() (leave func(), ok bool) {
	c.closing.RLock()
	defer c.closing.RUnlock()
	if c.life.Err() != nil {
		return nil, false
	}
	c.work.Add(1)
	return c.work.Done, true
}
