package life

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Awaited are the documents that are waited for after their call has returned. The zero
// value has none.
type Awaited struct {
	mu     sync.Mutex
	open   []chan struct{} // each is closed when its document is searchable, or has failed
	failed []error         // of documents that failed since TakeErrors, maxFailed at the most
	more   int             // how many others failed
	waits  sync.Map        // by File, how to end the wait for it
}

// maxFailed bounds the memory of a program that never asks.
const maxFailed = 10_000

// Begin adds a document. end takes the error of one that failed.
func (a *Awaited) Begin() (end func(error)) {
	ended := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = append(a.open, ended)
	return func(err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.open = slices.DeleteFunc(a.open, func(c chan struct{}) bool { return c == ended })
		switch {
		case err == nil:
		case len(a.failed) < maxFailed:
			a.failed = append(a.failed, err)
		default:
			a.more++
		}
		close(ended)
	}
}

// Wait returns when every document that is waited for now has ended, or the cause with
// which ctx has ended before.
func (a *Awaited) Wait(ctx context.Context) error {
	a.mu.Lock()
	open := slices.Clone(a.open)
	a.mu.Unlock()
	for _, ended := range open {
		select {
		case <-ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// TakeErrors returns the errors of documents that failed since its last call.
func (a *Awaited) TakeErrors() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.more > 0 {
		a.failed = append(a.failed, fmt.Errorf("%d more documents failed", a.more))
	}
	failed := errors.Join(a.failed...)
	a.failed, a.more = nil, 0
	return failed
}

// Hold takes cancel, by which Removed ends the wait for the File, until release is called.
func (a *Awaited) Hold(file string, cancel context.CancelCauseFunc) (release func()) {
	a.waits.Store(file, cancel)
	return func() { a.waits.Delete(file) }
}

// Removed ends the wait for a File, if it is waited for.
func (a *Awaited) Removed(file string, cause error) {
	if cancel, waiting := a.waits.Load(file); waiting {
		cancel.(context.CancelCauseFunc)(cause) //nolint:forcetypeassert // Hold has stored it
	}
}
