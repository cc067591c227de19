package plan_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// leaveIndexing replaces a.md and creates b.md in a process that ends before they are searchable.
func leaveIndexing(w *worldtest.World) {
	c := w.Client(func(cfg *vsclient.Config) { cfg.Async = true })
	for _, d := range []vsclient.Document{doc("a.md", "new"), doc("b.md", "b")} {
		if _, err := c.Put(context.Background(), ofUs(d)); err != nil {
			w.T.Fatal(err)
		}
	}
	_ = c.Close()
}

func TestTheNextRunWaitsForDocumentsThatAreBeingIndexedAndRemovesTheirOlderVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 2 * time.Minute})
		putAll(w, ofUs(doc("a.md", "old")))
		leaveIndexing(w)
		p := makePlan(w, w.Client(), source(doc("a.md", "new"), doc("b.md", "b")), us)
		is.Equal(lines(p), []string{"unchanged a.md", "duplicate a.md", "unchanged b.md"})
		is.Equal(p.Pending(), 1)
		uploads := w.Server.Counts()["POST /files"]
		r := run(w, w.Client(), p, plan.ExecuteOptions{})
		is.NoErr(r.Err())
		is.Equal(r.Counts, map[plan.Action]int{plan.Duplicate: 1})
		is.Equal(r.Idle+len(r.Stale)+len(r.Withheld), 0)
		is.Equal(stored(w), []string{"a.md: new", "b.md: b"})
		is.Equal(w.Server.Counts()["POST /files"], uploads)
		w.NoGap("a.md")
		is.Equal(makePlan(w, w.Client(), source(doc("a.md", "new"), doc("b.md", "b")), us).Pending(), 0)
	})
}

func TestTheNextRunPutsDocumentsAnewThatAreNotIndexedInTheEnd(t *testing.T) {
	for sentence, lead := range map[string]func(cfg *openaitest.Config, broken func() bool){
		"they fail": func(cfg *openaitest.Config, broken func() bool) {
			cfg.FailIndexing = func(openaitest.FileInfo) (code, message string) {
				if broken() {
					code = "server_error"
				}
				return code, ""
			}
		},
		"they hang": func(cfg *openaitest.Config, broken func() bool) {
			cfg.StickIndexing = func(openaitest.FileInfo) bool { return broken() }
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg, broken := openaitest.Config{IndexTime: time.Minute}, false
				lead(&cfg, func() bool { return broken })
				w := worldtest.New(t, cfg)
				putAll(w, ofUs(doc("a.md", "old")))
				broken = true
				leaveIndexing(w)
				broken = false
				p := makePlan(w, w.Client(), source(doc("a.md", "new"), doc("b.md", "b")), us)
				r := run(w, w.Client(), p, plan.ExecuteOptions{})
				is.NoErr(r.Err())
				is.Equal(r.Counts[plan.Repair], 2)
				is.Equal(stored(w), []string{"a.md: new", "b.md: b"})
				w.NoGap("a.md")
			})
		})
	}
}

// The document has no owner, and its older version other attributes, which readers find.
func TestADocumentWithoutAnOwnerIsPutAnewWhoseNewestVersionHangs(t *testing.T) {
	for sentence, o := range map[string]plan.Options{
		"the plan has no owner":            {},
		"the document becomes the owner's": us,
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				titled := func(text, title string) vsclient.Document {
					return with(doc("a.md", text), vsclient.Attributes{"title": title})
				}
				w := hanging(t, titled("old", "Old"), titled("new", "New"))
				for _, age := range []time.Duration{0, time.Hour} {
					time.Sleep(age)
					r := run(w, w.Client(), makePlan(w, w.Client(), source(titled("new", "New")), o), plan.ExecuteOptions{})
					is.NoErr(r.Err())
					is.Equal(len(r.Stale), 0)
				}
				is.Equal(stored(w), []string{"a.md: new"})
				w.NoGap("a.md")
			})
		})
	}
}

// hanging returns a world that holds the old document, and the new one, which is never indexed.
func hanging(t *testing.T, old, anew vsclient.Document) *worldtest.World {
	is := is.New(t)
	broken := false
	w := worldtest.New(t, openaitest.Config{StickIndexing: func(openaitest.FileInfo) bool { return broken }})
	putAll(w, old)
	broken = true
	c := w.Client(func(cfg *vsclient.Config) { cfg.Async = true })
	_, err := c.Put(context.Background(), anew)
	is.NoErr(err)
	_ = c.Close()
	broken = false
	return w
}

