package keep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/lists"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/view"
)

// A version that was just made and just seen is reason enough for a removal: in so short a time
// no other process has found a newer one and removed it.
const (
	justMade = 10 * time.Second // since its upload
	justSeen = 2 * time.Second  // since it was seen searchable
)

// Settle removes the versions of a key that may go by [ledger.Settle]. The caller
// has the key's turn, and a call has named the key. Where it fails, the client goes on in
// the background.
func (k *Keeper) Settle(ctx context.Context, d view.Doc) error { return k.settleKey(ctx, d, true) }

// settleKey is Settle; named: a call has named the key. A failed removal
// does not stop the others.
func (k *Keeper) settleKey(ctx context.Context, d view.Doc, named bool) error {
	read, tried := make(map[string]bool), make(map[string]bool)
	var failed error
	for {
		h := k.ledger.Holdings(d.ID, d.Names)
		if !named {
			h = h.Written()
		}
		keep, remove, _ := ledger.Settle(h)
		goes := func(v ledger.Version) bool { return slices.Contains(remove, v.ID) && !tried[v.ID] }
		refused := func(v ledger.Version) bool { return goes(v) && v.Made && v.Status == ledger.Failed }
		going := slices.ContainsFunc(h.Versions, goes)
		// Another process may have given a version attributes, and with them a higher number,
		// or have removed it. So the version to keep and those to go are read once more. Where
		// this client has just made a version and seen it searchable, that is enough: as long
		// as it is there, everything older may go.
		sure := slices.ContainsFunc(h.Versions, func(v ledger.Version) bool {
			return v.ID == keep && v.Made && v.Seen == ledger.Read && k.view.Since(v.At) <= justSeen && k.view.Age(v.Created) <= justMade
		})
		var unread []string
		for _, v := range h.Versions {
			listed := v.Seen != ledger.Read && (v.Status == ledger.Failed || v.Status == ledger.Completed && len(h.Versions) > 1 && !slices.Contains(remove, v.ID))
			again := goes(v) && v.Seen == ledger.NotSeen || going && !sure && (goes(v) || v.ID == keep)
			if (listed || again) && !read[v.ID] && (!v.Open || v.Status == ledger.Failed) {
				unread = append(unread, v.ID)
			}
		}
		var victims []ledger.Version
		switch {
		case slices.ContainsFunc(h.Versions, refused): // no reader has found them: nothing is read first
			victims, unread = only(h.Versions, refused), nil
		case len(unread) == 0 && !going:
			return k.unsettled(d, named, failed)
		case len(unread) == 0:
			victims = only(h.Versions, goes)
		}
		for _, v := range slices.Backward(victims) {
			if _, err := k.remove(ctx, v); err != nil {
				tried[v.ID], failed = true, cmp.Or(failed, err)
			}
		}
		for _, id := range unread {
			read[id] = true
			if err := k.view.See(ctx, id); err != nil {
				return k.unsettled(d, named, cmp.Or(failed, err))
			}
		}
	}
}

// unsettled has the rest of a settling that has failed done in the background.
func (k *Keeper) unsettled(d view.Doc, named bool, err error) error {
	if err == nil {
		return nil
	}
	k.tend(d, named)
	k.tending.warn(fail.Unnamed(err.Error(), d.Key))
	return fmt.Errorf("an older version could not be removed yet: %w", err)
}

func only(versions []ledger.Version, f func(ledger.Version) bool) []ledger.Version {
	return slices.DeleteFunc(slices.Clone(versions), func(v ledger.Version) bool { return !f(v) })
}

// SettleLater settles the key as far as the call's context allows, and has the rest
// done in the background.
func (k *Keeper) SettleLater(ctx context.Context, d view.Doc) {
	if ctx.Err() != nil || k.Settle(ctx, d) != nil || k.open(d, false) {
		k.Tend(d)
	}
}

// open reports whether something of the key is open or being removed or, unless it is
// late, whether a version of others may become searchable beside another.
func (k *Keeper) open(d view.Doc, late bool) bool {
	versions := k.ledger.Holdings(d.ID, d.Names).Versions
	return slices.ContainsFunc(versions, func(v ledger.Version) bool {
		return v.Open || v.Going || !late && v.Status == ledger.InProgress && len(versions) > 1
	})
}

