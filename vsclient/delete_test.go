package vsclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about Delete.

func TestDeleteTellsDeletedFromAbsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		put, err := w.Client().Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		r, err := w.Client().Delete(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(r, vsclient.Result{Key: "a.md", Outcome: vsclient.Deleted, FileID: put.FileID, Version: put.Version})
		r, err = w.Client().Delete(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(r, vsclient.Result{Key: "a.md", Outcome: vsclient.Absent})
		is.Equal(w.Files(), 0)
	})
}

// A server may refuse to remove a file that is in use with a 400, whose words misled.
func TestADeletionThatIsRefusedIsNotDoneWhateverTheWordsOfTheRefusal(t *testing.T) {
	for _, message := range []string{
		"File %s (not found.md) is in use by another request; try again.",
		"Document not found.md (%s) is in use",
		"File %s cannot be removed now because of an unknown error.",
		"Store entry of %s not found: not found.md is locked",
	} {
		t.Run(message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				var well atomic.Bool
				c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					if r.Method != http.MethodDelete || well.Load() {
						return next.RoundTrip(r)
					}
					return replies(400, `{"error":{"message":"`+fmt.Sprintf(message, path.Base(r.URL.Path))+`"}}`)(r)
				}))
				is.NoErr(onlyErr(c.Put(t.Context(), doc("not found.md", "text"))))
				_, err := c.Delete(t.Context(), "not found.md")
				is.True(err != nil)
				is.Equal(vsclient.ClassOf(err), vsclient.Transient)
				time.Sleep(time.Minute)
				well.Store(true)
				is.NoErr(onlyErr(c.Delete(t.Context(), "not found.md")))
				w.Expect(nil)
			})
		})
	}
}

func TestADeletionFindsADocumentThatAnotherProcessHasJustPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		a, b := w.Client(), w.Client()
		is.NoErr(onlyErr(b.Put(t.Context(), doc("b.md", "x")))) // it has read the list of Files
		time.Sleep(time.Second)
		is.NoErr(onlyErr(a.Put(t.Context(), doc("a.md", "x"))))
		r, err := b.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		is.NoErr(onlyErr(w.Client().Delete(t.Context(), "a.md")))
		is.Equal(w.Files(), 1)
	})
}

// TestADeletionRemovesADocumentThatAListingHasShown lists a document of which a GET still
// answers 404, and ends the client after its deletion.
func TestADeletionRemovesADocumentThatAListingHasShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, IndexTime: time.Minute})
		a, kill := w.Process(async)
		is.NoErr(onlyErr(a.Put(t.Context(), doc("a.md", "text"))))
		kill()
		time.Sleep(2 * time.Second)
		b := w.Client()
		for info, err := range b.List(t.Context()) {
			is.NoErr(err)
			is.Equal(info.Key, "a.md")
		}
		is.NoErr(onlyErr(b.Delete(t.Context(), "a.md")))
		is.NoErr(b.Close())
		time.Sleep(time.Hour)
		is.Equal(w.Files(), 0)
	})
}

// TestADeletionGoesOnAfterAVersionThatCannotBeRemoved has the DELETE of one File fail for
// good.
func TestADeletionGoesOnAfterAVersionThatCannotBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		old, err := c.Put(t.Context(), doc("a.md", "one"))
		is.NoErr(err)
		w.Strike(http.MethodDelete, "/vector_stores/*/files/"+old.FileID, openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: http.StatusBadRequest})
		_, err = c.Put(t.Context(), doc("a.md", "two"))
		is.True(err != nil)
		_, err = c.Delete(t.Context(), "a.md")
		is.Equal(vsclient.ClassOf(err), vsclient.Transient) // it is not the document's fault
		w.Expect(map[string]string{"a.md": "one"})
	})
}

func TestADeletionFollowsAReplacementByAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		one, other := w.Client(), w.Client()
		is.NoErr(onlyErr(one.Put(t.Context(), doc("a.md", "old"))))
		is.NoErr(onlyErr(other.Put(t.Context(), doc("a.md", "new"))))
		is.NoErr(onlyErr(one.Delete(t.Context(), "a.md")))
		is.Equal(w.Files(), 0)
	})
}

