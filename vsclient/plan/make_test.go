package plan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// unreadable is content that breaks off.
var unreadable = vsclient.Open(func() (io.ReadCloser, error) {
	return io.NopCloser(iotest.ErrReader(errors.New("input/output error"))), nil
})

func TestEachDifferenceHasItsAction(t *testing.T) {
	chunked := func(d vsclient.Document, size int) vsclient.Document {
		d.Chunking = vsclient.Chunking{MaxTokens: size}
		return d
	}
	for _, c := range []struct {
		sentence string
		stored   []vsclient.Document
		source   vsclient.Document
		want     plan.Action
		reason   string // part of it
	}{
		{"a new document is created", nil, doc("a.md", "a"), plan.Create, ""},
		{"other content is a replacement", []vsclient.Document{doc("a.md", "a")}, doc("a.md", "b"), plan.Replace, ""},
		{"another chunking of the same content", []vsclient.Document{doc("a.md", "a")}, chunked(doc("a.md", "a"), 200), plan.Rechunk, "from auto to 200/0"},
		{"another attribute of the same content", []vsclient.Document{doc("a.md", "a")}, with(doc("a.md", "a"), vsclient.Attributes{"n": 1}), plan.Attributes, ""},
		{"an attribute of another type", []vsclient.Document{with(doc("a.md", "a"), vsclient.Attributes{"n": "1"})}, with(doc("a.md", "a"), vsclient.Attributes{"n": 1}), plan.Attributes, ""},
		{"an integer is the number that the store holds", []vsclient.Document{with(doc("a.md", "a"), vsclient.Attributes{"n": 1})}, with(doc("a.md", "a"), vsclient.Attributes{"n": int8(1)}), plan.Unchanged, ""},
		{"the same document", []vsclient.Document{chunked(doc("a.md", "a"), 300)}, chunked(doc("a.md", "a"), 300), plan.Unchanged, ""},
		{"an empty document is refused", nil, doc("a.md", ""), plan.Refused, "OpenAI refuses an empty file"},
		{"an empty key is refused", nil, doc("", "a"), plan.Refused, "the key is empty"},
		{"a key that is too long is refused", nil, doc(strings.Repeat("k", 1025), "a"), plan.Refused, "1025 bytes"},
		{"a picture is refused", nil, doc("a.jpg", "\xff\xd8"), plan.Refused, "neither UTF-8"},
		{"a reserved attribute is refused", nil, with(doc("a.md", "a"), vsclient.Attributes{"vs_x": 1}), plan.Refused, "reserved"},
		{"a chunking that OpenAI does not take is refused", nil, chunked(doc("a.md", "a"), 5), plan.Refused, "100 to 4096"},
		{"an extension that OpenAI does not index is refused", nil, vsclient.Document{Key: "a", Extension: ".exe", Content: vsclient.Bytes([]byte("a"))}, plan.Refused, ".exe"},
		{"content that cannot be read is refused", []vsclient.Document{doc("a.md", "a")}, vsclient.Document{Key: "a.md", Content: unreadable}, plan.Refused, "input/output error"},
		{"a document with an owner is a conflict for a source without", []vsclient.Document{with(doc("a.md", "a"), vsclient.Attributes{"owner": "them"})}, doc("a.md", "b"), plan.Conflict, `the owner "them"`},
		{"a document does not go from one owner to another", []vsclient.Document{with(doc("a.md", "a"), vsclient.Attributes{"owner": "them"})}, with(doc("a.md", "b"), vsclient.Attributes{"owner": "us"}), plan.Conflict, `the owner "them", and the source gives it "us"`},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, c.stored...)
				p := makePlan(w, w.Client(), source(c.source), plan.Options{})
				is.Equal(len(p.Entries), 1)
				is.Equal(p.Entries[0].Action, c.want)
				is.True(strings.Contains(p.Entries[0].Reason, c.reason))
				if c.want.Changes() {
					r := run(w, w.Client(), p, plan.ExecuteOptions{})
					is.NoErr(r.Err())
					is.Equal(r.Counts, map[plan.Action]int{c.want: 1})
					is.Equal(lines(makePlan(w, w.Client(), source(c.source), plan.Options{})), []string{"unchanged " + c.source.Key})
				}
			})
		})
	}
}

