package plan_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// kill is the death of a process at one of its requests.
type kill struct {
	n     int  // from 1; 0: never
	after bool // the request takes effect, and its reply is lost
}

// line is the connection of a process, which dies at a request: nothing more passes in
// either direction, and requests under way take effect.
type line struct {
	next http.RoundTripper
	at   kill

	mu   sync.Mutex
	n    int
	dead context.Context
	die  context.CancelFunc
}

func (l *line) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	l.n++
	now := l.n == l.at.n
	l.mu.Unlock()
	if now && !l.at.after {
		l.die()
	}
	if l.dead.Err() == nil {
		resp, err := l.next.RoundTrip(r)
		if now {
			l.die()
		}
		if l.dead.Err() == nil {
			return resp, err
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// killed runs a plan in a process that dies, and returns how many requests it made.
func killed(w *worldtest.World, at kill, docs iter.Seq2[vsclient.Document, error]) int {
	dead, die := context.WithCancel(context.Background())
	l := &line{next: w.Server.Client().Transport, at: at, dead: dead, die: die}
	c := w.Client(func(cfg *vsclient.Config) { cfg.HTTPClient = &http.Client{Transport: l} })
	p, err := plan.Make(dead, c, docs, us)
	if err == nil {
		_, _ = p.Execute(dead, c, plan.ExecuteOptions{}, nil)
	}
	l.mu.Lock()
	n := l.n
	l.mu.Unlock()
	die()
	_ = c.Close()
	return n
}

// TestAKillAtAnyRequestIsMadeGoodByTheNextRun ends a process at each request of Make and
// Execute, or with the race detector at one of four. The next one makes the store right, and no
// document is missing meanwhile: one that moves is there under either key.
func TestAKillAtAnyRequestIsMadeGoodByTheNextRun(t *testing.T) {
	docs := source(doc("same.md", "s"), doc("changed.md", "new"), with(doc("marked.md", "m"), vsclient.Attributes{"n": 1}), doc("moved.md", "wanders"), doc("new.md", "n"))
	want := []string{"changed.md: new", "marked.md: m", "moved.md: wanders", "new.md: n", "same.md: s", "theirs.md: t"}
	for _, api := range []struct {
		name string
		cfg  openaitest.Config
		wait time.Duration // until the next process begins
	}{
		{"at once", openaitest.Config{}, 0},
		{"over a listing that lags", openaitest.Config{ListLag: openaitest.Lag{Attach: 30 * time.Second, Detach: 30 * time.Second, Update: 30 * time.Second}}, 5 * time.Minute},
		{"while documents are being indexed", openaitest.Config{IndexTime: time.Minute}, 0},
	} {
		api.cfg.Latency, api.cfg.IndexTime = 50*time.Millisecond, max(api.cfg.IndexTime, 500*time.Millisecond)
		run := func(t *testing.T, at kill) (requests int) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, api.cfg)
				putAll(w, ofUs(doc("same.md", "s")), ofUs(doc("changed.md", "old")), ofUs(doc("marked.md", "m")), ofUs(doc("wandering.md", "wanders")), ofUs(doc("gone.md", "g")), ofThem(doc("theirs.md", "t")))
				time.Sleep(time.Hour)
				requests = killed(w, at, docs)
				time.Sleep(api.wait)
				c := w.Client()
				p := makePlan(w, c, docs, us)
				r := run(w, c, p, plan.ExecuteOptions{})
				is.NoErr(r.Err())
				is.Equal(stored(w), want)
				for _, keys := range [][]string{{"same.md"}, {"changed.md"}, {"marked.md"}, {"wandering.md", "moved.md"}, {"theirs.md"}} {
					w.NoGap(keys...)
				}
				time.Sleep(5 * time.Minute)
				is.Equal(makePlan(w, w.Client(), docs, us).Pending(), 0)
			})
			return requests
		}
		t.Run(api.name, func(t *testing.T) {
			t.Parallel()
			all, step := run(t, kill{}), race.Pick(1, 4)
			for n := 1; n <= all; n += step {
				for _, after := range []bool{false, true} {
					at := kill{n, after}
					t.Run(fmt.Sprintf("%+v", at), func(t *testing.T) { run(t, at) })
				}
			}
			t.Logf("killed at one of %d of %d requests, before and after its effect", step, all)
		})
	}
}
