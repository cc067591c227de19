package plan_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// elsewhere is the options of a run that reads another folder than the one before.
var elsewhere = func() plan.Options {
	o := us
	o.Doubt = "the last whole run has read /right"
	return o
}()

// strict is the same of a relative path.
var strict = func() plan.Options {
	o := elsewhere
	o.Strict = true
	return o
}()

func TestASourceElsewhereRemovesWhenItHasMostUnchanged(t *testing.T) {
	three := []vsclient.Document{ofUs(doc("1", "1")), ofUs(doc("2", "2")), ofUs(doc("3", "3"))}
	for _, c := range []struct {
		sentence string
		stored   []vsclient.Document
		source   []vsclient.Document
		withheld int
	}{
		{"two of three are there", three, []vsclient.Document{doc("1", "1"), doc("2", "2")}, 0},
		{"one of three is there", three, []vsclient.Document{doc("1", "1"), doc("2", "x")}, 2},
		{"half of two is there, and nothing else", three[:2], []vsclient.Document{doc("1", "1")}, 0},
		{"half of two is there, and another", three[:2], []vsclient.Document{doc("1", "1"), doc("x", "x")}, 2},
		{"none of one is there", three[:1], []vsclient.Document{doc("x", "x")}, 2},
		{"all have moved", three, []vsclient.Document{doc("x/1", "1"), doc("x/2", "2"), doc("x/3", "3")}, 6},
		{"nothing goes", three, []vsclient.Document{doc("1", "x"), doc("2", "x"), doc("3", "x"), doc("4", "x")}, 0},
		{"two of three are there with other attributes and chunking", three, []vsclient.Document{
			with(doc("1", "1"), vsclient.Attributes{"n": 1}),
			{Key: "2", Content: vsclient.Bytes([]byte("2")), Chunking: vsclient.Chunking{MaxTokens: 200}},
		}, 0},
		{"a document of nobody does not count", append([]vsclient.Document{doc("8", "8"), doc("9", "9")}, three...), []vsclient.Document{doc("1", "1"), doc("8", "8"), doc("9", "9")}, 4},
		{"the source is empty, which is allowed", three, nil, 3},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, c.stored...)
				before, o := stored(w), elsewhere
				o.Empty, o.Guard.Share = true, 1
				p := makePlan(w, w.Client(), source(c.source...), o)
				is.Equal(len(withheld(p.Entries)), c.withheld)
				if c.withheld == 0 {
					is.Equal(p.Guarded, "")
					o.Strict = true
					p = makePlan(w, w.Client(), source(c.source...), o)
					if p.Removals == 0 {
						is.Equal(p.Guarded, "") // nothing goes
						return
					}
				}
				is.True(strings.Contains(p.Guarded, "/right"))
				is.Equal(p.Pending(), 0)
				run(w, w.Client(), again(t, p), plan.ExecuteOptions{Source: opener(c.source...), Approve: p.Removals - 1})
				is.Equal(stored(w), before)
				r := run(w, w.Client(), again(t, p), plan.ExecuteOptions{Source: opener(c.source...), Approve: p.Removals})
				is.Equal(r.Counts[plan.Remove], p.Removals) // approved
				is.Equal(len(r.Withheld), 0)
			})
		})
	}
}

// TestAnIncompleteSourceElsewhereIsNotPutEither might otherwise have its own documents make up
// most of the owner's, so that the next run finds few removals among them.
func TestAnIncompleteSourceElsewhereIsNotPutEither(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("1", "1")), ofUs(doc("2", "2")))
		before := stored(w)
		p := makePlan(w, w.Client(), cut(doc("1", "another"), doc("3", "3")), elsewhere)
		is.True(strings.Contains(withheld(p.Entries)["2"], errUnreadable.Error()))
		is.Equal(run(w, w.Client(), p, plan.ExecuteOptions{}).Done, 0)
		is.Equal(stored(w), before)
	})
}