// TestTheContentOfARefusedDocumentIsReadWhenADocumentMayHaveMovedThere has a picture in the
// source.
func TestTheContentOfARefusedDocumentIsReadWhenADocumentMayHaveMovedThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, ofUs(doc("old.md", "text")), ofUs(doc("kept.md", "kept")))
		opened := 0
		picture := vsclient.Document{Key: "big.jpg", Extension: ".jpg", Content: vsclient.Open(func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(strings.NewReader("text")), nil
		})}
		makePlan(w, w.Client(), source(doc("old.md", "text"), doc("kept.md", "kept"), picture), us)
		is.Equal(opened, 0)
		p := makePlan(w, w.Client(), source(doc("kept.md", "kept"), picture), us)
		is.Equal(opened, 1)
		is.True(strings.Contains(withheld(p.Entries)["old.md"], `"big.jpg"`))
	})
}

// TestADocumentOfTheEarlierConnectorIsReplaced puts a key that a file without attributes
// bears as its name.
func TestADocumentOfTheEarlierConnectorIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		for _, name := range []string{"a.md", "other.md"} {
			w.Server.AddStoreFile(w.Store, w.Server.AddFile(openaitest.NewFile{Name: name, Content: []byte("old")}), nil)
		}
		time.Sleep(time.Hour)
		p := makePlan(w, w.Client(), source(doc("a.md", "old")), plan.Options{Scope: plan.Scope{Owner: "us"}})
		is.Equal(lines(p), []string{"replace a.md"}) // and other.md stays
		is.Equal(run(w, w.Client(), p, plan.ExecuteOptions{}).Done, 1)
		is.Equal(stored(w), []string{"(other.md): old", "a.md: old"})
	})
}

// TestADocumentThatIsNotSearchableIsRepaired plans over versions that failed, hang, and
// have just been attached.
func TestADocumentThatIsNotSearchableIsRepaired(t *testing.T) {
	for _, c := range []struct {
		sentence string
		cfg      openaitest.Config
		age      time.Duration
		want     plan.Action
	}{
		{"a document that hangs is stuck after ten minutes", openaitest.Config{IndexTime: 24 * time.Hour}, time.Hour, plan.Repair},
		{"a document that was just attached is being indexed", openaitest.Config{IndexTime: time.Minute}, 0, plan.Unchanged},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, c.cfg)
				writer := w.Client(func(cfg *vsclient.Config) { cfg.Async = true })
				_, err := writer.Put(context.Background(), doc("a.md", "a"))
				is.NoErr(err)
				_ = writer.Close()
				time.Sleep(c.age)
				p := makePlan(w, w.Client(), source(doc("a.md", "a")), plan.Options{})
				is.Equal(p.Entries[0].Action, c.want)
			})
		})
	}
}

func TestASourceThatHasAKeyTwiceHasItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, with(doc("gone.md", "x"), vsclient.Attributes{"owner": "us"}))
		p := makePlan(w, w.Client(), source(doc("a.md", "first"), doc("b.md", "b"), doc("a.md", "second")), plan.Options{Scope: plan.Scope{Owner: "us"}})
		is.Equal(lines(p), []string{"create a.md", "create b.md", "refused a.md", "remove gone.md"})
		is.Equal(run(w, w.Client(), p, plan.ExecuteOptions{}).Done, 3)
		is.Equal(stored(w), []string{"a.md: first", "b.md: b"})
	})
}

func TestAPlanThatIsStoppedReturnsTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		cause := errors.New("enough")
		ctx, stop := context.WithCancelCause(context.Background())
		_, err := plan.Make(ctx, w.Client(), func(yield func(vsclient.Document, error) bool) {
			yield(doc("a.md", "a"), nil)
			stop(cause)
			yield(doc("b.md", "b"), nil)
		}, plan.Options{})
		is.True(errors.Is(err, cause))
	})
}

func TestAPlanNeedsItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client(func(cfg *vsclient.Config) { cfg.VectorStoreID = "vs_nowhere" })
		_, err := plan.Make(context.Background(), c, source(doc("a.md", "a")), plan.Options{})
		is.True(errors.Is(err, vsclient.ErrStoreGone))
	})
}

