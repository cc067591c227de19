package vsclient_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about several changes in one call.

func tagged(content, tag string) vsclient.Change {
	return vsclient.Put(with(doc("held.md", content), vsclient.Attributes{"tag": tag}))
}

func retag(tag string) vsclient.Change {
	return vsclient.SetAttributes("held.md", vsclient.Attributes{"tag": tag})
}

// unreadable has OpenAI fail to index the content "unreadable".
func unreadable(cfg openaitest.Config) openaitest.Config {
	cfg.FailIndexing = func(f openaitest.FileInfo) (code, message string) {
		if f.Bytes == int64(len("unreadable")) {
			return "invalid_file", "It cannot be read."
		}
		return "", ""
	}
	return cfg
}

// Each row is applied to a store that holds the document "held.md" with the
// content "old" and the tag "old".
func TestChangesOfOneKeyAreMergedToTheLast(t *testing.T) {
	const failed = vsclient.Outcome("")
	for _, row := range []struct {
		sentence string
		changes  []vsclient.Change
		outcomes []vsclient.Outcome
		text     string // "": the key is gone
		tag      any
		uploads  int
	}{
		{
			"of ten versions one is uploaded",
			[]vsclient.Change{put("held.md", "1"), put("held.md", "2"), put("held.md", "3"), put("held.md", "4")},
			[]vsclient.Outcome{vsclient.Replaced, vsclient.Replaced, vsclient.Replaced, vsclient.Replaced},
			"4", nil, 1,
		},
		{
			"a delete after puts uploads nothing",
			[]vsclient.Change{put("held.md", "1"), put("held.md", "2"), vsclient.Delete("held.md")},
			[]vsclient.Outcome{vsclient.Deleted, vsclient.Deleted, vsclient.Deleted},
			"", nil, 0,
		},
		{
			"a put after a delete replaces without a gap",
			[]vsclient.Change{vsclient.Delete("held.md"), put("held.md", "1")},
			[]vsclient.Outcome{vsclient.Replaced, vsclient.Replaced},
			"1", nil, 1,
		},
		{
			"an update after a put goes with it",
			[]vsclient.Change{tagged("1", "a"), retag("b")},
			[]vsclient.Outcome{vsclient.Replaced, vsclient.Replaced},
			"1", "b", 1,
		},
		{
			"the same content with other attributes is not uploaded",
			[]vsclient.Change{tagged("old", "a"), retag("b")},
			[]vsclient.Outcome{vsclient.AttributesUpdated, vsclient.AttributesUpdated},
			"old", "b", 0,
		},
		{
			"changes that end where they began are no change",
			[]vsclient.Change{put("held.md", "1"), tagged("old", "old")},
			[]vsclient.Outcome{vsclient.Unchanged, vsclient.Unchanged},
			"old", "old", 0,
		},
		{
			"of updates the last counts",
			[]vsclient.Change{retag("a"), retag("b")},
			[]vsclient.Outcome{vsclient.AttributesUpdated, vsclient.AttributesUpdated},
			"old", "b", 0,
		},
		{
			"an update after a delete has nothing to update",
			[]vsclient.Change{vsclient.Delete("held.md"), retag("a")},
			[]vsclient.Outcome{vsclient.Deleted, failed},
			"", nil, 0,
		},
		{
			"a bad one is left out, and takes no good one along",
			[]vsclient.Change{put("held.md", "1"), put("held.md", ""), vsclient.Put(with(doc("held.md", "2"), vsclient.Attributes{"vs_key": 1}))},
			[]vsclient.Outcome{vsclient.Replaced, failed, failed},
			"1", nil, 1,
		},
		{
			"when OpenAI cannot index the last, the one before it is made",
			[]vsclient.Change{put("held.md", "1"), put("held.md", "unreadable")},
			[]vsclient.Outcome{vsclient.Replaced, failed},
			"1", nil, 2,
		},
		{
			"an update after one that OpenAI cannot index is made",
			[]vsclient.Change{tagged("unreadable", "a"), retag("b")},
			[]vsclient.Outcome{failed, vsclient.AttributesUpdated},
			"old", "b", 1,
		},
		{
			"an update after a delete and one that OpenAI cannot index has nothing to update",
			[]vsclient.Change{vsclient.Delete("held.md"), put("held.md", "unreadable"), retag("b")},
			[]vsclient.Outcome{vsclient.Deleted, failed, failed},
			"", nil, 1,
		},
		{
			"when it can index none, the old version stays",
			[]vsclient.Change{put("held.md", "unreadable"), put("held.md", "unreadable")},
			[]vsclient.Outcome{failed, failed},
			"old", "old", 2,
		},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, unreadable(slow))
				c := w.Client()
				is.NoErr(onlyErr(c.Put(t.Context(), with(doc("held.md", "old"), vsclient.Attributes{"tag": "old"}))))
				before := len(w.Times(filesCreate))

				// Other keys around it are not touched by its changes.
				changes := append([]vsclient.Change{put("before.md", "text")}, row.changes...)
				changes = append(changes, put("after.md", "text"))
				results := c.Apply(t.Context(), changes, nil)
				is.Equal(len(results), len(changes))
				is.Equal(results[0].Outcome, vsclient.Created)
				is.Equal(results[len(results)-1].Outcome, vsclient.Created)
				for i, r := range results[1 : len(results)-1] {
					is.Equal(r.Key, "held.md")
					is.Equal(r.Outcome, row.outcomes[i])
					is.Equal(r.Err != nil, row.outcomes[i] == failed)
				}
				is.Equal(len(w.Times(filesCreate))-before-2, row.uploads)

				info, err := c.Get(t.Context(), "held.md")
				if row.text == "" {
					is.True(errors.Is(err, vsclient.ErrNotFound))
					is.Equal(w.Files(), 2)
					return
				}
				is.NoErr(err)
				is.Equal(w.Holds()["held.md"], row.text)
				is.Equal(info.Attributes["tag"], row.tag)
				is.Equal(w.Files(), 3) // the failed ones left no File
			})
		})
	}
}

