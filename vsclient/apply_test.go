package vsclient_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func put(key, content string) vsclient.Change {
	return vsclient.Change{Document: doc(key, content)}
}

func tagged(content, tag string) vsclient.Change {
	ch := put("held.md", content)
	ch.Document.Attributes = vsclient.Attributes{"tag": tag}
	return ch
}

func update(tag string) vsclient.Change {
	return vsclient.Change{Op: vsclient.OpUpdateAttributes, Document: vsclient.Document{Key: "held.md", Attributes: vsclient.Attributes{"tag": tag}}}
}

func remove(key string) vsclient.Change {
	return vsclient.Change{Op: vsclient.OpDelete, Document: vsclient.Document{Key: key}}
}

// Each row is applied to a store that holds the document "held.md" with the
// content "old" and the tag "old".
func TestChangesOfOneKeyComeToTheLast(t *testing.T) {
	failed := vsclient.Outcome(0)
	for _, row := range []struct {
		sentence string
		changes  []vsclient.Change
		outcomes []vsclient.Outcome // 0: an error
		text     string             // "": the key is gone
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
			[]vsclient.Change{put("held.md", "1"), put("held.md", "2"), remove("held.md")},
			[]vsclient.Outcome{vsclient.Deleted, vsclient.Deleted, vsclient.Deleted},
			"", nil, 0,
		},
		{
			"a put after a delete replaces without a gap",
			[]vsclient.Change{remove("held.md"), put("held.md", "1")},
			[]vsclient.Outcome{vsclient.Replaced, vsclient.Replaced},
			"1", nil, 1,
		},
		{
			"an update after a put goes with it",
			[]vsclient.Change{tagged("1", "a"), update("b")},
			[]vsclient.Outcome{vsclient.Replaced, vsclient.Replaced},
			"1", "b", 1,
		},
		{
			"the same content with other attributes is not uploaded",
			[]vsclient.Change{tagged("old", "a"), update("b")},
			[]vsclient.Outcome{vsclient.AttributesUpdated, vsclient.AttributesUpdated},
			"old", "b", 0,
		},
		{
			"what ends as it was makes no change",
			[]vsclient.Change{put("held.md", "1"), tagged("old", "old")},
			[]vsclient.Outcome{vsclient.Unchanged, vsclient.Unchanged},
			"old", "old", 0,
		},
		{
			"of updates the last counts",
			[]vsclient.Change{update("a"), update("b")},
			[]vsclient.Outcome{vsclient.AttributesUpdated, vsclient.AttributesUpdated},
			"old", "b", 0,
		},
		{
			"an update after a delete has nothing to update",
			[]vsclient.Change{remove("held.md"), update("a")},
			[]vsclient.Outcome{vsclient.Deleted, failed},
			"", nil, 0,
		},
		{
			"a bad one is left out, and takes no good one along",
			[]vsclient.Change{put("held.md", "1"), put("held.md", ""), {Document: vsclient.Document{Key: "held.md", Content: vsclient.String("2"), Attributes: vsclient.Attributes{"vs_key": 1}}}},
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
			"when it can index none, the old version stays",
			[]vsclient.Change{put("held.md", "unreadable"), put("held.md", "unreadable")},
			[]vsclient.Outcome{failed, failed},
			"old", "old", 2,
		},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				var w *world
				cfg.FailIndexing = func(f openaitest.FileInfo) (code, message string) {
					if f.Bytes == int64(len("unreadable")) {
						return "invalid_file", "It cannot be read."
					}
					return "", ""
				}
				w = newWorld(t, cfg)
				c := w.client()
				_, err := c.Put(t.Context(), tagged("old", "old").Document)
				is.NoErr(err)
				before := len(w.times(filesCreate))

				// Other keys around it are not touched by what happens to this one.
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
				is.Equal(len(w.times(filesCreate))-before-2, row.uploads)

				info, err := c.Get(t.Context(), "held.md")
				if row.text == "" {
					is.True(errors.Is(err, vsclient.ErrNotFound))
					is.Equal(len(w.srv.Snapshot().Files), 2)
					return
				}
				is.NoErr(err)
				text, err := c.Text(t.Context(), "held.md")
				is.NoErr(err)
				is.Equal(text, row.text)
				is.Equal(info.Attributes["tag"], row.tag)
				is.Equal(len(w.srv.Snapshot().Files), 3) // what failed left no File
			})
		})
	}
}

