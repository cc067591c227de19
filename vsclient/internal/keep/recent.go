package keep

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/lists"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/view"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// recent looks at the newest store files in the background: at the client's first change,
// three minutes after its beginning, three minutes after its latest change, and as long as
// Files are watched whose attach may not have shown. A key that has a second version there,
// one that failed, or a version that a Delete should have found, is settled.
type recent struct {
	k    *Keeper
	once sync.Once

	mu      sync.Mutex
	watched map[watch]watched
	changed bool
	due     time.Time     // of the look after the latest change
	wake    chan struct{} // there is more to watch, or a change was made
}

// watch is a File that may be a version of a key.
type watch struct {
	id  string
	key ledger.Key
}

// watched is a File that has one of the key's names and was too young for a 404
// to be conclusive.
type watched struct {
	view.Doc
	until  time.Time
	at     int64 // when the key was changed, in Unix seconds by OpenAI's clock, and never ahead
	number int64 // of the version that the change has made or kept; 0: the key was deleted
}

const (
	newestLooked = 200 // store files that a look reads, at least
	firstWatch   = 15 * time.Second
	longestWatch = time.Minute
	anyList      = 10 * time.Minute // of the list of Files that a look asks for; any will do
)

func (r *recent) init(k *Keeper) {
	r.k, r.watched, r.wake, r.due = k, make(map[watch]watched), make(chan struct{}, 1), time.Now().Add(lists.ShowTime)
}

func (r *recent) start(change bool) {
	r.once.Do(func() { r.k.cfg.Go(r.run) })
	r.mu.Lock()
	defer r.mu.Unlock()
	if change && !r.changed {
		r.changed = true
		r.stir()
	}
}

// stir wakes the looks. The caller holds mu.
func (r *recent) stir() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Deleted reports whether the key was deleted before the version could be seen.
func (k *Keeper) Deleted(d view.Doc, id string) bool {
	w, watched := k.recent.find(watch{id, d.ID})
	return watched && w.number == 0
}

// Unwatch ends the watch for a version: it is the key's document.
func (k *Keeper) Unwatch(d view.Doc, id string) {
	k.recent.mu.Lock()
	defer k.recent.mu.Unlock()
	delete(k.recent.watched, watch{id, d.ID})
}

// Watch has Files looked for until their attach must have shown. One that turns out to be a
// version of the key is removed when the version with that number, which a change has made or
// kept, or a newer one is searchable; 0: after a Delete, at once.
func (k *Keeper) Watch(d view.Doc, young []string, number int64) {
	r := &k.recent
	r.mu.Lock()
	defer r.mu.Unlock()
	w := watched{d, time.Now().Add(k.cfg.AttachTime + lists.ShowTime), k.view.Now(), number}
	for at, before := range r.watched {
		if at.key == d.ID { // an earlier change wanted this File removed: it still goes
			r.watched[at] = watched{d, w.until, w.at, min(before.number, number)}
		}
	}
	for _, id := range young {
		if at := (watch{id, d.ID}); r.watched[at].until.IsZero() {
			r.watched[at] = w
		}
	}
	r.due = time.Now().Add(lists.ShowTime)
	r.stir()
}

func (r *recent) run(ctx context.Context) {
	started := time.Now()
	for changed := false; !changed; {
		r.mu.Lock()
		wait := time.Until(r.due)
		changed = r.changed || wait <= 0
		r.mu.Unlock()
		if !changed && pace.Pause(ctx, wait, r.wake) != nil {
			return
		}
	}
	var since int64 // OpenAI's time of the look before, or when a client began that has only read
	if waited := time.Since(started); waited >= time.Second {
		since = max(0, r.k.view.Now()-int64(waited/time.Second))
	}
	for wait := firstWatch; ; wait = min(2*wait, longestWatch) {
		began, ok := r.look(ctx, since)
		since = began
		looked := time.Now()
		for before, _ := r.state(); ; {
			watching, due := r.state()
			if watching && !before {
				looked, wait = time.Now(), firstWatch
			}
			before = watching
			var next time.Time // zero: when there is something new
			switch {
			case !ok || watching:
				next = looked.Add(wait)
			case due.After(looked):
				next = due
			}
			now := time.Now()
			if !next.IsZero() && !next.After(now) {
				break
			}
			if pace.Pause(ctx, max(0, next.Sub(now)), r.wake) != nil {
				return
			}
		}
	}
}

// state reports whether Files are watched, and when the look after the latest change is due.
func (r *recent) state() (watching bool, due time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.watched) > 0, r.due
}

