package vsclient_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// Documents as all tests of the module write them.
var (
	doc      = worldtest.Doc
	with     = worldtest.With
	numbered = worldtest.Numbered
)

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

func async(cfg *vsclient.Config) { cfg.Async = true }

// inStore has the client write to another store.
func inStore(id string) func(*vsclient.Config) {
	return func(cfg *vsclient.Config) { cfg.VectorStoreID = id }
}

// over puts a transport in front of the client's own.
func over(f func(next http.RoundTripper, r *http.Request) (*http.Response, error)) func(*vsclient.Config) {
	return func(cfg *vsclient.Config) {
		next := cfg.HTTPClient.Transport
		cfg.HTTPClient = &http.Client{Transport: worldtest.RoundTrip(func(r *http.Request) (*http.Response, error) { return f(next, r) })}
	}
}

// text is content in memory.
func text(s string) vsclient.Content { return vsclient.Bytes([]byte(s)) }

// onlyErr drops the result of a call that is asked for its error alone.
func onlyErr[T any](_ T, err error) error { return err }

func put(key, content string) vsclient.Change { return vsclient.Put(doc(key, content)) }

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
