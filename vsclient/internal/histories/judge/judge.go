// Package judge says where a history is wrong: it compares the answers of clients, and
// the things that readers and the project hold, with the model of each key. It names the
// rare states that were reached, and excuses the states that the docs give up. It carries
// nothing out.
package judge

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The excuses, by the names under which they are counted. Each stands for an entry of the
// page "What cannot be promised" in the docs.
const (
	excuseBack      = "delete after a crash: an attach of a dead process showed later"
	excuseWindow    = "two processes on one key: one changed it between the other's look and its removal"
	excuseLost      = "a lost upload reply left a File"
	excuseElsewhere = "a File of ours that somebody attached to another store went there too"
	excuseLate      = "an attribute update landed after its caller had given up"
	excuseKilled    = "a kill or a Close that said so left a File"
	excuseReindexed = "an attach that landed late had the server index a searchable File anew"
	excuseFailed    = "a version of a dead process that could not be indexed stays"
	ExcuseUnseen    = "two processes on one key: one changed it before it could see the other's change"
	excuseRemoval   = "a removal landed after its process had ended, or another had changed the key"
	excuseShown     = "a version of a process that has ended became searchable after the last look"
	excuseStuck     = "a version of a dead process stays in_progress"
	excuseListed    = "a listing showed a version as searchable before it was, and a put left it as it is"
)

// EveryExcuse lists the excuses.
func EveryExcuse() []string {
	return []string{excuseBack, excuseWindow, excuseLost, excuseElsewhere, excuseLate, excuseReindexed, excuseKilled, excuseFailed, excuseStuck, ExcuseUnseen, excuseRemoval, excuseShown, excuseListed}
}

// The times that the client promises, and by which its views of the store lag.
const (
	retryFor      = 5 * time.Minute  // where a process sets nothing else
	indexFor      = 10 * time.Minute // likewise
	openTime      = 15 * time.Minute // after which a version that was never seen searchable goes, at the earliest
	trustedFor    = 10 * time.Minute // for which it believes a reply about a File
	Watched       = 5 * time.Minute  // after which no view lags
	Promptly      = 2 * time.Second  // within which a call returns whose context has ended
	GraceOfStrays = time.Hour

	newestLooked = 200 // store files that a look at the newest reads, at least
)

// Settled is the time within which healthy clients have everything right: a version
// that stays in_progress after its put has failed is removed last.
func (j *Judge) Settled() time.Duration {
	limit := time.Duration(0)
	for _, p := range j.Procs {
		index, attach := cmp.Or(time.Duration(p.Step.IndexFor), indexFor), time.Duration(0)
		if p.Step.Attached { // the wait for the last put goes on behind its answer
			attach = index
		}
		limit = max(limit, attach+cmp.Or(time.Duration(p.Step.RetryFor), retryFor)+max(openTime, index))
	}
	return limit + Watched
}

// Healthy reports whether each key has at most one version, and that searchable,
// and no File is left over that may not be. excused: a key of which something cannot be
// promised need not, nor any of its Files.
func (j *Judge) Healthy(excused bool) bool {
	if j.Expired || j.Drops() {
		return true
	}
	spared := make(map[string]bool) // keys in store after store
	for _, c := range j.Cells {
		if excused && c.Excused {
			spared[fmt.Sprint(c.Store, c.Key)] = true
			continue
		}
		if !c.Touched {
			continue
		}
		n := 0
		for _, f := range j.Files(c.Store, c.Key) {
			if (f.Status == "in_progress" || f.Status == "failed") && j.deadMaker(f.FileID) {
				continue
			}
			if n++; n > 1 && trail.Marked(f.Attributes) || f.Status != "completed" {
				return false
			}
		}
	}
	return !slices.ContainsFunc(j.Loose(), func(f openaitest.FileInfo) bool {
		return j.mustGo(f.ID) && !spared[fmt.Sprint(j.Procs[j.Maker(f.ID)].Store, j.OwnerOf(f.ID))]
	})
}

// Ambiguous reports whether another tool's attributes have hidden the key.
func (j *Judge) Ambiguous(key string) bool {
	for _, f := range j.Srv.Snapshot().Store(j.Stores[0]).Files {
		if !trail.Marked(f.Attributes) && j.Owner(f.FileID, f.Attributes, f.Filename) == key {
			return true
		}
	}
	return false
}