// look reads the newest entries of the store's listing: at least newestLooked, and on until
// those that were attached before since, less the listing's lag. It ends the watch of a File
// only if the watch was over before this look began, however long the look waits for a key's
// turn. It returns OpenAI's time.
func (r *recent) look(ctx context.Context, since int64) (began int64, ok bool) {
	k, start := r.k, time.Now()
	if k.view.Renew(ctx, anyList) != nil {
		return since, false
	}
	began = k.view.Now()
	var (
		found  []view.Entry // those that consider may do something with
		keys   []string     // of the others, which may be many thousands
		failed bool
	)
	for page, err := range k.view.Newest(ctx) {
		if failed = err != nil; failed {
			break
		}
		last := int64(0)
		for _, e := range page {
			if last = e.CreatedAt; r.matters(e) {
				found = append(found, e)
			} else {
				keys = append(keys, e.Key)
			}
		}
		if len(found)+len(keys) >= newestLooked && (since == 0 || last < since-int64(lists.ShowTime/time.Second)) {
			break
		}
	}
	for _, e := range found { // when all are known: an older version comes later in the listing
		r.consider(ctx, e)
	}
	for d := range k.view.Doubled(keys) {
		k.tend(d, false)
	}
	if failed {
		return since, false // the next look reads as far back
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, w := range r.watched {
		if start.After(w.until) || k.ledger.IsGone(at.id) {
			delete(r.watched, at)
		}
	}
	return began, true
}

// matters reports whether consider may do something with an entry beside that of its key's other versions.
func (r *recent) matters(e view.Entry) bool {
	_, late := r.find(watch{e.ID, ledger.KeyOf(e.Identity.Digest)})
	watching, _ := r.state()
	return late || watching && e.Key == "" || lists.StatusOf(e.Status) == ledger.Failed || len(r.k.ledger.Left(e.Identity.Source.Replaces)) > 0
}

// consider has the key of a store file settled, where it has more than its document.
func (r *recent) consider(ctx context.Context, e view.Entry) {
	k, s, id := r.k, e.StoreFile, e.Identity
	w, late := r.find(watch{s.ID, ledger.KeyOf(id.Digest)})
	if !id.Ours {
		w, late = r.bare(s)
	}
	switch {
	case late:
		if k.removeLate(ctx, w, s.ID) == nil {
			r.mu.Lock()
			delete(r.watched, watch{s.ID, w.ID})
			r.mu.Unlock()
		}
	case id.Key == "":
	default:
		d := k.view.Doc(id.Key)
		if len(k.view.Known(d).Versions) > 1 || lists.StatusOf(s.Status) == ledger.Failed {
			k.tend(d, false)
		}
		k.removeReplaced(ctx, d, s, id)
	}
}

// removeLate removes a version that is older than the change after which it was watched,
// whatever its number: its File was there before. After a Delete nothing is kept; after
// any other change, the version of the change or a newer one has to be seen searchable.
func (k *Keeper) removeLate(ctx context.Context, w watched, id string) error {
	return k.AtTurn(ctx, w.Doc, func() error {
		if err := k.view.Look(ctx, id); err != nil {
			return err
		}
		v, known := k.ledger.Find(id)
		switch {
		case !known || v.Key != (ledger.Key{}) && v.Key != w.ID:
			return nil
		case v.Status <= ledger.Absent:
			return errEarly
		case !k.view.Among(w.Doc, id):
			return nil
		}
		now, still := k.recent.find(watch{id, w.ID})
		goes := still && now.number == 0
		for _, other := range k.ledger.Holdings(w.ID, w.Names).Versions {
			if goes || other.ID == id || other.Going || other.Status != ledger.Completed {
				continue
			}
			if err := k.view.Look(ctx, other.ID); err != nil {
				return err
			}
			seen, known := k.ledger.Find(other.ID)
			_, there, err := view.File(ctx, k.wire, other.ID)
			if err != nil {
				return err
			}
			goes = there && known && still && seen.Key == w.ID && seen.Number >= max(now.number, v.Number) && seen.Status == ledger.Completed && seen.Seen == ledger.Read
		}
		if !goes {
			k.Tend(w.Doc)
			return errEarly
		}
		_, err := k.Remove(ctx, []ledger.Version{v})
		return err
	})
}

// errEarly says that a version is watched on: a GET does not show it yet, or no newer one
// was seen searchable.
var errEarly = errors.New("the version cannot be removed yet")

func (r *recent) find(at watch) (watched, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w, found := r.watched[at]
	return w, found
}

// bare finds the watch for a store file without attributes: that of the key whose
// document it is by its name. One that was attached after the change is somebody's new
// document: vsclient attaches none without attributes.
func (r *recent) bare(s wire.StoreFile) (w watched, found bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, w := range r.watched {
		if at.id == s.ID && s.CreatedAt <= w.at && r.k.view.Among(w.Doc, s.ID) {
			return w, true
		}
	}
	return w, false
}

// removeReplaced deletes Files that a searchable version names as those that it has
// replaced, and that a process which was cut off has detached and not deleted.
func (k *Keeper) removeReplaced(ctx context.Context, d view.Doc, s wire.StoreFile, id naming.Identity) {
	left := k.ledger.Left(id.Source.Replaces)
	if len(left) == 0 || lists.StatusOf(s.Status) != ledger.Completed {
		return
	}
	err := k.AtTurn(ctx, d, func() error {
		for _, old := range append([]string{s.ID}, left...) {
			if err := k.view.Look(ctx, old); err != nil {
				return err
			}
		}
		keeper, known := k.ledger.Find(s.ID)
		if !known || keeper.Key != d.ID || keeper.Status != ledger.Completed || keeper.Seen != ledger.Read {
			return nil
		}
		for _, old := range left {
			v, known := k.ledger.Find(old)
			marks := ledger.Marks{Key: d.ID, Content: keeper.Content} // vsclient has uploaded it
			if !known || v.Status != ledger.Absent || !k.ledger.Replaced(old, marks) {
				continue // attached: it is a version like any other
			}
			v.Content = marks.Content
			if _, err := k.remove(ctx, v); err != nil {
				k.tend(d, false)
				return err
			}
		}
		return nil
	})
	if err != nil {
		k.cfg.Logger.DebugContext(ctx, "a replaced File could not be removed", "error", err.Error())
	}
}

// AtTurn runs f when it is the key's turn.
func (k *Keeper) AtTurn(ctx context.Context, d view.Doc, f func() error) error {
	t := k.turns.Ask(d.Key)
	if err := t.Wait(ctx); err != nil {
		t.Abandon()
		return err
	}
	defer t.Leave()
	return f()
}
