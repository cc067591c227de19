package index_test

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

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/index"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

const (
	batches = "/vector_stores/*/file_batches"
	singles = "/vector_stores/*/files"
	looks   = "/vector_stores/*/files/*"
)

func TestConcurrentFilesShareOneAttachRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow)
		w.wantSearchable(w.all(60))
		c := w.counts()
		is.Equal(c[batchAttach], 1)
		is.Equal(c[singleAttach], 0)
		is.True(c[batchStatus]+c[batchListing]+c[singleLook] <= 6) // nor does each ask for itself
	})
}

func TestAnIdleIndexerAttachesASingleFileAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow)
		began := time.Now()
		w.wantSearchable(w.all(1))
		is.Equal(w.counts()[batchAttach], 0)
		is.True(w.times(singleAttach)[0].Sub(began) < time.Millisecond)
	})
}

func TestAFileWaitsASecondForThoseThatAreAnnounced(t *testing.T) {
	for name, row := range map[string]struct {
		comes time.Duration // 0: never
		want  time.Duration
	}{
		"it comes":            {300 * time.Millisecond, 300 * time.Millisecond},
		"it comes later":      {5 * time.Second, time.Second},
		"it is given up soon": {0, 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				began := time.Now()
				arrived := w.Expect()
				time.AfterFunc(200*time.Millisecond, func() {
					if row.comes == 0 {
						arrived()
					}
				})
				var other sync.WaitGroup
				if row.comes > 0 {
					other.Go(func() {
						time.Sleep(row.comes)
						w.wantSearchable([]result{w.index(t.Context(), "late.md", w.file("late.md"))})
					})
					time.AfterFunc(row.comes, arrived)
				}
				w.wantSearchable(w.all(1))
				other.Wait()
				at := append(w.times(singleAttach), w.times(batchAttach)...)
				is.Equal(at[0].Sub(began).Truncate(time.Millisecond), row.want)
			})
		})
	}
}

func TestAFileIsSentWithThatWhichItsCallersNextUploadAnnouncesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow)
		first := w.Expect()
		var calls sync.WaitGroup
		calls.Go(func() { w.wantSearchable([]result{w.index(t.Context(), "first.md", w.file("first.md"))}) })
		synctest.Wait()
		first()
		second := w.Expect()
		calls.Go(func() {
			time.Sleep(200 * time.Millisecond)
			defer second()
			w.wantSearchable([]result{w.index(t.Context(), "second.md", w.file("second.md"))})
		})
		calls.Wait()
		is.Equal(w.counts()[batchAttach], 1)
		is.Equal(w.counts()[singleAttach], 0)
	})
}

func TestAFullBatchWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow, func(c *index.Config) { c.BatchSize = 10 })
		defer w.Expect()()
		began := time.Now()
		w.wantSearchable(w.all(30))
		at := w.times(batchAttach)
		is.Equal(len(at), 3)
		for _, at := range at {
			is.True(at.Sub(began) < time.Millisecond)
		}
	})
}

func TestAServerThatTakesSmallerBatchesIsSentSmallerOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.Quirks.BatchMax = 30
		w := newRig(t, cfg)
		w.wantSearchable(w.all(300))
		refused := 0
		for _, r := range w.srv.Requests() {
			if r.Status == http.StatusBadRequest {
				refused++
			}
		}
		is.True(refused <= 9) // three batches are on their way when the first is refused
		before := w.counts()[batchAttach]
		w.wantSearchable(w.all(100))
		is.Equal(w.counts()[batchAttach]-before, 4) // of 25
	})
}

// One File of a batch is gone by the time that it is to be attached. Whatever OpenAI
// makes of that, the others go through and the one is named.
func TestAFileThatSpoilsItsBatchFailsAlone(t *testing.T) {
	for _, quirk := range []openaitest.BadFileInBatch{openaitest.BadFileRefusesBatch, openaitest.BadFileFails, openaitest.BadFileSkipped} {
		for _, answer := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/400=%v", quirk, answer), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					cfg := slow
					cfg.Quirks.BadFileInBatch, cfg.Quirks.UnknownFile400 = quirk, answer
					w := newRig(t, cfg)
					var (
						bad   result
						calls sync.WaitGroup
					)
					calls.Go(func() { bad = w.index(t.Context(), "bad.md", "file-none") })
					w.wantSearchable(w.all(30))
					calls.Wait()
					is.True(errors.Is(bad.err, fail.NotFound))
					is.True(!index.Passing(bad.err))
					if bad.accepted == 0 {
						is.Equal(bad.fate, index.NotAttached)
					} else {
						is.Equal(bad.fate, index.Failed) // its batch had been accepted
					}
					is.True(w.counts()[batchAttach] <= 7) // it was not sought by trial alone
					is.Equal(w.log.String(), "")
				})
			})
		}
	}
}