func TestADocumentWhoseNewestVersionHangsIsRemoved(t *testing.T) {
	for sentence, c := range map[string]struct {
		scope plan.Scope
		of    func(vsclient.Document) vsclient.Document
	}{
		"within an owner's documents": {plan.Scope{Owner: "us"}, ofUs},
		"below a prefix":              {plan.Scope{Prefix: "p/"}, func(d vsclient.Document) vsclient.Document { return d }},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := hanging(t, c.of(doc("p/a.md", "old")), c.of(doc("p/a.md", "new")))
				putAll(w, c.of(doc("p/b.md", "b")))
				r := run(w, w.Client(), makePlan(w, w.Client(), source(doc("p/b.md", "b")), plan.Options{Scope: c.scope}), plan.ExecuteOptions{})
				is.NoErr(r.Err())
				is.Equal(len(r.Stale), 0)
				is.Equal(stored(w), []string{"p/b.md: b"})
			})
		})
	}
}

// TestAnExecutionDoesNotWaitForDocumentsThatItMayNotPut has a document be indexed for an hour.
func TestAnExecutionDoesNotWaitForDocumentsThatItMayNotPut(t *testing.T) {
	doubtful := us
	doubtful.Doubt, doubtful.Strict = "the last run has read another folder", true
	for sentence, c := range map[string]struct {
		o     plan.Options
		fault openaitest.Fault
	}{
		"it is withheld":       {doubtful, openaitest.Fault{}},
		"nothing succeeds now": {us, openaitest.Fault{Kind: openaitest.FaultStatus, Status: 401, Times: -1}},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexTime: time.Hour})
				leaveIndexing(w)
				p := makePlan(w, w.Client(), source(doc("a.md", "new"), doc("c.md", "c")), c.o)
				if c.fault != (openaitest.Fault{}) {
					w.Strike("POST", "/files", c.fault)
				}
				began := time.Now()
				r, _ := p.Execute(context.Background(), w.Client(), plan.ExecuteOptions{}, nil)
				is.True(time.Since(began) < time.Minute)
				is.Equal(r.Done, 0)
			})
		})
	}
}

func TestOtherAttributesOfADocumentThatIsBeingIndexedAreGivenOnceItIsSearchable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 2 * time.Minute})
		leaveIndexing(w)
		titled := with(doc("a.md", "new"), vsclient.Attributes{"title": "A"})
		p := makePlan(w, w.Client(), source(titled, doc("b.md", "b")), us)
		is.Equal(lines(p), []string{"attributes a.md", "unchanged b.md"})
		before := w.Server.Counts()["POST /files"]
		r := run(w, w.Client(), p, plan.ExecuteOptions{})
		is.NoErr(r.Err())
		is.Equal(r.Counts, map[plan.Action]int{plan.Attributes: 1})
		is.Equal(w.Server.Counts()["POST /files"]-before, p.Totals.Uploads)
		is.Equal(makePlan(w, w.Client(), source(titled, doc("b.md", "b")), us).Pending(), 0)
	})
}

func TestAThousandDocumentsThatAreBeingIndexedCostAFewListings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 2 * time.Minute})
		c := w.Client(func(cfg *vsclient.Config) { cfg.Async = true })
		docs := collect(many(1000))
		changes := make([]vsclient.Change, len(docs))
		for i, d := range docs {
			changes[i] = vsclient.Put(ofUs(d))
		}
		for _, r := range c.Apply(context.Background(), changes, nil) {
			is.NoErr(r.Err)
		}
		_ = c.Close()
		next := w.Client()
		p := makePlan(w, next, source(docs...), us)
		all, writes := requests(w, func() { is.NoErr(run(w, next, p, plan.ExecuteOptions{}).Err()) })
		is.Equal(writes, 0)
		is.True(all < 1500) // a look at each document at the end, and eight listings of ten pages
	})
}

func TestASavedPlanOfDocumentsThatAreBeingIndexedFitsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		broken := false
		w := worldtest.New(t, openaitest.Config{StickIndexing: func(openaitest.FileInfo) bool { return broken }})
		putAll(w, ofUs(doc("a.md", "old")))
		broken = true
		leaveIndexing(w)
		broken = false
		docs := []vsclient.Document{doc("a.md", "new"), doc("b.md", "b")}
		p := makePlan(w, w.Client(), source(docs...), us)
		for range 2 {
			r := run(w, w.Client(), again(t, p), plan.ExecuteOptions{Source: opener(docs...)})
			is.NoErr(r.Err())
			is.Equal(len(r.Stale)+len(r.Withheld), 0)
		}
		is.Equal(stored(w), []string{"a.md: new", "b.md: b"})
	})
}

