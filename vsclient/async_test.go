package vsclient_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about Config.Async and Flush.

func TestAsyncPutReturnsOnceAttachedAndFlushWaitsForTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.IndexTime = time.Minute
		w := worldtest.New(t, cfg)
		c := w.Client(async)
		began := time.Now()
		for key, err := range putAll(t.Context(), c, numbered(40)...) {
			if err != nil {
				t.Error(key, err)
			}
		}
		is.True(time.Since(began) < time.Second)
		is.Equal(len(w.Searchable()), 0)
		is.Equal(len(w.Server.Snapshot().Store(w.Store).Files), 40)
		is.NoErr(c.Flush(t.Context()))
		is.Equal(len(w.Searchable()), 40)

		// A call that comes after is in its turn, although the one before has returned.
		for i := range 3 {
			is.NoErr(onlyErr(c.Put(t.Context(), doc("d-0000.md", fmt.Sprint(i)))))
		}
		is.NoErr(onlyErr(c.Put(t.Context(), doc("d-0000.md", "the last"))))
		is.NoErr(c.Flush(t.Context()))
		is.Equal(w.Holds()["d-0000.md"], "the last")
		is.Equal(w.Files(), 40)
		w.NoGap("d-0000.md")
	})
}

func TestFlushWaitsForThePutsBeforeItAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 10 * time.Second})
		c := w.Client(async)
		stop := make(chan struct{})
		go func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
					_, _ = c.Put(t.Context(), doc(fmt.Sprintf("%d.md", i), "text"))
				}
			}
		}()
		time.Sleep(5 * time.Second)
		began := time.Now()
		is.NoErr(c.Flush(t.Context()))
		is.True(time.Since(began) < 30*time.Second)
		close(stop)
	})
}

// A program that runs for weeks may never call Flush.
func TestTheLogTellsAnAcknowledgedDocumentThatCannotBeIndexed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var log bytes.Buffer
		cfg := slow
		cfg.IndexRules = []openaitest.IndexRule{{Code: "invalid_file", Message: "The file a.md is damaged."}}
		w := worldtest.New(t, cfg)
		c := w.Client(async, func(cfg *vsclient.Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		})
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "unreadable"))))
		time.Sleep(time.Minute)
		synctest.Wait()
		is.True(strings.Contains(log.String(), "did not become searchable"))
		is.True(strings.Contains(log.String(), "The file … is damaged."))
		is.True(!strings.Contains(log.String(), "a.md"))
	})
}

// The next Flush reports an acknowledged document that failed, once.
func TestFlushReturnsAnErrorForEachAcknowledgedDocumentThatCannotBeIndexed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(slow))
		c := w.Client(async)
		for _, d := range []vsclient.Document{doc("a.md", "unreadable"), doc("b.md", "fine"), doc("c.md", "unreadable")} {
			is.NoErr(onlyErr(c.Put(t.Context(), d)))
		}
		err := c.Flush(t.Context())
		is.True(errors.Is(err, vsclient.ErrIndexing))
		is.Equal(vsclient.ClassOf(err), vsclient.BadDocument)
		for _, part := range []string{`"a.md"`, `"c.md"`, "It cannot be read."} {
			is.True(strings.Contains(err.Error(), part))
		}
		is.True(!strings.Contains(err.Error(), `"b.md"`))
		is.NoErr(c.Flush(t.Context()))
		time.Sleep(time.Minute)
		w.Expect(map[string]string{"b.md": "fine"})
		is.Equal(w.Files(), 1)
	})
}

// A GET may answer 404 for a while after the attach was accepted.
func TestGetFindsAnAcknowledgedDocumentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, NotFoundWindow: 2 * time.Second})
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		info, err := c.Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Key, "a.md")
	})
}

func TestGetSaysOfAnAcknowledgedDocumentThatIsDeniedForLongThatItCannotBeSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, NotFoundWindow: 100 * time.Second, ListLag: openaitest.Lag{Attach: 100 * time.Second}})
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		_, err := c.Get(t.Context(), "a.md")
		is.True(errors.Is(err, vsclient.ErrUnavailable))
	})
}

// The wait for an acknowledged document is as long as that of a put.
func TestADocumentThatTakesNearlyTheIndexTimeoutIsSearchable(t *testing.T) {
	for name, opts := range map[string][]func(*vsclient.Config){"put": nil, "acknowledged": {async}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexTime: 9 * time.Minute})
				c := w.Client(opts...)
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
				is.NoErr(c.Flush(t.Context()))
				w.Expect(map[string]string{"a.md": "text"})
				is.Equal(w.Files(), 1)
			})
		})
	}
}

