package vsclient_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about Get, List and Text.

func TestGetListAndTextShowTheDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		d := with(doc("a.md", "two"), vsclient.Attributes{"n": 1, "s": "x", "b": true})
		d.Chunking = vsclient.Chunking{MaxTokens: 200, OverlapTokens: 50}
		r, err := c.Put(t.Context(), d)
		is.NoErr(err)
		info, err := w.Client().Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Key, "a.md")
		is.Equal(info.FileID, r.FileID)
		is.Equal(info.Version, r.Version)
		is.Equal(info.Size, int64(3))
		is.Equal(info.SHA256, "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3")
		is.Equal(info.Status, vsclient.Completed)
		is.Equal(info.Attributes, vsclient.Attributes{"n": 1.0, "s": "x", "b": true})
		is.Equal(info.Chunking, d.Chunking)
		is.True(!info.AttachedAt.IsZero())
		text, err := c.Text(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(text, "two")
		for i, err := range w.Client().List(t.Context()) {
			is.NoErr(err)
			is.Equal(i, info)
		}
	})
}

func TestAReaderInAnotherProcessMissesNoReplacedDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 20 * time.Millisecond, IndexTime: time.Second})
		writer, reader := w.Client(), w.Client()
		is.NoErr(onlyErr(writer.Put(t.Context(), doc("a.md", "0"))))
		is.NoErr(onlyErr(reader.Put(t.Context(), doc("b.md", "x")))) // it has read the list of Files
		var writes sync.WaitGroup
		writes.Go(func() {
			for i := range 3 {
				is.NoErr(onlyErr(writer.Put(t.Context(), doc("a.md", fmt.Sprint(i+1)))))
				time.Sleep(2 * time.Second)
			}
		})
		for range 60 {
			began := time.Now()
			is.NoErr(onlyErr(reader.Get(t.Context(), "a.md")))
			is.True(time.Since(began) < 5*time.Second)
			listed := false
			for i, err := range reader.List(t.Context()) {
				is.NoErr(err)
				listed = listed || i.Key == "a.md"
			}
			is.True(listed)
			time.Sleep(100 * time.Millisecond)
		}
		writes.Wait()
	})
}

func TestAReaderThatLookedTooEarlyFindsTheDocumentWhenItShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second})
		reader := w.Client()
		is.NoErr(onlyErr(w.Client(async).Put(t.Context(), doc("a.md", "text"))))
		// Where the listing shows the document already, Get waits until it shows.
		err := onlyErr(reader.Get(t.Context(), "a.md"))
		is.True(err == nil || errors.Is(err, vsclient.ErrNotFound))
		time.Sleep(25 * time.Second)
		is.NoErr(onlyErr(reader.Get(t.Context(), "a.md")))
	})
}

// TestAReaderDoesNotWaitForANewerVersionBesideASearchableOne lists a version of which a GET
// still answers 404.
func TestAReaderDoesNotWaitForANewerVersionBesideASearchableOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, IndexTime: time.Minute})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
		time.Sleep(time.Hour)
		a, kill := w.Process(async)
		newer, err := a.Put(t.Context(), doc("a.md", "new"))
		is.NoErr(err)
		kill()
		time.Sleep(2 * time.Second)
		b := w.Client()
		for _, err := range b.List(t.Context()) {
			is.NoErr(err)
		}
		began := time.Now()
		info, err := b.Get(t.Context(), "a.md")
		is.NoErr(err)
		is.True(info.FileID != newer.FileID)
		is.Equal(time.Since(began), time.Duration(0))
	})
}

func TestAReaderFindsTheOlderVersionWhileTheNewOneOfThisClientCannotBeSeen(t *testing.T) {
	for name, opts := range map[string][]func(*vsclient.Config){"put": nil, "acknowledged": {async}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexTime: 30 * time.Second, NotFoundWindow: 15 * time.Second})
				c := w.Client(opts...)
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
				is.NoErr(c.Flush(t.Context()))
				time.Sleep(10 * time.Minute)
				var put sync.WaitGroup
				put.Go(func() { is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "two")))) })
				for range 25 {
					time.Sleep(time.Second)
					info, err := c.Get(t.Context(), "a.md")
					is.NoErr(err)
					is.Equal(info.Status, vsclient.Completed)
				}
				put.Wait()
			})
		})
	}
}

