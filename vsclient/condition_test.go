package vsclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about changes on condition: Change.If and Change.IfVersion.

// ownedBy makes changes to the one key that two tables share, each on condition
// that the stored document is its own.
func ownedBy(table string) (put, set, del vsclient.Change) {
	const key = `{"id":7}`
	own := vsclient.Attributes{"table": table}
	return vsclient.Put(with(doc(key, "of "+table), own)).If(own), vsclient.SetAttributes(key, own).If(own), vsclient.Delete(key).If(own)
}

func TestAChangeIsRefusedUnlessTheStoredDocumentHasTheAttributesItAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second})
		c := w.Client()
		ours, _, give := ownedBy("users")
		theirs, set, del := ownedBy("orders")
		// In one call, too, the second owner's change is not merged with the first's.
		r := c.Apply(t.Context(), []vsclient.Change{ours, theirs}, nil)
		is.NoErr(r[0].Err)
		is.True(errors.Is(r[1].Err, vsclient.ErrConflict))
		for _, client := range []*vsclient.Client{c, w.Client()} {
			for _, ch := range []vsclient.Change{theirs, set, del} {
				r = client.Apply(t.Context(), []vsclient.Change{ch}, nil)
				is.True(errors.Is(r[0].Err, vsclient.ErrConflict))
				is.Equal(vsclient.ClassOf(r[0].Err), vsclient.BadDocument)
			}
		}
		w.Expect(map[string]string{`{"id":7}`: "of users"})

		// Once its owner has given it up, the key is free.
		for _, r := range w.Client().Apply(t.Context(), []vsclient.Change{give, theirs}, nil) {
			is.NoErr(r.Err)
		}
		w.Expect(map[string]string{`{"id":7}`: "of orders"})
	})
}

// A put that gives the document no such attribute at all is guarded as well.
func TestAConditionDoesNotRestOnTheAttributesThatAPutGives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		ours, _, _ := ownedBy("users")
		r := w.Client().Apply(t.Context(), []vsclient.Change{ours}, nil)
		is.NoErr(r[0].Err)
		bare := put(`{"id":7}`, "another").If(vsclient.Attributes{"table": "orders"})
		r = w.Client().Apply(t.Context(), []vsclient.Change{bare}, nil)
		is.True(errors.Is(r[0].Err, vsclient.ErrConflict))
		w.Expect(map[string]string{`{"id":7}`: "of users"})
	})
}

func TestARefusedChangeTellsTheAttributesOfBothSides(t *testing.T) {
	for want, owner := range map[string]vsclient.Attributes{
		`"owner" of the stored document is not set, and the change asks for "me"`: {"other": 1},
		`"owner" of the stored document is "them", and the change asks for "me"`:  {"owner": "them"},
		`"owner" of the stored document is false, and the change asks for "me"`:   {"owner": false},
		`"owner" of the stored document is "[redacted]", and the change`:          {"owner": "sk-test"}, // the API key
	} {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			c := worldtest.New(t, openaitest.Config{}).Client()
			is.NoErr(onlyErr(c.Put(t.Context(), with(doc("a.md", "text"), owner))))
			r := c.Apply(t.Context(), []vsclient.Change{vsclient.Delete("a.md").If(vsclient.Attributes{"owner": "me"})}, nil)
			is.True(errors.Is(r[0].Err, vsclient.ErrConflict))
			is.True(strings.Contains(r[0].Err.Error(), want))
		})
	}
}

func TestAConditionReadsTheAttributesThatAnotherProcessHasJustSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), with(doc("a.md", "text"), vsclient.Attributes{"owner": "me"}))))
		is.NoErr(onlyErr(w.Client().SetAttributes(t.Context(), "a.md", vsclient.Attributes{"owner": "them"})))
		r := c.Apply(t.Context(), []vsclient.Change{vsclient.Delete("a.md").If(vsclient.Attributes{"owner": "them"})}, nil)
		is.NoErr(r[0].Err) // the client believed "me", and looked before it refused
		is.Equal(w.Files(), 0)
	})
}

func TestAConditionReadsADocumentThatAnotherProcessHasTakenMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		a, b := w.Client(), w.Client()
		owner := func(name string) vsclient.Attributes { return vsclient.Attributes{"owner": name} }
		d := doc("d.md", "one")
		d.Attributes = owner("a")
		is.NoErr(onlyErr(a.Put(t.Context(), d)))
		time.Sleep(time.Minute)
		is.NoErr(onlyErr(b.SetAttributes(t.Context(), "d.md", owner("b"))))
		time.Sleep(time.Minute)
		for _, change := range []vsclient.Change{vsclient.Delete("d.md"), vsclient.SetAttributes("d.md", owner("a"))} {
			r := a.Apply(t.Context(), []vsclient.Change{change.If(owner("a"))}, nil)[0]
			is.True(errors.Is(r.Err, vsclient.ErrConflict))
		}
		is.Equal(w.Holds()["d.md"], "one")
	})
}

