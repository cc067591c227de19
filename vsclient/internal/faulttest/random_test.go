package faulttest_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

var (
	seed      = flag.Uint64("seed", 0, "rerun the random history of this seed alone")
	histories = flag.Int("histories", 150, "how many random histories to try")
	long      = flag.Duration("long", 0, "try random histories, from a random seed on, for as long as this")
)

// history is what one seed makes: an API with its lags, faults and quirks, a few
// processes one after the other, and callers in them that change and read documents
// all at once.
type history struct {
	*rand.Rand
	seed    uint64
	w       *world
	keys    []string
	callers []*caller
	tuning  func(*vsclient.Config)
	frail   bool
	serial  int
	unlike  bool            // attributes are never again what they were: see "What does not hold" in docs/faults.md
	told    strings.Builder // what it is, for a report

	failures atomic.Int64
	mu       sync.Mutex
	bad      findings
}

// caller owns some keys and works through its steps in order.
type caller struct {
	keys  []string
	steps []step
	next  int
	rng   *rand.Rand
}

func (h *history) wrong(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bad.wrong = append(h.bad.wrong, fmt.Sprintf(format, args...))
}

func (h *history) chance(p float64) bool { return h.Float64() < p }

// upTo is a time from 0 to d; half of them are 0.
func (h *history) upTo(d time.Duration) time.Duration {
	if h.chance(0.5) {
		return 0
	}
	return time.Duration(h.Int64N(int64(d)))
}

// api draws how the API behaves.
func (h *history) api() openaitest.Config {
	q := openaitest.Quirks{}
	for _, set := range []func(){
		func() { q.SecondDetachOK = true }, func() { q.ReattachKeepsAttributes = true }, func() { q.ReattachReindexes = true },
		func() { q.BadFileInBatch = openaitest.BadFileFails }, func() { q.BadFileInBatch = openaitest.BadFileSkipped },
		func() { q.BaseFilenames = true }, func() { q.DecodeFilenames = true }, func() { q.DeletedCursorRefused = true },
		func() { q.FilterAfterPage = true }, func() { q.ShuffledTies = true }, func() { q.BatchGetReturnsStore = true },
		func() { q.UnknownBatch500 = true }, func() { q.AttributeBytes, q.AttributeValueMax = true, 256 },
		func() { q.NullBytes = true }, func() { q.EarlyCompleted = true }, func() { q.UpdateWhileIndexingRefused = true },
		func() { q.UnknownFile400 = true }, func() { q.WritesNotFound = true }, func() { q.DeleteLeavesCounts = true },
	} {
		if h.chance(0.25) {
			set()
		}
	}
	cfg := openaitest.Config{
		Seed: h.Uint64(), Latency: time.Duration(1+h.IntN(80)) * time.Millisecond, Quirks: q,
		IndexTime: h.upTo(20 * time.Second), IndexJitter: h.upTo(20 * time.Second), PollAfter: h.upTo(5 * time.Second),
		ListLag:   openaitest.Lag{Attach: h.upTo(2 * time.Minute), Detach: h.upTo(2 * time.Minute), Update: h.upTo(2 * time.Minute)},
		CountsLag: h.upTo(2 * time.Minute), NotFoundWindow: h.upTo(20 * time.Second), GhostWindow: h.upTo(15 * time.Second),
		FreshFileWindow: h.upTo(3 * time.Second),
	}
	if h.chance(0.3) {
		cfg.IndexRules = append(cfg.IndexRules, openaitest.IndexRule{Rate: 0.2, Times: 2, Code: "server_error"})
	}
	if h.chance(0.15) {
		cfg.IndexRules = append(cfg.IndexRules, openaitest.IndexRule{Rate: 0.1, Times: 1, Stuck: true})
	}
	for range h.IntN(6) {
		k := kinds[h.IntN(len(kinds))]
		f := k.fault
		f.Nth = 1 + h.IntN(250)
		f.Times = 1 + h.IntN(3)
		cfg.Faults = append(cfg.Faults, f)
	}
	if h.chance(0.4) {
		f := kinds[h.IntN(len(kinds)-2)].fault // no hangs at a rate
		f.Rate, f.Times = 0.02+0.05*h.Float64(), -1
		cfg.Faults = append(cfg.Faults, f)
	}
	fmt.Fprintf(&h.told, "%+v", cfg)
	return cfg
}

