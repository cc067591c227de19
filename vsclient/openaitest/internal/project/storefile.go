package project

import (
	"container/heap"
	"slices"
	"time"
)

// Status is the status of a store file or batch.
type Status string

const (
	InProgress Status = "in_progress"
	Completed  Status = "completed"
	Failed     Status = "failed"
	Cancelled  Status = "cancelled"
)

// StoreFile is the attachment of a File to a store.
type StoreFile struct {
	place
	File       *File
	Store      *Store
	CreatedAt  time.Time // of the first attach
	AttachedAt time.Time // of the last attach
	Chunking   Chunking

	Version                   // the present one
	past       []Version      // for ListLag.Update, oldest first, without the current one
	detachedAt time.Time      // zero: attached
	doneAt     time.Time      // when the status leaves in_progress; zero: never
	outcome    Version        // the version that follows at doneAt
	attached   map[string]any // the attributes of the last indexing
	indexing   int            // counts the indexings: the outcome of an older one is dropped
	interval   int            // the index of the open one in Store.intervals; -1: none
}

func (f *StoreFile) where() place { return f.place }

func (f *StoreFile) objectID() string { return f.File.ID }

// Version is the part of a store file that an update changes.
type Version struct {
	At         time.Time
	Status     Status
	Code       string // of a failure
	Message    string // of a failure
	Attributes map[string]any
}

// asOf returns the version that was current at t; the first version if t is earlier.
func (f *StoreFile) asOf(t time.Time) Version {
	if !f.At.After(t) {
		return f.Version
	}
	for i := len(f.past) - 1; i >= 0; i-- {
		if !f.past[i].At.After(t) {
			return f.past[i]
		}
	}
	if len(f.past) > 0 {
		return f.past[0]
	}
	return f.Version
}

// Usage returns the storage that the file uses; 0 before it is completed.
func (f *StoreFile) Usage() int64 { return f.UsageAs(f.Version) }

// UsageAs returns the storage that the file uses in a version of it.
func (f *StoreFile) UsageAs(v Version) int64 {
	if v.Status != Completed {
		return 0
	}
	return f.Chunking.usage(f.File.textBytes())
}

// Failure is the error of a file that is attached as failed.
type Failure struct{ Code, Message string }

// Attach attaches f to st, or attaches it again. With a failure, it is attached as failed.
func (p *Project) Attach(st *Store, f *File, attributes map[string]any, ch Chunking, bad *Failure) *StoreFile {
	now := p.Now()
	f.Attaches++
	st.ActiveAt = now

	sf := st.files[f.ID]
	if sf == nil {
		sf = p.newStoreFile(st, f, ch, Version{At: now, Status: InProgress, Attributes: attributes})
	} else {
		v := sf.Version
		if !p.rules.ReattachKeepsAttributes {
			v.Attributes = attributes
		}
		reindex := v.Status != Completed || p.rules.ReattachReindexes || ch != sf.Chunking || bad != nil
		sf.Chunking = ch
		if reindex {
			sf.attached = v.Attributes
			v.Status, v.Code, v.Message = InProgress, "", ""
		}
		p.become(sf, v, now)
		if !reindex {
			sf.AttachedAt = now
			return sf
		}
	}
	sf.AttachedAt = now
	if bad != nil {
		p.become(sf, Version{Status: Failed, Code: bad.Code, Message: bad.Message, Attributes: sf.Attributes}, now)
		return sf
	}
	p.index(sf, now)
	return sf
}

// Plant attaches f as completed, without indexing. If f is attached already, it becomes
// completed with these attributes.
func (p *Project) Plant(st *Store, f *File, attributes map[string]any) {
	now := p.Now()
	v := Version{At: now, Status: Completed, Attributes: attributes}
	if sf := st.files[f.ID]; sf != nil {
		p.become(sf, v, now)
		return
	}
	f.Attaches++
	sf := p.newStoreFile(st, f, AutoChunking, v)
	sf.AttachedAt, sf.doneAt = now, now
	p.openInterval(sf, now)
}

func (p *Project) newStoreFile(st *Store, f *File, ch Chunking, v Version) *StoreFile {
	sf := &StoreFile{place: p.nextPlace(v.At), File: f, Store: st, CreatedAt: v.At, Chunking: ch, Version: v, attached: v.Attributes, interval: -1}
	st.files[f.ID] = sf
	st.listed.insert(sf)
	delete(st.left, f.ID)
	f.attached = append(f.attached, sf)
	f.readers++
	*st.counts.of(v.Status)++
	st.counts.Usage += sf.Usage()
	p.remember(st, v.At)
	return sf
}

// index begins the indexing of a file that was just attached, and decides its outcome.
func (p *Project) index(f *StoreFile, now time.Time) {
	f.indexing++
	end := p.outcome(f)
	if end.Stuck {
		return
	}
	f.outcome = Version{Status: Completed}
	if end.Code != "" {
		f.outcome = Version{Status: Failed, Code: end.Code, Message: end.Message}
	}
	d := p.rules.IndexTime
	if p.rules.IndexJitter > 0 {
		d += time.Duration(p.rules.Rng.Int64N(int64(p.rules.IndexJitter)))
	}
	f.doneAt = now.Add(d)
	heap.Push(&f.Store.pending, pendingFile{f.doneAt, f, f.indexing})
	p.finishIndexing(f.Store, now)
}

func (p *Project) outcome(f *StoreFile) Outcome {
	if p.rules.Decide != nil {
		if end, decided := p.rules.Decide(f); decided {
			return end
		}
	}
	if most := p.rules.MaxFileTokens; most > 0 && f.File.Size/bytesPerToken > most {
		return Outcome{Code: "invalid_file", Message: tooManyTokens}
	}
	d := f.File.document()
	return Outcome{Code: d.code, Message: d.message}
}