func TestAFileWithAnUnsupportedExtensionDoesNotHoldUpItsBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow)
		results := w.each(t.Context(), append(numbered(20), "bad.png")...)
		w.wantSearchable(results[:20])
		is.Equal(results[20].fate, index.NotAttached)
		is.True(errors.Is(results[20].err, fail.UnsupportedType))
	})
}

func TestAFileThatTheStoreDoesNotKnowYetIsAttachedALittleLater(t *testing.T) {
	for _, n := range []int{1, 40} {
		for _, quirk := range []openaitest.BadFileInBatch{openaitest.BadFileRefusesBatch, openaitest.BadFileFails, openaitest.BadFileSkipped} {
			t.Run(fmt.Sprintf("%d/%s", n, quirk), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					cfg := slow
					cfg.FreshFileWindow, cfg.Quirks.BadFileInBatch = 3*time.Second, quirk
					w := newRig(t, cfg)
					w.wantSearchable(w.all(n))
					is.Equal(w.log.String(), "")
				})
			})
		}
	}
}

func TestAFileThatCannotBeIndexedFailsAloneWithOpenAIsReason(t *testing.T) {
	for code, passing := range map[string]bool{"invalid_file": false, "unsupported_file": false, "server_error": true} {
		for _, n := range []int{0, 149} {
			t.Run(fmt.Sprint(code, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					cfg := slow
					cfg.IndexRules = []openaitest.IndexRule{{Name: "bad.md", Code: code, Message: "Because."}}
					w := newRig(t, cfg)
					results := w.each(t.Context(), append(numbered(n), "bad.md")...)
					w.wantSearchable(results[:n])
					bad := results[n]
					is.Equal(bad.fate, index.Failed)
					is.Equal(bad.accepted, 1)
					is.True(errors.Is(bad.err, fail.Indexing))
					is.True(strings.Contains(bad.err.Error(), "Because."))
					is.Equal(index.Passing(bad.err), passing)
					is.Equal(w.attaches()[bad.id], 1) // another attach of the same File is nobody's cure
				})
			})
		}
	}
}

func TestAFileThatIsStuckIsGivenUpAfterItsTimeAndHoldsUpNobody(t *testing.T) {
	for _, n := range []int{0, 60} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.IndexRules = []openaitest.IndexRule{{Name: "stuck.md", Stuck: true}}
				w := newRig(t, cfg)
				began := time.Now()
				var calls sync.WaitGroup
				calls.Go(func() {
					r := w.index(t.Context(), "stuck.md", w.file("stuck.md"))
					is.Equal(r.fate, index.Accepted)
					is.True(errors.Is(r.err, fail.Timeout))
					is.True(!index.Passing(r.err))
					is.Equal(w.attaches()[r.id], 1)
					is.True(time.Since(began) < 10*time.Minute+time.Second)
				})
				w.wantSearchable(w.all(n))
				is.True(time.Since(began) < 10*time.Second)
				calls.Wait()
				c := w.counts()
				is.True(c[singleLook]+c[batchStatus]+c[batchListing] < 300) // ten minutes are not asked through every second
				before := w.srv.RequestCount()
				time.Sleep(time.Hour)
				is.Equal(w.srv.RequestCount(), before) // nobody waits any more
			})
		})
	}
}

// lost are the ways in which an attach has no reply of the server's own.
var lost = []openaitest.Fault{
	{Kind: openaitest.FaultHang},
	{Kind: openaitest.FaultCut},
	{Kind: openaitest.FaultStatus, Status: 502},
	{Kind: openaitest.FaultStatus, Status: 504},
	{Kind: openaitest.FaultStatus, Status: 524},
}

// ended are the ways in which an attach fails and the server works on it no longer.
var ended = []openaitest.Fault{
	{Kind: openaitest.FaultCutReply, AfterEffect: true},
	{Kind: openaitest.FaultStatus, Status: 500},
	{Kind: openaitest.FaultStatus, Status: 503},
	{Kind: openaitest.FaultStatus, Body: text("{}"), Status: 200},
}

