package vsclient

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// catalog is what the client knows of the project's Files and of what each is in
// the store.
//
// Two lists exist, and neither is the truth alone. GET /files shows a new File at
// once and carries names, but not what it is attached to. The store's listing
// carries the attributes that say whose it is, but lags by up to two minutes and
// has no names. So the first says which Files could be a key's, by name, and a
// look at each of those decides: at the store file itself, or, when many are
// asked for, at the pages of the store's listing. What the listing does not show
// is looked at one by one: absence there proves nothing. What it shows and GET
// /files does not is a ghost.
type catalog struct {
	c    *Client
	born time.Time

	mu        sync.Mutex
	byStem    map[uint64]*file  // by hash of the name without extension, chained
	dropped   map[string]uint32 // when those that are gone went: a list of Files may be behind
	clock     apiClock
	newest    int64     // created_at of the newest File that a refresh has seen
	refreshed time.Time // when the last complete refresh began
	doubt     bool      // what was known has turned out to be wrong since
	refresh   *flight
	counting  *flight
	looks     int // single looks since the last walk
	total     int // store files, by the store's count; -1: not asked
	walked    time.Time
	walk      *flight
	paged     chan struct{}   // closed at each page of a walk
	whole     time.Time       // when the last walk that came to its end began
	unnamed   map[string]bool // what it showed and could not be placed by its key
}

const (
	// refreshAfter is how old the list of Files may be. Within that time a File
	// that someone else made for one of our keys can go unnoticed.
	refreshAfter = 30 * time.Second
	// trustedFor is how long a look is believed. Our own changes are noted as they
	// happen; this is for what others do to the store.
	trustedFor = 10 * time.Minute
	// settleTime is how long an attach may stay unseen: listings lag by up to two
	// minutes, and a look may answer 404 for a while.
	settleTime = 3 * time.Minute
	// unseenTime is how long a single request waits for that.
	unseenTime = 30 * time.Second
	// refreshPage is how many of the newest Files are asked for at first.
	refreshPage = 100
	// fewLooks are made singly before the whole listing is read instead.
	fewLooks = 4
)

// fileState is what a File is in the store.
type fileState uint8

const (
	unknown  fileState = iota // not looked at
	absent                    // not attached, as far as could be seen
	unmarked                  // attached, with no attribute of ours
	attached                  // attached, and bears a key
)

// file is one File of the project, kept small: there may be millions.
type file struct {
	id      string
	next    *file  // another of the same stem
	created uint32 // Unix seconds
	owner   uint32 // hash of the owner attribute; 0: none
	size    int64
	version int64
	own     uint64 // hash of the caller's attributes
	key     [16]byte
	content [16]byte // of source, for comparing
	looked  uint32   // seconds from the catalog's birth, plus one
	since   uint32   // of its attach by this client, likewise; 0: not by this one
	kept    uint32   // when a change has last found it to be its key's document, likewise
	ext     int8
	state   fileState
	status  uint8 // place in statuses
	doomed  bool  // its removal was begun, and has not ended well
	judged  bool  // not attached, and no record says that it was replaced
	adopted bool  // uploaded by this client
	found   bool  // there when this client began: a predecessor's, if anything of ours
}

var statuses = []wire.Status{"", wire.InProgress, wire.Completed, wire.Failed, wire.Cancelled}

const statusCompleted = 2 // its place there

func (f *file) Status() wire.Status { return statuses[f.status] }

// apiClock tells the time by created_at of the newest File that was seen, which is
// OpenAI's own: this machine's clock may be wrong, and an emulator's may be anything.
// It is behind by as long as that File is old, and right once we have made one.
type apiClock struct {
	created int64
	seen    time.Time
}

// clockSlack is how far OpenAI's servers may disagree on the time, in seconds.
const clockSlack = 3

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

// age is how long ago, at least, a File was made. The caller holds mu.
func (k *catalog) age(f *file) time.Duration {
	return time.Duration(k.clock.now()-int64(f.created)) * time.Second
}

// flight is a request that many wait for.
type flight struct {
	done chan struct{}
	err  error
}

