package plan_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// The tests in this file have the store differ from its listing, or from the plan, when the plan
// is executed.

// attach puts documents in a process that ends before they are searchable.
func attach(w *worldtest.World, docs ...vsclient.Document) {
	w.T.Helper()
	c, kill := w.Process(func(cfg *vsclient.Config) { cfg.Async = true })
	for _, d := range docs {
		if _, err := c.Put(context.Background(), d); err != nil {
			w.T.Fatal(err)
		}
	}
	kill()
}

// TestADocumentThatMovesStaysWhileTheNewOneCannotBeSeen has a run end once it has attached the
// document under its new key. The next run begins at once, and cannot see that.
func TestADocumentThatMovesStaysWhileTheNewOneCannotBeSeen(t *testing.T) {
	for _, o := range []plan.Options{{Scope: plan.Scope{Prefix: "p/"}}, us} {
		for _, fails := range []bool{false, true} {
			for _, kept := range []bool{false, true} {
				t.Run(fmt.Sprintf("owner %q, it fails: %v, kept as JSON: %v", o.Scope.Owner, fails, kept), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						is := is.New(t)
						w := worldtest.New(t, openaitest.Config{
							IndexTime: time.Minute, NotFoundWindow: 4 * time.Second, ListLag: openaitest.Lag{Attach: 10 * time.Second},
							FailIndexing: func(f openaitest.FileInfo) (code, message string) {
								if fails && strings.HasPrefix(f.Name, "p_new") {
									code = "invalid_file"
								}
								return code, ""
							},
						})
						of := func(d vsclient.Document) vsclient.Document {
							if o.Scope.Owner != "" {
								return ofUs(d)
							}
							return d
						}
						putAll(w, of(doc("p/old.md", "text")), of(doc("p/same.md", "same")))
						time.Sleep(time.Hour)
						attach(w, of(doc("p/new.md", "text")))
						docs := []vsclient.Document{doc("p/same.md", "same"), doc("p/new.md", "text")}
						c := w.Client()
						p := makePlan(w, c, source(docs...), o)
						is.Equal(lines(p), []string{"unchanged p/same.md", "create p/new.md", "remove p/old.md"})
						x := plan.ExecuteOptions{}
						if kept {
							p, c, x.Source = again(t, p), w.Client(), opener(docs...)
						}
						r := run(w, c, p, x)
						w.NoGap("p/old.md", "p/new.md")
						is.Equal(len(r.Failed) == 1, fails)
						is.Equal(len(r.Withheld) == 1, fails)
						is.Equal(len(r.Stale), 0)
					})
				})
			}
		}
	}
}

// TestAMoveOfAnOldPlanIsWithheldWhenTheNewDocumentIsGone has somebody change the document under
// its new key after the plan was made.
func TestAMoveOfAnOldPlanIsWithheldWhenTheNewDocumentIsGone(t *testing.T) {
	for sentence, change := range map[string]vsclient.Change{
		"the stored document is gone":               vsclient.Delete("new.md"),
		"the stored document is another version by": vsclient.Put(ofUs(doc("new.md", "other"))),
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, ofUs(doc("old.md", "text")), ofUs(doc("new.md", "text")))
				docs := []vsclient.Document{doc("new.md", "text")}
				p := again(t, makePlan(w, w.Client(), source(docs...), us))
				is.NoErr(w.Client().Apply(t.Context(), []vsclient.Change{change}, nil)[0].Err)
				r := run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(docs...)})
				is.True(strings.HasPrefix(withheld(r.Stale)["new.md"], sentence))
				is.True(strings.Contains(withheld(r.Withheld)["old.md"], `the source has its content under "new.md"`))
				w.NoGap("old.md")
			})
		})
	}
}

// TestAMoveOfAnOldPlanIsWithheldWhenTheNewDocumentIsAnothers has another owner take the document
// under its new key.
func TestAMoveOfAnOldPlanIsWithheldWhenTheNewDocumentIsAnothers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("old.md", "text")), ofUs(doc("new.md", "text")))
		p := again(t, makePlan(w, w.Client(), source(doc("new.md", "text")), us))
		theirs(w, "new.md")
		r := run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(doc("new.md", "text"))})
		is.Equal(withheld(r.Stale), map[string]string{"new.md": `the stored document has the owner "them" by now`})
		is.Equal(len(r.Withheld), 1)
		is.Equal(stored(w), []string{"new.md: text", "old.md: text"})
	})
}