func TestAPutThatIsToBeSearchableEndsWhenItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(slow))
		c := w.Client(async)
		put := func(key, text string) vsclient.Change { return vsclient.Put(doc(key, text)) }
		results := c.Apply(t.Context(), []vsclient.Change{
			put("a.md", "text").Searchable(), put("b.md", "unreadable").Searchable(), put("c.md", "unreadable"),
			put("d.md", "one").Searchable(), put("d.md", "two"), // merged to the last
		}, nil)
		is.Equal(w.Holds()["a.md"], "text")
		is.Equal(w.Holds()["d.md"], "two")
		is.True(errors.Is(results[1].Err, vsclient.ErrIndexing))
		is.NoErr(results[2].Err)
		is.True(!strings.Contains(c.Flush(t.Context()).Error(), "b.md")) // it was told already
	})
}

// The acknowledged version that cannot be indexed does not take the older one along.
// A listing may say completed too early.
func TestAPutThatIsToBeSearchableDoesNotRestOnAListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{
			IndexTime: 5 * time.Minute, Quirks: openaitest.Quirks{EarlyListed: true},
			IndexRules: []openaitest.IndexRule{{Name: "new.md", Code: "invalid_file"}},
		})
		c, kill := w.Process(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("new.md", "text"))))
		kill()
		c = w.Client(async)
		for _, err := range c.List(t.Context()) {
			is.NoErr(err)
		}
		time.Sleep(200 * time.Second) // the client is old enough to believe a listing
		r := c.Apply(t.Context(), []vsclient.Change{put("new.md", "text").Searchable()}, nil)
		is.True(errors.Is(r[0].Err, vsclient.ErrIndexing))
	})
}

func TestAnUpdateOfAttributesDoesNotRestOnAListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 5 * time.Minute, Quirks: openaitest.Quirks{EarlyListed: true}})
		c, kill := w.Process(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		kill()
		time.Sleep(200 * time.Second)
		c = w.Client()
		for _, err := range c.List(t.Context()) {
			is.NoErr(err)
		}
		began := time.Now()
		is.NoErr(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 1})))
		is.True(time.Since(began) > time.Minute) // it was still being indexed
	})
}

func TestTheOlderVersionStaysWhenTheAcknowledgedOneCannotBeIndexed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(slow))
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "old"))))
		is.NoErr(c.Flush(t.Context()))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "unreadable"))))
		is.True(errors.Is(c.Flush(t.Context()), vsclient.ErrIndexing))
		time.Sleep(time.Minute)
		w.Expect(map[string]string{"a.md": "old"})
		w.NoGap("a.md")
		is.Equal(w.Files(), 1)
	})
}

// Close takes nothing back that was acknowledged, and the next process finishes it.
func TestCloseTakesBackNoAcknowledgedDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Minute})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "new"))))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "first"))))
		err := c.Close()
		is.True(err != nil) // it says that two are open yet
		time.Sleep(2 * time.Minute)
		is.Equal(w.Holds()["b.md"], "first")
		is.True(strings.Contains(w.Holds()["a.md"], "new"))
		w.NoGap("a.md")
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "new"))))
		w.Expect(map[string]string{"a.md": "new", "b.md": "first"})
		is.Equal(w.Files(), 2)
	})
}

func TestShutdownWaitsForAcknowledgedDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Minute})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "new"))))
		is.NoErr(c.Shutdown(t.Context()))
		w.Expect(map[string]string{"a.md": "new"})
		is.Equal(w.Files(), 1)
	})
}

// Looks that fail prove nothing: the document is neither removed nor reported lost
// while it is searchable.
func TestAnOutageOfLooksAfterTheAcknowledgementLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Second})
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		w.Strike(http.MethodGet, "/vector_stores/**", openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: 503})
		time.Sleep(40 * time.Minute)
		w.Expect(map[string]string{"a.md": "text"})
		w.Server.ClearFaults()
		err := c.Flush(t.Context())
		if err != nil { // it may say that it did not see the end; it must not blame the document
			is.Equal(vsclient.ClassOf(err), vsclient.Transient)
		}
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "text"})
	})
}

func TestAReaderFindsAnAcknowledgedDocumentThatCannotBeSeenYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: 2 * time.Minute}})
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		var keys []string
		for i, err := range c.List(t.Context()) {
			is.NoErr(err)
			keys = append(keys, i.Key)
		}
		is.Equal(keys, []string{"a.md"})
	})
}

