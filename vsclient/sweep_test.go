package vsclient_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about Sweep.

// twoVersions puts a document, and plants an older version as a crash or a second
// writer leaves it. It returns the newest.
func twoVersions(w *worldtest.World, key string) vsclient.Result {
	w.T.Helper()
	c := w.Client()
	newest, err := c.Put(w.T.Context(), doc(key, "newer"))
	if err != nil {
		w.T.Fatal(err)
	}
	_ = c.Close() // so that nobody settles it in the background
	w.Attached(w.Server.Snapshot().Files[0].Name, "older", map[string]any{"vs_key": key, "vs_version": fmt.Sprintf("%016d", newest.Version-1)})
	return newest
}

func TestASweepLeavesEachKeyItsNewestVersion(t *testing.T) {
	for _, key := range []string{"a.md", `{"id":7}`} {
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexTime: time.Second})
				newest := twoVersions(w, key)
				is.Equal(len(w.Server.Snapshot().Store(w.Store).Files), 2)
				dry, err := w.Client().Sweep(t.Context(), vsclient.SweepOptions{DryRun: true})
				is.NoErr(err)
				is.Equal(len(dry), 1)
				is.Equal(dry[0].Key, key)
				is.Equal(dry[0].Why, vsclient.Superseded)
				is.True(!dry[0].Removed)
				is.Equal(w.Files(), 2)
				swept, err := w.Client().Sweep(t.Context(), vsclient.SweepOptions{})
				is.NoErr(err)
				dry[0].Removed = true
				is.Equal(swept, dry)
				is.Equal(w.Files(), 1)
				is.Equal(w.Server.Snapshot().Store(w.Store).Files[0].FileID, newest.FileID)
			})
		})
	}
}

// A process that is killed just after its attach leaves the file of the earlier connector
// beside the newer version.
func TestASweepRemovesAFileWithoutAttributesThatANewerVersionHasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second})
		older := w.Attached("a.md", "older", nil)
		time.Sleep(time.Hour)
		w.Attached("a.md", "newer", map[string]any{"vs_key": "a.md", "vs_version": fmt.Sprintf("%016d", time.Now().UnixMicro())})
		time.Sleep(time.Hour)
		for _, dry := range []bool{true, false} {
			found, err := w.Client().Sweep(t.Context(), vsclient.SweepOptions{DryRun: dry})
			is.NoErr(err)
			is.Equal(len(found), 1)
			is.Equal(found[0].FileID, older)
			is.Equal(found[0].Why, vsclient.Superseded)
			is.Equal(found[0].Removed, !dry)
		}
		w.Expect(map[string]string{"a.md": "newer"})
		w.NoGap("a.md")
	})
}

// A process that is killed just after it has updated the attributes of the newer of two
// files without any leaves the older.
func TestTheNextProcessRemovesTheFileBesideTheOneThatAnUpdateHasMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		w.Attached("a.md", "older", nil)
		time.Sleep(time.Second)
		path := "/vector_stores/" + w.Store + "/files/" + w.Attached("a.md", "newer", nil)
		time.Sleep(time.Hour)
		is.Equal(w.Request(http.MethodPost, path, `{"attributes":{"vs_key":"a.md","vs_version":"0000000000000001"}}`), http.StatusOK)
		is.NoErr(onlyErr(w.Client().Get(t.Context(), "a.md")))
		time.Sleep(10 * time.Minute)
		w.Expect(map[string]string{"a.md": "newer"})
	})
}

// Of a version that failed and one that is searchable, a sweep removes the former,
// and whatever comes after it loses nothing.
func TestASweepKeepsTheSearchableVersionWhenANewerOneHasFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(openaitest.Config{}))
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "fine"))))
		is.NoErr(c.Close()) // so that nobody settles it in the background
		c = w.Client()
		failedVersion(w, "a.md")
		time.Sleep(time.Hour)
		found, err := c.Sweep(t.Context(), vsclient.SweepOptions{})
		is.NoErr(err)
		is.Equal(len(found), 1)
		is.Equal(found[0].Why, vsclient.Unindexed)
		w.Expect(map[string]string{"a.md": "fine"})
		r, err := c.Put(t.Context(), doc("a.md", "fine"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Unchanged)
		w.Expect(map[string]string{"a.md": "fine"})
		w.NoGap("a.md")
		is.Equal(w.Files(), 1)
	})
}