// hangingAttaches never answer, and take effect at once, late or never.
var hangingAttaches = map[string]openaitest.Fault{
	"attached, its reply lost":    {Kind: openaitest.FaultHang, AfterEffect: true},
	"attached five seconds later": {Kind: openaitest.FaultHang, EffectAfter: seconds(5)},
	"attached a minute later":     {Kind: openaitest.FaultHang, EffectAfter: seconds(60)},
	"never attached":              {Kind: openaitest.FaultHang},
}

// givesUp returns a client that has put "old" under a.md and given up a put of "new", whose
// attach met the fault.
func givesUp(w *worldtest.World, fault openaitest.Fault) *vsclient.Client {
	w.T.Helper()
	is := is.New(w.T)
	c := w.Client()
	is.NoErr(onlyErr(c.Put(w.T.Context(), doc("a.md", "old"))))
	w.Strike(http.MethodPost, pathAttach, fault)
	ctx, cancel := context.WithTimeout(w.T.Context(), time.Second)
	defer cancel()
	_, err := c.Put(ctx, doc("a.md", "new"))
	is.True(errors.Is(err, context.DeadlineExceeded))
	return c
}

// A put is given up while its attach is under way. The Delete after it removes the
// version, also when the attach arrives after the Delete.
func TestADeletionRemovesAVersionWhosePutWasGivenUp(t *testing.T) {
	for sentence, fault := range hangingAttaches {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := givesUp(w, fault)
				is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
				time.Sleep(20 * time.Minute)
				w.Expect(map[string]string{})
				is.Equal(w.Files(), 0)
			})
		})
	}
}

// A put is given up and may land. The put of the older content after it must not rest
// on the older version: the given-up one would complete and have it removed.
func TestAPutOfTheOlderContentAfterOneThatWasGivenUpIsTheNewestVersion(t *testing.T) {
	for sentence, fault := range hangingAttaches {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := givesUp(w, fault)
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "old"))))
				time.Sleep(20 * time.Minute)
				w.Expect(map[string]string{"a.md": "old"})
				w.NoGap("a.md")
				is.Equal(w.Files(), 1)
				r, err := w.Client().Put(t.Context(), doc("a.md", "old"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Unchanged)
			})
		})
	}
}

// A Delete that has seen a version and cannot remove it does not succeed.
func TestADeletionThatFailsSaysSoAndIsFinishedLater(t *testing.T) {
	for sentence, path := range map[string]string{"the detach": pathAttached, "the deletion of the File": pathFile} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = 10 * time.Second })
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
				w.Strike(http.MethodDelete, path, openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: 503})
				_, err := c.Delete(t.Context(), "a.md")
				is.True(err != nil)
				is.Equal(vsclient.ClassOf(err), vsclient.Transient)
				w.Server.ClearFaults()
				is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
				is.Equal(w.Files(), 0)
			})
		})
	}
}

// A key's removal that has begun hands its File to no other key of the same name, and
// no later look gives it back.
func TestAFileWhoseRemovalHasBegunIsKeptForNoKey(t *testing.T) {
	for _, next := range []string{"a", "a.txt"} {
		t.Run(next, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = 10 * time.Second })
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.txt", "text"))))
				// The detach times out, and takes effect a minute later.
				w.Strike(http.MethodDelete, pathAttached, openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: 504, EffectAfter: seconds(60)})
				_, err := c.Delete(t.Context(), "a.txt")
				is.True(err != nil)
				w.Server.ClearFaults()
				is.NoErr(onlyErr(c.Put(t.Context(), doc(next, "text"))))
				time.Sleep(20 * time.Minute)
				is.Equal(w.Holds()[next], "text")
				is.NoErr(onlyErr(c.Put(t.Context(), doc(next, "text"))))
				is.Equal(w.Holds()[next], "text")
			})
		})
	}
}

