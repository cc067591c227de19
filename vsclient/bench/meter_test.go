//go:build unix

package bench

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// How slow the emulated API is.
const (
	latency   = 50 * time.Millisecond
	indexTime = 500 * time.Millisecond
)

// meter is a slow world that measures the requests and the time of some work.
type meter struct {
	*worldtest.World
	background *atomic.Int64 // looks at the newest store files, which belong to no call
}

func newMeter(t *testing.T, cfg openaitest.Config) *meter {
	t.Helper()
	cfg.Latency, cfg.IndexTime = latency, indexTime
	w := &meter{worldtest.New(t, cfg), new(atomic.Int64)}
	w.Server.OnRequest(func(_ int, r *http.Request) {
		// Calls read the store's listing from its beginning, these from its end.
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, w.Store+"/files") && r.URL.Query().Get("order") == "desc" {
			w.background.Add(1)
		}
	})
	return w
}

// sdk is openai-go's own client, without retries, as none is needed here.
func (w *meter) sdk() openai.Client {
	return openai.NewClient(
		option.WithAPIKey("sk-bench"), option.WithBaseURL(w.Server.URL()), option.WithHTTPClient(w.Server.Client()), option.WithMaxRetries(0),
	)
}

// cost is the time and the requests of some work.
type cost struct {
	time       time.Duration
	requests   int            // made by the calls
	background int            // made beside them
	counts     map[string]int // all requests by endpoint
}

// measure runs work and returns its cost.
func (w *meter) measure(work func()) cost {
	before, requests, background, began := w.Server.Counts(), w.Server.RequestCount(), w.background.Load(), time.Now()
	work()
	c := cost{time: time.Since(began), background: int(w.background.Load() - background), counts: w.Server.Counts()}
	c.requests = w.Server.RequestCount() - requests - c.background
	for endpoint, n := range before {
		c.counts[endpoint] -= n
	}
	return c
}

// apply makes the changes and fails the test unless each has the outcome.
func (w *meter) apply(c *vsclient.Client, changes []vsclient.Change, want func(i int) vsclient.Outcome) cost {
	w.T.Helper()
	var results []vsclient.Result
	cost := w.measure(func() { results = c.Apply(context.Background(), changes, nil) })
	for i, r := range results {
		if r.Err != nil || r.Outcome != want(i) {
			w.T.Fatalf("change %d of %d: %v, %v; want %v", i, len(results), r.Outcome, r.Err, want(i))
		}
	}
	return cost
}

func always(o vsclient.Outcome) func(int) vsclient.Outcome {
	return func(int) vsclient.Outcome { return o }
}

func key(i int) string { return fmt.Sprintf("handbook/chapter-%06d.md", i) }

// content is about 1 KB.
func content(i, version int) string {
	return fmt.Sprintf("# Chapter %d, version %d\n", i, version) + strings.Repeat("All work and no play makes a dull day. ", 25)
}

// puts are changes that put n documents; version tells the version of each.
func puts(n int, version func(i int) int) []vsclient.Change {
	changes := make([]vsclient.Change, n)
	for i := range changes {
		changes[i] = vsclient.Put(vsclient.Document{Key: key(i), Content: vsclient.Bytes([]byte(content(i, version(i))))})
	}
	return changes
}

func deletes(n int) []vsclient.Change {
	changes := make([]vsclient.Change, n)
	for i := range changes {
		changes[i] = vsclient.Delete(key(i))
	}
	return changes
}

func first(int) int { return 1 }