func (fl *flight) wait(ctx context.Context) error {
	select {
	case <-fl.done:
		return fl.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func newCatalog(c *Client) *catalog {
	return &catalog{c: c, born: time.Now(), byStem: make(map[uint64]*file), dropped: make(map[string]uint32), total: -1, paged: make(chan struct{})}
}

// extIndex is the place of the name's extension in extensions, and -1 when OpenAI does
// not index it.
func extIndex(name string) int8 { return int8(slices.Index(extensions, naming.Ext(name))) } //nolint:gosec // one of two dozen

var extensions = naming.Extensions()

func (k *catalog) hash(stem string) uint64 { return maphash.String(k.c.seed, stem) }

// fresh returns when the list of Files is there and not older than allowed.
func (k *catalog) fresh(ctx context.Context, allowed time.Duration) error {
	k.mu.Lock()
	if !k.refreshed.IsZero() && time.Since(k.refreshed) <= allowed && !k.doubt {
		k.mu.Unlock()
		return nil
	}
	began, newest, first := time.Now(), k.newest, k.refreshed.IsZero()
	fl := k.share(&k.refresh, func(ctx context.Context) error {
		k.mu.Lock()
		k.doubt = false
		k.mu.Unlock()
		err := k.read(ctx, first, newest)
		if err == nil {
			k.mu.Lock()
			k.refreshed = began
			maps.DeleteFunc(k.dropped, func(_ string, at uint32) bool { return began.Sub(k.time(at)) > settleTime })
			k.mu.Unlock()
		}
		return err
	})
	k.mu.Unlock()
	return fl.wait(ctx)
}

// read takes in the Files, newest first: all of them at first, afterwards those
// made in or after the second of the newest that is known.
func (k *catalog) read(ctx context.Context, all bool, newest int64) error {
	first := refreshPage
	if all {
		first = wire.FilesPage
	}
	top := newest
	for data, err := range k.c.wire.Files(ctx, first) {
		if err != nil {
			return err
		}
		k.mu.Lock()
		past := false
		for _, f := range data {
			top = max(top, f.CreatedAt)
			if past = !all && f.CreatedAt < newest; past {
				break
			}
			if k.dropped[f.ID] == 0 {
				if n := k.add(f); all {
					n.found = true
				}
			}
		}
		k.mu.Unlock()
		if past {
			break
		}
	}
	k.mu.Lock()
	k.newest = max(k.newest, top)
	k.mu.Unlock()
	return nil
}

// add takes in one File; one that is known stays as it is. The caller holds mu.
func (k *catalog) add(o wire.File) *file {
	k.clock.show(o.CreatedAt)
	h := k.hash(naming.Stem(o.Filename))
	for f := k.byStem[h]; f != nil; f = f.next {
		if f.id == o.ID {
			return f
		}
	}
	f := &file{id: o.ID, next: k.byStem[h], created: uint32(o.CreatedAt), ext: extIndex(o.Filename)} //nolint:gosec // seconds until 2106
	if o.Bytes != nil {
		f.size = *o.Bytes
	}
	k.byStem[h] = f
	return f
}

// adopt takes in a File that this client has uploaded; nobody else has it.
func (k *catalog) adopt(o wire.File) *file {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.add(o)
	k.note(f, absent)
	f.adopted = true
	return f
}

// put notes that the File is a version of the key's document.
func (k *catalog) put(f *file, id naming.Identity, s wire.Status) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.learn(f, wire.StoreFile{Status: s, Attributes: id.Encode()})
	f.since = k.tick()
}

// keep notes that the File is its key's document now, whatever was begun before.
func (k *catalog) keep(f *file) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f.kept = k.tick()
}

// drop forgets a File of that key that is gone.
func (k *catalog) drop(key, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dropped[id] = k.tick()
	for _, h := range k.stems(key) {
		for at, prev := k.byStem[h], (*file)(nil); at != nil; prev, at = at, at.next {
			if at.id != id {
				continue
			}
			switch {
			case prev != nil:
				prev.next = at.next
			case at.next != nil:
				k.byStem[h] = at.next
			default:
				delete(k.byStem, h)
			}
			break
		}
	}
}

// doom notes that the removal of a File begins. From then on it is no version of
// anything, whatever the store still shows of it: it is to go. It reports whether the
// File is known for one that this client's kind has made, and whether it is known to
// be searchable.
func (k *catalog) doom(key, id string) (made, known bool) {
	k.change(key, id, func(f *file) {
		known = !f.doomed && f.state == attached && f.status == statusCompleted
		made = f.state == attached || f.since > 0 || f.state == absent && f.adopted
		f.doomed, f.content = true, [16]byte{}
	})
	return made, known
}

// suspect notes that others have changed what was known.
func (k *catalog) suspect() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.doubt = true
}

// spare notes that a File that was detached stays, since others have it.
func (k *catalog) spare(key, id string) {
	k.change(key, id, func(f *file) {
		f.doomed, f.judged = false, true
		k.note(f, absent)
	})
}

