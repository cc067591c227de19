package view

import (
	"context"
	"errors"
	"iter"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/lists"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Entry is a store file with its key.
type Entry struct {
	wire.StoreFile
	Key      string // empty where it is longer than attributes can hold
	Identity naming.Identity
}

// Entries reads the listing without entries whose File is gone, and with this
// client's own attaches that it does not show yet. A document that is replaced meanwhile comes
// in one of its versions at least.
func (v *View) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var files error
		listed := make(chan struct{})
		go func() { files = v.Relist(ctx); close(listed) }() // beside the first page
		defer func() { cancel(); <-listed }()
		var r *rest
		at, empty := v.Tick(), true
		for page, err := range v.cfg.Wire.StoreFiles(ctx) {
			if err == nil && r == nil {
				<-listed
				err = files
				r = &rest{View: v, known: v.Files(), wanted: make(map[ledger.Key]bool), looked: make(map[string]bool), missed: make(map[ledger.Key]string)}
				r.unseen = v.ledger.Fresh(v.TickAt(time.Now().Add(-lists.ShowTime)), v.Now()-int64(lists.ShowTime/time.Second), mostUnseen)
				for _, key := range r.unseen {
					r.wanted[key] = true
				}
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			empty = true
			for _, s := range page {
				e, there, err := v.entry(ctx, s, at)
				if err != nil {
					yield(Entry{}, err)
					return
				}
				r.shown(e, there)
				if there && !yield(e, nil) {
					return
				}
				empty = empty && !there
			}
			at = v.Tick()
		}
		// The end of a store that has expired must not pass for that of its documents.
		if empty {
			if err := v.StoreThere(ctx); err != nil {
				yield(Entry{}, err)
				return
			}
		}
		if !r.yield(ctx, yield) || !r.denied {
			return
		}
		if err := v.StoreThere(ctx); err != nil {
			yield(Entry{}, err)
		}
	}
}

// rest is the part of the store's documents that the pages of a listing do not show: attaches
// that they do not show yet, and versions that have replaced those that they show.
type rest struct {
	*View
	known  uint32                // how many Files were known when unseen was made
	unseen map[string]ledger.Key // Files to look at, with the key that a reply has shown
	wanted map[ledger.Key]bool   // keys of these, as long as no version of them has come
	looked map[string]bool       // Files that have come or are gone, and those beyond known that a page has shown
	denied bool                  // a File that was looked at is not there
	missed map[ledger.Key]string // keys of versions that were not there, and of which none has come; "": the digest alone is known
}

// shown takes in an entry of a page.
func (r *rest) shown(e Entry, there bool) {
	delete(r.unseen, e.ID)
	if r.ledger.IsNewer(e.ID, r.known) {
		r.looked[e.ID] = true
	}
	switch key := ledger.KeyOf(e.Identity.Digest); {
	case there && e.Identity.Ours:
		delete(r.missed, key)
		delete(r.wanted, key)
	case e.Identity.Ours:
		r.missed[key] = e.Key
	}
}

// yield looks at the rest. The second round takes in all changes since the first page, those
// that the loop has made among them. The others follow keys that are being replaced, for half a
// minute at the most. It returns whether the loop goes on.
func (r *rest) yield(ctx context.Context, yield func(Entry, error) bool) bool {
	began := time.Now()
	for round := 0; round < 2 || len(r.missed) > 0 && time.Since(began) < Patience; round++ {
		var err error
		if round > 1 {
			err = pace.Pause(ctx, time.Duration(min(round, 10))*100*time.Millisecond, nil)
		}
		if err == nil {
			err = r.replacements(ctx, round)
		}
		var found []Entry
		if err == nil {
			found, err = r.look(ctx, round)
		}
		for _, e := range found {
			if !yield(e, nil) {
				return false
			}
		}
		if err != nil {
			yield(Entry{}, err)
			return false
		}
	}
	return true
}

// replacements adds Files to those that are unseen: the known versions of the missed keys and,
// in the second round, Files that have come to be known since the first page.
func (r *rest) replacements(ctx context.Context, round int) error {
	age := lists.ListAge
	if len(r.missed) > 0 && round > 0 {
		age = 0 // another process may have replaced them
	}
	if err := r.Renew(ctx, age); err != nil {
		return err
	}
	if round == 1 {
		maps.Copy(r.unseen, r.ledger.Newer(r.known, mostUnseen))
	}
	for id, key := range r.missed {
		h := r.ledger.Holdings(id, naming.Names{})
		if key != "" {
			var err error
			if h, _, err = r.Holdings(ctx, r.Doc(key)); err != nil {
				return err
			}
		}
		for _, version := range h.Versions {
			if version.Key == id && !version.Going {
				r.unseen[version.ID] = id
			}
		}
	}
	maps.DeleteFunc(r.unseen, func(id string, _ ledger.Key) bool { return r.looked[id] })
	return nil
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

// look looks at the unseen Files side by side. It returns those that are there, also with an
// error. A key is missed where a version of it was gone and no other is there.
func (r *rest) look(ctx context.Context, round int) (found []Entry, err error) {
	looks, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	missed := make(map[ledger.Key]string)
	if round == 0 {
		missed = maps.Clone(r.missed) // another process may have replaced them
	}
	for id, key := range r.unseen {
		looks.Go(func() error {
			if r.cfg.Calls.Acquire(ctx, 1) != nil {
				return context.Cause(ctx)
			}
			defer r.cfg.Calls.Release(1)
			var e Entry
			s, err := r.Shown(ctx, id)
			there := err == nil
			if there {
				r.Read(s)
				e, there, err = r.entry(ctx, s, r.TickAt(s.Asked))
			}
			mu.Lock()
			defer mu.Unlock()
			r.looked[id] = there || r.ledger.IsGone(id)
			switch {
			case there:
				found = append(found, e)
			case err == nil, errors.Is(err, fail.NotFound):
				r.denied = true
				if name, is := r.missed[key]; is || r.wanted[key] {
					missed[key] = name
				}
				return nil
			}
			return err
		})
	}
	err = looks.Wait()
	for _, e := range found {
		delete(missed, ledger.KeyOf(e.Identity.Digest))
	}
	clear(r.wanted) // a File that was not there and whose key is not missed needs no other look
	r.missed = missed
	clear(r.unseen)
	return found, err
}

// entry finds the key of an entry of the listing. It is not there when its File is
// gone: then the listing is behind.
func (v *View) entry(ctx context.Context, s wire.StoreFile, at uint32) (e Entry, there bool, err error) {
	known := v.ledger.InFileList(s.ID)
	e = Entry{StoreFile: s, Identity: v.Listed(s, at)}
	e.Key = e.Identity.Key
	if file, ok := v.ledger.Find(s.ID); ok {
		e.ID = file.ID // the same string, so that a caller who keeps the entry does not keep another
	}
	switch {
	case v.ledger.IsGone(s.ID):
		return e, false, nil
	case known && e.Identity.Ours:
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