// TestAReaderLeavesOneVersionOfADocumentThatManyNewFilesFollow has a process die before it
// removes the older version, and others attach more Files than a look reads at least.
func TestAReaderLeavesOneVersionOfADocumentThatManyNewFilesFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: 2 * time.Minute}})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
		time.Sleep(time.Hour)
		a, kill := w.Process(async)
		is.NoErr(onlyErr(a.Put(t.Context(), doc("a.md", "new"))))
		kill()
		for i := range 300 {
			w.Attached(fmt.Sprintf("other-%d.md", i), "text", map[string]any{"vs_key": fmt.Sprintf("other/%d.md", i), "vs_version": "0000000000000001"})
		}
		_, err := w.Client().Get(t.Context(), "a.md")
		is.NoErr(err)
		time.Sleep(time.Hour)
		is.Equal(w.Files(), 301)
		is.Equal(w.Holds()["a.md"], "new")
	})
}

// A listing finds candidates, and proves nothing.
func TestADocumentStaysThatAListingShowsAsFailed(t *testing.T) {
	for _, status := range []string{"failed", "cancelled"} {
		t.Run(status, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := worldtest.New(t, slow)
				c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err == nil && strings.HasSuffix(r.URL.Path, w.Store+"/files") && r.Method == http.MethodGet {
						resp = rewritten(resp, `"completed"`, `"`+status+`"`)
					}
					return resp, err
				}))
				is.New(t).NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
				time.Sleep(time.Hour)
				w.Expect(map[string]string{"a.md": "text"})
			})
		})
	}
}

func TestAListingDoesNotShowDocumentsThatThisClientHasDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{ListLag: openaitest.Lag{Detach: 2 * time.Minute}})
		c := w.Client()
		for _, key := range []string{"short.md", strings.Repeat("long/", 200) + ".md"} {
			is.NoErr(onlyErr(c.Put(t.Context(), doc(key, "text"))))
			is.NoErr(onlyErr(c.Delete(t.Context(), key)))
		}
		for i, err := range c.List(t.Context()) {
			is.NoErr(err)
			t.Errorf("%s is listed", i.FileID)
		}
	})
}

func TestDocumentsCanBeDeletedAsTheyAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Quirks: openaitest.Quirks{DeletedCursorRefused: true}})
		c := w.Client()
		for _, r := range c.Apply(t.Context(), many("d", 250), nil) {
			is.NoErr(r.Err)
		}
		for i, err := range c.List(t.Context()) {
			is.NoErr(err)
			is.NoErr(onlyErr(c.Delete(t.Context(), i.Key)))
		}
		is.Equal(w.Files(), 0)
	})
}

// The first document of the listing is a.md; b.md is replaced when the loop has it.
func TestAListingHasADocumentThatIsReplacedMeanwhile(t *testing.T) {
	late := openaitest.Lag{Attach: 2 * time.Minute}
	for name, tt := range map[string]struct {
		cfg     openaitest.Config
		between int  // documents
		old     bool // listings show b.md
		other   bool // process, which makes the changes
		known   bool // the reader has looked at b.md
		more    int  // documents that are new after it, and then the reader looks at it
	}{
		"that is on the same page":                           {old: true},
		"that is on the same page, before listings show it":  {old: true, cfg: openaitest.Config{ListLag: late}},
		"that is on a later page, before listings show it":   {old: true, cfg: openaitest.Config{ListLag: late}, between: 120},
		"that listings do not show yet":                      {cfg: openaitest.Config{ListLag: late}},
		"by another process":                                 {cfg: openaitest.Config{ListLag: late}, other: true},
		"by another process, after a look":                   {cfg: openaitest.Config{ListLag: late}, other: true, known: true},
		"by another process, which goes on to others":        {old: true, cfg: openaitest.Config{ListLag: late}, other: true, more: 120},
		"by another process, that is gone from a later page": {old: true, cfg: openaitest.Config{ListLag: late, Latency: 20 * time.Second}, between: 120, other: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, tt.cfg)
				reader := w.Client()
				writer := reader
				if tt.other {
					writer = w.Client()
				}
				is.NoErr(onlyErr(writer.Put(t.Context(), doc("a.md", "text"))))
				for _, r := range writer.Apply(t.Context(), many("d", tt.between), nil) {
					is.NoErr(r.Err)
				}
				time.Sleep(5 * time.Minute)
				is.NoErr(onlyErr(writer.Put(t.Context(), doc("b.md", "one"))))
				if tt.old {
					time.Sleep(5 * time.Minute)
				}
				if tt.known {
					is.NoErr(onlyErr(reader.Get(t.Context(), "b.md")))
				}
				listed := make(map[string]int)
				for i, err := range reader.List(t.Context()) {
					is.NoErr(err)
					if listed[i.Key]++; i.Key == "a.md" {
						is.NoErr(onlyErr(writer.Put(t.Context(), doc("b.md", "two"))))
						time.Sleep(time.Second)
						for _, r := range writer.Apply(t.Context(), many("e", tt.more), nil) {
							is.NoErr(r.Err)
						}
						if tt.more > 0 {
							is.NoErr(onlyErr(reader.Get(t.Context(), "b.md")))
						}
					}
				}
				is.Equal(listed["b.md"], 1)
				is.True(len(listed) >= tt.between+2)
				w.NoGap("b.md")
			})
		})
	}
}

func TestAListingHasADocumentWhoseReplacementIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{ListLag: openaitest.Lag{Attach: 2 * time.Minute}})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "one"))))
		time.Sleep(5 * time.Minute)
		listed := make(map[string]int)
		for i, err := range c.List(t.Context()) {
			is.NoErr(err)
			if listed[i.Key]++; i.Key == "a.md" {
				r, err := c.Put(t.Context(), doc("b.md", "two"))
				is.NoErr(err)
				w.OnFirst(http.MethodGet, "/"+r.FileID, func() { is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "three")))) })
			}
		}
		is.Equal(listed["b.md"], 1)
		w.NoGap("b.md")
	})
}

// The look at the newer version comes before its attach, and that at the older one after its removal.
func TestAListingHasADocumentThatIsReplacedBetweenTwoLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond, ListLag: openaitest.Lag{Attach: 2 * time.Minute}})
		c := w.Client()
		r, err := c.Put(t.Context(), doc("b.md", "one"))
		is.NoErr(err)
		w.Strike(http.MethodPost, pathAttach, openaitest.Fault{Kind: openaitest.FaultDelay, Delay: openaitest.Duration(500 * time.Millisecond)})
		w.Strike(http.MethodGet, "/vector_stores/*/files/"+r.FileID, openaitest.Fault{Kind: openaitest.FaultDelay, Delay: seconds(3)})
		var put sync.WaitGroup
		put.Go(func() { is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "two")))) })
		time.Sleep(60 * time.Millisecond) // it is uploaded, and not attached yet
		listed := 0
		for i, err := range c.List(t.Context()) {
			is.NoErr(err)
			is.Equal(i.Key, "b.md")
			listed++
		}
		put.Wait()
		is.Equal(listed, 1)
		w.NoGap("b.md")
	})
}

func TestAListingOfAStoreThatExpiresMeanwhileEndsWithAnError(t *testing.T) {
	for name, n := range map[string]int{"between two pages": 250, "before a look": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{ListLag: openaitest.Lag{Attach: time.Minute}})
				c := w.Client()
				c.Apply(t.Context(), many("old", n), nil)
				time.Sleep(2 * time.Minute)
				c.Apply(t.Context(), many("new", 5), nil)
				var last error
				for _, err := range c.List(t.Context()) {
					w.Server.ExpireVectorStore(w.Store, 0)
					last = err
				}
				is.True(errors.Is(last, vsclient.ErrStoreGone))
			})
		})
	}
}

func TestAListingHasADocumentOnceBesideAnUploadOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "one"))))
		time.Sleep(10 * time.Minute)
		w.Strike(http.MethodPost, pathAttach, openaitest.Fault{Kind: openaitest.FaultDelay, Delay: seconds(5)})
		var put sync.WaitGroup
		put.Go(func() { is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "two")))) })
		time.Sleep(time.Second)
		before, listed := w.Server.Counts()[singleLook], 0
		for _, err := range c.List(t.Context()) {
			is.NoErr(err)
			listed++
		}
		is.Equal(listed, 1)
		is.Equal(w.Server.Counts()[singleLook], before+1) // whether the newer one is attached
		put.Wait()
	})
}

// A list of Files that was asked for before the deletion, and comes after it, still
// has the File; and the store still shows a ghost of it.
func TestADeletedDocumentIsGoneWhateverIsBeingListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for lead := range 40 {
			is := is.New(t)
			w := worldtest.New(t, openaitest.Config{Latency: 20 * time.Millisecond, GhostWindow: time.Minute})
			c := w.Client()
			is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
			var listing sync.WaitGroup
			listing.Go(func() {
				time.Sleep(time.Duration(lead) * time.Millisecond)
				_, err := c.Get(t.Context(), "never.md")
				is.True(errors.Is(err, vsclient.ErrNotFound))
			})
			is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
			listing.Wait()
			_, err := c.Get(t.Context(), "a.md")
			is.True(errors.Is(err, vsclient.ErrNotFound))
			r, err := c.Put(t.Context(), doc("a.md", "text"))
			is.NoErr(err)
			is.Equal(r.Outcome, vsclient.Created)
		}
	})
}

