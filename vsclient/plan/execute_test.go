package plan_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// us is the source under test.
var us = plan.Options{Scope: plan.Scope{Owner: "us"}}

func ofUs(d vsclient.Document) vsclient.Document { return with(d, vsclient.Attributes{"owner": "us"}) }

func ofThem(d vsclient.Document) vsclient.Document {
	return with(d, vsclient.Attributes{"owner": "them"})
}

func TestAPlanIsExecutedAndThenNothingIsLeftToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("a.md", "a")), ofUs(doc("b.md", "b")), ofUs(doc("c.md", "c")))
		docs := source(doc("a.md", "a"), doc("b.md", "other"), doc("d.md", "d"))
		p := makePlan(w, w.Client(), docs, us)
		is.Equal(lines(p), []string{"unchanged a.md", "replace b.md", "create d.md", "remove c.md"})
		r := run(w, w.Client(), p, plan.ExecuteOptions{})
		is.Equal(r.Counts, map[plan.Action]int{plan.Create: 1, plan.Replace: 1, plan.Remove: 1})
		is.NoErr(r.Err())
		is.Equal(stored(w), []string{"a.md: a", "b.md: other", "d.md: d"})
		is.Equal(makePlan(w, w.Client(), docs, us).Pending(), 0)
	})
}

// TestASourceThatMayHaveMoreRemovesNothing shows the removals, and makes the puts only.
func TestASourceThatMayHaveMoreRemovesNothing(t *testing.T) {
	for _, c := range []struct {
		sentence string
		source   iter.Seq2[vsclient.Document, error]
		o        plan.Options
		reason   string
		done     int
	}{
		{"an error at the end", cut(doc("new.md", "n")), us, "the folder cannot be read", 1},
		{"an error between documents", func(yield func(vsclient.Document, error) bool) {
			_ = yield(vsclient.Document{}, errUnreadable) && yield(doc("new.md", "n"), nil)
		}, us, "the folder cannot be read", 1},
		{"an error alone", cut(), plan.Options{Scope: us.Scope, Empty: true}, "the folder cannot be read", 0},
		{"content that cannot be read", source(doc("new.md", "n"), vsclient.Document{Key: "moved.md", Content: unreadable}), us, "input/output error", 1},
		{"no document", source(), us, "the source is empty", 0},
		{"removals turned off", source(doc("new.md", "n")), plan.Options{Scope: us.Scope, NoRemove: true}, "turned off", 1},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, ofUs(doc("old.md", "old")))
				p := makePlan(w, w.Client(), c.source, c.o)
				is.Equal(p.Removals, 1)
				is.True(strings.Contains(withheld(p.Entries)["old.md"], c.reason))
				r := run(w, w.Client(), p, plan.ExecuteOptions{Approve: 100})
				is.Equal(r.Done, c.done)
				is.True(strings.Contains(withheld(r.Withheld)["old.md"], c.reason))
				is.True(slices.Contains(stored(w), "old.md: old"))
			})
		})
	}
}

func TestAnEmptySourceRemovesWhenThatIsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("old.md", "old")))
		o := us
		o.Empty = true
		is.Equal(run(w, w.Client(), makePlan(w, w.Client(), source(), o), plan.ExecuteOptions{}).Counts, map[plan.Action]int{plan.Remove: 1})
		is.Equal(stored(w), nil)
	})
}

func TestOnlyDocumentsWithinTheScopeAreRemoved(t *testing.T) {
	for _, c := range []struct {
		sentence string
		scope    plan.Scope
		removed  []string
	}{
		{"no scope removes nothing", plan.Scope{}, nil},
		{"an owner", plan.Scope{Owner: "us"}, []string{"remove a/1.md", "remove b/1.md"}},
		{"a prefix, of documents without an owner", plan.Scope{Prefix: "a/"}, []string{"remove a/3.md"}},
		{"both", plan.Scope{Owner: "us", Prefix: "a/"}, []string{"remove a/1.md"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, ofUs(doc("a/1.md", "1")), ofThem(doc("a/2.md", "2")), doc("a/3.md", "3"), ofUs(doc("b/1.md", "1")))
				w.Server.AddStoreFile(w.Store, w.Server.AddFile(openaitest.NewFile{Name: "a/foreign.md", Content: []byte("x")}), map[string]any{"owner": "us"})
				p := makePlan(w, w.Client(), source(), plan.Options{Scope: c.scope, Empty: true})
				is.Equal(lines(p), c.removed)
				is.Equal(p.Owned, len(c.removed))
			})
		})
	}
}

