package histories

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/gate"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// Outcome is the result of a history.
type Outcome struct {
	Wrong   []Finding
	Excused map[string]int // what cannot be promised, by name
	States  map[string]int // rare states that were reached, by name
	Order   []gate.Pass    // in which things happened at the API
	Took    time.Duration  // virtual
	Healthy time.Duration  // from the end of all faults until everything was right
	Asked   int            // requests
	Log     []string       // of requests, where asked for
}

// Finding is something that is wrong, and of which kind.
type Finding struct {
	Kind string
	Text string
}

// The kinds of findings.
const (
	kindLost     = "lost"     // a key misses a version that it must have, or has another one at the end
	kindDoubled  = "doubled"  // a key has two versions at the end
	kindGap      = "gap"      // a reader misses a key for a time
	kindStale    = "stale"    // a reader finds a version that may not be
	kindHarmed   = "harmed"   // something of somebody else's has changed
	kindLeft     = "left"     // a File that must not be is left over
	kindUnlisted = "unlisted" // one that may be is not listed
	kindAnswer   = "answer"   // a call says what is not so
	kindError    = "error"    // a call fails as it must not
	kindSlow     = "slow"     // a call takes too long
	kindAfter    = "after"    // a closed client makes a request
	kindCostly   = "costly"   // a call makes far too many requests
	kindOpen     = "open"     // something is still open when all must be settled
)

// process is one of a history.
type process struct {
	n      int
	store  int
	step   plan.Step
	c      *client.Client
	line   *gate.Line
	closed bool
	dead   bool
	orphan bool
	calls  sync.WaitGroup
	gone   time.Duration // when it died or was closed
	left   bool          // closed with an error
	begun  time.Duration
	open   map[*model.Call]*model.Cell
}

// history is a plan that is being carried out.
type history struct {
	plan    plan.Plan
	verbose bool
	srv     *openaitest.Server
	gate    *gate.Gate
	log     *trail.Log
	stores  []string // under test, the mirror, somebody else's
	wrongID string
	procs   map[int]*process
	cells   map[[2]int]*model.Cell // by store and key
	planted map[string]plan.Planted
	was     map[string]string
	texts   map[string]string // by SHA-256
	begun   time.Time
	clock   time.Duration

	done      bool                  // everything is judged
	expired   bool                  // the store under test
	expiredAt time.Duration         // since when
	told      map[int]time.Duration // when a call has told a process that it is gone: since then it may upload nothing
	crowds    int                   // Files that others have made meanwhile
	crowd300  []string              // their ids

	mu      sync.Mutex
	out     Outcome
	waiting sync.WaitGroup // calls that nobody waits for
}

