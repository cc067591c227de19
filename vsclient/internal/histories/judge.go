package histories

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// What cannot be promised, by the names under which it is counted. Each stands for
// an entry of the page of that name in the docs.
const (
	excuseBack      = "delete after a crash: an attach of a dead process showed later"
	excuseWindow    = "two processes on one key: one changed it between the other's look and its removal"
	excuseLost      = "a lost upload reply left a File"
	excuseHand      = "a File of ours that somebody attached to another store went there too"
	excuseLate      = "an attribute update landed after its caller had given up"
	excuseKilled    = "a kill or a Close that said so left a File"
	excuseReindexed = "an attach that landed late had the server index a searchable File anew"
	excuseFailed    = "a version of a dead process that could not be indexed stays"
	excuseUnseen    = "two processes on one key: one changed it before it could see the other's change"
	excuseRemoval   = "a removal landed after its process had ended"
	excuseShown     = "a version of a process that has ended became searchable after the last look"
	excuseStuck     = "a version of a dead process stays in_progress"
)

// EveryExcuse lists what cannot be promised.
func EveryExcuse() []string {
	return []string{excuseBack, excuseWindow, excuseLost, excuseHand, excuseLate, excuseReindexed, excuseKilled, excuseFailed, excuseStuck, excuseUnseen, excuseRemoval, excuseShown}
}

// The times that the client promises, and by which its views of the store lag.
const (
	retryFor      = 5 * time.Minute  // where a process sets nothing else
	indexFor      = 10 * time.Minute // likewise
	openTime      = 15 * time.Minute // after which a version that was never seen searchable goes, at the earliest
	trustedFor    = 10 * time.Minute // for which it believes a reply about a File
	watched       = 5 * time.Minute  // after which no view lags
	promptly      = 2 * time.Second  // within which a call returns whose context has ended
	graceOfStrays = time.Hour
)

// finish ends all faults, lets everything settle, and judges the whole.
func (h *history) finish() {
	h.gate.Calm()
	h.join()
	for _, n := range slices.Sorted(maps.Keys(h.procs)) {
		if p := h.procs[n]; p.orphan && !p.dead && !p.closed {
			p.calls.Wait()
			h.close(p)
		}
	}
	h.gate.Wait()
	for store := range 2 {
		if store == 1 && !h.uses(1) {
			continue
		}
		if h.living(store) == nil {
			h.start(plan.Step{Do: plan.DoStart, P: 1000 + store, Store: store})
		}
		p := h.living(store)
		for i := range h.plan.Keys {
			if h.cells[[2]int{store, i}].Touched {
				h.get(context.Background(), p, i)
			}
		}
		h.flush(context.Background(), p)
	}
	for from := h.log.Now(); h.log.Now()-from < h.settled(); {
		time.Sleep(time.Minute)
		if !h.healthy() {
			h.out.Healthy = h.log.Now() - from + time.Minute
		}
	}
	h.examine(false)
	if len(h.out.Wrong) > 0 || h.expired {
		return
	}
	h.tidy()
}

// settled is the time within which healthy clients have everything right: a version
// that stays in_progress after its put has failed is removed last.
func (h *history) settled() time.Duration {
	limit := time.Duration(0)
	for _, p := range h.procs {
		limit = max(limit, cmp.Or(time.Duration(p.step.RetryFor), retryFor)+max(openTime, cmp.Or(time.Duration(p.step.IndexFor), indexFor)))
	}
	return limit + watched
}

// healthy reports whether each key has at most one version, and that searchable,
// and no File is left over that may not be.
func (h *history) healthy() bool {
	if h.expired {
		return true
	}
	for _, c := range h.cells {
		if !c.Touched {
			continue
		}
		n := 0
		for _, f := range h.files(c) {
			if (f.Status == "in_progress" || f.Status == "failed") && h.deadMaker(f.FileID) {
				continue
			}
			if n++; n > 1 && trail.Marked(f.Attributes) || f.Status != "completed" {
				return false
			}
		}
	}
	return !slices.ContainsFunc(h.loose(), func(f openaitest.FileInfo) bool { return h.mustGo(f.ID) })
}