func TestTheGuardTakesANumber(t *testing.T) {
	for _, c := range []struct {
		sentence      string
		guard         plan.Guard
		owned, remove int
		approve       int
		done          bool
	}{
		{"ten may go", plan.Guard{}, 14, 10, 0, true},
		{"ten of eleven are nearly all", plan.Guard{}, 11, 10, 0, false},
		{"four of five are nearly all", plan.Guard{}, 5, 4, 0, false},
		{"three of four are not", plan.Guard{}, 4, 3, 0, true},
		{"nearly all are approved", plan.Guard{}, 11, 10, 10, true},
		{"nearly all may go by a share of one's own", plan.Guard{Share: 1}, 11, 10, 0, true},
		{"nearly all may go by a number of one's own", plan.Guard{Free: 10, Share: -1}, 11, 10, 0, true},
		{"eleven of fifty are too many", plan.Guard{}, 50, 11, 0, false},
		{"eleven of fifty are approved", plan.Guard{}, 50, 11, 11, true},
		{"an approval of more covers them", plan.Guard{}, 50, 11, 40, true},
		{"an approval of ten does not", plan.Guard{}, 50, 11, 10, false},
		{"a tenth may go", plan.Guard{}, 110, 11, 0, true},
		{"more than the most", plan.Guard{Most: 5, Free: 1, Share: 1}, 20, 6, 0, false},
		{"the most", plan.Guard{Most: 5, Free: 1, Share: 1}, 20, 5, 0, true},
		{"a share of one's own", plan.Guard{Free: 1, Share: 0.5}, 20, 11, 0, false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				plant(w, c.owned)
				o := us
				o.Guard = c.guard
				p := makePlan(w, w.Client(), many(c.owned-c.remove), o)
				is.Equal(p.Removals, c.remove)
				r := run(w, w.Client(), p, plan.ExecuteOptions{Approve: c.approve})
				is.Equal(r.Counts[plan.Remove] == c.remove, c.done)
				is.Equal(len(r.Withheld) == 0, c.done)
				left := c.owned
				if c.done {
					left -= c.remove
				}
				is.Equal(len(stored(w)), left)
			})
		})
	}
}

// TestAChangeSinceThePlanIsStale changes the store or the source between plan and
// execution.
func TestAChangeSinceThePlanIsStale(t *testing.T) {
	gone, kept := "gone.md", doc("kept.md", "new")
	for _, c := range []struct {
		sentence string
		change   func(w *worldtest.World)
		o        plan.ExecuteOptions
		stale    map[string]string // part of the reason, by key
	}{
		{
			"the document to remove has a newer version",
			func(w *worldtest.World) { putAll(w, ofUs(doc(gone, "newer"))) },
			plan.ExecuteOptions{},
			map[string]string{gone: "another version"},
		},
		{
			"the document to remove has other attributes",
			func(w *worldtest.World) {
				putAll(w, with(doc(gone, "gone"), vsclient.Attributes{"owner": "us", "n": 1}))
			},
			plan.ExecuteOptions{},
			map[string]string{gone: "another version"},
		},
		{
			"the document to remove is another's",
			func(w *worldtest.World) { putAll(w, ofThem(doc(gone, "gone"))) },
			plan.ExecuteOptions{},
			map[string]string{gone: `has the owner "them" by now`},
		},
		{
			"the document to remove has no owner",
			func(w *worldtest.World) { putAll(w, doc(gone, "gone")) },
			plan.ExecuteOptions{},
			map[string]string{gone: "has no owner by now"},
		},
		{
			"the source has the document again",
			func(*worldtest.World) {},
			plan.ExecuteOptions{Exists: func(context.Context, string) (bool, error) { return true, nil }},
			map[string]string{gone: "the source has the document"},
		},
		{
			"the document to put is another's",
			func(w *worldtest.World) { putAll(w, ofThem(doc("kept.md", "theirs"))) },
			plan.ExecuteOptions{},
			map[string]string{"kept.md": `has the owner "them" by now`},
		},
		{
			"the content to put has changed",
			func(*worldtest.World) {},
			plan.ExecuteOptions{Source: opener(doc("kept.md", "newest"))},
			map[string]string{"kept.md": "content has changed"},
		},
		{
			"the attributes to put have changed",
			func(*worldtest.World) {},
			plan.ExecuteOptions{Source: opener(with(kept, vsclient.Attributes{"n": 1}))},
			map[string]string{"kept.md": "attributes or chunking have changed"},
		},
		{
			"the chunking to put has changed",
			func(*worldtest.World) {},
			plan.ExecuteOptions{Source: opener(vsclient.Document{Key: "kept.md", Content: kept.Content, Chunking: vsclient.Chunking{MaxTokens: 200}})},
			map[string]string{"kept.md": "attributes or chunking have changed"},
		},
		{
			"the document to put is gone from the source",
			func(*worldtest.World) {},
			plan.ExecuteOptions{Source: opener()},
			map[string]string{"kept.md": "no longer has"},
		},
	} {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, kept as JSON: %v", c.sentence, old), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := worldtest.New(t, openaitest.Config{})
					putAll(w, ofUs(doc(gone, "gone")), ofUs(doc("kept.md", "old")))
					p, o := makePlan(w, w.Client(), source(kept), us), c.o
					if old {
						p = again(t, p)
						if o.Source == nil {
							o.Source = opener(kept)
						}
					}
					c.change(w)
					before := stored(w)
					r := run(w, w.Client(), p, o)
					is.Equal(len(r.Failed), 0)
					is.Equal(len(r.Stale), len(c.stale))
					for key, reason := range c.stale {
						got := withheld(r.Stale)[key]
						if !strings.Contains(got, reason) {
							t.Errorf("%q is stale: %q", key, got)
						}
						for _, s := range before { // it is as it was
							is.True(!strings.HasPrefix(s, key) || slices.Contains(stored(w), s))
						}
					}
					is.Equal(r.Done, 2-len(c.stale)) // the other one
				})
			})
		}
	}
}

