//go:build ogx

// Package ogx runs vsclient and the plugin over OGX: make e2e-ogx. OGX is a server with
// OpenAI's API, and shares no code with them. The tests install it from PyPI into a virtual
// environment in the user's cache, which needs Python 3.12. They start it on a free loopback
// port, and stop it.
package ogx_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/matryer/is"
)

var ogx *server

func TestMain(m *testing.M) {
	if s := os.Getenv(childEnv); s != "" {
		if err := child(s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if ogx, err = startServer(ctx); err != nil {
		fmt.Println(err)
		return 1
	}
	defer func() {
		if err := ogx.stop(); err != nil {
			fmt.Println(err)
		}
	}()
	ended := make(chan int, 1)
	go func() { ended <- m.Run() }()
	select {
	case code := <-ended:
		return code
	case <-ctx.Done():
		return 1
	}
}

// ogxStore is a store of OGX. The tests share a server, run one after the other, and remove all
// Files.
type ogxStore struct {
	*testing.T
	settings
	others []string // Files that are not of a document
	from   int64    // the length of OGX's log when the test began
	// twice means that two Files with the same text may have been attached. OGX gives them
	// one vector, and a detach of either removes both from its search.
	twice bool
	// lost is how many documents OGX's search may miss. It sometimes loses one when attaches
	// and detaches of a store run at the same time.
	lost  int
	stale map[string]bool // keys whose attributes an update has changed
}

func newOGXStore(t *testing.T) *ogxStore {
	t.Helper()
	w := &ogxStore{T: t, settings: settings{URL: ogx.url}, stale: make(map[string]bool), from: ogx.logged()}
	var store struct{ ID string }
	w.request(http.MethodPost, "/vector_stores", map[string]any{"name": t.Name()}, &store)
	w.Store = store.ID
	t.Cleanup(w.clear)
	return w
}

// clear removes the store and all Files.
func (w *ogxStore) clear() {
	if w.Failed() {
		w.Logf("OGX has answered:\n%s", ogx.answers(w.from))
	}
	ctx := context.Background()
	if err := request(ctx, http.MethodDelete, ogx.url+"/vector_stores/"+w.Store, nil, nil); err != nil {
		w.Error(err)
	}
	var files struct{ Data []struct{ ID string } }
	if err := request(ctx, http.MethodGet, ogx.url+"/files?limit=10000", nil, &files); err != nil {
		w.Error(err)
	}
	for _, f := range files.Data {
		if err := request(ctx, http.MethodDelete, ogx.url+"/files/"+f.ID, nil, nil); err != nil {
			w.Error(err)
		}
	}
}

// request makes a request as another client, which must succeed.
func (w *ogxStore) request(method, path string, body, answer any) {
	w.Helper()
	is.New(w.T).NoErr(request(w.Context(), method, ogx.url+path, body, answer))
}

// upload uploads a File as another client, and does not attach it.
func (w *ogxStore) upload(name, content string) (id string) {
	w.Helper()
	is := is.New(w.T)
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	is.NoErr(m.WriteField("purpose", "assistants"))
	part, err := m.CreateFormFile("file", name)
	is.NoErr(err)
	_, err = part.Write([]byte(content))
	is.NoErr(err)
	is.NoErr(m.Close())
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPost, ogx.url+"/files", &form)
	is.NoErr(err)
	req.Header.Set("Content-Type", m.FormDataContentType())
	var file struct{ ID string }
	is.NoErr(exchange(req, &file))
	return file.ID
}

// stranger uploads a File that is not of a document.
func (w *ogxStore) stranger(name string) {
	w.Helper()
	w.others = append(w.others, w.upload(name, "text of another client"))
}

// storeFile is a store file as OGX returns it.
type storeFile struct {
	ID         string
	Status     string
	Attributes map[string]any
}

func (w *ogxStore) storeFiles() []storeFile {
	w.Helper()
	var page struct {
		Data    []storeFile
		HasMore bool `json:"has_more"`
	}
	w.request(http.MethodGet, "/vector_stores/"+w.Store+"/files?limit=100", nil, &page)
	is.New(w.T).True(!page.HasMore) // no test has more documents than fit a page
	return page.Data
}

// once performs calls in a new process.
func (w *ogxStore) once(calls ...call) []answer {
	w.Helper()
	p := newProcess(w.T, w.settings)
	var all []answer
	for _, c := range calls {
		if c.Do == "update" {
			w.stale[c.Document.Key] = true
		}
		a := p.do(c)
		if a.Err != "" {
			w.Logf("%s: %s", c.Do, a.Err)
		}
		all = append(all, a)
	}
	p.end()
	return all
}

// must performs one call in a new process. The call must succeed.
func (w *ogxStore) must(c call) answer {
	w.Helper()
	a := w.once(c)[0]
	is.New(w.T).Equal(a.Err, "")
	return a
}

// put puts a document in a new process.
func (w *ogxStore) put(d document) {
	w.Helper()
	w.must(call{Do: "put", Document: d})
}

// holds fails the test unless OpenAI's Python SDK finds exactly these documents in the store,
// each once, with correct counts and no File left over.
func (w *ogxStore) holds(docs ...document) {
	w.Helper()
	want := struct {
		Documents map[string]map[string]any `json:"documents"`
		Others    []string                  `json:"others"`
		Stale     map[string]bool           `json:"stale"`
		Search    bool                      `json:"search"`
		Lost      int                       `json:"lost"`
	}{make(map[string]map[string]any), append([]string{}, w.others...), w.stale, !w.twice, w.lost}
	for _, d := range docs {
		want.Documents[d.Key] = d.Attributes
		if d.Attributes == nil {
			want.Documents[d.Key] = map[string]any{}
		}
	}
	text, err := json.Marshal(want)
	is.New(w.T).NoErr(err)
	cmd := exec.CommandContext(w.Context(), ogx.python, "inspect_store.py", ogx.url, w.Store)
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "" {
		w.Fatalf("OpenAI's Python SDK finds something else (%v):\n%s", err, out)
	}
}