func TestAnAttachThatHasFailedIsRepeatedOnlyWhenItHadNoEffect(t *testing.T) {
	for _, kind := range append(ended, lost...) {
		for _, effect := range []bool{false, true} {
			for _, n := range []int{1, 30} {
				fault := kind
				fault.Method, fault.Path = "POST", "/vector_stores/*/*"
				fault.AfterEffect = fault.AfterEffect || effect
				if n == 1 && !fault.AfterEffect && slices.Contains(lost, kind) {
					continue // TestAFileWhoseAttachHadNoReplyIsNotAttachedAgain
				}
				t.Run(fmt.Sprint(fault, n), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						is := is.New(t)
						cfg := slow
						cfg.Quirks.ReattachReindexes = true
						w := newRig(t, cfg)
						w.srv.Inject(fault)
						w.wantSearchable(w.all(n))
						want := 2
						if fault.AfterEffect {
							want = 1
						}
						is.Equal(w.counts()[singleAttach]+w.counts()[batchAttach], want)
						is.Equal(len(w.srv.History(w.store)), n) // each became searchable once
						is.Equal(w.log.String(), "")
					})
				})
			}
		}
	}
}

// Two attaches of one File side by side break a store of OGX for good.
func TestAFileWhoseAttachHadNoReplyIsNotAttachedAgain(t *testing.T) {
	for _, fault := range lost {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				fault := fault
				fault.Method, fault.Path = "POST", singles
				w.srv.Inject(fault)
				r := w.all(1)[0]
				is.Equal(r.fate, index.Uncertain)
				is.True(index.Passing(r.err)) // a fresh upload is the cure
				is.Equal(w.counts()[singleAttach], 1)
			})
		})
	}
}

func TestAFileWhoseAttachHadNoReplyIsSeenWhenItShowsALittleLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.NotFoundWindow = 3 * time.Second
		w := newRig(t, cfg)
		w.srv.Inject(openaitest.Fault{Method: "POST", Path: singles, Kind: openaitest.FaultCut, AfterEffect: true})
		w.wantSearchable(w.all(1))
		is.Equal(w.counts()[singleAttach], 1)
	})
}

func TestAnAttachIsNotRepeatedAsLongAsNoLookHasShownWhetherItHadAnEffect(t *testing.T) {
	for _, n := range []int{1, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				w.srv.Inject(
					openaitest.Fault{Method: "POST", Path: "/vector_stores/*/*", Kind: openaitest.FaultCut, AfterEffect: true},
					always("GET", looks, 503))
				time.AfterFunc(time.Minute, w.srv.ClearFaults)
				w.wantSearchable(w.all(n))
				is.Equal(w.counts()[singleAttach]+w.counts()[batchAttach], 1)
			})
		})
	}
}

func TestAnAttachIsNotRepeatedInAnyFormWhenNoLookShowsWhetherItHadAnEffect(t *testing.T) {
	for _, n := range []int{1, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				w.srv.Inject(openaitest.Fault{Method: "POST", Path: "/vector_stores/*/*", Kind: openaitest.FaultCut}, always("GET", looks, 503))
				for _, r := range w.all(n) {
					is.Equal(r.fate, index.Uncertain)
				}
				is.Equal(w.counts()[singleAttach]+w.counts()[batchAttach], 1)
			})
		})
	}
}

func TestTheLastAttemptWhoseReplyWasLostIsLookedFor(t *testing.T) {
	for _, n := range []int{1, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				w.srv.Inject(always("POST", "/vector_stores/*/*", 503))
				for _, r := range w.all(n) {
					is.Equal(r.fate, index.Uncertain)
				}
				w.srv.ClearFaults() // so soon after an outage a request is tried once
				w.srv.Inject(openaitest.Fault{Method: "POST", Path: "/vector_stores/*/*", Kind: openaitest.FaultCut, AfterEffect: true})
				w.wantSearchable(w.all(n))
			})
		})
	}
}

// A batch that fails has attached some of its Files all the same.
func TestAFileThatABatchHasAttachedIsNotAttachedAgainAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow)
		w.srv.Inject(always("POST", batches, 500))
		id := w.file("first.md")
		w.srv.OnRequest(func(_ int, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/file_batches") {
				w.srv.AddStoreFile(w.store, id, map[string]any{"name": "first.md"})
			}
		})
		arrived := w.Expect()
		var calls sync.WaitGroup
		calls.Go(func() { is.Equal(w.index(t.Context(), "first.md", id).fate, index.Searchable) })
		synctest.Wait()
		calls.Go(func() { w.wantSearchable(w.all(20)) })
		synctest.Wait()
		arrived()
		calls.Wait()
		is.Equal(w.counts()[singleAttach], 20)
	})
}

