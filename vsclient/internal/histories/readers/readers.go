// Package readers checks the results of Get, Text, List and Search against the model of each
// key and the state of the store at that time.
package readers

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/judge"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// Readers are those of a history.
type Readers struct{ *judge.Judge }

// Got judges the answer of a Get that began at a time.
func (j *Readers) Got(p *course.Process, c *model.Cell, from time.Duration, got client.Seen, a client.Answer) {
	j.Mu.Lock()
	defer j.Mu.Unlock()
	allowed := c.During(from, j.Now())
	v := model.Nothing
	if a.Err == nil && got.Status != "completed" {
		j.unsearchable(p, c, from, "get", got.FileID)
		return
	}
	if a.NotFound && (j.ExcusedRemoval(c, j.Now()) || j.hidden(c, p, from)) {
		return
	}
	if a.Err == nil && j.Removed(got.FileID, p.N, from-time.Duration(j.Plan.API.Ghost)) {
		j.Pardon(judge.ExcuseUnseen, c)
		return
	}
	if a.Err == nil && slices.Contains(allowed, model.Nothing) && j.ExcusedWatch(c, openaitest.StoreFile{FileID: got.FileID}, j.Now()) {
		return
	}
	if a.Err == nil {
		v = model.Value{Text: j.Texts[got.SHA256], Attrs: trail.AttrsText(got.Attrs)}
	}
	late := a.Err == nil && j.LateWrite(got.FileID, j.Now()) && slices.ContainsFunc(allowed, func(w model.Value) bool { return w.Text == v.Text })
	if !model.AnyLike(allowed, v) && !(a.Err == nil && got.SHA256 == "") && !late {
		j.Find(course.KindAnswer, "process %d: get %s finds %v, where there can be %s", p.N, trail.Shown(c.Key), v, model.Show(allowed))
	}
}

// Read judges the parsed text that a call has returned which began at a time: a version of the
// key with that text was searchable meanwhile, or so shortly before that a GET still shows it. As
// long as none is, there is no text, which is an error.
func (j *Readers) Read(p *course.Process, c *model.Cell, from time.Duration, text string, a client.Answer) {
	j.Mu.Lock()
	defer j.Mu.Unlock()
	now := j.Now()
	if a.NotFound {
		if allowed := c.During(from, now); !slices.Contains(allowed, model.Nothing) && !j.ExcusedRemoval(c, now) && !j.hidden(c, p, from) {
			j.Find(course.KindAnswer, "process %d: the text of %s is not found, where there can be %s", p.N, trail.Shown(c.Key), model.Show(allowed))
		}
		return
	}
	if a.Indexing {
		j.unsearchable(p, c, from, "the text of", "")
		return
	}
	since := from - time.Duration(j.Plan.API.Ghost)
	if !slices.ContainsFunc(j.Srv.History(j.Stores[c.Store]), func(i openaitest.Interval) bool {
		return j.Texts[i.SHA256] == text && j.Since(i.From) <= now && (i.To.IsZero() || j.Since(i.To) >= since) && j.Owner(i.FileID, i.Attributes, i.Filename) == c.Key
	}) {
		j.Find(course.KindAnswer, "process %d: from %v to %v the text of %s is %q, which no version has that was searchable", p.N, from, now, trail.Shown(c.Key), text)
	}
}

// Gone judges a call for no change whose store has expired by its end, and reports whether it
// has, or nothing can be said of it. stopped reports whether its caller's context has ended.
func (j *Readers) Gone(p *course.Process, name string, from time.Duration, a client.Answer, stopped bool) bool {
	j.Mu.Lock()
	defer j.Mu.Unlock()
	if p.Store != 0 || !j.Expired {
		return j.Drops()
	}
	if why := cmp.Or(j.Unasked(p, from, a, stopped), j.Expiry(p, from, a)); why != "" {
		j.Find(course.KindAnswer, "process %d: %s of %v, where the store has expired: %s: %v", p.N, name, from, why, a.Err)
	}
	return true
}

// Behind reports whether a listing that begins at a time may show documents of a store that has
// expired.
func (j *Readers) Behind(from time.Duration) bool {
	j.Mu.Lock()
	defer j.Mu.Unlock()
	return j.Expired && from-j.ExpiredAt < time.Duration(j.Plan.API.ListDetach)
}

