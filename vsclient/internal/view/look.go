package view

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// How long replies are believed, and how long the absence of something is not.
const (
	// listAge is how old the list of Files may be. Within that time a File that
	// somebody else made for one of our keys can go unnoticed.
	listAge = 30 * time.Second
	// trustedFor is how long a reply about a File is believed. The client records its
	// own changes; this is for changes by others.
	trustedFor = 10 * time.Minute
	// ShowTime is how long an attach may stay unseen: listings lag by up to two
	// minutes, and a look may answer 404 for a while.
	ShowTime = 3 * time.Minute
	// Patience is how long a single request waits for that.
	Patience = 30 * time.Second
	// wholeAge is how old the last complete list of Files may be: deletions by
	// others are known from then on.
	wholeAge = 24 * time.Hour
	// newestFiles is the size of the first page when the list of Files is read again.
	newestFiles = 100
	// redelivered is how many versions are looked at although a listing shows them, while
	// it may be behind the changes of a process before this one. A process that was
	// killed has its last batch delivered again, before all else.
	redelivered = 100
	// apart is how many seconds the clocks of OpenAI's hosts may differ, at most, where a
	// version cannot be seen yet. A longer time would have every namesake in another store
	// waited for, and outrank later puts of a process that knows nothing of this one.
	apart = 4
	// fewLooks are made singly before the store's listing is read instead, and more
	// in a large project.
	fewLooks = 4
)

// lists holds the state of the two lists as the client has read them.
//
// GET /files shows a new File at once and carries names, but not where it is attached. The
// store's listing carries the attributes that say whose a store file is, but lags by up to two
// minutes and has no names. So the first says which Files could be a key's, and a look at each
// decides: a GET of the store file or, when there are many, the pages of the listing.
type lists struct {
	mu      sync.Mutex
	clock   pace.Clock
	newest  map[string]int64 // by purpose, created_at of the newest File that was listed
	listed  time.Time        // when the last reading of the list of Files began
	whole   time.Time        // when the last complete one began
	walked  time.Time        // when the last complete reading of the store's listing began
	renewed time.Time        // when its newest entries were read last
	tried   time.Time        // when the last reading ended, well or not
	first   time.Time        // when the first list of Files was read
	sure    int              // how many versions Sure has had looked at
	looks   int              // single looks since then
	files   *flight
	walk    *flight
	store   *flight
	paged   chan struct{} // closed at each page of a walk
}

// flight is a reading that several calls wait for. It ends when nobody waits.
type flight struct {
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	err     error
	waiting int
}

// join returns the reading that stands at p, and begins one where there is none.
// The caller holds mu, and leaves the flight afterwards.
func (v *View) join(p **flight, read func(context.Context) error) *flight {
	if f := *p; f != nil && f.ctx.Err() == nil {
		f.waiting++
		return f
	}
	f := &flight{done: make(chan struct{}), waiting: 1}
	f.ctx, f.cancel = context.WithCancel(v.cfg.Life)
	*p = f
	end := func(err error) {
		f.err = err
		f.cancel()
		close(f.done)
	}
	started := v.cfg.Go(func(context.Context) {
		err := read(f.ctx)
		v.lists.mu.Lock()
		if *p == f {
			*p = nil
		}
		v.lists.mu.Unlock()
		end(err)
	})
	if !started {
		*p = nil
		end(fail.Closed)
	}
	return f
}

func (l *lists) leave(f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
	}
}