// Some Files of a batch whose reply was lost are in the store, and others are not.
func TestAFileThatIsMissingFromABatchWhoseReplyWasLostIsAttachedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow)
		w.srv.Inject(openaitest.Fault{Method: "POST", Path: batches, Kind: openaitest.FaultCut, AfterEffect: true})
		id := w.file("first.md")
		arrived := w.Expect()
		var calls sync.WaitGroup
		calls.Go(func() { is.Equal(w.index(t.Context(), "first.md", id).fate, index.Searchable) })
		synctest.Wait()
		calls.Go(func() { w.wantSearchable(w.all(20)) })
		synctest.Wait()
		time.AfterFunc(200*time.Millisecond, func() { w.srv.DetachStoreFile(w.store, id) })
		arrived()
		calls.Wait()
		is.Equal(w.counts()[singleAttach], 1)
	})
}

func TestWhenTheServiceStaysDownTheFateIsUncertain(t *testing.T) {
	for _, n := range []int{1, 30} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				w.srv.Inject(always("", "", 503))
				for _, r := range w.all(n) {
					is.Equal(r.fate, index.Uncertain)
					is.Equal(r.accepted, 0)
					is.True(errors.Is(r.err, fail.Unavailable))
				}
				is.True(w.srv.RequestCount() < 150) // and it is not asked for each File
			})
		})
	}
}

func TestAnAttachThatWasSurelyRefusedLeavesNothing(t *testing.T) {
	for status, kind := range map[int]error{
		http.StatusUnauthorized: fail.Unauthorized, http.StatusTooManyRequests: fail.RateLimited, http.StatusUnprocessableEntity: fail.Rejected,
	} {
		for _, n := range []int{1, 20} {
			t.Run(fmt.Sprint(status, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := newRig(t, slow)
					w.srv.Inject(always("POST", "/vector_stores/*/*", status))
					for _, r := range w.all(n) {
						is.Equal(r.fate, index.NotAttached)
						is.Equal(r.accepted, 0)
						is.True(errors.Is(r.err, kind))
					}
					is.Equal(w.counts()[singleLook], 0)
				})
			})
		}
	}
}

func TestAFailureThatNeedsAPersonEndsTheWait(t *testing.T) {
	for status, kind := range map[int]error{http.StatusUnauthorized: fail.Unauthorized, http.StatusPaymentRequired: fail.Quota, http.StatusMethodNotAllowed: fail.Incompatible} {
		for _, n := range []int{1, 30} {
			t.Run(fmt.Sprint(status, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := newRig(t, openaitest.Config{IndexTime: time.Hour})
					w.srv.Inject(always("GET", "", status))
					began := time.Now()
					for _, r := range w.all(n) {
						is.Equal(r.fate, index.Accepted)
						is.True(errors.Is(r.err, kind))
					}
					is.True(time.Since(began) < time.Minute) // of the clock that is not real
				})
			})
		}
	}
}

func TestAStoreThatIsGoneIsSeenOnce(t *testing.T) {
	for _, n := range []int{1, 50} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, w.srv.URL()+"/vector_stores/"+w.store, nil)
				is.NoErr(err)
				req.Header.Set("Authorization", "Bearer sk-other")
				resp, err := w.srv.Client().Do(req)
				is.NoErr(err)
				resp.Body.Close()
				before := w.srv.RequestCount()
				for _, r := range w.all(n) {
					is.Equal(r.fate, index.NotAttached)
					is.True(errors.Is(r.err, fail.StoreGone))
				}
				is.True(w.srv.RequestCount()-before <= 4) // the attach, and looks whether it speaks of the store
			})
		})
	}
}

// tookNothing is a batch that has ended without a file.
const tookNothing = `{"id":"vsfb_1","object":"vector_store.file_batch","status":"completed","file_counts":{"in_progress":0,"completed":0,"failed":0,"cancelled":0,"total":0}}`