// Run carries a plan out. drive, if not nil, is the order of an earlier run.
func Run(t *testing.T, p plan.Plan, drive []gate.Pass, verbose bool) Outcome {
	h := &history{
		plan: p, verbose: verbose, procs: make(map[int]*process), cells: make(map[[2]int]*model.Cell),
		planted: make(map[string]plan.Planted), texts: make(map[string]string), told: make(map[int]time.Duration),
	}
	h.out.Excused, h.out.States = make(map[string]int), make(map[string]int)
	// Waits between tries are drawn from here, see the directive in histories_test.go.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that goroutines take turns in the same order each time
	rand.Seed(int64(p.Seed))                        //nolint:staticcheck // no other way reaches the generator that backoff uses
	synctest.Test(t, func(*testing.T) { h.run(drive) })
	h.out.Order = h.gate.Order()
	h.out.Asked = len(h.log.Entries())
	return h.out
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (h *history) config() openaitest.Config {
	s := h.plan.Sea
	h.clock = time.Duration(s.Clock)
	cfg := openaitest.Config{
		Seed: h.plan.Seed, IndexTime: time.Duration(s.IndexTime), IndexJitter: time.Duration(s.Jitter),
		ListLag:        openaitest.Lag{Attach: time.Duration(s.ListAttach), Detach: time.Duration(s.ListDetach), Update: time.Duration(s.ListUpdate)},
		NotFoundWindow: time.Duration(s.NotFound), GhostWindow: time.Duration(s.Ghost), FreshFileWindow: time.Duration(s.FreshFile),
		Now:    func() time.Time { return time.Now().Add(h.clock) },
		Quirks: quirks(s.Quirks),
	}
	if s.Failing > 0 {
		cfg.IndexRules = append(cfg.IndexRules, openaitest.IndexRule{Rate: s.Failing, Times: 1, Code: "server_error"})
	}
	if s.Stuck > 0 {
		cfg.IndexRules = append(cfg.IndexRules, openaitest.IndexRule{Rate: s.Stuck, Times: 1, Stuck: true})
	}
	cfg.FailIndexing = func(f openaitest.FileInfo) (string, string) {
		if strings.HasPrefix(h.texts[f.SHA256], plan.BadText) {
			return "invalid_file", "The file could not be parsed."
		}
		return "", ""
	}
	return cfg
}

// quirks are the switches of those names, as EachQuirk writes them.
func quirks(names []string) (q openaitest.Quirks) {
	for _, name := range names {
		field, value, ok := strings.Cut(name, "=")
		if !ok {
			value = "true"
		}
		if json.Unmarshal(fmt.Appendf(nil, `{%q:%s}`, field, value), &q) != nil {
			if err := json.Unmarshal(fmt.Appendf(nil, `{%q:%q}`, field, value), &q); err != nil {
				panic(err)
			}
		}
	}
	return q
}

func (h *history) run(drive []gate.Pass) {
	h.begun = time.Now()
	h.texts[digest("")] = ""
	for _, s := range h.plan.Steps {
		for _, ch := range s.Changes {
			h.texts[digest(ch.Doc.Text)] = ch.Doc.Text
		}
	}
	for _, p := range h.plan.Planted {
		h.texts[digest(p.Text)] = p.Text
	}
	h.srv = openaitest.New(h.config())
	h.stores = []string{h.srv.NewVectorStore("ours"), h.srv.NewVectorStore("mirror"), h.srv.NewVectorStore("theirs")}
	h.wrongID = "vs_" + strings.Repeat("0", 32)
	h.plant()
	time.Sleep(time.Hour)
	h.plantFresh()
	h.was = h.describe()
	h.log = trail.NewLog()
	h.gate = gate.New(h.plan, h.srv.Client().Transport, h.log, drive)
	for store := range 2 {
		for i, key := range h.plan.Keys {
			c := &model.Cell{Store: store, Key: key, Index: i, States: []model.Value{model.Nothing}, Writers: make(map[int]bool)}
			for _, p := range h.plan.Planted {
				if p.Key == i && store == 0 && p.Ours {
					if c.States[0].Absent {
						c.States = nil
					}
					c.States = append(c.States, model.Value{Text: p.Text, Attrs: trail.AttrsText(trail.Own(p.Attrs))})
				}
			}
			c.Note(0)
			h.cells[[2]int{store, i}] = c
		}
	}
	go h.gate.Run()
	defer func() {
		h.gate.End()
		for _, n := range slices.Sorted(maps.Keys(h.procs)) {
			p := h.procs[n]
			p.line.Die()
			_ = p.c.Close()
		}
		h.waiting.Wait()
		h.gate.Wait()
		h.srv.Close()
	}()
	for i, s := range h.plan.Steps {
		h.gate.Pass(context.Background(), fmt.Sprintf("step %d %s", i, s.Do), "")
		h.take(s)
	}
	h.finish()
	h.states()
	h.mu.Lock()
	h.done = true
	h.mu.Unlock()
	h.out.Took = h.log.Now()
	if h.verbose {
		for _, e := range h.log.Entries() {
			h.out.Log = append(h.out.Log, e.String())
		}
	}
}

// plant makes the Files that are there before anything happens.
func (h *history) plant() {
	for _, p := range h.plan.Planted {
		if !p.Fresh {
			h.add(p, time.Now().Add(h.clock-24*time.Hour))
		}
	}
}

func (h *history) plantFresh() {
	for _, p := range h.plan.Planted {
		if p.Fresh {
			h.add(p, time.Now().Add(h.clock-5*time.Second))
		}
	}
}

func (h *history) add(p plan.Planted, at time.Time) {
	id := h.srv.AddFile(openaitest.NewFile{Name: p.Name, Purpose: p.Purpose, Content: []byte(p.Text), CreatedAt: at})
	if p.Ours {
		h.srv.AddStoreFile(h.stores[0], id, p.Attrs)
	}
	if p.Theirs {
		h.srv.AddStoreFile(h.stores[2], id, nil)
	}
	h.planted[id] = p
}

func (h *history) wrong(kind, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.out.Wrong = append(h.out.Wrong, Finding{kind, fmt.Sprintf(format, args...)})
}

func (h *history) reached(state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.out.States[state]++
}

func (h *history) excuse(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.out.Excused[name]++
}

func (h *history) tell(format string, args ...any) {
	if h.verbose {
		fmt.Printf("%12v %s\n", h.log.Now().Round(time.Millisecond), fmt.Sprintf(format, args...))
	}
}

// take carries one step out.
func (h *history) take(s plan.Step) {
	h.tell("STEP %v", s)
	p := h.procs[s.P]
	if p == nil && s.Do != plan.DoStart && s.Do != plan.DoSleep && s.Do != plan.DoOutage && s.Do != plan.DoCalm && s.Do != plan.DoJoin && s.Do != plan.DoStrip && s.Do != plan.DoHand && s.Do != plan.DoCrowd && s.Do != plan.DoThin && s.Do != plan.DoExpire {
		return // its start was cut away
	}
	switch s.Do {
	case plan.DoStart:
		h.start(s)
	case plan.DoApply:
		if !p.dead && len(s.Changes) > 0 {
			h.do(p, s, func(ctx context.Context) { h.apply(ctx, p, s.Changes) })
		}
	case plan.DoGet:
		if !p.dead {
			h.do(p, s, func(ctx context.Context) { h.get(ctx, p, s.Key) })
		}
	case plan.DoList:
		if !p.dead {
			h.do(p, s, func(ctx context.Context) { h.list(ctx, p) })
		}
	case plan.DoSweep:
		if !p.dead {
			h.do(p, s, func(ctx context.Context) { h.failed(p, "sweep", p.c.Sweep(ctx)) })
		}
	case plan.DoStrays:
		if !p.dead {
			h.do(p, s, func(ctx context.Context) {
				_, err := p.c.Strays(ctx, graceOfStrays, nil, time.Time{})
				h.failed(p, "leftovers", err)
			})
		}
	case plan.DoFlush:
		if !p.dead {
			h.do(p, s, func(ctx context.Context) { h.flush(ctx, p) })
		}
	case plan.DoClose:
		if !p.dead && !p.closed {
			h.close(p)
		}
	case plan.DoKill:
		h.kill(p)
	case plan.DoOrphan:
		p.orphan = true
	case plan.DoJoin:
		h.join()
	case plan.DoSleep:
		time.Sleep(time.Duration(s.For))
	case plan.DoOutage:
		h.gate.Outage(time.Duration(s.For), s.Fate)
	case plan.DoCalm:
		h.gate.Calm()
	case plan.DoStrip:
		h.strip(s)
	case plan.DoHand:
		h.hand(s)
	case plan.DoCrowd:
		h.crowd(s.Store)
	case plan.DoThin:
		h.thin()
	case plan.DoExpire:
		h.srv.ExpireVectorStore(h.stores[0], 0)
		h.mu.Lock()
		h.expired = true
		h.expiredAt = h.log.Now()
		h.mu.Unlock()
		h.reached(stateExpired)
	}
}

func (h *history) storeID(n int) string {
	if n < 0 {
		return h.wrongID
	}
	return h.stores[n]
}

func (h *history) start(s plan.Step) {
	if h.procs[s.P] != nil {
		return
	}
	p := &process{n: s.P, store: s.Store, step: s, line: h.gate.Line(s.P), begun: h.log.Now(), open: make(map[*model.Call]*model.Cell)}
	c, err := client.New(client.Settings{
		Store: h.storeID(s.Store), URL: h.srv.URL(), Transport: p.line, Attached: s.Attached, Concurrency: s.Concurrency, Batch: s.Batch,
		RetryFor: time.Duration(s.RetryFor), IndexFor: time.Duration(s.IndexFor), Verbose: h.verbose,
	})
	if err != nil {
		panic(err)
	}
	p.c = c
	h.procs[s.P] = p
	context.AfterFunc(p.line.Death, func() { h.died(p) })
}

// died notes that a process is dead: what it had under way may have taken effect.
func (h *history) died(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.dead {
		return
	}
	p.dead = true
	if !h.done {
		h.out.States[stateKilled]++
	}
	if p.gone == 0 {
		p.gone = h.log.Now()
	}
	for call, c := range p.open {
		c.Fail(call, p.gone, true)
	}
	clear(p.open)
}

func (h *history) kill(p *process) {
	p.line.Die()
	h.died(p)
}

// do makes a call, and waits for it unless the step says not to.
func (h *history) do(p *process, s plan.Step, call func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	if s.Within > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), time.Duration(s.Within))
	}
	done := make(chan struct{})
	p.calls.Add(1)
	h.waiting.Go(func() {
		defer close(done)
		defer p.calls.Done()
		defer cancel()
		call(ctx)
		if s.Within > 0 && ctx.Err() != nil && !p.line.Dead() {
			h.reached(stateGaveUp)
			if late := h.log.Now() - h.deadline(ctx); late > promptly {
				h.wrong(kindSlow, "process %d: a call returns %v after its context has ended: %v", p.n, late.Round(time.Millisecond), s)
			}
		}
	})
	if s.Go {
		return
	}
	select {
	case <-done:
	case <-p.line.Death.Done():
	}
}

