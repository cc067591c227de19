package index_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/exchange"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/index"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// slow is an API that takes its time, so that calls overlap.
var slow = openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond}

const (
	singleAttach = "POST /vector_stores/{vector_store_id}/files"
	batchAttach  = "POST /vector_stores/{vector_store_id}/file_batches"
	batchStatus  = "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}"
	batchListing = "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files"
	singleLook   = "GET /vector_stores/{vector_store_id}/files/{file_id}"
)

// rig is an emulated store, and an Indexer that writes to it.
type rig struct {
	t     *testing.T
	srv   *openaitest.Server
	store string
	*index.Indexer
	life func(error)    // ends the Indexer's life
	work sync.WaitGroup // the Indexer's goroutines
	log  strings.Builder

	sent    atomic.Int64 // requests; the server counts one that was cut off when it has ended
	mu      sync.Mutex
	answers map[string]string // bodies that take the place of the server's, by method and end of the path
	instead []time.Time       // when those to POSTs were given
}

// answering is the way to the server.
type answering struct {
	w  *rig
	to http.RoundTripper
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) {
	a.w.sent.Add(1)
	a.w.mu.Lock()
	defer a.w.mu.Unlock()
	for request, body := range a.w.answers {
		if method, end, _ := strings.Cut(request, " "); r.Method == method && strings.HasSuffix(r.URL.Path, end) {
			if method == http.MethodPost {
				a.w.instead = append(a.w.instead, time.Now())
			}
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
				Body: io.NopCloser(strings.NewReader(body)), Request: r,
			}, nil
		}
	}
	a.w.mu.Unlock()
	defer a.w.mu.Lock()
	return a.to.RoundTrip(r)
}

// unlimited are limits that hold up nothing.
var unlimited = pace.Limits{UploadsPerMinute: pace.NoLimit, AttachRequestsPerMinute: pace.NoLimit, AttachedFilesPerMinute: pace.NoLimit}

func newRig(t *testing.T, cfg openaitest.Config, opts ...func(*index.Config)) *rig {
	t.Helper()
	return newPacedRig(t, cfg, unlimited, opts...)
}

func newPacedRig(t *testing.T, cfg openaitest.Config, limits pace.Limits, opts ...func(*index.Config)) *rig {
	t.Helper()
	w := &rig{t: t, srv: openaitest.New(cfg)}
	w.store = w.srv.NewVectorStore("docs")
	reach := w.srv.Client()
	reach.Transport = &answering{w, reach.Transport}
	c, err := wire.New(wire.Config{StoreID: w.store, Config: exchange.Config{
		BaseURL: w.srv.URL(), APIKey: "sk-test", HTTPClient: reach,
		RetryTimeout: 5 * time.Minute, RequestTimeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
		Pacer: pace.NewPacer(limits),
	}})
	if err != nil {
		t.Fatal(err)
	}
	life, end := context.WithCancelCause(context.Background())
	w.life = end
	icfg := index.Config{
		BatchSize: 100, IndexTimeout: 10 * time.Minute, Life: life, Calls: semaphore.NewWeighted(32),
		Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Kept: func() bool { return false },
		Go: func(f func()) bool {
			if life.Err() != nil {
				return false
			}
			w.work.Go(f)
			return true
		},
	}
	for _, o := range opts {
		o(&icfg)
	}
	w.Indexer = index.New(c, icfg)
	t.Cleanup(func() {
		w.life(fail.Closed)
		w.work.Wait()
		w.srv.Close()
	})
	return w
}

// result is the return of one call of Index.
type result struct {
	name     string
	id       string
	fate     index.Fate
	err      error
	accepted int // calls of accepted
	ended    time.Time
}

// file plants a File and returns its id.
func (w *rig) file(name string) string {
	return w.srv.AddFile(openaitest.NewFile{Name: name, Content: []byte("text of " + name)})
}

// remove deletes a File, as another client of the project might.
func (w *rig) remove(id string) {
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodDelete, w.srv.URL()+"/files/"+id, nil)
	if err == nil {
		r.Header.Set("Authorization", "Bearer sk-other")
		var resp *http.Response
		if resp, err = w.srv.Client().Do(r); err == nil {
			err = resp.Body.Close()
		}
	}
	if err != nil {
		w.t.Error(err)
	}
}

// index indexes one planted File, announced beforehand.
func (w *rig) index(ctx context.Context, name, id string) result {
	return w.indexAnnounced(ctx, name, id, w.Expect())
}

func (w *rig) indexAnnounced(ctx context.Context, name, id string, arrived func()) result {
	r := result{name: name, id: id}
	r.fate, r.err = w.Index(ctx, wire.Attachment{FileID: id, Attributes: map[string]any{"name": name}}, arrived, func() { r.accepted++ })
	r.ended = time.Now()
	return r
}

// all indexes n Files side by side.
func (w *rig) all(n int) []result { return w.each(w.t.Context(), numbered(n)...) }

func (w *rig) each(ctx context.Context, names ...string) []result {
	results := make([]result, len(names))
	var calls sync.WaitGroup
	announced := make([]func(), len(names))
	for i := range names {
		announced[i] = w.Expect()
	}
	for i, name := range names {
		id, arrived := w.file(name), announced[i]
		calls.Go(func() { results[i] = w.indexAnnounced(ctx, name, id, arrived) })
	}
	calls.Wait()
	return results
}

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("d-%04d.md", i))
	}
	return names
}

// wantSearchable fails the test unless each File is searchable, was told to be
// accepted once, and has been attached once.
func (w *rig) wantSearchable(results []result) {
	w.t.Helper()
	searchable := make(map[string]bool)
	for _, f := range w.srv.Snapshot().Store(w.store).Files {
		searchable[f.FileID] = f.Status == "completed"
	}
	attached := w.attaches()
	for _, r := range results {
		if r.fate != index.Searchable || r.err != nil || r.accepted != 1 || !searchable[r.id] || attached[r.id] > 1 {
			w.t.Errorf("%s: %v, %v; accepted %d times, in the store %v, attached %d times", r.name, r.fate, r.err, r.accepted, searchable[r.id], attached[r.id])
		}
	}
}

// attaches is how often each File was attached.
func (w *rig) attaches() map[string]int {
	n := make(map[string]int)
	for _, f := range w.srv.Snapshot().Files {
		n[f.ID] = f.Attaches
	}
	return n
}

func (w *rig) counts() map[string]int { return w.srv.Counts() }

// times are those of the requests to the endpoint.
func (w *rig) times(endpoint string) (at []time.Time) {
	if endpoint == batchAttach {
		at = slices.Clone(w.instead)
	}
	for _, r := range w.srv.Requests() {
		if r.Endpoint == endpoint {
			at = append(at, r.Time)
		}
	}
	return at
}

// always is a fault of every such request.
func always(method, path string, status int) openaitest.Fault {
	return openaitest.Fault{Method: method, Path: path, Times: -1, Kind: openaitest.FaultStatus, Status: status}
}

func text(s string) *string { return &s }