// Spared judges the Files that a sweep has found attached nowhere: each is older than its grace,
// by OpenAI's clock. An upload of just now may be attached yet.
func (j *Readers) Spared(p *course.Process, strays []client.Stray) {
	for _, s := range strays {
		if age := j.Now() - j.Since(s.Created); age < judge.GraceOfStrays-judge.Watched {
			j.Wrong(course.KindTaken, "process %d: a sweep finds File %s %q, of %v ago (removed: %v)", p.N, s.FileID, s.Name, age.Round(time.Second), s.Removed)
		}
	}
}

// hidden reports whether a GET says 404 of a version that another process has attached.
func (j *Readers) hidden(c *model.Cell, p *course.Process, at time.Duration) bool {
	return slices.ContainsFunc(j.Files(c.Store, c.Key), func(f openaitest.StoreFile) bool {
		shown := j.Attached(f.FileID)
		return j.Maker(f.FileID) != p.N && len(shown) > 0 && shown[len(shown)-1]+time.Duration(j.Plan.API.NotFound) >= at
	})
}

// Found judges the hits of a search that began at a time: a reader finds nothing that was
// not searchable meanwhile, of each key one version, and each document that answers the
// query as a whole and was the newest of its key, and searchable, all the time.
func (j *Readers) Found(p *course.Process, query string, from time.Duration, hits []client.Hit) {
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

// unsearchable judges a Get, or Text, that finds a version which is not searchable: no other was
// that could be seen. A GET may answer 404 for a while after the attach. A process need not know
// for longer of a version that another has made.
func (j *Readers) unsearchable(p *course.Process, c *model.Cell, from time.Duration, name, id string) {
	now := j.Now()
	for _, i := range j.Srv.History(j.Stores[c.Store]) {
		since := from - judge.Watched
		if j.Maker(i.FileID) == p.N {
			since = from - time.Duration(j.Plan.API.NotFound)
		}
		if i.FileID != id && i.To.IsZero() && j.Since(i.From) < since && j.Owner(i.FileID, i.Attributes, i.Filename) == c.Key {
			j.Find(course.KindAnswer, "process %d: at %v %s %s finds File %s, which is not searchable, and %s is", p.N, now, name, trail.Shown(c.Key), id, i.FileID)
		}
	}
}

// Listed judges a listing: a document that can never have been is wrong, and so is one that
// is missing although nothing of its key has changed for longer than a listing lags.
func (j *Readers) Listed(p *course.Process, from time.Duration, list []client.Seen) {
	now := j.Now()
	j.Mu.Lock()
	defer j.Mu.Unlock()
	wrong := func(format string, args ...any) {
		j.Find(course.KindAnswer, "process %d: "+format, append([]any{p.N}, args...)...)
	}
	listed := make(map[string]bool)
	for _, s := range list {
		listed[s.FileID] = true
		i := slices.Index(j.Keys, s.Key)
		if i < 0 || s.Status != "completed" || s.SHA256 == "" {
			continue
		}
		allowed := j.Cells[[2]int{p.Store, i}].During(now-judge.Watched, now)
		if v := (model.Value{Text: j.Texts[s.SHA256], Attrs: trail.AttrsText(s.Attrs)}); !model.AnyLike(allowed, v) && !j.LateWrite(s.FileID, now) {
			wrong("the listing has %s as %v, where there can be %s", trail.Shown(s.Key), v, model.Show(allowed))
		}
	}
	there := make(map[string]bool)
	for _, f := range j.Srv.Snapshot().Files {
		there[f.ID] = true
	}
	for _, i := range j.Srv.History(j.Stores[p.Store]) {
		since := now - judge.Watched
		if j.Maker(i.FileID) == p.N && !slices.ContainsFunc(j.Of(i.FileID), func(e *trail.Entry) bool { return e.Method == http.MethodDelete }) {
			since = from - time.Duration(j.Plan.API.NotFound) // a client lists its own before the listing shows them
		}
		k := slices.Index(j.Keys, j.Owner(i.FileID, i.Attributes, i.Filename))
		changing := k >= 0 && j.Cells[[2]int{p.Store, k}].UnderWay(p.N, from) // its own Delete may have begun
		if i.To.IsZero() && j.Since(i.From) < since && there[i.FileID] && !listed[i.FileID] && !changing {
			wrong("the listing misses %s %q, which is searchable since %v", i.FileID, i.Filename, j.Since(i.From))
		}
	}
}
