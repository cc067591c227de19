package vsclient

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// held is one version of a key's document that the store holds.
type held struct {
	file
	f *file
}

// holdingsNow is holdings where it matters that there is nothing: somebody else may
// have put the document since the list of Files was read.
func (k *catalog) holdingsNow(ctx context.Context, key string) (have []held, unsure []*file, err error) {
	have, unsure, err = k.holdings(ctx, key)
	if err != nil || !nothing(have) {
		return have, unsure, err
	}
	if err := k.fresh(ctx, 0); err != nil {
		return nil, nil, err
	}
	k.forget(unsure) // they may show by now
	return k.holdings(ctx, key)
}

// nothing reports whether there is no document among them: what is doomed is none.
func nothing(have []held) bool { return len(have) == 0 || have[0].doomed }

// ids are those of the Files, as a document records what it replaces.
func ids(have []held) []string {
	all := make([]string, len(have))
	for i, h := range have {
		all[i] = h.id
	}
	return all
}

// forget has the Files looked at again when they are asked for.
func (k *catalog) forget(files []*file) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range files {
		f.looked = 0
	}
}

// holdings tells what the store holds under the key, the newest version first and
// what is doomed last, and which Files could be the key's but were not seen in the
// store so shortly after they were made that this proves nothing.
func (k *catalog) holdings(ctx context.Context, key string) (have []held, unsure []*file, err error) {
	if err := k.fresh(ctx, refreshAfter); err != nil {
		return nil, nil, err
	}
	var loose, passed []*file
	found := false
	weigh := func(f *file) {
		switch now := k.snapshot(f); {
		case k.belongs(now, key):
			have, found = append(have, now), true
		case now.state == absent:
			if k.mayShow(now.file) {
				unsure = append(unsure, f)
			}
			if !now.judged {
				loose = append(loose, f)
			}
		}
	}
	for _, f := range k.candidates(key) {
		if now := k.snapshot(f); now.doomed {
			have = append(have, now)
			continue
		}
		over, err := k.inspect(ctx, f)
		if err != nil {
			return nil, nil, err
		}
		if over {
			passed = append(passed, f)
			continue
		}
		weigh(f)
	}
	// A key that has its document has namesakes in other stores, not an older version
	// that a whole reading of this one would not show.
	for _, f := range passed {
		if found {
			break
		}
		if err := k.look(ctx, f); err != nil {
			return nil, nil, err
		}
		weigh(f)
	}
	slices.SortFunc(have, func(a, b held) int {
		return cmp.Or(after(a.doomed, b.doomed), cmp.Compare(b.version, a.version), cmp.Compare(b.created, a.created), cmp.Compare(b.id, a.id))
	})
	orphans, err := k.orphans(ctx, have, loose)
	return append(have, orphans...), unsure, err
}

func after(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// orphans are those of the loose Files that the key's document says it has
// replaced: a removal that was cut off has detached them and left them there. They
// are doomed.
func (k *catalog) orphans(ctx context.Context, have []held, loose []*file) (found []held, err error) {
	if len(loose) == 0 || len(have) == 0 || have[0].doomed {
		return nil, nil
	}
	s, err := k.c.getStoreFile(ctx, have[0].id)
	if is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	replaced := naming.Decode(s.Attributes).Source.Replaces
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, f := range loose {
		if f.judged = !slices.Contains(replaced, f.id); !f.judged {
			f.doomed = true
			found = append(found, held{*f, f})
		}
	}
	return found, nil
}

func (k *catalog) snapshot(f *file) held {
	k.mu.Lock()
	defer k.mu.Unlock()
	return held{*f, f}
}

// belongs reports whether the File is attached as a version of that key's
// document.
func (k *catalog) belongs(h held, key string) bool {
	switch h.state {
	case attached:
		digest := naming.DigestOf(key)
		return [16]byte(digest[:16]) == h.key
	case unmarked:
		// The earlier connector's: its name is the key, to the letter.
		return h.ext == extIndex(key) && k.chained(k.hash(naming.Stem(key)), h.f)
	}
	return false
}

// recent reports whether the File is so new, or was attached so shortly ago, that
// its being attached may not show.
func (k *catalog) recent(f file) bool {
	return time.Since(time.Unix(int64(f.created), 0)) < settleTime || k.justAttached(f)
}

// justAttached reports whether this client has attached the File so shortly ago
// that it may not show.
func (k *catalog) justAttached(f file) bool {
	return f.since > 0 && time.Since(k.time(f.since)) < settleTime
}

// mayShow reports whether the File, which the store does not show, may do so yet:
// somebody's attach, which can be a fresh one for a file whose indexing was stuck,
// has then been made too shortly ago.
func (k *catalog) mayShow(f file) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.age(&f) < k.c.cfg.IndexTimeout+settleTime || k.recent(f)
}

