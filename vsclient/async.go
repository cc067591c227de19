package vsclient

import (
	"context"
	"errors"
	"fmt"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/index"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// errReplaced says that a version was removed since its key has a newer change.
var errReplaced = errors.New("the File was removed")

// removed ends the wait for a version.
func (c *Client) removed(id string, failed bool) {
	cause := errReplaced
	if failed {
		cause = fail.New(fail.Unavailable, "File %s could not be indexed, for a reason that was not seen, and was removed", id)
	}
	c.awaited.Removed(id, cause)
}

// attachAsync returns as soon as the attach is accepted or has failed. The rest goes on after it.
func (c *Client) attachAsync(ctx context.Context, p *prepared, at wire.Attachment, arrived func()) (index.Fate, error) {
	type result struct {
		fate index.Fate
		err  error
	}
	first := make(chan result, 1)
	end := c.awaited.Begin()
	started := c.life.Go(func(life context.Context) {
		// Until the attach is accepted, the caller's context has a say.
		inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cancel(nil)
		release := c.awaited.Hold(at.FileID, cancel)
		defer context.AfterFunc(life, func() { cancel(ErrClosed) })()
		unhook := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
		accepted := false
		fate, err := c.index.Index(inner, at, arrived, func() {
			c.view.Ended(at.FileID, ledger.InProgress, ledger.Listed)
			if accepted = unhook(); accepted {
				first <- result{index.Accepted, nil}
			}
		})
		release()
		c.ended(at.FileID, fate)
		if !accepted {
			end(nil)
			first <- result{fate, err}
			return
		}
		if err == nil {
			err = c.keep.AtTurn(life, p.Doc, func() error { return c.keep.Settle(life, p.Doc) })
		} else {
			c.keep.Tend(p.Doc) // which Close waits for
			if p.others > 0 {
				err = fmt.Errorf("%w; %d other changes of the key that were merged with it are not made", err, p.others)
			}
		}
		if life.Err() != nil || errors.Is(context.Cause(inner), errReplaced) {
			err = nil // nothing is known to have failed
		}
		err = wrap(string(opPut), p.Key, err)
		if e, failed := errors.AsType[*Error](err); failed {
			c.log.Warn("a document that was attached did not become searchable", "file_id", at.FileID, "error", fail.Unnamed(e.Reason, p.Key, p.name))
		}
		end(err)
	})
	if !started {
		end(nil)
		return index.NotAttached, ErrClosed
	}
	got := <-first
	return got.fate, got.err
}

// Flush returns when every document that was attached under Config.Async by now is
// searchable, and its older versions are gone. Its error joins an [*Error] for each
// document that failed since the last Flush, 10,000 at the most, and the number
// of the others. When ctx ends first, it returns the cause.
func (c *Client) Flush(ctx context.Context) error {
	ctx, over, err := c.life.Begin(ctx)
	if err != nil {
		return wrap("flush", "", err)
	}
	defer over()
	if err := c.awaited.Wait(ctx); err != nil {
		return wrap("flush", "", err)
	}
	return c.awaited.TakeErrors()
}
