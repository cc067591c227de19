package vsclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about Put and SetAttributes.

func TestAPutDocumentIsCreatedThenUnchangedThenReplacedThenItsAttributesAreUpdated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		attributed := with(doc("a.md", "two"), vsclient.Attributes{"n": 1, "s": "x", "b": true})
		chunked := attributed
		chunked.Chunking = vsclient.Chunking{MaxTokens: 200}
		version := int64(0)
		for _, step := range []struct {
			d       vsclient.Document
			want    vsclient.Outcome
			uploads int
		}{
			{doc("a.md", "one"), vsclient.Created, 1},
			{doc("a.md", "one"), vsclient.Unchanged, 1},
			{doc("a.md", "two"), vsclient.Replaced, 2},
			{attributed, vsclient.AttributesUpdated, 2},
			{attributed, vsclient.Unchanged, 2},
			{chunked, vsclient.Replaced, 3},
			{doc("a.md", "one"), vsclient.Replaced, 4}, // content that an older version had is uploaded anew
		} {
			r, err := c.Put(t.Context(), step.d)
			is.NoErr(err)
			is.Equal(r.Outcome, step.want)
			is.Equal(len(w.Times(filesCreate)), step.uploads)
			is.True(r.Version > version || step.want == vsclient.Unchanged && r.Version == version)
			version = r.Version
			is.Equal(w.Files(), 1)
		}
		w.NoGap("a.md")
	})
}

// An unchanged document makes no request while the client believes its last reply;
// other attributes make one.
func TestAnUnchangedDocumentMakesNoRequestAndOtherAttributesMakeOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		time.Sleep(5 * time.Second)
		before := w.Server.RequestCount()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		is.Equal(w.Server.RequestCount(), before)
		is.NoErr(onlyErr(c.Put(t.Context(), with(doc("a.md", "text"), vsclient.Attributes{"lang": "en"}))))
		is.Equal(w.Server.RequestCount(), before+1)
		is.Equal(w.Server.Counts()[singleUpdate], 1)
	})
}

func TestAttributesThatAnotherProcessHasSetAreNoticedAfterTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		first := with(doc("a.md", "text"), vsclient.Attributes{"n": 1})
		is.NoErr(onlyErr(c.Put(t.Context(), first)))
		other := w.Client()
		other.Apply(t.Context(), many("d", 250), nil) // the newest 200 are looked at in the background
		is.NoErr(onlyErr(other.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 2})))
		time.Sleep(11 * time.Minute)
		r, err := c.Put(t.Context(), first)
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
	})
}

// The look at the newest store files, three minutes after each put, shows attributes of a lower number.
func TestAttributesThatAnotherProcessHasSetAreNoticedAlsoWhereEachPutIsLookedAtAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		a, b := w.Client(), w.Client()
		n := func(n int) vsclient.Document { return with(doc("a.md", "text"), vsclient.Attributes{"n": n}) }
		for _, put := range []struct {
			c *vsclient.Client
			n int
		}{{a, 1}, {b, 1}, {a, 2}, {a, 3}} {
			is.NoErr(onlyErr(put.c.Put(t.Context(), n(put.n))))
		}
		time.Sleep(2 * time.Minute)
		is.NoErr(onlyErr(b.Put(t.Context(), n(4)))) // it believes its own reply, and so counts on from 1
		is.NoErr(onlyErr(a.Put(t.Context(), n(3))))
		for range 3 {
			time.Sleep(5 * time.Minute)
			is.NoErr(onlyErr(a.Put(t.Context(), n(3))))
		}
		is.Equal(w.Server.Snapshot().Store(w.Store).Files[0].Attributes["n"], 3.0)
	})
}

func TestAFreshClientKnowsTheDocumentsOfAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		is, n := is.New(t), race.Pick(300, 100)
		w := worldtest.New(t, slow)
		for _, round := range []struct {
			content string
			want    vsclient.Outcome
		}{{"x", vsclient.Created}, {"x", vsclient.Unchanged}, {"y", vsclient.Replaced}} {
			changes := make([]vsclient.Change, n)
			for i := range changes {
				changes[i] = put(fmt.Sprintf("%d.md", i), round.content)
			}
			for _, r := range w.Client().Apply(t.Context(), changes, nil) {
				is.NoErr(r.Err)
				is.Equal(r.Outcome, round.want)
			}
		}
		is.Equal(len(w.Searchable()), n)
		is.Equal(w.Files(), n)
	})
}

func TestAttributesOfADocumentThatCannotBeFoundYetChangeWithoutAnUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, Quirks: openaitest.Quirks{WritesNotFound: true}})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		r, err := c.Put(t.Context(), with(doc("a.md", "text"), vsclient.Attributes{"lang": "en"}))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		is.Equal(w.Server.Counts()[filesCreate], 1)
		is.Equal(w.Server.Snapshot().Store(w.Store).Files[0].Attributes["lang"], "en")
	})
}

