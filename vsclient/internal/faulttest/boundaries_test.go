package faulttest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// kind is something that happens at a request.
type kind struct {
	name  string
	fault openaitest.Fault // of the request, or
	who   string           // to whom: "caller" gives up, "client" is closed
	after bool
}

func both(name string, f openaitest.Fault) []kind {
	after := f
	after.AfterEffect = true
	return []kind{{name: name + " before the effect", fault: f}, {name: name + " after the effect", fault: after}}
}

var kinds = func() []kind {
	var all []kind
	page := "<html><body>502 Bad Gateway</body></html>"
	all = append(all, both("500", openaitest.Fault{Kind: openaitest.FaultStatus, Status: 500})...)
	all = append(all, both("503", openaitest.Fault{Kind: openaitest.FaultStatus, Status: 503})...)
	all = append(all, both("502 of a proxy", openaitest.Fault{Kind: openaitest.FaultStatus, Status: 502, Body: &page})...)
	all = append(all, both("429", openaitest.Fault{Kind: openaitest.FaultStatus, Status: 429, RetryAfter: openaitest.Duration(retryAfter)})...)
	all = append(all, both("connection cut", openaitest.Fault{Kind: openaitest.FaultCut})...)
	all = append(all, kind{name: "reply cut in the middle", fault: openaitest.Fault{Kind: openaitest.FaultCutReply}})
	return append(all, both("hang", openaitest.Fault{Kind: openaitest.FaultHang})...)
}()

// quits are the ways in which the process itself ends at a request.
var quits = []kind{
	{name: "the caller gives up before the effect", who: "caller"},
	{name: "the caller gives up after the effect", who: "caller", after: true},
	{name: "the client is closed before the effect", who: "client"},
	{name: "the client is closed after the effect", who: "client", after: true},
}

const retryAfter = 7 * time.Second

// api is how the API behaves apart from faults.
type api struct {
	name string
	cfg  openaitest.Config
	calm bool // each change can be seen at once

	stride int // without -all: each kind strikes every so manieth request
}

var (
	calm = api{"no lag", openaitest.Config{Latency: 40 * time.Millisecond, IndexTime: 400 * time.Millisecond}, true, 5}
	lags = openaitest.Lag{Attach: 2 * time.Minute, Detach: 2 * time.Minute, Update: 2 * time.Minute}
	apis = []api{
		calm,
		{"listings 2 min behind", openaitest.Config{Latency: 40 * time.Millisecond, IndexTime: 400 * time.Millisecond, ListLag: lags, CountsLag: 2 * time.Minute}, false, 29},
		{"404 for 20 s after an attach", openaitest.Config{Latency: 40 * time.Millisecond, IndexTime: 400 * time.Millisecond, NotFoundWindow: 20 * time.Second}, false, 29},
		{"slow indexing", openaitest.Config{Latency: 40 * time.Millisecond, IndexTime: 40 * time.Second, IndexJitter: 30 * time.Second, PollAfter: 3 * time.Second}, true, 29},
		everything,
	}
	everything = api{"all of these", openaitest.Config{
		Latency: 40 * time.Millisecond, IndexTime: 10 * time.Second, IndexJitter: 20 * time.Second, ListLag: lags, CountsLag: 2 * time.Minute,
		NotFoundWindow: 20 * time.Second, GhostWindow: 15 * time.Second, FreshFileWindow: 2 * time.Second, Quirks: openaitest.ReportedQuirks(),
	}, false, 17}
)

// trial is one run of a workload in which something happens once.
type trial struct {
	api   api
	mode  mode
	kind  kind
	n     int  // at this request; 0: nothing happens
	frail bool // the client tries nothing twice, so that the caller gets the error
}

func (tr trial) String() string {
	s := fmt.Sprintf("%s, %s, %s at request %d", tr.api.name, tr.mode.name, tr.kind.name, tr.n)
	if tr.frail {
		s += ", no retries"
	}
	return s
}

// settling is a time after which nothing lags any more, and a client has ended
// everything that was open.
const settling = 30 * time.Minute

