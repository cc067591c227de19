//go:build unix

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// largeFile measures how much the heap grows while a file of 512 MB goes from
// disk over TCP to a server, of the same process, that discards it.
func largeFile(t *testing.T) row {
	name := filepath.Join(t.TempDir(), "large.txt")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	line := []byte(strings.Repeat("All work and no play makes a dull day.\n", 1<<20/39+1)[:1<<20])
	for range vsclient.MaxFileSize >> 20 {
		if _, err := f.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(new(discarding))
	defer srv.Close()
	c, err := vsclient.New(vsclient.Config{APIKey: "sk-bench", VectorStoreID: "vs_1", BaseURL: srv.URL + "/v1"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	grown := heapGrowth(func() {
		if _, err := c.Put(context.Background(), vsclient.Document{Key: "large.txt", Content: vsclient.Path(name)}); err != nil {
			t.Fatal(err)
		}
	})
	return atMost("512 MB from disk", "—", float64(grown)/(1<<20), 64, "MB of heap growth", "at its peak, server included")
}

// discarding answers the requests of one Put, and keeps the attributes alone.
type discarding struct {
	mu         sync.Mutex
	attributes json.RawMessage
}

func (d *discarding) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v1/files":
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, `{"id":"file-1","object":"file","bytes":%d,"created_at":%d,"filename":"large.txt","purpose":"assistants"}`, n, time.Now().Unix())
		return
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/files"):
		fmt.Fprint(w, `{"object":"list","data":[],"has_more":false}`)
		return
	case strings.HasSuffix(r.URL.Path, "/vs_1"):
		fmt.Fprint(w, `{"id":"vs_1","object":"vector_store","status":"completed"}`)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.Method == http.MethodPost {
		var attach struct {
			Attributes json.RawMessage `json:"attributes"`
		}
		if err := json.NewDecoder(r.Body).Decode(&attach); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		d.attributes = attach.Attributes
	}
	fmt.Fprintf(w, `{"id":"file-1","object":"vector_store.file","status":"completed","attributes":%s}`, d.attributes)
}

// heapGrowth is the growth of the heap, at its peak, during work.
func heapGrowth(work func()) uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	read := func() uint64 {
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	runtime.GC()
	before, peak := read(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, read())
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	work()
	close(stop)
	<-stopped
	return peak - min(before, peak)
}