func TestASourceThatCannotBeAskedWithholdsTheRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("gone.md", "gone")))
		o := us
		o.Empty = true
		r := run(w, w.Client(), makePlan(w, w.Client(), source(), o), plan.ExecuteOptions{
			Exists: func(context.Context, string) (bool, error) { return false, errUnreadable },
		})
		is.True(strings.Contains(withheld(r.Withheld)["gone.md"], "the folder cannot be read"))
		is.Equal(stored(w), []string{"gone.md: gone"})
	})
}

// TestADocumentThatMovesIsThereAllTheTime has the put under the new key fail, or be
// refused, or go well.
func TestADocumentThatMovesIsThereAllTheTime(t *testing.T) {
	fails := openaitest.Config{FailIndexing: func(f openaitest.FileInfo) (code, message string) {
		if strings.HasPrefix(f.Name, "new") {
			return "invalid_file", "it is broken"
		}
		return "", ""
	}}
	for _, c := range []struct {
		sentence string
		cfg      openaitest.Config
		to       vsclient.Document
		planned  bool // it is known before that the removal is withheld
		withheld int
		stored   []string
	}{
		{"the put goes well", openaitest.Config{}, doc("new.md", "text"), false, 0, []string{"new.md: text", "theirs.md: x"}},
		{"the put fails", fails, doc("new.md", "text"), false, 1, []string{"old.md: text", "theirs.md: x"}},
		{"the put is a conflict", openaitest.Config{}, doc("theirs.md", "text"), true, 1, []string{"old.md: text", "theirs.md: x"}},
		{"the source names another owner", openaitest.Config{}, ofThem(doc("new.md", "text")), true, 1, []string{"old.md: text", "theirs.md: x"}},
		{"the put is refused", openaitest.Config{}, with(doc("new.md", "text"), vsclient.Attributes{"vs_key": 1}), true, 1, []string{"old.md: text", "theirs.md: x"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, c.cfg)
				putAll(w, ofUs(doc("old.md", "text")), ofThem(doc("theirs.md", "x")))
				p := makePlan(w, w.Client(), source(c.to), us)
				is.Equal(p.Entries[len(p.Entries)-1].Withheld != "", c.planned)
				r := run(w, w.Client(), p, plan.ExecuteOptions{})
				is.Equal(stored(w), c.stored)
				is.Equal(len(r.Withheld), c.withheld)
			})
		})
	}
}

// TestADocumentThatMovesStaysUntilTheNewKeyIsSearchable has an earlier run end once the
// document is attached under its new key.
func TestADocumentThatMovesStaysUntilTheNewKeyIsSearchable(t *testing.T) {
	async := func(cfg *vsclient.Config) { cfg.Async = true }
	t.Run("attached by a run that has ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			w := worldtest.New(t, openaitest.Config{IndexTime: time.Minute})
			putAll(w, ofUs(doc("old.md", "text")))
			c := w.Client(async)
			_, err := c.Put(context.Background(), ofUs(doc("new.md", "text")))
			is.NoErr(err)
			p := makePlan(w, w.Client(), source(doc("new.md", "text")), us)
			is.Equal(lines(p), []string{"unchanged new.md", "remove old.md"})
			is.Equal(len(run(w, w.Client(), p, plan.ExecuteOptions{Attached: true}).Withheld), 2) // none waits for new.md
			is.Equal(stored(w), []string{"old.md: text"})
			is.Equal(run(w, w.Client(), p, plan.ExecuteOptions{}).Done, 1)
			is.Equal(stored(w), []string{"new.md: text"})
		})
	})
	t.Run("a listing shows it as searchable too early", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			w := worldtest.New(t, openaitest.Config{IndexTime: time.Minute, Quirks: openaitest.Quirks{EarlyListed: true}})
			putAll(w, ofUs(doc("old.md", "text")))
			_, err := w.Client(async).Put(context.Background(), ofUs(doc("new.md", "text")))
			is.NoErr(err)
			p := makePlan(w, w.Client(), source(doc("new.md", "text")), us)
			is.Equal(lines(p), []string{"unchanged new.md", "remove old.md"})
			is.Equal(withheld(run(w, w.Client(), p, plan.ExecuteOptions{}).Withheld), map[string]string{
				"old.md": `the source has its content under "new.md", which is not searchable yet`,
			})
			is.Equal(stored(w), []string{"old.md: text"})
			time.Sleep(time.Minute)
			is.Equal(run(w, w.Client(), p, plan.ExecuteOptions{}).Done, 1)
			w.NoGap("old.md", "new.md")
		})
	})
	t.Run("attached by this run", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			w := worldtest.New(t, openaitest.Config{IndexTime: time.Minute})
			putAll(w, ofUs(doc("old.md", "text")))
			c := w.Client(async)
			run(w, c, makePlan(w, c, source(doc("new.md", "text")), us), plan.ExecuteOptions{})
			is.Equal(stored(w), []string{"new.md: text"}) // it was waited for
		})
	})
	t.Run("attached by this run and not indexed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			w := worldtest.New(t, openaitest.Config{IndexTime: time.Minute, FailIndexing: func(f openaitest.FileInfo) (code, message string) {
				if strings.HasPrefix(f.Name, "new") {
					return "invalid_file", "it is broken"
				}
				return "", ""
			}})
			putAll(w, ofUs(doc("old.md", "text")))
			c := w.Client(async)
			r := run(w, c, makePlan(w, c, source(doc("new.md", "text")), us), plan.ExecuteOptions{})
			is.Equal(len(r.Withheld), 1)
			is.Equal(stored(w), []string{"old.md: text"})
		})
	})
}

