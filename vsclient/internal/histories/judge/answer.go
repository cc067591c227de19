package judge

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// untrue says why the result of a change that has succeeded is not true; empty: it is. The
// values are those that may have been there before it.
func (j *Judge) untrue(p *course.Process, c *model.Cell, call *model.Call, a client.Answer, before []model.Value) string {
	if a.Outcome == "created" || a.Outcome == "replaced" {
		if up := j.Uploaded(a.FileID); !call.Merged && (up == nil || up.P != p.N || up.Sent < call.From) {
			return fmt.Sprintf("%s as File %s, which it has not made", a.Outcome, a.FileID)
		}
	}
	if call.Merged || !call.Alone() { // the result is that of a later change, or rests on a view of before another's
		return ""
	}
	want := model.ValueOf(call.Doc)
	nothing := func(v model.Value) bool { return v.Absent }
	var possible func(model.Value) bool
	switch {
	case a.Outcome == "created", a.Outcome == "absent":
		possible = nothing
	case (a.Outcome == "replaced" || a.Outcome == "deleted") && !j.another(p, c, call, a):
		possible = func(v model.Value) bool { return !v.Absent }
	case a.Outcome == "unchanged" && call.Op == plan.OpPut:
		possible = func(v model.Value) bool { return v == want }
	case a.Outcome == "unchanged":
		possible = func(v model.Value) bool { return !v.Absent && v.Attrs == want.Attrs }
	case a.Outcome == "attributes updated" && call.Op == plan.OpPut:
		possible = func(v model.Value) bool { return v.Text == want.Text && v.Chunk == want.Chunk && v.Attrs != want.Attrs }
	case a.Outcome == "attributes updated":
		possible = func(v model.Value) bool { return !v.Absent && v.Attrs != want.Attrs }
	}
	switch {
	case possible != nil && !slices.ContainsFunc(before, possible) && !j.marksUnknown(c) && j.gone(c, j.Now()) == "":
		return fmt.Sprintf("%s, where there can be %s", a.Outcome, model.Show(before))
	case call.If != nil && !slices.ContainsFunc(before, func(v model.Value) bool { return v.Absent || v.Has(call.If) }) && !j.marksUnknown(c):
		return fmt.Sprintf("%s, where there can be %s", a.Outcome, model.Show(before))
	case call.Op == plan.OpDelete || j.othersWrite(p, c) || j.marksUnknown(c):
		return ""
	}
	for _, f := range j.Files(c.Store, c.Key) {
		if f.FileID == a.FileID && f.Attributes["vs_version"] == fmt.Sprintf("%016d", a.Version) {
			return ""
		}
	}
	return fmt.Sprintf("%s as File %s, version %d, which is not there", a.Outcome, a.FileID, a.Version)
}

// another reports whether a change can have found a version of its key, besides the one that
// it has made: also one that was no document. A version that another process has removed may
// be believed for a while.
func (j *Judge) another(p *course.Process, c *model.Cell, call *model.Call, a client.Answer) bool {
	there := func(id string) bool {
		for _, e := range j.Of(id) {
			if e.Endpoint == "DELETE /files/{id}" && e.Status < 300 && e.At > 0 && (e.P != p.N && e.At < call.From-trustedFor || e.P == p.N && e.Replied > 0 && e.Replied < call.From) {
				return false
			}
		}
		return true
	}
	for _, e := range j.Entries() {
		q := j.Procs[e.P]
		if e.Endpoint != "POST /files" || len(e.Files) == 0 || q == nil || q.Store != p.Store || e.Files[0] == a.FileID && a.Outcome == "replaced" || !there(e.Files[0]) {
			continue
		}
		if key := j.OwnerOf(e.Files[0]); key == c.Key || key == "" && e.P == p.N {
			return true
		}
	}
	return false
}

// marksUnknown reports whether a key has, or has had, a store file without the client's
// attributes: its document may be taken for another, or for none.
func (j *Judge) marksUnknown(c *model.Cell) bool {
	return c.StrippedAt > 0 || c.Store == 0 && slices.ContainsFunc(j.Plan.Planted, func(p plan.Planted) bool { return p.Ours && p.Key == c.Index })
}

// othersWrite reports whether another process that lives has changed the key.
func (j *Judge) othersWrite(p *course.Process, c *model.Cell) bool {
	for n := range c.Writers {
		if q := j.Procs[n]; n != p.N && !q.Dead && !q.Closed {
			return true
		}
	}
	return false
}

