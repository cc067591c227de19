package faulttest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// outage is a run in which from one request on every request fails, for longer
// than the client tries. It is over when the caller has its error.
type outage struct {
	api     api
	kind    kind
	n       int
	replace bool // the caller does not repeat a failed change, but asks for another
	restart bool // a new client goes on
}

func (o outage) String() string {
	return fmt.Sprintf("%s, %s from request %d on, other changes asked for: %v, new client: %v", o.api.name, o.kind.name, o.n, o.replace, o.restart)
}

func (o outage) run(t *testing.T, steps []step) (bad findings, bounded, requests int) {
	synctest.Test(t, func(t *testing.T) {
		cfg := o.api.cfg
		cfg.Seed = uint64(o.n)
		w := newProject(cfg, keysOf(steps))
		if o.n > 0 {
			f := o.kind.fault
			f.Nth, f.Times = o.n, -1
			w.srv.Inject(f)
		}
		c := w.client(nil)
		log := &session{w: w}
		failures := 0
		for _, s := range steps {
			for try := 0; ; try++ {
				a := call(neverDone, c, log, s)
				if a.Err == nil {
					break
				}
				failures++
				if try > 2 {
					bad.wrong = append(bad.wrong, fmt.Sprintf("%v fails again and again: %v", s, a.Err))
					break
				}
				if a.Class != client.Service {
					bad.wrong = append(bad.wrong, fmt.Sprintf("%v: %v", s, a.Err))
				}
				w.srv.ClearFaults()
				if o.restart {
					c.Close()
					c = w.client(nil)
				}
				if o.replace {
					// The key is to have, if anything, the content that it had.
					was := w.wanted(s.key)
					if was == nil {
						s = step{op: plan.OpDelete, key: s.key}
					} else {
						s = *was
					}
				}
			}
		}
		requests = w.srv.RequestCount()
		w.srv.ClearFaults()
		time.Sleep(settling)
		var settled findings
		settled, bounded = w.ends(c, failures+w.lostUploads(time.Time{}))
		bad.add(settled)
		if bad.any() && *verbose {
			w.requestLog(t)
		}
		c.Close()
	})
	return bad, bounded, requests
}

// wanted is the change that gives the key the content it is to hold; nil: nothing.
func (w *project) wanted(key string) *step {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.want[key]
	if was == nil {
		return nil
	}
	again := *was
	again.op = plan.OpPut
	return &again
}

// TestAnOutageFromAnyRequestOnLosesNothing takes the API away at each request. Removing the
// File of the failed call is then out of reach, too: that call may leave one File,
// which the removal of leftovers finds.
func TestAnOutageFromAnyRequestOnLosesNothing(t *testing.T) {
	steps := compact()
	down := []kind{
		{name: "500", fault: openaitest.Fault{Kind: openaitest.FaultStatus}},
		{name: "500 after the effect", fault: openaitest.Fault{Kind: openaitest.FaultStatus, AfterEffect: true}},
		{name: "hang after the effect", fault: openaitest.Fault{Kind: openaitest.FaultHang, AfterEffect: true}},
	}
	for _, api := range []api{calm, everything} {
		t.Run(api.name, func(t *testing.T) {
			t.Parallel()
			_, _, boundaries := outage{api: api}.run(t, steps)
			stride := every(api.stride, 1)
			r := report{t: t, name: "the API is away for longer than is tried: " + api.name, boundaries: boundaries, kinds: len(down) * 4}
			for k, kind := range down {
				for n := 1 + k*stride/len(down); n <= boundaries; n += stride {
					for i := range 4 {
						o := outage{api, kind, n, i%2 == 1, i/2 == 1}
						bad, bounded, _ := o.run(t, steps)
						r.add(o, bad, bounded)
					}
				}
			}
		})
	}
}
