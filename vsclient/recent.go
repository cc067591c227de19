package vsclient

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// recent looks at the newest store files in the background: when the client makes
// its first change, three minutes later, and as long as Files are watched whose
// attach may not have shown. A key that has a second version there, one that
// failed, or a version that a Delete should have found, is settled.
type recent struct {
	c    *Client
	once sync.Once

	mu      sync.Mutex
	watched map[string]watched // by File
	wake    chan struct{}
}

// watched is a File that bears one of the key's names and was too young for a 404
// to be conclusive.
type watched struct {
	doc
	until   time.Time
	deleted bool // the key was deleted after the File was made
}

const (
	newestLooked = 200 // store files that a look reads, at least
	firstWatch   = 15 * time.Second
	longestWatch = time.Minute
)

func (r *recent) init(c *Client) {
	r.c, r.watched, r.wake = c, make(map[string]watched), make(chan struct{}, 1)
}

// start begins the looks, once.
func (r *recent) start() { r.once.Do(func() { r.c.spawn(r.run) }) }

// watch has Files looked for until their attach must have shown. One that turns out
// to be an older version of the key is removed; after a Delete, any.
func (c *Client) watch(d doc, young []string, deleted bool) {
	if len(young) == 0 {
		return
	}
	r := &c.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range young {
		w := watched{d, time.Now().Add(c.cfg.IndexTimeout + showTime), deleted || r.watched[id].deleted && r.watched[id].key == d.key}
		r.watched[id] = w
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *recent) run(ctx context.Context) {
	var since int64 // OpenAI's time of the look before
	second := time.Now().Add(showTime)
	for wait := firstWatch; ; {
		since = r.look(ctx, since)
		r.mu.Lock()
		watching := len(r.watched) > 0
		r.mu.Unlock()
		now := time.Now()
		switch {
		case watching:
			wait = min(2*wait, longestWatch)
		case now.Before(second):
			wait = second.Sub(now)
		default:
			if wire.Pause(ctx, 0, r.wake) != nil {
				return
			}
			wait = firstWatch
		}
		if wire.Pause(ctx, wait, nil) != nil {
			return
		}
	}
}

// look reads the newest entries of the store's listing: so many as a look reads at
// least, and all that were attached since the look before and may have been hidden
// by the listing's lag. It returns OpenAI's time.
func (r *recent) look(ctx context.Context, since int64) (began int64) {
	c := r.c
	if c.listFiles(ctx, trustedFor) != nil {
		return since
	}
	began = c.view.now()
	at, seen := c.tick(), 0
	for page, err := range c.wire.NewestStoreFiles(ctx) {
		if err != nil {
			return since // the next look reads as far back
		}
		last := int64(0)
		for _, s := range page {
			r.entry(ctx, s, at)
			last = s.CreatedAt
		}
		at = c.tick()
		seen += len(page)
		if seen >= newestLooked && (since == 0 || last < since-int64(showTime/time.Second)) {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, w := range r.watched {
		if time.Now().After(w.until) || c.ledger.IsGone(id) {
			delete(r.watched, id)
		}
	}
	return began
}

// entry has the key of a store file settled, where there may be something to settle.
func (r *recent) entry(ctx context.Context, s wire.StoreFile, at uint32) {
	c := r.c
	id := c.observe(s, ledger.Listed, at)
	r.mu.Lock()
	w, late := r.watched[s.ID]
	r.mu.Unlock()
	late = late && w.deleted && id.Ours && w.id == ledger.Key(id.Digest[:16])
	switch {
	case late:
		if c.removeLate(ctx, w.doc, s.ID) == nil {
			r.mu.Lock()
			delete(r.watched, s.ID)
			r.mu.Unlock()
		}
	case id.Key == "":
	default:
		d := c.doc(id.Key)
		if h := c.ledger.Holdings(d.id, d.names); len(h.Versions) > 1 || statusOf(s.Status) == ledger.Failed {
			c.tend(d)
		}
		c.removeReplaced(ctx, d, s, id)
	}
}

// removeLate removes a version that a Delete should have found.
func (c *Client) removeLate(ctx context.Context, d doc, id string) error {
	return c.atTurn(ctx, d, func() error {
		if err := c.look(ctx, id); err != nil {
			return err
		}
		v, known := c.ledger.Find(id)
		if !known || v.Key != d.id || v.Status <= ledger.Absent {
			return nil
		}
		_, err := c.removeAll(ctx, []ledger.Version{v})
		return err
	})
}

// removeReplaced deletes Files that a searchable version names as those that it has
// replaced, and that a process which was cut off has detached and not deleted.
func (c *Client) removeReplaced(ctx context.Context, d doc, s wire.StoreFile, id naming.Identity) (gone []string) {
	left := slices.DeleteFunc(slices.Clone(id.Source.Replaces), func(id string) bool {
		v, known := c.ledger.Find(id)
		return !known || v.Key != (ledger.Key{}) || v.Made
	})
	if len(left) == 0 || statusOf(s.Status) != ledger.Completed {
		return nil
	}
	err := c.atTurn(ctx, d, func() error {
		for _, old := range append([]string{s.ID}, left...) {
			if err := c.look(ctx, old); err != nil {
				return err
			}
		}
		keeper, known := c.ledger.Find(s.ID)
		if !known || keeper.Key != d.id || keeper.Status != ledger.Completed {
			return nil
		}
		for _, old := range left {
			v, known := c.ledger.Find(old)
			if !known || v.Status != ledger.Absent {
				continue // attached: it is a version like any other
			}
			v.Content = keeper.Content // this client's kind has uploaded it
			if _, err := c.remove(ctx, v); err != nil {
				return err
			}
			gone = append(gone, old)
		}
		return nil
	})
	if err != nil {
		c.log.DebugContext(ctx, "a replaced File could not be removed", "error", err.Error())
	}
	return gone
}

// atTurn runs f when it is the key's turn.
func (c *Client) atTurn(ctx context.Context, d doc, f func() error) error {
	t := c.turns.ask(d.key)
	if err := t.wait(ctx); err != nil {
		t.abandon()
		return err
	}
	defer t.leave()
	return f()
}