func TestAServerThatTakesNoBatchesIsWrittenToSideBySide(t *testing.T) {
	route := always("POST", batches, 404)
	route.Body = text("Cannot POST /v1/vector_stores/vs_1/file_batches")
	for _, row := range []struct {
		sentence string
		fault    openaitest.Fault // Kind "": the reply says that it took nothing
		stays    bool             // the failure could be an outage
	}{
		{"there is no such endpoint", always("POST", batches, 404), false},
		{"there is no such route", route, false},
		{"the method is not allowed", always("POST", batches, 405), false},
		{"it is not implemented", always("POST", batches, 501), false},
		{"it always fails", always("POST", batches, 500), true},
		{"it always breaks off", openaitest.Fault{Method: "POST", Path: batches, Times: -1, Kind: openaitest.FaultCut}, true},
		{"it takes nothing", openaitest.Fault{}, false},
		{"it does not know the field", always("POST", batches, 422), false},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				if row.fault.Kind != "" {
					w.srv.Inject(row.fault)
				} else {
					w.answers = map[string]string{"POST /file_batches": tookNothing}
				}
				w.wantSearchable(w.all(20))
				tries := w.times(batchAttach)
				is.True(time.Since(tries[len(tries)-1]) < 2*time.Second) // from the finding on
				if row.stays {
					is.True(tries[len(tries)-1].Sub(tries[0]) < 20*time.Second)
				} else {
					is.True(time.Since(tries[0]) < 3*time.Second)
				}
				is.True(strings.Contains(w.log.String(), "takes no batches"))

				began := time.Now()
				w.wantSearchable(w.all(100)) // the finding is remembered
				is.Equal(len(w.times(batchAttach)), len(tries))
				is.True(time.Since(began) < 2*time.Second)
				is.Equal(w.counts()[singleAttach], 120)
				is.Equal(strings.Count(w.log.String(), "\n"), 1)

				w.srv.ClearFaults() // a server that has learnt it is offered batches again
				w.answers = nil
				time.Sleep(2 * time.Hour)
				w.wantSearchable(w.all(100))
				is.Equal(len(w.times(batchAttach)), len(tries)+1)
			})
		})
	}
}

func TestSingleAttachesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 32
		w := newRig(t, slow)
		w.srv.Inject(always("POST", batches, 404))
		w.wantSearchable(w.all(200))
		at := w.times(singleAttach)
		is.New(t).Equal(len(at), 200)
		for i := range at[most:] {
			if at[i+most].Sub(at[i]) < slow.Latency { // a reply takes that long
				t.Fatalf("more than %d attaches at once", most)
			}
		}
	})
}

// A batch that is accepted and takes nothing shows that only when it has ended.
func TestABatchThatTakesNothingAfterItWasAcceptedIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow)
		w.answers = map[string]string{
			"POST /file_batches":       `{"id":"vsfb_1","status":"in_progress","file_counts":{}}`,
			"GET /file_batches/vsfb_1": tookNothing,
		}
		w.wantSearchable(w.all(20))
		w.wantSearchable(w.all(20))
		is.Equal(len(w.times(batchAttach)), 1)
		is.Equal(w.counts()[singleAttach], 40)
	})
}

func TestAShortOutageOfBatchesIsNotTakenForAServerWithoutThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow)
		w.srv.Inject(always("", "", 503))
		time.AfterFunc(2*time.Minute, w.srv.ClearFaults)
		w.wantSearchable(w.all(20))
		is.Equal(w.log.String(), "")
	})
}

// Whatever the API says of a batch as a whole, each File gets its own verdict.
func TestNoVerdictIsLostWhenTheBatchCannotBeAskedFor(t *testing.T) {
	lag := openaitest.Lag{Attach: 2 * time.Minute, Detach: 2 * time.Minute, Update: 2 * time.Minute}
	for _, row := range []struct {
		sentence string
		change   func(*openaitest.Config)
	}{
		{"it answers with its store", func(cfg *openaitest.Config) { cfg.Quirks.BatchGetReturnsStore = true }},
		{"it is unknown, with a 500", func(cfg *openaitest.Config) { cfg.Faults = []openaitest.Fault{always("GET", batches+"/*", 500)} }},
		{"it is unknown, with a 404", func(cfg *openaitest.Config) { cfg.Faults = []openaitest.Fault{always("GET", batches+"/**", 404)} }},
		{"neither it nor its listing is", func(cfg *openaitest.Config) { cfg.Faults = []openaitest.Fault{always("GET", batches+"/**", 500)} }},
		{"listings lag by two minutes", func(cfg *openaitest.Config) { cfg.ListLag = lag }},
		{"Files are denied for a while after their attach", func(cfg *openaitest.Config) { cfg.NotFoundWindow = 20 * time.Second }},
		{"listings lag and Files are denied", func(cfg *openaitest.Config) { cfg.NotFoundWindow, cfg.ListLag = 20*time.Second, lag }},
		{"pages are short", func(cfg *openaitest.Config) { cfg.Quirks.FilterAfterPage = true }},
		{"Files of one second are listed in any order", func(cfg *openaitest.Config) { cfg.Quirks.ShuffledTies = true }},
	} {
		for _, n := range []int{1, 300} {
			t.Run(fmt.Sprint(row.sentence, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					cfg := slow
					cfg.IndexTime = 2 * time.Second
					cfg.IndexRules = []openaitest.IndexRule{{Name: "d-0150.md", Code: "unsupported_file", Message: "No."}}
					row.change(&cfg)
					w := newRig(t, cfg)
					results := w.all(n)
					if n > 150 {
						is.Equal(results[150].fate, index.Failed)
						results = append(results[:150], results[151:]...)
					}
					w.wantSearchable(results)
					c := w.counts()
					looks := c[batchStatus] + c[batchListing] + c[singleLook]
					t.Logf("%d requests to wait for %d files", looks, n)
					is.True(looks <= 2*n+20) // one a File and a few at the very worst, and not one a second
				})
			})
		}
	}
}