// TestASourceThatHasNoneOfThePlansDocumentsRemovesNothing has the folder of a plan that was
// kept be empty when the plan is executed.
func TestASourceThatHasNoneOfThePlansDocumentsRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("gone.md", "gone")), ofUs(doc("kept.md", "kept")))
		p := again(t, makePlan(w, w.Client(), source(doc("kept.md", "kept")), us))
		there := ""
		exists := func(_ context.Context, key string) (bool, error) { return key == there, nil }
		r := run(w, w.Client(), p, plan.ExecuteOptions{Exists: exists})
		is.True(strings.Contains(withheld(r.Withheld)["gone.md"], "none of the documents"))
		there = "kept.md"
		is.Equal(run(w, w.Client(), p, plan.ExecuteOptions{Exists: exists}).Done, 1)
	})
}

// TestAnEntryThatFindsNothingLeftToDoIsNoChange has another run put a document after the plan,
// as one does that a late listing does not show.
func TestAnEntryThatFindsNothingLeftToDoIsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		p := makePlan(w, w.Client(), source(doc("a.md", "a"), doc("b.md", "bb")), us)
		is.Equal(lines(p), []string{"create a.md", "create b.md"})
		putAll(w, ofUs(doc("a.md", "a")))
		var last plan.Progress
		r, err := p.Execute(context.Background(), w.Client(), plan.ExecuteOptions{}, func(g plan.Progress) { last = g })
		is.NoErr(err)
		is.Equal(r.Counts, map[plan.Action]int{plan.Create: 1})
		is.Equal(r.Idle, 1)
		is.Equal(last.Bytes, int64(2)) // that were uploaded
		is.Equal(last.Done, 2)         // entries have ended
	})
}

func TestARemovalOfADocumentThatIsGoneByNowHasNothingLeftToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("gone.md", "gone")), ofUs(doc("kept.md", "kept")))
		p := again(t, makePlan(w, w.Client(), source(doc("kept.md", "kept")), us))
		is.Equal(lines(p), []string{"unchanged kept.md", "remove gone.md"})
		_, err := w.Client().Delete(context.Background(), "gone.md")
		is.NoErr(err)
		r := run(w, w.Client(), p, plan.ExecuteOptions{})
		is.Equal(r.Idle, 1)
		is.Equal(len(r.Stale), 0)
		is.Equal(stored(w), []string{"kept.md: kept"})
	})
}

func TestTheOwnerIsWrittenAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, doc("nobodys.md", "n"), ofThem(doc("theirs.md", "t")))
		docs := source(with(doc("a.md", "a"), vsclient.Attributes{"lang": "en"}), doc("nobodys.md", "n"), doc("theirs.md", "other"), ofThem(doc("wrong.md", "w")))
		p := makePlan(w, w.Client(), docs, us)
		is.Equal(lines(p), []string{"create a.md", "attributes nobodys.md", "conflict theirs.md", "conflict wrong.md"})
		is.True(p.Entries[1].Unowned)
		is.Equal(run(w, w.Client(), p, plan.ExecuteOptions{}).Done, 2)
		c := w.Client()
		for key, want := range map[string]vsclient.Attributes{"a.md": {"lang": "en", "owner": "us"}, "nobodys.md": {"owner": "us"}, "theirs.md": {"owner": "them"}} {
			info, err := c.Get(context.Background(), key)
			is.NoErr(err)
			is.Equal(info.Attributes, want)
		}
	})
}

