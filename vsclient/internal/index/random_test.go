package index_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/index"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// anyOf returns one of the values.
func anyOf[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// awkward is an API that is awkward in many ways at once.
func awkward(r *rand.Rand) openaitest.Config {
	lag := anyOf(r, 0, 0, 20*time.Second, 2*time.Minute)
	cfg := openaitest.Config{
		Seed: r.Uint64(), Latency: anyOf(r, 0, 50*time.Millisecond, 2*time.Second),
		IndexTime: anyOf(r, 0, 500*time.Millisecond, 20*time.Second), IndexJitter: anyOf(r, 0, 5*time.Second),
		ListLag:         openaitest.Lag{Attach: lag, Detach: lag, Update: lag},
		NotFoundWindow:  anyOf(r, 0, 0, 3*time.Second, 20*time.Second),
		FreshFileWindow: anyOf(r, 0, 0, 3*time.Second),
		IndexRules: []openaitest.IndexRule{
			{Name: "d-0003.md", Code: "server_error", Message: "No."}, {Name: "d-0004.md", Code: "invalid_file", Message: "No."}, {Name: "d-0005.md", Stuck: true},
		},
		Quirks: openaitest.Quirks{
			BadFileInBatch: anyOf(r, openaitest.BadFileRefusesBatch, openaitest.BadFileFails, openaitest.BadFileSkipped),
			UnknownFile400: r.IntN(2) == 0, UnknownBatch500: r.IntN(2) == 0, BatchGetReturnsStore: r.IntN(4) == 0,
			ReattachReindexes: r.IntN(2) == 0, BatchMax: anyOf(r, 0, 0, 7),
		},
	}
	for range r.IntN(4) {
		f := openaitest.Fault{
			Method: anyOf(r, "", "POST", "GET"), Path: anyOf(r, "/vector_stores/**", batches, singles, looks, batches+"/**"), Nth: 1 + r.IntN(5), Times: anyOf(r, 1, 3, 10, 1000),
			Kind: anyOf(r, openaitest.FaultStatus, openaitest.FaultStatus, openaitest.FaultCut, openaitest.FaultCutReply, openaitest.FaultHang, openaitest.FaultDelay),
		}
		switch f.Kind {
		case openaitest.FaultStatus:
			f.Status = anyOf(r, 400, 401, 404, 405, 409, 429, 500, 501, 503)
			f.AfterEffect = f.Status >= 500 && r.IntN(2) == 0
		case openaitest.FaultDelay:
			f.Delay = openaitest.Duration(anyOf(r, time.Second, 90*time.Second))
		default:
			f.AfterEffect = r.IntN(2) == 0
		}
		cfg.Faults = append(cfg.Faults, f)
	}
	return cfg
}

// Every call ends, and nothing goes on without a caller.
func TestIndexReportsTheTrueFateOfAFile(t *testing.T) {
	rounds := race.Pick(400, 30)
	if testing.Short() {
		rounds = min(rounds, 60)
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, uint64(seed)))
				w := newRig(t, awkward(r), func(c *index.Config) { c.BatchSize = anyOf(r, 1, 10, 100) })
				if r.IntN(5) == 0 {
					time.AfterFunc(anyOf(r, time.Second, 10*time.Second, 2*time.Minute), func() { w.life(fail.Closed) })
				}
				names := append(numbered(anyOf(r, 1, 2, 25)), "bad.png")
				results := make([]result, len(names))
				var calls sync.WaitGroup
				for i, name := range names {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if r.IntN(3) == 0 {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(r.Int64N(int64(anyOf(r, 100*time.Millisecond, 5*time.Second, time.Minute)))))
						defer cancel()
					}
					wait := time.Duration(r.Int64N(int64(anyOf(r, time.Millisecond, 3*time.Second))))
					calls.Go(func() {
						arrived := w.Expect()
						time.Sleep(wait)
						results[i] = w.indexAnnounced(ctx, name, w.file(name), arrived)
					})
				}
				calls.Wait()
				w.work.Wait()
				requests := w.sent.Load()
				time.Sleep(time.Hour)
				if n := w.sent.Load() - requests; n != 0 {
					t.Errorf("%d requests for nobody", n)
				}
				attached, inStore := w.attaches(), make(map[string]string)
				for _, f := range w.srv.Snapshot().Store(w.store).Files {
					inStore[f.FileID] = f.Status
				}
				for _, r := range results {
					status := inStore[r.id]
					ok := (r.err == nil) == (r.fate == index.Searchable)
					switch r.fate {
					case index.NotAttached:
						ok = ok && attached[r.id] == 0 && r.accepted == 0
					case index.Uncertain:
						ok = ok && r.accepted == 0
					case index.Accepted:
						ok = ok && r.accepted == 1
					case index.Failed:
						ok = ok && r.accepted == 1 && status != "completed"
					case index.Searchable:
						ok = ok && r.accepted == 1 && status == "completed"
					}
					if !ok {
						t.Errorf("%s: %v, %v; accepted %d times, attached %d times, %q in the store", r.name, r.fate, r.err, r.accepted, attached[r.id], status)
					}
				}
			})
		})
	}
}