func TestAnUpdateThatOpenAIRefusesTakesNoPutAlong(t *testing.T) {
	for _, opts := range [][]func(*vsclient.Config){nil, {async}} {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			w := worldtest.New(t, openaitest.Config{Quirks: openaitest.Quirks{AttributeValueMax: 256}})
			c := w.Client(opts...)
			is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
			tooLong := vsclient.Attributes{"summary": strings.Repeat("x", 300)}
			r := c.Apply(t.Context(), []vsclient.Change{put("a.md", "two"), vsclient.SetAttributes("a.md", tooLong)}, nil)
			is.NoErr(r[0].Err)
			is.True(errors.Is(r[1].Err, vsclient.ErrRejected))
			is.NoErr(c.Flush(t.Context()))
			w.Expect(map[string]string{"a.md": "two"})
		})
	}
}

func TestCallsForOneKeyTakeEffectInTheOrderTheyWereMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.IndexJitter = 2 * time.Second
		w := worldtest.New(t, cfg)
		c := w.Client()
		var calls sync.WaitGroup
		for i := range 20 {
			calls.Go(func() {
				var changes []vsclient.Change
				for k := range 8 {
					changes = append(changes, put(fmt.Sprintf("%d.md", k), fmt.Sprintf("version %d", i)))
				}
				if i%3 == 0 {
					changes[0] = vsclient.Delete("0.md")
				}
				for _, r := range c.Apply(t.Context(), changes, nil) {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
			})
			synctest.Wait() // it has taken its place before the next comes
		}
		calls.Wait()
		for k := range 8 {
			is.Equal(w.Holds()[fmt.Sprintf("%d.md", k)], "version 19")
		}
		is.Equal(w.Files(), 8)
	})
}

// A change that falls back on an earlier one keeps its place in line.
func TestNobodyComesBetweenTheChangesOfOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(slow))
		c := w.Client(func(cfg *vsclient.Config) { cfg.BatchSize = 1 })
		var calls sync.WaitGroup
		calls.Go(func() {
			c.Apply(t.Context(), []vsclient.Change{put("a.md", "good"), put("a.md", "unreadable"), put("b.md", "good"), put("b.md", "unreadable"), put("c.md", "first"), put("d.md", "first")}, nil)
		})
		synctest.Wait() // all of it is in line
		calls.Go(func() {
			for _, r := range c.Apply(t.Context(), []vsclient.Change{put("c.md", "later"), put("d.md", "later"), put("a.md", "later"), put("b.md", "later")}, nil) {
				is.NoErr(r.Err)
			}
		})
		calls.Wait()
		w.Expect(map[string]string{"a.md": "later", "b.md": "later", "c.md": "later", "d.md": "later"})
	})
}

func TestApplyTellsOfEachChangeOnceAsItEndsAndNeverTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		changes := append(many("d", 50), put("d-0000.md", "again"), put("d-0001.md", ""), put("", "text"))
		told := make(map[int]vsclient.Result)
		var inside atomic.Int32
		results := w.Client().Apply(t.Context(), changes, func(i int, r vsclient.Result) {
			if inside.Add(1) > 1 {
				t.Error("called twice at once")
			}
			if _, again := told[i]; again {
				t.Errorf("change %d is told of twice", i)
			}
			told[i] = r
			inside.Add(-1)
		})
		is.Equal(len(told), len(changes))
		for i, r := range results {
			is.Equal(told[i], r)
			is.Equal(r.Err != nil, i >= 51)
			is.Equal(r.Key, changes[i].Key())
		}
	})
}

func TestApplyThatIsCutOffHasAResultForEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client(func(cfg *vsclient.Config) { cfg.Concurrency, cfg.BatchSize = 4, 10 })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		results := c.Apply(ctx, many("d", 2000), nil)
		done := 0
		for _, r := range results {
			if r.Err == nil {
				is.Equal(r.Outcome, vsclient.Created)
				done++
				continue
			}
			is.True(errors.Is(r.Err, context.DeadlineExceeded))
			is.Equal(vsclient.ClassOf(r.Err), vsclient.Stopped)
		}
		is.True(done > 0 && done < 2000)
		time.Sleep(time.Minute) // whatever was under way is settled
		served := w.Searchable()
		for _, r := range results {
			is.True(r.Err != nil || served[r.Key])
		}
		is.True(w.Files() <= len(served)+4) // an upload that was cut off may leave its File
	})
}

func TestApplyOfNothingReturnsNothing(t *testing.T) {
	is := is.New(t)
	w := worldtest.New(t, openaitest.Config{})
	is.Equal(len(w.Client().Apply(t.Context(), nil, nil)), 0)
	is.Equal(w.Server.RequestCount(), 0)
}

func TestTheZeroChangeIsRefused(t *testing.T) {
	is := is.New(t)
	w := worldtest.New(t, openaitest.Config{})
	r := w.Client().Apply(t.Context(), []vsclient.Change{{}}, nil)
	is.True(r[0].Err != nil)
	is.Equal(vsclient.ClassOf(r[0].Err), vsclient.BadDocument)
	is.Equal(w.Server.RequestCount(), 0)
}