// Remove removes versions, the oldest first, so that a reader who comes in the middle finds
// the newest. A failed removal does not stop the others. moved reports that a version was
// not where a reply had shown it: somebody else has changed the key. Where none was there,
// the absence of the store must not pass for theirs.
func (k *Keeper) Remove(ctx context.Context, versions []ledger.Version) (moved bool, err error) {
	absent := len(versions) > 0
	for _, v := range slices.Backward(versions) {
		if v.Seen == ledger.NotSeen && !v.Open && !v.Going { // a version that does not show cannot be detached
			err = cmp.Or(err, k.view.See(ctx, v.ID))
		}
		there, failed := k.remove(ctx, v)
		err = cmp.Or(err, failed)
		moved = moved || failed == nil && !there && v.Status == ledger.Completed && !v.Going
		absent = absent && !there
	}
	if err == nil && absent {
		err = k.view.StoreThere(ctx)
	}
	return moved, err
}

// remove detaches a File and then deletes it. Only a sweep deletes Files without a detach: those
// that are attached nowhere. A File whose content vsclient has not uploaded is deleted only
// when no other store has it. When remove returns nil, the File is gone, or detached
// and another store's.
func (k *Keeper) remove(ctx context.Context, v ledger.Version) (there bool, err error) {
	if err := k.cfg.Calls.Acquire(ctx, 1); err != nil {
		return false, context.Cause(ctx)
	}
	defer k.cfg.Calls.Release(1)
	defer func() {
		k.ledger.Over(v.ID, k.view.Tick())
		if errors.Is(err, fail.Rejected) { // that is not the document's fault
			err = fail.New(fail.Unavailable, "OpenAI refuses the removal: %v", err)
		}
	}()
	k.ledger.Removing(v.ID, k.view.Tick())
	k.cfg.Removed(v.ID, v.Status == ledger.Failed) // nothing attaches it any more
	there, maybe, err := k.wire.Detach(ctx, v.ID)
	if errors.Is(err, fail.StoreGone) && v.Made && v.Status == ledger.Failed {
		err = nil // the store has refused it
	}
	if err != nil {
		return there, err
	}
	if !v.Made && (!there && !maybe || v.Content == (ledger.Print{})) { // it need not be this store's
		shared, err := k.wire.Elsewhere(ctx, v.ID)
		later := errors.Is(err, fail.Unavailable) || errors.Is(err, fail.RateLimited) || errors.Is(err, fail.Timeout) || ctx.Err() != nil
		switch { // where nothing ever tells, a document's own File is left, attached nowhere
		case shared, err != nil && !later && v.Content != (ledger.Print{}):
			k.ledger.Spared(v.ID, k.view.Tick())
			return there, nil
		case err != nil:
			return there, err
		}
	}
	return there, k.deleteFile(ctx, v.ID)
}

func (k *Keeper) deleteFile(ctx context.Context, id string) error {
	_, err := k.wire.DeleteFile(ctx, id)
	if err == nil {
		k.ledger.Gone(id, k.view.Tick())
	}
	return err
}

// tending is the background work on keys whose business has outlived their calls: a
// version whose attach may have been accepted, a removal that has failed, a second
// version that has shown late. It looks and removes; it never uploads or attaches,
// which could bring back a document that somebody else has deleted.
type tending struct {
	k     *Keeper
	slots chan struct{} // one for each look round that runs
	hurry chan struct{} // closed when the client is to end

	mu     sync.Mutex
	keys   map[tended]bool // true: there is more to do than the current round has seen
	empty  chan struct{}   // closed while there are no keys
	warned bool
}

// tended is a key, and whether a call has named it.
type tended struct {
	key   string
	named bool
}

const (
	tendingSlots = 4
	// openTime is how long, at least, a version is waited for after its last attempt has
	// ended. One that was not seen searchable by then is removed.
	openTime    = 15 * time.Minute
	firstTend   = time.Second
	longestTend = time.Minute
	// tendRequest bounds the tries of one request in the background.
	tendRequest = 2 * time.Second
)

func (t *tending) init(k *Keeper) {
	t.k, t.slots, t.hurry, t.keys, t.empty = k, make(chan struct{}, tendingSlots), make(chan struct{}), make(map[tended]bool), make(chan struct{})
	close(t.empty)
}

// Tend looks at the key in the background until nothing of it is open. A call has named the key.
func (k *Keeper) Tend(d view.Doc) { k.tend(d, true) }

func (k *Keeper) tend(d view.Doc, named bool) {
	t, it := &k.tending, tended{d.Key, named}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.keys[it]; there {
		t.keys[it] = true
		return
	}
	if len(t.keys) == 0 {
		t.empty = make(chan struct{})
	}
	t.keys[it] = true
	if !k.cfg.Go(func(ctx context.Context) { t.run(ctx, d, it) }) {
		t.drop(it)
	}
}

