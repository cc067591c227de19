package project

import (
	"container/heap"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Store is an object of /vector_stores.
type Store struct {
	place
	StoreSettings
	ID        string
	CreatedAt time.Time
	ActiveAt  time.Time
	Expired   bool

	endsAt time.Time // when it expires even if it is used; zero: never

	files   map[string]*StoreFile // attached now, by id
	listed  ordered[*StoreFile]   // files and ghosts
	ghosts  []*StoreFile          // detached files that a view may still show, oldest first
	ghostOf map[string]*StoreFile // the latest ghost of each id
	left    map[string]place      // the ids that were attached and are no longer

	pending   pendingHeap
	counts    Counts
	past      []datedCounts // for CountsLag, oldest first
	intervals []Interval
	batches   map[string]*Batch
}

// StoreSettings is the part of a store that can be changed.
type StoreSettings struct {
	Name       *string // nil: it never had one
	Metadata   map[string]any
	ExpiryDays int // after the last activity; 0: never
}

func (s *Store) where() place { return s.place }

func (s *Store) objectID() string { return s.ID }

// ShownName returns the store's name; empty when it has none.
func (s *Store) ShownName() string {
	if s.Name == nil {
		return ""
	}
	return *s.Name
}

// Counts are the numbers of a store's or batch's files by status, and their storage.
type Counts struct {
	InProgress, Completed, Failed, Cancelled int
	Usage                                    int64
}

// Total returns how many files are counted.
func (c Counts) Total() int { return c.InProgress + c.Completed + c.Failed + c.Cancelled }

func (c *Counts) of(st Status) *int {
	switch st {
	case InProgress:
		return &c.InProgress
	case Completed:
		return &c.Completed
	case Failed:
		return &c.Failed
	default:
		return &c.Cancelled
	}
}

type datedCounts struct {
	at time.Time
	Counts
}

// Interval is a time in which a file was searchable with one set of attributes.
type Interval struct {
	File       *File
	Attributes map[string]any
	From, To   time.Time // To is zero while it lasts
}

// NewStore adds an empty store.
func (p *Project) NewStore(settings StoreSettings) *Store {
	now := p.tick()
	st := &Store{
		place: p.nextPlace(now), ID: p.NewID("vs_", 32), StoreSettings: settings, CreatedAt: now, ActiveAt: now,
		files: make(map[string]*StoreFile), ghostOf: make(map[string]*StoreFile),
		left: make(map[string]place), batches: make(map[string]*Batch),
	}
	if d := p.rules.StoresExpireAfter; d > 0 {
		st.endsAt = now.Add(d)
	}
	p.remember(st, now)
	p.stores[st.ID] = st
	p.storeList.insert(st)
	return st
}

// Store returns the store of that id in its present state; nil when there is none.
func (p *Project) Store(id string) *Store {
	now := p.tick()
	st := p.stores[id]
	if st != nil {
		p.refresh(st, now)
	}
	return st
}

// StoreCount returns how many stores there are.
func (p *Project) StoreCount() int { return p.storeList.count }

// Stores yields all stores in their present state, oldest first.
func (p *Project) Stores() iter.Seq[*Store] { return p.refreshed(p.storeList.ascend(nil)) }

// NewestStores yields all stores in their present state, newest first.
func (p *Project) NewestStores() iter.Seq[*Store] { return p.refreshed(p.storeList.descend(nil)) }

func (p *Project) refreshed(stores iter.Seq[*Store]) iter.Seq[*Store] {
	now := p.tick()
	return func(yield func(*Store) bool) {
		for st := range stores {
			if p.refresh(st, now); !yield(st) {
				return
			}
		}
	}
}

// ListStores returns a page of the stores.
func (p *Project) ListStores(page Page) (Listing[*Store], *BadCursor) {
	now := p.tick()
	all := func(*Store) bool { return true }
	l, bad := cut(&p.storeList, page, p.rules.FilterAfterPage, all, all, func(id string) (place, bool) {
		if st := p.stores[id]; st != nil {
			return st.place, true
		}
		pl, ok := p.storesLeft[id]
		return pl, ok && !p.rules.DeletedCursorRefused
	})
	for _, st := range l.Items {
		p.refresh(st, now)
	}
	return l, bad
}

// SetStore changes a store's settings.
func (p *Project) SetStore(st *Store, settings StoreSettings) { st.StoreSettings = settings }

// Touch counts as a use of the store, from which ExpiryDays are counted.
func (p *Project) Touch(st *Store) { st.ActiveAt = p.Now() }

// ExpireStore makes a store expire in after, even if it is used until then.
func (p *Project) ExpireStore(id string, after time.Duration) error {
	st := p.Store(id)
	switch {
	case st == nil:
		return fmt.Errorf("there is no vector store %q", id)
	case after < 0:
		return errors.New("a vector store cannot expire in the past")
	}
	st.endsAt = p.Now().Add(after)
	return nil
}

// DeleteStore deletes a store and detaches its files.
func (p *Project) DeleteStore(st *Store) {
	now := p.Now()
	for _, f := range st.attachedNow() {
		p.detach(f, now)
	}
	delete(p.stores, st.ID)
	p.storeList.remove(st.place)
	p.storesLeft[st.ID] = st.place
	p.buried[st.ID] = st
	for _, g := range st.ghosts { // nothing shows them any more
		g.File.leave()
	}
	st.ghosts = nil
}

// History returns when each file was searchable in a store, in order of beginning. The
// store may have been deleted.
func (p *Project) History(id string) []Interval {
	now := p.tick()
	st := p.stores[id]
	if st == nil {
		st = p.buried[id]
	}
	if st == nil {
		return nil
	}
	p.refresh(st, now)
	return st.intervals
}

// Counts returns the true counts.
func (s *Store) Counts() Counts { return s.counts }

// CountsSeen returns the counts as a reader of the store sees them.
func (p *Project) CountsSeen(st *Store) Counts {
	if p.rules.CountsLag <= 0 {
		return st.counts
	}
	now := p.Now()
	seen := Counts{}
	for _, d := range st.past {
		if d.at.After(now.Add(-p.rules.CountsLag)) {
			break
		}
		seen = d.Counts
	}
	return seen
}

// remember keeps the counts for readers who see them late.
func (p *Project) remember(st *Store, at time.Time) {
	if p.rules.CountsLag <= 0 {
		return
	}
	st.past = append(st.past, datedCounts{at, st.counts})
	for len(st.past) > 1 && !st.past[1].at.After(at.Add(-p.rules.CountsLag)) {
		st.past = st.past[1:]
	}
}

// refresh brings a store up to now: it expires, indexing ends, ghosts vanish.
func (p *Project) refresh(st *Store, now time.Time) {
	if at := st.expiry(); !at.IsZero() && !st.Expired && !now.Before(at) {
		p.finishIndexing(st, at)
		st.Expired = true
		for _, f := range st.attachedNow() {
			p.detach(f, at)
		}
	}
	p.finishIndexing(st, now)
	for len(st.ghosts) > 0 && !st.ghosts[0].detachedAt.Add(p.ghostTime).After(now) {
		g := st.ghosts[0]
		st.ghosts = st.ghosts[1:]
		st.listed.remove(g.place)
		if st.ghostOf[g.File.ID] == g {
			delete(st.ghostOf, g.File.ID)
		}
		g.File.leave()
	}
}

// expiry returns when the store expires unless it is used first; zero: never.
func (s *Store) expiry() time.Time {
	if s.ExpiryDays == 0 || !s.endsAt.IsZero() && s.endsAt.Before(s.ExpiresAt()) {
		return s.endsAt
	}
	return s.ExpiresAt()
}

// ExpiresAt returns the end of the store's ExpiryDays, unless it is used first.
func (s *Store) ExpiresAt() time.Time {
	return s.ActiveAt.Add(time.Duration(s.ExpiryDays) * 24 * time.Hour)
}

// File returns the attached file of that id; nil when there is none.
func (s *Store) File(id string) *StoreFile { return s.files[id] }

// FileCount returns how many files are attached.
func (s *Store) FileCount() int { return len(s.files) }

// HadFile reports whether the file of that id was attached and is no longer.
func (s *Store) HadFile(id string) bool {
	_, had := s.left[id]
	return had
}

// Files yields the attached files, oldest first.
func (s *Store) Files() iter.Seq[*StoreFile] { return attachedOf(s.listed.ascend(nil)) }

// NewestFiles yields the attached files, newest first.
func (s *Store) NewestFiles() iter.Seq[*StoreFile] { return attachedOf(s.listed.descend(nil)) }

func attachedOf(files iter.Seq[*StoreFile]) iter.Seq[*StoreFile] {
	return func(yield func(*StoreFile) bool) {
		for f := range files {
			if f.detachedAt.IsZero() && !yield(f) {
				return
			}
		}
	}
}

// attachedNow returns a copy of the list of attached files: the caller may detach them.
func (s *Store) attachedNow() []*StoreFile {
	var all []*StoreFile
	for f := range s.Files() {
		all = append(all, f)
	}
	return all
}

func (p *Project) finishIndexing(st *Store, now time.Time) {
	for len(st.pending) > 0 && !st.pending[0].at.After(now) {
		next := heap.Pop(&st.pending).(pendingFile)
		f := next.file
		if f.indexing != next.indexing || f.Status != InProgress || !f.detachedAt.IsZero() {
			continue
		}
		v := f.outcome
		v.Attributes = f.Attributes
		p.become(f, v, next.at)
	}
}

// pendingHeap holds the files that are being indexed, soonest done first.
type pendingHeap []pendingFile

type pendingFile struct {
	at       time.Time
	file     *StoreFile
	indexing int
}

func (h pendingHeap) Len() int           { return len(h) }
func (h pendingHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h pendingHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *pendingHeap) Push(v any)        { *h = append(*h, v.(pendingFile)) }
func (h *pendingHeap) Pop() any {
	old := *h
	v := old[len(old)-1]
	*h = old[:len(old)-1]
	return v
}
