// Package worldtest is the world that the module's tests work in: an emulated project with
// one store, its clients, and other people.
package worldtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// World is an emulated project with one store, and clients of it.
type World struct {
	T      testing.TB
	Server *openaitest.Server
	Store  string // its id
}

// New makes a project.
func New(t testing.TB, cfg openaitest.Config) *World {
	t.Helper()
	srv := openaitest.New(cfg)
	return &World{T: t, Server: srv, Store: srv.NewVectorStore("docs")}
}

// Unlimited are limits that hold up nothing.
var Unlimited = vsclient.Limits{
	UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit,
}

// Client makes a client of the store, without limits; opts change its configuration.
func (w *World) Client(opts ...func(*vsclient.Config)) *vsclient.Client {
	w.T.Helper()
	cfg := vsclient.Config{APIKey: "sk-test", VectorStoreID: w.Store, BaseURL: w.Server.URL(), HTTPClient: w.Server.Client(), Limits: Unlimited}
	for _, o := range opts {
		o(&cfg)
	}
	c, err := vsclient.New(cfg)
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { _ = c.Close() })
	return c
}

// Process is a client in a process of its own, which kill ends at once: none of its
// requests arrives after that, and no reply reaches it.
func (w *World) Process(opts ...func(*vsclient.Config)) (c *vsclient.Client, kill func()) {
	w.T.Helper()
	life, kill := context.WithCancel(context.Background())
	w.T.Cleanup(kill)
	return w.Client(append(opts, func(cfg *vsclient.Config) {
		next := cfg.HTTPClient.Transport
		cfg.HTTPClient = &http.Client{Transport: RoundTrip(func(req *http.Request) (*http.Response, error) {
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

// RoundTrip is a transport that is a function.
type RoundTrip func(*http.Request) (*http.Response, error)

func (f RoundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Strike injects a fault.
func (w *World) Strike(method, path string, f openaitest.Fault) {
	f.Method, f.Path = method, path
	w.Server.Inject(f)
}

// OnFirst calls f at the arrival of the first request of that method whose path
// ends so.
func (w *World) OnFirst(method, suffix string, f func()) {
	var once sync.Once
	w.Server.OnRequest(func(_ int, r *http.Request) {
		if r.Method == method && strings.HasSuffix(r.URL.Path, suffix) {
			once.Do(f)
		}
	})
}

// File plants a File of somebody's that is attached nowhere.
func (w *World) File(name, content string) string {
	return w.Server.AddFile(openaitest.NewFile{Name: name, Content: []byte(content)})
}

// Attached plants a File of somebody's that is in the store.
func (w *World) Attached(name, content string, attributes map[string]any) string {
	id := w.File(name, content)
	w.Server.AddStoreFile(w.Store, id, attributes)
	return id
}

// Request makes a request of somebody else's, and returns its status.
func (w *World) Request(method, path, body string) int {
	w.T.Helper()
	status, _ := Do(w.T, w.Server.Client(), method, w.Server.URL()+path, body)
	return status
}

// Do makes a request with JSON, and returns the status and body of its reply. It fails the
// test and returns 0 when there is none.
func Do(t testing.TB, c *http.Client, method, url, body string) (status int, reply string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	req.Header.Set("Authorization", "Bearer sk-test")
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	return resp.StatusCode, string(data)
}

// DeleteFile deletes the File of that name, as another client might.
func (w *World) DeleteFile(name string) {
	for _, f := range w.Server.Snapshot().Files {
		if f.Name == name {
			w.Request(http.MethodDelete, "/files/"+f.ID, "")
		}
	}
}