// uses reports whether the plan has a process on a store.
func (h *history) uses(store int) bool {
	for _, p := range h.procs {
		if p.store == store {
			return true
		}
	}
	return false
}

func (h *history) living(store int) *process {
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(h.procs))) {
		if p := h.procs[n]; p.store == store && !p.dead && !p.closed && !p.orphan {
			return p
		}
	}
	return nil
}

// tidy has a new process sweep, list and remove what is left over.
func (h *history) tidy() {
	h.start(plan.Step{Do: plan.DoStart, P: 2000})
	p := h.procs[2000]
	ctx := context.Background()
	if err := p.c.Sweep(ctx); err != nil {
		h.wrong(kindError, "the last sweep: %v", err)
	}
	time.Sleep(graceOfStrays)
	loose := h.loose()
	strays, err := p.c.Strays(ctx, graceOfStrays, h.plan.Keys, h.log.Start.Add(h.clock))
	if err != nil {
		h.wrong(kindError, "the last leftovers: %v", err)
	}
	for _, f := range loose {
		if !slices.ContainsFunc(strays, func(s client.Stray) bool { return s.FileID == f.ID }) {
			h.wrong(kindUnlisted, "the File %s %q of %v is attached nowhere and not listed", f.ID, f.Name, h.since(f.CreatedAt))
		}
	}
	h.examine(true)
	if len(h.out.Wrong) > 0 {
		return
	}
	h.compareListing(p)
}

// compareListing compares a listing that no longer lags with the model.
func (h *history) compareListing(p *process) {
	got, err := p.c.List(context.Background())
	if err != nil {
		h.wrong(kindError, "the last listing: %v", err)
		return
	}
	found := make(map[string][]client.Seen)
	for _, s := range got {
		found[s.Key] = append(found[s.Key], s)
	}
	for i, key := range h.plan.Keys {
		c := h.cells[[2]int{0, i}]
		if !c.Touched || h.ambiguous(key) {
			continue
		}
		want := len(h.files(c))
		if len(found[key]) != want {
			h.wrong(kindAnswer, "the last listing has %s %d times, and the store %d times", trail.Shown(key), len(found[key]), want)
		}
	}
}

// ambiguous reports whether another tool's attributes have hidden the key.
func (h *history) ambiguous(key string) bool {
	for _, f := range h.srv.Snapshot().Store(h.stores[0]).Files {
		if !trail.Marked(f.Attributes) && h.owner(f.FileID, f.Attributes, f.Filename) == key {
			return true
		}
	}
	return false
}

func (h *history) since(t time.Time) time.Duration {
	return t.Add(-h.clock).Sub(h.log.Start).Round(time.Millisecond)
}

// owner is the key of a store file: by what the process that attached it said, or
// else by its attributes and its name.
func (h *history) owner(id string, attributes map[string]any, filename string) string {
	if p, ok := h.planted[id]; ok {
		switch {
		case !trail.Marked(attributes) && p.Key >= 0:
			return h.plan.Keys[p.Key]
		case !trail.Marked(attributes):
			return ""
		}
		return h.whole(trail.KeyOf(attributes, filename))
	}
	for _, e := range h.log.Of(id) {
		if e.Endpoint != "POST store/files" && e.Endpoint != "POST file_batches" {
			continue
		}
		if i := slices.Index(e.Files, id); i >= 0 && i < len(e.Attrs) && trail.Marked(e.Attrs[i]) {
			return h.whole(trail.KeyOf(e.Attrs[i], filename))
		}
	}
	return h.whole(trail.KeyOf(attributes, filename))
}

// whole finds the key of a digest.
func (h *history) whole(key string) string {
	if d, ok := strings.CutPrefix(key, "sha256:"); ok {
		for _, k := range h.plan.Keys {
			if sum := sha256.Sum256([]byte(k)); d == hex.EncodeToString(sum[:]) {
				return k
			}
		}
	}
	return key
}

// files are the store files of a cell, as they truly are.
func (h *history) files(c *model.Cell) (out []openaitest.StoreFile) {
	for _, f := range h.srv.Snapshot().Store(h.stores[c.Store]).Files {
		if h.owner(f.FileID, f.Attributes, f.Filename) == c.Key {
			out = append(out, f)
		}
	}
	return out
}