func TestADocumentThatIsDeletedBeforeItIsSearchableIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 20 * time.Second})
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "a"))))
		is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
		began := time.Now()
		is.NoErr(c.Flush(t.Context()))
		is.True(time.Since(began) < time.Minute)
		is.Equal(w.Files(), 0)
	})
}

func TestAFlushNamesTheKeyWhoseOlderVersionIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 2 * time.Second})
		c := w.Client(async, func(cfg *vsclient.Config) { cfg.RetryTimeout = 20 * time.Second })
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
		is.NoErr(c.Flush(t.Context()))
		w.Server.Inject(openaitest.Fault{Method: "DELETE", Times: -1, Kind: openaitest.FaultStatus, Status: 503})
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "two"))))
		var failed *vsclient.Error
		is.True(errors.As(c.Flush(t.Context()), &failed))
		is.Equal(failed.Key, "a.md")
		w.Server.ClearFaults()
	})
}

// The time after which a version is given up is the version's own, not its key's.
func TestAKeyThatChangesOftenKeepsItsLastVersion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 30 * time.Second})
		c := w.Client(async)
		for i := range 74 {
			is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", fmt.Sprint(i)))))
			time.Sleep(20 * time.Second)
		}
		time.Sleep(time.Hour)
		is.NoErr(c.Flush(t.Context()))
		is.Equal(w.Holds()["a.md"], "73")
		is.Equal(w.Files(), 1)
	})
}

// A batch may answer that it could not attach a File. Its put is acknowledged when the
// File is attached.
func TestAPutIsAcknowledgedWhenItsFileIsAttachedNotWhenItsBatchIsAnswered(t *testing.T) {
	for _, how := range []openaitest.BadFileInBatch{openaitest.BadFileFails, openaitest.BadFileSkipped} {
		t.Run(string(how), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{FreshFileWindow: 4 * time.Second, Quirks: openaitest.Quirks{BadFileInBatch: how}})
				c, kill := w.Process(async)
				for _, r := range c.Apply(t.Context(), []vsclient.Change{put("a.md", "one"), put("b.md", "one")}, nil) {
					is.NoErr(r.Err)
				}
				kill()
				w.Expect(map[string]string{"a.md": "one", "b.md": "one"})
			})
		})
	}
}

// Attributes may be set, and become fewer, while the version is being indexed.
func TestAnAcknowledgedDocumentWhoseAttributesAreSetMeanwhileStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 200 * time.Millisecond})
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), with(doc("a.md", "text"), vsclient.Attributes{"public": true}))))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		is.NoErr(c.Flush(t.Context()))
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "text"})
	})
}

func TestAStoreThatIsNotThereForAMomentCostsNoAcceptedDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 20 * time.Second})
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("z.md", "text"))))
		is.NoErr(c.Flush(t.Context()))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		time.Sleep(5 * time.Second)
		w.Strike("", "/vector_stores/**", openaitest.Fault{Kind: openaitest.FaultStatus, Status: http.StatusNotFound, Message: fmt.Sprintf("No vector store found with id '%s'.", w.Store), Times: -1})
		time.Sleep(20 * time.Second)
		w.Server.ClearFaults()
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "text", "z.md": "text"})
	})
}

func TestFlushTellsHowManyChangesWereMergedWithOneThatCannotBeIndexed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(openaitest.Config{}))
		c := w.Client(async)
		for _, r := range c.Apply(t.Context(), []vsclient.Change{put("a.md", "one"), put("a.md", "two"), put("a.md", "unreadable")}, nil) {
			is.NoErr(r.Err)
		}
		err := c.Flush(t.Context())
		is.True(errors.Is(err, vsclient.ErrIndexing))
		is.True(strings.Contains(err.Error(), "2 other changes"))
	})
}

// The wait for a version goes on after its put has returned, and would attach a file anew that
// the store has lost.
func TestAVersionWhoseRemovalHasBegunIsAttachedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{
			Latency: 50 * time.Millisecond, IndexTime: 20 * time.Second,
			StickIndexing: func(f openaitest.FileInfo) bool { return f.Name == "d-0000.md" && f.Bytes == int64(len("text")) },
		})
		c := w.Client(async)
		for _, r := range c.Apply(t.Context(), many("d", 2), nil) {
			is.NoErr(r.Err)
		}
		is.NoErr(onlyErr(c.Put(t.Context(), doc("d-0000.md", "newer"))))
		w.Strike(http.MethodDelete, pathFile, openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: 500})
		time.AfterFunc(time.Minute, w.Server.ClearFaults)
		is.NoErr(c.Flush(t.Context()))
		is.Equal(len(w.Times(batchAttach)), 1)
		is.Equal(len(w.Times(singleAttach)), 1) // of the newer one
	})
}
