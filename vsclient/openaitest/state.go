package openaitest

import (
	"container/heap"
	"slices"
	"time"
)

// status is a store file's.
type status string

const (
	inProgress status = "in_progress"
	completed  status = "completed"
	failed     status = "failed"
	cancelled  status = "cancelled"
)

// file is an object of /files. It does not change once made, but for its
// attachments.
type file struct {
	place
	id        string
	name      string
	purpose   string
	bytes     int64
	sha256    string
	content   []byte // the first KeepBytes bytes
	createdAt time.Time
	expiresAt int64 // unix seconds; 0: never
	gone      bool

	attached []*storeFile // to any store, now
	attaches int          // ever, to any store
	parsed   *document    // made when first indexed or searched
}

func (f *file) where() place { return f.place }

func (f *file) objectID() string { return f.id }

// store is an object of /vector_stores.
type store struct {
	place
	id         string
	name       *string
	metadata   map[string]any
	createdAt  time.Time
	activeAt   time.Time
	expiryDays int       // 0: never
	endsAt     time.Time // when it expires even if it is used; zero: never
	expired    bool

	files   map[string]*storeFile // attached now, by id
	listed  ordered[*storeFile]   // those, and the ghosts that a listing may still show
	ghosts  []*storeFile          // detached, oldest first
	ghostOf map[string]*storeFile // the last detached of each id, while it is a ghost
	left    map[string]place      // every id that was once attached and is no longer

	pending   pendingHeap
	counts    tally
	past      []datedTally // for CountsLag, oldest first
	intervals []Interval
	batches   map[string]*batch
	attaches  *limiter
}

// shownName is the store's name, or empty if it has none.
func (s *store) shownName() string {
	if s.name == nil {
		return ""
	}
	return *s.name
}

func (s *store) where() place { return s.place }

func (s *store) objectID() string { return s.id }

// tally is what file_counts and usage_bytes say.
type tally struct {
	inProgress, completed, failed, cancelled int
	usage                                    int64
}

func (t tally) total() int { return t.inProgress + t.completed + t.failed + t.cancelled }

func (t *tally) of(st status) *int {
	switch st {
	case inProgress:
		return &t.inProgress
	case completed:
		return &t.completed
	case failed:
		return &t.failed
	default:
		return &t.cancelled
	}
}

type datedTally struct {
	at time.Time
	tally
}

// storeFile is the attachment of a file to a store.
type storeFile struct {
	place
	file       *file
	store      *store
	createdAt  time.Time // of the first attach
	attachedAt time.Time // of the last attach
	detachedAt time.Time // zero: attached
	chunking   chunking

	version            // as it is now
	past     []version // for ListLag.Update, oldest first, without the current one
	doneAt   time.Time // when status leaves in_progress; zero: never
	outcome  version   // what it then becomes
	indexing int       // counts the attaches, so that an older one's outcome is dropped
	interval int       // of store.intervals, that is open; -1: none
}

func (f *storeFile) where() place { return f.place }

func (f *storeFile) objectID() string { return f.file.id }

// version is what an update of a store file changes.
type version struct {
	at         time.Time
	status     status
	code       string
	message    string
	attributes map[string]any
}

// asOf returns the version that was current at t, or else the first one.
func (f *storeFile) asOf(t time.Time) version {
	if !f.at.After(t) {
		return f.version
	}
	for i := len(f.past) - 1; i >= 0; i-- {
		if !f.past[i].at.After(t) {
			return f.past[i]
		}
	}
	if len(f.past) > 0 {
		return f.past[0]
	}
	return f.version
}

func (f *storeFile) usage() int64 {
	if f.status != completed {
		return 0
	}
	return f.chunking.usage(f.file.textBytes())
}

// chunking is a static chunking strategy in tokens.
type chunking struct{ size, overlap int }

// embeddingBytes is the size of a chunk's embedding: 256 dimensions of four bytes.
const embeddingBytes = 256 * 4

