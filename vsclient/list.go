package vsclient

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// List iterates over all documents of the store, files of other tools included. It
// asks for a hundred at a time as the loop goes on. Just after a replacement, or a
// crash in one, a key may come twice, with different versions. An error ends the
// loop.
func (c *Client) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		ctx, over, err := c.begin(ctx)
		if err != nil {
			yield(Info{}, wrap("list", "", err))
			return
		}
		defer over()
		for e, err := range c.entries(ctx) {
			if err != nil {
				yield(Info{}, wrap("list", "", err))
				return
			}
			if !yield(newInfo(e.key, e.StoreFile), nil) {
				return
			}
		}
	}
}

// entry is a store file with its key.
type entry struct {
	wire.StoreFile
	key string // empty where it is longer than attributes can hold
	id  naming.Identity
}

// entries reads the listing without entries whose File is gone, and with this
// client's own attaches that it does not show yet.
func (c *Client) entries(ctx context.Context) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		if err := c.listAllFiles(ctx); err != nil {
			yield(entry{}, err)
			return
		}
		unseen := c.ledger.Fresh(c.tickAt(time.Now().Add(-showTime)), c.view.now()-int64(showTime/time.Second), mostUnseen)
		at := c.tick()
		for page, err := range c.wire.StoreFiles(ctx) {
			if err != nil {
				yield(entry{}, err)
				return
			}
			for _, s := range page {
				delete(unseen, s.ID)
				e, there, err := c.entry(ctx, s, at)
				if err != nil {
					yield(entry{}, err)
					return
				}
				if there && !yield(e, nil) {
					return
				}
			}
			at = c.tick()
		}
		for e, err := range c.unseen(ctx, unseen) {
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// mostUnseen bounds the looks at Files of others that the listing does not show: they
// may be attached to other stores.
const mostUnseen = 100

// unseen looks at Files that the listing has not shown, side by side.
func (c *Client) unseen(ctx context.Context, ids map[string]bool) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var looks sync.WaitGroup
		defer looks.Wait()
		defer cancel()
		type answer struct {
			entry
			there bool
			err   error
		}
		answers := make(chan answer, len(ids))
		for id := range ids {
			looks.Go(func() {
				a := answer{err: c.lookups.Acquire(ctx, 1)}
				if a.err == nil {
					defer c.lookups.Release(1)
					s, _, err := c.wire.StoreFile(ctx, id)
					switch {
					case err == nil:
						a.entry, a.there, a.err = c.entry(ctx, s, c.tick())
					case !errors.Is(err, fail.NotFound):
						a.err = err
					}
				}
				answers <- a
			})
		}
		for range ids {
			a := <-answers
			if (a.there || a.err != nil) && !yield(a.entry, a.err) {
				return
			}
		}
	}
}

// entry finds the key of an entry of the listing. It is not there when its File is
// gone: then the listing is behind.
func (c *Client) entry(ctx context.Context, s wire.StoreFile, at uint32) (e entry, there bool, err error) {
	if c.ledger.IsGone(s.ID) {
		return e, false, nil
	}
	known := c.ledger.Named(s.ID)
	e = entry{StoreFile: s, id: c.observe(s, ledger.Listed, at)}
	e.key = e.id.Key
	if known && e.id.Ours {
		return e, true, nil
	}
	// No list of Files has shown it, or its name is its key.
	f, err := c.wire.File(ctx, s.ID)
	if errors.Is(err, fail.NotFound) {
		c.ledger.Gone(s.ID, c.tick())
		return e, false, nil
	}
	if !e.id.Ours {
		e.key = f.Filename
	}
	return e, err == nil, err
}