// TestADocumentThatAnotherTakesFirstIsTheirs has a document that nobody owned taken
// between plan and execution.
func TestADocumentThatAnotherTakesFirstIsTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, doc("a.md", "a"))
		p := makePlan(w, w.Client(), source(doc("a.md", "ours")), us)
		putAll(w, ofThem(doc("a.md", "theirs")))
		r := run(w, w.Client(), p, plan.ExecuteOptions{})
		is.Equal(len(r.Stale), 1)
		is.Equal(stored(w), []string{"a.md: theirs"})
	})
}

func TestAPlanWithoutAnOwnerLeavesTheDocumentsThatOthersHavePutSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, doc("b.md", "b"), doc("c.md", "c"))
		c := w.Client()
		p := makePlan(w, c, source(doc("a.md", "ours"), doc("b.md", "ours"), doc("c.md", "ours"), doc("d.md", "ours")), plan.Options{})
		time.Sleep(5 * time.Second) // a person reads the plan
		putAll(w, ofThem(doc("a.md", "theirs")), ofThem(doc("b.md", "theirs")))
		r := run(w, c, p, plan.ExecuteOptions{})
		is.Equal(len(r.Failed), 0)
		is.True(strings.Contains(withheld(r.Stale)["a.md"], "by now"))
		is.True(strings.Contains(withheld(r.Stale)["b.md"], "by now"))
		is.Equal(stored(w), []string{"a.md: theirs", "b.md: theirs", "c.md: ours", "d.md: ours"})
	})
}

func TestAKeyThatIsThereTwiceIsSettled(t *testing.T) {
	for _, c := range []struct {
		sentence string
		source   iter.Seq2[vsclient.Document, error]
		want     []string
		stored   []string
	}{
		{"by a put of the same document", source(doc("a.md", "new")), []string{"unchanged a.md", "duplicate a.md"}, []string{"a.md: new"}},
		{"by a put of another", source(doc("a.md", "newest")), []string{"replace a.md", "duplicate a.md"}, []string{"a.md: newest"}},
		{"by the removal", source(doc("b.md", "b")), []string{"create b.md", "remove a.md"}, []string{"b.md: b"}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, ofUs(doc("a.md", "new")))
				older(w, "a.md", "old")
				p := makePlan(w, w.Client(), c.source, us)
				is.Equal(lines(p), c.want)
				if len(c.want) == 2 {
					p = again(t, p)
				}
				r := run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(collect(c.source)...)})
				is.Equal(len(r.Stale)+len(r.Failed)+len(r.Withheld), 0)
				is.Equal(stored(w), c.stored)
			})
		})
	}
}

// TestAKeyIsLeftAloneWhenOneOfItsEntriesIsWithheld has a key with an older version. A put of the
// key would remove that too.
func TestAKeyIsLeftAloneWhenOneOfItsEntriesIsWithheld(t *testing.T) {
	for _, c := range []struct {
		sentence string
		source   vsclient.Document
		withhold []int // entries, by a user of the library
	}{
		{"the duplicate", doc("a.md", "new"), []int{1}},
		{"the duplicate, and the document is replaced", doc("a.md", "newest"), []int{1}},
		{"the replacement, and there is a duplicate", doc("a.md", "newest"), []int{0}},
		{"both", doc("a.md", "newest"), []int{0, 1}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, ofUs(doc("a.md", "new")))
				older(w, "a.md", "old")
				p := makePlan(w, w.Client(), source(c.source), us)
				is.Equal(p.Counts()[plan.Duplicate], 1)
				for _, i := range c.withhold {
					p.Entries[i].Withheld = "somebody looks at it"
				}
				for _, p := range []*plan.Plan{p, again(t, p)} {
					r := run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(c.source), Approve: 9})
					is.Equal(r.Done, 0)
					is.Equal(withheld(r.Withheld), map[string]string{"a.md": "somebody looks at it"})
					is.Equal(stored(w), []string{"a.md: new", "a.md: old"})
				}
			})
		})
	}
}

// TestAFileOfAnotherOwnerBesideADocumentStays attaches a file of the document's name with
// another tool, as theirs.
func TestAFileOfAnotherOwnerBesideADocumentStays(t *testing.T) {
	for want, docs := range map[string]iter.Seq2[vsclient.Document, error]{
		"conflict a.md conflict b.md": source(doc("a.md", "a"), doc("b.md", "new")),
		"create c.md":                 source(doc("c.md", "c")),
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, ofUs(doc("a.md", "a")), doc("b.md", "b"))
				for _, name := range []string{"a.md", "b.md"} {
					w.Server.AddStoreFile(w.Store, w.Server.AddFile(openaitest.NewFile{Name: name, Content: []byte("theirs")}), map[string]any{"owner": "them"})
				}
				time.Sleep(time.Hour)
				p := makePlan(w, w.Client(), docs, us)
				is.Equal(strings.Join(slices.DeleteFunc(lines(p), func(line string) bool { return strings.HasPrefix(line, "duplicate") }), " "), want)
				is.Equal(p.Counts()[plan.Duplicate], 0)
				run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(collect(docs)...)})
				is.Equal(stored(w)[:2], []string{"(a.md): theirs", "(b.md): theirs"})
			})
		})
	}
}