func TestCallsForOneKeyTakeEffectInTheOrderTheyWereMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.IndexJitter = 2 * time.Second
		w := newWorld(t, cfg)
		c := w.client()
		var calls sync.WaitGroup
		for i := range 20 {
			calls.Go(func() {
				var changes []vsclient.Change
				for k := range 8 {
					changes = append(changes, put(fmt.Sprintf("%d.md", k), fmt.Sprintf("version %d", i)))
				}
				if i%3 == 0 {
					changes[0].Op = vsclient.OpDelete
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
			text, err := c.Text(t.Context(), fmt.Sprintf("%d.md", k))
			is.NoErr(err)
			is.Equal(text, "version 19")
		}
		is.Equal(len(w.srv.Snapshot().Files), 8)
	})
}

func TestProgressIsToldAfterEachKeyAndNeverTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		changes := append(many("d", 50), put("d-0000.md", "again"), put("d-0001.md", ""), put("", "text"))
		var told []vsclient.Progress
		var inside atomic.Int32
		w.client().Apply(t.Context(), changes, func(p vsclient.Progress) {
			if inside.Add(1) > 1 {
				t.Error("called twice at once")
			}
			told = append(told, p)
			inside.Add(-1)
		})
		for i, p := range told {
			is.Equal(p.Total, 53)
			is.True(i == 0 || p.Done > told[i-1].Done)
		}
		is.Equal(told[len(told)-1], vsclient.Progress{Total: 53, Done: 53, Failed: 2})
		is.Equal(len(told), 51) // one for each key, and one for those that were wrong by themselves
	})
}

func TestApplyThatIsCutOffSaysOfEachChangeWhatBecameOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		c := w.client(func(cfg *vsclient.Config) { cfg.Concurrency, cfg.BatchSize = 4, 10 })
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
			is.True(vsclient.Retryable(r.Err))
		}
		is.True(done > 0 && done < 2000)
		time.Sleep(time.Minute) // what was under way has been cleaned up
		is.Equal(len(w.searchable()), done)
		is.Equal(len(w.srv.Snapshot().Files), done)
	})
}

func TestApplyOfNothingReturnsNothing(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	is.Equal(len(w.client().Apply(t.Context(), nil, nil)), 0)
	is.Equal(w.srv.RequestCount(), 0)
}

// What falls back on an earlier change keeps its place in line.
func TestNobodyComesBetweenTheChangesOfOneCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.FailIndexing = func(f openaitest.FileInfo) (code, message string) {
			if f.Bytes == 3 {
				return "invalid_file", "bad"
			}
			return "", ""
		}
		w := newWorld(t, cfg)
		c := w.client(func(cfg *vsclient.Config) { cfg.BatchSize = 1 })
		put := func(key, content string) vsclient.Change { return vsclient.Change{Document: doc(key, content)} }
		var calls sync.WaitGroup
		calls.Go(func() {
			c.Apply(t.Context(), []vsclient.Change{put("a.md", "good"), put("a.md", "bad"), put("b.md", "good"), put("b.md", "bad"), put("c.md", "first"), put("d.md", "first")}, nil)
		})
		synctest.Wait() // all of it is in line
		calls.Go(func() {
			for _, r := range c.Apply(t.Context(), []vsclient.Change{put("c.md", "later"), put("d.md", "later"), put("a.md", "later"), put("b.md", "later")}, nil) {
				is.NoErr(r.Err)
			}
		})
		calls.Wait()
		for _, f := range w.srv.Snapshot().Store(w.store).Files {
			is.Equal(string(w.srv.Content(f.FileID)), "later")
		}
	})
}
