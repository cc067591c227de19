package vsclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about another writer of the same key, at the same moment
// or shortly before.

func TestTwoWritersOfOneKeyAtOnceLeaveAVersion(t *testing.T) {
	for name, attrs := range map[string]vsclient.Attributes{"the older content again": nil, "the older content with attributes": {"lang": "en"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, IndexTime: time.Second})
				one, other := w.Client(), w.Client()
				is.NoErr(onlyErr(one.Put(t.Context(), doc("a.md", "old"))))
				time.Sleep(10 * time.Minute)
				done := make(chan error)
				go func() { done <- onlyErr(other.Put(t.Context(), doc("a.md", "new!!"))) }()
				time.Sleep(5 * time.Second) // attached, and not to be seen yet
				is.NoErr(onlyErr(one.Put(t.Context(), with(doc("a.md", "old"), attrs))))
				is.NoErr(<-done)
				time.Sleep(10 * time.Minute)
				is.True(w.Searchable()["a.md"])
				is.NoErr(onlyErr(one.Sweep(t.Context(), vsclient.SweepOptions{})))
				is.Equal(len(w.Server.Snapshot().Store(w.Store).Files), 1)
				w.NoGap("a.md")
			})
		})
	}
}

func TestManyWritersOfOneKeyLeaveOneVersionAndNoGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.IndexJitter = 3 * time.Second
		w := worldtest.New(t, cfg)
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "first"))))
		done := make(chan error)
		for i := range 4 {
			go func() {
				c := w.Client()
				for n := range 5 {
					time.Sleep(time.Duration(i*137+n*731) * time.Millisecond)
					if _, err := c.Put(t.Context(), doc("a.md", fmt.Sprintf("%d of writer %d", n, i))); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range 4 {
			is.NoErr(<-done)
		}
		time.Sleep(10 * time.Minute)
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "last"))))
		time.Sleep(10 * time.Minute)
		w.Expect(map[string]string{"a.md": "last"})
		w.NoGap("a.md")
		is.Equal(w.Files(), 1)
	})
}

// An engine was killed and its plugin lives on: the plugin's put is given up at some
// moment, while a new process has got the same record.
func TestAPutThatIsGivenUpTakesNothingFromAnotherProcessWithTheSameRecord(t *testing.T) {
	t.Parallel()
	for second := time.Duration(0); second < 4*time.Second; second += 450 * time.Millisecond {
		for gap := 50 * time.Millisecond; gap < 3*time.Second; gap += 700 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 2 * time.Second, NotFoundWindow: time.Second})
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
				time.Sleep(time.Hour)
				a, b := w.Client(), w.Client()
				ctx, giveUp := context.WithTimeout(t.Context(), second+gap)
				defer giveUp()
				given := make(chan struct{})
				go func() {
					defer close(given)
					_, _ = a.Put(ctx, doc("a.md", "new"))
				}()
				time.Sleep(second)
				began := time.Now()
				is.NoErr(onlyErr(b.Put(t.Context(), doc("a.md", "new"))))
				is.True(time.Since(began) < time.Minute)
				<-given
				_ = a.Close()
				time.Sleep(15 * time.Minute)
				is.Equal(w.Holds()["a.md"], "new")
				w.NoGap("a.md")
				is.Equal(w.Files(), 1)
				if t.Failed() {
					t.Logf("the other began after %v, the first was given up %v later", second, gap)
				}
			})
		}
	}
}

// A version of a put that failed and was not cleaned up is not the one that counts,
// however new it is.
func TestAnUpdateGoesToTheVersionThatReadersFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(openaitest.Config{}))
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "fine"))))
		failedVersion(w, "a.md")
		time.Sleep(time.Hour)
		c := w.Client()
		is.NoErr(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})))
		info, err := c.Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Status, vsclient.Completed)
		is.Equal(info.Attributes["lang"], "en")
		is.Equal(w.Files(), 1) // the other has gone
	})
}