// TestAPlanShowsTheRemovalsThatTheSourceWithholds asks the source while the plan is made.
func TestAPlanShowsTheRemovalsThatTheSourceWithholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("gone.md", "gone")), ofUs(doc("there.md", "there")), ofUs(doc("unknown.md", "unknown")))
		o := us
		o.Empty = true
		o.Exists = func(_ context.Context, key string) (bool, error) {
			if key == "unknown.md" {
				return false, errUnreadable
			}
			return key == "there.md", nil
		}
		p := makePlan(w, w.Client(), source(), o)
		is.Equal(p.Pending(), 1)
		is.Equal(p.Totals.Requests, 2)
		is.True(strings.Contains(withheld(p.Entries)["there.md"], "has the document"))
		is.True(strings.Contains(withheld(p.Entries)["unknown.md"], "the folder cannot be read"))
		r := run(w, w.Client(), p, plan.ExecuteOptions{Approve: 3})
		is.Equal(r.Counts[plan.Remove], 1)
		is.Equal(stored(w), []string{"there.md: there", "unknown.md: unknown"})
	})
}

// TestAVersionThatFailedStandsBeforeOneThatIsSearchable has a process stop after it has
// attached a version that OpenAI then could not index.
func TestAVersionThatFailedStandsBeforeOneThatIsSearchable(t *testing.T) {
	for _, c := range []struct {
		sentence string
		source   iter.Seq2[vsclient.Document, error]
		want     []string
		stored   []string
	}{
		{"it is repaired", source(doc("a.md", "new")), []string{"repair a.md", "duplicate a.md"}, []string{"a.md: new"}},
		{"it is replaced", source(doc("a.md", "newest")), []string{"replace a.md", "duplicate a.md"}, []string{"a.md: newest"}},
		{"it is removed, with the older one", source(doc("b.md", "b")), []string{"create b.md", "remove a.md"}, []string{"b.md: b"}},
	} {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, kept as JSON: %v", c.sentence, old), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					fails := true
					w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond, FailIndexing: func(openaitest.FileInfo) (code, message string) {
						if fails {
							return "invalid_file", "it is broken"
						}
						return "", ""
					}})
					older(w, "a.md", "old")
					writer := w.Client(func(cfg *vsclient.Config) { cfg.Async = true })
					_, err := writer.Put(context.Background(), ofUs(doc("a.md", "new")))
					is.NoErr(err)
					_ = writer.Close()
					time.Sleep(time.Second)
					fails = false
					p := makePlan(w, w.Client(), c.source, us)
					is.Equal(lines(p), c.want)
					is.Equal(stored(w), []string{"a.md: old"})
					o := plan.ExecuteOptions{}
					if old {
						p, o.Source = again(t, p), opener(collect(c.source)...)
					}
					r := run(w, w.Client(), p, o)
					is.Equal(len(r.Stale)+len(r.Failed)+len(r.Withheld), 0)
					is.Equal(stored(w), c.stored)
				})
			})
		}
	}
}

// older attaches a second, older version of a key, as a run that was killed may leave.
func older(w *worldtest.World, key, content string) {
	id := w.Server.AddFile(openaitest.NewFile{Name: key, Content: []byte(content)})
	w.Server.AddStoreFile(w.Store, id, map[string]any{"vs_key": key, "vs_version": fmt.Sprintf("%016d", 1000), "owner": "us"})
}

func collect(docs iter.Seq2[vsclient.Document, error]) (out []vsclient.Document) {
	for d, err := range docs {
		if err != nil {
			return nil
		}
		out = append(out, d)
	}
	return out
}

func TestAPlanThatWasKeptNeedsItsSourceAndItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		p := again(t, makePlan(w, w.Client(), source(doc("a.md", "a")), us))
		_, err := p.Execute(context.Background(), w.Client(), plan.ExecuteOptions{}, nil)
		is.True(err != nil && strings.Contains(err.Error(), "ExecuteOptions.Source"))
		other := w.Client(func(cfg *vsclient.Config) { cfg.VectorStoreID = w.Server.NewVectorStore("other") })
		_, err = p.Execute(context.Background(), other, plan.ExecuteOptions{Source: opener(doc("a.md", "a"))}, nil)
		is.True(err != nil && strings.Contains(err.Error(), "for the store "+w.Store))
		r := run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(doc("a.md", "a"))})
		is.Equal(r.Done, 1)
		r = run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(doc("a.md", "a"))})
		is.Equal(len(r.Stale), 0) // it has been executed, and that is no change of another's
		is.Equal(r.Idle, 1)
	})
}

