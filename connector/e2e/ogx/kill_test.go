//go:build ogx

package ogx_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matryer/is"
)

// A process is killed in the middle of ten changes, and another process makes them again.
func TestAReplayAfterAKillLeavesOneVersionOfEachKey(t *testing.T) {
	for _, tt := range []struct {
		name   string
		which  func(*http.Request) bool
		nth    int32
		landed moment
	}{
		{"before an upload", isUpload, 3, before},
		{"after an upload", isUpload, 3, after},
		{"before an attach", isAttach, 2, before},
		{"while an attach is under way", isAttach, 2, during},
		{"after an attach", isAttach, 4, after},
		{"before a detach", isDetach, 1, before},
		{"after a detach", isDetach, 1, after},
		{"after a File's deletion", isFileDeletion, 2, after},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newOGXStore(t)
			w.twice = true // the killed process and its successor may each attach a document
			began := time.Now()
			var old []document
			var changes []change
			var want []document
			var keys []string
			for i := range 10 {
				d := numbered(i)
				if i >= 2 { // the first two are new
					old = append(old, d)
				}
				do := "put"
				switch {
				case i < 2, i >= 8: // new, unchanged
				case i < 6:
					d.Content += ", changed"
				default:
					do = "delete"
				}
				changes, keys = append(changes, change{do, d}), append(keys, d.Key)
				if do == "put" {
					want = append(want, d)
				}
			}
			p := newProcess(t, w.settings)
			p.create(old...)
			p.end()

			direct := w.URL
			var seen atomic.Int32
			dead := make(chan struct{})
			w.through(func(_ http.ResponseWriter, r *http.Request) bool {
				if !tt.which(r) || seen.Add(1) != tt.nth {
					return false
				}
				tt.landed.forward(r)
				p.kill()
				close(dead)
				panic(http.ErrAbortHandler)
			})
			p = newProcess(t, w.settings)
			if a, err := p.try(call{Do: "apply", Changes: changes}); err == nil {
				t.Fatalf("the process was not killed: %q", a.Outcomes)
			}
			<-dead

			w.URL = direct
			for i, outcome := range w.must(call{Do: "apply", Changes: changes}).Outcomes {
				switch outcome {
				case "created", "replaced", "unchanged", "deleted", "absent":
				default:
					t.Errorf("document %d: %s", i, outcome)
				}
			}
			w.must(call{Do: "sweep"})
			w.lists(want...)
			w.removeLeftovers(began, keys)
			w.holds(want...)
		})
	}
}

// removeLeftovers removes the Files that a kill has left. They are named for the keys of the
// killed process.
func (w *ogxStore) removeLeftovers(since time.Time, keys []string) {
	w.Helper()
	orphans := w.must(call{Do: "leftovers", Vouched: keys, Since: since}).Orphans
	w.Logf("left by the kill: %v", orphans)
	is.New(w.T).Equal(w.must(call{Do: "remove", Files: orphans, Vouched: keys, Since: since}).Removed, len(orphans))
}

// moment is when a process dies: before its request reaches the server, while the server
// handles it, or after the reply.
type moment int

const (
	before moment = iota
	during
	after
)

// forward sends the request to the server, unless the moment is before that. If the moment is
// after the reply, it waits for the reply.
func (m moment) forward(r *http.Request) {
	if m == before {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	target, err := url.Parse(ogx.url)
	if err != nil {
		return
	}
	out := r.Clone(context.WithoutCancel(r.Context()))
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = "http", target.Host
	out.Body = io.NopCloser(bytes.NewReader(body))
	send := func() {
		if resp, err := http.DefaultTransport.RoundTrip(out); err == nil {
			resp.Body.Close()
		}
	}
	if m == during {
		go send()
		return
	}
	send()
}