// failedVersion leaves a newer version that cannot be indexed, as a process does that
// is killed before it has cleaned up.
func failedVersion(w *worldtest.World, key string) {
	w.T.Helper()
	id := w.File(key, "unreadable")
	body := fmt.Sprintf(`{"file_id":%q,"attributes":{"vs_key":%q,"vs_version":"%016d"}}`, id, key, time.Now().Add(time.Second).UnixMicro())
	if status := w.Request(http.MethodPost, "/vector_stores/"+w.Store+"/files", body); status != http.StatusOK {
		w.T.Fatal(status)
	}
}

// Files that others have deleted, or documents that they have taken out of the store,
// are not believed in for ever.
func TestADocumentThatSomebodyElseHasRemovedIsPutAgain(t *testing.T) {
	for sentence, gone := range map[string]func(w *worldtest.World, id string){
		"the File deleted": func(w *worldtest.World, id string) { w.Request(http.MethodDelete, "/files/"+id, "") },
		"detached":         func(w *worldtest.World, id string) { w.Server.DetachStoreFile(w.Store, id) },
		"replaced, then deleted": func(w *worldtest.World, _ string) {
			c := w.Client()
			if err := onlyErr(c.Put(w.T.Context(), doc("a.md", "another"))); err != nil {
				w.T.Error(err)
			}
			if err := onlyErr(c.Delete(w.T.Context(), "a.md")); err != nil {
				w.T.Error(err)
			}
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client()
				r, err := c.Put(t.Context(), doc("a.md", "text"))
				is.NoErr(err)
				gone(w, r.FileID)
				time.Sleep(15 * time.Minute)
				_, err = c.Get(t.Context(), "a.md")
				is.True(errors.Is(err, vsclient.ErrNotFound))
				r, err = c.Put(t.Context(), doc("a.md", "text"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Created)
				w.Expect(map[string]string{"a.md": "text"})
			})
		})
	}
}

// The Files of another store are no part of this store's listing, however many
// somebody has just uploaded.
func TestAListingDoesNotAskForTheFilesOfAnotherStoreOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		other := w.Server.NewVectorStore("other")
		for i := range 1000 {
			w.Server.AddStoreFile(other, w.File(fmt.Sprintf("other-%d.md", i), "x"), nil)
		}
		before := w.Server.RequestCount()
		n := 0
		for _, err := range c.List(t.Context()) {
			is.NoErr(err)
			n++
		}
		is.Equal(n, 1)
		is.True(w.Server.RequestCount()-before <= 120)
	})
}

// Two processes that change one key at one time may each miss the version of the other.
// A look three minutes after the latest change finds both.
func TestTwoProcessesThatMissEachOthersVersionLeaveOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 18 * time.Second, NotFoundWindow: 30 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
		one, other := w.Client(), w.Client()
		for _, c := range []*vsclient.Client{one, other} {
			_, _ = c.Put(t.Context(), doc("b.md", "text"))
		}
		time.Sleep(10 * time.Minute) // the looks at the start are over
		for _, c := range []*vsclient.Client{one, other} {
			_, _ = c.Get(t.Context(), "c.md") // reads the list of Files, which is believed for 30 s
		}
		var puts sync.WaitGroup
		puts.Go(func() { _, _ = one.Put(t.Context(), doc("a.md", "one")) })
		time.Sleep(2 * time.Second)
		puts.Go(func() { _, _ = other.Put(t.Context(), doc("a.md", "other")) })
		puts.Wait()
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "other", "b.md": "text"})
	})
}

