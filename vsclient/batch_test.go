package vsclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about documents that are attached and indexed together.

func TestConcurrentPutsShareOneAttachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		for key, err := range putAll(t.Context(), w.Client(), numbered(60)...) {
			if err != nil {
				t.Error(key, err)
			}
		}
		counts := w.Server.Counts()
		is.Equal(counts[filesCreate], 60)
		is.Equal(counts[batchAttach], 1)
		is.Equal(counts[singleAttach], 0)
		is.True(counts[batchStatus]+counts[batchListing]+counts[singleLook] <= 6) // nor does each ask for itself
		is.Equal(len(w.Searchable()), 60)
	})
}

func TestAnIdleClientAttachesASingleFileAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		_, err := w.Client().Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		is.Equal(len(w.Times(batchAttach)), 0)
		is.True(w.Times(singleAttach)[0].Sub(w.Times(filesCreate)[0]) < slow.Latency+time.Millisecond)
	})
}

func TestASlowUploadDoesNotHoldUpThoseThatAreReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		w.Strike(http.MethodPost, pathFiles, openaitest.Fault{Kind: openaitest.FaultDelay, Delay: seconds(30)})
		c := w.Client()
		var large sync.WaitGroup
		large.Go(func() { putAll(t.Context(), c, "large.md") })
		time.Sleep(time.Second)
		began := time.Now()
		_, err := c.Put(t.Context(), doc("small.md", "text"))
		is.NoErr(err)
		is.True(time.Since(began) < 2*time.Second)
		large.Wait()
		is.Equal(len(w.Searchable()), 2)
	})
}

func TestABatchIsNeverLargerThanConfigured(t *testing.T) {
	for size, want := range map[int]int{1: 60, 25: 3, 60: 1, 2000: 1} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.Quirks.BatchMax = size
				w := worldtest.New(t, cfg)
				c := w.Client(func(cfg *vsclient.Config) { cfg.BatchSize, cfg.Concurrency = size, 60 })
				for _, r := range c.Apply(t.Context(), many("d", 60), nil) {
					is.NoErr(r.Err)
				}
				is.Equal(w.Answered(400), 0)
				is.Equal(len(w.Times(batchAttach))+len(w.Times(singleAttach)), want)
			})
		})
	}
}

func TestAServerThatTakesSmallerBatchesCostsRequestsButNoDocument(t *testing.T) {
	t.Parallel()
	for _, most := range []int{500, 100} {
		if race.Enabled && most < 500 {
			continue // many requests, of the same kind
		}
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is, n := is.New(t), race.Pick(1500, 600)
				cfg := slow
				cfg.Quirks.BatchMax = most
				w := worldtest.New(t, cfg)
				c := w.Client(func(cfg *vsclient.Config) { cfg.BatchSize = 1000 })
				for _, r := range c.Apply(t.Context(), many("d", n), nil) {
					is.NoErr(r.Err)
				}
				is.Equal(len(w.Searchable()), n)
				is.True(w.Answered(400) <= 8) // it learns
			})
		})
	}
}

// One File of a batch is gone by the time that it is to be attached. Whatever
// OpenAI makes of that, the others go through and the one is uploaded anew.
func TestAFileThatSpoilsItsBatchIsUploadedAnew(t *testing.T) {
	for _, quirk := range []openaitest.BadFileInBatch{openaitest.BadFileRefusesBatch, openaitest.BadFileFails, openaitest.BadFileSkipped} {
		for _, answer := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/400=%v", quirk, answer), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					cfg := slow
					cfg.Quirks.BadFileInBatch, cfg.Quirks.UnknownFile400 = quirk, answer
					w := worldtest.New(t, cfg)
					w.OnFirst(http.MethodPost, "/file_batches", func() { w.DeleteFile("d-0007.md") })
					errs := putAll(t.Context(), w.Client(), numbered(30)...)
					for key, err := range errs {
						if key != "d-0007.md" && err != nil {
							t.Error(key, err)
						}
					}
					is.NoErr(errs["d-0007.md"]) // it was uploaded anew
					is.Equal(len(w.Searchable()), 30)
					is.True(len(w.Times(batchAttach)) <= 6) // it was not sought by trial alone
				})
			})
		}
	}
}