// Examine judges the state of the store, and the finds of readers so far.
func (j *Judge) Examine(swept bool) {
	if j.Drops() {
		j.harmed()
		j.takenAway()
		j.requestsAfterClose()
		return
	}
	for _, at := range slices.SortedFunc(maps.Keys(j.Cells), func(a, b [2]int) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		c := j.Cells[at]
		if c.Store == 0 && j.Expired {
			continue
		}
		j.acceptedIsCertain(c)
		j.readers(c)
		if c.Touched {
			j.end(c, swept)
		}
	}
	if j.Expired {
		j.uploadsInVain()
		j.requestsAfterClose()
		return
	}
	j.harmed()
	j.leftovers()
	j.requestsAfterClose()
}

// acceptedIsCertain makes a put that was acknowledged when attached certain, once its
// version has been searchable.
func (j *Judge) acceptedIsCertain(c *model.Cell) {
	if c.Accepted == nil {
		return
	}
	for _, i := range j.Srv.History(j.Stores[c.Store]) {
		v := model.Value{Text: j.Texts[i.SHA256], Attrs: trail.AttrsText(trail.Own(i.Attributes)), Chunk: c.Accepted.Doc.Chunk}
		if j.Owner(i.FileID, i.Attributes, i.Filename) == c.Key && j.Since(i.From).Round(time.Millisecond) >= c.Accepted.From && v == model.ValueOf(c.Accepted.Doc) {
			c.MakeCertain(c.Accepted, j.Now())
			return
		}
	}
}

// end judges the versions that a key has at the end.
func (j *Judge) end(c *model.Cell, swept bool) {
	allowed := c.At(j.Now())
	var found []openaitest.StoreFile
	for _, f := range j.Files(c.Store, c.Key) {
		if f.Status == "in_progress" && j.deadMaker(f.FileID) {
			j.Excuse(excuseStuck, c)
			continue
		}
		if f.Status == "failed" && j.deadMaker(f.FileID) {
			if swept {
				j.Excuse(excuseFailed, c)
			}
			continue
		}
		found = append(found, f)
	}
	tell := func() string {
		var parts []string
		for _, f := range found {
			parts = append(parts, fmt.Sprintf("%s by process %d %s %q {%s} version %v", f.FileID[:12], j.Maker(f.FileID), f.Status, j.Texts[f.SHA256], trail.AttrsText(trail.Own(f.Attributes)), f.Attributes["vs_version"]))
		}
		return strings.Join(parts, ", ")
	}
	mayBeAbsent := slices.ContainsFunc(allowed, func(v model.Value) bool { return v.Absent })
	where := fmt.Sprintf("store %d, key %s", c.Store, trail.Shown(c.Key))
	switch {
	case len(found) == 0 && !mayBeAbsent:
		if excuse := j.gone(c, j.Now()); excuse != "" {
			j.Excuse(excuse, c)
			return
		}
		j.Wrong(course.KindLost, "%s: nothing is left, where there must be %s", where, model.Show(allowed))
		return
	case len(found) == 0:
		return
	case len(allowed) == 1 && mayBeAbsent:
		if j.excusedBack(c, found) {
			j.Excuse(excuseBack, c)
			return
		}
		j.Wrong(course.KindStale, "%s: it was deleted, and there is %s", where, tell())
		return
	case len(found) > 1 && !slices.ContainsFunc(found, func(f openaitest.StoreFile) bool { return trail.Marked(f.Attributes) }) && len(allowed) > 1:
		// Attached by hand, twice, and never changed.
		return
	case len(found) > 1 && !swept && j.excusedShown(c, found):
		j.Excuse(excuseShown, c)
	case len(found) > 1:
		j.Wrong(course.KindDoubled, "%s: %d versions: %s", where, len(found), tell())
		return
	}
	f := found[0]
	v := model.Value{Text: j.Texts[f.SHA256], Attrs: trail.AttrsText(trail.Own(f.Attributes)), Chunk: trail.ChunkOf(f)}
	switch {
	case f.FileGone:
		j.Wrong(course.KindLost, "%s: the store file %s has lost its File", where, f.FileID)
	case f.Status != "completed":
		j.Wrong(course.KindOpen, "%s: %s", where, tell())
	case !slices.Contains(allowed, v) && !(!trail.Marked(f.Attributes) && model.AnyLike(allowed, v)):
		if j.LateWrite(f.FileID, j.Now()) && slices.ContainsFunc(allowed, func(w model.Value) bool { return w.Text == v.Text }) {
			j.Excuse(excuseLate, c)
			return
		}
		if slices.ContainsFunc(allowed, func(w model.Value) bool { return w.Absent }) && j.excusedBack(c, found) {
			j.Excuse(excuseBack, c)
			return
		}
		j.Wrong(course.KindLost, "%s: there is %s, where there must be %s", where, tell(), model.Show(allowed))
	}
}