// The same holds for a document that somebody has removed: the put has seen that.
func TestAConditionalPutOfADocumentThatSomebodyHasRemovedUploadsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		put, _, _ := ownedBy("users")
		r := c.Apply(t.Context(), []vsclient.Change{put}, nil)
		time.Sleep(time.Minute)
		is.Equal(w.Request(http.MethodDelete, "/vector_stores/"+w.Store+"/files/"+r[0].FileID, ""), http.StatusOK)
		time.Sleep(5 * time.Minute)
		r = c.Apply(t.Context(), []vsclient.Change{put}, nil)
		is.NoErr(r[0].Err)
		w.Expect(map[string]string{`{"id":7}`: "of users"})
	})
}

// An older version that only waits to go is not the stored document any more.
func TestAConditionAsksForTheAttributesOfTheNewestVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 10 * time.Second})
		c := w.Client(async)
		rev := func(n int) vsclient.Document {
			return with(doc("a.md", strconv.Itoa(n)), vsclient.Attributes{"rev": n})
		}
		is.NoErr(onlyErr(c.Put(t.Context(), rev(0))))
		is.NoErr(c.Flush(t.Context()))
		for n := range 3 {
			change := vsclient.Put(rev(n + 1)).If(vsclient.Attributes{"rev": n})
			is.NoErr(c.Apply(t.Context(), []vsclient.Change{change}, nil)[0].Err)
		}
		is.NoErr(c.Flush(t.Context()))
		w.Expect(map[string]string{"a.md": "3"})
	})
}

func TestAConditionGuardsADocumentThatCannotBeSeenYet(t *testing.T) {
	owned := func(owner string) vsclient.Attributes { return vsclient.Attributes{"owner": owner} }
	for name, change := range map[string]vsclient.Change{
		"delete": vsclient.Delete("a.md"),
		"put":    vsclient.Put(with(doc("a.md", "of B"), owned("B"))),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}, IndexTime: time.Second})
				a, kill := w.Process(async)
				is.NoErr(onlyErr(a.Put(t.Context(), with(doc("a.md", "of A"), owned("A")))))
				kill()
				time.Sleep(time.Second)
				r := w.Client().Apply(t.Context(), []vsclient.Change{change.If(owned("B"))}, nil)[0]
				time.Sleep(time.Hour)
				w.Expect(map[string]string{"a.md": "of A"})
				is.True(errors.Is(r.Err, vsclient.ErrConflict))
			})
		})
	}
}

// TestAConditionIsAboutAVersionThatCannotBeSeenYet has one process set a revision, and the
// next one ask for it while a GET still answers 404.
func TestAConditionIsAboutAVersionThatCannotBeSeenYet(t *testing.T) {
	revision := func(n int) vsclient.Attributes { return vsclient.Attributes{"rev": n} }
	for _, change := range []vsclient.Change{
		vsclient.Put(with(doc("a.md", "three"), revision(3))), vsclient.SetAttributes("a.md", revision(3)), vsclient.Delete("a.md"),
	} {
		t.Run(change.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
				is.NoErr(onlyErr(w.Client().Put(t.Context(), with(doc("a.md", "one"), revision(1)))))
				time.Sleep(time.Hour)
				a, kill := w.Process(async)
				is.NoErr(onlyErr(a.Put(t.Context(), with(doc("a.md", "two"), revision(2)))))
				kill()
				time.Sleep(time.Second)
				r := w.Client().Apply(t.Context(), []vsclient.Change{change.If(revision(2))}, nil)
				is.NoErr(r[0].Err)
			})
		})
	}
}

func TestAConditionIsNotAboutADocumentThatTheClientHasDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
		theirs, ours := vsclient.Attributes{"owner": "them"}, vsclient.Attributes{"owner": "us"}
		a, kill := w.Process(async)
		is.NoErr(onlyErr(a.Put(t.Context(), with(doc("a.md", "theirs"), theirs))))
		kill()
		time.Sleep(time.Second)
		b := w.Client()
		is.NoErr(onlyErr(b.Delete(t.Context(), "a.md")))
		r := b.Apply(t.Context(), []vsclient.Change{vsclient.Put(with(doc("a.md", "ours"), ours)).If(ours)}, nil)
		is.NoErr(r[0].Err)
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "ours"})
	})
}

