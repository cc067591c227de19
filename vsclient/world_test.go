package vsclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// world is an emulated project with one store, and clients of it.
type world struct {
	t     *testing.T
	srv   *openaitest.Server
	store string
}

func newWorld(t *testing.T, cfg openaitest.Config) *world {
	t.Helper()
	srv := openaitest.New(cfg)
	return &world{t: t, srv: srv, store: srv.NewVectorStore("docs")}
}

// slow is an API that takes its time, so that calls overlap.
var slow = openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond}

// The endpoints, as the emulator's log names them.
const (
	filesList    = "GET /files"
	filesCreate  = "POST /files"
	storeListing = "GET /vector_stores/{vector_store_id}/files"
	singleAttach = "POST /vector_stores/{vector_store_id}/files"
	singleLook   = "GET /vector_stores/{vector_store_id}/files/{file_id}"
	singleUpdate = "POST /vector_stores/{vector_store_id}/files/{file_id}"
	batchAttach  = "POST /vector_stores/{vector_store_id}/file_batches"
	batchStatus  = "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}"
	batchListing = "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files"
)

// Paths of these, as a fault names them.
const (
	pathFiles    = "/files"
	pathFile     = "/files/*"
	pathAttach   = "/vector_stores/*/files"
	pathAttached = "/vector_stores/*/files/*"
)

// client makes a client of the store; opts change its configuration.
func (w *world) client(opts ...func(*vsclient.Config)) *vsclient.Client {
	w.t.Helper()
	cfg := vsclient.Config{
		APIKey: "sk-test", VectorStoreID: w.store, BaseURL: w.srv.URL(), HTTPClient: w.srv.Client(),
		Limits: vsclient.Limits{UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit},
	}
	for _, o := range opts {
		o(&cfg)
	}
	c, err := vsclient.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

func async(cfg *vsclient.Config) { cfg.Async = true }

// inStore has the client write to another store.
func inStore(id string) func(*vsclient.Config) {
	return func(cfg *vsclient.Config) { cfg.VectorStoreID = id }
}

// process is a client in a process of its own, which kill ends at once: none of its
// requests arrives after that, and no reply reaches it.
func (w *world) process(opts ...func(*vsclient.Config)) (c *vsclient.Client, kill func()) {
	w.t.Helper()
	life, kill := context.WithCancel(context.Background())
	w.t.Cleanup(kill)
	return w.client(append(opts, func(cfg *vsclient.Config) {
		next := cfg.HTTPClient.Transport
		cfg.HTTPClient = &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			if life.Err() != nil {
				return nil, errors.New("the process was killed")
			}
			ctx, cancel := context.WithCancel(req.Context())
			unhook := context.AfterFunc(life, cancel)
			resp, err := next.RoundTrip(req.WithContext(ctx))
			if err != nil {
				unhook()
				cancel()
			}
			return resp, err
		})}
	})...), kill
}

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// over puts a transport in front of the client's own.
func over(f func(next http.RoundTripper, r *http.Request) (*http.Response, error)) func(*vsclient.Config) {
	return func(cfg *vsclient.Config) {
		next := cfg.HTTPClient.Transport
		cfg.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) { return f(next, r) })}
	}
}

func doc(key, content string) vsclient.Document {
	return vsclient.Document{Key: key, Content: text(content)}
}

// with is the document with attributes.
func with(d vsclient.Document, a vsclient.Attributes) vsclient.Document {
	d.Attributes = a
	return d
}

// text is content in memory.
func text(s string) vsclient.Content { return vsclient.Bytes([]byte(s)) }

// onlyErr drops the result of a call that is asked for its error alone.
func onlyErr[T any](_ T, err error) error { return err }

func put(key, content string) vsclient.Change { return vsclient.Put(doc(key, content)) }

// numbered are n keys.
func numbered(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("d-%04d.md", i))
	}
	return keys
}

// many are puts of n documents, each of a key of its own.
func many(prefix string, n int) []vsclient.Change {
	changes := make([]vsclient.Change, n)
	for i := range changes {
		changes[i] = put(fmt.Sprintf("%s-%04d.md", prefix, i), "text")
	}
	return changes
}

// putAll puts the documents, each in a goroutine of its own, and returns the
// errors by key.
func putAll(ctx context.Context, c *vsclient.Client, keys ...string) map[string]error {
	var (
		mu    sync.Mutex
		errs  = make(map[string]error)
		calls sync.WaitGroup
	)
	for _, key := range keys {
		calls.Go(func() {
			_, err := c.Put(ctx, doc(key, "text of "+key))
			mu.Lock()
			defer mu.Unlock()
			errs[key] = err
		})
	}
	calls.Wait()
	return errs
}

// strike injects a fault.
func (w *world) strike(method, path string, f openaitest.Fault) {
	f.Method, f.Path = method, path
	w.srv.Inject(f)
}