func TestAnUpdateWaitsForADocumentThatMayShowYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second})
		is.NoErr(onlyErr(w.Client(async).Put(t.Context(), doc("a.md", "text"))))
		is.NoErr(onlyErr(w.Client().SetAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})))
		is.Equal(w.Server.Snapshot().Store(w.Store).Files[0].Attributes["lang"], "en")
	})
}

func TestAnUpdateWaitsForAVersionThatIsBeingIndexed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 2 * time.Minute, Quirks: openaitest.Quirks{UpdateWhileIndexingRefused: true}})
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		r, err := w.Client().SetAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		is.NoErr(c.Flush(t.Context()))
		is.Equal(w.Server.Snapshot().Store(w.Store).Files[0].Attributes["lang"], "en")
		is.Equal(w.Answered(409), 0)
	})
}

// Another process uploads the document anew, since its first try has failed.
func TestAnUpdateBesideAVersionThatHasFailedFindsTheNewestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var tried []string // Files in the order in which they are indexed
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 5 * time.Second, FailIndexing: func(f openaitest.FileInfo) (code, message string) {
			if !slices.Contains(tried, f.ID) {
				tried = append(tried, f.ID)
			}
			if len(tried) == 2 {
				return "server_error", "An internal error occurred."
			}
			return "", ""
		}})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "older"))))
		time.Sleep(time.Hour)
		var other sync.WaitGroup
		other.Go(func() { is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "newer")))) })
		time.Sleep(time.Second)
		r, err := w.Client().SetAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		other.Wait()
		is.Equal(len(tried), 3)
		is.Equal(w.Server.Snapshot().Store(w.Store).Files[0].Attributes["lang"], "en")
		w.Expect(map[string]string{"a.md": "newer"})
	})
}

// The reply to an update is lost, and the update takes effect later than the next one:
// the attributes that were asked for last hold in the end, once they are put again.
func TestAnUpdateThatTakesEffectLateIsSetRightByTheNextPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = 5 * time.Second })
		is.NoErr(onlyErr(c.Put(t.Context(), with(doc("a.md", "text"), vsclient.Attributes{"n": "0"}))))
		w.Strike(http.MethodPost, pathAttached, openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: 504, EffectAfter: seconds(30)})
		_, err := c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": "1"})
		is.Equal(vsclient.ClassOf(err), vsclient.Transient)
		w.Server.ClearFaults()
		time.Sleep(time.Minute)
		r, err := c.Put(t.Context(), with(doc("a.md", "text"), vsclient.Attributes{"n": "0"}))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated) // it does not believe that "0" is still there
		is.Equal(w.Server.Snapshot().Store(w.Store).Files[0].Attributes["n"], "0")
	})
}

// The reply to an update is lost, its repetition succeeds, and the first attempt takes effect
// after the next update. Listings show that, and a listing takes no attributes back.
func TestAnUpdateThatTakesEffectLateIsSetRightAlsoWhereItsRepetitionSucceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		put := func(n string) vsclient.Outcome {
			r, err := c.Put(t.Context(), with(doc("a.md", "text"), vsclient.Attributes{"n": n}))
			is.NoErr(err)
			return r.Outcome
		}
		put("0")
		w.Strike(http.MethodPost, pathAttached, openaitest.Fault{Kind: openaitest.FaultStatus, Status: 504, EffectAfter: seconds(60)})
		put("1")
		put("2")
		for range 3 { // a look at the newest store files follows each
			time.Sleep(4 * time.Minute)
			put("2")
		}
		is.Equal(w.Server.Snapshot().Store(w.Store).Files[0].Attributes["n"], "2")
		is.Equal(put("2"), vsclient.Unchanged)
	})
}

func TestSetAttributesOfAKeyWithoutADocumentFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		_, err := w.Client().SetAttributes(t.Context(), "never.md", vsclient.Attributes{"lang": "en"})
		is.Equal(vsclient.ClassOf(err), vsclient.BadDocument)
		is.Equal(err.Error(), `vsclient: set attributes of "never.md": not found: the key has no document to update; use Put`)
	})
}

// Files have the purpose that is configured, which others' files of another purpose
// are no concern of.
func TestFilesHaveTheConfiguredPurpose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		user := func(cfg *vsclient.Config) { cfg.Purpose = "user_data" }
		is.NoErr(onlyErr(w.Client(user).Put(t.Context(), doc("a.md", "one"))))
		is.Equal(w.Server.Snapshot().Files[0].Purpose, "user_data")
		time.Sleep(time.Hour)
		r, err := w.Client(user).Put(t.Context(), doc("a.md", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		is.Equal(w.Files(), 1)
	})
}

// An index timeout that is shorter than a version may stay unseen ends no update early.
func TestSetAttributesOfAKeyWithoutADocumentFailsWhateverTheIndexTimeout(t *testing.T) {
	for _, timeout := range []time.Duration{time.Second, 25 * time.Second, 40 * time.Second} {
		t.Run(timeout.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				w.Server.AddStoreFile(w.Server.NewVectorStore("other"), w.File("a.md", "of another store"), nil)
				c := w.Client(func(cfg *vsclient.Config) { cfg.IndexTimeout = timeout })
				_, err := c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"public": true})
				is.True(errors.Is(err, vsclient.ErrNotFound))
			})
		})
	}
}

