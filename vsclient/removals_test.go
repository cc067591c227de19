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
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about the removal of older versions, in calls and in the background.

// second plants a newer version of the store's only document, as another process attaches it.
func second(w *worldtest.World, content string) (older, newer string) {
	w.T.Helper()
	first := w.Server.Snapshot().Store(w.Store).Files[0]
	attributes := maps.Clone(first.Attributes)
	version, err := strconv.ParseInt(fmt.Sprint(attributes["vs_version"]), 10, 64)
	if err != nil {
		w.T.Fatal(err)
	}
	attributes["vs_version"] = fmt.Sprintf("%016d", version+1)
	return first.FileID, w.Attached(first.Filename, content, attributes)
}

// A reader who comes in the middle of a deletion finds the newest version or none.
func TestADeletionRemovesTheOlderVersionFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
		older, newer := second(w, "new")
		is.NoErr(onlyErr(w.Client().Delete(t.Context(), "a.md")))
		ends := make(map[string]time.Time)
		for _, in := range w.Intervals("a.md") {
			ends[in.FileID] = in.To
		}
		is.True(ends[older].Before(ends[newer]))
	})
}

// replacedHalf leaves "new" in the store, and the File of "old" detached and not deleted,
// by a process that is killed there.
func replacedHalf(w *worldtest.World) {
	w.T.Helper()
	is := is.New(w.T)
	first := w.Client()
	is.NoErr(onlyErr(first.Put(w.T.Context(), doc("a.md", "old"))))
	is.NoErr(first.Close())
	c, kill := w.Process()
	w.Strike(http.MethodDelete, pathFile, openaitest.Fault{Times: -1, Kind: openaitest.FaultHang})
	go func() { _, _ = c.Put(w.T.Context(), doc("a.md", "new")) }()
	time.Sleep(10 * time.Second)
	kill()
	w.Server.ClearFaults()
	w.Expect(map[string]string{"a.md": "new"})
	is.Equal(w.Files(), 2)
}

// replacedWhole has a new process finish that when it changes another key.
func replacedWhole(w *worldtest.World) {
	w.T.Helper()
	is := is.New(w.T)
	is.NoErr(onlyErr(w.Client().Put(w.T.Context(), doc("b.md", "another"))))
	time.Sleep(10 * time.Minute)
	is.Equal(w.Files(), 2) // one of each key
}

func TestTheNextProcessDeletesTheFileOfAReplacementThatWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := worldtest.New(t, slow)
		replacedHalf(w)
		replacedWhole(w)
	})
}

// Other attributes do not take away the record of the Files that the version has replaced.
func TestAnAttributeUpdateKeepsTheRecordOfAReplacementThatWasCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		replacedHalf(w)
		c, kill := w.Process()
		w.Strike(http.MethodDelete, pathFile, openaitest.Fault{Times: -1, Kind: openaitest.FaultHang})
		is.NoErr(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"public": true})))
		kill()
		w.Server.ClearFaults()
		replacedWhole(w)
	})
}

// OpenAI may take nearly fifteen minutes after the last attempt at a version has ended.
func TestAVersionWhosePutWasGivenUpIsWaitedForAQuarterOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 14 * time.Minute})
		c := w.Client()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		is.True(onlyErr(c.Put(ctx, doc("a.md", "text"))) != nil)
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "text"})
	})
}

// A version that could not be removed for a while goes by what the store holds then.
func TestAVersionIsKeptWhenTheNewerOneHasGoneMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = 10 * time.Second })
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "old"))))
		w.Strike(http.MethodDelete, pathAttached, openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: 503})
		is.True(onlyErr(c.Put(t.Context(), doc("a.md", "new"))) != nil)
		time.Sleep(time.Minute)
		for _, f := range w.Server.Snapshot().Store(w.Store).Files {
			if string(w.Server.Content(f.FileID)) == "new" {
				w.Server.DetachStoreFile(w.Store, f.FileID) // a person does
			}
		}
		w.Server.ClearFaults()
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "old"})
	})
}

// A deletion does not remove versions that are attached more than the index timeout and three
// minutes later.
func TestAVersionThatIsAttachedLongAfterADeletionStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "another"))))
		restored := w.File("a.md", "restored")
		is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
		time.Sleep(30 * time.Minute)
		w.Server.AddStoreFile(w.Store, restored, map[string]any{"vs_key": "a.md", "vs_version": "0000000000000001"})
		is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "a change, after which the newest store files are looked at"))))
		time.Sleep(time.Hour)
		is.Equal(w.Holds()["a.md"], "restored")
	})
}

func TestAClientWithNothingLeftToDoMakesNoRequest(t *testing.T) {
	for name, opts := range map[string][]func(*vsclient.Config){"after calls that ended": nil, "after acknowledged documents": {async}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				w.Attached("b.md", "of a person", nil)
				c := w.Client(opts...)
				ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
				defer cancel()
				is.True(onlyErr(c.Put(ctx, doc("a.md", "given up"))) != nil)
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "another text"))))
				is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "text"))))
				is.NoErr(onlyErr(c.Delete(t.Context(), "c.md")))
				time.Sleep(time.Hour)
				before := w.Server.RequestCount()
				time.Sleep(5 * time.Hour)
				is.Equal(w.Server.RequestCount(), before)
			})
		})
	}
}

// A list of stores that cannot be had for a moment says nothing of the File.
func TestARemovalGoesOnWhenTheStoresCannotBeListedForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "text"))))
		time.Sleep(time.Hour)
		c := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = time.Nanosecond })
		w.Strike(http.MethodDelete, pathFiles+"/*", openaitest.Fault{Times: 1, Kind: openaitest.FaultStatus, Status: 500})
		w.Strike(http.MethodGet, "/vector_stores", openaitest.Fault{Times: 1, Kind: openaitest.FaultStatus, Status: 500})
		is.True(onlyErr(c.Delete(t.Context(), "a.md")) != nil)
		time.Sleep(time.Hour)
		is.Equal(w.Files(), 0)
	})
}