func TestALookThatHangsOrFailsCostsNoVerdict(t *testing.T) {
	for _, kind := range []openaitest.FaultKind{openaitest.FaultHang, openaitest.FaultCut, openaitest.FaultCutReply, openaitest.FaultStatus} {
		for _, n := range []int{1, 30} {
			t.Run(fmt.Sprint(kind, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newRig(t, slow)
					w.srv.Inject(openaitest.Fault{Method: "GET", Path: "/vector_stores/**", Times: 3, Kind: kind})
					w.wantSearchable(w.all(n))
				})
			})
		}
	}
}

func TestThePollIntervalThatTheServerAsksForIsKept(t *testing.T) {
	for name, n := range map[string]int{"a single file": 1, "a batch": 50} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.IndexTime, cfg.PollAfter = 15*time.Second, 4*time.Second
				w := newRig(t, cfg)
				w.wantSearchable(w.all(n))
				polls := append(append(w.times(batchAttach), w.times(singleAttach)...), w.times(batchStatus)...)
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

// A caller that gives up is answered at once, and told whether its File may be attached.
func TestACallerThatGivesUpIsAnsweredAtOnceAndTakesNoneOfItsBatchAlong(t *testing.T) {
	hang := openaitest.Fault{Method: "POST", Path: "/vector_stores/*/*", Kind: openaitest.FaultHang}
	lost := hang
	lost.AfterEffect = true
	limited := openaitest.Fault{Method: "POST", Path: "/vector_stores/*/*", Kind: openaitest.FaultStatus, Status: 429, RetryAfter: openaitest.Duration(30 * time.Second)}
	for _, row := range []struct {
		sentence string
		after    time.Duration
		fault    openaitest.Fault
		want     index.Fate
		attached bool
	}{
		{sentence: "while it waits for others", after: 500 * time.Millisecond, want: index.NotAttached},
		{sentence: "while it is sent", after: 1010 * time.Millisecond, want: index.Uncertain, attached: true},
		{sentence: "while the reply comes", after: 1040 * time.Millisecond, want: index.Uncertain, attached: true},
		{sentence: "while it is indexed", after: 1400 * time.Millisecond, want: index.Accepted, attached: true},
		{sentence: "while the request hangs", after: 10 * time.Second, fault: hang, want: index.Uncertain},
		{sentence: "while the reply hangs", after: 10 * time.Second, fault: lost, want: index.Uncertain, attached: true},
		{sentence: "after the reply was lost", after: 61200 * time.Millisecond, fault: hang, want: index.Uncertain},
		{sentence: "while the server wants no requests", after: 10 * time.Second, fault: limited, want: index.NotAttached},
	} {
		for _, n := range []int{0, 20} {
			t.Run(fmt.Sprint(row.sentence, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := newRig(t, slow)
					if row.fault.Kind != "" {
						w.srv.Inject(row.fault)
					}
					later := w.Expect() // holds the first request up for a second
					time.AfterFunc(10*time.Second, later)
					ctx, cancel := context.WithTimeout(t.Context(), row.after)
					defer cancel()
					began := time.Now()
					var calls sync.WaitGroup
					calls.Go(func() {
						r := w.index(ctx, "given-up.md", w.file("given-up.md"))
						is.Equal(time.Since(began), row.after)
						is.True(errors.Is(r.err, context.DeadlineExceeded))
						is.Equal(r.fate, row.want)
						is.Equal(r.accepted == 1, row.want == index.Accepted)
						time.Sleep(time.Hour)
						if n > 0 || row.want != index.Uncertain { // alone, its request ends with it, and may or may not have an effect
							is.Equal(w.attaches()[r.id] == 1, row.attached) // nothing attaches it for nobody
						}
					})
					w.wantSearchable(w.all(n))
					calls.Wait()
				})
			})
		}
	}
}

