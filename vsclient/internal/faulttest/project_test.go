package faulttest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// project is an emulated project with the store under test, with Files of other
// people that have the names of our documents, and with a ledger of the changes
// that were asked for.
type project struct {
	srv     *openaitest.Server
	store   string
	other   string // somebody else's store
	keys    []string
	now     func() time.Time
	virtual bool
	start   time.Time
	foreign map[string]string // the kind of each foreign File, by id

	mu     sync.Mutex
	want   map[string]*step // by key; nil: to be gone
	absent map[string][]span
	cut    bool // a process was cut off: the File of the earlier connector may be detached, and not deleted
}

// span is a time in which a key may be missing: from when its deletion was asked
// for until a put of it has returned.
type span struct{ from, to time.Time }

// legacyKey has a document of the earlier connector's to begin with.
const legacyKey = "legacy.md"

// newProject makes a project in which every tempting mistake is possible: for each
// key, Files of the name that its document gets.
func newProject(cfg openaitest.Config, keys []string) *project {
	srv := openaitest.New(cfg)
	w := &project{
		srv: srv, store: srv.NewVectorStore("ours"), other: srv.NewVectorStore("theirs"),
		keys: keys, virtual: cfg.Now == nil, now: time.Now, want: make(map[string]*step), absent: make(map[string][]span),
	}
	if !w.virtual {
		w.now = cfg.Now
	}
	long := w.now().Add(-24 * time.Hour)
	justNow := long // in real time nobody is to wait for its fate
	if w.virtual {
		justNow = w.now().Add(time.Hour - 2*time.Second)
	}
	foreign := func(name, purpose string, created time.Time) string {
		return srv.AddFile(openaitest.NewFile{Name: name, Purpose: purpose, Content: []byte(firstContent), CreatedAt: created})
	}
	for i, key := range keys {
		name := fileNameOf(key)
		if key == legacyKey {
			srv.AddStoreFile(w.store, foreign(key, "assistants", long), nil)
			w.want[key] = &step{key: key, content: firstContent}
		}
		foreign(name, "assistants", long) // in no store
		foreign(name, "user_data", long)  // of another purpose
		if i == 0 {
			foreign(name, "assistants", justNow) // in no store, and so new that it might be an upload of ours
		}
		srv.AddStoreFile(w.other, foreign(name, "assistants", long), map[string]any{"vs_key": key[:min(len(key), 256)], "vs_version": "0000000000000001"})
		srv.AddStoreFile(w.other, foreign(name, "user_data", long), nil)
		srv.AddStoreFile(w.store, foreign(name, "assistants", long), map[string]any{
			"vs_key": fmt.Sprintf("another key %d", i), "vs_version": "0000000000000001", "whose": "theirs",
		})
		if upper := strings.ToUpper(strings.TrimSuffix(name, ".md")) + ".md"; upper != name {
			srv.AddStoreFile(w.store, foreign(upper, "assistants", long), nil)
		}
	}
	w.foreign = w.describe(func(f openaitest.FileInfo) bool {
		return f.Name != legacyKey || !f.CreatedAt.Equal(long) || !w.holds(f.ID)
	})
	if w.virtual {
		time.Sleep(time.Hour) // all of this can be seen by now
	}
	w.start = w.now()
	return w
}

// sleep lets virtual time pass; of real time only so much that a File is older than
// it was, in whole seconds, by OpenAI's clock.
func (w *project) sleep(t time.Duration) {
	if !w.virtual {
		t = 1100 * time.Millisecond
	}
	time.Sleep(t)
}

// holds reports whether the store has the File as a document of the earlier
// connector's.
func (w *project) holds(id string) bool {
	for _, f := range w.srv.Snapshot().Store(w.store).Files {
		if f.FileID == id {
			return len(f.Attributes) == 0 && f.Filename == legacyKey
		}
	}
	return false
}

// describe tells all of each File that a careless client could change.
func (w *project) describe(which func(openaitest.FileInfo) bool) map[string]string {
	snap := w.srv.Snapshot()
	attached := make(map[string]string)
	for _, st := range snap.Stores {
		for _, f := range st.Files {
			attached[f.FileID] += fmt.Sprintf(" in %s %s %v since %v", st.ID, f.Status, f.Attributes, f.AttachedAt)
		}
	}
	out := make(map[string]string)
	for _, f := range snap.Files {
		if which(f) {
			out[f.ID] = fmt.Sprintf("%q %s %s%s", f.Name, f.Purpose, f.SHA256[:8], attached[f.ID])
		}
	}
	return out
}

// names keeps the finds of fileNameOf.
var names sync.Map

// fileNameOf asks the client itself how it names the File of a key.
func fileNameOf(key string) string {
	if name, ok := names.Load(key); ok {
		return name.(string)
	}
	srv := openaitest.New(openaitest.Config{})
	store := srv.NewVectorStore("names")
	c, err := client.New(client.Settings{Store: store, URL: srv.URL(), Transport: srv.Client().Transport})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	if a := c.Put(neverDone, key, plan.Doc{Text: firstContent}); a.Err != nil {
		panic(a.Err)
	}
	name := srv.Snapshot().Files[0].Name
	names.Store(key, name)
	return name
}