// With a wrong store id no call succeeds, and none says that a document is missing.
func TestNoCallSucceedsWithAWrongStore(t *testing.T) {
	for sentence, row := range map[string]struct {
		cfg    openaitest.Config
		expire bool
	}{
		"missing":               {},
		"missing, answered 400": {cfg: openaitest.Config{Quirks: openaitest.Quirks{Absent400: true}}},
		"expired":               {expire: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, row.cfg)
				c := w.Client(inStore("vs_0123456789"))
				if row.expire {
					c = w.Client()
					w.Server.ExpireVectorStore(w.Store, 0)
				}
				for name, err := range map[string]error{
					"Check":         onlyErr(c.Check(t.Context())),
					"Put":           onlyErr(c.Put(t.Context(), doc("a.md", "text"))),
					"SetAttributes": onlyErr(c.SetAttributes(t.Context(), "a.md", nil)),
					"Delete":        onlyErr(c.Delete(t.Context(), "a.md")),
					"Get":           onlyErr(c.Get(t.Context(), "a.md")),
					"Text":          onlyErr(c.Text(t.Context(), "a.md")),
					"Sweep":         onlyErr(c.Sweep(t.Context(), vsclient.SweepOptions{})),
				} {
					if !errors.Is(err, vsclient.ErrStoreGone) || errors.Is(err, vsclient.ErrNotFound) || vsclient.ClassOf(err) != vsclient.Fatal {
						t.Errorf("%s: %v, which is %v", name, err, vsclient.ClassOf(err))
					}
				}
				listed := 0
				for _, err := range c.List(t.Context()) {
					is.True(errors.Is(err, vsclient.ErrStoreGone))
					listed++
				}
				is.Equal(listed, 1)
				is.Equal(w.Files(), 0)
			})
		})
	}
}

// A search that finds a store gone in the middle of a run says so of every document,
// and nothing is uploaded for it after that.
func TestAStoreThatExpiresInARunIsReportedAndNothingIsUploadedAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		for _, r := range c.Apply(t.Context(), many("d", 20), nil) {
			is.NoErr(r.Err)
		}
		w.Server.ExpireVectorStore(w.Store, 0)
		for _, r := range c.Apply(t.Context(), many("e", 100), nil) {
			is.True(errors.Is(r.Err, vsclient.ErrStoreGone))
			is.Equal(vsclient.ClassOf(r.Err), vsclient.Fatal)
		}
		time.Sleep(time.Minute)
		before := len(w.Times(filesCreate))
		for _, r := range c.Apply(t.Context(), many("f", 100), nil) {
			is.True(errors.Is(r.Err, vsclient.ErrStoreGone))
		}
		is.Equal(len(w.Times(filesCreate)), before)
		is.Equal(w.Files(), 20) // the uploads that failed are gone
	})
}

// A listing that repeats its cursor, or a body that never ends, ends in an error.
func TestNoReplyMakesAReaderRunWithoutEnd(t *testing.T) {
	for sentence, body := range map[string]string{
		"a page that says there is more and has nothing": `{"object":"list","data":[],"has_more":true}`,
		"the same page again and again":                  `{"object":"list","data":[{"id":"file-1","object":"vector_store.file","status":"completed","created_at":1,"filename":"a.md","bytes":1}],"has_more":true,"last_id":"file-1"}`,
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				var n atomic.Int32
				c := w.Client(over(func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
					n.Add(1)
					return replies(200, body)(r)
				}))
				var err error
				for _, err = range c.List(t.Context()) {
				}
				is.True(err != nil)
				is.True(n.Load() < 50)
			})
		})
	}
}

