package vsclient_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about Files that several stores or keys may share.

// lostUploads are the ways in which POST /files can fail without telling whether the
// File was made.
var lostUploads = map[string]openaitest.Fault{
	"a 500 without effect":          {Kind: openaitest.FaultStatus, Status: 500},
	"a 500 after the effect":        {Kind: openaitest.FaultStatus, Status: 500, AfterEffect: true},
	"a cut before the effect":       {Kind: openaitest.FaultCut},
	"a cut after the effect":        {Kind: openaitest.FaultCut, AfterEffect: true},
	"a reply that breaks off":       {Kind: openaitest.FaultCutReply},
	"a hang with a late effect":     {Kind: openaitest.FaultHang, EffectAfter: seconds(5)},
	"a hang after the effect":       {Kind: openaitest.FaultHang, AfterEffect: true},
	"a 503 that takes effect later": {Kind: openaitest.FaultStatus, Status: 503, EffectAfter: seconds(30)},
}

// Two pipelines mirror one source into two stores of a project: the same names, and
// often the same sizes, at the same time.
func TestALostUploadReplyTakesNoFileOfAnotherStore(t *testing.T) {
	for sentence, fault := range lostUploads {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, NotFoundWindow: 20 * time.Second})
				other := w.Server.NewVectorStore("other")
				a, b := w.Client(), w.Client(inStore(other))
				is.NoErr(onlyErr(a.Put(t.Context(), doc("x.md", "x")))) // both have read the lists
				is.NoErr(onlyErr(b.Put(t.Context(), doc("x.md", "x"))))
				w.Strike(http.MethodPost, pathFiles, fault)
				done := make(chan error)
				go func() { done <- onlyErr(a.Put(t.Context(), doc("a.md", "of A"))) }()
				time.Sleep(60 * time.Millisecond) // its upload has failed
				is.NoErr(onlyErr(b.Put(t.Context(), doc("a.md", "of B"))))
				is.NoErr(<-done)
				is.Equal(w.Holds()["a.md"], "of A")
				is.NoErr(onlyErr(a.Put(t.Context(), doc("a.md", "of A, again"))))
				is.NoErr(onlyErr(a.Delete(t.Context(), "x.md")))
				time.Sleep(30 * time.Minute)
				is.Equal(w.Holds()["a.md"], "of A, again")
				is.Equal(w.HoldsIn(other)["a.md"], "of B")
				is.Equal(w.HoldsIn(other)["x.md"], "x")
				is.True(w.Files() <= 4) // the copy that may have arrived is neither used nor deleted
				is.NoErr(onlyErr(a.Delete(t.Context(), "a.md")))
				is.Equal(w.HoldsIn(other)["a.md"], "of B")
			})
		})
	}
}

func TestALostUploadReplyTakesNoFileOfAnotherKeyWithTheSameName(t *testing.T) {
	for sentence, fault := range lostUploads {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, NotFoundWindow: 20 * time.Second})
				c := w.Client()
				w.Strike(http.MethodPost, pathFiles, fault)
				results := make(chan error)
				go func() { results <- onlyErr(c.Put(t.Context(), doc("a", "of key a"))) }()
				time.Sleep(60 * time.Millisecond)
				go func() { results <- onlyErr(c.Put(t.Context(), doc("a.txt", "of a.txt"))) }()
				is.NoErr(<-results)
				is.NoErr(<-results)
				time.Sleep(30 * time.Minute)
				for _, client := range []*vsclient.Client{c, w.Client()} {
					r, err := client.Put(t.Context(), doc("a.txt", "of a.txt"))
					is.NoErr(err)
					is.Equal(r.Outcome, vsclient.Unchanged)
				}
				w.Expect(map[string]string{"a": "of key a", "a.txt": "of a.txt"})
				is.True(w.Files() <= 3)
			})
		})
	}
}

// A lost copy is told by name, size and time, and goes only when a person names it.
func TestACopyOfALostUploadIsListedAndRemovedOnRequest(t *testing.T) {
	for _, key := range []string{"a.md", "é.md", "契約.md", "!.md"} {
		t.Run(key, func(t *testing.T) { testACopyOfALostUpload(t, key) })
	}
}

