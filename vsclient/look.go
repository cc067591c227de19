package vsclient

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// doc is a key with the ways that lead to its document.
type doc struct {
	key   string
	id    ledger.Key
	names naming.Names
}

func (c *Client) doc(key string) doc {
	digest := naming.DigestOf(key)
	return doc{key, ledger.Key(digest[:16]), naming.NamesOf(key, c.cfg.FileExtension)}
}

// How long replies are believed, and how long the absence of something is not.
const (
	// listAge is how old the list of Files may be. Within that time a File that
	// somebody else made for one of our keys can go unnoticed.
	listAge = 30 * time.Second
	// trustedFor is how long a reply about a File is believed. The client records its
	// own changes; this is for changes by others.
	trustedFor = 10 * time.Minute
	// showTime is how long an attach may stay unseen: listings lag by up to two
	// minutes, and a look may answer 404 for a while.
	showTime = 3 * time.Minute
	// patience is how long a single request waits for that.
	patience = 30 * time.Second
	// newestFiles is the size of the first page when the list of Files is read again.
	newestFiles = 100
	// fewLooks are made singly before the store's listing is read instead, and more
	// in a large project.
	fewLooks = 4
)

// view is what the client has read of the two lists.
//
// GET /files shows a new File at once and carries names, but not where it is
// attached. The store's listing carries the attributes that say whose a store file
// is, but lags by up to two minutes and has no names. So the first says which Files
// could be a key's, and a look at each decides: a GET of the store file or, when
// there are many, the pages of the listing.
type view struct {
	mu      sync.Mutex
	clock   apiClock
	newest  int64     // created_at of the newest File that was listed
	listed  time.Time // when the last reading of the list of Files began
	whole   time.Time // when the last complete one began
	walked  time.Time // when the last complete reading of the store's listing began
	renewed time.Time // when its newest entries were read last
	tried   time.Time // when the last reading ended, well or not
	looks   int       // single looks since then
	files   *flight
	walk    *flight
	paged   chan struct{} // closed at each page of a walk
}

// apiClock tells OpenAI's time by the newest File that was seen: this machine's
// clock may be wrong. It is behind by the age of that File when it was seen first.
type apiClock struct {
	created int64
	seen    time.Time
}

func (a *apiClock) show(created int64) {
	if a.seen.IsZero() || created > a.now() {
		a.created, a.seen = created, time.Now()
	}
}

// now is in Unix seconds, and never ahead; 0 before any File was seen.
func (a *apiClock) now() int64 {
	if a.seen.IsZero() {
		return 0
	}
	return a.created + int64(time.Since(a.seen)/time.Second)
}

// age returns how long ago, at least, a File was made.
func (v *view) age(created int64) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Duration(v.clock.now()-created) * time.Second
}

// now is OpenAI's time, in Unix seconds.
func (v *view) now() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.clock.now()
}

func (v *view) show(created int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clock.show(created)
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
func (c *Client) join(p **flight, read func(context.Context) error) *flight {
	if f := *p; f != nil && f.ctx.Err() == nil {
		f.waiting++
		return f
	}
	f := &flight{done: make(chan struct{}), waiting: 1}
	f.ctx, f.cancel = context.WithCancel(c.life.ctx)
	*p = f
	end := func(err error) {
		f.err = err
		f.cancel()
		close(f.done)
	}
	started := c.spawn(func(context.Context) {
		err := read(f.ctx)
		c.view.mu.Lock()
		if *p == f {
			*p = nil
		}
		c.view.mu.Unlock()
		end(err)
	})
	if !started {
		*p = nil
		end(ErrClosed)
	}
	return f
}

func (v *view) leave(f *flight) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
	}
}

