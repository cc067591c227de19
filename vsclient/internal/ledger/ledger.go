// Package ledger keeps one record for each File of the project: the replies that were
// seen of it in the vector store, and this client's own work on it. It makes no
// request and reads no clock, and [Settle] decides by its records alone which
// versions of a key may go.
//
// Three indexes lead to a record: the File's id, the key that its store file's
// attributes name, and the folded stem of its name. The key is the truth; the name
// is a hint that saves requests. Values leave this room, records do not.
package ledger

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"sync"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
)

// Key is the first half of the SHA-256 of a key.
type Key [16]byte

// KeyOf returns the first half of the SHA-256 of a key.
func KeyOf(sha256 [32]byte) Key { return Key(sha256[:16]) }

// Print is a fingerprint of content and chunking. The zero Print belongs to
// content that this client did not upload.
type Print [16]byte

// Status is the state of a File in the vector store.
type Status uint8

// The states. Failed stands for cancelled as well: both are final.
const (
	Unknown    Status = iota // never looked at
	Absent                   // the store was seen without it
	InProgress               // attached, not searchable yet
	Completed                // searchable
	Failed                   // it never will be searchable
)

// Seen is the kind of reply that a record rests on.
type Seen uint8

// The kinds of reply, the weakest first.
const (
	NotSeen Seen = iota // none, or one that is no longer believed
	Listed              // an entry of a listing: it finds candidates and proves nothing
	Read                // a GET of the store file, or the outcome of this client's own wait
)

// stage is how far this client has come with a File.
type stage uint8

const (
	closed stage = iota // others made it, or this client has seen its end
	opened              // Version.Open
	going               // Version.Going
)

// File is an object of /files.
type File struct {
	ID      string
	Name    string
	Stem    string // the folded stem of Name
	Size    int64  // in bytes
	Created int64  // Unix seconds, by OpenAI's clock
	Ext     string // the extension that OpenAI indexes; "": it has none
}

// Marks are the facts that the attributes of a store file hold.
type Marks struct {
	Key     Key    // zero: the attributes name no key
	Number  int64  // vs_version
	Content Print  // zero: no vs_content
	Own     string // the caller's attributes, as Prints makes it
}

// Version is one store file of a key, or a File that this client is about to attach.
type Version struct {
	Marks
	ID      string
	Created int64 // Unix seconds, by OpenAI's clock; 0: not known
	Size    int64
	Status  Status
	Seen    Seen
	At      uint32 // the caller's tick of the reply that was seen last; of a GET, when it was asked for
	Over    uint32 // the tick when this client's last attempt to index or to remove it ended; 0: there was none, or it goes on
	Made    bool   // this client made it
	Open    bool   // this client made it, and has seen neither its end nor its being searchable
	Going   bool   // its removal has begun
}

// Bare reports whether a listing alone shows the store file, and without a key. Some servers
// list no attributes, so that only a GET shows its key.
func (v Version) Bare() bool { return v.Seen == Listed && v.Status > Absent && v.Key == (Key{}) }

// Holdings are the versions of one key, the newest first.
type Holdings struct {
	Versions []Version
	asked    int64 // the highest number that an update has asked for
}

// Newest returns the newest version.
func (h Holdings) Newest() (Version, bool) {
	if len(h.Versions) == 0 {
		return Version{}, false
	}
	return h.Versions[0], true
}

// Current returns the newest version that has not failed and is not being removed: the
// only one that may be updated.
func (h Holdings) Current() (Version, bool) {
	for _, v := range h.Versions {
		if v.Status != Failed && !v.Going {
			return v, true
		}
	}
	return Version{}, false
}