// plan draws keys, callers and their steps.
func (h *history) plan(cfg openaitest.Config) {
	h.unlike = cfg.ListLag.Update > 0
	shapes := []string{"%d.md", "dir/%d.md", "k %d", "{\"id\":%d}", "é%d.json", "two\r\nlines %d", strings.Repeat("long ", 250) + "%d.txt"}
	h.keys = []string{legacyKey}
	for i := range 2 + h.IntN(9) {
		h.keys = append(h.keys, fmt.Sprintf(shapes[h.IntN(len(shapes))], i))
	}
	for i := range 1 + h.IntN(4) {
		c := &caller{rng: rand.New(rand.NewPCG(h.seed, uint64(i)+100))}
		h.callers = append(h.callers, c)
	}
	for i, key := range h.keys {
		c := h.callers[i%len(h.callers)]
		c.keys = append(c.keys, key)
	}
	for _, c := range h.callers {
		if len(c.keys) == 0 {
			continue
		}
		for range 4 + h.IntN(16) {
			c.steps = append(c.steps, h.step(c.keys[h.IntN(len(c.keys))]))
		}
	}
	wait := vsclient.WaitIndexed
	if h.chance(0.2) {
		wait = vsclient.WaitAttached
	}
	h.frail = h.chance(0.25)
	concurrency, batch, patience := 1+h.IntN(32), 1+h.IntN(10), cmp.Or(h.upTo(time.Minute), vsclient.DefaultRetryTimeout)
	h.tuning = func(cfg *vsclient.Config) {
		cfg.Concurrency, cfg.BatchSize, cfg.WaitFor, cfg.RetryTimeout = concurrency, batch, wait, patience
		if h.frail {
			cfg.RetryTimeout = time.Nanosecond
		}
	}
	fmt.Fprintf(&h.told, "\n%d keys, %d callers, concurrency %d, batches of %d, wait for %v, retries for %v, frail %v", len(h.keys), len(h.callers), concurrency, batch, wait, patience, h.frail)
}

func (h *history) step(key string) step {
	s := step{key: key, content: fmt.Sprintf("content %02d", h.IntN(6))}
	switch n := h.IntN(100); {
	case n < 20:
		s.op = vsclient.OpDelete
	case n < 35:
		s.op = vsclient.OpSet
	case n < 45:
		s.chunks = vsclient.Chunking{MaxTokens: 200, OverlapTokens: 100}
	}
	if h.unlike || h.chance(0.5) {
		h.serial++
		s.attrs = vsclient.Attributes{"n": h.serial, "s": "x"}
	}
	return s
}

// run carries the history out.
func (h *history) run(t *testing.T) (bad findings, bounded int) {
	h.Rand = rand.New(rand.NewPCG(h.seed, 1))
	synctest.Test(t, func(t *testing.T) {
		cfg := h.api()
		h.plan(cfg)
		faults := cfg.Faults
		cfg.Faults = nil
		h.w = newWorld(cfg, h.keys)
		h.w.srv.Inject(faults...)
		var dead []*vsclient.Client
		cutOff := 0
		for range h.IntN(3) {
			n := h.life(&dead)
			cutOff += n
		}
		c := h.w.client(nil, h.tuning)
		h.live(c, h.session())
		if err := c.Flush(neverDone); err != nil {
			h.wrong("%v", err)
		}
		if h.lags() {
			// What fails after its put has returned is told to the log alone.
			c.Close()
			c = h.w.client(nil, h.tuning, func(cfg *vsclient.Config) { cfg.WaitFor = vsclient.WaitIndexed })
		}
		h.finish(c)
		time.Sleep(settling)
		h.bad.add(h.w.examine())
		h.bad.leftovers = nil
		most := cutOff + int(h.failures.Load())
		if bounded = len(h.w.loose()); bounded > most {
			h.bad.leftovers = append(h.bad.leftovers, fmt.Sprintf("%d Files are attached nowhere, where %d changes were cut off or failed: %v", bounded, most, h.w.examine().leftovers))
		}
		h.list()
		h.bad.add(h.w.tidy(c, h.keys))
		end := h.w.examine()
		end.leftovers = slices.DeleteFunc(end.leftovers, h.named(c))
		h.bad.add(end)
		if h.bad.any() && *verbose {
			h.w.requestLog(t)
		}
		c.Close()
		for _, c := range dead {
			c.Close()
		}
	})
	return h.bad, bounded
}

