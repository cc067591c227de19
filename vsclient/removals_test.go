package vsclient_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about the removal of older versions, in calls and in the background.

// second plants a newer version of the store's only document, as another process attaches it.
func (w *world) second(content string) (older, newer string) {
	w.t.Helper()
	first := w.srv.Snapshot().Store(w.store).Files[0]
	attributes := maps.Clone(first.Attributes)
	version, err := strconv.ParseInt(fmt.Sprint(attributes["vs_version"]), 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	attributes["vs_version"] = fmt.Sprintf("%016d", version+1)
	return first.FileID, w.attached(first.Filename, content, attributes)
}

// A reader who comes in the middle of a deletion finds the newest version or none.
func TestADeletionRemovesTheOlderVersionFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		is.NoErr(onlyErr(w.client().Put(t.Context(), doc("a.md", "old"))))
		older, newer := w.second("new")
		is.NoErr(onlyErr(w.client().Delete(t.Context(), "a.md")))
		ends := make(map[string]time.Time)
		for _, in := range w.intervals("a.md") {
			ends[in.FileID] = in.To
		}
		is.True(ends[older].Before(ends[newer]))
	})
}

// replacedHalf leaves "new" in the store, and the File of "old" detached and not deleted,
// by a process that is killed there.
func (w *world) replacedHalf() {
	w.t.Helper()
	is := is.New(w.t)
	first := w.client()
	is.NoErr(onlyErr(first.Put(w.t.Context(), doc("a.md", "old"))))
	is.NoErr(first.Close())
	c, kill := w.process()
	w.strike(http.MethodDelete, pathFile, openaitest.Fault{Times: -1, Kind: openaitest.FaultHang})
	go func() { _, _ = c.Put(w.t.Context(), doc("a.md", "new")) }()
	time.Sleep(10 * time.Second)
	kill()
	w.srv.ClearFaults()
	w.expect(map[string]string{"a.md": "new"})
	is.Equal(w.files(), 2)
}

// replacedWhole has a new process finish that when it changes another key.
func (w *world) replacedWhole() {
	w.t.Helper()
	is := is.New(w.t)
	is.NoErr(onlyErr(w.client().Put(w.t.Context(), doc("b.md", "another"))))
	time.Sleep(10 * time.Minute)
	is.Equal(w.files(), 2) // one of each key
}

func TestTheNextProcessDeletesTheFileOfAReplacementThatWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, slow)
		w.replacedHalf()
		w.replacedWhole()
	})
}

// Other attributes do not take away the record of the Files that the version has replaced.
func TestAnAttributeUpdateKeepsTheRecordOfAReplacementThatWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		w.replacedHalf()
		c, kill := w.process()
		w.strike(http.MethodDelete, pathFile, openaitest.Fault{Times: -1, Kind: openaitest.FaultHang})
		is.NoErr(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"public": true})))
		kill()
		w.srv.ClearFaults()
		w.replacedWhole()
	})
}

// OpenAI may take nearly fifteen minutes after the last attempt at a version has ended.
func TestAVersionWhosePutWasGivenUpIsWaitedForAQuarterOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{IndexTime: 14 * time.Minute})
		c := w.client()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		is.True(onlyErr(c.Put(ctx, doc("a.md", "text"))) != nil)
		time.Sleep(time.Hour)
		w.expect(map[string]string{"a.md": "text"})
	})
}

// A version that could not be removed for a while goes by what the store holds then.
func TestAVersionIsKeptWhenTheNewerOneHasGoneMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		c := w.client(func(cfg *vsclient.Config) { cfg.RetryTimeout = 10 * time.Second })
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "old"))))
		w.strike(http.MethodDelete, pathAttached, openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: 503})
		is.True(onlyErr(c.Put(t.Context(), doc("a.md", "new"))) != nil)
		time.Sleep(time.Minute)
		for _, f := range w.srv.Snapshot().Store(w.store).Files {
			if string(w.srv.Content(f.FileID)) == "new" {
				w.srv.DetachStoreFile(w.store, f.FileID) // a person does
			}
		}
		w.srv.ClearFaults()
		time.Sleep(time.Hour)
		w.expect(map[string]string{"a.md": "old"})
	})
}

// A deletion does not remove versions that are attached more than the index timeout and three
// minutes later.
func TestAVersionThatIsAttachedLongAfterADeletionStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		c := w.client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "another"))))
		restored := w.file("a.md", "restored")
		is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
		time.Sleep(30 * time.Minute)
		w.srv.AddStoreFile(w.store, restored, map[string]any{"vs_key": "a.md", "vs_version": "0000000000000001"})
		is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "a change, after which the newest store files are looked at"))))
		time.Sleep(time.Hour)
		is.Equal(w.holds()["a.md"], "restored")
	})
}

func TestAClientWithNothingLeftToDoMakesNoRequest(t *testing.T) {
	for name, opts := range map[string][]func(*vsclient.Config){"after calls that ended": nil, "after acknowledged documents": {async}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, slow)
				w.attached("b.md", "of a person", nil)
				c := w.client(opts...)
				ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
				defer cancel()
				is.True(onlyErr(c.Put(ctx, doc("a.md", "given up"))) != nil)
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "another text"))))
				is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "text"))))
				is.NoErr(onlyErr(c.Delete(t.Context(), "c.md")))
				time.Sleep(time.Hour)
				before := w.srv.RequestCount()
				time.Sleep(5 * time.Hour)
				is.Equal(w.srv.RequestCount(), before)
			})
		})
	}
}

// A list of stores that cannot be had for a moment says nothing of the File.
func TestARemovalGoesOnWhenTheStoresCannotBeListedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		is.NoErr(onlyErr(w.client().Put(t.Context(), doc("a.md", "text"))))
		time.Sleep(time.Hour)
		c := w.client(func(cfg *vsclient.Config) { cfg.RetryTimeout = time.Nanosecond })
		w.strike(http.MethodDelete, pathFiles+"/*", openaitest.Fault{Times: 1, Kind: openaitest.FaultStatus, Status: 500})
		w.strike(http.MethodGet, "/vector_stores", openaitest.Fault{Times: 1, Kind: openaitest.FaultStatus, Status: 500})
		is.True(onlyErr(c.Delete(t.Context(), "a.md")) != nil)
		time.Sleep(time.Hour)
		is.Equal(w.files(), 0)
	})
}
