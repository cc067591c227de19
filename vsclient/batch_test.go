package vsclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// slow is an API that takes its time, so that calls overlap.
var slow = openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond}

const (
	batchStatus  = "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}"
	batchListing = "GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files"
	singleLook   = "GET /vector_stores/{vector_store_id}/files/{file_id}"
)

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

func numbered(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("d-%04d.md", i))
	}
	return keys
}

// searchable are the names of what the store holds and has indexed.
func (w *world) searchable() map[string]bool {
	names := make(map[string]bool)
	for _, f := range w.srv.Snapshot().Store(w.store).Files {
		if f.Status == "completed" && !f.FileGone {
			names[f.Filename] = true
		}
	}
	return names
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

// deleteFile deletes the File of that name, as another client might.
func (w *world) deleteFile(name string) {
	for _, f := range w.srv.Snapshot().Files {
		if f.Name != name {
			continue
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, w.srv.URL()+"/files/"+f.ID, nil)
		if err != nil {
			w.t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer sk-other")
		resp, err := w.srv.Client().Do(req)
		if err != nil {
			w.t.Error(err)
			return
		}
		resp.Body.Close()
	}
}

func TestConcurrentPutsShareOneAttachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		for key, err := range putAll(t.Context(), w.client(), numbered(60)...) {
			if err != nil {
				t.Error(key, err)
			}
		}
		counts := w.srv.Counts()
		is.Equal(counts[filesCreate], 60)
		is.Equal(counts[batchAttach], 1)
		is.Equal(counts[singleAttach], 0)
		is.True(counts[batchStatus]+counts[batchListing]+counts[singleLook] <= 6) // nor does each ask for itself
		is.Equal(len(w.searchable()), 60)
	})
}

func TestAnIdleClientAttachesASingleFileAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		_, err := w.client().Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		is.Equal(len(w.times(batchAttach)), 0)
		is.Equal(w.times(singleAttach)[0].Sub(w.times(filesCreate)[0]), slow.Latency)
	})
}

func TestASlowUploadDoesNotHoldUpThoseThatAreReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		w.srv.Inject(openaitest.Fault{Method: "POST", Path: "/files", Kind: openaitest.FaultDelay, Delay: openaitest.Duration(30 * time.Second)})
		c := w.client()
		var large sync.WaitGroup
		large.Go(func() { putAll(t.Context(), c, "large.md") })
		time.Sleep(time.Second)
		began := time.Now()
		_, err := c.Put(t.Context(), doc("small.md", "text"))
		is.NoErr(err)
		is.True(time.Since(began) < 2*time.Second)
		large.Wait()
		is.Equal(len(w.searchable()), 2)
	})
}

func TestABatchIsNeverLargerThanConfigured(t *testing.T) {
	for size, want := range map[int]int{1: 250, 100: 3, 250: 1, 2000: 1} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.Quirks.BatchMax = size
				w := newWorld(t, cfg)
				c := w.client(func(cfg *vsclient.Config) { cfg.BatchSize, cfg.Concurrency = size, 250 })
				for _, r := range c.Apply(t.Context(), many("d", 250), nil) {
					is.NoErr(r.Err)
				}
				is.Equal(w.answered(400), 0)
				is.Equal(len(w.times(batchAttach))+len(w.times(singleAttach)), want)
			})
		})
	}
}

func TestAServerThatTakesSmallerBatchesCostsRequestsButNoDocument(t *testing.T) {
	for _, most := range []int{100, 500} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.Quirks.BatchMax = most
				w := newWorld(t, cfg)
				c := w.client(func(cfg *vsclient.Config) { cfg.BatchSize = 1000 })
				for _, r := range c.Apply(t.Context(), many("d", 1500), nil) {
					is.NoErr(r.Err)
				}
				is.Equal(len(w.searchable()), 1500)
				is.True(w.answered(400) <= 8) // it learns
			})
		})
	}
}

// One File of a batch is gone by the time that it is to be attached. Whatever
// OpenAI makes of that, the others go through and the one is named.
func TestAFileThatSpoilsItsBatchFailsAlone(t *testing.T) {
	for _, quirk := range []openaitest.BadFileInBatch{openaitest.BadFileRefusesBatch, openaitest.BadFileFails, openaitest.BadFileSkipped} {
		for _, answer := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/400=%v", quirk, answer), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					cfg := slow
					cfg.Quirks.BadFileInBatch, cfg.Quirks.UnknownFile400 = quirk, answer
					w := newWorld(t, cfg)
					w.onFirst(http.MethodPost, "/file_batches", func() { w.deleteFile("d-0007.md") })
					errs := putAll(t.Context(), w.client(), numbered(30)...)
					for key, err := range errs {
						if key != "d-0007.md" && err != nil {
							t.Error(key, err)
						}
					}
					bad := errs["d-0007.md"]
					is.True(bad != nil)
					is.True(vsclient.IsDocumentError(bad))
					is.True(strings.Contains(bad.Error(), "d-0007.md"))
					is.Equal(len(w.searchable()), 29)
					is.True(len(w.times(batchAttach)) <= 6) // it was not sought by trial alone
				})
			})
		}
	}
}