// TestAConditionalPutOutranksAVersionThatTheClientHasDeleted has the version of a dead
// process, which cannot be seen yet, have a number ahead of its time, since a namesake in
// another store might have been an older version of it.
func TestAConditionalPutOutranksAVersionThatTheClientHasDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
		theirs, ours := vsclient.Attributes{"owner": "them"}, vsclient.Attributes{"owner": "us"}
		is.NoErr(onlyErr(w.Client(inStore(w.Server.NewVectorStore("mirror"))).Put(t.Context(), doc("a.md", "theirs"))))
		time.Sleep(2 * time.Second)
		a, kill := w.Process(async)
		is.NoErr(onlyErr(a.Put(t.Context(), with(doc("a.md", "theirs"), theirs))))
		kill()
		time.Sleep(time.Second)
		b := w.Client(async)
		is.NoErr(onlyErr(b.Delete(t.Context(), "a.md")))
		r := b.Apply(t.Context(), []vsclient.Change{vsclient.Put(with(doc("a.md", "ours"), ours)).If(ours)}, nil)
		is.NoErr(r[0].Err)
		_ = b.Close() // which may name a version that it has not seen searchable
		time.Sleep(time.Hour)
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("z.md", "a next process looks"))))
		time.Sleep(time.Hour)
		is.Equal(w.Holds()["a.md"], "ours")
	})
}

// A GET may answer 404 for a while after the attach. A batch's listing has shown meanwhile
// that the document is searchable.
func TestADocumentOfThisClientThatIsDeniedForLongIsNeitherMissingNorUnconditional(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 2 * time.Minute})
		c := w.Client()
		for _, r := range c.Apply(t.Context(), []vsclient.Change{vsclient.Put(with(doc("a.md", "one"), vsclient.Attributes{"n": 1})), put("b.md", "b")}, nil) {
			is.NoErr(r.Err)
		}
		_, err := c.Get(t.Context(), "a.md")
		is.Equal(vsclient.ClassOf(err), vsclient.Transient)
		is.True(errors.Is(err, vsclient.ErrUnavailable))
		r := c.Apply(t.Context(), []vsclient.Change{put("a.md", "two").If(vsclient.Attributes{"n": 2})}, nil)[0]
		is.True(errors.Is(r.Err, vsclient.ErrUnavailable))
		w.Expect(map[string]string{"a.md": "one", "b.md": "b"})
		time.Sleep(2 * time.Minute)
		info, err := c.Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Attributes, vsclient.Attributes{"n": 1.0})
		r = c.Apply(t.Context(), []vsclient.Change{put("a.md", "two").If(vsclient.Attributes{"n": 2})}, nil)[0]
		is.True(errors.Is(r.Err, vsclient.ErrConflict))
		w.Expect(map[string]string{"a.md": "one", "b.md": "b"})
	})
}

// A server may index a file anew when its attributes are updated. A put that finds the
// version not searchable uploads the document.
func TestAnUpdateAfterWhichTheServerIndexesAnewIsNotTakenForAnotherClients(t *testing.T) {
	own := vsclient.Attributes{"table": "users"}
	set := vsclient.SetAttributes("a.md", vsclient.Attributes{"table": "orders"})
	whole := vsclient.Put(with(doc("a.md", "text"), vsclient.Attributes{"table": "orders"}))
	for _, tt := range []struct {
		name    string
		change  vsclient.Change
		outcome vsclient.Outcome
	}{
		{"attributes alone", set, vsclient.AttributesUpdated},
		{"attributes alone, on a condition", set.If(own), vsclient.AttributesUpdated},
		{"a whole document", whole, vsclient.Replaced},
		{"a whole document, on a condition", whole.If(own), vsclient.Replaced},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				is.NoErr(onlyErr(w.Client().Put(t.Context(), with(doc("a.md", "text"), own))))
				var updates int
				var until time.Time
				c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err == nil && r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/files/") {
						updates++
						until = time.Now().Add(5 * time.Second)
					}
					if err == nil && strings.Contains(r.URL.Path, "/files/") && time.Now().Before(until) {
						return rewritten(resp, `"status":"completed"`, `"status":"in_progress"`), nil
					}
					return resp, err
				}))
				r := c.Apply(t.Context(), []vsclient.Change{tt.change}, nil)[0]
				is.NoErr(r.Err)
				is.Equal(r.Outcome, tt.outcome)
				is.Equal(updates, 1)
			})
		})
	}
}