// run carries the trial out and returns the faults found, and how many requests there
// were.
func (tr trial) run(t *testing.T, steps []step) (bad findings, requests int) {
	synctest.Test(t, func(t *testing.T) {
		cfg := tr.api.cfg
		cfg.Seed = uint64(tr.n) + 1
		w := newProject(cfg, keysOf(steps))
		log := session{w: w}
		var (
			caller giver
			gaveUp time.Time
			cutOff int // changes that a Close has cut off; it may leave their Files
		)
		ctx := caller.starts()
		defer caller.givesUp()
		settings := func(cfg *client.Settings) {
			if tr.frail {
				cfg.RetryFor = time.Nanosecond
			}
		}
		var c *client.Client
		if tr.kind.who == "" {
			if tr.n > 0 {
				f := tr.kind.fault
				f.Nth = tr.n
				w.srv.Inject(f)
			}
			c = w.client(nil, settings)
		} else {
			c = w.client(newLine(w.srv.Client().Transport, moment{tr.n, tr.kind.after}, func() {
				gaveUp = time.Now()
				if tr.kind.who == "caller" {
					caller.givesUp()
				} else {
					go c.Close()
					synctest.Wait()
				}
			}), settings)
		}
		for _, group := range tr.mode.groups(steps) {
			for try := 0; len(group) > 0; try++ {
				failures := tr.mode.deliver(ctx, c, &log, group)
				if try > 3 {
					bad.wrong = append(bad.wrong, fmt.Sprintf("%v fails again and again: %v", failures[0].step, failures[0].Err))
					break
				}
				group = nil
				for _, f := range failures {
					group = append(group, f.step)
					bad.wrong = append(bad.wrong, tr.unexpected(f)...)
				}
				if len(failures) > 0 && ctx.Err() != nil {
					ctx = caller.starts() //nolint:fatcontext // in place of one that has ended, not within it
				}
				if len(failures) > 0 && tr.kind.who == "client" {
					c.Close()
					w.cut = true
					cutOff += len(failures)
					c = w.client(nil, settings)
				}
			}
		}
		requests = w.srv.RequestCount()
		time.Sleep(settling)
		after := w.client(nil)
		settled, _ := w.ends(after, w.lostUploads(gaveUp)+cutOff)
		bad.add(settled)
		_, _ = after.Close()
		bad.wrong = append(bad.wrong, tooSoon(w.srv.Requests())...)
		c.Close()
		if bad.any() && *verbose {
			w.requestLog(t)
		}
	})
	return bad, requests
}

// giver is a caller that can give up its calls under way.
type giver struct{ givesUp context.CancelFunc }

func (g *giver) starts() (ctx context.Context) {
	ctx, g.givesUp = context.WithCancel(neverDone)
	return ctx
}

// unexpected is an error that should not have been.
func (tr trial) unexpected(f failed) []string {
	switch {
	case tr.kind.who == "caller" && f.Class == client.Stopped:
	case tr.kind.who == "client" && f.Class == client.Stopped:
	case tr.kind.who == "" && tr.frail && f.Class == client.Service:
	default:
		return []string{fmt.Sprintf("%v: %v", f.step, f.Err)}
	}
	return nil
}

// lostUploads is how many uploads took effect without their process hearing of it:
// by a fault, or because it gave up at that time. Each may leave a File.
func (w *project) lostUploads(gaveUp time.Time) (n int) {
	for _, r := range w.srv.Requests() {
		if r.Endpoint != "POST /files" {
			continue
		}
		byFault := strings.Contains(r.Fault, "after effect") || r.Fault == "cut reply"
		underWay := !gaveUp.IsZero() && !gaveUp.Before(r.Time) && !gaveUp.After(r.Time.Add(r.Took))
		if byFault || underWay {
			n++
		}
	}
	return n
}

func (f *findings) add(g findings) {
	f.wrong = append(f.wrong, g.wrong...)
	f.gaps = append(f.gaps, g.gaps...)
	f.harmed = append(f.harmed, g.harmed...)
	f.leftovers = append(f.leftovers, g.leftovers...)
}

// tooSoon are requests that were repeated sooner than Retry-After had asked.
func tooSoon(log []openaitest.Request) (wrong []string) {
	for i, r := range log {
		if r.Status != http.StatusTooManyRequests || r.Fault == "" {
			continue
		}
		for _, next := range log[i+1:] {
			// Calls that were under way when the answer came could not know of it.
			wait := next.Time.Sub(r.Time.Add(r.Took))
			if next.Method == r.Method && next.Path == r.Path && wait > 0 && wait < retryAfter {
				wrong = append(wrong, fmt.Sprintf("%s %s was repeated after %v", r.Method, r.Path, wait))
			}
		}
	}
	return wrong
}

// TestAFaultAtAnyRequestLosesNothing lets each kind of fault strike each request of a
// workload, one at a time, redelivers the failed changes, and looks at the store.
func TestAFaultAtAnyRequestLosesNothing(t *testing.T) {
	steps := compact()
	for i, api := range apis {
		for _, mode := range modesOf(i) {
			for _, frail := range []bool{false, true} {
				name := fmt.Sprintf("%s/%s/retries", api.name, mode.name)
				kind := "a fault that the client survives: " + api.name
				if frail {
					name = fmt.Sprintf("%s/%s/no retries", api.name, mode.name)
					kind = "a fault that fails the call: " + api.name
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					trial{api: api, mode: mode, frail: frail}.atEvery(t, kind, steps, kinds)
				})
			}
			t.Run(fmt.Sprintf("%s/%s/given up", api.name, mode.name), func(t *testing.T) {
				t.Parallel()
				trial{api: api, mode: mode}.atEvery(t, "the call is given up: "+api.name, steps, quits)
			})
		}
	}
}

// atEvery runs the trial with each kind at each request that it makes when nothing
// happens.
func (tr trial) atEvery(t *testing.T, name string, steps []step, kinds []kind) {
	bad, boundaries := tr.run(t, steps)
	if bad.any() {
		t.Fatalf("%v:%v", tr, bad)
	}
	stride := every(tr.api.stride, 1)
	r := report{t: t, name: name, boundaries: boundaries, kinds: len(kinds)}
	for k, kind := range kinds {
		for n := 1 + k*stride/len(kinds); n <= boundaries; n += stride {
			tr.kind, tr.n = kind, n
			bad, _ := tr.run(t, steps)
			r.add(tr, bad, 0)
		}
	}
}