// Uploads returns the other versions that vsclient has uploaded. A newer version records
// them: whoever finds one of them left behind may remove it.
func (h Holdings) Uploads(but string) (ids []string) {
	for _, v := range h.Versions {
		if v.ID != but && v.Content != (Print{}) {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// Written returns the holdings without files that have no attributes, unless a document of
// the key is newer. A person may have uploaded them: unless a call has named the key since,
// they are no versions of it.
func (h Holdings) Written() Holdings {
	var newest int64
	for _, v := range h.Versions {
		if v.Key != (Key{}) && v.Status != Failed && !v.Going {
			newest = v.Created
			break
		}
	}
	h.Versions = slices.DeleteFunc(slices.Clone(h.Versions), func(v Version) bool {
		return !v.Going && v.Key == (Key{}) && v.Created >= newest
	})
	return h
}

// Highest returns the highest number among the versions, and among those that updates have
// asked for: they may take effect later.
func (h Holdings) Highest() int64 {
	n := h.asked
	for _, v := range h.Versions {
		n = max(n, v.Number)
	}
	return n
}

// record is kept small: there may be millions.
type record struct {
	id       string
	own      string
	nextStem *record // another of the same stem
	nextKey  *record // another of the same key
	stem     uint64  // hash of the folded stem
	name     uint64  // hash of the name
	number   int64
	size     int64
	key      Key
	content  Print
	ext      uint32 // hash of the extension; 0: none
	created  uint32
	nth      uint32 // of the Files that have come to be known
	at       uint32
	over     uint32
	round    uint8 // the complete list of Files that has shown it last
	status   Status
	seen     Seen
	stage    stage
	listed   bool // its name is known
	made     bool // by this client
	marked   bool // a store file with attributes of vsclient
}

// Ledger is safe for concurrent use.
type Ledger struct {
	seed maphash.Seed

	mu      sync.Mutex
	byID    map[string]*record
	byStem  map[uint64]*record
	byKey   map[Key]*record
	gone    map[string]uint32 // Files that were seen to be gone, and when
	spared  map[string]uint32 // Files that were detached and stay, and when
	asked   map[string]int64  // numbers that updates have asked for, and that no reply has shown
	files   uint32            // that have come to be known
	round   uint8             // of the complete list of Files that was begun last
	ended   uint8             // of the one that has ended last
	altered bool
}

// New returns an empty ledger.
func New() *Ledger {
	return &Ledger{
		seed: maphash.MakeSeed(), byID: make(map[string]*record), byStem: make(map[uint64]*record),
		byKey: make(map[Key]*record), gone: make(map[string]uint32), spared: make(map[string]uint32), asked: make(map[string]int64),
	}
}

func (l *Ledger) hash(s string) uint64 { return maphash.String(l.seed, s) }

func (l *Ledger) extension(ext string) uint32 {
	if ext == "" {
		return 0
	}
	return uint32(l.hash(ext)) | 1 //nolint:gosec // a part of the hash is enough for two dozen
}

// Listed takes in Files that a list of Files has shown.
func (l *Ledger) Listed(files []File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range files {
		if _, gone := l.gone[f.ID]; !gone {
			l.file(f)
		}
	}
}

// file returns the File's record. The caller holds mu.
func (l *Ledger) file(f File) *record {
	r := l.byID[f.ID]
	if r == nil {
		r = l.add(f.ID)
	}
	if !r.listed {
		r.listed, r.name, r.created, r.size, r.ext = true, l.hash(f.Name), uint32(f.Created), f.Size, l.extension(f.Ext) //nolint:gosec // seconds until 2106
		r.stem = l.hash(f.Stem)
		r.nextStem, l.byStem[r.stem] = l.byStem[r.stem], r
	}
	r.round = l.round
	return r
}

func (l *Ledger) add(id string) *record {
	l.files++
	r := &record{id: id, nth: l.files, round: l.round}
	l.byID[id] = r
	return r
}

// Files returns how many Files are known. A File that becomes known later is not among
// them.
func (l *Ledger) Files() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.files
}

// Begin begins a complete list of Files. Whatever [Ledger.Listed] has not shown by
// the matching [Ledger.End] was not in it.
func (l *Ledger) Begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.round++
}

// End ends a complete list of Files, which was begun at that tick. A File that it
// did not show leaves the ledger when nothing is known to be attached under its id;
// otherwise it has to be looked at again.
func (l *Ledger) End(began uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = l.round
	for _, r := range l.byID {
		if r.round == l.round || !r.listed || r.at >= began || r.stage == opened || r.stage == going {
			continue
		}
		if r.status <= Absent {
			l.drop(r)
		} else {
			r.seen = NotSeen
		}
	}
}

// Forget drops the memory of Files that were seen to be gone, or were detached and stay,
// before that tick.
func (l *Ledger) Forget(before uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, files := range []map[string]uint32{l.gone, l.spared} {
		maps.DeleteFunc(files, func(_ string, at uint32) bool { return at < before })
	}
}

// Uploaded adds a File that this client has made as a version of a key. It returns false when
// the File is not new: it was one of the known Files when the upload began, an earlier upload
// has made it, or it was seen gone or as a version of a key.
func (l *Ledger) Uploaded(f File, m Marks, known, at uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, gone := l.gone[f.ID]; gone {
		return false
	}
	if r := l.byID[f.ID]; r != nil && (r.made || r.key != (Key{}) || r.nth <= known) {
		return false
	}
	r := l.file(f)
	l.files++ // it comes to be known as this client's
	r.nth, r.stage, r.made, r.status, r.at = l.files, opened, true, Unknown, at
	l.mark(r, m, true)
	return true
}

// Observe records a reply that shows the store file: its attributes, where marked,
// and its status. A weaker reply does not take the place of a stronger one of the
// same tick or later, nor a GET that of a later one. A File that is known to be gone has no
// record.
func (l *Ledger) Observe(id string, m Marks, marked bool, s Status, seen Seen, at uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, gone := l.gone[id]; gone {
		return
	}
	if _, spared := l.spared[id]; spared {
		return // a reply may show a detached File for a while
	}
	r := l.byID[id]
	if r == nil {
		r = l.add(id)
	}
	if r.seen > Listed && (r.at > at || r.at == at && (seen == Listed || s == InProgress && r.status == Completed)) {
		return
	}
	// A listing lags; it takes back no end that this client has seen itself. A version of this
	// client's that has failed, or that it has given up, goes also where it is in progress.
	ended := seen == Listed && r.seen > Listed && r.status >= Completed
	if ended && s < r.status || r.made && r.status == Failed && s == InProgress {
		return
	}
	// Nor does it tell another end, or take marks off: a GET has to show that.
	if ended && s > r.status || seen == Listed && !marked && r.marked {
		r.seen = NotSeen
		return
	}
	// Nor does it take attributes back, whose number only grows, or show that they are there.
	if seen == Listed && marked && m.Key == r.key && m.Number < r.number {
		return
	}
	r.status, r.seen, r.at = s, seen, at
	if r.stage == opened && s >= Completed && seen >= Read {
		r.stage = closed
	}
	switch {
	case r.made && (!marked || m.Key != r.key && r.stage != closed):
		r.own = replacedOwn // a tool or the server has altered them; the version is the key's all the same
	case seen == Read && marked && m.Key == r.key && m.Number < r.number:
		r.own = replacedOwn // the reply is older than it seems, or a tool has set older ones
	default:
		l.mark(r, m, marked)
	}
	switch asked, doubted := l.asked[id]; {
	case doubted && m.Number >= asked:
		delete(l.asked, id)
	case doubted:
		r.own = replacedOwn // the update may be carried out yet
	}
}

// replacedOwn equals no attributes of a caller, so that the next change sets them.
const replacedOwn = "?"

// Updated records that the attributes of a store file were replaced, by a reply that may show
// the version to be in progress yet.
func (l *Ledger) Updated(id string, m Marks, inProgress bool, at uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.byID[id]
	if r == nil {
		return
	}
	l.mark(r, m, true)
	delete(l.asked, id)
	if r.at = at; inProgress {
		r.status, r.seen = InProgress, Read
	}
}

// Replaced records that a version of the key names the File as one that it has
// replaced: a removal that was cut off has left it.
func (l *Ledger) Replaced(id string, m Marks) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.byID[id]
	if r == nil || r.stage != closed || r.key != (Key{}) && r.key != m.Key {
		return false
	}
	r.stage = going
	l.mark(r, m, true)
	return true
}