// client makes a client of the store that reaches it over that transport.
func (w *project) client(transport http.RoundTripper, opts ...func(*client.Settings)) *client.Client {
	if transport == nil {
		transport = w.srv.Client().Transport
	}
	cfg := client.Settings{Store: w.store, URL: w.srv.URL(), Transport: transport, Verbose: *verbose}
	for _, o := range opts {
		o(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		panic(err)
	}
	return c
}

// mayMiss reports whether a key may go missing at that time.
func (w *project) mayMiss(key string, at time.Time) bool {
	return slices.ContainsFunc(w.absent[key], func(p span) bool {
		return !at.Before(p.from) && (p.to.IsZero() || !at.After(p.to))
	})
}

// findings are the faults of a project, by kind.
type findings struct {
	wrong     []string // not exactly one version of a key, or not the right one
	gaps      []string // times at which a reader missed a key
	harmed    []string // Files of others that are not as they were
	leftovers []string // Files of ours that are attached nowhere
}

func (f findings) any() bool { return len(f.wrong)+len(f.gaps)+len(f.harmed)+len(f.leftovers) > 0 }

func (f findings) String() string {
	var b strings.Builder
	for name, list := range map[string][]string{"wrong": f.wrong, "gap": f.gaps, "harmed": f.harmed, "left over": f.leftovers} {
		for _, s := range list {
			fmt.Fprintf(&b, "\n  %s: %s", name, s)
		}
	}
	return b.String()
}

// examine compares the project with the changes that were asked for.
func (w *project) examine() findings {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out findings
	snap := w.srv.Snapshot()
	ours := snap.Store(w.store).Files
	for _, key := range slices.Sorted(maps.Keys(w.want)) {
		var found []openaitest.StoreFile
		for _, f := range ours {
			if w.foreign[f.FileID] == "" && trail.KeyOf(f.Attributes, f.Filename) == key {
				found = append(found, f)
			}
		}
		out.wrong = append(out.wrong, judge(key, w.want[key], found)...)
		out.gaps = append(out.gaps, w.gaps(key)...)
	}
	for _, f := range ours {
		if f.FileGone {
			out.wrong = append(out.wrong, fmt.Sprintf("the store file %s has lost its File", f.FileID))
		}
	}
	now := w.describe(func(f openaitest.FileInfo) bool { return w.foreign[f.ID] != "" })
	for id, was := range w.foreign {
		if is := now[id]; is != was {
			out.harmed = append(out.harmed, fmt.Sprintf("%s was %s and is %s", id, was, is))
		}
	}
	for _, f := range w.loose() {
		out.leftovers = append(out.leftovers, fmt.Sprintf("%s %q of %v", f.ID, f.Name, f.CreatedAt.Sub(w.start)))
	}
	return out
}

// loose are the Files of ours that are attached nowhere.
func (w *project) loose() (loose []openaitest.FileInfo) {
	snap := w.srv.Snapshot()
	attached := make(map[string]bool)
	for _, st := range snap.Stores {
		for _, f := range st.Files {
			attached[f.FileID] = true
		}
	}
	for _, f := range snap.Files {
		if w.foreign[f.ID] == "" && !attached[f.ID] && !(w.cut && f.Name == legacyKey && f.CreatedAt.Before(w.start)) {
			loose = append(loose, f)
		}
	}
	return loose
}

// judge returns the faults of the store files of a key.
func judge(key string, want *step, found []openaitest.StoreFile) (wrong []string) {
	show := shown(key)
	switch {
	case want == nil && len(found) == 0:
		return nil
	case want == nil:
		return []string{fmt.Sprintf("%s was deleted, and there is %v", show, found)}
	case len(found) != 1:
		return []string{fmt.Sprintf("%s has %d versions: %v", show, len(found), found)}
	}
	f := found[0]
	if sum := sha256.Sum256([]byte(want.content)); f.SHA256 != hex.EncodeToString(sum[:]) {
		wrong = append(wrong, fmt.Sprintf("%s has other content than asked for", show))
	}
	if f.Status != "completed" {
		wrong = append(wrong, fmt.Sprintf("%s is %s", show, f.Status))
	}
	if own := trail.Own(f.Attributes); trail.AttrsText(own) != trail.AttrsText(want.attrs) {
		wrong = append(wrong, fmt.Sprintf("%s has the attributes %v and not %v", show, own, want.attrs))
	}
	if c := want.chunks; c != 0 && (f.MaxTokens != c || f.Overlap != c/2) {
		wrong = append(wrong, fmt.Sprintf("%s is chunked %d/%d and not %d", show, f.MaxTokens, f.Overlap, c))
	}
	return wrong
}

// gaps are the times at which a true reader did not find the key, once it was
// there and not being deleted. The caller holds mu.
func (w *project) gaps(key string) (gaps []string) {
	of := slices.DeleteFunc(w.srv.History(w.store), func(i openaitest.Interval) bool {
		return w.foreign[i.FileID] != "" || trail.KeyOf(i.Attributes, i.Filename) != key
	})
	for _, gap := range worldtest.Gaps(of) {
		if !w.mayMiss(key, gap.From) {
			gaps = append(gaps, fmt.Sprintf("%s, %v after the beginning: %v", shown(key), gap.From.Sub(w.start), gap))
		}
	}
	return gaps
}

func shown(key string) string {
	if len(key) > 40 {
		key = key[:40] + "…"
	}
	return fmt.Sprintf("%q", key)
}

// requestLog is the log of a project, for a report.
func (w *project) requestLog(t *testing.T) {
	for _, r := range w.srv.Requests() {
		t.Logf("%4d %8v %7v %-6s %s?%s %d %s", r.N, r.Time.Sub(w.start).Round(time.Millisecond), r.Took.Round(time.Millisecond), r.Method, r.Path, r.Query, r.Status, r.Fault)
	}
}