// onFirst calls f at the arrival of the first request of that method whose path
// ends so.
func (w *world) onFirst(method, suffix string, f func()) {
	var once sync.Once
	w.srv.OnRequest(func(_ int, r *http.Request) {
		if r.Method == method && strings.HasSuffix(r.URL.Path, suffix) {
			once.Do(f)
		}
	})
}

// file plants a File of somebody's that is attached nowhere.
func (w *world) file(name, content string) string {
	return w.srv.AddFile(openaitest.NewFile{Name: name, Content: []byte(content)})
}

// attached plants a File of somebody's that is in the store.
func (w *world) attached(name, content string, attributes map[string]any) string {
	id := w.file(name, content)
	w.srv.AddStoreFile(w.store, id, attributes)
	return id
}

// request makes a request of somebody else's, and returns its status.
func (w *world) request(method, path, body string) int {
	w.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, w.srv.URL()+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sk-other")
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.srv.Client().Do(req)
	if err != nil {
		w.t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// deleteFile deletes the File of that name, as another client might.
func (w *world) deleteFile(name string) {
	for _, f := range w.srv.Snapshot().Files {
		if f.Name == name {
			w.request(http.MethodDelete, pathFiles+"/"+f.ID, "")
		}
	}
}

// exists reports whether a File is there.
func (w *world) exists(id string) bool { return w.srv.Content(id) != nil }

// files returns how many Files the project has.
func (w *world) files() int { return len(w.srv.Snapshot().Files) }

// searchable are the names of the Files that the store holds and has indexed.
func (w *world) searchable() map[string]bool {
	names := make(map[string]bool)
	for _, f := range w.srv.Snapshot().Store(w.store).Files {
		if f.Status == "completed" && !f.FileGone {
			names[f.Filename] = true
		}
	}
	return names
}

// holds is the text that a search finds of each key, or of each name where a store
// file has no key. Several versions of a key are joined by " and ".
func (w *world) holds() map[string]string { return w.holdsIn(w.store) }

func (w *world) holdsIn(store string) map[string]string {
	texts := make(map[string]string)
	for _, f := range w.srv.Snapshot().Store(store).Files {
		if f.Status != "completed" || f.FileGone {
			continue
		}
		key, ok := vsclient.KeyOf(f.Attributes)
		if !ok {
			key = f.Filename
		}
		if before := texts[key]; before != "" {
			texts[key] = before + " and "
		}
		texts[key] += string(w.srv.Content(f.FileID))
	}
	return texts
}

// expect fails the test unless the store serves these texts, by key.
func (w *world) expect(want map[string]string) {
	w.t.Helper()
	if got := w.holds(); !maps.Equal(got, want) {
		w.t.Errorf("the store serves %q; want %q", got, want)
	}
}

// noGap fails the test when at some moment, since the key was searchable first, it
// was not.
func (w *world) noGap(key string) {
	w.t.Helper()
	var until time.Time
	for i, in := range w.intervals(key) {
		if i > 0 && until.Before(in.From) {
			w.t.Errorf("%s was missing for %v", key, in.From.Sub(until))
		}
		if in.To.IsZero() {
			return
		}
		if in.To.After(until) {
			until = in.To
		}
	}
	w.t.Errorf("%s is missing since %v", key, until)
}

// intervals are those of a key, or of a store file of that name without a key.
func (w *world) intervals(key string) []openaitest.Interval {
	return slices.DeleteFunc(w.srv.History(w.store), func(in openaitest.Interval) bool {
		k, ok := vsclient.KeyOf(in.Attributes)
		return k != key && (ok || in.Filename != key)
	})
}

// times are when the server received the requests of an endpoint.
func (w *world) times(endpoint string) (at []time.Time) {
	for _, r := range w.srv.Requests() {
		if r.Endpoint == endpoint {
			at = append(at, r.Time)
		}
	}
	return at
}

func (w *world) answered(status int) (n int) {
	for _, r := range w.srv.Requests() {
		if r.Status == status {
			n++
		}
	}
	return n
}

// mostAtOnce is how many requests of that method, with that in their path, were
// under way at the same time.
func (w *world) mostAtOnce(method, path string) (most int) {
	var same []openaitest.Request
	for _, r := range w.srv.Requests() {
		if r.Method == method && strings.Contains(r.Path, path) {
			same = append(same, r)
		}
	}
	for _, a := range same {
		n := 0
		for _, b := range same {
			if !b.Time.After(a.Time) && b.Time.Add(b.Took).After(a.Time) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// seconds is a duration for a fault.
func seconds(n int) openaitest.Duration {
	return openaitest.Duration(time.Duration(n) * time.Second)
}

// rewritten is the reply with one string in place of another.
func rewritten(resp *http.Response, from, to string) *http.Response {
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		body = bytes.ReplaceAll(body, []byte(from), []byte(to))
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp
}

// refusal is a reply that refuses a request.
func refusal(r *http.Request, status int) *http.Response {
	return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}
}