// TestAnExecutionThatWasKilledIsFinishedByThePlan executes a plan again whose puts are done
// and whose removals are not.
func TestAnExecutionThatWasKilledIsFinishedByThePlan(t *testing.T) {
	for _, o := range []plan.Options{us, {Scope: plan.Scope{Prefix: "docs/"}}} {
		t.Run(fmt.Sprintf("%+v", o.Scope), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				own := func(d vsclient.Document) vsclient.Document {
					if o.Scope.Owner != "" {
						d = ofUs(d)
					}
					return d
				}
				putAll(w, own(doc("docs/old.md", "moved")), own(doc("docs/other.md", "old")))
				docs := []vsclient.Document{doc("docs/new.md", "moved"), doc("docs/other.md", "new")}
				p := again(t, makePlan(w, w.Client(), source(docs...), o))
				putAll(w, own(docs[0]), own(docs[1])) // as the execution did before it was killed
				r := run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(docs...)})
				is.Equal(len(r.Stale), 0)
				is.Equal(len(r.Withheld), 0)
				is.Equal(stored(w), []string{"docs/new.md: moved", "docs/other.md: new"})
			})
		})
	}
}

// TestASourceThatSharesLittleWithTheStoreMayBeAnother plans few removals of many sorts. A
// stored document has its key as its content.
func TestASourceThatSharesLittleWithTheStoreMayBeAnother(t *testing.T) {
	same := func(keys ...string) (docs []vsclient.Document) {
		for _, key := range keys {
			docs = append(docs, doc(key, key))
		}
		return docs
	}
	three, four := []string{"1", "2", "3"}, []string{"1", "2", "3", "4"}
	eight := append(slices.Clone(four), "5", "6", "7", "8")
	for _, c := range []struct {
		sentence string
		stored   []string
		source   []vsclient.Document
		withheld int
	}{
		{"none of two", []string{"1", "2"}, []vsclient.Document{doc("x", "x")}, 3},
		{"most keys are new", three, []vsclient.Document{doc("1", "x"), doc("8", "x"), doc("9", "x")}, 5},
		{"every content is new", append(slices.Clone(eight), "9"), []vsclient.Document{doc("1", "w"), doc("2", "x"), doc("3", "y"), doc("4", "z")}, 9},
		{"the licence alone is shared", eight, same("1", "a", "b", "c", "d", "e"), 12},
		{"the licence alone is shared with a small store", three, same("1", "a", "b"), 4},
		{"a folder below the right one", eight, []vsclient.Document{doc("x", "5"), doc("y", "6"), doc("z", "7")}, 11},
		{"a folder below the right one, with a name that is in both", eight, []vsclient.Document{doc("1", "5"), doc("x", "6"), doc("y", "7"), doc("z", "8")}, 11},
		{"two files change places", three, []vsclient.Document{doc("1", "2"), doc("2", "1"), doc("3", "3")}, 0},
		{"a file moves onto another, and one is gone", four, []vsclient.Document{doc("1", "2"), doc("3", "3")}, 0},
		{"a folder below the right one, with a file that is there twice", []string{"1", "2", "3", "4", "sub/1"}, []vsclient.Document{doc("1/x", "1")}, 6},
		{"nearly all are gone", eight, same("1"), 7},
		{"a folder that shares a name", four, []vsclient.Document{doc("1", "x")}, 4},
		{"a folder that shares a name and has a new one", four, []vsclient.Document{doc("1", "x"), doc("9", "y")}, 5},
		{"a folder that shares two names", eight, []vsclient.Document{doc("1", "x"), doc("2", "y")}, 8},
		{"one of three is gone, and the others have changed", three, []vsclient.Document{doc("1", "x"), doc("2", "x"), doc("7", "x"), doc("8", "x"), doc("9", "x")}, 0},
		{"one of three is gone", three, same("1", "2"), 0},
		{"two of three are gone", three, same("1"), 0},
		{"two of three are gone, and the other has changed", three, []vsclient.Document{doc("1", "x")}, 0},
		{"two of three are gone, one has changed and one is new", three, []vsclient.Document{doc("1", "x"), doc("9", "x")}, 0},
		{"two of three are gone, and one is new", three, same("1", "x"), 0},
		{"half are gone, and as many are new", four, same("1", "2", "x", "y"), 0},
		{"a file is renamed", three, []vsclient.Document{doc("x", "1"), doc("2", "2"), doc("3", "3")}, 0},
		{"all files are renamed", three, []vsclient.Document{doc("x", "1"), doc("y", "2"), doc("z", "3")}, 0},
		{"all files are renamed and one is changed", three, []vsclient.Document{doc("x", "1"), doc("y", "2"), doc("z", "z")}, 0},
		{"a file is renamed and the other is gone", []string{"1", "2"}, []vsclient.Document{doc("moved", "1")}, 0},
		{"a single document says nothing", []string{"1"}, []vsclient.Document{doc("x", "x")}, 0},
		{"no document at all, which is allowed", []string{"1", "2"}, nil, 0},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				for _, key := range c.stored {
					putAll(w, ofUs(doc(key, key)))
				}
				o := us
				o.Overlap, o.Empty = true, true
				p := makePlan(w, w.Client(), source(c.source...), o)
				is.Equal(len(withheld(p.Entries)), c.withheld)
				is.Equal(p.Guarded != "", c.withheld > 0)
				r := run(w, w.Client(), p, plan.ExecuteOptions{})
				is.Equal(len(r.Withheld), c.withheld)
				is.Equal(r.Done == 0, c.withheld > 0)
				r = run(w, w.Client(), p, plan.ExecuteOptions{Approve: len(c.stored)})
				is.Equal(len(r.Withheld), 0) // approved
			})
		})
	}
}