// listFiles returns when the list of Files is there and not older than age.
func (c *Client) listFiles(ctx context.Context, age time.Duration) error {
	v := &c.view
	v.mu.Lock()
	if !v.listed.IsZero() && time.Since(v.listed) <= age {
		v.mu.Unlock()
		return nil
	}
	f := c.join(&v.files, c.readFiles)
	v.mu.Unlock()
	defer v.leave(f)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// listAllFiles returns when a complete list of Files has been read, which tells of
// Files that others have deleted.
func (c *Client) listAllFiles(ctx context.Context) error {
	c.view.mu.Lock()
	c.view.whole = time.Time{}
	c.view.mu.Unlock()
	return c.listFiles(ctx, 0)
}

// readFiles takes in the list of Files, the newest first: all of them at first and
// when the last complete list is no longer believed, otherwise those made in or
// after the second of the newest that is known.
func (c *Client) readFiles(ctx context.Context) error {
	v := &c.view
	began := time.Now()
	v.mu.Lock()
	newest := v.newest
	whole := v.whole.IsZero() || began.Sub(v.whole) > trustedFor
	v.mu.Unlock()
	first := newestFiles
	if whole {
		first = wire.FilesPage
		c.ledger.Begin()
	}
	top := newest
pages:
	for page, err := range c.wire.Files(ctx, first) {
		if err != nil {
			return err
		}
		files := make([]ledger.File, 0, len(page))
		for _, f := range page {
			if !whole && f.CreatedAt < newest {
				c.ledger.Listed(files)
				break pages
			}
			top = max(top, f.CreatedAt)
			files = append(files, fileOf(f))
		}
		c.ledger.Listed(files)
	}
	if whole {
		c.ledger.End(c.tickAt(began), c.tickAt(began.Add(-showTime)))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clock.show(top)
	v.newest, v.listed = max(v.newest, top), began
	if whole {
		v.whole = began
	}
	return nil
}

func fileOf(f wire.File) ledger.File {
	stem, ext := naming.Stem(f.Filename), naming.Ext(f.Filename)
	file := ledger.File{ID: f.ID, Name: f.Filename, Stem: naming.Fold(stem), Ext: ext, Created: f.CreatedAt}
	if f.Bytes != nil {
		file.Size = *f.Bytes
	}
	return file
}

// holdings returns the versions that the store holds of a key's document, and the
// Files that bear one of its names and are so young that their attach may not have
// shown.
func (c *Client) holdings(ctx context.Context, d doc) (h ledger.Holdings, young []string, err error) {
	if err := c.listFiles(ctx, listAge); err != nil {
		return h, nil, err
	}
	if c.ledger.Altered() || d.names.Stems[0] == "" {
		return c.listedHoldings(ctx, d)
	}
	var passed []ledger.Version
	for _, v := range c.ledger.Candidates(d.id, d.names) {
		over, err := c.inspect(ctx, v)
		if err != nil {
			return h, nil, err
		}
		if over {
			passed = append(passed, v)
		}
	}
	// A key that has its document has namesakes in other stores, not an older version
	// that a complete reading of this one would not show.
	if h = c.ledger.Holdings(d.id, d.names); len(h.Versions) == 0 && len(passed) > 0 {
		for _, v := range passed {
			if err := c.look(ctx, v.ID); err != nil {
				return h, nil, err
			}
		}
		h = c.ledger.Holdings(d.id, d.names)
	}
	for _, v := range c.ledger.Candidates(d.id, d.names) {
		if v.Status <= ledger.Absent && c.young(v.Created) {
			young = append(young, v.ID)
		}
	}
	return h, young, nil
}

// listedHoldings is holdings where names do not lead to a document: the store's
// listing decides.
func (c *Client) listedHoldings(ctx context.Context, d doc) (h ledger.Holdings, young []string, err error) {
	if err := c.walk(ctx); err != nil {
		return h, nil, err
	}
	for _, v := range c.ledger.Holdings(d.id, d.names).Versions {
		if !v.Open && !v.Going && (v.Seen == ledger.NotSeen || v.Status != ledger.Completed && v.Seen == ledger.Listed) {
			if err := c.look(ctx, v.ID); err != nil {
				return h, nil, err
			}
		}
	}
	return c.ledger.Holdings(d.id, d.names), nil, nil
}

// holdingsNow is holdings where it matters that there is nothing: somebody else may
// have put the document since the list of Files was read.
func (c *Client) holdingsNow(ctx context.Context, d doc) (ledger.Holdings, []string, error) {
	h, young, err := c.holdings(ctx, d)
	if err != nil || len(h.Versions) > 0 {
		return h, young, err
	}
	if err := c.listFiles(ctx, 0); err != nil {
		return h, nil, err
	}
	c.ledger.Doubt(young...) // they may show by now
	return c.holdings(ctx, d)
}

// young reports whether a File is so new that somebody's attach of it may not show.
func (c *Client) young(created int64) bool {
	return created > 0 && c.view.age(created) < c.cfg.IndexTimeout+showTime
}

// trusted reports whether the last reply about a File is still believed.
func (c *Client) trusted(v ledger.Version) bool {
	since := c.since(v.At)
	switch {
	case v.Seen == ledger.NotSeen:
		return false
	case v.Seen == ledger.Listed && v.Status != ledger.Completed:
		return false // the listing may be behind
	case v.Status == ledger.Absent && since > showTime && v.Created > 0 && c.view.age(v.Created)-since < c.cfg.IndexTimeout+showTime:
		return false // it was too new for a 404 to be conclusive
	}
	return since < trustedFor
}

// inspect returns when a reply about the File is there that is believed. over
// reports that the store's listing has been read completely without showing it.
func (c *Client) inspect(ctx context.Context, file ledger.Version) (over bool, err error) {
	v := &c.view
	for joined := (*flight)(nil); ; {
		now, known := c.ledger.Find(file.ID)
		if !known || c.trusted(now) || now.Open || now.Going {
			return false, nil
		}
		v.mu.Lock()
		reading := v.walk != nil && v.walk.ctx.Err() == nil
		switch {
		case reading && joined != v.walk && now.Status == ledger.Unknown:
			joined = c.join(&v.walk, c.readStore)
			defer v.leave(joined)
		case !reading && now.Status == ledger.Unknown && c.passedOver(now):
			v.mu.Unlock()
			return true, nil
		case !reading && now.Status == ledger.Unknown && v.looks >= max(fewLooks, c.ledger.Len()/wire.StoreFilesPage/2) && time.Since(v.tried) > trustedFor:
			joined = c.join(&v.walk, c.readStore)
			defer v.leave(joined)
		case !reading || now.Status != ledger.Unknown:
			v.looks++
			v.mu.Unlock()
			return false, c.look(ctx, file.ID)
		}
		paged := v.paged
		v.mu.Unlock()
		select {
		case <-paged:
		case <-joined.done:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// passedOver reports whether a complete reading of the store's listing did not show
// the File, which was long there by then. The caller holds mu.
func (c *Client) passedOver(file ledger.Version) bool {
	v := &c.view
	since := time.Since(v.walked)
	age := time.Duration(v.clock.now()-file.Created) * time.Second
	return !v.walked.IsZero() && since < trustedFor && age-since > c.cfg.IndexTimeout+showTime
}

// look asks for one store file.
func (c *Client) look(ctx context.Context, id string) error {
	if err := c.lookups.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer c.lookups.Release(1)
	return c.lookWith(ctx, c.wire, id)
}

func (c *Client) lookWith(ctx context.Context, w *wire.Client, id string) error {
	s, _, err := w.StoreFile(ctx, id)
	switch {
	case errors.Is(err, fail.NotFound):
		c.ledger.Absent(id, c.tick())
		return nil
	case err != nil:
		return err
	}
	c.observe(s, ledger.Read, c.tick())
	return nil
}

// observe records a reply that shows a store file.
func (c *Client) observe(s wire.StoreFile, seen ledger.Seen, at uint32) naming.Identity {
	id := naming.Decode(s.Attributes)
	marks, marked := c.marks(id), naming.Marked(s.Attributes)
	c.ledger.Observe(s.ID, marks, marked, statusOf(s.Status), seen, at)
	if id.Key != "" && !c.ledger.Altered() {
		stems := naming.NamesOf(id.Key, c.cfg.FileExtension).Stems
		if known, among := c.ledger.Stem(s.ID, stems); known && !among {
			c.altered(s.ID)
		}
	}
	return id
}

// altered records that the server lists a File under a name that leads nowhere.
func (c *Client) altered(id string) {
	c.log.Warn("the server alters file names; documents are looked for in the store's listing from now on", "file_id", id)
	c.ledger.Alter()
}

func (c *Client) marks(id naming.Identity) ledger.Marks {
	return ledger.Marks{Key: ledger.Key(id.Digest[:16]), Number: id.Version, Content: id.Source.Fingerprint(), Own: c.prints(id.Own)}
}

// prints packs attributes for comparison.
func (c *Client) prints(own map[string]any) string {
	return c.ledger.Prints(func(yield func(name, value string)) {
		for name, value := range own {
			yield(name, fmt.Sprintf("%T:%v", value, value))
		}
	})
}

func statusOf(s wire.Status) ledger.Status {
	switch s {
	case wire.Completed:
		return ledger.Completed
	case wire.Failed, wire.Cancelled:
		return ledger.Failed
	}
	return ledger.InProgress
}

// readStore reads the store's whole listing.
func (c *Client) readStore(ctx context.Context) error {
	v := &c.view
	began := time.Now()
	v.mu.Lock()
	v.paged = make(chan struct{})
	v.mu.Unlock()
	// A reading that failed is not begun again at once: the rest is looked at singly.
	defer func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.tried, v.looks = time.Now(), 0
	}()
	at := c.tick()
	for page, err := range c.wire.StoreFiles(ctx) {
		if err != nil {
			return err
		}
		for _, s := range page {
			c.observe(s, ledger.Listed, at)
		}
		at = c.tick()
		v.mu.Lock()
		close(v.paged)
		v.paged = make(chan struct{})
		v.mu.Unlock()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.walked, v.renewed = began, began
	return nil
}

// walk returns when the store's listing has been read, and its newest entries
// lately.
func (c *Client) walk(ctx context.Context) error {
	v := &c.view
	v.mu.Lock()
	if !v.walked.IsZero() && time.Since(v.walked) < trustedFor && time.Since(v.renewed) <= listAge {
		v.mu.Unlock()
		return nil
	}
	read := c.readStore
	if !v.walked.IsZero() && time.Since(v.walked) < trustedFor {
		read = c.readNewest
	}
	f := c.join(&v.walk, read)
	v.mu.Unlock()
	defer v.leave(f)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readNewest reads the newest entries of the store's listing, down to a page that
// brings nothing new.
func (c *Client) readNewest(ctx context.Context) error {
	began, at := time.Now(), c.tick()
	for page, err := range c.wire.NewestStoreFiles(ctx) {
		if err != nil {
			return err
		}
		news := false
		for _, s := range page {
			v, known := c.ledger.Find(s.ID)
			news = news || !known || v.Status <= ledger.Absent
			c.observe(s, ledger.Listed, at)
		}
		if at = c.tick(); !news {
			break
		}
	}
	c.view.mu.Lock()
	defer c.view.mu.Unlock()
	c.view.renewed = began
	return nil
}