// readers judges the versions that readers could find at each moment.
func (j *Judge) readers(c *model.Cell) {
	type span struct {
		openaitest.Interval
		from, to time.Duration
		version  string
	}
	var spans []span
	times := map[time.Duration]bool{}
	for _, i := range j.Srv.History(j.Stores[c.Store]) {
		if j.Owner(i.FileID, i.Attributes, i.Filename) != c.Key {
			continue
		}
		s := span{Interval: i, from: max(0, j.Since(i.From)), to: j.Now()}
		if !i.To.IsZero() {
			s.to = j.Since(i.To)
		}
		s.version, _ = i.Attributes["vs_version"].(string)
		spans = append(spans, s)
		times[s.from], times[s.to] = true, true
	}
	for _, at := range c.Moments() {
		times[at] = true
	}
	order := slices.Sorted(maps.Keys(times))
	for i, at := range order[:max(0, len(order)-1)] {
		if at < 0 || order[i+1]-at <= 0 {
			continue
		}
		allowed := c.At(at)
		var newest, bare []span
		for _, s := range spans {
			switch {
			case at < s.from || at >= s.to:
			case s.version == "" && c.StrippedAt > 0:
				bare = append(bare, s) // nothing tells how new it is
			case len(newest) == 0 || s.version > newest[0].version:
				newest = []span{s}
			case s.version == newest[0].version:
				newest = append(newest, s)
			}
		}
		newest = append(newest, bare...)
		mayBeAbsent := slices.ContainsFunc(allowed, func(v model.Value) bool { return v.Absent })
		if len(newest) == 0 {
			if !mayBeAbsent {
				if excuse := j.gone(c, at); excuse != "" {
					j.Excuse(excuse, c)
					return
				}
				if slices.Contains(j.Plan.API.Quirks, "reattach_reindexes") && j.LateAttach(c.Key, at) {
					j.Excuse(excuseReindexed, c)
					continue
				}
				j.Wrong(course.KindGap, "store %d, key %s: nothing can be found from %v to %v, where there must be %s", c.Store, trail.Shown(c.Key), at, order[i+1], model.Show(allowed))
				return
			}
			continue
		}
		if !slices.ContainsFunc(newest, func(s span) bool {
			return model.AnyLike(allowed, model.Value{Text: j.Texts[s.SHA256], Attrs: trail.AttrsText(trail.Own(s.Attributes))})
		}) {
			s := newest[0]
			file := openaitest.StoreFile{FileID: s.FileID, Attributes: s.Attributes}
			switch {
			case j.LateWrite(s.FileID, at) && slices.ContainsFunc(allowed, func(w model.Value) bool { return w.Text == j.Texts[s.SHA256] }):
				j.Excuse(excuseLate, c)
			case mayBeAbsent && j.ExcusedWatch(c, file, at):
			default:
				j.Wrong(course.KindStale, "store %d, key %s: from %v to %v readers find %q {%s} of process %d (version %v), where there can be %s",
					c.Store, trail.Shown(c.Key), at, order[i+1], j.Texts[s.SHA256], trail.AttrsText(trail.Own(s.Attributes)), j.Maker(s.FileID), s.version, model.Show(allowed))
				return
			}
		}
	}
}

// deadMaker reports whether the process that has made a File has died, or has said at its
// Close that it leaves this File.
func (j *Judge) deadMaker(id string) bool { return j.Procs[j.Maker(id)].Leaves(id) }

