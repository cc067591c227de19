package vsclient

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/index"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/view"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// async is the work that Config.Async leaves to be done when a Put has returned.
type async struct {
	mu     sync.Mutex
	open   []chan struct{} // each is closed when its document is searchable, or has failed
	failed []error         // of documents that came to nothing since the last Flush
	waits  sync.Map        // by File, how to end the wait for it
}

// errReplaced says that a version was removed since its key has a newer change.
var errReplaced = errors.New("the File was removed")

// removed ends the wait for a version.
func (a *async) removed(id string, failed bool) {
	cause := errReplaced
	if failed {
		cause = fail.New(fail.Indexing, "File %s could not be indexed, and was removed", id)
	}
	if cancel, waiting := a.waits.Load(id); waiting {
		cancel.(context.CancelCauseFunc)(cause) //nolint:forcetypeassert // attachAsync has stored it
	}
}

func (a *async) begin() (end func(error)) {
	ended := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open = append(a.open, ended)
	return func(err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.open = slices.DeleteFunc(a.open, func(c chan struct{}) bool { return c == ended })
		if err != nil {
			a.failed = append(a.failed, err)
		}
		close(ended)
	}
}

// wait returns when everything that is open now has ended.
func (a *async) wait(ctx context.Context) error {
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

// told returns the errors of documents that came to nothing, once.
func (a *async) told() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	failed := errors.Join(a.failed...)
	a.failed = nil
	return failed
}

// attachAsync returns as soon as the attach is accepted, or has failed. The rest
// goes on in the background.
func (c *Client) attachAsync(ctx context.Context, d view.Doc, at wire.Attachment, arrived func()) (index.Fate, error) {
	type result struct {
		fate index.Fate
		err  error
	}
	first := make(chan result, 1)
	end := c.async.begin()
	started := c.spawn(func(life context.Context) {
		// Until the attach is accepted, the caller's context has a say.
		own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cancel(nil)
		c.async.waits.Store(at.FileID, cancel)
		defer context.AfterFunc(life, func() { cancel(ErrClosed) })()
		unhook := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
		accepted := false
		fate, err := c.index.Index(own, at, arrived, func() {
			c.view.Ended(at.FileID, ledger.InProgress, ledger.Listed)
			if accepted = unhook(); accepted {
				first <- result{index.Accepted, nil}
			}
		})
		c.async.waits.Delete(at.FileID)
		replaced := errors.Is(context.Cause(own), errReplaced)
		c.ended(at.FileID, fate)
		if !accepted {
			end(nil)
			first <- result{fate, err}
			return
		}
		if err == nil {
			err = c.keep.AtTurn(life, d, func() error { return c.keep.Settle(life, d) })
		} else {
			c.settleTurn(life, d)
		}
		if life.Err() != nil || replaced {
			err = nil // nothing is known to have failed
		}
		end(wrap(string(opPut), d.Key, err))
	})
	if !started {
		end(nil)
		return index.NotAttached, ErrClosed
	}
	got := <-first
	return got.fate, got.err
}

func (c *Client) settleTurn(ctx context.Context, d view.Doc) {
	_ = c.keep.AtTurn(ctx, d, func() error {
		c.keep.SettleLater(ctx, d)
		return nil
	})
}

// Flush returns when every document that was attached under Config.Async by now is
// searchable, and its older versions are gone. Its error joins an [*Error] for each
// document that came to nothing since the last Flush. When ctx ends first, it
// returns the cause.
func (c *Client) Flush(ctx context.Context) error {
	ctx, over, err := c.begin(ctx)
	if err != nil {
		return wrap("flush", "", err)
	}
	defer over()
	if err := c.async.wait(ctx); err != nil {
		return wrap("flush", "", err)
	}
	return c.async.told()
}
