// Package index makes Files searchable: it attaches them together and waits until each
// is indexed. It knows no keys of documents.
package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/gather"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Config is the configuration of an Indexer. All of it is required.
type Config struct {
	BatchSize    int                 // the most Files of one attach request
	IndexTimeout time.Duration       // the longest wait for one File, from the accepted attach on
	Kept         func() bool         // the store was seen to hold documents with marks
	Life         context.Context     // ends all work
	Go           func(f func()) bool // runs f in a goroutine, unless Life has ended: then it returns false
	Calls        *semaphore.Weighted // bounds the requests that are made side by side
	Logger       *slog.Logger
}

// Fate is the result of attaching a File, as far as replies have shown it.
type Fate int

const (
	NotAttached Fate = iota // never sent, or surely refused: the store will not show the File
	Uncertain               // sent, and the reply was lost or not waited for: the File may be attached, also later
	Accepted                // the attach was accepted; indexing had not ended when the wait did
	Failed                  // indexing has failed, or the attach was accepted and the File then vanished or was refused
	Searchable              // indexing has succeeded
)

func (f Fate) String() string {
	return [...]string{"not attached", "uncertain", "accepted", "failed", "searchable"}[f]
}

// Passing reports whether a new upload may succeed: indexing failed by a temporary fault
// of OpenAI, or the attach had no reply and shows no effect.
func Passing(err error) bool {
	return errors.Is(err, fail.Indexing) && errors.Is(err, fail.Unavailable)
}

// Indexer attaches Files to one vector store. It is safe for concurrent use.
type Indexer struct {
	cfg     Config
	wire    *wire.Client
	typical pace.Estimate
	queue   *gather.Queue[*attaching]

	mu    sync.Mutex // guards the fields below, and the state of each attaching
	most  int        // Files of one request
	until time.Time  // each File is attached in a request of its own until then
	keeps [2]bool    // the server was seen to keep marks: of a File alone, and of a batch
}

// New returns an Indexer. It makes no request.
func New(w *wire.Client, cfg Config) *Indexer {
	i := &Indexer{cfg: cfg, wire: w, most: cfg.BatchSize}
	i.queue = gather.New(gather.Config[*attaching]{
		Size: i.batchSize, Gone: i.abandoned, Admit: w.AdmitAttach,
		Send: func(files []*attaching, leave func()) { i.deliver(files, leave) }, Life: cfg.Life, Go: cfg.Go,
	})
	return i
}

// Expect announces a File. The caller calls arrived when the File is uploaded, or will
// not come; Index calls it as well.
func (i *Indexer) Expect() (arrived func()) { return i.queue.Expect() }

// attaching is one File that is to become a store file.
type attaching struct {
	wire.Attachment
	ctx      context.Context // ends when nobody waits for the File
	answered chan struct{}   // closed when a request with it was answered, or has had an effect
	taken    chan struct{}   // closed when the attach has been accepted
	ended    chan struct{}   // closed when fate and err are set

	// Guarded by Indexer.mu.
	gone     bool      // its caller has given up: it is in no request from now on
	sent     bool      // a request with it is under way, or unsure
	unsure   bool      // the reply to a request with it was lost
	tried    time.Time // the first request with it
	bare     time.Time // when a GET has shown it without its marks first
	attached time.Time // when the last request with it was answered
	fate     Fate
	err      error
}

// take notes that the attach has been accepted, and reports whether that is new. The
// caller holds Indexer.mu.
func (at *attaching) take() bool {
	if closed(at.taken) {
		return false
	}
	close(at.taken)
	return true
}

// Index attaches the File and waits until it is searchable. arrived is the function
// that Expect has returned for it. accepted is called once, before Index returns, when
// OpenAI has accepted the attach.
//
// The error is nil for Searchable alone. When ctx ends, Index returns at once, with the
// cause. A File that is still being indexed after Config.IndexTimeout is
// Accepted with a fail.Timeout. A File is attached once; the attach is repeated only
// when the server has ended the request before and a look has found the File absent.
func (i *Indexer) Index(ctx context.Context, a wire.Attachment, arrived, accepted func()) (Fate, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(i.cfg.Life, func() { cancel(context.Cause(i.cfg.Life)) })()
	at := &attaching{Attachment: a, ctx: ctx, answered: make(chan struct{}), taken: make(chan struct{}), ended: make(chan struct{})}
	i.queue.Add(at)
	arrived()
	select {
	case <-at.answered:
	case <-at.ended:
	case <-ctx.Done():
	}
	accepted = sync.OnceFunc(accepted)
	if closed(at.answered) {
		waiting, stop := context.WithTimeoutCause(ctx, i.cfg.IndexTimeout, &fail.Error{
			Kind: fail.Indexing, Err: fail.Timeout,
			Reason: fmt.Sprintf("File %s was not searchable %v after its attach", a.FileID, i.cfg.IndexTimeout),
		})
		defer stop()
		ctx = waiting
		select {
		case <-at.taken:
			accepted()
		case <-at.ended:
		case <-ctx.Done():
		}
		select {
		case <-at.ended:
		case <-ctx.Done():
		}
	}
	fate, err := i.leave(at, context.Cause(ctx))
	if closed(at.taken) {
		accepted()
	}
	return fate, err
}

// leave returns the fate of the File. Unless it has been decided, the caller gives up
// for the cause, and the File is in no request from now on.
func (i *Indexer) leave(at *attaching, cause error) (Fate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if closed(at.ended) {
		return at.fate, at.err
	}
	at.gone = true
	switch {
	case closed(at.taken):
		return Accepted, cause
	case at.sent:
		return Uncertain, cause
	}
	return NotAttached, cause
}

// abandoned reports whether the caller of the File has given up.
func (i *Indexer) abandoned(at *attaching) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return at.gone
}

// end sets the fate of the File.
func (i *Indexer) end(at *attaching, fate Fate, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !closed(at.ended) {
		at.fate, at.err = fate, err
		close(at.ended)
	}
}

// refuse ends the Files whose attach has failed.
func (i *Indexer) refuse(files []*attaching, err error) {
	for _, at := range files {
		i.mu.Lock()
		fate := NotAttached
		switch {
		case at.unsure && closed(at.taken):
			fate = Accepted
		case at.unsure:
			fate = Uncertain
		case closed(at.taken):
			fate = Failed
		}
		i.mu.Unlock()
		i.end(at, fate, err)
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// each calls f for each of the files, side by side as far as Config.Calls has room,
// and returns when all calls have returned.
func (i *Indexer) each(ctx context.Context, files []*attaching, f func(at *attaching)) {
	var calls sync.WaitGroup
	for _, at := range files {
		if i.cfg.Calls.Acquire(ctx, 1) != nil {
			break
		}
		calls.Go(func() {
			defer i.cfg.Calls.Release(1)
			f(at)
		})
	}
	calls.Wait()
}

// together is a context for work that the Files share. It ends with the Indexer's life
// and when nobody waits for any of them.
func (i *Indexer) together(files []*attaching) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(i.cfg.Life)
	var left atomic.Int64
	left.Store(int64(len(files)))
	unhook := make([]func() bool, len(files))
	for n, at := range files {
		unhook[n] = context.AfterFunc(at.ctx, func() {
			if left.Add(-1) == 0 {
				cancel(context.Cause(at.ctx))
			}
		})
	}
	return ctx, func() {
		for _, u := range unhook {
			u()
		}
		cancel(nil)
	}
}