// Another client's update may come while this one's is being indexed.
func TestALaterUpdateOfAnotherClientStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		other := w.Client()
		is.NoErr(onlyErr(other.Put(t.Context(), with(doc("a.md", "text"), vsclient.Attributes{"n": 0}))))
		var until time.Time
		c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/files/") {
				until = time.Now().Add(20 * time.Second)
			}
			if err == nil && strings.Contains(r.URL.Path, "/files/") && time.Now().Before(until) {
				return rewritten(resp, `"status":"completed"`, `"status":"in_progress"`), nil
			}
			return resp, err
		}))
		var set sync.WaitGroup
		set.Go(func() {
			r := c.Apply(t.Context(), []vsclient.Change{vsclient.SetAttributes("a.md", vsclient.Attributes{"n": 1}).If(vsclient.Attributes{"n": 0})}, nil)[0]
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.AttributesUpdated)
		})
		time.Sleep(2 * time.Second)
		is.NoErr(onlyErr(other.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 2})))
		set.Wait()
		info, err := w.Client().Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Attributes, vsclient.Attributes{"n": 2.0})
	})
}

func TestAConditionHoldsAlsoWhereTheDocumentIsReplacedAgainAndAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: time.Second, NotFoundWindow: 20 * time.Second})
		other, c := w.Client(), w.Client()
		theirs := func(i int) vsclient.Change {
			return vsclient.Put(with(doc("a.md", fmt.Sprint("version ", i)), vsclient.Attributes{"owner": "they"}))
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for i := range 30 {
				for _, r := range other.Apply(t.Context(), []vsclient.Change{theirs(i)}, nil) {
					is.NoErr(r.Err)
				}
			}
		}()
		time.Sleep(20 * time.Second)
		r := c.Apply(t.Context(), []vsclient.Change{put("a.md", "ours").If(vsclient.Attributes{"owner": "we"})}, nil)[0]
		t.Log(r)
		is.True(errors.Is(r.Err, vsclient.ErrConflict) || vsclient.ClassOf(r.Err) == vsclient.Transient)
		<-ended
		w.Expect(map[string]string{"a.md": "version 29"})
	})
}

func TestAConditionCanAskThatAnAttributeIsNotSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		free := vsclient.Attributes{"owner": nil}
		changes := []vsclient.Change{
			put("a.md", "nobody's").If(free),
			put("a.md", "nobody's again").If(free),
			vsclient.Put(with(doc("a.md", "theirs"), vsclient.Attributes{"owner": "they"})).If(free),
			put("a.md", "ours").If(free),
		}
		for i, r := range c.Apply(t.Context(), changes, nil) {
			is.Equal(errors.Is(r.Err, vsclient.ErrConflict), i == 3)
		}
		w.Expect(map[string]string{"a.md": "theirs"})
	})
}

func TestAConditionIsJudgedByTheAttributesThatAnEarlierPutOfTheSameCallGives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		numbered := func(text string, n int) vsclient.Change {
			return vsclient.Put(with(doc("a.md", text), vsclient.Attributes{"n": n}))
		}
		stored := vsclient.Attributes{"n": 0}
		r := c.Apply(t.Context(), []vsclient.Change{numbered("zero", 0)}, nil)
		is.NoErr(r[0].Err)
		r = c.Apply(t.Context(), []vsclient.Change{numbered("one", 1).If(stored), numbered("two", 2).If(stored)}, nil)
		is.NoErr(r[0].Err)
		is.True(errors.Is(r[1].Err, vsclient.ErrConflict))
		w.Expect(map[string]string{"a.md": "one"})
	})
}

func TestAConditionalChangeIsMadeWhileAnotherStoreGetsDocumentsOfItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 20 * time.Millisecond})
		ours := vsclient.Attributes{"owner": "we"}
		is.NoErr(onlyErr(w.Client().Put(t.Context(), with(doc("a.md", "ours"), ours))))
		other := w.Client(inStore(w.Server.NewVectorStore("other")))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for i := range 90 {
				is.NoErr(onlyErr(other.Put(t.Context(), doc("a.md", fmt.Sprint("theirs ", i)))))
				time.Sleep(time.Second)
			}
		}()
		time.Sleep(10 * time.Second)
		r := w.Client().Apply(t.Context(), []vsclient.Change{vsclient.Put(with(doc("a.md", "ours anew"), ours)).If(ours)}, nil)
		is.NoErr(r[0].Err)
		<-ended
		w.Expect(map[string]string{"a.md": "ours anew"})
	})
}