// A process was killed and its attach has not shown when the Delete runs. Whatever
// shows within index_timeout and three minutes is removed.
func TestADeletionRemovesAVersionOfAKilledProcessThatShowsLate(t *testing.T) {
	for sentence, fault := range map[string]openaitest.Fault{
		"attached, and not to be seen yet": {},
		"attached a minute later":          {Kind: openaitest.FaultHang, EffectAfter: seconds(60)},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.NotFoundWindow = 20 * time.Second
				cfg.ListLag = openaitest.Lag{Attach: time.Minute}
				w := worldtest.New(t, cfg)
				if fault.Kind != "" {
					w.Strike(http.MethodPost, pathAttach, fault)
				}
				killed(w, 2*time.Second, doc("a.md", "text"))
				c := w.Client()
				is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
				time.Sleep(15 * time.Minute)
				w.Expect(map[string]string{})
				is.Equal(w.Files(), 0)
			})
		})
	}
}

// Puts that take the turn of one key for long hold up the look that finds its late version.
func TestADeletionRemovesALateVersionAlsoWhileAnotherKeyIsBusyForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.IndexTime = 9 * time.Minute
		w := worldtest.New(t, cfg)
		for key, late := range map[string]int{"busy.md": 10, "late.md": 100} {
			w.Strike(http.MethodPost, pathAttach, openaitest.Fault{Kind: openaitest.FaultHang, EffectAfter: seconds(late)})
			killed(w, 2*time.Second, doc(key, "text"))
		}
		c := w.Client()
		is.NoErr(onlyErr(c.Delete(t.Context(), "late.md")))
		is.NoErr(onlyErr(c.Delete(t.Context(), "busy.md")))
		for range 2 {
			go c.Put(t.Context(), doc("busy.md", "new")) //nolint:errcheck // it is there to be slow
		}
		time.Sleep(2 * time.Hour)
		is.Equal(w.Holds()["late.md"], "")
	})
}

// A version that somebody puts after the Delete is not one of before it.
func TestADeletionDoesNotWatchForALaterPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.NotFoundWindow = 20 * time.Second
		w := worldtest.New(t, cfg)
		killed(w, time.Second, doc("a.md", "of before"))
		c := w.Client()
		is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
		time.Sleep(2 * time.Second)
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "of after"))))
		time.Sleep(20 * time.Minute)
		w.Expect(map[string]string{"a.md": "of after"})
		is.Equal(w.Files(), 1)
	})
}

func TestADocumentWhoseDeletionHasFailedCanBeUpdatedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("d.md", "one"))))
		w.Server.Inject(openaitest.Fault{Method: "DELETE", Times: -1, Kind: openaitest.FaultStatus, Status: 503})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		is.True(onlyErr(c.Delete(ctx, "d.md")) != nil)
		is.Equal(vsclient.ClassOf(onlyErr(c.SetAttributes(t.Context(), "d.md", vsclient.Attributes{"n": 1}))), vsclient.Transient)
		w.Server.ClearFaults()
		time.Sleep(time.Hour)
		before := w.Server.RequestCount()
		time.Sleep(time.Hour)
		is.Equal(w.Server.RequestCount(), before) // nobody looks at it without end
		is.NoErr(onlyErr(c.SetAttributes(t.Context(), "d.md", vsclient.Attributes{"n": 1})))
	})
}

// The put was given up before its File was attached.
func TestADeletionFailsWhenTheStoreHasExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		w.Strike(http.MethodPost, pathAttach, openaitest.Fault{Kind: openaitest.FaultHang, Times: -1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		is.True(onlyErr(c.Put(ctx, doc("a.md", "text"))) != nil)
		w.Server.ExpireVectorStore(w.Store, 0)
		is.True(errors.Is(onlyErr(c.Delete(t.Context(), "a.md")), vsclient.ErrStoreGone))
	})
}