func TestAFileThatTheStoresDoNotKnowYetIsAttachedALittleLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := slow
		cfg.FreshFileWindow = 3 * time.Second
		w := newWorld(t, cfg)
		for key, err := range putAll(t.Context(), w.client(), numbered(40)...) {
			if err != nil {
				t.Error(key, err)
			}
		}
	})
}

func TestAFileThatCannotBeIndexedFailsAloneWithOpenAIsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.IndexRules = []openaitest.IndexRule{{Name: "d-0003.md", Code: "invalid_file", Message: "The file could not be parsed."}}
		w := newWorld(t, cfg)
		errs := putAll(t.Context(), w.client(), numbered(150)...)
		bad := errs["d-0003.md"]
		is.True(errors.Is(bad, vsclient.ErrIndexing))
		is.True(strings.Contains(bad.Error(), "The file could not be parsed."))
		delete(errs, "d-0003.md")
		for key, err := range errs {
			if err != nil {
				t.Error(key, err)
			}
		}
		is.Equal(len(w.searchable()), 149)
		is.Equal(len(w.srv.Snapshot().Files), 149) // and leaves nothing behind
	})
}

func TestAFileThatIsStuckDoesNotHoldUpItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.IndexRules = []openaitest.IndexRule{{Name: "stuck.md", Stuck: true, Times: 1}}
		w := newWorld(t, cfg)
		c := w.client()
		began := time.Now()
		var stuck sync.WaitGroup
		stuck.Go(func() {
			if err := putAll(t.Context(), c, "stuck.md")["stuck.md"]; err != nil {
				t.Error(err)
			}
		})
		for key, err := range putAll(t.Context(), c, numbered(120)...) {
			if err != nil {
				t.Error(key, err)
			}
		}
		is.True(time.Since(began) < 10*time.Second)
		stuck.Wait() // it is attached anew after half of IndexTimeout
		is.True(time.Since(began) < 6*time.Minute)
		looks := len(w.times(singleLook)) + len(w.times(batchStatus)) + len(w.times(batchListing))
		is.True(looks < 200) // five minutes of waiting are not asked through every second
		is.Equal(len(w.searchable()), 121)
	})
}

func TestOneThatGivesUpTakesNoneOfItsBatchAlong(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"while it lists":      20 * time.Millisecond,
		"while it uploads":    70 * time.Millisecond,
		"while it is ready":   115 * time.Millisecond,
		"while it is sent":    1200 * time.Millisecond,
		"while it is indexed": 1400 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, slow)
				// A slow upload has the others wait for a second until they are attached.
				w.srv.Inject(openaitest.Fault{Method: "POST", Path: "/files", Nth: 3, Kind: openaitest.FaultDelay, Delay: openaitest.Duration(3 * time.Second)})
				c := w.client()
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				var others sync.WaitGroup
				others.Go(func() {
					for key, err := range putAll(t.Context(), c, numbered(20)...) {
						if err != nil {
							t.Error(key, err)
						}
					}
				})
				began := time.Now()
				_, err := c.Put(ctx, doc("given-up.md", "text"))
				is.True(errors.Is(err, context.DeadlineExceeded))
				is.True(time.Since(began) < after+time.Second)
				others.Wait()
				is.Equal(len(w.searchable()), 20)
				is.Equal(len(w.srv.Snapshot().Files), 20) // nothing is left of it
			})
		})
	}
}

func TestThePollIntervalThatTheServerAsksForIsKept(t *testing.T) {
	for name, n := range map[string]int{"a single file": 1, "a batch": 50} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.IndexTime, cfg.PollAfter = 15*time.Second, 4*time.Second
				w := newWorld(t, cfg)
				for key, err := range putAll(t.Context(), w.client(), numbered(n)...) {
					if err != nil {
						t.Error(key, err)
					}
				}
				polls := append(w.times(batchAttach), w.times(singleAttach)...)
				polls = append(polls, w.times(batchStatus)...)
				if n == 1 {
					polls = append(polls, w.times(singleLook)...)
				}
				is.True(len(polls) >= 4)
				for i, at := range polls[1:] {
					is.True(at.Sub(polls[i]) >= cfg.PollAfter)
				}
			})
		})
	}
}