func (h *history) session() *session { return &session{w: h.w, lenient: true, early: h.lags()} }

// named tells what is left of a deletion that was cut off between detach and
// deletion, and never asked for again: a File from before this history, which no
// document records and the caller's word does not reach. It is listed, for a person
// to see.
func (h *history) named(c *vsclient.Client) func(leftover string) bool {
	found, err := c.Leftovers(neverDone, vsclient.LeftoverOptions{Keys: h.keys, Since: h.w.start})
	if err != nil {
		h.wrong("%v", err)
	}
	return func(leftover string) bool {
		return slices.ContainsFunc(found, func(l vsclient.Leftover) bool {
			return l.Evidence == vsclient.EvidenceName && l.CreatedAt.Before(h.w.start) && strings.HasPrefix(leftover, l.FileID+" ")
		})
	}
}

// life is that of a process that dies before its work is done. It returns how many
// changes were under way.
func (h *history) life(dead *[]*vsclient.Client) (cutOff int) {
	l := newLine(h.w.srv.Client().Transport, moment{1 + h.IntN(150), h.chance(0.5)}, nil)
	l.happen, l.drops = l.die, h.chance(0.5)
	c := h.w.client(l, h.tuning)
	*dead = append(*dead, c)
	log := h.session()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		h.live(c, log)
	}()
	select {
	case <-l.death.Done():
	case <-finished:
	}
	log.over.Store(true)
	l.die()
	synctest.Wait()
	for _, c := range h.callers {
		// What is not delivered again is followed by something else.
		if c.next < len(c.steps) && h.chance(0.25) {
			c.next++
		}
		cutOff += 4 // a caller may have as many under way, see work
		if h.lags() {
			cutOff += c.next // and what goes on in the background
		}
	}
	if h.chance(0.5) {
		time.Sleep(time.Duration(h.Int64N(int64(3 * time.Minute))))
	}
	return cutOff
}

// live lets all callers go on from where they are.
func (h *history) live(c *vsclient.Client, log *session) {
	var calls sync.WaitGroup
	for _, caller := range h.callers {
		calls.Go(func() { h.work(c, log, caller) })
	}
	calls.Wait()
}

// work carries out a caller's steps. What fails is tried again or given up for what
// comes next; now and then several keys go into one batch, and now and then what
// was written is read.
func (h *history) work(c *vsclient.Client, log *session, me *caller) {
	sure := make(map[string]bool) // the last change of that key has succeeded, in this process
	for !log.over.Load() && me.next < len(me.steps) {
		group := []step{me.steps[me.next]}
		for len(group) < 4 && me.next+len(group) < len(me.steps) && me.rng.Float64() < 0.4 {
			s := me.steps[me.next+len(group)]
			if slices.ContainsFunc(group, func(g step) bool { return g.key == s.key }) {
				break
			}
			group = append(group, s)
		}
		size := len(group)
		group = slices.DeleteFunc(group, func(s step) bool {
			return s.op == vsclient.OpSet && (!sure[s.key] || h.w.wanted(s.key) == nil)
		})
		deliver := sideBySide
		if me.rng.Float64() < 0.5 {
			deliver = inBatches
		}
		failures := deliver(neverDone, c, log, group)
		if log.over.Load() {
			return
		}
		for _, s := range group {
			sure[s.key] = true
		}
		again := false
		for _, f := range failures {
			sure[f.key] = false
			h.failures.Add(1)
			if h.lags() && f.op == vsclient.OpSet && errors.Is(f.err, vsclient.ErrNotFound) {
				continue // the put before it has failed, after it had returned
			}
			if !vsclient.Retryable(f.err) && !errors.Is(f.err, vsclient.ErrIndexing) {
				h.wrong("%v: %v", f.step, f.err)
			}
			again = again || me.rng.Float64() < 0.7
		}
		for _, s := range group {
			if sure[s.key] && me.rng.Float64() < 0.3 {
				h.readBack(c, log, s.key)
			}
		}
		if !again && !log.over.Load() {
			me.next += size
		}
	}
}

