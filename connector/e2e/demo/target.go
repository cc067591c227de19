//go:build unix

package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// target is the vector store of the demo. The plugin reaches it through a proxy, which counts
// the plugin's requests. The demo reads the store directly.
type target struct {
	introduction string
	apiKey       string
	storeID      string
	baseURL      string // of the proxy
	prefix       string // of the keys, unlike that of any other document

	direct   vsclient.Config    // without the proxy
	emulator *openaitest.Server // nil: the store is a real one
	proxy    *http.Server

	mu       sync.Mutex
	requests map[string]int // since the last table
}

func newTarget(ctx context.Context) (*target, error) {
	t := &target{apiKey: os.Getenv("OPENAI_API_KEY"), storeID: os.Getenv("OPENAI_VECTOR_STORE_ID"), requests: make(map[string]int)}
	upstream := os.Getenv("OPENAI_BASE_URL")
	if t.apiKey != "" && t.storeID != "" {
		if upstream == "" {
			upstream = vsclient.DefaultBaseURL
		}
		t.prefix = time.Now().UTC().Format("conduit-demo-20060102T150405.000")
		t.introduction = fmt.Sprintf("Using the vector store %s at %s; keys begin with %q and are removed at the end", t.storeID, upstream, t.prefix)
	} else {
		t.apiKey = "sk-demo"
		t.emulator = openaitest.New(openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 800 * time.Millisecond, IndexJitter: 700 * time.Millisecond})
		var err error
		if upstream, err = t.emulator.Listen("127.0.0.1:0"); err != nil {
			return nil, err
		}
		t.storeID = t.emulator.NewVectorStore("demo")
		t.introduction = "Starting an emulator of OpenAI's API at " + upstream + " (set OPENAI_API_KEY and OPENAI_VECTOR_STORE_ID in .env for a real store)"
	}
	if err := t.serveProxy(ctx, upstream); err != nil {
		return nil, err
	}
	t.direct = vsclient.Config{APIKey: t.apiKey, VectorStoreID: t.storeID, BaseURL: upstream}
	if _, err := t.documents(ctx); err != nil {
		return nil, errors.Join(err, t.proxy.Close())
	}
	return t, nil
}

// documents returns the demo's documents. Each call uses a new client: an older one may answer
// from replies of half a minute ago.
func (t *target) documents(ctx context.Context) ([]vsclient.Info, error) {
	client, err := vsclient.New(t.direct)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var docs []vsclient.Info
	for info, err := range client.List(ctx) {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(info.Key, t.prefix) {
			docs = append(docs, info)
		}
	}
	slices.SortFunc(docs, func(a, b vsclient.Info) int { return cmp.Compare(a.Key, b.Key) })
	return docs, nil
}

func (t *target) serveProxy(ctx context.Context, upstream string) error {
	u, err := url.Parse(upstream)
	if err != nil {
		return err
	}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	t.baseURL = "http://" + l.Addr().String()
	t.proxy = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.mu.Lock()
		t.requests[purpose(r)]++
		t.mu.Unlock()
		forward.ServeHTTP(w, r)
	})}
	go t.proxy.Serve(l)
	return nil
}

// purpose returns the kind of a request in a word.
func purpose(r *http.Request) string {
	files := strings.HasPrefix(r.URL.Path, "/files")
	switch {
	case r.Method == http.MethodPost && files:
		return "uploads"
	case r.Method == http.MethodPost && (strings.HasSuffix(r.URL.Path, "/file_batches") || strings.HasSuffix(r.URL.Path, "/files")):
		return "attaches"
	case r.Method == http.MethodPost:
		return "updates"
	case r.Method == http.MethodDelete:
		return "removals"
	}
	return "reads"
}

// await returns when the store holds the documents of the folder.
func (t *target) await(ctx context.Context, folder string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		want, err := digests(folder)
		if err != nil {
			return err
		}
		docs, err := t.documents(ctx)
		if err != nil {
			return err
		}
		extra := 0
		for _, d := range docs {
			if want[d.Key] == d.SHA256 && d.Status == vsclient.Completed {
				delete(want, d.Key)
			} else {
				extra++
			}
		}
		if len(want) == 0 && extra == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the store does not have the documents of the folder: %w", context.Cause(ctx))
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func digests(folder string) (map[string]string, error) {
	want := make(map[string]string)
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		sum := sha256.Sum256(data)
		want[filepath.ToSlash(name)] = hex.EncodeToString(sum[:])
		return err
	})
	return want, err
}

// close removes the demo's documents from a real store, and ends the emulator.
func (t *target) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if t.emulator == nil {
		err = t.removeAll(ctx)
	}
	err = errors.Join(err, t.proxy.Close())
	if t.emulator != nil {
		t.emulator.Close()
	}
	return err
}

func (t *target) removeAll(ctx context.Context) error {
	step("Removing the demo's documents from the store")
	docs, err := t.documents(ctx)
	if err != nil {
		return err
	}
	client, err := vsclient.New(t.direct)
	if err != nil {
		return err
	}
	defer client.Close()
	gone := make([]vsclient.Change, len(docs))
	for i, d := range docs {
		gone[i] = vsclient.Delete(d.Key)
	}
	for _, r := range client.Apply(ctx, gone, nil) {
		err = errors.Join(err, r.Err)
	}
	return err
}