// mayShowYet are those of the Files of which it is so.
func (k *catalog) mayShowYet(files []*file) []*file {
	return slices.DeleteFunc(files, func(f *file) bool { return !k.mayShow(k.snapshot(f).file) })
}

// chained reports whether the File stands under that hash.
func (k *catalog) chained(h uint64, want *file) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for f := k.byStem[h]; f != nil; f = f.next {
		if f == want {
			return true
		}
	}
	return false
}

// passedOver reports whether a reading of the store's whole listing has not shown the
// File, which had long been there by then: whatever was attached would have shown. The
// caller holds mu.
func (k *catalog) passedOver(f *file) bool {
	since := time.Since(k.whole)
	return f.state == unknown && !k.whole.IsZero() && since < trustedFor && !k.unnamed[f.id] && k.age(f)-since > k.c.cfg.IndexTimeout+settleTime
}

// inspect returns when it is known what the File is in the store, or that a reading of
// the listing has passed over it.
func (k *catalog) inspect(ctx context.Context, f *file) (over bool, err error) {
	for {
		if k.c.life.Err() != nil {
			return false, ErrClosed
		}
		k.mu.Lock()
		if k.trusted(f) && f.state != unknown {
			k.mu.Unlock()
			return false, nil
		}
		if k.walk == nil && k.passedOver(f) {
			k.mu.Unlock()
			return true, nil
		}
		if k.walk == nil {
			if k.walkable() {
				if k.total < 0 {
					fl := k.count()
					k.mu.Unlock()
					if err := fl.wait(ctx); err != nil {
						return false, err
					}
					continue
				}
				if k.looks >= max(fewLooks, k.total/wire.StoreFilesPage/2) {
					k.readStore()
					k.mu.Unlock()
					continue
				}
			}
			k.looks++
			k.mu.Unlock()
			return false, k.look(ctx, f)
		}
		paged, ended := k.paged, k.walk.done
		k.mu.Unlock()
		select {
		case <-paged:
		case <-ended:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// walkable reports whether the store's listing may be read as a whole: not when
// it has just been, and did not show what is asked for. The caller holds mu.
func (k *catalog) walkable() bool {
	return k.walked.IsZero() || time.Since(k.walked) >= trustedFor
}

// count asks how many files the store holds, to know when single looks cost more
// than the listing. The count may lag; nothing but the cost depends on it. The
// caller holds mu.
func (k *catalog) count() *flight {
	return k.share(&k.counting, func(ctx context.Context) error {
		s, err := k.c.store(ctx, 0)
		if err == nil {
			k.mu.Lock()
			k.total = s.Files
			k.mu.Unlock()
		}
		return err
	})
}

// look asks for one store file.
func (k *catalog) look(ctx context.Context, f *file) error {
	if err := k.c.calls.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer k.c.calls.Release(1)
	s, err := k.c.getStoreFile(ctx, f.id)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case is(err, ErrNotFound) && (f.state == attached || f.state == unmarked) && k.recent(*f):
		// It is known to be there, and so new that this proves nothing.
		k.note(f, f.state)
		return nil
	case is(err, ErrNotFound):
		k.note(f, absent)
		return nil
	case err != nil:
		return err
	}
	k.learn(f, s)
	return nil
}

// readStore begins to read the store's listing. The caller holds mu.
func (k *catalog) readStore() {
	began, at := k.tick(), time.Now()
	unnamed := make(map[string]bool)
	k.share(&k.walk, func(ctx context.Context) error {
		// Even a reading that failed is not begun again at once: what it did not
		// show is looked at singly.
		defer func() {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.walked, k.looks = time.Now(), 0
		}()
		for data, err := range k.c.wire.StoreFiles(ctx) {
			if err != nil {
				return err
			}
			k.mu.Lock()
			for _, s := range data {
				if !k.place(s, began) {
					unnamed[s.ID] = true
				}
			}
			close(k.paged)
			k.paged = make(chan struct{})
			k.mu.Unlock()
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.whole, k.unnamed = at, unnamed
		return nil
	})
}

// place takes in one entry of the listing, where it is news. What bears no key, or is
// not yet searchable, is left for a look of its own, and false is returned: the
// listing may be behind.
func (k *catalog) place(s wire.StoreFile, began uint32) bool {
	id := naming.Decode(s.Attributes)
	if id.Key == "" || s.Status != wire.Completed {
		return false
	}
	for _, h := range k.stems(id.Key) {
		for f := k.byStem[h]; f != nil; f = f.next {
			if f.id == s.ID && f.looked < began {
				k.learn(f, s)
			}
		}
	}
	return true
}