// examine judges what there is, and what readers have found so far.
func (h *history) examine(swept bool) {
	for _, at := range slices.SortedFunc(maps.Keys(h.cells), func(a, b [2]int) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		c := h.cells[at]
		if c.Store == 0 && h.expired {
			continue
		}
		h.settleAccepted(c)
		h.readers(c)
		if c.Touched {
			h.end(c, swept)
		}
	}
	if h.expired {
		h.uploadsInVain()
		h.requestsAfterClose()
		return
	}
	h.harmed()
	h.leftovers()
	h.requestsAfterClose()
}

// settleAccepted makes a put that was acknowledged when attached certain, once its
// version has been searchable.
func (h *history) settleAccepted(c *model.Cell) {
	if c.Accepted == nil {
		return
	}
	for _, i := range h.srv.History(h.stores[c.Store]) {
		v := model.Value{Text: h.texts[i.SHA256], Attrs: trail.AttrsText(trail.Own(i.Attributes)), Chunk: c.Accepted.Doc.Chunk}
		if h.owner(i.FileID, i.Attributes, i.Filename) == c.Key && h.since(i.From) >= c.Accepted.From && v == model.ValueOf(c.Accepted.Doc) {
			c.Settle(c.Accepted, h.log.Now())
			return
		}
	}
}

// end judges the versions that a key has at the end.
func (h *history) end(c *model.Cell, swept bool) {
	allowed := c.At(h.log.Now())
	var found []openaitest.StoreFile
	for _, f := range h.files(c) {
		if f.Status == "in_progress" && h.deadMaker(f.FileID) {
			h.excuse(excuseStuck)
			continue
		}
		if f.Status == "failed" && h.deadMaker(f.FileID) {
			if swept {
				h.excuse(excuseFailed)
			}
			continue
		}
		found = append(found, f)
	}
	tell := func() string {
		var parts []string
		for _, f := range found {
			parts = append(parts, fmt.Sprintf("%s by process %d %s %q {%s} version %v", f.FileID[:12], h.maker(f.FileID), f.Status, h.texts[f.SHA256], trail.AttrsText(trail.Own(f.Attributes)), f.Attributes["vs_version"]))
		}
		return strings.Join(parts, ", ")
	}
	mayBeAbsent := slices.ContainsFunc(allowed, func(v model.Value) bool { return v.Absent })
	where := fmt.Sprintf("store %d, key %s", c.Store, trail.Shown(c.Key))
	switch {
	case len(found) == 0 && !mayBeAbsent:
		if h.excusedWindow(c, h.log.Now()) {
			h.excuse(excuseWindow)
			return
		}
		if h.excusedRemoval(c, h.log.Now()) {
			h.excuse(excuseRemoval)
			return
		}
		if h.excusedDelete(c, h.log.Now()) {
			h.excuse(excuseWindow)
			return
		}
		h.wrong(kindLost, "%s: nothing is left, where there must be %s", where, model.Show(allowed))
		return
	case len(found) == 0:
		return
	case len(allowed) == 1 && mayBeAbsent:
		if h.excusedBack(c, found) {
			h.excuse(excuseBack)
			return
		}
		h.wrong(kindStale, "%s: it was deleted, and there is %s", where, tell())
		return
	case len(found) > 1 && !slices.ContainsFunc(found, func(f openaitest.StoreFile) bool { return trail.Marked(f.Attributes) }) && len(allowed) > 1:
		// Attached by hand, twice, and never changed.
		return
	case len(found) > 1 && !swept && h.excusedShown(c, found):
		h.excuse(excuseShown)
	case len(found) > 1:
		h.wrong(kindDoubled, "%s: %d versions: %s", where, len(found), tell())
		return
	}
	f := found[0]
	v := model.Value{Text: h.texts[f.SHA256], Attrs: trail.AttrsText(trail.Own(f.Attributes)), Chunk: chunkOf(f)}
	switch {
	case f.FileGone:
		h.wrong(kindLost, "%s: the store file %s has lost its File", where, f.FileID)
	case f.Status != "completed":
		h.wrong(kindOpen, "%s: %s", where, tell())
	case !slices.Contains(allowed, v) && !(!trail.Marked(f.Attributes) && model.AnyLike(allowed, v)):
		if h.excusedLate(f.FileID) && slices.ContainsFunc(allowed, func(w model.Value) bool { return w.Text == v.Text }) {
			h.excuse(excuseLate)
			return
		}
		if slices.ContainsFunc(allowed, func(w model.Value) bool { return w.Absent }) && h.excusedBack(c, found) {
			h.excuse(excuseBack)
			return
		}
		h.wrong(kindLost, "%s: there is %s, where there must be %s", where, tell(), model.Show(allowed))
	}
}