// TestAConditionOnTheVersionIsAboutTheNewestWhateverItsStatus has another process make a newer
// version, of another owner, and end.
func TestAConditionOnTheVersionIsAboutTheNewestWhateverItsStatus(t *testing.T) {
	owned := func(owner string) vsclient.Attributes { return vsclient.Attributes{"owner": owner} }
	for sentence, c := range map[string]struct {
		cfg   openaitest.Config
		fails bool
		wait  time.Duration
	}{
		"it is searchable":         {openaitest.Config{IndexTime: time.Second}, false, time.Minute},
		"it is being indexed":      {openaitest.Config{IndexTime: 5 * time.Minute}, false, time.Minute},
		"it cannot be seen yet":    {openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}}, false, time.Second},
		"OpenAI cannot index it":   {openaitest.Config{IndexTime: time.Second}, true, time.Minute},
		"it fails and is not seen": {openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}}, true, time.Second},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				fails := false
				c.cfg.FailIndexing = func(openaitest.FileInfo) (code, message string) {
					if fails {
						code = "server_error"
					}
					return code, ""
				}
				w := worldtest.New(t, c.cfg)
				older, err := w.Client().Put(t.Context(), with(doc("a.md", "one"), owned("A")))
				is.NoErr(err)
				time.Sleep(time.Hour)
				fails = c.fails
				another, kill := w.Process(async)
				newer, err := another.Put(t.Context(), with(doc("a.md", "two"), owned("B")))
				is.NoErr(err)
				kill()
				time.Sleep(c.wait)
				apply := func(ch vsclient.Change) vsclient.Result {
					return w.Client().Apply(t.Context(), []vsclient.Change{ch}, nil)[0]
				}
				fails = false
				for _, ch := range []vsclient.Change{vsclient.Delete("a.md"), put("a.md", "three")} {
					for _, refused := range []vsclient.Change{ch.IfVersion(older.Version), ch.IfVersion(0), ch.IfVersion(newer.Version).If(owned("A"))} {
						is.True(errors.Is(apply(refused).Err, vsclient.ErrConflict))
					}
				}
				r := apply(vsclient.Put(with(doc("a.md", "two"), owned("B"))).IfVersion(older.Version).If(owned("B"))) // it is there
				is.NoErr(r.Err)
				w.Expect(map[string]string{"a.md": "two"})
				w.NoGap("a.md")
				is.NoErr(apply(vsclient.Delete("a.md").IfVersion(r.Version).If(owned("B"))).Err)
				is.Equal(len(w.Holds()), 0)
			})
		})
	}
}

func TestAConditionOnNoVersionIsMetByAnEmptyKeyAndByAFileOfAnotherTool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		w.Attached("b.md", "of another tool", nil)
		c := w.Client()
		for _, key := range []string{"a.md", "b.md"} {
			apply := func(ch vsclient.Change) error { return c.Apply(t.Context(), []vsclient.Change{ch}, nil)[0].Err }
			is.True(errors.Is(apply(put(key, "text").IfVersion(1)), vsclient.ErrConflict))
			is.NoErr(apply(put(key, "text").IfVersion(0)))
			is.True(errors.Is(apply(put(key, "other").IfVersion(0)), vsclient.ErrConflict))
		}
		w.Expect(map[string]string{"a.md": "text", "b.md": "text"})
	})
}

func TestChangesOfOneCallOnConditionOfAVersionAreMadeOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		r := c.Apply(t.Context(), []vsclient.Change{put("a.md", "one").IfVersion(0), put("a.md", "two").IfVersion(0)}, nil)
		is.NoErr(r[0].Err)
		is.True(errors.Is(r[1].Err, vsclient.ErrConflict))
		w.Expect(map[string]string{"a.md": "one"})
	})
}

// TestADeleteOnConditionOfAVersionIsNotRefusedForItsOwnRemoval has another process replace a document
// that the client knows.
func TestADeleteOnConditionOfAVersionIsNotRefusedForItsOwnRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 40 * time.Millisecond, IndexTime: time.Second})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
		time.Sleep(time.Minute)
		newer, err := w.Client().Put(t.Context(), doc("a.md", "two"))
		is.NoErr(err)
		time.Sleep(time.Minute)
		r := c.Apply(t.Context(), []vsclient.Change{vsclient.Delete("a.md").IfVersion(newer.Version)}, nil)[0]
		is.NoErr(r.Err)
		is.Equal(r.Outcome, vsclient.Deleted)
		is.Equal(len(w.Holds()), 0)
	})
}