// A GET that was sent before a version could be seen may be answered after the put has
// seen it searchable.
func TestAReaderBesideAPutTakesNoVersionAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Second, NotFoundWindow: 20 * time.Second})
		c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && resp.StatusCode == http.StatusNotFound {
				time.Sleep(4 * time.Second) // the reply takes its time
			}
			return resp, err
		}))
		ctx, end := context.WithCancel(t.Context())
		var reader sync.WaitGroup
		for n := range 20 {
			reader.Go(func() {
				time.Sleep(time.Duration(n) * 70 * time.Millisecond)
				_, _ = c.Get(ctx, "d-0000.md")
			})
		}
		for _, r := range c.Apply(t.Context(), many("d", 2), nil) {
			is.NoErr(r.Err)
		}
		time.Sleep(10 * time.Second)
		end()
		reader.Wait()
		for _, r := range c.Apply(t.Context(), many("d", 2), nil) {
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Unchanged)
		}
	})
}

func TestAFileOfAHostWhoseClockIsBehindIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		writer := w.Client()
		other := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, pathFiles) || strings.Contains(r.URL.Path, "vector_stores") {
				return resp, err
			}
			body, err := io.ReadAll(resp.Body)
			var list map[string]any
			if err != nil || json.Unmarshal(body, &list) != nil {
				return resp, err
			}
			files, _ := list["data"].([]any)
			created := func(f any) float64 { at, _ := f.(map[string]any)["created_at"].(float64); return at }
			for _, f := range files { // a.md was made by a host two seconds behind
				if file, _ := f.(map[string]any); file["filename"] == "a.md" {
					file["created_at"] = created(f) - 2
				}
			}
			slices.SortStableFunc(files, func(a, b any) int { return cmp.Compare(created(b), created(a)) })
			body, err = json.Marshal(list)
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			resp.Header.Del("Content-Length")
			return resp, err
		}))
		is.NoErr(onlyErr(writer.Put(t.Context(), doc("z.md", "text"))))
		is.NoErr(onlyErr(other.Get(t.Context(), "z.md")))
		time.Sleep(time.Hour)
		is.NoErr(onlyErr(writer.Put(t.Context(), doc("x.md", "text"))))
		is.NoErr(onlyErr(other.Get(t.Context(), "x.md")))
		time.Sleep(time.Second)
		is.NoErr(onlyErr(writer.Put(t.Context(), doc("a.md", "text"))))
		time.Sleep(time.Hour)
		is.NoErr(onlyErr(other.Delete(t.Context(), "a.md")))
		w.Expect(map[string]string{"x.md": "text", "z.md": "text"})
	})
}

func TestALateReplyToAReaderTakesNoChangeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 10 * time.Millisecond})
		var late atomic.Bool
		c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/vector_stores/") && late.CompareAndSwap(true, false) {
				time.Sleep(2 * time.Second)
			}
			return resp, err
		}))
		first := doc("a.md", "text")
		first.Attributes = vsclient.Attributes{"n": 1.0}
		is.NoErr(onlyErr(c.Put(t.Context(), first)))
		time.Sleep(time.Minute)
		late.Store(true)
		var reader sync.WaitGroup
		reader.Go(func() { _, _ = c.Get(t.Context(), "a.md") })
		time.Sleep(100 * time.Millisecond)
		is.NoErr(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 2.0})))
		reader.Wait()
		r, err := c.Put(t.Context(), first)
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		info, err := c.Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Attributes["n"], 1.0)
	})
}

// A reader knows two versions of the key, and its writer replaces both by a third.
func TestGetFindsTheVersionThatHasReplacedAllThatItKnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		stuck := 0
		w := worldtest.New(t, openaitest.Config{
			IndexTime: time.Second, Latency: 20 * time.Millisecond,
			StickIndexing: func(openaitest.FileInfo) bool { stuck++; return stuck == 2 },
		})
		writer, reader := w.Client(func(c *vsclient.Config) { c.IndexTimeout = time.Minute }), w.Client()
		is.NoErr(onlyErr(writer.Put(t.Context(), doc("a.md", "one"))))
		time.Sleep(time.Minute)
		done := make(chan error)
		go func() { done <- onlyErr(writer.Put(t.Context(), doc("a.md", "two"))) }()
		time.Sleep(40 * time.Second)
		for range 200 {
			is.NoErr(onlyErr(reader.Get(t.Context(), "a.md")))
			time.Sleep(250 * time.Millisecond)
		}
		is.NoErr(<-done)
		w.NoGap("a.md")
	})
}

func TestTheTextOfADocumentIsFoundWhileItIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, Latency: 20 * time.Millisecond})
		writer, reader := w.Client(), w.Client()
		is.NoErr(onlyErr(writer.Put(t.Context(), doc("a.md", "0"))))
		var puts sync.WaitGroup
		puts.Go(func() {
			for n := range race.Pick(50, 15) {
				is.NoErr(onlyErr(writer.Put(t.Context(), doc("a.md", strconv.Itoa(n)))))
			}
		})
		for began := time.Now(); time.Since(began) < race.Pick(time.Minute, 20*time.Second); time.Sleep(7 * time.Millisecond) {
			is.NoErr(onlyErr(reader.Text(t.Context(), "a.md")))
		}
		puts.Wait()
	})
}