// TestARemovalIsWithheldForNoContentThatTheSourceLacks has an older version of a document, which
// OpenAI refuses to replace, and another document with the same content.
func TestARemovalIsWithheldForNoContentThatTheSourceLacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		fails := false
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, FailIndexing: func(openaitest.FileInfo) (code, message string) {
			if fails {
				code = "invalid_file"
			}
			return code, ""
		}})
		putAll(w, ofUs(doc("a.md", "text")), ofUs(doc("gone.md", "text")))
		fails = true
		attach(w, ofUs(doc("a.md", "broken")))
		time.Sleep(time.Minute)
		c := w.Client()
		p := makePlan(w, c, source(doc("a.md", "broken")), us)
		is.Equal(lines(p), []string{"repair a.md", "duplicate a.md", "remove gone.md"})
		r := run(w, c, p, plan.ExecuteOptions{})
		is.Equal(len(r.Withheld), 0)
		is.Equal(stored(w), []string{"a.md: text"})
	})
}

// TestADocumentThatAnotherPutsDuringTheRemovalsStays has its new version be indexed for long.
func TestADocumentThatAnotherPutsDuringTheRemovalsStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: time.Second, IndexTime: 8 * time.Minute})
		var docs []vsclient.Document
		for i := range 160 {
			docs = append(docs, ofUs(doc(fmt.Sprintf("%03d.md", i), fmt.Sprint(i))))
		}
		putAll(w, append(docs, ofUs(doc("kept.md", "kept")))...)
		c := w.Client()
		p := makePlan(w, c, source(doc("kept.md", "kept")), us)
		var another sync.WaitGroup
		once := sync.OnceFunc(func() { another.Go(func() { attach(w, ofUs(doc("159.md", "anew"))) }) })
		r, err := p.Execute(t.Context(), c, plan.ExecuteOptions{Approve: 160}, func(plan.Progress) { once() })
		another.Wait()
		is.NoErr(err)
		is.NoErr(r.Err())
		is.Equal(len(withheld(r.Stale)), 1)
		time.Sleep(time.Hour)
		is.Equal(stored(w), []string{"159.md: anew", "kept.md: kept"})
	})
}

// TestAFileOfAnotherOwnerThatCameSinceIsNotRemovedByAnOldPlan has another tool attach a file with
// the name of a document.
func TestAFileOfAnotherOwnerThatCameSinceIsNotRemovedByAnOldPlan(t *testing.T) {
	for sentence, docs := range map[string][]vsclient.Document{
		"the document is removed":  {doc("b.md", "b")},
		"the document is replaced": {doc("a.md", "new"), doc("b.md", "b")},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, ofUs(doc("a.md", "a")), ofUs(doc("b.md", "b")))
				p := again(t, makePlan(w, w.Client(), source(docs...), us))
				id := w.Attached("a.md", "theirs", map[string]any{"owner": "them"})
				time.Sleep(time.Hour)
				r := run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(docs...)})
				is.Equal(withheld(r.Stale), map[string]string{"a.md": `the stored document has the owner "them" by now`})
				is.True(w.Exists(id))
			})
		})
	}
}

// TestADocumentWhoseOwnerStandsInTheOtherAttributeIsAnothers has the Conduit connector and a plan
// share a store.
func TestADocumentWhoseOwnerStandsInTheOtherAttributeIsAnothers(t *testing.T) {
	collection := func(d vsclient.Document) vsclient.Document {
		return with(d, vsclient.Attributes{"collection": "pages"})
	}
	for _, c := range []struct {
		sentence string
		stored   vsclient.Document
		source   vsclient.Document
		o        plan.Options
		want     string
	}{
		{"a plan with an owner", collection(doc("a.md", "a")), doc("a.md", "new"), us, "conflict a.md"},
		{"a plan without an owner", collection(doc("a.md", "a")), doc("a.md", "new"), plan.Options{}, "replace a.md"},
		{"a plan whose owner stands in Conduit's attribute", ofThem(doc("a.md", "a")), doc("a.md", "new"), plan.Options{Scope: plan.Scope{Owner: "pages"}, OwnerAttribute: "collection"}, "conflict a.md"},
		{"the plan's documents", collection(doc("a.md", "a")), doc("a.md", "new"), plan.Options{Scope: plan.Scope{Owner: "pages"}, OwnerAttribute: "collection"}, "replace a.md"},
		{"the source's document has another value there", collection(doc("a.md", "a")), with(doc("a.md", "a"), vsclient.Attributes{"collection": "essays"}), us, "conflict a.md"},
		{"the source's document has the same value there", collection(doc("a.md", "a")), collection(doc("a.md", "a")), us, "attributes a.md"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, c.stored)
				client := w.Client()
				p := makePlan(w, client, source(c.source), c.o)
				is.Equal(lines(p), []string{c.want})
				r := run(w, client, p, plan.ExecuteOptions{})
				is.Equal(len(r.Stale)+len(r.Failed), 0)
				is.Equal(r.Done, p.Pending())
			})
		})
	}
}