// Left returns those of the replaced Files that the ledger knows and that belong to no key. A
// version names the Files that it has replaced.
func (l *Ledger) Left(replaced []string) (left []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range replaced {
		if r := l.byID[id]; r != nil && r.key == (Key{}) {
			left = append(left, id)
		}
	}
	return left
}

// mark records the attributes. The caller holds mu.
func (l *Ledger) mark(r *record, m Marks, marked bool) {
	if r.key != m.Key {
		l.unkey(r)
		if r.key = m.Key; r.key != (Key{}) {
			r.nextKey, l.byKey[r.key] = l.byKey[r.key], r
		}
	}
	r.marked, r.number, r.content, r.own = marked, m.Number, m.Content, m.Own
}

// Absent records that the store was seen without the File.
func (l *Ledger) Absent(id string, at uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A version of this client's that failed stays on the books until its File
	// is gone.
	if r := l.byID[id]; r != nil && !(r.made && r.status == Failed) {
		r.status, r.seen, r.at = Absent, Read, at
	}
}

// Doubt has the File looked at again before anything rests on it.
func (l *Ledger) Doubt(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if r := l.byID[id]; r != nil {
			r.seen = NotSeen
		}
	}
}

// DoubtAttributes marks the attributes as unknown. The next change of the document then sets
// them again, with a number above number, unless a reply shows number first. Until a GET has
// shown its number, the version is not kept over another.
func (l *Ledger) DoubtAttributes(id string, number int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.byID[id]; r != nil {
		r.own, r.seen = replacedOwn, NotSeen
		l.asked[id] = max(l.asked[id], number)
	}
}