// A GET counts from the attempt that was answered, and not from one that was refused before.
func TestAReplyToALaterAttemptIsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 20 * time.Millisecond})
		a, b := w.Client(), w.Client()
		first := with(doc("a.md", "one"), vsclient.Attributes{"n": 1})
		is.NoErr(onlyErr(a.Put(t.Context(), first)))
		time.Sleep(time.Minute)
		is.NoErr(onlyErr(b.Get(t.Context(), "a.md")))
		w.Strike(http.MethodGet, pathAttached, openaitest.Fault{Kind: openaitest.FaultStatus, Status: 503, RetryAfter: seconds(40)})
		var reader sync.WaitGroup
		reader.Go(func() { _, _ = b.Get(t.Context(), "a.md") })
		time.Sleep(time.Second)
		is.NoErr(onlyErr(b.Get(t.Context(), "a.md")))
		time.Sleep(10 * time.Second)
		is.NoErr(onlyErr(a.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 2})))
		reader.Wait()
		r, err := b.Put(t.Context(), first)
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
	})
}

// The listing may show for a while a document that is deleted.
func TestAStoreThatHasExpiredIsNeverListedAsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, ListLag: openaitest.Lag{Detach: 2 * time.Minute}})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
		w.Server.ExpireVectorStore(w.Store, 0)
		listed := 0
		for _, err := range c.List(t.Context()) {
			is.True(errors.Is(err, vsclient.ErrStoreGone))
			listed++
		}
		is.Equal(listed, 1)
	})
}

// A GET of a version that was attached just now may answer 404 for a while.
func TestAStoreThatExpiresJustAfterAPutIsNoFaultOfTheServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		w.Server.ExpireVectorStore(w.Store, 0)
		_, err := c.Get(t.Context(), "a.md")
		is.True(errors.Is(err, vsclient.ErrStoreGone))
	})
}

func TestAStoreThatHasExpiredHidesNoDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second})
		reader := w.Client()
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "text"))))
		is.NoErr(onlyErr(reader.Get(t.Context(), "a.md")))
		w.Server.ExpireVectorStore(w.Store, 0)
		_, err := reader.Get(t.Context(), "a.md")
		is.True(errors.Is(err, vsclient.ErrStoreGone))
	})
}

func TestADocumentThatIsNotSearchableHasNoText(t *testing.T) {
	for _, row := range []struct {
		file  string
		class vsclient.Class
	}{
		{"slow.md", vsclient.Transient},
		{"bad.md", vsclient.BadDocument},
	} {
		t.Run(row.file, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexRules: []openaitest.IndexRule{{Name: "bad.md", Code: "invalid_file"}, {Name: "slow.md", Stuck: true}}})
				is.Equal(w.Request(http.MethodPost, "/vector_stores/"+w.Store+"/files", `{"file_id":"`+w.File(row.file, "text")+`"}`), http.StatusOK)
				time.Sleep(time.Minute)
				text, err := w.Client().Text(t.Context(), row.file)
				is.Equal(text, "")
				is.True(errors.Is(err, vsclient.ErrIndexing))
				is.Equal(vsclient.ClassOf(err), row.class)
				is.True(strings.HasPrefix(err.Error(), fmt.Sprintf("vsclient: text %q: ", row.file)))
			})
		})
	}
}

func TestADocumentThatIsReplacedAgainAndAgainIsFound(t *testing.T) {
	for name, read := range map[string]func(context.Context, *vsclient.Client) error{
		"get":  func(ctx context.Context, c *vsclient.Client) error { return onlyErr(c.Get(ctx, "a.md")) },
		"text": func(ctx context.Context, c *vsclient.Client) error { return onlyErr(c.Text(ctx, "a.md")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Latency: time.Second, NotFoundWindow: 20 * time.Second})
				c := w.Client()
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "zero"))))
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
				answer := make(chan error, 1)
				go func() { answer <- read(t.Context(), c) }()
				for _, text := range []string{"two", "three", "four"} {
					time.Sleep(3 * time.Second)
					is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", text))))
				}
				is.NoErr(<-answer)
				w.NoGap("a.md")
			})
		})
	}
}
