package view

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/lists"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Entry is a store file with its key.
type Entry struct {
	wire.StoreFile
	Key      string // empty where it is longer than attributes can hold
	Identity naming.Identity
}

// Entries reads the listing without entries whose File is gone, and with this
// client's own attaches that it does not show yet.
func (v *View) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var files error
		listed := make(chan struct{})
		go func() { files = v.Relist(ctx); close(listed) }() // beside the first page
		defer func() { cancel(); <-listed }()
		var unseen map[string]bool
		at, empty := v.Tick(), true
		for page, err := range v.cfg.Wire.StoreFiles(ctx) {
			if err == nil && unseen == nil {
				<-listed
				err = files
				unseen = v.ledger.Fresh(v.TickAt(time.Now().Add(-lists.ShowTime)), v.Now()-int64(lists.ShowTime/time.Second), mostUnseen)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, s := range page {
				delete(unseen, s.ID)
				e, there, err := v.entry(ctx, s, at)
				if err != nil {
					yield(Entry{}, err)
					return
				}
				if there && !yield(e, nil) {
					return
				}
				empty = empty && !there
			}
			at = v.Tick()
		}
		if empty {
			// The emptiness of a store that has expired must not pass for that of a store.
			if err := v.StoreThere(ctx); err != nil {
				yield(Entry{}, err)
				return
			}
		}
		found, err := v.unseen(ctx, unseen)
		for _, e := range found {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// Newest reads the listing page by page, the newest entries first. They come without the
// attributes, which are most of an entry's memory.
func (v *View) Newest(ctx context.Context) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		at := v.Tick()
		for page, err := range v.cfg.Wire.NewestStoreFiles(ctx) {
			entries := make([]Entry, len(page))
			for i, s := range page {
				id := v.Listed(s, at)
				s.Attributes, id.Own = nil, nil
				entries[i] = Entry{StoreFile: s, Key: id.Key, Identity: id}
			}
			if !yield(entries, err) {
				return
			}
			at = v.Tick()
		}
	}
}

// mostUnseen bounds the looks at Files of others that the listing does not show: they
// may be attached to other stores.
const mostUnseen = 100

// unseen looks at Files that the listing has not shown, side by side. It returns those that
// are there, also with an error.
func (v *View) unseen(ctx context.Context, ids map[string]bool) (found []Entry, err error) {
	looks, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	for id := range ids {
		looks.Go(func() error {
			if v.cfg.Calls.Acquire(ctx, 1) != nil {
				return context.Cause(ctx)
			}
			defer v.cfg.Calls.Release(1)
			s, err := v.Shown(ctx, id)
			switch {
			case errors.Is(err, fail.NotFound):
				return nil
			case err != nil:
				return err
			}
			v.Read(s)
			e, there, err := v.entry(ctx, s, v.TickAt(s.Asked))
			if there {
				mu.Lock()
				defer mu.Unlock()
				found = append(found, e)
			}
			return err
		})
	}
	err = looks.Wait()
	return found, err
}

// entry finds the key of an entry of the listing. It is not there when its File is
// gone: then the listing is behind.
func (v *View) entry(ctx context.Context, s wire.StoreFile, at uint32) (e Entry, there bool, err error) {
	if v.ledger.IsGone(s.ID) {
		return e, false, nil
	}
	known := v.ledger.Named(s.ID)
	e = Entry{StoreFile: s, Identity: v.Listed(s, at)}
	e.Key = e.Identity.Key
	if known && e.Identity.Ours {
		return e, true, nil
	}
	// No list of Files has shown it, or its name is its key.
	f, there, err := File(ctx, v.cfg.Wire, s.ID)
	if err == nil && !there {
		v.ledger.Gone(s.ID, v.Tick())
	}
	if !e.Identity.Ours {
		e.Key = f.Filename
	}
	return e, there, err
}