// TestDocumentsThatCameToNothingAreToldAndRemembered has a client that does not wait.
func TestDocumentsThatCameToNothingAreToldAndRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Minute, FailIndexing: func(f openaitest.FileInfo) (code, message string) {
			if strings.HasPrefix(f.Name, "bad") {
				return "invalid_file", "it is broken"
			}
			return "", ""
		}})
		putAll(w, ofUs(doc("gone.md", "gone")))
		c := w.Client(func(cfg *vsclient.Config) { cfg.Async = true })
		docs := []vsclient.Document{doc("bad1.md", "1"), doc("bad2.md", "2"), doc("good.md", "3")}
		x := plan.ExecuteOptions{Refusals: new(plan.Refusals)}
		r := run(w, c, makePlan(w, c, source(docs...), us), x)
		is.Equal(r.Counts, map[plan.Action]int{plan.Create: 1})
		is.Equal(len(r.Failed), 2)
		is.True(errors.Is(r.Err(), vsclient.ErrIndexing))
		is.Equal(x.Refusals.Len(), 2)
		is.Equal(len(r.Withheld), 1) // of the removal
		is.True(!strings.Contains(r.Withheld[0].Withheld, "\n"))
	})
}

func TestAnOldPlanThatIsExecutedTwiceTellsNoDuplicateTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("a.md", "a")))
		older(w, "a.md", "old")
		time.Sleep(time.Second)
		p := again(t, makePlan(w, w.Client(), source(doc("a.md", "a")), us))
		x := plan.ExecuteOptions{Source: opener(doc("a.md", "a"))}
		is.Equal(run(w, w.Client(), p, x).Done, 1)
		r := run(w, w.Client(), p, x)
		is.Equal(r.Done, 0)
		is.Equal(r.Idle, 1)
	})
}

func TestAPlanThatOnlyWaitsNeedsNoSourceWhenNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Minute})
		attach(w, ofUs(doc("a.md", "a")))
		p := again(t, makePlan(w, w.Client(), source(doc("a.md", "a")), us))
		is.Equal(len(run(w, w.Client(), p, plan.ExecuteOptions{Attached: true}).Withheld), 1)
	})
}

// TestTheTotalsCountTheOlderVersionsOfADocumentThatIsRepaired counts the requests as well.
func TestTheTotalsCountTheOlderVersionsOfADocumentThatIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		fails := true
		w := worldtest.New(t, openaitest.Config{FailIndexing: func(openaitest.FileInfo) (code, message string) {
			if fails {
				code = "server_error"
			}
			return code, ""
		}})
		older(w, "a.md", "old")
		attach(w, ofUs(doc("a.md", "new")))
		time.Sleep(time.Second)
		fails = false
		c := w.Client()
		p := makePlan(w, c, source(doc("a.md", "new")), us)
		is.Equal(lines(p), []string{"repair a.md", "duplicate a.md"})
		_, writes := requests(w, func() { run(w, c, p, plan.ExecuteOptions{}) })
		is.Equal(writes, p.Totals.Requests)
	})
}

func TestProgressCountsTheBytesOfADocumentThatIsPutAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		broken := true
		w := worldtest.New(t, openaitest.Config{StickIndexing: func(openaitest.FileInfo) bool { return broken }})
		attach(w, ofUs(doc("a.md", "text")))
		broken = false
		c := w.Client()
		p := makePlan(w, c, source(doc("a.md", "text")), us)
		is.Equal(lines(p), []string{"unchanged a.md"})
		var last plan.Progress
		_, err := p.Execute(t.Context(), c, plan.ExecuteOptions{}, func(pr plan.Progress) { last = pr })
		is.NoErr(err)
		is.Equal(last.Bytes, int64(4))
		is.Equal(last.Entry.Action, plan.Repair)
	})
}