// Removing records that the removal of the File begins.
func (l *Ledger) Removing(id string, at uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.byID[id]; r != nil {
		r.stage, r.over = going, at
	}
}

// Over records that this client's attempt to index or to remove the File has ended.
func (l *Ledger) Over(id string, at uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.byID[id]; r != nil {
		r.over = at
	}
}

// Stays records that the removal of the File has not come about.
func (l *Ledger) Stays(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.byID[id]; r != nil && r.stage == going {
		r.stage = closed
	}
}

// Spared records that the File was detached and stays: another store has it. Until Forget,
// no reply shows it in this store.
func (l *Ledger) Spared(id string, at uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.byID[id]; r != nil {
		l.mark(r, Marks{}, false)
		r.stage, r.status, r.seen, r.at = closed, Absent, Read, at
		l.spared[id] = at
	}
}

// Gone records that the File is gone: its deletion was answered, or a GET of the
// File says 404.
func (l *Ledger) Gone(id string, at uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone[id] = at
	delete(l.asked, id)
	if r := l.byID[id]; r != nil {
		l.drop(r)
	}
}

// IsGone reports whether the File is known to be gone.
func (l *Ledger) IsGone(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, gone := l.gone[id]
	return gone
}

// InFileList reports whether the last list of Files has shown the File.
func (l *Ledger) InFileList(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.byID[id]
	return r != nil && r.listed && (r.round == l.round || r.round == l.ended)
}

// Fresh returns the Files that a listing may not show yet, each with the key that a reply has
// shown: those that this client has seen in the store at or after the tick, and of the others
// that were created at or after a time, by OpenAI's clock, the newest ones, so many at the most.
func (l *Ledger) Fresh(tick uint32, created int64, most int) map[string]Key {
	return l.some(most, func(r *record) bool { return r.made && r.at >= tick || !r.made && int64(r.created) >= created })
}

// Newer returns the Files that have come to be known after the first known ones, in the form of
// [Ledger.Fresh]: all that this client has made, and the newest of the others.
func (l *Ledger) Newer(known uint32, most int) map[string]Key {
	return l.some(most, func(r *record) bool { return r.nth > known })
}

// IsNewer reports whether the File has come to be known after the first known ones.
func (l *Ledger) IsNewer(id string, known uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.byID[id]
	return r != nil && r.nth > known
}

// some returns the wanted Files whose removal has not begun: all that this client has made, and
// of the others that were listed the newest ones, so many at the most.
func (l *Ledger) some(most int, wanted func(*record) bool) map[string]Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	fresh := make(map[string]Key)
	var others []*record
	for id, r := range l.byID {
		switch {
		case r.stage == going || !wanted(r):
		case r.made:
			fresh[id] = r.key
		case r.listed:
			others = append(others, r)
		}
	}
	slices.SortFunc(others, func(a, b *record) int { return cmp.Or(cmp.Compare(b.created, a.created), cmp.Compare(a.id, b.id)) })
	for _, r := range others[:min(most, len(others))] {
		fresh[r.id] = r.key
	}
	return fresh
}

// Young returns the Files that were created at or after a time, by OpenAI's clock, and
// of which no reply says whose they are.
func (l *Ledger) Young(created int64) (found []Version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.byID {
		if r.listed && int64(r.created) >= created && r.key == (Key{}) && !r.marked && r.stage == closed && !r.made {
			found = append(found, r.version())
		}
	}
	return found
}

// drop forgets a record. The caller holds mu.
func (l *Ledger) drop(r *record) {
	delete(l.byID, r.id)
	l.unkey(r)
	if !r.listed {
		return
	}
	unchain(l.byStem, r.stem, r, func(r *record) **record { return &r.nextStem })
}

func (l *Ledger) unkey(r *record) {
	if r.key != (Key{}) {
		unchain(l.byKey, r.key, r, func(r *record) **record { return &r.nextKey })
		r.key = Key{}
	}
}

// unchain takes r out of the chain that stands under k.
func unchain[K comparable](m map[K]*record, k K, r *record, next func(*record) **record) {
	first := m[k]
	for at := &first; *at != nil; at = next(*at) {
		if *at == r {
			*at = *next(r)
			break
		}
	}
	*next(r) = nil
	if first == nil {
		delete(m, k)
		return
	}
	m[k] = first
}

