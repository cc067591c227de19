package vsclient_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about processes that are killed, and the processes after them.

// killed begins a put of a.md in a process that is killed after that time.
func killed(w *worldtest.World, after time.Duration, d vsclient.Document, opts ...func(*vsclient.Config)) {
	c, kill := w.Process(opts...)
	go func() { _, _ = c.Put(w.T.Context(), d) }()
	time.Sleep(after)
	kill()
}

// A process is killed at each of many moments while it replaces a document. The next
// one gets the same document again.
func TestAKillAtAnyMomentOfAReplacementLeavesOneVersionOnceTheDocumentIsPutAgain(t *testing.T) {
	t.Parallel()
	step := race.Pick(40*time.Millisecond, 110*time.Millisecond)
	for moment := 5 * time.Millisecond; moment < 1200*time.Millisecond; moment += step {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			cfg := slow
			cfg.NotFoundWindow = 5 * time.Second
			w := worldtest.New(t, cfg)
			is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
			time.Sleep(time.Hour)
			killed(w, moment, doc("a.md", "new"))
			is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "new"))))
			time.Sleep(10 * time.Minute) // a second version that shows late goes in the background
			w.Expect(map[string]string{"a.md": "new"})
			w.NoGap("a.md")
			is.True(w.Files() <= 2) // an upload in flight may be left, attached nowhere
			if t.Failed() {
				t.Logf("killed after %v", moment)
			}
		})
	}
}

// The version that is searchable stays until the newer one, which a killed process
// has attached, has been seen searchable, whatever the next process is asked for.
func TestNothingIsRemovedForAVersionOfAKilledProcessThatIsNotSearchableYet(t *testing.T) {
	for sentence, row := range map[string]struct {
		next func(t *testing.T, c *vsclient.Client) error
		want string
	}{
		"an attribute update": {func(t *testing.T, c *vsclient.Client) error {
			return onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"}))
		}, "new"},
		"the same put again": {func(t *testing.T, c *vsclient.Client) error {
			return onlyErr(c.Put(t.Context(), doc("a.md", "new")))
		}, "new"},
		"a put of the older content": {func(t *testing.T, c *vsclient.Client) error {
			return onlyErr(c.Put(t.Context(), doc("a.md", "old")))
		}, "old"},
		"a sweep": {func(t *testing.T, c *vsclient.Client) error {
			defer time.Sleep(10 * time.Minute)
			return onlyErr(c.Sweep(t.Context(), vsclient.SweepOptions{}))
		}, "new"},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Minute})
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
				time.Sleep(time.Hour)
				killed(w, time.Second, doc("a.md", "new"))
				is.Equal(len(w.Server.Snapshot().Store(w.Store).Files), 2)
				c := w.Client()
				is.NoErr(row.next(t, c))
				is.NoErr(onlyErr(c.Sweep(t.Context(), vsclient.SweepOptions{})))
				time.Sleep(10 * time.Minute)
				w.Expect(map[string]string{"a.md": row.want})
				w.NoGap("a.md")
			})
		})
	}
}

// The same, where the newer version cannot be indexed in the end.
func TestAVersionOfAKilledProcessThatCannotBeIndexedNeverRemovesTheOlderOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, unreadable(openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Minute}))
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
		time.Sleep(time.Hour)
		killed(w, time.Second, doc("a.md", "unreadable"))
		c := w.Client()
		is.NoErr(onlyErr(c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})))
		info, err := c.Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Attributes["lang"], "en")
		w.Expect(map[string]string{"a.md": "old"})
		w.NoGap("a.md")
		is.NoErr(onlyErr(c.Sweep(t.Context(), vsclient.SweepOptions{})))
		is.Equal(w.Files(), 1)
	})
}

// The next process puts the document again before the first attach can be seen, and
// ends. The second version goes in the background of the process after it.
func TestASecondVersionThatShowsAfterTheProcessHasEndedIsRemovedByTheNextProcess(t *testing.T) {
	for sentence, opts := range map[string]func(*vsclient.Config){"indexed": func(*vsclient.Config) {}, "attached is enough": async} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
				killed(w, 200*time.Millisecond, doc("a.md", "text"), opts)
				is.Equal(len(w.Server.Snapshot().Store(w.Store).Files), 1)
				c := w.Client(opts)
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
				_ = c.Close()
				time.Sleep(time.Minute)
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("b.md", "text")))) // another key: its process looks at the newest
				time.Sleep(10 * time.Minute)
				w.Expect(map[string]string{"a.md": "text", "b.md": "text"})
				is.Equal(w.Files(), 2)
				w.NoGap("a.md")
			})
		})
	}
}

func TestAKillDuringADeletionIsFinishedByTheNextDelete(t *testing.T) {
	for moment := 5 * time.Millisecond; moment < 400*time.Millisecond; moment += 30 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			w := worldtest.New(t, slow)
			is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "text"))))
			time.Sleep(time.Hour)
			c, kill := w.Process()
			go func() { _, _ = c.Delete(t.Context(), "a.md") }()
			time.Sleep(moment)
			kill()
			is.NoErr(onlyErr(w.Client().Delete(t.Context(), "a.md")))
			w.Expect(map[string]string{})
			is.True(w.Files() <= 1) // a File that was detached before the kill has nothing that tells whose it is
		})
	}
}

// dated gives everything another date of creation.
func dated(date int64) func(*vsclient.Config) {
	return over(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(resp.Body)
		var b strings.Builder
		for i, part := range strings.Split(string(body), `"created_at":`) {
			if i > 0 {
				fmt.Fprintf(&b, `"created_at":%d`, date)
				part = strings.TrimLeft(part, "0123456789 ")
			}
			b.WriteString(part)
		}
		resp.Body = io.NopCloser(strings.NewReader(b.String()))
		resp.ContentLength = int64(b.Len())
		resp.Header.Del("Content-Length")
		return resp, err
	})
}

func TestARestartDoublesNothingWhateverOpenAIsClockSays(t *testing.T) {
	for name, date := range map[string]int64{"no date": 0, "long ago": 1_000_000, "ahead": 4_000_000_000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, NotFoundWindow: 5 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
				killed(w, 100*time.Millisecond, doc("a.md", "text"), dated(date))
				is.Equal(len(w.Server.Snapshot().Store(w.Store).Files), 1)
				is.NoErr(onlyErr(w.Client(dated(date)).Put(t.Context(), doc("a.md", "text"))))
				time.Sleep(5 * time.Minute)
				is.Equal(w.Files(), 1)
			})
		})
	}
}

// A version takes its number from OpenAI's clock and from the versions before it, so
// that a machine whose clock is wrong leaves none that outranks later ones.
func TestAVersionDoesNotDependOnThisMachinesClock(t *testing.T) {
	for sentence, ahead := range map[string]time.Duration{"OpenAI's clock is two hours behind": -2 * time.Hour, "OpenAI's clock is two hours ahead": 2 * time.Hour} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Now: func() time.Time { return time.Now().Add(ahead) }})
				r, err := w.Client().Put(t.Context(), doc("a.md", "text"))
				is.NoErr(err)
				is.Equal(time.Until(time.UnixMicro(r.Version)).Round(time.Minute), ahead)
				// A File of a few seconds whose attach is still to come is no stray.
				fresh := w.File("a.md", "another process's")
				_, err = w.Client().Sweep(t.Context(), vsclient.SweepOptions{Keys: []string{"a.md"}})
				is.NoErr(err)
				is.True(w.Exists(fresh))
				again, err := w.Client().Put(t.Context(), doc("a.md", "newer"))
				is.NoErr(err)
				is.True(again.Version > r.Version)
			})
		})
	}
}