// A sweep takes the key's turn: it comes before a put or after it, not in the middle.
func TestASweepDuringPutsRemovesNoVersionThatCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		swept := make(chan struct{})
		stop := make(chan struct{})
		go func() {
			defer close(swept)
			for {
				select {
				case <-stop:
					return
				default:
					if _, err := c.Sweep(t.Context(), vsclient.SweepOptions{}); err != nil {
						t.Error(err)
						return
					}
				}
			}
		}()
		for _, content := range []string{"1", "2", "3", "4", "5"} {
			is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", content))))
		}
		close(stop)
		<-swept
		w.Expect(map[string]string{"a.md": "5"})
		w.NoGap("a.md")
		is.Equal(w.Files(), 1)
	})
}

// A sweep leaves alone the store files that nobody has put by key.
func TestASweepLeavesHandUploadedFilesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		for _, attributes := range []map[string]any{nil, nil, nil, {"source": "another tool"}} {
			w.Attached("README.md", "text", attributes)
			time.Sleep(time.Minute)
		}
		time.Sleep(2 * time.Hour)
		w.File("new.md", "tells the time")
		c := w.Client()
		found, err := c.Sweep(t.Context(), vsclient.SweepOptions{Keys: []string{"README.md"}})
		is.NoErr(err)
		is.Equal(len(found), 0)
		is.Equal(w.Files(), 5)
	})
}

// TestASweepLeavesAHandUploadedFileAloneBesideAFailedVersion has a newer version of a dead
// process fail.
func TestASweepLeavesAHandUploadedFileAloneBesideAFailedVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{FailIndexing: func(f openaitest.FileInfo) (code, message string) {
			if f.Bytes == int64(len("broken")) {
				return "invalid_file", "it is broken"
			}
			return "", ""
		}})
		c := w.Client()
		r, err := c.Put(t.Context(), doc("README.md", "mine"))
		is.NoErr(err)
		is.NoErr(c.Close())
		time.Sleep(time.Hour)
		w.Attached("README.md", "by hand", nil)
		time.Sleep(time.Minute)
		attach := fmt.Sprintf(`{"file_id":%q,"attributes":{"vs_key":"README.md","vs_version":"%016d"}}`, w.File("README.md", "broken"), r.Version+1)
		is.Equal(w.Request(http.MethodPost, "/vector_stores/"+w.Store+"/files", attach), http.StatusOK)
		time.Sleep(time.Hour)
		swept, err := w.Client().Sweep(t.Context(), vsclient.SweepOptions{})
		is.NoErr(err)
		is.Equal(len(swept), 1)
		is.Equal(swept[0].Why, vsclient.Unindexed)
		is.Equal(w.Files(), 2)
	})
}

func TestAVouchedKeyStandsForItsOwnFileNameAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		theirs := w.File("report.pdf", "%PDF")
		before := w.File("report.md", "of before the run")
		time.Sleep(time.Hour)
		since := time.Now()
		ours := w.File("report.md", "ours")
		time.Sleep(2 * time.Hour)
		young := w.File("report.md", "its attach is still to come")
		found, err := w.Client().Sweep(t.Context(), vsclient.SweepOptions{Keys: []string{"report.md"}, Since: since})
		is.NoErr(err)
		removed := 0
		for _, f := range found {
			if f.Removed {
				removed++
				is.Equal(f.FileID, ours)
				is.Equal(f.Why, vsclient.Vouched)
			}
		}
		is.Equal(removed, 1)
		for _, id := range []string{theirs, before, young} {
			is.True(w.Exists(id))
		}
	})
}

