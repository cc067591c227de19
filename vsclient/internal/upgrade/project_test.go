package upgrade_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// doc is a document as it was last asked for.
type doc struct {
	key       string
	text      string
	attrs     map[string]any
	maxTokens int // 0: OpenAI's default
}

func (d doc) put() command {
	return command{Do: "put", Key: d.key, Text: d.text, Attributes: d.attrs, MaxTokens: d.maxTokens}
}

func (d doc) update() command { return command{Do: "update", Key: d.key, Attributes: d.attrs} }
func (d doc) remove() command { return command{Do: "delete", Key: d.key} }

// String describes the document, whole but for its texts.
func (d doc) String() string {
	return fmt.Sprintf("%s sha256=%s chunks=%d %s", trail.Shown(d.key), trail.Digest(d.text)[:8], d.maxTokens, trail.AttrsText(d.attrs))
}

// defaultTokens is the size of a chunk that OpenAI makes without a strategy.
const defaultTokens = 800

// release is one of the two.
type release struct {
	name  string
	start func(t *testing.T, url, store string) process
}

var (
	theOlder  = release{"the older release", startOlder}
	theNewest = release{"the newest client", startNewest}
)

// project is a project in the emulator, which listens on a port.
type project struct {
	t     *testing.T
	srv   *openaitest.Server
	url   string
	store string
	docs  map[string]doc // that the store has to hold
	other string         // a store of somebody else
	alien map[string]bool
	lives map[string]int                                               // how often a key has been created
	asked map[string]int                                               // requests, by release
	spare int                                                          // Files that a kill may have left attached nowhere
	meet  atomic.Pointer[func(w http.ResponseWriter, r *http.Request)] // handles a request in place of the API
}

// lag is longer than the time for which the emulator's views are behind.
const lag = 10 * time.Second

// newProject makes a project. The clocks of the releases are ahead of OpenAI's.
func newProject(t *testing.T, ahead time.Duration) *project {
	t.Helper()
	if *older == "" {
		t.Skip("give -older the commit of the older release, as make test-upgrade does")
	}
	w := &project{t: t, docs: make(map[string]doc), alien: make(map[string]bool), lives: make(map[string]int), asked: make(map[string]int)}
	w.srv = openaitest.New(openaitest.Config{
		Now:       func() time.Time { return time.Now().Add(-ahead) },
		IndexTime: 20 * time.Millisecond, IndexJitter: 100 * time.Millisecond, NotFoundWindow: 100 * time.Millisecond, GhostWindow: 100 * time.Millisecond,
		ListLag: openaitest.Lag{Attach: time.Second, Detach: time.Second, Update: time.Second},
	})
	w.store, w.other = w.srv.NewVectorStore("docs"), w.srv.NewVectorStore("other")
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if meet := w.meet.Load(); meet != nil {
			(*meet)(rw, r)
			return
		}
		w.srv.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		w.srv.Close()
		api.Close()
	})
	w.url = api.URL + "/v1"
	return w
}

// turn runs a process of a release. Another may begin after it.
func (w *project) turn(r release, rest time.Duration, steps func(p process)) {
	w.t.Helper()
	before := w.srv.RequestCount()
	p := r.start(w.t, w.url, w.store)
	steps(p)
	w.settles(r)
	if err := p.close(); err != nil {
		w.t.Fatalf("%s: %v", r.name, err)
	}
	if wrong := w.wrong(); len(wrong) > 0 {
		w.t.Fatalf("after the end of a process of %s: %s", r.name, strings.Join(wrong, "\n"))
	}
	w.asked[r.name] += w.srv.RequestCount() - before
	w.srv.Advance(lag + rest)
}

// gaps tells each key that had no searchable version for a while between its creation and
// its deletion.
func (w *project) gaps() (wrong []string) {
	of := make(map[string][]openaitest.Interval)
	for _, i := range w.srv.History(w.store) {
		key := trail.KeyOf(i.Attributes, i.Filename)
		of[key] = append(of[key], i)
	}
	for key, n := range w.lives {
		appeared := min(len(of[key]), 1)
		for _, gap := range worldtest.Gaps(of[key]) {
			if !gap.To.IsZero() {
				appeared++
			}
		}
		if appeared != n {
			wrong = append(wrong, fmt.Sprintf("%s was created %d times and appeared %d times", trail.Shown(key), n, appeared))
		}
	}
	return wrong
}

// settleTime bounds the wait for a store that never settles. The older release looks for
// three minutes in the background.
const settleTime = 5 * time.Minute

// settles waits until the store holds the documents and nothing else.
func (w *project) settles(r release) {
	w.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		wrong := w.wrong()
		if len(wrong) == 0 {
			return
		}
		if time.Since(began) > settleTime {
			w.t.Fatalf("after a turn of %s: %s", r.name, strings.Join(wrong, "\n"))
		}
	}
}