// A server without batches is seen by the attach of one File, whichever it is. Its caller
// gives up in the middle of that.
func TestACallerThatGivesUpWhileItsFileIsTriedAloneTakesNoneOfItsBatchAlong(t *testing.T) {
	for name, fault := range map[string]openaitest.Fault{
		"there is no such endpoint": always("POST", batches, 404),
		"it always fails":           always("POST", batches, 500),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newRig(t, slow)
				w.srv.Inject(fault)
				ctx, giveUp := context.WithCancel(t.Context())
				defer giveUp()
				var alone atomic.Int64
				w.srv.OnRequest(func(_ int, r *http.Request) {
					if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/files") && alone.Add(1) == 1 {
						giveUp()
					}
				})
				later := w.Expect()
				var calls sync.WaitGroup
				calls.Go(func() { w.wantSearchable(w.all(20)) })
				calls.Go(func() {
					time.Sleep(10 * time.Millisecond) // the last of the batch is the one that is tried
					if r := w.index(ctx, "given-up.md", w.file("given-up.md")); !errors.Is(r.err, context.Canceled) {
						t.Errorf("%v, %v; it was not tried alone", r.fate, r.err)
					}
				})
				time.Sleep(20 * time.Millisecond)
				later()
				calls.Wait()
			})
		})
	}
}

func TestAFileWhoseCallerGivesUpBeforeItsTurnIsNeverSent(t *testing.T) {
	requests, files := unlimited, unlimited
	requests.AttachRequestsPerMinute, files.AttachedFilesPerMinute = 1, 1
	for name, limits := range map[string]pace.Limits{"requests": requests, "files": files} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newPacedRig(t, slow, limits)
				w.wantSearchable(w.all(1))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				began := time.Now()
				r := w.index(ctx, "given-up.md", w.file("given-up.md"))
				is.Equal(time.Since(began), 10*time.Second)
				is.Equal(r.fate, index.NotAttached)
				w.wantSearchable(w.all(1))
				time.Sleep(time.Hour)
				is.Equal(w.attaches()[r.id], 0)
			})
		})
	}
}

func TestFilesThatBecomeReadyWhileARequestWaitsForItsPaceGoWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		limits := unlimited
		limits.AttachRequestsPerMinute = 1
		w := newPacedRig(t, slow, limits)
		w.wantSearchable(w.all(1))
		results := make([]result, 30)
		var calls sync.WaitGroup
		for i := range results {
			calls.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				name := fmt.Sprint(i, ".md")
				results[i] = w.index(t.Context(), name, w.file(name))
			})
		}
		calls.Wait()
		w.wantSearchable(results)
		is.Equal(w.counts()[batchAttach], 1)
	})
}

// The batch that was offered again after one File was accepted alone is refused.
func TestAFileThatWasTriedAloneIsNotAttachedAgainWithItsBatch(t *testing.T) {
	for _, n := range []int{2, 3, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				w.srv.Inject(always("POST", batches, 500))
				w.srv.OnRequest(func(_ int, r *http.Request) {
					if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/files") {
						w.srv.ClearFaults()
						w.srv.Inject(openaitest.Fault{Method: "POST", Path: batches, Kind: openaitest.FaultStatus, Status: 400})
					}
				})
				w.wantSearchable(w.all(n))
				is.True(w.counts()[singleAttach] >= 1)
			})
		})
	}
}

func TestAStoreThatHasExpiredIsNoFilesFault(t *testing.T) {
	for _, n := range []int{1, 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, slow)
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL()+"/vector_stores/"+w.store,
					strings.NewReader(`{"expires_after":{"anchor":"last_active_at","days":1}}`))
				is.NoErr(err)
				req.Header.Set("Authorization", "Bearer sk-other")
				req.Header.Set("Content-Type", "application/json")
				resp, err := w.srv.Client().Do(req)
				is.NoErr(err)
				resp.Body.Close()
				is.Equal(resp.StatusCode, http.StatusOK)
				w.srv.Advance(48 * time.Hour)
				before := w.srv.RequestCount()
				for _, r := range w.all(n) {
					is.Equal(r.fate, index.NotAttached)
					is.True(errors.Is(r.err, fail.StoreGone))
					is.True(strings.Contains(r.err.Error(), "expired"))
				}
				is.True(w.srv.RequestCount()-before <= 2)
			})
		})
	}
}

func TestABatchOfManyPagesIsReadWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, slow, func(c *index.Config) { c.BatchSize = 2000 })
		w.wantSearchable(w.all(650))
		c := w.counts()
		is.Equal(c[batchAttach], 1)
		is.True(c[batchListing] <= 8)
		is.Equal(c[singleLook], 0)
	})
}

func TestACloseEndsEveryCallAndEveryGoroutine(t *testing.T) {
	hang := openaitest.Fault{Times: -1, Kind: openaitest.FaultHang}
	for _, row := range []struct {
		sentence string
		after    time.Duration
		faults   []openaitest.Fault
		want     index.Fate
	}{
		{"while Files wait for others", 500 * time.Millisecond, nil, index.NotAttached},
		{"while they are sent", 1010 * time.Millisecond, nil, index.Uncertain},
		{"while they are indexed", 1400 * time.Millisecond, nil, index.Accepted},
		{"while everything hangs", time.Minute, []openaitest.Fault{hang}, index.Uncertain},
		{"while everything fails", time.Minute, []openaitest.Fault{always("", "", 500)}, index.Uncertain},
	} {
		for _, n := range []int{1, 20} {
			t.Run(fmt.Sprint(row.sentence, n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := newRig(t, slow)
					w.srv.Inject(row.faults...)
					w.Expect()
					began := time.Now()
					time.AfterFunc(row.after, func() { w.life(fail.Closed) })
					for _, r := range w.all(n) {
						is.Equal(r.fate, row.want)
						is.True(errors.Is(r.err, fail.Closed))
					}
					w.work.Wait()
					is.Equal(time.Since(began), row.after)
					r := w.index(t.Context(), "after.md", w.file("after.md"))
					is.Equal(r.fate, index.NotAttached)
					is.True(errors.Is(r.err, fail.Closed))
				})
			})
		}
	}
}

// Another process that puts or deletes the key removes the version.
func TestAWaitEndsWhenItsFileIsDeleted(t *testing.T) {
	for _, row := range []struct {
		sentence string
		files    int
		within   time.Duration // of the deletion
	}{
		{"of a File that was attached alone at the next look", 1, 10 * time.Second},
		{"of a File of a batch once the batch should have shown it", 3, 4 * time.Minute},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newRig(t, openaitest.Config{IndexTime: 9 * time.Minute})
				var deleted time.Time
				time.AfterFunc(20*time.Second, func() {
					deleted = time.Now()
					w.remove(w.srv.Snapshot().Store(w.store).Files[0].FileID)
				})
				results := w.all(row.files)
				is.True(!deleted.IsZero())
				there := w.srv.Snapshot().Store(w.store).Files
				for _, r := range results {
					if slices.ContainsFunc(there, func(f openaitest.StoreFile) bool { return f.FileID == r.id }) {
						is.NoErr(r.err)
						continue
					}
					is.Equal(r.fate, index.Failed)
					is.True(errors.Is(r.err, fail.NotFound))
					is.True(r.ended.Sub(deleted) <= row.within)
				}
			})
		})
	}
}

// A store file that is not shown any more may only lag.
func TestAFileWhoseStoreFileIsNotShownForAWhileIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newRig(t, openaitest.Config{IndexTime: time.Minute})
		time.AfterFunc(20*time.Second, func() {
			w.srv.Inject(openaitest.Fault{Method: "GET", Path: "/vector_stores/*/files/*", Times: 5, Kind: openaitest.FaultStatus, Status: 404})
		})
		w.wantSearchable(w.all(1))
	})
}

// No reply shows the fate of the Files.
func TestAWaitEndsAlsoWhenNoReplyShowsWhetherTheAttachWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newRig(t, openaitest.Config{FreshFileWindow: time.Hour, Quirks: openaitest.Quirks{BadFileInBatch: openaitest.BadFileFails}})
		w.srv.Inject(always("GET", "/vector_stores/*/files/*", 503))
		w.srv.Inject(always("GET", batches+"/*", 503))
		w.srv.Inject(always("GET", batches+"/*/files", 503))
		for _, r := range w.all(6) {
			is.Equal(r.fate, index.Uncertain)
			is.True(errors.Is(r.err, fail.Timeout))
			is.Equal(r.accepted, 0)
		}
	})
}
