package vsclient_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about the number of requests in a project of many Files.

// plant fills the project with n Files of other people's that are all in the
// store, made one a second until an hour ago.
func plant(w *worldtest.World, n int) {
	ago := time.Now().Add(-time.Hour)
	for i := range n {
		made := ago.Add(time.Duration(i-n) * time.Second)
		id := w.Server.AddFile(openaitest.NewFile{Name: fmt.Sprintf("other-%06d.md", i), Bytes: 100, CreatedAt: made})
		w.Server.AddStoreFile(w.Store, id, map[string]any{"source": "another tool"})
	}
}

func TestTheFirstPutInALargeProjectReadsNoStorePageAndTheSecondListsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.KeepBytes = 1
		w := worldtest.New(t, cfg)
		planted, pages := race.Pick(30_000, 12_000), race.Pick(3, 2)
		plant(w, planted)
		c := w.Client()

		_, err := c.Put(t.Context(), doc("new.md", "text"))
		is.NoErr(err)
		counts := w.Server.Counts()
		is.Equal(counts[storeListing], 2) // the look at the newest 200, in the background
		is.True(w.Server.RequestCount()-counts[storeListing] <= 8)
		is.Equal(counts[filesList], pages)

		before := w.Server.RequestCount()
		_, err = c.Put(t.Context(), doc("newer.md", "text"))
		is.NoErr(err)
		is.Equal(w.Server.Counts()[filesList], pages)
		is.True(w.Server.RequestCount()-before <= 5)

		// Nor does a replacement, by a client that has just started, read the store.
		before = w.Server.RequestCount()
		_, err = w.Client().Put(t.Context(), doc("new.md", "another"))
		is.NoErr(err)
		is.Equal(w.Server.Counts()[storeListing], 4)    // again the newest 200 alone
		is.True(w.Server.RequestCount()-before-2 <= 22) // in addition: looks at both versions, detach and delete
	})
}

func TestAgingKnowledgeIsRefreshedByOnePage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		files, pages := 10_100, 2
		if race.Enabled {
			files, pages = 200, 1
		}
		plant(w, files)
		c := w.Client()
		for i := range 3 {
			_, err := c.Put(t.Context(), doc(fmt.Sprintf("%d.md", i), "text"))
			is.NoErr(err)
			time.Sleep(time.Hour)
		}
		is.Equal(w.Server.Counts()[filesList], pages+2) // all pages once, and a small one an hour
	})
}

func TestDeliveringASnapshotAgainAsksOnceForAHundredDocuments(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		is, n := is.New(t), race.Pick(1000, 300)
		w := worldtest.New(t, slow)
		for _, r := range w.Client().Apply(t.Context(), many("d", n), nil) {
			is.NoErr(r.Err)
		}
		time.Sleep(time.Hour)
		before := w.Server.RequestCount()
		c := w.Client()
		for _, r := range c.Apply(t.Context(), many("d", n), nil) {
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Unchanged)
		}
		is.True(w.Server.RequestCount()-before <= 110+n/100) // a new process looks at the first hundred
		before = w.Server.RequestCount()
		for _, r := range c.Apply(t.Context(), many("d", n), nil) {
			is.Equal(r.Outcome, vsclient.Unchanged)
		}
		is.Equal(w.Server.RequestCount(), before) // the known need not be asked for
	})
}

func TestNamesakesInAnotherStoreCostAReplayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		changes := many("d", 200)
		for _, r := range w.Client().Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
		}
		other := w.Server.NewVectorStore("other")
		for _, c := range changes {
			w.Server.AddStoreFile(other, w.File(c.Key(), "theirs"), nil)
		}
		earlier := w.Attached(changes[7].Key(), "earlier", nil) // an older version, in this store
		time.Sleep(time.Hour)
		w.File("new.md", "new") // tells how late it is
		before := w.Server.RequestCount()
		for _, r := range w.Client().Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Unchanged)
		}
		is.True(w.Server.RequestCount()-before < 140) // it looks at the first hundred
		is.True(!w.Exists(earlier))
		is.Equal(len(w.Server.Snapshot().Store(other).Files), 200)
	})
}