// wrong tells each way in which the project is not as it has to be.
func (w *project) wrong() (wrong []string) {
	snap := w.srv.Snapshot()
	attached := make(map[string]bool)
	found := make(map[string]int)
	recorded := "" // the sources of all versions, which tell the Files that each has replaced
	for _, f := range snap.Store(w.store).Files {
		attached[f.FileID] = true
		recorded += fmt.Sprint(f.Attributes["vs_content"])
		key := trail.KeyOf(f.Attributes, f.Filename)
		d, ok := w.docs[key]
		if !ok {
			wrong = append(wrong, fmt.Sprintf("the store holds %s", trail.Shown(key)))
			continue
		}
		found[key]++
		has := doc{d.key, string(w.srv.Content(f.FileID)), trail.Own(f.Attributes), f.MaxTokens}
		if d.maxTokens == 0 {
			d.maxTokens = defaultTokens
		}
		if has.String() != d.String() || f.Status != "completed" {
			wrong = append(wrong, fmt.Sprintf("%v is %s; asked for: %v", has, f.Status, d))
		}
	}
	for key := range w.docs {
		if found[key] != 1 {
			wrong = append(wrong, fmt.Sprintf("%d versions of %s", found[key], trail.Shown(key)))
		}
	}
	there := make(map[string]bool)
	for _, f := range snap.Files {
		there[f.ID] = true
	}
	left := w.unattached()
	if len(left) > w.spare {
		wrong = append(wrong, fmt.Sprintf("Files are attached nowhere: %q", left))
	}
	for _, id := range left {
		if strings.Contains(recorded, id) {
			wrong = append(wrong, fmt.Sprintf("a document records File %s as replaced, and it is there", id))
		}
	}
	for id := range w.alien {
		if !there[id] || attached[id] {
			wrong = append(wrong, "a File of somebody else was harmed: "+id)
		}
	}
	if len(snap.Store(w.other).Files)*2 != len(w.alien) {
		wrong = append(wrong, "the other store was changed")
	}
	slices.Sort(wrong)
	return wrong
}

// unattached are the ids of the Files that are attached nowhere and are nobody else's.
func (w *project) unattached() (ids []string) {
	snap := w.srv.Snapshot()
	for _, f := range snap.Files {
		in := func(s openaitest.StoreFile) bool { return s.FileID == f.ID }
		if !w.alien[f.ID] && !slices.ContainsFunc(snap.Store(w.store).Files, in) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// addNamesakes gives each File of the store two of somebody else's, a day old, with the
// same name and content: one in another store and one in none.
func (w *project) addNamesakes() {
	snap := w.srv.Snapshot()
	for _, f := range snap.Store(w.store).Files {
		for _, store := range []string{w.other, ""} {
			id := w.srv.AddFile(openaitest.NewFile{Name: f.Filename, Content: w.srv.Content(f.FileID), CreatedAt: snap.Time.Add(-24 * time.Hour)})
			w.alien[id] = true
			if store != "" {
				w.srv.AddStoreFile(store, id, nil)
			}
		}
	}
}

// beside does something for each document, side by side. It ends the test when anything
// was wrong.
func (w *project) beside(docs []doc, do func(d doc)) {
	w.t.Helper()
	var wait sync.WaitGroup
	for _, d := range docs {
		wait.Go(func() { do(d) })
	}
	wait.Wait()
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// each carries out a command for each document and checks its outcome. The older release
// tells none of a deletion.
func (w *project) each(p process, outcome string, of func(d doc) command) {
	w.t.Helper()
	w.beside(slices.Collect(maps.Values(w.docs)), func(d doc) {
		cmd := of(d)
		a := p.do(context.Background(), cmd)
		if a.Error != "" || a.Outcome != outcome && (cmd.Do != "delete" || a.Outcome != "") {
			w.t.Errorf("%s %s: %q %s; want %q", cmd.Do, trail.Shown(d.key), a.Outcome, a.Error, outcome)
		}
	})
}

// reads has a process find, list and leave unchanged each document.
func (w *project) reads(p process) {
	w.t.Helper()
	ctx := context.Background()
	before := w.writes()
	listed := p.do(ctx, command{Do: "list"})
	if listed.Error != "" {
		w.t.Fatalf("list: %s", listed.Error)
	}
	count := make(map[string]int)
	for _, s := range listed.Documents {
		count[s.Key]++
		w.compare("list", s)
	}
	for key := range w.docs {
		if count[key] != 1 {
			w.t.Errorf("%s is listed %d times", trail.Shown(key), count[key])
		}
	}
	w.beside(slices.Collect(maps.Values(w.docs)), func(d doc) {
		a := p.do(ctx, command{Do: "get", Key: d.key})
		if a.Error != "" || len(a.Documents) != 1 {
			w.t.Errorf("get %s: %+v", trail.Shown(d.key), a)
			return
		}
		w.compare("get", a.Documents[0])
	})
	w.each(p, "unchanged", doc.put)
	if a := p.do(ctx, command{Do: "sweep"}); a.Error != "" {
		w.t.Fatalf("sweep: %s", a.Error)
	}
	if after := w.writes(); after != before {
		w.t.Fatalf("list, get, unchanged puts and a sweep made requests that write: %s; before: %s", after, before)
	}
}

// compare compares a document that a release tells with the one that was asked for.
func (w *project) compare(by string, s shown) {
	w.t.Helper()
	d, ok := w.docs[s.Key]
	if !ok {
		w.t.Errorf("%s: %s is not in the store", by, trail.Shown(s.Key))
		return
	}
	if trail.AttrsText(s.Attributes) != trail.AttrsText(d.attrs) || s.SHA256 != trail.Digest(d.text) || s.MaxTokens != d.maxTokens || s.Status != "completed" {
		w.t.Errorf("%s: %+v; asked for: %v", by, s, d)
	}
}

// writes counts the requests so far that change something, by endpoint.
func (w *project) writes() string {
	counts := w.srv.Counts()
	maps.DeleteFunc(counts, func(endpoint string, _ int) bool { return strings.HasPrefix(endpoint, "GET ") })
	return fmt.Sprint(counts)
}