func TestAFileThatTheStoresDoNotKnowYetIsAttachedALittleLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := slow
		cfg.FreshFileWindow = 3 * time.Second
		w := worldtest.New(t, cfg)
		for key, err := range putAll(t.Context(), w.Client(), numbered(40)...) {
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
		w := worldtest.New(t, cfg)
		errs := putAll(t.Context(), w.Client(), numbered(150)...)
		bad := errs["d-0003.md"]
		is.True(errors.Is(bad, vsclient.ErrIndexing))
		is.True(strings.Contains(bad.Error(), "The file could not be parsed."))
		delete(errs, "d-0003.md")
		for key, err := range errs {
			if err != nil {
				t.Error(key, err)
			}
		}
		is.Equal(len(w.Searchable()), 149)
		is.Equal(len(w.Server.Snapshot().Files), 149) // and leaves nothing behind
	})
}

func TestAFileThatIsStuckDoesNotHoldUpItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		var once atomic.Bool
		cfg.StickIndexing = func(f openaitest.FileInfo) bool { return f.Name == "stuck.md" && once.CompareAndSwap(false, true) }
		w := worldtest.New(t, cfg)
		c := w.Client()
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
		stuck.Wait() // it is uploaded anew after IndexTimeout
		is.True(time.Since(began) < 11*time.Minute)
		looks := len(w.Times(singleLook)) + len(w.Times(batchStatus)) + len(w.Times(batchListing))
		is.True(looks < 300) // ten minutes of waiting are not asked through every second
		is.Equal(len(w.Searchable()), 121)
		is.Equal(w.Files(), 121)
	})
}

func TestACallerThatGivesUpTakesNoneOfItsBatchAlong(t *testing.T) {
	for name, moment := range map[string]struct {
		after time.Duration
		lands bool // its attach may have been accepted: it goes forward
	}{
		"while it lists":      {20 * time.Millisecond, false},
		"while it uploads":    {70 * time.Millisecond, false},
		"while it is ready":   {115 * time.Millisecond, false},
		"while it is sent":    {1175 * time.Millisecond, true},
		"while it is indexed": {1400 * time.Millisecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				// A slow upload has the others wait for a second until they are attached.
				w.Strike(http.MethodPost, pathFiles, openaitest.Fault{Nth: 3, Kind: openaitest.FaultDelay, Delay: seconds(3)})
				c := w.Client()
				ctx, cancel := context.WithTimeout(t.Context(), moment.after)
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
				is.Equal(time.Since(began), moment.after)
				others.Wait()
				time.Sleep(time.Minute)
				landed := w.Searchable()["given-up.md"]
				is.True(moment.lands || !landed)         // its own upload may be the slow one, and then it is not sent
				is.Equal(len(w.Searchable()), w.Files()) // no File is left that is not in the store
				is.Equal(len(w.Searchable())-20, map[bool]int{true: 1}[landed])
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
				w := worldtest.New(t, cfg)
				c := w.Client()
				is.NoErr(onlyErr(c.Put(t.Context(), doc("before.md", "text")))) // it has seen that attributes are kept
				began := time.Now()
				for key, err := range putAll(t.Context(), c, numbered(n)...) {
					if err != nil {
						t.Error(key, err)
					}
				}
				polls := append(w.Times(batchAttach), w.Times(singleAttach)...)
				polls = append(polls, w.Times(batchStatus)...)
				if n == 1 {
					polls = append(polls, w.Times(singleLook)...)
				}
				polls = slices.DeleteFunc(polls, began.After)
				is.True(len(polls) >= 4)
				for i, at := range polls[1:] {
					is.True(at.Sub(polls[i]) >= cfg.PollAfter)
				}
			})
		})
	}
}

// Whatever the API says of a batch as a whole, each file has a result of its own.
func TestNoResultIsLostWhenTheBatchCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	always := -1
	for nth, row := range []struct {
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
		if race.Enabled && nth%3 != 0 {
			continue // package index, alone, goes through all of them
		}
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is, n := is.New(t), race.Pick(300, 100)
				cfg := slow
				cfg.IndexTime = 2 * time.Second
				cfg.IndexRules = []openaitest.IndexRule{{Name: "d-0050.md", Code: "unsupported_file", Message: "No."}}
				row.change(&cfg)
				w := worldtest.New(t, cfg)
				failed := 0
				for _, r := range w.Client().Apply(t.Context(), many("d", n), nil) {
					if r.Key == "d-0050.md" {
						is.True(errors.Is(r.Err, vsclient.ErrIndexing))
						failed++
					} else {
						is.NoErr(r.Err)
					}
				}
				is.Equal(failed, 1)
				is.Equal(len(w.Searchable()), n-1)
				counts := w.Server.Counts()
				looks := counts[batchStatus] + counts[batchListing] + counts[singleLook]
				is.True(looks <= 2*n) // two a file at the very worst, and not one a second
			})
		})
	}
}