func TestADocumentStaysThatHasANewerVersionWhichIsBeingIndexed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 2 * time.Minute})
		putAll(w, ofUs(doc("a.md", "old")), ofUs(doc("same.md", "s")))
		p := makePlan(w, w.Client(), source(doc("same.md", "s")), us)
		leaveIndexing(w)
		r := run(w, w.Client(), again(t, p), plan.ExecuteOptions{Source: opener(doc("same.md", "s"))})
		is.Equal(len(r.Stale), 1)
		is.Equal(r.Done, 0)
		time.Sleep(time.Hour)
		is.Equal(stored(w), []string{"a.md: new", "b.md: b", "same.md: s"})
	})
}

func TestARunThatDoesNotWaitLeavesDocumentsThatAreBeingIndexed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Minute})
		putAll(w, ofUs(doc("a.md", "old")))
		leaveIndexing(w)
		began := time.Now()
		p := makePlan(w, w.Client(), source(doc("a.md", "new"), doc("b.md", "b")), us)
		_, writes := requests(w, func() {
			r := run(w, w.Client(), p, plan.ExecuteOptions{Attached: true})
			is.Equal(r.Done, 0)
			is.Equal(withheld(r.Withheld), map[string]string{"a.md": "it is still being indexed", "b.md": "it is still being indexed"})
		})
		is.Equal(writes, 0)
		is.True(time.Since(began) < time.Second)
	})
}

// Nobody waits for the documents, so that no put tells of a refusal.
func TestARunThatDoesNotWaitTriesARefusedDocumentAnewOnceADay(t *testing.T) {
	for code, daily := range map[string]bool{"invalid_file": true, "unsupported_file": true, "server_error": false} {
		t.Run(code, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexTime: time.Minute, FailIndexing: func(openaitest.FileInfo) (string, string) { return code, "" }})
				refusals := new(plan.Refusals)
				o := us
				o.Refusals = refusals
				changes := 0
				sync := func() {
					c := w.Client(func(cfg *vsclient.Config) { cfg.Async = true })
					changes += run(w, c, makePlan(w, c, source(doc("a.md", "a")), o), plan.ExecuteOptions{Attached: true, Refusals: refusals}).Done
					_ = c.Close()
					time.Sleep(time.Hour)
				}
				for range 20 {
					sync()
				}
				want := 20
				if daily {
					want = 2 // the first, and the one that finds that it has failed
				}
				is.Equal(changes, want)
				time.Sleep(24 * time.Hour)
				sync()
				is.Equal(changes, want+1)
			})
		})
	}
}

func TestADocumentThatIsSearchableIsSuspectedNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		broken := true
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Minute, FailIndexing: func(openaitest.FileInfo) (code, message string) {
			if broken {
				code = "invalid_file"
			}
			return code, ""
		}})
		o, x := us, plan.ExecuteOptions{Attached: true, Refusals: new(plan.Refusals)}
		o.Refusals = x.Refusals
		for range 3 { // it fails, it is put anew, it is searchable
			c := w.Client(func(cfg *vsclient.Config) { cfg.Async = true })
			run(w, c, makePlan(w, c, source(doc("a.md", "a")), o), x)
			_ = c.Close()
			time.Sleep(time.Hour)
			broken = false
		}
		_, err := w.Client().Delete(context.Background(), "a.md")
		is.NoErr(err)
		is.Equal(lines(makePlan(w, w.Client(), source(doc("a.md", "a")), o)), []string{"create a.md"})
	})
}

func TestASavedPlanPutsNoDocumentThatWasRefusedSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{FailIndexing: func(openaitest.FileInfo) (string, string) { return "invalid_file", "" }})
		p := makePlan(w, w.Client(), source(doc("a.md", "a")), us)
		o := plan.ExecuteOptions{Refusals: new(plan.Refusals), Source: opener(doc("a.md", "a"))}
		is.Equal(len(run(w, w.Client(), again(t, p), o).Failed), 1)
		uploads := w.Server.Counts()["POST /files"]
		is.Equal(len(run(w, w.Client(), again(t, p), o).Withheld), 1)
		is.Equal(w.Server.Counts()["POST /files"], uploads)
	})
}