// usage returns the storage of a text of n bytes: its chunks and an embedding for
// each. A reply of the API that was recorded shows 1036 bytes for a text of 12.
func (c chunking) usage(n int64) int64 {
	size, overlap := int64(c.size)*bytesPerToken, int64(c.overlap)*bytesPerToken
	chunks := int64(1)
	if n > size {
		chunks += (n - size + size - overlap - 1) / (size - overlap)
	}
	return n + (chunks-1)*overlap + chunks*embeddingBytes
}

var autoChunking = chunking{800, 400}

// batch is an object of …/file_batches.
type batch struct {
	id        string
	store     *store
	createdAt time.Time
	files     ordered[*storeFile]
	byID      map[string]*storeFile
	refused   int // files that failed without ever being attached
	cancelled bool
}

func (b *batch) tally() tally {
	t := tally{failed: b.refused}
	for f := range b.files.ascend(nil) {
		st := f.status
		if st == inProgress && !f.detachedAt.IsZero() {
			st = cancelled // nobody indexes it any more
		}
		*t.of(st)++
	}
	return t
}

func (b *batch) status() status {
	switch t := b.tally(); {
	case b.cancelled:
		return cancelled
	case t.inProgress > 0:
		return inProgress
	default:
		return completed
	}
}

// pendingHeap holds what is being indexed, soonest done first.
type pendingHeap []pendingFile

type pendingFile struct {
	at       time.Time
	file     *storeFile
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

// expiryHeap holds the files that expire, soonest first.
type expiryHeap []*file

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].expiresAt < h[j].expiresAt }
func (h expiryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *expiryHeap) Push(v any)        { *h = append(*h, v.(*file)) }
func (h *expiryHeap) Pop() any {
	old := *h
	v := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return v
}

// Everything below changes state and wants s.mu held.

// now is the server's time.
func (s *Server) now() time.Time { return s.cfg.Now().Add(s.offset) }

// nextPlace is where an object stands that is created now.
func (s *Server) nextPlace(now time.Time) place {
	s.seq++
	p := place{createdAt: now.Unix(), seq: s.seq}
	if s.cfg.Quirks.ShuffledTies {
		p.tie = s.rng.Uint64()
	}
	return p
}

func (s *Server) addFile(f *file, now time.Time) {
	f.place = s.nextPlace(now)
	f.createdAt = now
	f.id = s.newID("file-", 22)
	s.files[f.id] = f
	s.stored += f.bytes
	s.fileList.insert(f)
	if f.expiresAt != 0 {
		heap.Push(&s.expiring, f)
	}
}

// removeFile deletes a File, and with it its attachments unless keepAttached.
func (s *Server) removeFile(f *file, now time.Time, keepAttached bool) {
	f.gone = true
	delete(s.files, f.id)
	s.stored -= f.bytes
	s.fileList.remove(f.place)
	s.filesLeft[f.id] = f.place
	if keepAttached {
		return
	}
	for len(f.attached) > 0 {
		sf := f.attached[0]
		s.settle(sf.store, now)
		counted := sf.status
		s.detach(sf, now)
		if s.cfg.Quirks.DeleteLeavesCounts {
			if counted == inProgress {
				counted = cancelled // nobody indexes it any more
			}
			*sf.store.counts.of(counted)++
			s.remember(sf.store, now)
		}
	}
}

// tick lets Files and uploads expire that are due.
func (s *Server) tick(now time.Time) {
	s.expireUploads(now)
	for len(s.expiring) > 0 && s.expiring[0].expiresAt <= now.Unix() {
		f := heap.Pop(&s.expiring).(*file)
		if !f.gone {
			s.removeFile(f, time.Unix(f.expiresAt, 0), s.cfg.Quirks.ExpiryLeavesStoreFile)
		}
	}
}