// excusedBack reports whether a deleted document has come back by an attach of a
// dead process, or one that its caller had given up, that showed after the deletion's watch, or after the end of the
// process that deleted it.
func (j *Judge) excusedBack(c *model.Cell, found []openaitest.StoreFile) bool {
	if len(c.Deleted) == 0 {
		return false
	}
	d := c.Deleted[len(c.Deleted)-1]
	by := j.Procs[d.P]
	watch := d.To + cmp.Or(time.Duration(by.Step.IndexFor), indexFor) + 3*time.Minute
	if by.Gone > 0 { // a listing is up to two minutes behind, and read once a minute
		watch = min(watch, by.Gone-3*time.Minute)
	}
	for _, f := range found {
		m := j.Procs[j.Maker(f.FileID)]
		if m == nil || m.N == d.P || !m.Dead && !m.Closed && !j.GivenUp(f.FileID) {
			return false
		}
		at := j.Attached(f.FileID)
		if len(at) == 0 || at[0]+time.Duration(j.Plan.API.NotFound) < watch {
			return false
		}
	}
	return true
}

// backAgain has the model know of a deleted document that has come back, where nobody
// can prevent that, and reports whether one has: a change may have found it. The caller
// holds mu.
func (j *Judge) backAgain(c *model.Cell) bool {
	found := j.Files(c.Store, c.Key)
	watched := func() bool { // and nothing else can be there
		return slices.Equal(c.States, []model.Value{model.Nothing}) &&
			!slices.ContainsFunc(found, func(f openaitest.StoreFile) bool { return !j.ExcusedWatch(c, f, j.Now()) })
	}
	if len(found) == 0 || !slices.ContainsFunc(c.States, func(v model.Value) bool { return v.Absent }) || !j.excusedBack(c, found) && !watched() {
		return false
	}
	for _, f := range found {
		c.States = model.Union(c.States, []model.Value{{Text: j.Texts[f.SHA256], Attrs: trail.AttrsText(trail.Own(f.Attributes)), Chunk: trail.ChunkOf(f)}})
	}
	c.Note(j.Now())
	j.Pardon(excuseBack, c)
	return true
}

// ExcusedWatch reports whether a version that shows after a deletion is one whose
// attach, by another process, could not be seen before it: for two minutes at the most
// when that process lives and its caller had not given the attach up.
func (j *Judge) ExcusedWatch(c *model.Cell, f openaitest.StoreFile, at time.Duration) bool {
	if len(c.Deleted) == 0 {
		return false
	}
	m := j.Procs[j.Maker(f.FileID)]
	shown := j.Attached(f.FileID)
	for _, d := range c.Deleted {
		if m == nil || d.P == m.N || len(shown) == 0 {
			continue
		}
		visible := shown[0] + time.Duration(j.Plan.API.NotFound)
		if visible >= d.From && (m.Dead || m.Closed || j.GivenUp(f.FileID) || at <= max(visible, d.To)+2*time.Minute) {
			return true
		}
	}
	return false
}

// gone names the excuse for a key that has no version at a time; "": there is none.
func (j *Judge) gone(c *model.Cell, at time.Duration) string {
	switch {
	case j.excusedWindow(c, at):
		return excuseWindow
	case j.ExcusedRemoval(c, at):
		return excuseRemoval
	case j.excusedDelete(c, at):
		return excuseWindow
	}
	return ""
}

// excusedWindow reports whether the last version of a key went because another
// process changed the key between a removal's look and the removal: the remover had
// just seen a newer version searchable, which the other has removed since, or so shortly
// before that a GET still showed it.
func (j *Judge) excusedWindow(c *model.Cell, at time.Duration) bool {
	removals := map[string]*trail.Entry{} // the one that took effect, by File
	var last *trail.Entry
	for _, e := range j.Entries() {
		if e.Method != http.MethodDelete || e.At == 0 || e.At > at || len(e.Files) != 1 || e.Status >= 300 {
			continue
		}
		if j.OwnerOf(e.Files[0]) != c.Key {
			continue
		}
		if removals[e.Files[0]] == nil {
			removals[e.Files[0]] = e
		}
		if last == nil || e.At > last.At {
			if removals[e.Files[0]] == e {
				last = e
			}
		}
	}
	if last == nil {
		return false
	}
	for _, look := range j.Entries() {
		if look.P != last.P || look.Endpoint != "GET store/files/{id}" || look.State != "completed" || look.Replied == 0 || look.Replied > last.Sent || last.Sent-look.At > 10*time.Second {
			continue
		}
		other := removals[look.Files[0]]
		if look.Files[0] != last.Files[0] && other != nil && other.P != last.P && other.At > look.At-time.Duration(j.Plan.API.Ghost) && j.OwnerOf(look.Files[0]) == c.Key {
			return true
		}
	}
	return false
}