// An update that was never made is no change after which another process's version is old.
func TestAPutWhoseUpdateFailsTakesNothingFromAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 10 * time.Millisecond, NotFoundWindow: time.Minute, IndexTime: 5 * time.Minute})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "one"))))
		time.Sleep(time.Hour)
		other, failing := w.Client(async), w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/vector_stores/") {
				return nil, errors.New("the connection breaks")
			}
			return next.RoundTrip(r)
		}))
		is.NoErr(onlyErr(other.Put(t.Context(), doc("a.md", "two"))))
		ctx, giveUp := context.WithTimeout(t.Context(), 50*time.Second)
		defer giveUp()
		is.True(onlyErr(failing.Put(ctx, with(doc("a.md", "one"), vsclient.Attributes{"n": 1}))) != nil)
		time.Sleep(20 * time.Minute)
		is.Equal(w.Holds()["a.md"], "two")
	})
}

// The version before the change proves nothing about one that shows after it.
func TestAPutThatFailsToBeIndexedTakesNothingFromAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(openaitest.Config{Latency: 10 * time.Millisecond, NotFoundWindow: time.Minute, ListLag: openaitest.Lag{Attach: time.Minute}, IndexTime: 5 * time.Minute}))
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "one"))))
		time.Sleep(time.Hour)
		other, failing := w.Client(async), w.Client(async)
		is.NoErr(onlyErr(other.Put(t.Context(), doc("a.md", "two"))))
		is.NoErr(onlyErr(failing.Put(t.Context(), doc("a.md", "unreadable"))))
		time.Sleep(20 * time.Minute)
		is.Equal(w.Holds()["a.md"], "two")
	})
}

// Nothing but the version that shows late is left of the key.
func TestAVersionThatShowsLateStaysWhenThePutAfterItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(openaitest.Config{IndexTime: time.Second, NotFoundWindow: 50 * time.Second, ListLag: openaitest.Lag{Attach: 50 * time.Second}}))
		first, kill := w.Process(async)
		is.NoErr(onlyErr(first.Put(t.Context(), doc("a.md", "two"))))
		kill()
		is.NoErr(onlyErr(w.Client(async).Put(t.Context(), doc("a.md", "unreadable"))))
		time.Sleep(time.Hour)
		is.Equal(w.Holds()["a.md"], "two")
	})
}

func TestAnUpdateThatChangesNothingFindsADocumentGoneThatAnotherProcessHasDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		a, b := w.Client(), w.Client()
		attributes := vsclient.Attributes{"n": 1}
		is.NoErr(onlyErr(a.Put(t.Context(), with(doc("a.md", "text"), attributes))))
		time.Sleep(time.Minute)
		is.NoErr(onlyErr(b.Delete(t.Context(), "a.md")))
		time.Sleep(time.Minute)
		is.True(errors.Is(onlyErr(a.SetAttributes(t.Context(), "a.md", attributes)), vsclient.ErrNotFound))
	})
}

// The store is taken for gone while a newer version is waited for. A look finds the version
// again in that moment.
func TestAnOlderVersionGoesAlsoWhenTheStoreWasMissingForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 5 * time.Minute})
		w.Attached("a.md", "old", map[string]any{"vs_key": "a.md", "vs_version": "0000000000000001"})
		newer := w.File("a.md", "new")
		attach := fmt.Sprintf(`{"file_id":%q,"attributes":{"vs_key":"a.md","vs_version":"0000000000000002"}}`, newer)
		is.Equal(w.Request(http.MethodPost, "/vector_stores/"+w.Store+"/files", attach), http.StatusOK)
		began := time.Now()
		var missing atomic.Bool
		c := w.Client(async, over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			look := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/"+newer)
			if since := time.Since(began); look && since > 2*time.Minute && since < 3*time.Minute {
				time.Sleep(3*time.Minute + 2*time.Second - since) // the look at the listing comes meanwhile
				missing.Store(true)
				time.AfterFunc(8*time.Second, func() { missing.Store(false) })
			}
			if missing.Load() && (look || strings.HasSuffix(r.URL.Path, "/"+w.Store)) {
				r.URL.Path = strings.Replace(r.URL.Path, w.Store, "vs_none", 1)
			}
			return next.RoundTrip(r)
		}))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "text"))))
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "new", "b.md": "text"})
	})
}