// settle brings a store up to now: indexing ends, ghosts vanish, it expires.
func (s *Server) settle(st *store, now time.Time) {
	if at := st.expiry(); !at.IsZero() && !st.expired && !now.Before(at) {
		s.finishIndexing(st, at)
		st.expired = true
		for _, f := range st.sorted() {
			s.detach(f, at)
		}
	}
	s.finishIndexing(st, now)
	for len(st.ghosts) > 0 && !st.ghosts[0].detachedAt.Add(s.ghostTime).After(now) {
		g := st.ghosts[0]
		st.ghosts = st.ghosts[1:]
		st.listed.remove(g.place)
		if st.ghostOf[g.file.id] == g {
			delete(st.ghostOf, g.file.id)
		}
	}
}

// expiry returns when the store expires unless it is used before; zero: never.
func (s *store) expiry() time.Time {
	if s.expiryDays == 0 || !s.endsAt.IsZero() && s.endsAt.Before(s.expiresAt()) {
		return s.endsAt
	}
	return s.expiresAt()
}

// expiresAt is the end of the store's expires_after, if nobody uses it.
func (s *store) expiresAt() time.Time {
	return s.activeAt.Add(time.Duration(s.expiryDays) * 24 * time.Hour)
}

func (s *store) sorted() []*storeFile {
	var all []*storeFile
	for f := range s.listed.ascend(nil) {
		if f.detachedAt.IsZero() {
			all = append(all, f)
		}
	}
	return all
}

func (s *Server) finishIndexing(st *store, now time.Time) {
	for len(st.pending) > 0 && !st.pending[0].at.After(now) {
		p := heap.Pop(&st.pending).(pendingFile)
		f := p.file
		if f.indexing != p.indexing || f.status != inProgress || !f.detachedAt.IsZero() {
			continue
		}
		v := f.outcome
		v.attributes = f.attributes
		s.become(f, v, p.at)
	}
}

// become replaces the version of an attached file, and with it the store's
// counts and history.
func (s *Server) become(f *storeFile, v version, at time.Time) {
	st := f.store
	v.at = at
	before := f.usage()
	*st.counts.of(f.status)--
	if s.cfg.ListLag.Update > 0 {
		f.past = append(f.past, f.version)
		for len(f.past) > 1 && !f.past[1].at.After(at.Add(-s.cfg.ListLag.Update)) {
			f.past = f.past[1:]
		}
	}
	f.version = v
	*st.counts.of(f.status)++
	st.counts.usage += f.usage() - before
	s.remember(st, at)
	s.closeInterval(f, at)
	s.openInterval(f, at)
}

func (s *Server) openInterval(f *storeFile, at time.Time) {
	if f.status != completed {
		return
	}
	f.interval = len(f.store.intervals)
	f.store.intervals = append(f.store.intervals, Interval{
		FileID: f.file.id, Filename: f.file.name, SHA256: f.file.sha256, Attributes: f.attributes, From: at,
	})
}

func (s *Server) closeInterval(f *storeFile, at time.Time) {
	if f.interval >= 0 {
		f.store.intervals[f.interval].To = at
		f.interval = -1
	}
}

// remember keeps the counts for those who see them late.
func (s *Server) remember(st *store, at time.Time) {
	if s.cfg.CountsLag <= 0 {
		return
	}
	st.past = append(st.past, datedTally{at, st.counts})
	for len(st.past) > 1 && !st.past[1].at.After(at.Add(-s.cfg.CountsLag)) {
		st.past = st.past[1:]
	}
}

// countsAsSeen are the counts that GET on the store shows.
func (s *Server) countsAsSeen(st *store, now time.Time) tally {
	if s.cfg.CountsLag <= 0 {
		return st.counts
	}
	seen := tally{}
	for _, d := range st.past {
		if d.at.After(now.Add(-s.cfg.CountsLag)) {
			break
		}
		seen = d.tally
	}
	return seen
}

