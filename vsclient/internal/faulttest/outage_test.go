package faulttest_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// outage is a run in which from one request on every request fails, for longer
// than the client tries. It is over when the caller has its error.
type outage struct {
	sea     sea
	kind    kind
	n       int
	replace bool // the caller does not repeat what failed, but asks for something else
	restart bool // a new client goes on
}

func (o outage) String() string {
	return fmt.Sprintf("%s, %s from request %d on, other changes asked for: %v, new client: %v", o.sea.name, o.kind.name, o.n, o.replace, o.restart)
}

func (o outage) run(t *testing.T, steps []step) (bad findings, bounded, requests int) {
	synctest.Test(t, func(t *testing.T) {
		cfg := o.sea.cfg
		cfg.Seed = uint64(o.n)
		w := newWorld(cfg, keysOf(steps))
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
				err := call(neverDone, c, log, s)
				if err == nil {
					break
				}
				failures++
				if try > 2 {
					bad.wrong = append(bad.wrong, fmt.Sprintf("%v fails again and again: %v", s, err))
					break
				}
				if !vsclient.Retryable(err) {
					bad.wrong = append(bad.wrong, fmt.Sprintf("%v: %v", s, err))
				}
				w.srv.ClearFaults()
				if o.restart {
					c.Close()
					c = w.client(nil)
				}
				if o.replace {
					// What is wanted of the key by now, if anything, is what it had.
					was := w.wanted(s.key)
					if was == nil {
						s = step{op: vsclient.OpDelete, key: s.key}
					} else {
						s = *was
					}
				}
			}
		}
		requests = w.srv.RequestCount()
		w.srv.ClearFaults()
		time.Sleep(settling)
		bad.add(w.examine())
		bad.leftovers = nil
		if bounded = len(w.loose()); bounded > failures {
			bad.leftovers = append(bad.leftovers, fmt.Sprintf("%d Files are attached nowhere, where %d changes failed", bounded, failures))
		}
		bad.add(w.tidy(c, keysOf(steps)))
		bad.add(w.examine())
		if bad.any() && *verbose {
			w.requestLog(t)
		}
		c.Close()
	})
	return bad, bounded, requests
}

// wanted is what the key is to hold, as a change to ask for; nil: nothing.
func (w *world) wanted(key string) *step {
	w.mu.Lock()
	defer w.mu.Unlock()
	was := w.want[key]
	if was == nil {
		return nil
	}
	again := *was
	again.op = vsclient.OpPut
	return &again
}

// TestAnOutageFromEveryBoundary takes the API away at each request. Removing what
// the failed call has made is then out of reach, too: that call may leave one File,
// which the removal of leftovers finds.
func TestAnOutageFromEveryBoundary(t *testing.T) {
	steps := compact()
	down := []kind{
		{name: "500", fault: openaitest.Fault{Kind: openaitest.FaultStatus}},
		{name: "500 after the effect", fault: openaitest.Fault{Kind: openaitest.FaultStatus, AfterEffect: true}},
		{name: "hang after the effect", fault: openaitest.Fault{Kind: openaitest.FaultHang, AfterEffect: true}},
	}
	for _, sea := range []sea{calm, everything} {
		t.Run(sea.name, func(t *testing.T) {
			_, _, boundaries := outage{sea: sea}.run(t, steps)
			stride := every(sea.stride, 1)
			reported := 0
			for k, kind := range down {
				for n := 1 + k%stride; n <= boundaries; n += stride {
					for i := range 4 {
						o := outage{sea, kind, n, i%2 == 1, i/2 == 1}
						bad, bounded, _ := o.run(t, steps)
						count("the API is away for longer than is tried: "+sea.name, func(f *figures) {
							f.boundaries, f.kinds = max(f.boundaries, boundaries), len(down)*4
							f.bounded += bounded
							f.tell(bad)
						})
						if bad.any() {
							if reported++; reported > 5 || *verbose {
								t.Fatalf("%v:%v", o, bad)
							}
							t.Errorf("%v:%v", o, bad)
						}
					}
				}
			}
		})
	}
}

// TestAnUploadThatTakesEffectLate loses the connection under each upload, which
// the API carries out all the same, after the client has looked for it.
func TestAnUploadThatTakesEffectLate(t *testing.T) {
	steps := compact()
	for _, late := range []time.Duration{100 * time.Millisecond, time.Second, 3 * time.Second, 30 * time.Second} {
		for nth := 1; ; nth++ {
			last := false
			synctest.Test(t, func(t *testing.T) {
				cfg := calm.cfg
				cfg.IndexTime = 10 * time.Second
				w := newWorld(cfg, keysOf(steps))
				l := &lateUpload{next: w.srv.Client().Transport, nth: nth, after: late}
				c := w.client(l)
				log := &session{w: w}
				for _, s := range steps {
					if err := call(neverDone, c, log, s); err != nil {
						t.Errorf("%v: %v", s, err)
					}
				}
				l.late.Wait()
				time.Sleep(settling)
				bad := w.examine()
				bounded := len(bad.leftovers)
				if late > cfg.IndexTime {
					// It came when all was done with. It is one of those that the
					// removal of leftovers takes.
					bad.leftovers = nil
					bad.add(w.tidy(c, keysOf(steps)))
					bad.add(w.examine())
				}
				count("an upload takes effect late", func(f *figures) {
					f.boundaries, f.kinds = max(f.boundaries, nth), 4
					f.bounded += bounded
					f.tell(bad)
				})
				if bad.any() {
					t.Errorf("%v late, upload %d:%v", late, nth, bad)
				}
				c.Close()
				last = l.n < nth
			})
			if last {
				break
			}
		}
	}
}