func testACopyOfALostUpload(t *testing.T, key string) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		w.Strike(http.MethodPost, pathFiles, openaitest.Fault{Kind: openaitest.FaultCut, AfterEffect: true})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc(key, "text"))))
		is.Equal(w.Files(), 2)
		time.Sleep(2 * time.Hour)
		w.File("later.md", "tells the time")
		found, err := w.Client().Sweep(t.Context(), vsclient.SweepOptions{})
		is.NoErr(err)
		is.Equal(len(found), 1)
		is.Equal(found[0].Size, int64(4))
		is.Equal(found[0].Why, vsclient.NamedAlike)
		is.True(!found[0].Removed)
		found, err = w.Client().Sweep(t.Context(), vsclient.SweepOptions{Files: []string{found[0].FileID}})
		is.NoErr(err)
		is.True(found[0].Removed)
		w.Expect(map[string]string{key: "text"})
		is.Equal(w.Files(), 2)
	})
}

// A File that another tool has uploaded and attached to two stores stays in the other
// one, whatever happens to it in this one.
func TestAFileOfAnotherToolStaysInItsOtherStore(t *testing.T) {
	set := func(t *testing.T, c *vsclient.Client) error {
		return onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"}))
	}
	put := func(t *testing.T, c *vsclient.Client) error { return onlyErr(c.Put(t.Context(), doc("a.md", "new"))) }
	same := func(t *testing.T, c *vsclient.Client) error { return onlyErr(c.Put(t.Context(), doc("a.md", "old"))) }
	del := func(t *testing.T, c *vsclient.Client) error { return onlyErr(c.Delete(t.Context(), "a.md")) }
	sweep := func(t *testing.T, c *vsclient.Client) error {
		return onlyErr(c.Sweep(t.Context(), vsclient.SweepOptions{Keys: []string{"a.md"}, MinAge: time.Second}))
	}
	for sentence, calls := range map[string][]func(*testing.T, *vsclient.Client) error{
		"put":                             {put, put},
		"delete":                          {del, del},
		"an update, then a delete":        {set, del},
		"an update, then a put":           {set, put},
		"the same content, then a delete": {same, del},
		"a put, a delete, a sweep":        {put, del, sweep},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				other := w.Server.NewVectorStore("other")
				id := w.Attached("a.md", "old", nil)
				w.Server.AddStoreFile(other, id, nil)
				for _, call := range calls {
					is.NoErr(call(t, w.Client())) // each by one that knows nothing of those before
					time.Sleep(time.Hour)
				}
				is.Equal(string(w.Server.Content(id)), "old")
				is.Equal(w.HoldsIn(other)["a.md"], "old")
			})
		})
	}
}

// A cache may answer with the store file, or the listing, of another store. A mirror has the
// same keys.
func TestADocumentOfAnotherStoreStaysThatAReplyHasShownAsThisStores(t *testing.T) {
	for name, mixed := range map[string]func(path, second string) bool{
		"a store file": func(path, second string) bool { return strings.Contains(path, "/"+second+"/files/") },
		"a listing":    func(path, second string) bool { return strings.HasSuffix(path, "/"+second+"/files") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				second := w.Server.NewVectorStore("second")
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "text"))))
				time.Sleep(20 * time.Minute)
				var done atomic.Bool
				c := w.Client(inStore(second), over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodGet && mixed(r.URL.Path, second) && done.CompareAndSwap(false, true) {
						r = r.Clone(r.Context())
						r.URL.Path = strings.Replace(r.URL.Path, second, w.Store, 1)
					}
					return next.RoundTrip(r)
				}))
				for _, err := range c.List(t.Context()) {
					is.NoErr(err)
				}
				is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
				is.True(done.Load())
				time.Sleep(20 * time.Minute)
				w.Expect(map[string]string{"a.md": "text"})
			})
		})
	}
}

// A key of a project may have no right to list its stores.
func TestARemovalNeedsNoListOfStores(t *testing.T) {
	for name, lost := range map[string]bool{"whose reply was lost": true, "that another process has begun": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "text"))))
				time.Sleep(20 * time.Minute)
				lists, done := 0, false
				c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					switch {
					case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/vector_stores"):
						lists++
						return refusal(r, http.StatusForbidden), nil
					case r.Method == http.MethodDelete && !done:
						done = true
						resp, err := next.RoundTrip(r)
						if lost {
							return refusal(r, http.StatusBadGateway), err
						}
						resp.Body.Close()
						return next.RoundTrip(r)
					}
					return next.RoundTrip(r)
				}))
				r, err := c.Delete(t.Context(), "a.md")
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Deleted)
				is.NoErr(c.Close())
				w.Expect(map[string]string{})
				if lost {
					is.Equal(w.Files(), 0)
					is.Equal(lists, 0)
				}
			})
		})
	}
}