// chunkOf is a plan's chunking; 0: auto.
func chunkOf(f openaitest.StoreFile) int {
	if f.MaxTokens == 800 && f.Overlap == 400 {
		return 0
	}
	return f.MaxTokens
}

// readers judges the versions that readers could find at each moment.
func (h *history) readers(c *model.Cell) {
	type span struct {
		openaitest.Interval
		from, to time.Duration
		version  string
	}
	var spans []span
	times := map[time.Duration]bool{}
	for _, i := range h.srv.History(h.stores[c.Store]) {
		if h.owner(i.FileID, i.Attributes, i.Filename) != c.Key {
			continue
		}
		s := span{Interval: i, from: max(0, h.since2(i.From)), to: h.log.Now()}
		if !i.To.IsZero() {
			s.to = h.since2(i.To)
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
		var newest []span
		for _, s := range spans {
			if s.from <= at && at < s.to {
				if len(newest) > 0 && s.version > newest[0].version {
					newest = nil
				}
				if len(newest) == 0 || s.version == newest[0].version {
					newest = append(newest, s)
				}
			}
		}
		mayBeAbsent := slices.ContainsFunc(allowed, func(v model.Value) bool { return v.Absent })
		if len(newest) == 0 {
			if !mayBeAbsent {
				if h.excusedWindow(c, at) {
					h.excuse(excuseWindow)
					return
				}
				if h.excusedRemoval(c, at) {
					h.excuse(excuseRemoval)
					return
				}
				if h.excusedDelete(c, at) {
					h.excuse(excuseWindow)
					return
				}
				if h.lateAttach(c, at) {
					h.excuse(excuseReindexed)
					continue
				}
				h.wrong(kindGap, "store %d, key %s: nothing can be found from %v to %v, where there must be %s", c.Store, trail.Shown(c.Key), at, order[i+1], model.Show(allowed))
				return
			}
			continue
		}
		if !slices.ContainsFunc(newest, func(s span) bool {
			return model.AnyLike(allowed, model.Value{Text: h.texts[s.SHA256], Attrs: trail.AttrsText(trail.Own(s.Attributes))})
		}) {
			s := newest[0]
			file := openaitest.StoreFile{FileID: s.FileID, Attributes: s.Attributes}
			switch {
			case h.excusedLate(s.FileID) && slices.ContainsFunc(allowed, func(w model.Value) bool { return w.Text == h.texts[s.SHA256] }):
				h.excuse(excuseLate)
			case mayBeAbsent && h.excusedWatch(c, file, at):
			default:
				h.wrong(kindStale, "store %d, key %s: from %v to %v readers find %q {%s} of process %d (version %v), where there can be %s",
					c.Store, trail.Shown(c.Key), at, order[i+1], h.texts[s.SHA256], trail.AttrsText(trail.Own(s.Attributes)), h.maker(s.FileID), s.version, model.Show(allowed))
				return
			}
		}
	}
}

func (h *history) since2(t time.Time) time.Duration { return t.Add(-h.clock).Sub(h.log.Start) }

// uploaded is the request that has made a File.
func (h *history) uploaded(id string) *trail.Entry {
	for _, e := range h.log.Of(id) {
		if e.Endpoint == "POST /files" {
			return e
		}
	}
	return nil
}

func (h *history) maker(id string) int {
	if e := h.uploaded(id); e != nil {
		return e.P
	}
	return -1
}

func (h *history) deadMaker(id string) bool {
	p := h.procs[h.maker(id)]
	return p != nil && (p.dead || p.closed)
}

// attached is when a File's attaches took effect.
func (h *history) attached(id string) (at []time.Duration) {
	for _, e := range h.log.Of(id) {
		if (e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches") && slices.Contains(e.Files, id) && e.At > 0 && e.Status < 300 {
			at = append(at, e.At)
		}
	}
	return at
}

// excusedBack reports whether a deleted document has come back by an attach of a
// dead process that showed after the deletion's watch, or after the end of the
// process that deleted it.
func (h *history) excusedBack(c *model.Cell, found []openaitest.StoreFile) bool {
	if len(c.Deleted) == 0 {
		return false
	}
	d := c.Deleted[len(c.Deleted)-1]
	by := h.procs[d.P]
	watch := d.To + cmp.Or(time.Duration(by.step.IndexFor), indexFor) + 3*time.Minute
	if by.gone > 0 { // it need not have looked again by then
		watch = min(watch, by.gone-2*time.Minute)
	}
	for _, f := range found {
		m := h.procs[h.maker(f.FileID)]
		if m == nil || m.n == d.P || !m.dead && !m.closed {
			return false
		}
		at := h.attached(f.FileID)
		if len(at) == 0 || at[0]+time.Duration(h.plan.Sea.NotFound) < watch {
			return false
		}
	}
	return true
}

// backAgain has the model know of a deleted document that has come back, where nobody
// can prevent that: a change may have found it. The caller holds mu.
func (h *history) backAgain(c *model.Cell) {
	found := h.files(c)
	if len(found) == 0 || slices.ContainsFunc(c.States, func(v model.Value) bool { return !v.Absent }) || !h.excusedBack(c, found) {
		return
	}
	for _, f := range found {
		c.States = model.Union(c.States, []model.Value{{Text: h.texts[f.SHA256], Attrs: trail.AttrsText(trail.Own(f.Attributes)), Chunk: chunkOf(f)}})
	}
	c.Note(h.log.Now())
	h.out.Excused[excuseBack]++
}

// excusedWatch reports whether a version that shows after a deletion is one whose
// attach, by another process, could not be seen before it: for two minutes at the most
// when that process lives.
func (h *history) excusedWatch(c *model.Cell, f openaitest.StoreFile, at time.Duration) bool {
	if len(c.Deleted) == 0 {
		return false
	}
	m := h.procs[h.maker(f.FileID)]
	shown := h.attached(f.FileID)
	for _, d := range c.Deleted {
		if m == nil || d.P == m.n || len(shown) == 0 {
			continue
		}
		visible := shown[0] + time.Duration(h.plan.Sea.NotFound)
		if visible >= d.From && (m.dead || m.closed || at <= max(visible, d.To)+2*time.Minute) {
			return true
		}
	}
	return false
}

// excusedWindow reports whether the last version of a key went because another
// process changed the key between a removal's look and the removal: the remover had
// just seen a newer version searchable, which the other has removed since.
func (h *history) excusedWindow(c *model.Cell, at time.Duration) bool {
	removals := map[string]*trail.Entry{} // the one that took effect, by File
	var last *trail.Entry
	for _, e := range h.log.Entries() {
		if e.Method != http.MethodDelete || e.At == 0 || e.At > at || len(e.Files) != 1 || e.Status >= 300 {
			continue
		}
		if h.ownerOf(e.Files[0]) != c.Key {
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
	for _, look := range h.log.Entries() {
		if look.P != last.P || look.Endpoint != "GET store/files/{id}" || look.State != "completed" || look.Replied == 0 || look.Replied > last.Sent || last.Sent-look.At > 10*time.Second {
			continue
		}
		other := removals[look.Files[0]]
		if look.Files[0] != last.Files[0] && other != nil && other.P != last.P && other.At > look.At && h.ownerOf(look.Files[0]) == c.Key {
			return true
		}
	}
	return false
}

// lastRemoval is the request that took the last version of a key out of its store.
func (h *history) lastRemoval(c *model.Cell, at time.Duration) (last *trail.Entry) {
	for _, e := range h.log.Entries() {
		if e.Endpoint == "DELETE store/files/{id}" && e.At > 0 && e.At <= at && e.Status < 300 && h.ownerOf(e.Files[0]) == c.Key && (last == nil || e.At > last.At) {
			last = e
		}
	}
	return last
}

// excusedRemoval reports whether the last version of a key went by a request of a
// process that had ended, or whose caller had given it up, before it landed.
func (h *history) excusedRemoval(c *model.Cell, at time.Duration) bool {
	last := h.lastRemoval(c, at)
	if last == nil || !last.Late {
		return false
	}
	p := h.procs[last.P]
	return p != nil && (p.dead || p.closed) && p.gone > 0 && last.At >= p.gone
}

// excusedDelete reports whether the last version of a key went since a Delete of one
// process watched for it, while another process had found it again meanwhile.
func (h *history) excusedDelete(c *model.Cell, at time.Duration) bool {
	last := h.lastRemoval(c, at)
	return last != nil && slices.ContainsFunc(c.Deleted, func(d *model.Call) bool {
		return d.P == last.P && d.To < last.Sent && slices.ContainsFunc(c.Calls, func(call *model.Call) bool { return call.P != d.P && call.From > d.From && call.From < last.At })
	})
}

// excusedShown reports whether the versions are those of one process that lives, or
// none, and of others that have ended, searchable since after these had ended and after
// the looks of those that live.
func (h *history) excusedShown(c *model.Cell, found []openaitest.StoreFile) bool {
	ended := 0
	for _, f := range found {
		m := h.procs[h.maker(f.FileID)]
		if m == nil || !m.dead && !m.closed {
			continue
		}
		for _, i := range h.srv.History(h.stores[c.Store]) {
			from := h.since2(i.From)
			if i.FileID != f.FileID || !i.To.IsZero() || from < m.gone-client.CloseWithin {
				continue
			}
			if !slices.ContainsFunc(slices.Collect(maps.Values(h.procs)), func(p *process) bool {
				return p.store == c.Store && !p.dead && !p.closed && from < p.begun+3*time.Minute
			}) {
				ended++
			}
		}
	}
	return ended >= len(found)-1
}

// lateAttach reports whether readers miss a key because an attach landed at that
// time, after its caller had given it up and had attached the File once more, and
// the server indexes the File anew.
func (h *history) lateAttach(c *model.Cell, at time.Duration) bool {
	if !slices.Contains(h.plan.Sea.Quirks, "reattach_reindexes") {
		return false
	}
	return slices.ContainsFunc(h.log.Entries(), func(e *trail.Entry) bool {
		return e.Late && e.At == at && (e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches") &&
			slices.ContainsFunc(e.Files, func(id string) bool { return h.ownerOf(id) == c.Key })
	})
}

func (h *history) ownerOf(id string) string {
	for _, e := range h.log.Of(id) {
		if e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches" {
			if i := slices.Index(e.Files, id); i >= 0 && i < len(e.Attrs) {
				return h.whole(trail.KeyOf(e.Attrs[i], ""))
			}
		}
	}
	if p, ok := h.planted[id]; ok && p.Key >= 0 {
		return h.plan.Keys[p.Key]
	}
	return ""
}

// excusedLate reports whether the attributes of a store file were last written by a
// request whose caller had given it up by then.
func (h *history) excusedLate(id string) bool {
	var last *trail.Entry
	for _, e := range h.log.Of(id) {
		writes := e.Endpoint == "POST store/files/{id}" || e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches"
		if writes && e.At > 0 && e.Status < 300 && slices.Contains(e.Files, id) && (last == nil || e.At > last.At) {
			last = e
		}
	}
	return last != nil && last.Late
}

// describe tells everything of the planted Files that a careless client could
// change. Documents of keys that callers have named are told of only so far as
// other stores have them.
func (h *history) describe() map[string]string { return h.describeWith(nil) }

// describeWith describes the Files that are not in known.
func (h *history) describeWith(known map[string]string) map[string]string {
	snap := h.srv.Snapshot()
	out := make(map[string]string)
	named := func(p plan.Planted) bool {
		return p.Ours && p.Key >= 0 && h.gate != nil && h.cells[[2]int{0, p.Key}].Touched
	}
	for _, f := range snap.Files {
		p, ok := h.planted[f.ID]
		if !ok {
			continue
		}
		out[f.ID] = fmt.Sprintf("%q %s %s", f.Name, f.Purpose, f.SHA256[:8])
		if named(p) {
			out[f.ID] = ""
		}
	}
	for n, id := range h.stores {
		st := snap.Store(id)
		for _, f := range st.Files {
			p, ok := h.planted[f.FileID]
			if !ok || n == 0 && named(p) {
				continue
			}
			out[f.FileID] += fmt.Sprintf(" in %s %s %v", st.Name, f.Status, trail.AttrsText(f.Attributes))
		}
	}
	maps.Copy(out, known)
	return out
}

// harmed compares the planted Files with what they were.
func (h *history) harmed() {
	now := h.describe()
	for _, id := range slices.Sorted(maps.Keys(h.was)) {
		p := h.planted[id]
		was, is := h.was[id], now[id]
		if p.Ours && p.Key >= 0 && h.cells[[2]int{0, p.Key}].Touched {
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
			h.wrong(kindHarmed, "the File %s %q of somebody else: it was %q and is %q", id[:12], p.Name, was, is)
		}
	}
}

// loose are the Files of the histories' processes that are attached nowhere.
func (h *history) loose() (loose []openaitest.FileInfo) {
	snap := h.srv.Snapshot()
	attached := make(map[string]bool)
	for _, st := range snap.Stores {
		for _, f := range st.Files {
			attached[f.FileID] = true
		}
	}
	for _, f := range snap.Files {
		if _, planted := h.planted[f.ID]; !planted && !attached[f.ID] {
			loose = append(loose, f)
		}
	}
	return loose
}

// leftovers judges the Files that are attached nowhere.
func (h *history) leftovers() {
	for _, f := range h.loose() {
		e := h.uploaded(f.ID)
		switch {
		case e == nil:
		case h.mustGo(f.ID):
			h.wrong(kindLeft, "the File %s %q, uploaded by process %d at %v, is attached nowhere", f.ID[:12], f.Name, e.P, e.At)
		case e.Replied == 0:
			h.excuse(excuseLost)
		default:
			h.excuse(excuseKilled)
		}
	}
}

// mustGo reports whether a File that is attached nowhere is one that its process, or
// the one that has begun to remove it, knows of and can remove.
func (h *history) mustGo(id string) bool {
	e := h.uploaded(id)
	return e != nil && e.Replied > 0 && !h.ended(e.P) && !h.removerEnded(id)
}

// uploadsInVain finds uploads of a process that has been told that its store is gone.
func (h *history) uploadsInVain() {
	for _, e := range h.log.Entries() {
		if at, told := h.told[e.P]; told && e.Endpoint == "POST /files" && e.Sent > at && !h.underWay(e, at) {
			h.wrong(kindCostly, "process %d uploads %q although the store has expired and a call has told so", e.P, e.Name)
			return
		}
	}
}

// underWay reports whether a call that had begun before that time may have made the
// request.
func (h *history) underWay(e *trail.Entry, at time.Duration) bool {
	for _, c := range h.cells {
		if slices.ContainsFunc(c.Calls, func(call *model.Call) bool {
			return call.P == e.P && call.From <= at && (!call.Ended || call.To >= e.Sent)
		}) {
			return true
		}
	}
	return false
}

// ended reports whether a process has died, or was closed and said that it leaves
// something.
func (h *history) ended(n int) bool {
	p := h.procs[n]
	return p != nil && (p.dead || p.left)
}

func (h *history) removerEnded(id string) bool {
	return slices.ContainsFunc(h.log.Of(id), func(e *trail.Entry) bool { return e.Method == http.MethodDelete && h.ended(e.P) })
}

// requestsAfterClose finds requests of clients that had been closed.
func (h *history) requestsAfterClose() {
	told := map[int]bool{}
	for _, e := range h.log.Entries() {
		if p := h.procs[e.P]; p != nil && p.closed && p.gone > 0 && !p.dead && e.Sent > p.gone+time.Millisecond && !told[e.P] {
			told[e.P] = true
			h.wrong(kindAfter, "process %d: %s %s, %v after Close had returned", e.P, e.Method, e.Path, e.Sent-p.gone)
		}
	}
}