// change changes what is known of a File of that key.
func (k *catalog) change(key, id string, to func(*file)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, h := range k.stems(key) {
		for f := k.byStem[h]; f != nil; f = f.next {
			if f.id == id {
				to(f)
			}
		}
	}
}

// doubted reports whether the list of Files is to be read again.
func (k *catalog) doubted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.doubt
}

// stems are the hashes under which a key's Files can be: as this client names
// them, and as the earlier connector did.
func (k *catalog) stems(key string) []uint64 {
	base, _ := naming.FileName(key)
	mine, theirs := k.hash(base), k.hash(naming.Stem(key))
	if mine == theirs {
		return []uint64{mine}
	}
	return []uint64{mine, theirs}
}

// candidates are the Files whose names a document of that key could have.
func (k *catalog) candidates(key string) []*file {
	ext := extIndex(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	var found []*file
	for _, h := range k.stems(key) {
		for f := k.byStem[h]; f != nil; f = f.next {
			if ext < 0 || f.ext == ext {
				found = append(found, f)
			}
		}
	}
	return found
}

// named returns the Files of that name, and a time, by OpenAI's clock, before
// which no File that is made from now on can be dated.
func (k *catalog) named(name string) (ids []string, newest int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for f := k.byStem[k.hash(naming.Stem(name))]; f != nil; f = f.next {
		ids = append(ids, f.id)
	}
	return ids, k.clock.now() - clockSlack
}

// has reports whether GET /files has shown a File of that key's names and that id.
func (k *catalog) has(key, id string) bool {
	return slices.ContainsFunc(k.candidates(key), func(f *file) bool { return f.id == id })
}

// noteAbsent notes that the store does not hold the File after all.
func (k *catalog) noteAbsent(f *file) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note(f, absent)
}

// isDropped reports whether this client has removed the File a while ago.
func (k *catalog) isDropped(id string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dropped[id] != 0
}

// recentFiles are those that are so new that a listing may not show them, by id.
func (k *catalog) recentFiles() map[string]*file {
	k.mu.Lock()
	defer k.mu.Unlock()
	files := make(map[string]*file)
	for _, f := range k.byStem {
		for ; f != nil; f = f.next {
			if k.recent(*f) {
				files[f.id] = f
			}
		}
	}
	return files
}

// tick is the time in a catalog's grain; never zero.
func (k *catalog) tick() uint32 { return uint32(time.Since(k.born)/time.Second) + 1 } //nolint:gosec // 136 years

// time is when that tick was.
func (k *catalog) time(tick uint32) time.Time { return k.born.Add(time.Duration(tick-1) * time.Second) }

// note records what the File is in the store as of now. The caller holds mu.
func (k *catalog) note(f *file, s fileState) {
	f.state, f.looked = s, k.tick()
	if s == absent {
		f.status = 0
	}
}

// learn records what the store says of the File. The caller holds mu.
func (k *catalog) learn(f *file, s wire.StoreFile) {
	if !naming.Marked(s.Attributes) {
		k.note(f, unmarked)
	} else {
		id := naming.Decode(s.Attributes)
		k.note(f, attached)
		f.version, f.content, f.own = id.Version, id.Source.Fingerprint(), naming.Hash(k.c.seed, id.Own)
		f.owner = k.c.ownerOf(id.Own)
		copy(f.key[:], id.Digest[:])
		if !id.Ours {
			f.key = [16]byte{}
		}
	}
	f.status = uint8(max(0, slices.Index(statuses, s.Status))) //nolint:gosec // one of five
}

func (k *catalog) trusted(f *file) bool {
	if f.looked == 0 {
		return false
	}
	at := k.time(f.looked)
	if f.state == absent && k.age(f)-time.Since(at) < k.c.cfg.IndexTimeout+settleTime && time.Since(at) > settleTime {
		return false // it was too new for its absence to prove anything
	}
	return time.Since(at) < trustedFor
}

// share starts f for all who come while it is under way. It runs in the client's
// own time: one caller that gives up must not fail the others. The caller holds
// mu.
func (k *catalog) share(at **flight, f func(context.Context) error) *flight {
	if *at != nil {
		return *at
	}
	fl := &flight{done: make(chan struct{})}
	*at = fl
	if !k.c.spawn(func(ctx context.Context) {
		fl.err = f(ctx)
		k.mu.Lock()
		*at = nil
		k.mu.Unlock()
		close(fl.done)
	}) {
		*at = nil
		fl.err = ErrClosed
		close(fl.done)
	}
	return fl
}