func (r *record) version() Version {
	return Version{
		Marks: Marks{Key: r.key, Number: r.number, Content: r.content, Own: r.own},
		ID:    r.id, Created: int64(r.created), Size: r.size, Status: r.status, Seen: r.seen, At: r.at, Over: r.over,
		Made: r.made, Open: r.stage == opened, Going: r.stage == going,
	}
}

// Holdings returns the versions of a key: the store files whose attributes name
// it, those without attributes of vsclient that have one of its names,
// and the Files that this client has made or begun to remove for it.
func (l *Ledger) Holdings(k Key, n naming.Names) Holdings {
	l.mu.Lock()
	defer l.mu.Unlock()
	var h Holdings
	for r := l.byKey[k]; r != nil; r = r.nextKey {
		if r.status != Absent || r.stage == opened || r.stage == going {
			h.Versions = append(h.Versions, r.version())
			h.asked = max(h.asked, l.asked[r.id])
		}
	}
	l.eachNamed(n, func(r *record) {
		if r.key == (Key{}) && !r.marked && (r.status > Absent || r.stage == going) && slices.ContainsFunc(n.Whole, func(name string) bool { return l.hash(name) == r.name }) {
			h.Versions = append(h.Versions, r.version())
		}
	})
	slices.SortFunc(h.Versions, func(a, b Version) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), cmp.Compare(b.Created, a.Created), cmp.Compare(b.ID, a.ID))
	})
	return h
}

// eachNamed calls f for each record whose name could be one of the key's. The caller
// holds mu.
func (l *Ledger) eachNamed(n naming.Names, f func(*record)) {
	ext := l.extension(n.Ext)
	for _, stem := range n.Stems {
		for r := l.byStem[l.hash(stem)]; r != nil; r = r.nextStem {
			if ext == 0 || r.ext == ext || r.ext == 0 {
				f(r)
			}
		}
	}
}

// Candidates returns the Files that are the key's, or could be by name since no
// reply says whose they are, without those that this client is making or removing.
func (l *Ledger) Candidates(k Key, n naming.Names) []Version {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []Version
	l.eachNamed(n, func(r *record) {
		if r.stage != opened && r.stage != going && (r.key == (Key{}) || r.key == k) {
			found = append(found, r.version())
		}
	})
	for r := l.byKey[k]; r != nil; r = r.nextKey {
		if r.stage != opened && r.stage != going && !slices.ContainsFunc(found, func(v Version) bool { return v.ID == r.id }) {
			found = append(found, r.version())
		}
	}
	return found
}

// Find returns the record of one File.
func (l *Ledger) Find(id string) (Version, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.byID[id]; r != nil {
		return r.version(), true
	}
	return Version{}, false
}

// Unfinished returns the Files that this client has made and has seen neither
// searchable nor gone, and those whose removal has begun.
func (l *Ledger) Unfinished() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, r := range l.byID {
		if r.stage == opened || r.stage == going || r.made && r.status == Failed {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Len returns the number of Files that are known.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.byID)
}

// Alter records that the server has been seen to alter a name beyond recognition.
func (l *Ledger) Alter() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.altered = true
}

// Altered reports whether the server has been seen to alter names, so that names
// no longer lead to documents and the store's listing has to.
func (l *Ledger) Altered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.altered
}

// HasStem reports whether a list of Files has shown the File, and whether the stem of its name
// is one of the stems.
func (l *Ledger) HasStem(id string, stems []string) (known, among bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.byID[id]
	if r == nil || !r.listed {
		return false, false
	}
	return true, slices.ContainsFunc(stems, func(s string) bool { return l.hash(s) == r.stem })
}

// Prints packs the fingerprints of a document's own attributes, one for each name
// with its value, so that equal attributes pack equally.
func (l *Ledger) Prints(each func(yield func(name, value string))) string {
	var prints []uint64
	each(func(name, value string) { prints = append(prints, l.hash(name+"\x00"+value)) })
	slices.Sort(prints)
	packed := make([]byte, 0, 8*len(prints))
	for _, p := range prints {
		for shift := 0; shift < 64; shift += 8 {
			packed = append(packed, byte(p>>shift)) //nolint:gosec // one byte of eight
		}
	}
	return string(packed)
}

// Includes reports whether the packed prints hold all of the others.
func Includes(packed, others string) bool {
	for len(others) >= 8 {
		found := false
		for rest := packed; len(rest) >= 8 && !found; rest = rest[8:] {
			found = rest[:8] == others[:8]
		}
		if !found {
			return false
		}
		others = others[8:]
	}
	return true
}