// TestNoRandomFolderElsewhereRemovesADocument has a folder below, above or beside the one of
// the run before, or one of another version. The licence alone may be the same in two folders,
// and seven files of ten in two versions.
func TestNoRandomFolderElsewhereRemovesADocument(t *testing.T) {
	folders := func(r *rand.Rand, project string) map[string]string {
		out := make(map[string]string)
		for _, folder := range []string{"", "docs/", "guide/"} {
			for _, name := range []string{"README", "f0", "f1", "f2", "f3"} {
				if r.IntN(2) == 0 {
					out[folder+name] = project + folder + name
				}
			}
			if r.IntN(3) == 0 {
				out[folder+"LICENSE"] = "MIT"
			}
		}
		return out
	}
	below := func(files map[string]string, folder string) map[string]string {
		out := make(map[string]string)
		for key, text := range files {
			if name, ok := strings.CutPrefix(key, folder); ok {
				out[name] = text
			}
		}
		return out
	}
	version := func(r *rand.Rand, files map[string]string) map[string]string {
		out := make(map[string]string)
		for key, text := range files {
			switch n := r.IntN(20); {
			case n < 14:
				out[key] = text
			case n < 17:
				out[key] = text + ", of another version"
			}
		}
		return out
	}
	documents := func(files map[string]string) (docs []vsclient.Document) {
		for _, key := range slices.Sorted(maps.Keys(files)) {
			docs = append(docs, ofUs(doc(key, files[key])))
		}
		return docs
	}
	for seed := range race.Pick[uint64](300, 100) {
		r := rand.New(rand.NewPCG(seed, 16))
		right := folders(r, "")
		other, o := folders(r, "beside "), elsewhere
		o.Strict = r.IntN(2) == 0
		switch r.IntN(4) {
		case 0:
			other = below(right, "docs/")
		case 1:
			right, other = below(right, "docs/"), right
		case 2: // contents do not tell this one from a checkout
			other, o.Strict = version(r, right), true
		}
		synctest.Test(t, func(t *testing.T) {
			w := worldtest.New(t, openaitest.Config{})
			c := w.Client()
			var puts []vsclient.Change
			for _, d := range documents(right) {
				puts = append(puts, vsclient.Put(d))
			}
			c.Apply(t.Context(), puts, nil)
			before := stored(w)
			for range 2 {
				p := makePlan(w, c, source(documents(other)...), o)
				if report := run(w, c, p, plan.ExecuteOptions{}); report.Counts[plan.Remove] > 0 || p.Removals > 0 && !slices.Equal(stored(w), before) {
					t.Errorf("seed %d: %v, and then %v: %v", seed, before, documents(other), report.Counts)
				}
			}
		})
	}
}

// TestAnyRandomCheckoutElsewhereIsTheSameSource edits some files, adds some, and removes one.
func TestAnyRandomCheckoutElsewhereIsTheSameSource(t *testing.T) {
	for seed := range race.Pick[uint64](100, 40) {
		r := rand.New(rand.NewPCG(seed, 17))
		synctest.Test(t, func(t *testing.T) {
			w := worldtest.New(t, openaitest.Config{})
			c := w.Client()
			n := 3 + r.IntN(10)
			var docs []vsclient.Document
			var puts []vsclient.Change
			for i := range n {
				docs = append(docs, ofUs(doc(string(rune('a'+i)), string(rune('a'+i)))))
				puts = append(puts, vsclient.Put(docs[i]))
			}
			c.Apply(t.Context(), puts, nil)
			docs = docs[1:]
			for i := range r.IntN((n - 1) / 2) {
				docs[i] = doc(docs[i].Key, "edited")
			}
			for i := range r.IntN(5) {
				docs = append(docs, doc("new/"+string(rune('a'+i)), "new"))
			}
			p := makePlan(w, c, source(docs...), elsewhere)
			if report := run(w, c, p, plan.ExecuteOptions{}); report.Counts[plan.Remove] != 1 || len(report.Withheld) > 0 {
				t.Errorf("seed %d: %v: %s", seed, report.Counts, p.Guarded)
			}
		})
	}
}

// TestAWithheldDuplicateIsNotSettled has an older version of a key that the source has unchanged.
func TestAWithheldDuplicateIsNotSettled(t *testing.T) {
	for sentence, o := range map[string]plan.Options{
		"the source has few of the documents":  elsewhere,
		"the source may not lack any document": strict,
		"the source lacks most contents":       {Scope: us.Scope, Overlap: true},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, ofUs(doc("1", "1")), ofUs(doc("2", "2")), ofUs(doc("3", "3")), ofUs(doc("4", "4")), ofUs(doc("5", "5")))
				older(w, "1", "an older 1")
				before := stored(w)
				p := makePlan(w, w.Client(), source(doc("1", "1"), doc("x", "x"), doc("y", "y")), o)
				is.Equal(p.Counts()[plan.Duplicate], 1)
				is.Equal(p.Pending(), 0)
				is.Equal(run(w, w.Client(), p, plan.ExecuteOptions{}).Done, 0)
				is.Equal(stored(w), before)
				is.Equal(len(run(w, w.Client(), p, plan.ExecuteOptions{Approve: 4}).Withheld), 0)
				is.Equal(stored(w), []string{"1: 1", "x: x", "y: y"})
			})
		})
	}
}
