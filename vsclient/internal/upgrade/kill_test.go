package upgrade_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
)

// TestTheNewestClientTakesOverFromAnOlderReleaseThatWasKilled kills a process of the older
// release at each request of a change, before or after the request takes effect. The newest
// client, to which the change is delivered again, leaves one version, the right one. A kill
// may leave one File that is attached nowhere, which the newest client lists when it is asked
// for the key's.
func TestTheNewestClientTakesOverFromAnOlderReleaseThatWasKilled(t *testing.T) {
	before := change(doc{key: "handbook/travel.md", attrs: worldtest.AttributesOf(2)}, 1)
	replaced := change(before, 2)
	updated := attributed(before, 2)
	for _, c := range []struct {
		name    string
		has, to *doc
		cmd     command
	}{
		{"a creation", nil, &before, before.put()},
		{"a replacement", &before, &replaced, replaced.put()},
		{"an update of attributes", &before, &updated, updated.update()},
		{"a deletion", &before, nil, before.remove()},
	} {
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("%s, before a request takes effect", c.name)
			if after {
				name = fmt.Sprintf("%s, after a request has taken effect", c.name)
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				n := 1
				for killedAt(t, n, after, c.has, c.to, c.cmd) {
					n++
				}
				if n < 5 {
					t.Errorf("the change makes only %d requests", n-1)
				}
			})
		}
	}
}

// killedAt has the older release carry out a command, and kills it at its nth request. It
// returns false when there were fewer.
func killedAt(t *testing.T, n int, after bool, has, to *doc, cmd command) bool {
	t.Helper()
	w := newProject(t, 0)
	if has != nil {
		w.docs[has.key] = *has
		w.lives[has.key]++
		w.turn(theNewest, 0, func(p process) { w.each(p, "created", doc.put) })
		w.addNamesakes()
	}
	older := theOlder.start(t, w.url, w.store).(*oldProcess)
	var requests atomic.Int64
	struck := make(chan struct{})
	meet := func(rw http.ResponseWriter, r *http.Request) {
		if int(requests.Add(1)) != n {
			w.srv.ServeHTTP(rw, r)
			return
		}
		if after {
			w.srv.ServeHTTP(httptest.NewRecorder(), r)
		}
		older.kill()
		close(struck)
		panic(http.ErrAbortHandler)
	}
	w.meet.Store(&meet)
	if a := older.do(t.Context(), cmd); a.Error == "" {
		w.meet.Store(nil)
		if err := older.close(); err != nil {
			t.Error(err)
		}
		return false
	}
	<-struck
	w.meet.Store(nil)
	w.srv.Advance(lag)

	clear(w.docs)
	w.spare = 1
	if to != nil {
		w.docs[to.key] = *to
		if has == nil {
			w.lives[to.key]++
		}
	}
	w.turn(theNewest, 2*time.Hour, func(p process) {
		if a := p.do(t.Context(), cmd); a.Error != "" {
			t.Errorf("request %d: %+v", n, a)
		}
	})
	later := change(doc{key: "later.md"}, 3)
	w.docs[later.key] = later // it tells the time: ages count from the newest File
	w.lives[later.key]++
	w.turn(theNewest, 0, func(p process) {
		if a := p.do(t.Context(), later.put()); a.Outcome != "created" {
			t.Errorf("request %d: %+v", n, a)
		}
		left := w.unattached()
		a := p.do(t.Context(), command{Do: "strays", Key: cmd.Key})
		for _, id := range left {
			if !slices.ContainsFunc(a.Documents, func(s shown) bool { return s.FileID == id }) {
				t.Errorf("request %d: the File %s is not listed: %+v", n, id, a)
			}
		}
	})
	if wrong := w.gaps(); len(wrong) > 0 {
		t.Errorf("request %d: %q", n, wrong)
	}
	return true
}