// shared returns the error of the reading that stands at p, which it begins where there
// is none.
func (v *View) shared(ctx context.Context, p **flight, read func(context.Context) error) error {
	l := &v.lists
	l.mu.Lock()
	f := v.join(p, read)
	l.mu.Unlock()
	defer l.leave(f)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// listFiles returns when the list of Files is there and not older than age.
func (v *View) listFiles(ctx context.Context, age time.Duration) error {
	l := &v.lists
	l.mu.Lock()
	fresh := time.Since(l.listed) < age
	l.mu.Unlock()
	if fresh {
		return nil
	}
	return v.shared(ctx, &l.files, v.readFiles)
}

// Relist returns when a complete list of Files has been read. It shows
// which Files others have deleted.
func (v *View) Relist(ctx context.Context) error {
	v.lists.mu.Lock()
	v.lists.whole = time.Time{}
	v.lists.mu.Unlock()
	return v.listFiles(ctx, 0)
}

// readFiles takes in the list of Files, the newest first: all of them at first and then
// once a day, and otherwise, of each purpose, those made in or after the second of the
// newest that is known: the lists of two purposes are not of one moment.
func (v *View) readFiles(ctx context.Context) error {
	l, began := &v.lists, time.Now()
	l.mu.Lock()
	first, since, newest := newestFiles, l.newest, make(map[string]int64)
	maps.Copy(newest, since)
	whole := l.whole.IsZero() || time.Since(l.whole) > wholeAge
	l.mu.Unlock()
	if whole {
		first, since = wire.FilesPage, nil
		v.ledger.Begin()
	}
	top := int64(0)
	for page, err := range v.cfg.Wire.Files(ctx, first, since) {
		if err != nil {
			return err
		}
		files := make([]ledger.File, len(page))
		for i, f := range page {
			top = max(top, f.CreatedAt)
			newest[f.Purpose] = max(newest[f.Purpose], f.CreatedAt)
			files[i] = FileOf(f)
		}
		v.ledger.Listed(files)
	}
	if whole {
		v.ledger.End(v.tickAt(began))
	}
	v.ledger.Forget(v.tickAt(began.Add(-ShowTime)))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock.Show(top)
	l.newest, l.listed = newest, began
	if l.first.IsZero() {
		l.first = began
	}
	if whole {
		l.whole = began
	}
	return nil
}

// FileOf is a File as the ledger takes it.
func FileOf(f wire.File) ledger.File {
	stem, ext := naming.Listed(f.Filename)
	file := ledger.File{ID: f.ID, Name: f.Filename, Stem: naming.Fold(stem), Ext: ext, Created: f.CreatedAt}
	if f.Bytes != nil {
		file.Size = *f.Bytes
	}
	return file
}

// Holdings returns the versions that the store holds of a key's document, and the Files that
// bear one of its names and are so young that their attach may not have shown.
func (v *View) Holdings(ctx context.Context, d Doc) (h ledger.Holdings, young []string, err error) {
	if err := v.listFiles(ctx, listAge); err != nil {
		return h, nil, err
	}
	if v.ledger.Altered() || d.Names.Stems[0] == "" {
		return v.listedHoldings(ctx, d)
	}
	var (
		looks  errgroup.Group
		mu     sync.Mutex
		passed []ledger.Version
	)
	for _, file := range v.ledger.Candidates(d.ID, d.Names) {
		looks.Go(func() error {
			over, err := v.inspect(ctx, file)
			if over {
				mu.Lock()
				defer mu.Unlock()
				passed = append(passed, file)
			}
			return err
		})
	}
	if err := looks.Wait(); err != nil {
		return h, nil, err
	}
	// A key that has its document has namesakes in other stores, not an older version
	// that a complete reading of this one would not show.
	if h = v.ledger.Holdings(d.ID, d.Names); len(h.Versions) == 0 && len(passed) > 0 {
		for _, file := range passed {
			if err := v.Look(ctx, file.ID); err != nil {
				return h, nil, err
			}
		}
		h = v.ledger.Holdings(d.ID, d.Names)
	}
	return h, v.unseenOf(v.ledger.Candidates(d.ID, d.Names)), nil
}

// unseenOf are those of the Files that the store was seen without, and that are so new
// that this proves nothing.
func (v *View) unseenOf(files []ledger.Version) (young []string) {
	for _, file := range files { // a look may have shown it since
		if now, known := v.ledger.Find(file.ID); known && now.Status <= ledger.Absent && v.young(now.Created) {
			young = append(young, file.ID)
		}
	}
	return young
}

// Hidden reports whether a young File may be a newer version than cur that is not visible
// yet. With others, it may be anybody's; otherwise it is the previous process's.
func (v *View) Hidden(cur ledger.Version, young []string, others bool) bool {
	v.lists.mu.Lock()
	since := time.Since(v.lists.first)
	v.lists.mu.Unlock()
	return slices.ContainsFunc(young, func(id string) bool {
		file, known := v.ledger.Find(id)
		before := !cur.Made && since <= Patience && v.Age(file.Created) < ShowTime
		return known && file.Created >= cur.Created-apart && (before || others && v.Age(file.Created) <= Patience)
	})
}

// listedHoldings is Holdings where names do not lead to a document: the store's listing
// decides. It lags, so that young Files of which no reply says whose they are, are looked
// at: those whose names have no fold, or all where the server alters names.
func (v *View) listedHoldings(ctx context.Context, d Doc) (h ledger.Holdings, young []string, err error) {
	if err := v.walk(ctx); err != nil {
		return h, nil, err
	}
	newest := slices.DeleteFunc(v.ledger.Candidates(d.ID, d.Names), func(f ledger.Version) bool { return !v.young(f.Created) && !f.Bare() })
	if v.ledger.Altered() {
		newest = append(newest, v.ledger.Young(v.Now()-int64((v.cfg.AttachTime+ShowTime)/time.Second))...)
	}
	var looks errgroup.Group
	for _, file := range append(v.ledger.Holdings(d.ID, d.Names).Versions, newest...) {
		if !file.Open && !file.Going && !v.trusted(file) {
			looks.Go(func() error { return v.Look(ctx, file.ID) })
		}
	}
	if err := looks.Wait(); err != nil {
		return h, nil, err
	}
	return v.ledger.Holdings(d.ID, d.Names), v.unseenOf(newest), nil
}

// HoldingsNow is Holdings where it matters that there is nothing else: an attach may show
// by now, or somebody else may have put the document since the list of Files was read.
func (v *View) HoldingsNow(ctx context.Context, d Doc) (ledger.Holdings, []string, error) {
	h, young, err := v.Holdings(ctx, d)
	_, found := h.Current()
	if err != nil || found && len(young) == 0 {
		return h, young, err
	}
	if !found {
		if err := v.listFiles(ctx, 0); err != nil {
			return h, nil, err
		}
		young = v.unseenOf(v.ledger.Candidates(d.ID, d.Names))
	}
	v.ledger.Doubt(young...) // they may show by now
	h, young, err = v.Holdings(ctx, d)
	if _, found = h.Current(); err == nil && !found {
		err = v.StoreThere(ctx) // its absence must not pass for that of a document
	}
	return h, young, err
}

// StoreThere returns an error when the vector store is missing or has expired.
func (v *View) StoreThere(ctx context.Context) error {
	return v.shared(ctx, &v.lists.store, func(ctx context.Context) error {
		_, err := Store(ctx, v.cfg.Wire)
		return err
	})
}

// Store asks for the vector store. One that has expired is an error.
func Store(ctx context.Context, w *wire.Client) (wire.Store, error) {
	s, err := w.Store(ctx)
	if err == nil && s.Status == "expired" {
		err = fail.New(fail.StoreGone, "the vector store %q has expired; make a new one and put the documents into it", s.ID)
	}
	return s, err
}

// young reports whether a File is so new that somebody's attach of it may not show.
func (v *View) young(created int64) bool {
	return created > 0 && v.Age(created) < v.cfg.AttachTime+ShowTime
}

// trusted reports whether the last reply about a File is still believed.
func (v *View) trusted(file ledger.Version) bool {
	since := v.Since(file.At)
	switch {
	case file.Seen == ledger.NotSeen, file.Bare():
		return false
	case file.Seen == ledger.Listed && file.Status != ledger.Completed:
		return false // the listing may be behind
	case file.Seen == ledger.Listed && !file.Made && !v.ledger.Named(file.ID):
		return false // its File may be gone
	case file.Status == ledger.Absent && since > ShowTime && file.Created > 0 && v.Age(file.Created)-since < v.cfg.AttachTime+ShowTime:
		return false // it was too new for a 404 to be conclusive
	}
	return since < trustedFor
}

// Sure reports whether enough is known of a version to leave it as it is.
func (v *View) Sure(file ledger.Version) bool {
	l := &v.lists
	l.mu.Lock()
	defer l.mu.Unlock()
	if file.Seen != ledger.Listed || time.Since(l.first) > ShowTime || l.sure >= redelivered {
		return file.Seen != ledger.NotSeen
	}
	l.sure++
	return false
}

// inspect returns when a reply about the File is there that is believed. over
// reports that the store's listing has been read completely without showing it.
func (v *View) inspect(ctx context.Context, file ledger.Version) (over bool, err error) {
	l := &v.lists
	for joined := (*flight)(nil); ; {
		now, known := v.ledger.Find(file.ID)
		if !known || v.trusted(now) || now.Open || now.Going {
			return false, nil
		}
		l.mu.Lock()
		reading := l.walk != nil && l.walk.ctx.Err() == nil
		switch {
		case reading && joined != l.walk && now.Status == ledger.Unknown:
			joined = v.join(&l.walk, v.readStore)
			defer l.leave(joined)
		case !reading && now.Status == ledger.Unknown && v.passedOver(now):
			l.mu.Unlock()
			return true, nil
		case !reading && now.Status == ledger.Unknown && l.looks >= max(fewLooks, v.ledger.Len()/wire.StoreFilesPage/2) && time.Since(l.tried) > trustedFor:
			joined = v.join(&l.walk, v.readStore)
			defer l.leave(joined)
		case !reading || now.Status != ledger.Unknown:
			l.looks++
			l.mu.Unlock()
			return false, v.Look(ctx, file.ID)
		}
		paged := l.paged
		l.mu.Unlock()
		select {
		case <-paged:
		case <-joined.done:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// passedOver reports whether a complete listing omitted the File although the File was
// old enough to be listed. The caller holds mu.
func (v *View) passedOver(file ledger.Version) bool {
	l := &v.lists
	since := time.Since(l.walked)
	age := time.Duration(l.clock.Now()-file.Created) * time.Second
	return since < trustedFor && age-since > v.cfg.AttachTime+ShowTime
}

// readStore reads the store's whole listing.
func (v *View) readStore(ctx context.Context) error {
	l := &v.lists
	began := time.Now()
	l.mu.Lock()
	l.paged = make(chan struct{})
	l.mu.Unlock()
	// A reading that failed is not begun again at once: the rest is looked at singly.
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.tried, l.looks = time.Now(), 0
	}()
	at := v.Tick()
	for page, err := range v.cfg.Wire.StoreFiles(ctx) {
		if err != nil {
			return err
		}
		for _, s := range page {
			v.observe(s, ledger.Listed, at)
		}
		at = v.Tick()
		l.mu.Lock()
		close(l.paged)
		l.paged = make(chan struct{})
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.walked, l.renewed = began, began
	return nil
}

// walk returns when the store's listing has been read, and its newest entries lately.
func (v *View) walk(ctx context.Context) error {
	l := &v.lists
	l.mu.Lock()
	walked, renewed := time.Since(l.walked) < trustedFor, time.Since(l.renewed) <= listAge
	l.mu.Unlock()
	switch {
	case walked && renewed:
		return nil
	case walked:
		return v.shared(ctx, &l.walk, v.readNewest)
	}
	return v.shared(ctx, &l.walk, v.readStore)
}

// readNewest reads the newest entries of the store's listing, down to a page that
// brings nothing new.
func (v *View) readNewest(ctx context.Context) error {
	began, at := time.Now(), v.Tick()
	for page, err := range v.cfg.Wire.NewestStoreFiles(ctx) {
		if err != nil {
			return err
		}
		news := false
		for _, s := range page {
			file, known := v.ledger.Find(s.ID)
			news = news || !known || file.Status <= ledger.Absent
			v.observe(s, ledger.Listed, at)
		}
		if at = v.Tick(); !news {
			break
		}
	}
	v.lists.mu.Lock()
	defer v.lists.mu.Unlock()
	v.lists.renewed = began
	return nil
}