// Found judges the hits of a search that began at a time: a reader finds nothing that was
// not searchable meanwhile, of each key one version, and each document that answers the
// query as a whole and was the newest of its key, and searchable, all the time.
func (j *Judge) Found(p *course.Process, query string, from time.Duration, hits []client.Hit) {
	now := j.Now()
	type version struct {
		openaitest.Interval
		key    string
		number string
		whole  bool // searchable all the time
	}
	var searchable []version
	newest, number := make(map[string]string), make(map[string]string) // by key, and by File
	for _, i := range j.Srv.History(j.Stores[p.Store]) {
		if j.Since(i.From) > now || !i.To.IsZero() && j.Since(i.To) < from {
			continue
		}
		v := version{Interval: i, key: j.Owner(i.FileID, i.Attributes, i.Filename), whole: j.Since(i.From) <= from && (i.To.IsZero() || j.Since(i.To) > now)}
		v.number, _ = i.Attributes["vs_version"].(string)
		newest[v.key], number[v.FileID] = max(newest[v.key], v.number), v.number
		searchable = append(searchable, v)
	}
	file := make(map[string]string)
	for _, h := range hits {
		if h.Key == "" {
			continue
		}
		if !slices.ContainsFunc(searchable, func(v version) bool {
			return v.FileID == h.FileID && v.key == h.Key && j.Texts[v.SHA256] == h.Text && trail.AttrsText(trail.Own(v.Attributes)) == trail.AttrsText(h.Attrs)
		}) && slices.Contains(j.Keys, h.Key) {
			j.Wrong(course.KindAnswer, "process %d: a search finds %q {%s} of %s, which was not searchable", p.N, h.Text, trail.AttrsText(h.Attrs), trail.Shown(h.Key))
		}
		if was, ok := file[h.Key]; ok && was != h.FileID {
			j.Wrong(course.KindAnswer, "process %d: a search finds two versions of %s", p.N, trail.Shown(h.Key))
		}
		file[h.Key] = h.FileID
	}
	for _, v := range searchable {
		if v.whole && v.number != "" && v.number == newest[v.key] && j.Texts[v.SHA256] == query && number[file[v.key]] != v.number && len(hits) < client.SearchLimit {
			j.Wrong(course.KindAnswer, "process %d: a search for %q misses %s, which has just that content", p.N, query, trail.Shown(v.key))
		}
	}
}

// Unsearchable judges a Get that finds a version which is not searchable: none was that the
// process has made, or could know for long.
func (j *Judge) Unsearchable(p *course.Process, c *model.Cell, from time.Duration, id string) {
	now := j.Now()
	for _, i := range j.Srv.History(j.Stores[c.Store]) {
		since := from - Watched
		if j.Maker(i.FileID) == p.N {
			since = from
		}
		if i.FileID != id && i.To.IsZero() && j.Since(i.From) < since && j.Owner(i.FileID, i.Attributes, i.Filename) == c.Key {
			j.Out.Wrong = append(j.Out.Wrong, course.Finding{Kind: course.KindAnswer, Text: fmt.Sprintf("process %d: at %v get %s finds File %s, which is not searchable, and %s is", p.N, now, trail.Shown(c.Key), id, i.FileID)})
		}
	}
}

// Listed judges a listing: a document that can never have been is wrong, and so is one that
// is missing although nothing of its key has changed for longer than a listing lags.
func (j *Judge) Listed(p *course.Process, from time.Duration, list []client.Seen) {
	now := j.Now()
	j.Mu.Lock()
	defer j.Mu.Unlock()
	wrong := func(format string, args ...any) {
		j.Out.Wrong = append(j.Out.Wrong, course.Finding{Kind: course.KindAnswer, Text: fmt.Sprintf("process %d: ", p.N) + fmt.Sprintf(format, args...)})
	}
	listed := make(map[string]bool)
	for _, s := range list {
		listed[s.FileID] = true
		i := slices.Index(j.Keys, s.Key)
		if i < 0 || s.Status != "completed" || s.SHA256 == "" {
			continue
		}
		allowed := j.Cells[[2]int{p.Store, i}].During(now-Watched, now)
		if v := (model.Value{Text: j.Texts[s.SHA256], Attrs: trail.AttrsText(s.Attrs)}); !model.AnyLike(allowed, v) && !j.LateWrite(s.FileID, now) {
			wrong("the listing has %s as %v, where there can be %s", trail.Shown(s.Key), v, model.Show(allowed))
		}
	}
	there := make(map[string]bool)
	for _, f := range j.Srv.Snapshot().Files {
		there[f.ID] = true
	}
	for _, i := range j.Srv.History(j.Stores[p.Store]) {
		since := now - Watched
		if j.Maker(i.FileID) == p.N && !slices.ContainsFunc(j.Of(i.FileID), func(e *trail.Entry) bool { return e.Method == http.MethodDelete }) {
			since = from // a client lists its own before the listing shows them
		}
		if i.To.IsZero() && j.Since(i.From) < since && there[i.FileID] && !listed[i.FileID] {
			wrong("the listing misses %s %q, which is searchable since %v", i.FileID, i.Filename, j.Since(i.From))
		}
	}
}