// attach attaches f to st, or attaches it anew; settle has been called. With
// bad it is attached as failed.
func (s *Server) attach(st *store, f *file, attributes map[string]any, ch chunking, now time.Time, bad *apiError) *storeFile {
	f.attaches++
	st.activeAt = now

	sf := st.files[f.id]
	if sf == nil {
		sf = &storeFile{file: f, store: st, createdAt: now, chunking: ch, interval: -1}
		sf.place = s.nextPlace(now)
		sf.version = version{at: now, status: inProgress, attributes: attributes}
		st.files[f.id] = sf
		st.listed.insert(sf)
		delete(st.left, f.id)
		f.attached = append(f.attached, sf)
		st.counts.inProgress++
		s.remember(st, now)
	} else {
		v := sf.version
		if !s.cfg.Quirks.ReattachKeepsAttributes {
			v.attributes = attributes
		}
		reindex := v.status != completed || s.cfg.Quirks.ReattachReindexes || ch != sf.chunking || bad != nil
		sf.chunking = ch
		if reindex {
			v.status, v.code, v.message = inProgress, "", ""
		}
		s.become(sf, v, now)
		if !reindex {
			sf.attachedAt = now
			return sf
		}
	}
	sf.attachedAt = now
	if bad != nil {
		s.become(sf, version{status: failed, code: bad.code, message: bad.message, attributes: sf.attributes}, now)
		return sf
	}
	s.index(sf, now)
	return sf
}

// index decides how the indexing of a file that was just attached will end.
func (s *Server) index(f *storeFile, now time.Time) {
	f.indexing++
	stuck, code, message := s.verdict(f)
	if stuck {
		return
	}
	f.outcome = version{status: completed}
	if code != "" {
		f.outcome = version{status: failed, code: code, message: message}
	}
	d := s.cfg.IndexTime
	if s.cfg.IndexJitter > 0 {
		d += time.Duration(s.rng.Int64N(int64(s.cfg.IndexJitter)))
	}
	f.doneAt = now.Add(d)
	heap.Push(&f.store.pending, pendingFile{f.doneAt, f, f.indexing})
	s.finishIndexing(f.store, now)
}

// plant attaches f as completed, whatever indexing would say.
func (s *Server) plant(st *store, f *file, attributes map[string]any, now time.Time) {
	f.attaches++
	sf := &storeFile{file: f, store: st, createdAt: now, attachedAt: now, doneAt: now, chunking: autoChunking, interval: -1}
	sf.place = s.nextPlace(now)
	sf.version = version{at: now, status: completed, attributes: attributes}
	st.files[f.id] = sf
	st.listed.insert(sf)
	delete(st.left, f.id)
	f.attached = append(f.attached, sf)
	st.counts.completed++
	st.counts.usage += sf.usage()
	s.remember(st, now)
	s.openInterval(sf, now)
}

// detach removes f from its store; settle has been called.
func (s *Server) detach(f *storeFile, now time.Time) {
	st := f.store
	*st.counts.of(f.status)--
	st.counts.usage -= f.usage()
	s.remember(st, now)
	s.closeInterval(f, now)
	f.detachedAt = now
	delete(st.files, f.file.id)
	st.left[f.file.id] = f.place
	if s.ghostTime > 0 {
		st.ghosts = append(st.ghosts, f)
		st.ghostOf[f.file.id] = f
	} else {
		st.listed.remove(f.place)
	}
	for i, a := range f.file.attached {
		if a == f {
			f.file.attached = append(f.file.attached[:i], f.file.attached[i+1:]...)
			break
		}
	}
}

// detachAsAsked detaches f as a request asks: from its store, or from all stores.
func (s *Server) detachAsAsked(f *storeFile, now time.Time) {
	if !s.cfg.Quirks.DetachEverywhere {
		s.detach(f, now)
		return
	}
	for _, a := range slices.Clone(f.file.attached) {
		s.settle(a.store, now)
		if a.detachedAt.IsZero() {
			s.detach(a, now)
		}
	}
}

// seenThrough reports whether a view with this lag shows the file: the live
// one once the attach has come through, the ghost until the detach has.
func (f *storeFile) seenThrough(lag Lag, now time.Time) bool {
	if f.createdAt.Add(lag.Attach).After(now) {
		return false
	}
	if f.detachedAt.IsZero() {
		return true
	}
	if !f.detachedAt.Add(lag.Detach).After(now) {
		return false
	}
	live := f.store.files[f.file.id]
	return live == nil || live.createdAt.Add(lag.Attach).After(now)
}