// ExcusedRemoval reports whether the last version of a key went by a request that its
// caller had given up, and that landed after its process had ended or another process had
// asked for a change of the key.
func (j *Judge) ExcusedRemoval(c *model.Cell, at time.Duration) bool {
	last := j.LastRemoval(c.Key, at)
	if last == nil || !last.Late {
		return false
	}
	p := j.Procs[last.P]
	return p != nil && (p.Dead || p.Closed) && p.Gone > 0 && last.At >= p.Gone ||
		slices.ContainsFunc(c.Calls, func(call *model.Call) bool { return call.P != last.P && call.From > last.Sent && call.From < last.At })
}

// excusedDelete reports whether the last version of a key went since a Delete of one
// process watched for it, while another process had found it again meanwhile. A Delete
// watches for the index timeout and three minutes.
func (j *Judge) excusedDelete(c *model.Cell, at time.Duration) bool {
	last := j.LastRemoval(c.Key, at)
	return last != nil && slices.ContainsFunc(c.Deleted, func(d *model.Call) bool {
		over := d.To + cmp.Or(time.Duration(j.Procs[d.P].Step.IndexFor), indexFor) + Watched
		return d.P == last.P && d.To < last.Sent && last.Sent <= over && slices.ContainsFunc(c.Calls, func(call *model.Call) bool { return call.P != d.P && call.From > d.From && call.From < last.At })
	})
}

// excusedShown reports whether the versions are those of one process that lives, or
// none, and of others that have ended, searchable since after these had ended and after
// the looks of those that live, or behind so many newer ones that these do not show it.
func (j *Judge) excusedShown(c *model.Cell, found []openaitest.StoreFile) bool {
	ended := 0
	for _, f := range found {
		m := j.Procs[j.Maker(f.FileID)]
		if m == nil || !m.Dead && !m.Closed {
			continue
		}
		if j.behind(c.Store, f) {
			ended++
			continue
		}
		for _, i := range j.Srv.History(j.Stores[c.Store]) {
			from := j.Since(i.From)
			if i.FileID != f.FileID || !i.To.IsZero() || from < m.Gone-client.CloseWithin {
				continue
			}
			if !slices.ContainsFunc(slices.Collect(maps.Values(j.Procs)), func(p *course.Process) bool {
				return p.Store == c.Store && !p.Dead && !p.Closed && from < p.Begun+3*time.Minute
			}) {
				ended++
			}
		}
	}
	return ended >= len(found)-1
}

// behind reports whether so many store files are newer that no look at the newest shows this one.
func (j *Judge) behind(store int, f openaitest.StoreFile) bool {
	newer := slices.DeleteFunc(j.Srv.Snapshot().Store(j.Stores[store]).Files, func(other openaitest.StoreFile) bool { return !other.CreatedAt.After(f.CreatedAt) })
	return len(newer) >= newestLooked
}

// Describe describes all of the planted Files that a careless client could
// change. Of documents of keys that callers have named it describes only their places in
// other stores.
func (j *Judge) Describe() map[string]string { return j.DescribeWith(nil) }

// DescribeWith describes the Files that are not in known.
func (j *Judge) DescribeWith(known map[string]string) map[string]string {
	return j.Project.Describe(known, func(key int) bool {
		c := j.Cells[[2]int{0, key}] // nil before the history begins
		return c != nil && c.Touched
	})
}

// harmed compares the planted Files with their first state.
func (j *Judge) harmed() {
	now := j.Describe()
	for _, id := range slices.Sorted(maps.Keys(j.Was)) {
		p := j.Planted[id]
		was, is := j.Was[id], now[id]
		if p.Ours && p.Key >= 0 && j.Cells[[2]int{0, p.Key}].Touched {
			if !p.Theirs {
				continue
			}
			_, theirs, _ := strings.Cut(was, " in theirs")
			was = " in theirs" + theirs
			if i := strings.Index(is, " in theirs"); i >= 0 {
				is = is[i:]
			}
		}
		if is != was {
			j.Wrong(course.KindHarmed, "the File %s %q of somebody else: it was %q and is %q", id[:12], p.Name, was, is)
		}
	}
}