func TestAPlanEndsWhenTheStoreCannotBeReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Faults: []openaitest.Fault{{Kind: openaitest.FaultStatus, Status: 503, Times: 1 << 20}}})
		began := time.Now()
		_, err := plan.Make(context.Background(), w.Client(), source(doc("a.md", "a")), plan.Options{})
		is.Equal(vsclient.ClassOf(err), vsclient.Transient)
		is.True(time.Since(began) < time.Minute) // of virtual time: as long as Check tries
	})
}

// TestTwoPlansAreAlikeAndWriteNothing makes two plans of a store with every kind of difference, and
// looks for requests that write.
func TestTwoPlansAreAlikeAndWriteNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		ours := vsclient.Attributes{"owner": "us"}
		putAll(w,
			with(doc("same.md", "a"), ours), with(doc("changed.md", "a"), ours), with(doc("attributes.md", "a"), vsclient.Attributes{"owner": "us", "n": 1}),
			doc("unowned.md", "a"), with(doc("theirs.md", "a"), vsclient.Attributes{"owner": "them"}),
			with(doc("gone-1.md", "1"), ours), with(doc("gone-2.md", "2"), ours), with(doc("gone-3.md", "3"), ours),
		)
		time.Sleep(time.Hour)
		docs := func() iter.Seq2[vsclient.Document, error] {
			return source(doc("same.md", "a"), doc("changed.md", "b"), doc("attributes.md", "a"), doc("unowned.md", "a"), doc("theirs.md", "b"), doc("new.md", "n"), doc("", "x"))
		}
		o := plan.Options{Scope: plan.Scope{Owner: "us"}}
		var one, two *plan.Plan
		_, writes := requests(w, func() {
			one = makePlan(w, w.Client(), docs(), o)
			two = makePlan(w, w.Client(), docs(), o)
		})
		is.Equal(writes, 0)
		is.Equal(lines(one), []string{
			"unchanged same.md", "replace changed.md", "attributes attributes.md", "attributes unowned.md", "conflict theirs.md", "create new.md", "refused ",
			"remove gone-1.md", "remove gone-2.md", "remove gone-3.md",
		})
		is.Equal(one.Entries, two.Entries)
		is.Equal(one.Totals, two.Totals)
	})
}

func TestTotalsSumUpThePlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		putAll(w, with(doc("gone.md", strings.Repeat("text ", 100)), vsclient.Attributes{"owner": "us"}), with(doc("b.md", strings.Repeat("text ", 100)), vsclient.Attributes{"owner": "us"}))
		limits := vsclient.Limits{UploadsPerMinute: 100}
		p := makePlan(w, w.Client(), many(250), plan.Options{Scope: plan.Scope{Owner: "us"}, Guard: plan.Guard{Share: 1}, Limits: limits})
		is.Equal(p.Totals.Uploads, 250)
		is.Equal(p.Totals.Requests, 250+3+2*2) // uploads, attaches of a hundred, and two removals of two requests
		is.Equal(p.Totals.Minutes, 2)          // a hundred at once, a hundred after a minute, the others after two
		is.True(p.Totals.Bytes > 250*50)
		is.Equal(p.Totals.PricePerDay, 0.0) // the first gigabyte is free
		p = makePlan(w, w.Client(), source(), plan.Options{Scope: plan.Scope{Owner: "us"}, Empty: true})
		is.True(p.Totals.Storage < -900)
	})
}

// TestOfTwoVersionsWithOneNumberThePlanTakesTheClientsForTheNewest has two programs put each
// key in one second.
func TestOfTwoVersionsWithOneNumberThePlanTakesTheClientsForTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		for i := range 20 {
			key := fmt.Sprintf("%d.md", i)
			for _, content := range []string{"one", "two"} {
				id := w.Server.AddFile(openaitest.NewFile{Name: key, Content: []byte(content)})
				w.Server.AddStoreFile(w.Store, id, map[string]any{"vs_key": key, "vs_version": fmt.Sprintf("%016d", 1000), "owner": "us"})
			}
		}
		time.Sleep(time.Hour)
		c := w.Client()
		planned := makePlan(w, c, source(), plan.Options{Scope: us.Scope, Empty: true, Guard: plan.Guard{Share: 1}}).Entries
		is.Equal(len(planned), 20)
		for _, e := range planned {
			info, err := c.Get(context.Background(), e.Key)
			is.NoErr(err)
			is.Equal(e.FileID, info.FileID)
		}
	})
}