// A File of another tool that another store has as well is only detached. A GET shows it for a
// while after that.
func TestADocumentThatWasDetachedIsGoneAlsoWhileAGetShowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{GhostWindow: 20 * time.Second})
		file := w.Attached("a.md", "by hand", nil)
		w.Server.AddStoreFile(w.Server.NewVectorStore("theirs"), file, nil)
		time.Sleep(time.Hour)
		c := w.Client()
		is.NoErr(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 1})))
		is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
		_, err := c.Get(t.Context(), "a.md")
		is.True(errors.Is(err, vsclient.ErrNotFound))
		_, err = c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 1})
		is.True(errors.Is(err, vsclient.ErrNotFound))
		is.True(w.Exists(file))
	})
}

// A version that shows after the deletion is the document again once it is put.
func TestALateVersionOfADeletedDocumentStaysWhenItsContentIsPutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: 2 * time.Minute}})
		first, kill := w.Process(async)
		is.NoErr(onlyErr(first.Put(t.Context(), doc("a.md", "text"))))
		kill()
		second := w.Client()
		is.NoErr(onlyErr(second.Delete(t.Context(), "a.md")))
		time.Sleep(21 * time.Second)
		is.NoErr(onlyErr(second.Get(t.Context(), "a.md")))
		r, err := second.Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Unchanged)
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "text"})
	})
}

// The put after the deletion may fail. The deleted document must stay deleted.
func TestALateVersionOfADeletedDocumentGoesAlsoAfterAPutThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(openaitest.Config{IndexTime: time.Second, NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: 20 * time.Second}}))
		first, kill := w.Process(async)
		is.NoErr(onlyErr(first.Put(t.Context(), doc("a.md", "two"))))
		kill()
		second := w.Client(async)
		is.NoErr(onlyErr(second.Delete(t.Context(), "a.md")))
		is.NoErr(onlyErr(second.Put(t.Context(), doc("a.md", "unreadable"))))
		time.Sleep(time.Hour)
		w.Expect(map[string]string{})
	})
}

func TestAnUpdateIsTakenWithinMinutesOfADeletionThatWasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		time.Sleep(time.Hour)
		w.Strike(http.MethodDelete, pathAttached, openaitest.Fault{Kind: openaitest.FaultHang})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		is.True(onlyErr(c.Delete(ctx, "a.md")) != nil)
		is.Equal(vsclient.ClassOf(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 1}))), vsclient.Transient) // it may still go
		time.Sleep(5 * time.Minute)
		is.NoErr(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 1})))
		w.Expect(map[string]string{"a.md": "text"})
	})
}

// A version of an earlier process shows after the deletion. An update does not bring it back.
func TestAnUpdateAfterADeletionFindsNoVersionThatShowsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 50 * time.Second, ListLag: openaitest.Lag{Attach: 2 * time.Minute}})
		first, kill := w.Process(async)
		is.NoErr(onlyErr(first.Put(t.Context(), doc("a.md", "text"))))
		kill()
		c := w.Client()
		is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
		is.Equal(w.Files(), 1) // it does not show yet
		time.Sleep(time.Minute)
		is.True(errors.Is(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 1})), vsclient.ErrNotFound))
		is.Equal(w.Files(), 0)
	})
}

// The server refuses to detach a File that is gone by a 400, and a GET shows the store file yet.
func TestAPutAfterADeletionThatWasGivenUpFindsTheOlderFileGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, GhostWindow: time.Minute, Quirks: openaitest.Quirks{Absent400: true}})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
		w.Strike(http.MethodDelete, pathFile, openaitest.Fault{Kind: openaitest.FaultHang, AfterEffect: true})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		is.True(onlyErr(c.Delete(ctx, "a.md")) != nil)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "two"))))
		w.Expect(map[string]string{"a.md": "two"})
	})
}

func TestADeletionThatWasGivenUpAfterItsEffectIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{ListLag: openaitest.Lag{Detach: 2 * time.Minute}})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		w.Strike(http.MethodDelete, pathAttached, openaitest.Fault{Kind: openaitest.FaultHang, AfterEffect: true})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		is.True(onlyErr(c.Delete(ctx, "a.md")) != nil)
		time.Sleep(time.Minute + 45*time.Second)
		for _, err := range c.List(t.Context()) { // it shows the document yet
			is.NoErr(err)
		}
		time.Sleep(10 * time.Minute)
		is.Equal(w.Files(), 0)
	})
}
