package faulttest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
)

// killing is a run of a workload in which processes die one after the other, each
// at a moment of its own, and the next begins where the one before was, or a
// little earlier.
type killing struct {
	api   api
	mode  mode
	at    []moment
	drops bool // requests that are under way at a death have no effect
	redo  int  // groups that are delivered once more though they had succeeded
}

func (k killing) String() string {
	return fmt.Sprintf("%s, %s, killed at %+v, requests under way dropped: %v, %d groups redelivered", k.api.name, k.mode.name, k.at, k.drops, k.redo)
}

// run carries it out. bounded are the Files that the kills have left, which the
// sweep and the removal of leftovers then have to find.
func (k killing) run(t *testing.T, steps []step) (bad findings, bounded, requests int) {
	synctest.Test(t, func(t *testing.T) {
		cfg := k.api.cfg
		cfg.Seed = 7
		w := newProject(cfg, keysOf(steps))
		groups := k.mode.groups(steps)
		acked, most := 0, 0
		var dead []*client.Client
		for _, at := range k.at {
			l := newLine(w.srv.Client().Transport, at, nil)
			l.happen, l.drops = l.die, k.drops
			c := w.client(l)
			w.cut = at.n > 0
			dead = append(dead, c)
			log := &session{w: w}
			finished := make(chan struct{})
			go func() {
				defer close(finished)
				for i := max(0, acked-k.redo); i < len(groups); i++ {
					if len(k.mode.deliver(neverDone, c, log, groups[i])) > 0 {
						return
					}
					acked = max(acked, i+1)
				}
			}()
			select {
			case <-l.death.Done():
			case <-finished:
			}
			log.over.Store(true)
			synctest.Wait() // acked is read after this
			if acked < len(groups) {
				most += len(groups[acked])
			}
		}
		c := w.client(nil)
		log := &session{w: w}
		for _, group := range groups[max(0, acked-k.redo):] {
			for _, f := range k.mode.deliver(neverDone, c, log, group) {
				if f.op == plan.OpUpdate && f.NotFound && log.deleted(f.key) {
					continue // delivered again after the deletion that followed it
				}
				bad.wrong = append(bad.wrong, fmt.Sprintf("%v: %v", f.step, f.Err))
			}
		}
		requests = w.srv.RequestCount()
		if k.api.calm {
			bad.add(w.examine())
			bad.leftovers = nil
		}
		time.Sleep(settling)
		var settled findings
		settled, bounded = w.ends(c, most)
		bad.add(settled)
		if bad.any() && *verbose {
			w.requestLog(t)
		}
		c.Close()
		for _, c := range dead {
			_, _ = c.Close()
		}
	})
	return bad, bounded, requests
}

// ends examines a project in which everything has had its time: so many Files may be
// attached nowhere. Then it tidies up and examines it again, and nothing may be.
func (w *project) ends(c *client.Client, most int) (bad findings, loose int) {
	bad = w.examine()
	bad.leftovers = nil
	if loose = len(w.loose()); loose > most {
		bad.leftovers = append(bad.leftovers, fmt.Sprintf("%d Files are attached nowhere, where %d changes failed or lost an upload", loose, most))
	}
	w.sleep(time.Hour) // leftovers have to be old enough
	bad.add(w.tidy(c))
	bad.add(w.examine())
	return bad, loose
}

// tidy sweeps the store and removes leftovers: first without anybody's word for a
// key, which must not touch others' Files, then with it.
func (w *project) tidy(c *client.Client) (bad findings) {
	for _, vouched := range [][]string{nil, w.keys} {
		if _, err := c.Strays(neverDone, time.Nanosecond, vouched, w.start); err != nil {
			bad.wrong = append(bad.wrong, err.Error())
		}
	}
	return bad
}

// TestAKillAtAnyRequestLosesNothing ends the process, as far as the API can tell, at each
// request of a workload, before and after its effect; another one starts and is
// given again the changes that were not acknowledged. The same with real processes is
// TestASIGKILLAtAnyRequestLosesNothing.
func TestAKillAtAnyRequestLosesNothing(t *testing.T) {
	steps := compact()
	for i, api := range apis {
		for _, mode := range modesOf(i + 1) {
			t.Run(api.name+"/"+mode.name, func(t *testing.T) {
				t.Parallel()
				bad, _, boundaries := killing{api: api, mode: mode, at: []moment{{}}}.run(t, steps)
				if bad.any() {
					t.Fatal(bad)
				}
				stride := every(max(1, api.stride/3), 1)
				r := report{t: t, name: "the process is killed: " + api.name, boundaries: boundaries, kinds: 4}
				for n := 1; n <= boundaries; n += stride {
					for i := range 4 {
						k := killing{api: api, mode: mode, at: []moment{{n, i%2 == 1}}, drops: i/2 == 1, redo: n % 3}
						bad, bounded, _ := k.run(t, steps)
						r.add(k, bad, bounded)
					}
				}
			})
		}
	}
}

// TestTwoKillsLoseNothing has a second process die on the way.
func TestTwoKillsLoseNothing(t *testing.T) {
	steps := compact()
	for i, api := range []api{calm, everything} {
		for _, mode := range modesOf(i + 1) {
			t.Run(api.name+"/"+mode.name, func(t *testing.T) {
				t.Parallel()
				_, _, boundaries := killing{api: api, mode: mode, at: []moment{{}}}.run(t, steps)
				stride := every(7, 2)
				r := report{t: t, name: "two processes are killed: " + api.name, boundaries: boundaries, kinds: 4}
				for n := 1; n <= boundaries; n += stride {
					for _, m := range []int{5, 6 + n%5, 11 + n%7} {
						k := killing{api: api, mode: mode, at: []moment{{n, m%2 == 0}, {m, n%2 == 0}}, drops: n%3 == 0}
						bad, bounded, _ := k.run(t, steps)
						r.add(k, bad, bounded)
					}
				}
			})
		}
	}
}
