//go:build e2e

package e2e_test

import (
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// snapshot returns a world in the middle of a snapshot of 300 rows.
func snapshot(t *testing.T) *world {
	t.Helper()
	sql := rows(t)
	sql(`CREATE TABLE docs (id int PRIMARY KEY, body text NOT NULL);
		INSERT INTO docs SELECT i, 'row ' || i FROM generate_series(1, 300) i`)
	w := newWorld(t, openaitest.Config{Latency: 20 * time.Millisecond, IndexTime: 500 * time.Millisecond})
	w.pipeline(postgres("docs", true), extracted(map[string]string{"content_field": "body", "sdk.batch.size": "50"}), "")
	w.start()
	w.await("some are written and others under way", func() bool {
		counts := map[string]int{}
		for _, f := range w.openai.Snapshot().Store(w.store).Files {
			counts[f.Status]++
		}
		return counts["completed"] > 40 && counts["in_progress"] > 0
	})
	return w
}

func TestAStopDrains(t *testing.T) {
	is := is.New(t)
	w := snapshot(t)
	w.stop()
	docs := w.documents()
	w.once(len(docs)) // nothing is left half done
	uploads := w.openai.Counts()["POST /files"]
	is.Equal(uploads, len(docs))

	w.start()
	w.await("300 documents", func() bool { return len(w.documents()) == 300 })
	w.stop()
	w.once(300)
	is.Equal(w.openai.Counts()["POST /files"], 300) // nothing was uploaded twice
}

func TestAKilledConduitLosesAndDoublesNothing(t *testing.T) {
	w := snapshot(t)
	w.engine.Kill() //nolint:errcheck // it was killed
	w.await("its plugin has ended as well", func() bool {
		n, err := w.engine.Running(plugin)
		return err == nil && n == 0
	})
	w.start()
	w.awaitOnce(300)
}

func TestATerminatedConduitLosesAndDoublesNothing(t *testing.T) {
	is := is.New(t)
	w := snapshot(t)
	is.NoErr(w.engine.Terminate(t.Context()))
	w.start()
	w.awaitOnce(300)
}

func TestAKilledPluginLosesAndDoublesNothing(t *testing.T) {
	is := is.New(t)
	w := snapshot(t)
	is.NoErr(w.engine.KillPlugin(plugin))
	w.awaitOnce(300) // Conduit starts it again
}

// awaitOnce waits until each of n documents is there once, and stays so at the end
// of the engine.
func (w *world) awaitOnce(n int) {
	w.Helper()
	w.await("each document is there, once and indexed", func() bool {
		docs := w.documents()
		for _, d := range docs {
			if d.status != "completed" || d.versions != 1 {
				return false
			}
		}
		return len(docs) == n
	})
	w.stop()
	w.once(n)
	w.Logf("%d Files are left that are attached nowhere", len(w.openai.Snapshot().Files)-n)
}
