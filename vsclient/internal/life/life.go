// Package life counts all that has to end before a client has: the calls under way, the
// goroutines that outlive their call, and the documents that are waited for after theirs.
// It also puts the calls for one key in line.
package life

import (
	"context"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// Life tracks the calls and the goroutines of one client.
type Life struct {
	ending sync.RWMutex // held while a call or a goroutine begins, so that none is missed
	closed bool
	calls  scope
	tasks  scope // goroutines that outlive their call
}

// scope is a context with the calls or goroutines that end with it.
type scope struct {
	ctx context.Context
	end context.CancelCauseFunc
	sync.WaitGroup
}

func newScope() scope {
	ctx, end := context.WithCancelCause(context.Background())
	return scope{ctx: ctx, end: end}
}

// await returns when the scope is empty, or ctx ends.
func (s *scope) await(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		s.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// New returns a life that has begun.
func New() *Life { return &Life{calls: newScope(), tasks: newScope()} }

// Context ends with the client.
func (l *Life) Context() context.Context { return l.tasks.ctx }

// EndedError is the cause with which the caller's context has ended.
type EndedError struct{ error }

// Unwrap returns the cause.
func (e EndedError) Unwrap() error { return e.error }

// Begin begins a call. Its context ends with the caller's, by [EndedError], and with the
// client's calls, by [fail.Closed]. Cut waits until over is called.
func (l *Life) Begin(ctx context.Context) (_ context.Context, over func(), err error) {
	l.ending.RLock()
	defer l.ending.RUnlock()
	if l.closed {
		return nil, nil, fail.Closed
	}
	l.calls.Add(1)
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(l.calls.ctx, func() { cancel(fail.Closed) })
	release := context.AfterFunc(ctx, func() { cancel(EndedError{context.Cause(ctx)}) })
	if ctx.Err() != nil {
		cancel(EndedError{context.Cause(ctx)})
	}
	return inner, func() {
		unhook()
		release()
		cancel(nil)
		l.calls.Done()
	}, nil
}

// Go runs f in a goroutine that may outlive its call. f must end when its context does.
// It reports false when the life has ended.
func (l *Life) Go(f func(ctx context.Context)) bool {
	l.ending.RLock()
	defer l.ending.RUnlock()
	if l.tasks.ctx.Err() != nil {
		return false
	}
	l.tasks.Go(func() { f(l.tasks.ctx) })
	return true
}

// Shut lets no call begin any more. It reports false when none could before.
func (l *Life) Shut() bool {
	l.ending.Lock()
	defer l.ending.Unlock()
	open := !l.closed
	l.closed = true
	return open
}

// Await returns when no call is under way, or ctx ends.
func (l *Life) Await(ctx context.Context) { l.calls.await(ctx) }

// Cut ends the calls under way. A call that runs its caller's own code may take longer
// than the time for it. It makes no request any more.
func (l *Life) Cut(within time.Duration) {
	l.calls.end(fail.Closed)
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	l.calls.await(ctx)
}

// End ends the goroutines, and waits for them.
func (l *Life) End() {
	l.ending.Lock()
	l.tasks.end(fail.Closed)
	l.ending.Unlock()
	l.tasks.Wait()
}