// Whatever the API says of a batch as a whole, each file gets its own verdict.
func TestNoVerdictIsLostWhenTheBatchCannotBeAskedFor(t *testing.T) {
	always := -1
	for _, row := range []struct {
		sentence string
		change   func(*openaitest.Config)
	}{
		{"it answers with its store", func(cfg *openaitest.Config) { cfg.Quirks.BatchGetReturnsStore = true }},
		{"it is unknown, with a 500", func(cfg *openaitest.Config) {
			cfg.Faults = []openaitest.Fault{{Method: "GET", Path: "/vector_stores/*/file_batches/*", Times: always, Kind: openaitest.FaultStatus, Status: 500}}
		}},
		{"it is unknown, with a 404", func(cfg *openaitest.Config) {
			cfg.Faults = []openaitest.Fault{{Method: "GET", Path: "/vector_stores/*/file_batches/**", Times: always, Kind: openaitest.FaultStatus, Status: 404}}
		}},
		{"neither it nor its listing is", func(cfg *openaitest.Config) {
			cfg.Faults = []openaitest.Fault{{Method: "GET", Path: "/vector_stores/*/file_batches/**", Times: always, Kind: openaitest.FaultStatus, Status: 500}}
		}},
		{"listings lag by two minutes", func(cfg *openaitest.Config) {
			cfg.ListLag = openaitest.Lag{Attach: 2 * time.Minute, Detach: 2 * time.Minute, Update: 2 * time.Minute}
		}},
		{"files are denied for a while after their attach", func(cfg *openaitest.Config) { cfg.NotFoundWindow = 20 * time.Second }},
		{"listings lag and files are denied", func(cfg *openaitest.Config) {
			cfg.NotFoundWindow = 20 * time.Second
			cfg.ListLag = openaitest.Lag{Attach: 2 * time.Minute, Detach: 2 * time.Minute, Update: 2 * time.Minute}
		}},
		{"pages are short", func(cfg *openaitest.Config) { cfg.Quirks.FilterAfterPage = true }},
		{"files of one second are listed in any order", func(cfg *openaitest.Config) { cfg.Quirks.ShuffledTies = true }},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.IndexTime = 2 * time.Second
				cfg.IndexRules = []openaitest.IndexRule{{Name: "d-0150.md", Code: "unsupported_file", Message: "No."}}
				row.change(&cfg)
				w := newWorld(t, cfg)
				failed := 0
				for _, r := range w.client().Apply(t.Context(), many("d", 300), nil) {
					if r.Key == "d-0150.md" {
						is.True(errors.Is(r.Err, vsclient.ErrIndexing))
						failed++
					} else {
						is.NoErr(r.Err)
					}
				}
				is.Equal(failed, 1)
				is.Equal(len(w.searchable()), 299)
				counts := w.srv.Counts()
				looks := counts[batchStatus] + counts[batchListing] + counts[singleLook]
				is.True(looks <= 400) // one a file and a few at the very worst, and not one a second
			})
		})
	}
}

func TestWaitAttachedReturnsOnceAttachedAndFlushWaitsForTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.IndexTime = time.Minute
		w := newWorld(t, cfg)
		c := w.client(func(cfg *vsclient.Config) { cfg.WaitFor = vsclient.WaitAttached })
		began := time.Now()
		for key, err := range putAll(t.Context(), c, numbered(40)...) {
			if err != nil {
				t.Error(key, err)
			}
		}
		is.True(time.Since(began) < time.Second)
		is.Equal(len(w.searchable()), 0)
		is.Equal(len(w.srv.Snapshot().Store(w.store).Files), 40)
		is.NoErr(c.Flush(t.Context()))
		is.Equal(len(w.searchable()), 40)

		// A call that comes after is in its turn, although the one before has returned.
		for range 3 {
			_, err := c.Put(t.Context(), doc("d-0000.md", time.Now().String()))
			is.NoErr(err)
		}
		last := doc("d-0000.md", "the last")
		_, err := c.Put(t.Context(), last)
		is.NoErr(err)
		is.NoErr(c.Flush(t.Context()))
		text, err := c.Text(t.Context(), "d-0000.md")
		is.NoErr(err)
		is.Equal(text, "the last")
		is.Equal(len(w.srv.Snapshot().Files), 40)
	})
}

func TestRemovalsRunSideBySideWithinTheSameBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		c := w.client(func(cfg *vsclient.Config) { cfg.Concurrency = 7 })
		for _, r := range c.Apply(t.Context(), many("d", 70), nil) {
			is.NoErr(r.Err)
		}
		changes := many("d", 70)
		for i := range changes {
			changes[i].Op = vsclient.OpDelete
		}
		began := time.Now()
		for _, r := range c.Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Deleted)
		}
		is.Equal(time.Since(began), 10*2*slow.Latency)
		is.Equal(w.mostAtOnce(http.MethodPost, "/files"), 7)
		is.Equal(w.mostAtOnce(http.MethodDelete, "/files/"), 7)
		is.Equal(len(w.srv.Snapshot().Files), 0)
	})
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

// To repeat it would have the files indexed anew, out of searches meanwhile.
func TestAnAttachWhoseReplyWasLostIsNotRepeatedWhenItWasCarriedOut(t *testing.T) {
	for name, n := range map[string]int{"one file": 1, "a batch": 30} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, openaitest.Config{Latency: 50 * time.Millisecond, Quirks: openaitest.Quirks{ReattachReindexes: true}})
				w.srv.Inject(openaitest.Fault{Method: http.MethodPost, Path: "/vector_stores/*/*", Kind: openaitest.FaultHang, AfterEffect: true})
				for _, r := range w.client().Apply(t.Context(), many("doc", n), nil) {
					is.NoErr(r.Err)
				}
				counts := w.srv.Counts()
				is.Equal(counts["POST /vector_stores/{vector_store_id}/files"]+counts["POST /vector_stores/{vector_store_id}/file_batches"], 1)
				is.Equal(len(w.srv.History(w.store)), n) // each was searchable once, and is
			})
		})
	}
}