func (h *history) deadline(ctx context.Context) time.Duration {
	d, _ := ctx.Deadline()
	return d.Sub(h.log.Start)
}

func (h *history) join() {
	for _, n := range slices.Sorted(maps.Keys(h.procs)) {
		p := h.procs[n]
		if p.dead || p.orphan {
			continue
		}
		done := make(chan struct{})
		go func() { p.calls.Wait(); close(done) }()
		select {
		case <-done:
		case <-p.line.Death.Done():
		}
	}
}

// apply makes changes and tells the model.
func (h *history) apply(ctx context.Context, p *process, changes []plan.Change) {
	var calls []*model.Call
	var cells []*model.Cell
	var list []client.Keyed
	h.mu.Lock()
	for _, ch := range changes {
		list = append(list, client.Keyed{Op: ch.Op, Key: h.plan.Keys[ch.Key], Doc: ch.Doc})
		if p.store < 0 || p.closed {
			cells, calls = append(cells, nil), append(calls, nil)
			continue
		}
		c := h.cells[[2]int{p.store, ch.Key}]
		for n := range c.Writers {
			if q := h.procs[n]; n != p.n && !q.dead && !q.closed {
				h.out.States[stateTwo]++
				if q.orphan {
					h.out.States[stateOrphan]++
				}
			}
		}
		call := c.Begin(p.n, ch.Op, ch.Doc, h.log.Now())
		if c.Unseen(call, p.begun, time.Duration(h.plan.Sea.NotFound)) {
			h.out.Excused[excuseUnseen]++
		}
		cells, calls = append(cells, c), append(calls, call)
		p.open[call] = c
	}
	closed := p.closed
	h.mu.Unlock()
	ended := func(i int, a client.Answer) {
		if p.line.Dead() {
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if a.Err == nil && (closed || p.store < 0) {
			h.out.Wrong = append(h.out.Wrong, Finding{kindAnswer, fmt.Sprintf("process %d: %s %s succeeds though its client is closed or its store does not exist", p.n, list[i].Op, trail.Shown(list[i].Key))})
		}
		if calls[i] == nil {
			return
		}
		h.tell("process %d: %s %s %q {%s}: %s %v", p.n, list[i].Op, trail.Shown(list[i].Key), list[i].Doc.Text, trail.AttrsText(list[i].Doc.Attrs), a.Outcome, a.Err)
		delete(p.open, calls[i])
		h.answered(p, cells[i], calls[i], a)
	}
	if len(list) == 1 {
		ended(0, p.c.Do(ctx, list[0]))
		return
	}
	p.c.Apply(ctx, list, ended)
}

// answered tells the model how a change has ended, and judges the answer. The
// caller holds mu.
func (h *history) answered(p *process, c *model.Cell, call *model.Call, a client.Answer) {
	now := h.log.Now()
	wrong := func(kind, format string, args ...any) {
		h.out.Wrong = append(h.out.Wrong, Finding{kind, fmt.Sprintf("%v of %s: ", call, trail.Shown(c.Key)) + fmt.Sprintf(format, args...)})
	}
	if call.Ended {
		return
	}
	if c.Store == 0 && h.expired && call.From >= h.expiredAt {
		switch {
		case a.Outcome == "unchanged": // without a request
		case a.Err == nil:
			wrong(kindAnswer, "it succeeds although the store has expired")
		case a.Class != client.Everybody && a.Class != client.Stopped && a.Class != client.Service && !refused(c.Key, call.Doc):
			wrong(kindError, "the store has expired, and the error is %v: %v", a.Class, a.Err)
		}
		if _, told := h.told[p.n]; !told && a.Class == client.Everybody {
			h.told[p.n] = now
		}
		c.Fail(call, now, true)
		return
	}
	h.backAgain(c)
	before := c.During(call.From, now)
	mustRefuse := call.Op != plan.OpDelete && refused(c.Key, call.Doc)
	switch {
	case a.Err == nil:
		if mustRefuse {
			wrong(kindAnswer, "it is accepted, and must be refused")
		}
		if a.Outcome == "unchanged" && call.Op == plan.OpPut && !slices.Contains(before, model.ValueOf(call.Doc)) {
			wrong(kindAnswer, "unchanged, where there can be %s", model.Show(before))
		}
		if p.step.Attached && call.Op == plan.OpPut {
			h.out.States[stateAttached]++
		}
		if len(before) > 0 && a.Outcome == "replaced" && h.unmarked(c) {
			h.out.States[stateUnmarked]++
		}
		before = c.States
		c.Succeed(call, now, p.step.Attached)
		if a.Outcome == "unchanged" && c.StrippedAt > p.begun && now-c.StrippedAt < trustedFor {
			c.States = model.Union(before, c.States) // it need not have seen that
			c.Note(now)
			h.out.Excused[excuseUnseen]++
		}
		if len(c.States) == 0 {
			wrong(kindAnswer, "%s, where there can be nothing", a.Outcome)
			c.States = []model.Value{model.Nothing}
		}
		return
	case a.Class == client.Stopped:
		c.Fail(call, now, true)
		return
	case a.Class == client.Service:
		c.Fail(call, now, true)
		return
	case mustRefuse:
	case a.Class == client.Everybody && c.Store == 0 && h.expired: // while the call was under way
		c.Fail(call, now, true)
		return
	case a.Class == client.Everybody:
		wrong(kindError, "an error of everybody: %v", a.Err)
	case call.Op == plan.OpUpdate && a.NotFound:
		if !slices.ContainsFunc(before, func(v model.Value) bool { return v.Absent }) {
			wrong(kindAnswer, "not found, where there is %s", model.Show(before))
		}
	case a.Indexing && (strings.HasPrefix(call.Doc.Text, plan.BadText) || h.plan.Sea.Failing > 0 || h.plan.Sea.Stuck > 0):
		h.out.States[stateNotIndexed]++
	default:
		wrong(kindError, "a good document is refused: %v", a.Err)
	}
	c.Fail(call, now, false)
}

// refused reports whether a document has to be refused before any request.
func refused(key string, d plan.Doc) bool {
	parts := (len(key) + 255) / 256
	return key == "" || len(key) > 1024 || len(d.Attrs)+2+parts > 16
}

func (h *history) failed(p *process, name string, err error) {
	if err == nil {
		return
	}
	class := client.ClassOf(err)
	if class != client.Service && class != client.Stopped && p.store >= 0 && !p.line.Dead() && !(p.store == 0 && h.expired) {
		h.wrong(kindError, "process %d: %s: %v", p.n, name, err)
	}
}

func (h *history) flush(ctx context.Context, p *process) {
	h.mu.Lock()
	var accepted []*model.Cell
	var calls []*model.Call
	for _, c := range h.cells {
		if c.Accepted != nil && c.Accepted.P == p.n {
			accepted, calls = append(accepted, c), append(calls, c.Accepted)
		}
	}
	h.mu.Unlock()
	told, err := p.c.Flush(ctx)
	if p.line.Dead() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range accepted {
		if slices.Contains(told, c.Key) && c.Accepted == calls[i] {
			c.Accepted = nil // this Flush has told it, and no later one does
		}
		if err != nil || c.Accepted != calls[i] || p.closed || h.expired && c.Store == 0 {
			continue
		}
		if strings.HasPrefix(calls[i].Doc.Text, plan.BadText) {
			h.out.Wrong = append(h.out.Wrong, Finding{kindAnswer, fmt.Sprintf("%v of %s: it could not be indexed, and Flush returns no error", calls[i], trail.Shown(c.Key))})
			c.Accepted = nil
			continue
		}
		c.Settle(calls[i], h.log.Now())
	}
}

// get reads a key and judges the answer.
func (h *history) get(ctx context.Context, p *process, key int) {
	from := h.log.Now()
	h.mu.Lock()
	if p.store >= 0 {
		h.cells[[2]int{p.store, key}].Touched = true
	}
	h.mu.Unlock()
	got, a := p.c.Get(ctx, h.plan.Keys[key])
	if p.line.Dead() || p.store == 0 && h.expired {
		return
	}
	h.tell("process %d: get %s: %+v %v", p.n, trail.Shown(h.plan.Keys[key]), got, a.Err)
	if p.store < 0 {
		if a.Err == nil || a.NotFound && a.Class != client.Everybody {
			h.wrong(kindAnswer, "process %d: get of a store that does not exist: %v", p.n, a.Err)
		}
		return
	}
	if a.Err != nil && !a.NotFound {
		h.failed(p, "get", a.Err)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.cells[[2]int{p.store, key}]
	allowed := c.During(from, h.log.Now())
	v := model.Nothing
	if a.NotFound && (h.excusedRemoval(c, h.log.Now()) || h.hidden(c, p, from)) || a.Err == nil && got.Status != "completed" {
		return
	}
	if a.Err == nil && h.ghost(got.FileID, p, from) {
		h.out.Excused[excuseUnseen]++
		return
	}
	if a.Err == nil && slices.Contains(allowed, model.Nothing) && h.excusedWatch(c, openaitest.StoreFile{FileID: got.FileID}, h.log.Now()) {
		return
	}
	if a.Err == nil {
		v = model.Value{Text: h.texts[got.SHA256], Attrs: trail.AttrsText(got.Attrs)}
	}
	late := a.Err == nil && h.excusedLate(got.FileID) && slices.ContainsFunc(allowed, func(w model.Value) bool { return w.Text == v.Text })
	if !model.AnyLike(allowed, v) && !(a.Err == nil && got.SHA256 == "") && !late {
		h.out.Wrong = append(h.out.Wrong, Finding{kindAnswer, fmt.Sprintf("process %d: get %s finds %v, where there can be %s", p.n, trail.Shown(c.Key), v, model.Show(allowed))})
	}
}

// ghost reports whether a GET shows a version that another process has removed.
func (h *history) ghost(file string, p *process, at time.Duration) bool {
	return slices.ContainsFunc(h.log.Of(file), func(e *trail.Entry) bool {
		return e.P != p.n && e.Endpoint == "DELETE store/files/{id}" && e.At > 0 && e.At+time.Duration(h.plan.Sea.Ghost) >= at
	})
}

// hidden reports whether a GET says 404 of a version that another process has attached.
func (h *history) hidden(c *model.Cell, p *process, at time.Duration) bool {
	return slices.ContainsFunc(h.files(c), func(f openaitest.StoreFile) bool {
		shown := h.attached(f.FileID)
		return h.maker(f.FileID) != p.n && len(shown) > 0 && shown[len(shown)-1]+time.Duration(h.plan.Sea.NotFound) >= at
	})
}

// list lists the store. Listings lag; only a document that can never have been is
// wrong.
func (h *history) list(ctx context.Context, p *process) {
	before := h.log.Asked(p.n)
	got, err := p.c.List(ctx)
	if p.line.Dead() || p.store == 0 && h.expired {
		return
	}
	if n := h.log.Asked(p.n) - before; h.crowds > 0 && n > crowded/2 {
		h.wrong(kindCostly, "process %d: a listing of %d documents makes %d requests, since others have made %d Files", p.n, len(got), n, h.crowds)
	}
	if err != nil {
		h.failed(p, "list", err)
		return
	}
	if p.store < 0 {
		h.wrong(kindAnswer, "process %d lists a store that does not exist", p.n)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range got {
		i := slices.Index(h.plan.Keys, s.Key)
		if i < 0 || s.Status != "completed" || s.SHA256 == "" {
			continue
		}
		c := h.cells[[2]int{p.store, i}]
		allowed := c.During(h.log.Now()-watched, h.log.Now())
		if v := (model.Value{Text: h.texts[s.SHA256], Attrs: trail.AttrsText(s.Attrs)}); !model.AnyLike(allowed, v) && !h.excusedLate(s.FileID) {
			h.out.Wrong = append(h.out.Wrong, Finding{kindAnswer, fmt.Sprintf("process %d: the listing has %s as %v, where there can be %s", p.n, trail.Shown(c.Key), v, model.Show(allowed))})
		}
	}
}

// close ends a process in good order.
func (h *history) close(p *process) {
	h.mu.Lock()
	p.closed = true
	if len(p.open) > 0 {
		h.out.States[stateClosed]++
	}
	h.mu.Unlock()
	from := h.log.Now()
	done := make(chan error, 1)
	h.waiting.Go(func() { done <- p.c.Close() })
	var err error
	select {
	case err = <-done:
	case <-p.line.Death.Done():
		return
	}
	if took := h.log.Now() - from; took > client.CloseWithin+promptly {
		h.wrong(kindSlow, "process %d: Close takes %v", p.n, took.Round(time.Millisecond))
	}
	p.left = err != nil
	h.mu.Lock()
	if p.gone == 0 {
		p.gone = h.log.Now()
	}
	h.mu.Unlock()
	// Its calls have their answers; whatever comes after this is too late.
	time.Sleep(time.Millisecond)
	h.mu.Lock()
	for call, c := range p.open {
		c.Fail(call, h.log.Now(), true)
	}
	clear(p.open)
	h.mu.Unlock()
}

// strip replaces the attributes of a key's only store file, as another tool might.
func (h *history) strip(s plan.Step) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.cells[[2]int{0, s.Key}]
	if len(c.Pending) > 0 || len(c.States) != 1 || c.States[0].Absent {
		return
	}
	var found []string
	var name string
	for _, f := range h.srv.Snapshot().Store(h.stores[0]).Files {
		if trail.Marked(f.Attributes) && h.owner(f.FileID, f.Attributes, f.Filename) == c.Key {
			found, name = append(found, f.FileID), f.Filename
		}
	}
	if len(found) != 1 || !h.tells(found[0], name, c.Key) {
		return
	}
	h.srv.AddStoreFile(h.stores[0], found[0], map[string]any{"by": "another tool"})
	c.Replace(map[string]any{"by": "another tool"}, h.log.Now())
	c.StrippedAt = h.log.Now()
	h.out.States[stateStripped]++
}

// tells reports whether a File's name alone shows that it is the key's: it is the key,
// or carries its digest and is the one that was sent.
func (h *history) tells(id, name, key string) bool {
	up := h.uploaded(id)
	return name == key || up != nil && up.Name == name && strings.Contains(name, "-"+digest(key)[:8]+".")
}

// hand attaches a key's File to somebody else's store.
func (h *history) hand(s plan.Step) {
	for _, f := range h.srv.Snapshot().Store(h.stores[0]).Files {
		if _, planted := h.planted[f.FileID]; !planted && trail.KeyOf(f.Attributes, f.Filename) == h.plan.Keys[s.Key] {
			h.srv.AddStoreFile(h.stores[2], f.FileID, nil)
			h.reached(stateHand)
		}
	}
}

// crowded is how many Files another store gets at once.
const crowded = 300

// crowd fills another store of the project, or the store under test, with Files of
// other names and keys.
func (h *history) crowd(store int) {
	var attrs map[string]any
	if store == 0 {
		attrs = map[string]any{"vs_key": "a key of the crowd", "vs_version": "0000000000000001"}
	} else {
		store = 2
	}
	for i := range crowded {
		name := fmt.Sprintf("crowd %d of %d.md", i, h.log.Now())
		id := h.srv.AddFile(openaitest.NewFile{Name: name, Content: []byte(name)})
		if attrs != nil {
			attrs = map[string]any{"vs_key": name, "vs_version": "0000000000000001"}
		}
		h.srv.AddStoreFile(h.stores[store], id, attrs)
		h.planted[id] = plan.Planted{Name: name, Text: name, Key: -1, Theirs: store == 2, Ours: store == 0, Attrs: attrs}
		h.texts[digest(name)] = name
		h.crowd300 = append(h.crowd300, id)
	}
	h.was = h.describeWith(h.was)
	if store == 2 {
		h.crowds += crowded
	}
}

// thin deletes every second File of the crowd, as other people do.
func (h *history) thin() {
	for i, id := range h.crowd300 {
		if i%2 == 0 {
			continue
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, h.srv.URL()+"/files/"+id, nil)
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "Bearer sk-test")
		if resp, err := h.srv.Client().Do(req); err == nil {
			resp.Body.Close()
		}
		delete(h.was, id)
		delete(h.planted, id)
	}
	h.crowd300 = nil
}

// unmarked reports whether the key has begun with a File without attributes, and
// this is its first change that succeeds.
func (h *history) unmarked(c *model.Cell) bool {
	return c.Store == 0 && len(c.Calls) == 1 && slices.ContainsFunc(h.plan.Planted, func(p plan.Planted) bool { return p.Ours && p.Key == c.Index })
}