// TestARenameBeforeAnEarlierOneIsTidiedUpLosesNothing has contents that the store has under
// several keys, as after runs that removed nothing.
func TestARenameBeforeAnEarlierOneIsTidiedUpLosesNothing(t *testing.T) {
	for _, c := range []struct {
		sentence string
		names    []string // that three files have had
		now      string
	}{
		{"the last names are new", []string{"a", "b"}, "c"},
		{"the last names have been put", []string{"a", "b", "c", "d", "e"}, "e"},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				files := func(name string) (docs []vsclient.Document) {
					for _, n := range []string{"1", "2", "3"} {
						docs = append(docs, ofUs(doc(name+n, n)))
					}
					return docs
				}
				for _, name := range c.names {
					putAll(w, files(name)...)
				}
				o := us
				o.Overlap, o.Guard.Share = true, 1
				p := makePlan(w, w.Client(), source(files(c.now)...), o)
				is.Equal(len(withheld(p.Entries)), 0)
				run(w, w.Client(), p, plan.ExecuteOptions{})
				is.Equal(stored(w), []string{c.now + "1: 1", c.now + "2: 2", c.now + "3: 3"})
			})
		})
	}
}

func TestAPlanOfAnotherFormatIsRefused(t *testing.T) {
	is := is.New(t)
	var p plan.Plan
	err := p.UnmarshalJSON([]byte(`{"format":99}`))
	is.True(err != nil && strings.Contains(err.Error(), "make the plan again"))
	is.True(p.UnmarshalJSON([]byte(`[]`)) != nil)
	err = p.UnmarshalJSON([]byte(`{"format":1,"entries":[{"action":"erase","key":"a.md"}]}`))
	is.True(err != nil && strings.Contains(err.Error(), `"erase"`))
}

func TestProgressTellsOfEachEntryOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("gone.md", "g")), ofUs(doc("same.md", "s")))
		p := makePlan(w, w.Client(), source(doc("same.md", "s"), doc("a.md", "aa"), doc("b.md", "bbb")), us)
		var last plan.Progress
		told := make(map[string]bool)
		_, err := p.Execute(context.Background(), w.Client(), plan.ExecuteOptions{}, func(g plan.Progress) {
			is.Equal(g.Done, last.Done+1)
			is.Equal(g.Total, 3)
			is.NoErr(g.Result.Err)
			told[g.Entry.Key] = true
			last = g
		})
		is.NoErr(err)
		is.Equal(len(told), 3)
		is.Equal(last.Entry.Key, "gone.md") // removals come last
		is.Equal(last.Bytes, int64(5))
	})
}

// TestAnExecutionEndsWhenNothingSucceeds has the key be refused after the plan.
func TestAnExecutionEndsWhenNothingSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("gone.md", "g")))
		c := w.Client()
		p := makePlan(w, c, source(doc("a.md", "a")), us)
		w.Server.Inject(openaitest.Fault{Method: "POST", Path: "/files", Times: -1, Kind: openaitest.FaultStatus, Status: 401})
		r, err := p.Execute(context.Background(), c, plan.ExecuteOptions{}, nil)
		is.True(errors.Is(err, vsclient.ErrUnauthorized))
		is.Equal(len(r.Failed), 1)
		is.True(strings.Contains(withheld(r.Withheld)["gone.md"], "ended before"))
		is.Equal(stored(w), []string{"gone.md: g"})
	})
}

func TestAnExecutionThatIsStoppedReturnsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("gone.md", "g")))
		c, cause := w.Client(), errors.New("enough")
		p := makePlan(w, c, source(doc("a.md", "a")), us)
		ctx, stop := context.WithCancelCause(context.Background())
		r, err := p.Execute(ctx, c, plan.ExecuteOptions{}, func(plan.Progress) { stop(cause) })
		is.Equal(err, cause)
		is.Equal(r.Done, 1)
		is.Equal(len(r.Withheld), 1)
	})
}