func TestANewDocumentWaitsForNoRemovalThatIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client(func(cfg *vsclient.Config) { cfg.Concurrency, cfg.RetryTimeout = 1, 12*time.Minute })
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
		w.Server.Inject(openaitest.Fault{Method: "DELETE", Times: -1, Kind: openaitest.FaultStatus, Status: http.StatusServiceUnavailable})
		var update sync.WaitGroup
		update.Go(func() { is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "two")))) })
		time.Sleep(20 * time.Second)
		began := time.Now()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("new.md", "text"))))
		is.True(time.Since(began) < time.Minute)
		w.Server.ClearFaults()
		update.Wait()
	})
}

// Removals are paced to 300 a minute after the first answer of 429.
func TestManyDeletionsHoldUpNoPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.Limits.DeletesPerMinute = 300
		w := worldtest.New(t, cfg)
		c := w.Client()
		var deletions []vsclient.Change
		for _, r := range c.Apply(t.Context(), many("old", 400), nil) {
			is.NoErr(r.Err)
			deletions = append(deletions, vsclient.Delete(r.Key))
		}
		var deleting sync.WaitGroup
		deleting.Go(func() {
			for _, r := range c.Apply(t.Context(), deletions, nil) {
				is.NoErr(r.Err)
			}
		})
		time.Sleep(10 * time.Second)
		for i := range 4 {
			began := time.Now()
			is.NoErr(onlyErr(c.Put(t.Context(), doc(fmt.Sprintf("new%d.md", i), "text"))))
			is.True(time.Since(began) < 5*time.Second)
		}
		deleting.Wait()
	})
}

// Another process uploads while the list of the second purpose is being read, and a File
// of that purpose is newer than its document.
func TestADocumentIsFoundBesideNewerFilesOfAnotherPurpose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		user := func(cfg *vsclient.Config) { cfg.Purpose = "user_data" }
		other := w.Client(user)
		meanwhile := func() {}
		c := w.Client(user, over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("purpose") == "assistants" {
				meanwhile()
			}
			return next.RoundTrip(r)
		}))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("first.md", "text"))))
		time.Sleep(time.Hour)
		meanwhile = func() {
			meanwhile = func() {}
			time.Sleep(2 * time.Second)
			is.NoErr(onlyErr(other.Put(t.Context(), doc("a.md", "text"))))
			time.Sleep(2 * time.Second)
			w.Server.AddFile(openaitest.NewFile{Name: "other.md", Purpose: "assistants", Content: []byte("x")})
		}
		_, err := c.Get(t.Context(), "b.md")
		is.True(errors.Is(err, vsclient.ErrNotFound))
		time.Sleep(time.Hour)
		is.NoErr(onlyErr(c.Get(t.Context(), "a.md")))
	})
}

func TestAVersionThatCannotBeRemovedKeepsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		bad := func(f openaitest.FileInfo) bool { return f.Bytes == int64(len("bad content")) }
		w := worldtest.New(t, openaitest.Config{FailIndexing: func(f openaitest.FileInfo) (string, string) {
			if bad(f) {
				return "invalid_file", "Because."
			}
			return "", ""
		}})
		stubborn := ""
		c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodDelete && stubborn == "" {
				for _, f := range w.Server.Snapshot().Files {
					if f.Bytes == int64(len("bad content")) {
						stubborn = f.ID
					}
				}
			}
			if r.Method == http.MethodDelete && stubborn != "" && strings.HasSuffix(r.URL.Path, stubborn) {
				return refusal(r, http.StatusInternalServerError), nil
			}
			return next.RoundTrip(r)
		}))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
		time.Sleep(time.Hour)
		is.True(errors.Is(onlyErr(c.Put(t.Context(), doc("a.md", "bad content"))), vsclient.ErrIndexing))
		_, _ = c.Put(t.Context(), doc("a.md", "two"))
		_, _ = c.Put(t.Context(), doc("a.md", "three"))
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "three"})
	})
}

// A look may fail after a file that was stuck has been uploaded anew.
func TestAFileThatWasStuckGoesAlsoWhenTheLookAfterItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		stuck := true
		w := worldtest.New(t, openaitest.Config{
			Latency: 5 * time.Millisecond, IndexTime: 2 * time.Second, NotFoundWindow: 16 * time.Second,
			StickIndexing: func(openaitest.FileInfo) (first bool) {
				first, stuck = stuck, false
				return first
			},
		})
		c := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = time.Second })
		go func() {
			time.Sleep(10 * time.Minute)
			w.Strike(http.MethodGet, pathFiles, openaitest.Fault{Times: 4, Kind: openaitest.FaultCut})
		}()
		_, err := c.Put(t.Context(), doc("日本語.txt", "text"))
		is.True(err != nil) // the key may have other versions
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"日本語.txt": "text"})
		is.Equal(w.Files(), 1)
	})
}