// SetAttributes replaces the attributes of an attached file.
func (p *Project) SetAttributes(f *StoreFile, attributes map[string]any) {
	v := f.Version
	v.Attributes = attributes
	p.become(f, v, p.Now())
}

// become replaces the version of an attached file, and updates the store's counts and
// history.
func (p *Project) become(f *StoreFile, v Version, at time.Time) {
	st := f.Store
	v.At = at
	before := f.Usage()
	*st.counts.of(f.Status)--
	if p.rules.ListLag.Update > 0 {
		f.past = append(f.past, f.Version)
		for len(f.past) > 1 && !f.past[1].At.After(at.Add(-p.rules.ListLag.Update)) {
			f.past = f.past[1:]
		}
	}
	f.Version = v
	*st.counts.of(f.Status)++
	st.counts.Usage += f.Usage() - before
	p.remember(st, at)
	p.closeInterval(f, at)
	p.openInterval(f, at)
}

func (p *Project) openInterval(f *StoreFile, at time.Time) {
	if f.Status != Completed {
		return
	}
	f.interval = len(f.Store.intervals)
	f.Store.intervals = append(f.Store.intervals, Interval{File: f.File, Attributes: f.Attributes, From: at})
}

func (p *Project) closeInterval(f *StoreFile, at time.Time) {
	if f.interval >= 0 {
		f.Store.intervals[f.interval].To = at
		f.interval = -1
	}
}

// Detach detaches f from its store or, under Rules.DetachEverywhere, from all stores.
func (p *Project) Detach(f *StoreFile) {
	now := p.Now()
	if !p.rules.DetachEverywhere {
		p.detach(f, now)
		return
	}
	for _, a := range slices.Clone(f.File.attached) {
		p.refresh(a.Store, now)
		if a.detachedAt.IsZero() {
			p.detach(a, now)
		}
	}
}

// detach removes f from its store. The store must be refreshed.
func (p *Project) detach(f *StoreFile, now time.Time) {
	st := f.Store
	*st.counts.of(f.Status)--
	st.counts.Usage -= f.Usage()
	p.remember(st, now)
	p.closeInterval(f, now)
	f.detachedAt = now
	delete(st.files, f.File.ID)
	st.left[f.File.ID] = f.place
	if p.ghostTime > 0 {
		st.ghosts = append(st.ghosts, f)
		st.ghostOf[f.File.ID] = f
	} else {
		st.listed.remove(f.place)
		f.File.leave()
	}
	if i := slices.Index(f.File.attached, f); i >= 0 {
		f.File.attached = slices.Delete(f.File.attached, i, i+1)
	}
}

// Hidden reports whether the file is in its NotFoundWindow.
func (p *Project) Hidden(f *StoreFile) bool {
	return p.Now().Before(f.CreatedAt.Add(p.rules.NotFoundWindow))
}

// ReadStoreFile returns the file of that id, or its ghost, as a reader sees it; nil when
// a reader sees none.
func (p *Project) ReadStoreFile(st *Store, id string) *StoreFile {
	if f := st.files[id]; f != nil && !p.Hidden(f) {
		return f
	}
	if g := st.ghostOf[id]; g != nil && p.Now().Before(g.detachedAt.Add(p.rules.GhostWindow)) {
		return g
	}
	return nil
}

// Seen is a store file as a listing shows it.
type Seen struct {
	*StoreFile
	As Version
}

// ListStoreFiles returns a page of a store's files, with the lag of listings. A status
// selects the files that the listing shows with it.
func (p *Project) ListStoreFiles(st *Store, page Page, status Status) (Listing[Seen], *BadCursor) {
	return p.list(&st.listed, page, status, p.rules.EarlyListed, func(id string) (place, bool) {
		if f := st.files[id]; f != nil {
			return f.place, true
		}
		pl, ok := st.left[id]
		return pl, ok && (!p.rules.DeletedCursorRefused || st.ghostOf[id] != nil)
	})
}

// list cuts a page of a listing. An early listing shows files that are in progress as
// completed.
func (p *Project) list(o *ordered[*StoreFile], page Page, status Status, early bool, cursor func(id string) (place, bool)) (Listing[Seen], *BadCursor) {
	now := p.Now()
	lag := p.rules.ListLag
	as := func(f *StoreFile) Version {
		v := f.asOf(now.Add(-lag.Update))
		if early && v.Status == InProgress {
			v.Status = Completed
		}
		return v
	}
	found, bad := cut(o, page, p.rules.FilterAfterPage,
		func(f *StoreFile) bool { return f.seenThrough(lag, now) },
		func(f *StoreFile) bool { return status == "" || as(f).Status == status },
		cursor)
	l := Listing[Seen]{Items: make([]Seen, len(found.Items)), First: found.First, Last: found.Last, More: found.More}
	for i, f := range found.Items {
		l.Items[i] = Seen{f, as(f)}
	}
	return l, bad
}

// seenThrough reports whether a view with this lag shows the file. It shows an attached
// file from lag.Attach after the attach, and a ghost until lag.Detach after the detach.
func (f *StoreFile) seenThrough(lag Lag, now time.Time) bool {
	if f.CreatedAt.Add(lag.Attach).After(now) {
		return false
	}
	if f.detachedAt.IsZero() {
		return true
	}
	if !f.detachedAt.Add(lag.Detach).After(now) {
		return false
	}
	live := f.Store.files[f.File.ID]
	return live == nil || live.CreatedAt.Add(lag.Attach).After(now)
}