// readBack gets what has just been written.
func (h *history) readBack(c *vsclient.Client, log *session, key string) {
	want := h.w.wanted(key)
	info, err := c.Get(neverDone, key)
	switch {
	case log.over.Load():
	case vsclient.Retryable(err):
	case want == nil && !errors.Is(err, vsclient.ErrNotFound):
		h.wrong("%s was deleted, and Get finds %+v, %v", shown(key), info, err)
	case want == nil || h.lags():
	case err != nil:
		h.wrong("%s was put: %v", shown(key), err)
	case info.SHA256 != digest(want.content):
		h.wrong("%s was put, and Get finds other content", shown(key))
	}
}

// lags reports whether a put returns before its version is searchable.
func (h *history) lags() bool {
	var cfg vsclient.Config
	h.tuning(&cfg)
	return cfg.WaitFor == vsclient.WaitAttached
}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// finish makes a last change of each key, so that it is known what is to be there.
func (h *history) finish(c *vsclient.Client) {
	h.w.srv.ClearFaults()
	log := h.session()
	var last []step
	for _, key := range h.keys {
		s := h.step(key)
		if s.op == vsclient.OpSet {
			s.op = vsclient.OpPut
		}
		last = append(last, s)
	}
	for try := 0; len(last) > 0; try++ {
		failures := inBatches(neverDone, c, log, last)
		last = nil
		for _, f := range failures {
			h.failures.Add(1)
			last = append(last, f.step)
			if try > 10 {
				h.wrong("%v fails again and again: %v", f.step, f.err)
				return
			}
		}
	}
}

// list compares a new client's listing with what is to be there.
func (h *history) list() {
	c := h.w.client(nil)
	defer c.Close()
	found := make(map[string][]vsclient.Info)
	for info, err := range c.List(neverDone) {
		if err != nil {
			h.wrong("%v", err)
			return
		}
		found[info.KeySHA256] = append(found[info.KeySHA256], info)
	}
	for _, key := range h.keys {
		want, got := h.w.wanted(key), found[digest(key)]
		if want == nil && len(got) > 0 || want != nil && len(got) != 1 {
			h.wrong("the listing has %s %d times", shown(key), len(got))
		} else if want != nil && (got[0].SHA256 != digest(want.content) || got[0].Key != key && len(key) <= 1000) {
			h.wrong("the listing has %s as %+v", shown(key), got[0])
		}
	}
}

// TestRandomHistoriesEndAsTheModelDoes runs many callers, faults and deaths at random against a map
// of what is to be there. With -seed it reruns one history, with -long it goes on
// for that time.
func TestRandomHistoriesEndAsTheModelDoes(t *testing.T) {
	first, n := uint64(1), *histories
	var until time.Time
	switch {
	case *seed > 0:
		first, n = *seed, 1
	case *long > 0:
		first, n = rand.Uint64N(1<<40), 1<<40
		until = time.Now().Add(*long)
	case testing.Short(), underRace:
		n /= 5
	}
	reported := 0
	for s := first; s < first+uint64(n) && (until.IsZero() || time.Now().Before(until)); s++ {
		h := &history{seed: s}
		bad, bounded := h.run(t)
		count("random histories", func(f *figures) {
			f.bounded += bounded
			f.tell(bad)
		})
		if *long > 0 && (s-first)%1000 == 999 {
			fmt.Printf("%v\n%s\n", time.Now().Format(time.TimeOnly), table())
		}
		if bad.any() {
			t.Errorf("rerun it with -run TestRandomHistoriesEndAsTheModelDoes -seed %d -requests:%v\n  %s", s, bad, h.told.String())
			if reported++; reported > 4 {
				t.Fatal("and more")
			}
		}
	}
}