func TestRemovalsRunSideBySideWithinTheSameBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client(func(cfg *vsclient.Config) { cfg.Concurrency = 7 })
		for _, r := range c.Apply(t.Context(), many("d", 70), nil) {
			is.NoErr(r.Err)
		}
		changes := many("d", 70)
		for i, ch := range changes {
			changes[i] = vsclient.Delete(ch.Key())
		}
		began := time.Now()
		for _, r := range c.Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Deleted)
		}
		is.Equal(time.Since(began), 10*2*slow.Latency)
		is.Equal(w.MostAtOnce(http.MethodPost, "/files"), 7)
		is.Equal(w.MostAtOnce(http.MethodDelete, "/files/"), 7)
		is.Equal(len(w.Server.Snapshot().Files), 0)
	})
}

// To repeat it would have the files indexed anew, out of searches meanwhile.
func TestAnAttachWhoseReplyWasLostIsNotRepeatedWhenItWasCarriedOut(t *testing.T) {
	for name, n := range map[string]int{"one file": 1, "a batch": 30} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, Quirks: openaitest.Quirks{ReattachReindexes: true}})
				w.Server.Inject(openaitest.Fault{Method: http.MethodPost, Path: "/vector_stores/*/*", Kind: openaitest.FaultHang, AfterEffect: true})
				for _, r := range w.Client().Apply(t.Context(), many("doc", n), nil) {
					is.NoErr(r.Err)
				}
				counts := w.Server.Counts()
				is.Equal(counts[singleAttach]+counts[batchAttach], 1)
				is.Equal(len(w.Server.History(w.Store)), n) // each was searchable once, and is
			})
		})
	}
}

// A server may have no route for batches, fail at it, or take a batch and attach
// nothing. Its documents are attached singly, side by side, and it is asked once.
func TestAServerThatTakesNoBatchesIsWrittenToWithSingleAttaches(t *testing.T) {
	for _, quirk := range []openaitest.BatchesNotTaken{openaitest.BatchesNotFound, openaitest.BatchesFail, openaitest.BatchesEmpty} {
		t.Run(string(quirk), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.Quirks.BatchesNotTaken = quirk
				w := worldtest.New(t, cfg)
				c := w.Client()
				for _, r := range c.Apply(t.Context(), many("d", 40), nil) {
					is.NoErr(r.Err)
				}
				is.Equal(len(w.Searchable()), 40)
				is.Equal(w.Files(), 40)
				asked := w.Server.Counts()[batchAttach]
				is.True(asked > 0)
				began := time.Now()
				for _, r := range c.Apply(t.Context(), many("e", 40), nil) {
					is.NoErr(r.Err)
				}
				is.Equal(w.Server.Counts()[batchAttach], asked) // it remembers
				is.True(time.Since(began) < 20*slow.IndexTime)
				is.True(w.MostAtOnce(http.MethodPost, "/vector_stores/") > 10)
			})
		})
	}
}

// A batch that was accepted has lost a File. The server answers the File's own attach with
// 503, and carries it out after the put has failed.
func TestAnAttachThatWasAcceptedAndLostGoesForwardWhenItsRepetitionIsCarriedOutLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "old"))))
		time.Sleep(time.Hour)
		w.Strike(http.MethodPost, pathAttach, openaitest.Fault{Kind: openaitest.FaultStatus, Status: 503, Times: -1, EffectAfter: seconds(600)})
		var once sync.Once
		w.Server.OnRequest(func(_ int, r *http.Request) {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/file_batches/") {
				return
			}
			once.Do(func() {
				for _, f := range w.Server.Snapshot().Store(w.Store).Files {
					if string(w.Server.Content(f.FileID)) == "new" {
						w.Server.DetachStoreFile(w.Store, f.FileID)
					}
				}
			})
		})
		r := c.Apply(t.Context(), []vsclient.Change{put("a.md", "new"), put("b.md", "text")}, nil)
		is.Equal(vsclient.ClassOf(r[0].Err), vsclient.Transient)
		is.NoErr(r[1].Err)
		w.Expect(map[string]string{"a.md": "old", "b.md": "text"})
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "new", "b.md": "text"})
	})
}