// A File that a document records as the one that it has replaced, and that a killed
// process has detached and not deleted, needs no person.
func TestASweepRemovesAFileThatADocumentRecordsAsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		replacedHalf(w)
		time.Sleep(2 * time.Hour)
		w.File("new.md", "tells the time")
		found, err := w.Client().Sweep(t.Context(), vsclient.SweepOptions{DryRun: true})
		is.NoErr(err)
		is.Equal(len(found), 1)
		is.Equal(found[0].Why, vsclient.Recorded)
		_, err = w.Client().Sweep(t.Context(), vsclient.SweepOptions{})
		is.NoErr(err)
		w.Expect(map[string]string{"a.md": "new"})
		is.Equal(w.Files(), 2)
	})
}

func TestASweepOfAWrongStoreRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		id := w.File("a.md", "text")
		time.Sleep(2 * time.Hour)
		w.File("new.md", "tells the time")
		_, err := w.Client(inStore("vs_0123456789")).Sweep(t.Context(), vsclient.SweepOptions{Keys: []string{"a.md"}})
		is.True(err != nil)
		is.True(w.Exists(id))
	})
}

func TestAVouchedKeyDoesNotStandForNamesThatAreLikeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("report.md", "r"))))
		for _, name := range []string{"Report.pdf", "re-port.json", "2.png"} {
			w.Server.AddFile(openaitest.NewFile{Name: name, Content: []byte("somebody's")})
		}
		time.Sleep(2 * time.Hour)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("other.md", "o")))) // tells OpenAI's time
		_, err := c.Sweep(t.Context(), vsclient.SweepOptions{Keys: []string{"report.md", "第2章.md"}})
		is.NoErr(err)
		is.Equal(w.Files(), 5)
	})
}

func TestASweepWithoutAGracePeriodLeavesTheFileOfAPutUnderWayAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 10 * time.Millisecond})
		c := w.Client()
		w.Strike(http.MethodPost, pathAttach, openaitest.Fault{Kind: openaitest.FaultDelay, Delay: seconds(20)})
		done := make(chan error, 1)
		go func() { done <- onlyErr(c.Put(t.Context(), doc("a.md", "text"))) }()
		time.Sleep(3 * time.Second) // the File is uploaded, and attached nowhere
		is.Equal(w.Files(), 1)
		found, err := c.Sweep(t.Context(), vsclient.SweepOptions{MinAge: time.Nanosecond, Keys: []string{"a.md"}})
		is.NoErr(err)
		is.Equal(len(found), 0)
		is.Equal(w.Files(), 1)
		is.NoErr(<-done)
	})
}

// A client has heard OpenAI's time two hours ago. A File that somebody has made since does
// not turn the time back.
func TestASweepRemovesAFileThatIsOlderThanItsGracePeriodBesideAYoungerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		time.Sleep(10 * time.Minute)
		leftover := w.File("b.md", "of a lost reply")
		time.Sleep(10 * time.Minute)
		w.File("other.md", "of somebody")
		time.Sleep(100 * time.Minute)
		found, err := c.Sweep(t.Context(), vsclient.SweepOptions{Keys: []string{"b.md"}, MinAge: time.Hour})
		is.NoErr(err)
		is.Equal(len(found), 1)
		is.True(!w.Exists(leftover))
	})
}

func TestASweepThatIsLimitedToChosenFilesRemovesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		chosen, other := w.File("a.md", "one"), w.File("a.md", "two")
		time.Sleep(2 * time.Hour)
		w.File("new.md", "tells the time")
		_, err := w.Client().Sweep(t.Context(), vsclient.SweepOptions{Keys: []string{"a.md"}, Files: []string{chosen}})
		is.NoErr(err)
		is.True(!w.Exists(chosen))
		is.True(w.Exists(other))
	})
}

func TestASweepRemovesAFileOfAVouchedKeyThatTheServerListsUnderAnotherName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		leftover := w.File("two_words.md", "of a lost reply")
		time.Sleep(2 * time.Hour)
		w.File("new.md", "tells the time")
		_, err := w.Client().Sweep(t.Context(), vsclient.SweepOptions{Keys: []string{"two words.md"}})
		is.NoErr(err)
		is.True(!w.Exists(leftover))
	})
}