// warn logs that a removal has failed, once until there is nothing left to tend.
func (t *tending) warn(reason string) {
	t.mu.Lock()
	first := !t.warned
	t.warned = true
	t.mu.Unlock()
	if first {
		t.k.cfg.Logger.Warn("a version that no key needs could not be removed; the client goes on trying in the background", "error", reason)
	}
}

// drop ends the work on a key. The caller holds mu.
func (t *tending) drop(it tended) {
	delete(t.keys, it)
	if len(t.keys) == 0 {
		close(t.empty)
		if t.warned {
			t.k.cfg.Logger.Info("no version is left to be removed")
		}
		t.warned = false
	}
}

func (t *tending) run(ctx context.Context, d view.Doc, it tended) {
	until := time.Now().Add(t.k.abandonedTime())
	for wait, early := firstTend, t.hurry; ; wait = min(2*wait, longestTend) {
		_ = pace.Pause(ctx, wait, early)
		closing := t.hurrying()
		if closing && early != nil {
			wait, early = firstTend/2, nil
		}
		t.mu.Lock()
		t.keys[it] = false
		t.mu.Unlock()
		done := ctx.Err() != nil || t.round(ctx, d, it.named, time.Now().After(until), closing)
		t.mu.Lock()
		if done && (!t.keys[it] || closing || ctx.Err() != nil) {
			t.drop(it)
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
	}
}

// abandonedTime is the wait for a version after its last attempt to be indexed has ended.
func (k *Keeper) abandonedTime() time.Duration {
	return k.cfg.RetryTimeout + max(openTime, k.cfg.AttachTime)
}

func (t *tending) hurrying() bool {
	select {
	case <-t.hurry:
		return true
	default:
		return false
	}
}

// round looks once at everything of the key that is open, and settles it. It
// reports whether nothing is left to do; while the client is closing, that means
// nothing to remove.
func (t *tending) round(ctx context.Context, d view.Doc, named, late, closing bool) (done bool) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return true
	}
	err := t.k.AtTurn(ctx, d, func() error {
		done = t.lookRound(ctx, d, named, late, closing)
		return nil
	})
	return done || err != nil
}

func (t *tending) lookRound(ctx context.Context, d view.Doc, named, late, closing bool) (done bool) {
	k, w := t.k, t.k.wire.For(tendRequest)
	versions := k.ledger.Holdings(d.ID, d.Names).Versions
	for _, v := range versions {
		if v.Status != ledger.Failed && (v.Going || !closing && (v.Status != ledger.Completed || v.Seen != ledger.Read)) {
			err := k.view.LookWith(ctx, w, v.ID)
			switch {
			case errors.Is(err, fail.StoreGone) && v.Made && v.Open && (late || v.Status < ledger.InProgress):
				k.view.Ended(v.ID, ledger.Failed, ledger.Read) // no store will have it
			case err != nil: // of a version that was accepted, a store that comes back has the say
				return errors.Is(err, fail.StoreGone) && !(v.Made && v.Open)
			}
		}
		now, known := k.ledger.Find(v.ID)
		searchable := now.Status == ledger.Completed && now.Seen == ledger.Read
		waiting := now.Made && (now.Open || now.Going) && now.Status != ledger.Completed
		abandoned := now.Over != 0 && k.view.Since(now.Over) > k.abandonedTime()
		switch {
		case !known:
			continue
		case now.Going && now.Seen == ledger.Read && now.Status > ledger.Absent && !waiting && k.view.Since(now.Over) > lists.ShowTime:
			k.ledger.Stays(v.ID) // unless there is a newer one
			continue
		case !waiting && (!searchable || closing || len(versions) < 2):
			continue
		}
		// A GET shows a store file for a while after another process has removed it.
		_, there, err := view.File(ctx, w, v.ID)
		switch {
		case err != nil || there && !(waiting && abandoned):
		case there:
			k.view.Ended(v.ID, ledger.Failed, ledger.Read)
		case searchable || now.Status == ledger.Absent:
			k.ledger.Gone(v.ID, k.view.Tick())
		}
	}
	err := k.settleKey(ctx, d, named)
	hopeless := errors.Is(err, fail.StoreGone) || closing && errors.Is(err, fail.Unauthorized)
	return hopeless || err == nil && (closing || !k.open(d, late))
}

// finish ends the work: removals are tried until ctx ends, and nothing else is waited for.
func (t *tending) finish(ctx context.Context) {
	t.mu.Lock()
	if !t.hurrying() {
		close(t.hurry)
	}
	empty := t.empty
	t.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