// TestEveryQuirk runs the workload, and faults spread over it, against each way in
// which the API may differ from its documents.
func TestEveryQuirk(t *testing.T) {
	for name, cfg := range map[string]openaitest.Config{
		"a second detach is answered 200":            {Quirks: openaitest.Quirks{SecondDetachOK: true}},
		"a second attach keeps the attributes":       {Quirks: openaitest.Quirks{ReattachKeepsAttributes: true}},
		"a second attach indexes anew":               {Quirks: openaitest.Quirks{ReattachReindexes: true}},
		"a bad file fails alone in its batch":        {Quirks: openaitest.Quirks{BadFileInBatch: openaitest.BadFileFails}, FreshFileWindow: 2 * time.Second},
		"a bad file is left out of its batch":        {Quirks: openaitest.Quirks{BadFileInBatch: openaitest.BadFileSkipped}, FreshFileWindow: 2 * time.Second},
		"a bad file refuses its batch":               {FreshFileWindow: 2 * time.Second},
		"an unknown file is answered 400":            {Quirks: openaitest.Quirks{UnknownFile400: true}, FreshFileWindow: time.Second},
		"file names lose their directories":          {Quirks: openaitest.Quirks{BaseFilenames: true}},
		"file names are decoded":                     {Quirks: openaitest.Quirks{DecodeFilenames: true}},
		"file names have 255 characters":             {Quirks: openaitest.Quirks{MaxFilename: 255}},
		"extensions are checked at upload":           {Quirks: openaitest.Quirks{CheckUploadExtension: true}},
		"a deleted cursor is refused":                {Quirks: openaitest.Quirks{DeletedCursorRefused: true}},
		"listings are filtered page by page":         {Quirks: openaitest.Quirks{FilterAfterPage: true}},
		"ties are in any order":                      {Quirks: openaitest.Quirks{ShuffledTies: true}},
		"GET of a batch returns the store":           {Quirks: openaitest.Quirks{BatchGetReturnsStore: true}},
		"an unknown batch is answered 500":           {Quirks: openaitest.Quirks{UnknownBatch500: true, CancelBatch500: true}},
		"attributes are counted in bytes":            {Quirks: openaitest.Quirks{AttributeBytes: true, AttributeValueMax: 256}},
		"the size of an upload is null":              {Quirks: openaitest.Quirks{NullBytes: true}},
		"a store is completed too early":             {Quirks: openaitest.Quirks{EarlyCompleted: true}, CountsLag: time.Minute},
		"no update while indexing":                   {Quirks: openaitest.Quirks{UpdateWhileIndexingRefused: true}},
		"a deleted File leaves its store file":       {Quirks: openaitest.Quirks{DeleteLeavesStoreFile: true, DeleteLeavesCounts: true}},
		"batches of 100":                             {Quirks: openaitest.Quirks{BatchMax: 100}},
		"the batch's object is named as in the spec": {Quirks: openaitest.Quirks{SpecBatchObject: true}},
		"detached files are ghosts for a while":      {GhostWindow: 30 * time.Second, ListLag: lags},
		"a file is unknown for 10 s after upload":    {FreshFileWindow: 10 * time.Second},
		"limits as published":                        {Limits: openaitest.PublishedLimits()},
		"limits in fixed windows, reads too":         {Limits: openaitest.Limits{ReadsPerMinute: 60, DeletesPerMinute: 20, Kind: openaitest.FixedWindow}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Latency, cfg.IndexTime = calm.cfg.Latency, calm.cfg.IndexTime
			stride := every(67, 7)
			for _, mode := range modes[:1:1] {
				trial{sea: sea{name: name, cfg: cfg, stride: stride}, mode: mode}.spread(t, stride)
			}
			trial{sea: sea{name: name, cfg: cfg, stride: stride}, mode: modes[2]}.spread(t, stride)
		})
	}
}

// spread runs the trial without a fault, with faults here and there, and with
// kills.
func (tr trial) spread(t *testing.T, stride int) {
	steps := compact()
	bad, boundaries := tr.run(t, steps)
	if bad.any() {
		t.Errorf("%v:%v", tr, bad)
		return
	}
	for i := 1; i <= boundaries*len(kinds); i += stride {
		tr.kind, tr.n = kinds[i%len(kinds)], 1+i/len(kinds)
		tr.frail = i%2 == 0
		bad, _ := tr.run(t, steps)
		count("a fault, under each quirk", func(f *figures) {
			f.boundaries, f.kinds = max(f.boundaries, boundaries), len(kinds)
			f.tell(bad)
		})
		if bad.any() {
			t.Fatalf("%v:%v", tr, bad)
		}
	}
	for i := 1; i <= 4*boundaries; i += stride / 3 {
		k := killing{sea: tr.sea, mode: tr.mode, at: []moment{{1 + i/4, i%2 == 0}}, drops: i%4 < 2, redo: i % 3}
		bad, bounded, _ := k.run(t, steps)
		count("a kill, under each quirk", func(f *figures) {
			f.boundaries, f.kinds = max(f.boundaries, boundaries), 4
			f.bounded += bounded
			f.tell(bad)
		})
		if bad.any() {
			t.Fatalf("%v:%v", k, bad)
		}
	}
}