// takenAway finds keys of which others had a document in the store, and of which none is left
// although nobody has deleted any.
func (j *Judge) takenAway() {
	for _, c := range j.Cells {
		if j.Expired || slices.ContainsFunc(c.Calls, func(call *model.Call) bool { return call.Op == plan.OpDelete }) {
			return
		}
	}
	for _, p := range j.Plan.Planted {
		if p.Ours && p.Key >= 0 && !slices.ContainsFunc(j.Files(0, j.Keys[p.Key]), func(f openaitest.StoreFile) bool { return f.Status == "completed" && !f.FileGone }) {
			j.Wrong(course.KindHarmed, "the document %q of somebody else is gone, and no other of its key is there", p.Name)
		}
	}
}

// leftovers judges the Files that are attached nowhere.
func (j *Judge) leftovers() {
	for _, f := range j.Loose() {
		e := j.Uploaded(f.ID)
		switch {
		case e == nil:
		case j.mustGo(f.ID):
			j.Wrong(course.KindLeft, "the File %s %q, uploaded by process %d at %v, is attached nowhere", f.ID[:12], f.Name, e.P, e.At)
		case j.recorded(f.ID):
			j.Wrong(course.KindLeft, "the File %s %q is attached nowhere, and the version that has replaced it names it", f.ID[:12], f.Name)
		case e.Replied == 0:
			j.Excuse(excuseLost, nil)
		default:
			j.Excuse(excuseKilled, nil)
		}
	}
}

// recorded reports whether the newest version of its key names a File as one that it has
// replaced, and a process that lives has begun since nothing shows the File any more: its
// first looks at the newest store files remove it.
func (j *Judge) recorded(id string) bool {
	store, at := j.Procs[j.Maker(id)].Store, time.Duration(0)
	for _, e := range j.Of(id) {
		if e.Endpoint == "DELETE store/files/{id}" && e.Status < 300 {
			at = max(at, e.At)
		}
	}
	if at == 0 || store < 0 || slices.ContainsFunc(j.Plan.Steps, func(s plan.Step) bool { return s.Do == plan.DoCrowd }) {
		return false
	}
	for _, p := range j.Procs {
		if p.Store != store || p.Begun < at+time.Duration(max(j.Plan.API.Ghost, j.Plan.API.ListDetach)) || p.Dead || p.Closed {
			continue
		}
		return slices.ContainsFunc(j.Files(store, j.OwnerOf(id)), func(f openaitest.StoreFile) bool {
			content, _ := f.Attributes["vs_content"].(string)
			return f.Status == "completed" && strings.Contains(content, id)
		})
	}
	return false
}

// mustGo reports whether a File that is attached nowhere is one that its process, or
// the one that has begun to remove it, knows of and can remove.
func (j *Judge) mustGo(id string) bool {
	e := j.Uploaded(id)
	return e != nil && e.Replied > 0 && !j.Procs[e.P].Leaves(id) && !j.removerEnded(id)
}

// uploadsInVain finds uploads of a process that knows from a reply that its store is gone.
func (j *Judge) uploadsInVain() {
	for _, e := range j.Entries() {
		if at, learnt := j.LearntGone[e.P]; learnt && e.Endpoint == "POST /files" && e.Sent > at && !j.underWay(e, at) {
			j.Wrong(course.KindCostly, "process %d uploads %q although the store has expired and a call has returned that", e.P, e.Name)
			return
		}
	}
}

// underWay reports whether a call that had begun before that time may have made the
// request.
func (j *Judge) underWay(e *trail.Entry, at time.Duration) bool {
	for _, c := range j.Cells {
		if slices.ContainsFunc(c.Calls, func(call *model.Call) bool {
			return call.P == e.P && call.From <= at && (!call.Ended || call.To >= e.Sent)
		}) {
			return true
		}
	}
	return false
}

func (j *Judge) removerEnded(id string) bool {
	return slices.ContainsFunc(j.Of(id), func(e *trail.Entry) bool { return e.Method == http.MethodDelete && j.Procs[e.P].Leaves(id) })
}

// requestsAfterClose finds requests of clients that had been closed.
func (j *Judge) requestsAfterClose() {
	reported := map[int]bool{}
	for _, e := range j.Entries() {
		if p := j.Procs[e.P]; p != nil && p.Closed && p.Gone > 0 && !p.Dead && e.Sent > p.Gone+time.Millisecond && !reported[e.P] {
			reported[e.P] = true
			j.Wrong(course.KindAfter, "process %d: %s %s, %v after Close had returned", e.P, e.Method, e.Path, e.Sent-p.Gone)
		}
	}
}
