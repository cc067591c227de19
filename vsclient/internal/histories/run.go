package histories

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/deeds"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/gate"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/judge"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/people"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/rare"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/readers"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// process is one of a history.
type process struct {
	*course.Process
	c     *client.Client
	line  *gate.Line
	calls sync.WaitGroup
}

// history is a plan that is being carried out.
type history struct {
	*judge.Judge
	verbose bool
	gate    *gate.Gate
	wrongID string
	procs   map[int]*process
	people  *people.People
	readers *readers.Readers
	waiting sync.WaitGroup
}

// Run carries a plan out. drive, if not nil, is the order of an earlier run.
func Run(t *testing.T, p plan.Plan, drive []trail.Pass, verbose bool) course.Outcome {
	j := judge.New(p)
	h := &history{Judge: j, people: &people.People{Judge: j}, readers: &readers.Readers{Judge: j}, verbose: verbose, procs: make(map[int]*process)}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that goroutines take turns in the same order each time
	synctest.Test(t, func(*testing.T) { h.run(drive) })
	h.Out.Order = h.gate.Order()
	h.Out.Whole, h.Out.Kept = h.gate.Kept()
	h.Out.Asked = len(h.Entries())
	return h.Out
}

func (h *history) config() openaitest.Config {
	s := h.Plan.API
	h.Clock = time.Duration(s.Clock)
	cfg := openaitest.Config{
		Seed: h.Plan.Seed, IndexTime: time.Duration(s.IndexTime), IndexJitter: time.Duration(s.Jitter),
		ListLag:        openaitest.Lag{Attach: time.Duration(s.ListAttach), Detach: time.Duration(s.ListDetach), Update: time.Duration(s.ListUpdate)},
		NotFoundWindow: time.Duration(s.NotFound), GhostWindow: time.Duration(s.Ghost), FreshFileWindow: time.Duration(s.FreshFile),
		Now:    func() time.Time { return time.Now().Add(h.Clock) },
		Quirks: quirks(s.Quirks),
	}
	if s.Failing > 0 {
		cfg.IndexRules = append(cfg.IndexRules, openaitest.IndexRule{Rate: s.Failing, Times: 1, Code: "server_error"})
	}
	if s.Stuck > 0 {
		cfg.IndexRules = append(cfg.IndexRules, openaitest.IndexRule{Rate: s.Stuck, Times: 1, Stuck: true})
	}
	cfg.FailIndexing = func(f openaitest.FileInfo) (string, string) {
		if strings.HasPrefix(h.Texts[f.SHA256], plan.BadText) {
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

func (h *history) run(drive []trail.Pass) {
	h.Texts[trail.Digest("")] = ""
	for _, s := range h.Plan.Steps {
		for _, ch := range s.Changes {
			h.Texts[trail.Digest(ch.Doc.Text)] = ch.Doc.Text
		}
	}
	for _, p := range h.Plan.Planted {
		h.Texts[trail.Digest(p.Text)] = p.Text
	}
	h.Srv = openaitest.New(h.config())
	h.Stores = []string{h.Srv.NewVectorStore("ours"), h.Srv.NewVectorStore("mirror"), h.Srv.NewVectorStore("theirs")}
	h.wrongID = "vs_" + strings.Repeat("0", 32)
	h.people.Begin()
	h.Log = trail.NewLog()
	h.gate = gate.New(h.Plan, h.Srv.Client().Transport, h.Log, drive, h.Status)
	for store := range 2 {
		for i, key := range h.Plan.Keys {
			c := &model.Cell{Store: store, Key: key, Index: i, States: []model.Value{model.Nothing}, Writers: make(map[int]bool)}
			for _, p := range h.Plan.Planted {
				if p.Key == i && store == 0 && p.Ours {
					if c.States[0].Absent {
						c.States = nil
					}
					c.States = append(c.States, model.Value{Text: p.Text, Attrs: trail.AttrsText(trail.Own(p.Attrs))})
				}
			}
			c.Note(0)
			h.Cells[[2]int{store, i}] = c
		}
	}
	go h.gate.Run()
	defer func() {
		h.gate.End()
		for _, n := range slices.Sorted(maps.Keys(h.procs)) {
			p := h.procs[n]
			p.line.Die()
			_, _ = p.c.Close()
		}
		h.waiting.Wait()
		h.gate.Wait()
		h.Srv.Close()
	}()
	for i, s := range h.Plan.Steps {
		h.gate.Pass(context.Background(), fmt.Sprintf("step %d %s", i, s.Do), "")
		h.take(s)
	}
	h.finish()
	deeds.TakenBack(h.Course)
	deeds.Numbered(h.Course)
	deeds.Older(h.Course)
	rare.Reach(h.Course)
	h.Mu.Lock()
	h.Done = true
	h.Mu.Unlock()
	h.Out.Took = h.Now()
	if h.verbose {
		for _, e := range h.Entries() {
			h.Out.Log = append(h.Out.Log, e.String())
		}
	}
}

func (h *history) tell(format string, args ...any) {
	if h.verbose {
		fmt.Printf("%12v %s\n", h.Now().Round(time.Millisecond), fmt.Sprintf(format, args...))
	}
}

// take carries one step out.
func (h *history) take(s plan.Step) {
	h.tell("STEP %v", s)
	p := h.procs[s.P]
	if p == nil && s.Do != plan.DoStart && s.Do != plan.DoSleep && s.Do != plan.DoOutage && s.Do != plan.DoCalm && s.Do != plan.DoJoin && s.Do != plan.DoStrip && s.Do != plan.DoAttachElsewhere && s.Do != plan.DoCrowd && s.Do != plan.DoThin && s.Do != plan.DoExpire {
		return // its start was cut away
	}
	switch s.Do {
	case plan.DoStart:
		h.start(s)
	case plan.DoApply:
		if h.alive(p) && len(s.Changes) > 0 {
			h.do(p, s, func(ctx context.Context) { h.apply(ctx, p, s.Changes) })
		}
	case plan.DoGet, plan.DoText:
		if h.alive(p) {
			h.do(p, s, func(ctx context.Context) { h.get(ctx, p, s.Do, s.Key) })
		}
	case plan.DoSearch:
		if h.alive(p) {
			h.do(p, s, func(ctx context.Context) { h.search(ctx, p, s.Query) })
		}
	case plan.DoList:
		if h.alive(p) {
			h.do(p, s, func(ctx context.Context) { h.list(ctx, p) })
		}
	case plan.DoSweep, plan.DoStrays:
		if h.alive(p) {
			h.do(p, s, func(ctx context.Context) { h.sweep(ctx, p, s.Do) })
		}
	case plan.DoFlush:
		if h.alive(p) {
			h.do(p, s, func(ctx context.Context) { h.flush(ctx, p) })
		}
	case plan.DoClose:
		if h.alive(p) && !p.Closed {
			h.close(p, time.Duration(s.Within))
		}
	case plan.DoKill:
		h.kill(p)
	case plan.DoOrphan:
		p.Orphan = true
	case plan.DoJoin:
		h.join()
	case plan.DoSleep:
		time.Sleep(time.Duration(s.For))
	case plan.DoOutage:
		h.gate.Outage(time.Duration(s.For), s.Fate)
	case plan.DoCalm:
		h.calm()
	case plan.DoStrip:
		h.people.Strip(s)
	case plan.DoAttachElsewhere:
		h.people.AttachElsewhere(s)
	case plan.DoCrowd:
		h.people.Crowd(s.Store)
	case plan.DoThin:
		h.people.Thin()
	case plan.DoExpire:
		h.Srv.ExpireVectorStore(h.Stores[0], 0)
		h.Mu.Lock()
		h.Expired = true
		h.ExpiredAt = h.Now()
		h.Mu.Unlock()
		h.Reached(rare.Expired)
	}
}

// calm ends all faults.
func (h *history) calm() {
	h.gate.Calm()
	h.Mu.Lock()
	defer h.Mu.Unlock()
	h.Calmed = cmp.Or(h.Calmed, h.Now())
}

func (h *history) storeID(n int) string {
	if n < 0 {
		return h.wrongID
	}
	return h.Stores[n]
}

func (h *history) start(s plan.Step) {
	if h.procs[s.P] != nil {
		return
	}
	p := &process{Process: h.Begin(s), line: h.gate.Line(s.P)}
	c, err := client.New(client.Settings{
		Store: h.storeID(s.Store), URL: h.Srv.URL(), Transport: p.line, Attached: s.Attached, Concurrency: s.Concurrency, Batch: s.Batch,
		RetryFor: time.Duration(s.RetryFor), IndexFor: time.Duration(s.IndexFor), Verbose: h.verbose,
	})
	if err != nil {
		panic(err)
	}
	p.c = c
	h.procs[s.P] = p
	context.AfterFunc(p.line.Death, func() { h.died(p) })
}

// died notes that a process is dead: its calls under way may have taken effect.
func (h *history) died(p *process) {
	h.Mu.Lock()
	defer h.Mu.Unlock()
	if p.Dead {
		return
	}
	p.Dead = true
	if !h.Done {
		h.Out.States[rare.Killed]++
	}
	if p.Gone == 0 {
		p.Gone = h.Now()
	}
	for call, c := range p.Open {
		c.Fail(call, p.Gone, true)
	}
	clear(p.Open)
}

// alive reports whether the process lives. A fault can have killed it a moment ago.
func (h *history) alive(p *process) bool {
	if p.line.Dead() {
		h.died(p)
	}
	return !p.Dead
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
			h.Reached(rare.GaveUp)
			if late := h.Now() - h.deadline(ctx); late > judge.Promptly {
				h.Wrong(course.KindSlow, "process %d: a call returns %v after its context has ended: %v", p.N, late.Round(time.Millisecond), s)
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
	return d.Sub(h.Start)
}

func (h *history) join() {
	for _, n := range slices.Sorted(maps.Keys(h.procs)) {
		p := h.procs[n]
		if !h.alive(p) || p.Orphan {
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

// apply makes changes and enters them into the model.
func (h *history) apply(ctx context.Context, p *process, changes []plan.Change) {
	var calls []*model.Call
	var cells []*model.Cell
	var list []client.Keyed
	h.Mu.Lock()
	last := make(map[int]*model.Call) // of this Apply, by key
	for _, ch := range changes {
		list = append(list, client.Keyed{Op: ch.Op, Key: h.Plan.Keys[ch.Key], Doc: ch.Doc, If: ch.If})
		if p.Store < 0 || p.Closed {
			cells, calls = append(cells, nil), append(calls, nil)
			continue
		}
		c := h.Cells[[2]int{p.Store, ch.Key}]
		for n := range c.Writers {
			switch q := h.procs[n]; {
			case n == p.N || q.Dead || q.Closed:
			case q.Orphan:
				h.Out.States[rare.Orphan]++
			default:
				h.Out.States[rare.Two]++
			}
		}
		call := c.Begin(p.N, ch, last[ch.Key], h.Now())
		if last[ch.Key] != nil {
			h.Out.States[rare.Merged]++
		}
		last[ch.Key] = call
		if c.Unseen(call, p.Begun, time.Duration(max(h.Plan.API.NotFound, h.Plan.API.Ghost))) {
			h.Pardon(judge.ExcuseUnseen, c)
		}
		cells, calls = append(cells, c), append(calls, call)
		p.Open[call] = c
	}
	closed := p.Closed
	h.Mu.Unlock()
	ended := func(i int, a client.Answer) {
		if p.line.Dead() {
			return
		}
		h.Mu.Lock()
		defer h.Mu.Unlock()
		if a.Err == nil && (closed || p.Store < 0) {
			h.Find(course.KindAnswer, "process %d: %s %s succeeds though its client is closed or its store does not exist", p.N, list[i].Op, trail.Shown(list[i].Key))
		}
		if calls[i] == nil {
			return
		}
		h.tell("process %d: %s %s %q {%s}: %s %v", p.N, list[i].Op, trail.Shown(list[i].Key), list[i].Doc.Text, trail.AttrsText(list[i].Doc.Attrs), a.Outcome, a.Err)
		delete(p.Open, calls[i])
		h.Answered(p.Process, cells[i], calls[i], a, ctx.Err() != nil)
	}
	if len(list) == 1 {
		ended(0, p.c.Do(ctx, list[0]))
		return
	}
	p.c.Apply(ctx, list, ended)
}

// failed judges the error of a call that reads a key, or of one that is about no single key:
// then c is nil.
func (h *history) failed(ctx context.Context, p *process, c *model.Cell, name string, from time.Duration, a client.Answer) {
	if a.Err == nil || p.line.Dead() || h.Drops() && a.Class == client.Everybody {
		return
	}
	h.Mu.Lock()
	why := h.Unasked(p.Process, from, a, ctx.Err() != nil)
	if a.Class == client.Service && !(c != nil && (c.UnderWay(p.N, from-time.Duration(h.Plan.API.NotFound)) || c.ChangedBesides(p.N, from-judge.Watched))) {
		why = h.Works(p.Process, from)
	}
	if why == "" && a.Class != client.Service && a.Class != client.Stopped && p.Store >= 0 && !(p.Store == 0 && h.Expired) {
		why = "it must not fail"
	}
	h.Mu.Unlock()
	if why != "" {
		h.Wrong(course.KindError, "process %d: %s: %s: %v", p.N, name, why, a.Err)
	}
}

// sweep sweeps, or lists the Files that are attached nowhere.
func (h *history) sweep(ctx context.Context, p *process, name string) {
	from := h.Now()
	var keys []string // for which the caller vouches
	if name == plan.DoStrays {
		keys = h.Plan.Keys
	}
	strays, err := p.c.Strays(ctx, judge.GraceOfStrays, keys, h.Start.Add(h.Clock))
	h.readers.Spared(p.Process, strays)
	if a := client.AnswerOf(err); !h.readers.Gone(p.Process, name, from, a, ctx.Err() != nil) {
		h.failed(ctx, p, nil, name, from, a)
	}
}

func (h *history) flush(ctx context.Context, p *process) {
	h.Mu.Lock()
	var accepted []*model.Cell
	var calls []*model.Call
	for _, c := range h.Cells {
		if c.Accepted != nil && c.Accepted.P == p.N {
			accepted, calls = append(accepted, c), append(calls, c.Accepted)
		}
	}
	h.Mu.Unlock()
	from := h.Now()
	late, err := p.c.Flush(ctx)
	if p.line.Dead() {
		return
	}
	a := client.AnswerOf(err)
	if a.Class == client.Service {
		h.Wrong(course.KindError, "process %d: flush makes no request, and fails by the service: %v", p.N, err)
	}
	h.failed(ctx, p, nil, "flush", from, a)
	for _, t := range late {
		if h.Drops() {
			break
		}
		h.Flushed(p.Process, t)
	}
	if err == nil && len(late) == 0 && len(accepted) > 0 {
		h.Reached(rare.Flushed)
	}
	h.Mu.Lock()
	defer h.Mu.Unlock()
	for i, c := range accepted {
		if slices.ContainsFunc(late, func(t client.LateFailure) bool { return t.Key == c.Key }) && c.Accepted == calls[i] {
			c.Accepted = nil // this Flush has reported it, and no later one does
		}
		if err != nil || len(late) > 0 || c.Accepted != calls[i] || p.Closed || h.Expired && c.Store == 0 {
			continue
		}
		if h.Drops() {
			h.Find(course.KindAnswer, "%v of %s: its attributes were not kept, and Flush returns no error", calls[i], trail.Shown(c.Key))
			c.Accepted = nil
			continue
		}
		if strings.HasPrefix(calls[i].Doc.Text, plan.BadText) {
			h.Find(course.KindAnswer, "%v of %s: it could not be indexed, and Flush returns no error", calls[i], trail.Shown(c.Key))
			c.Accepted = nil
			continue
		}
		c.MakeCertain(calls[i], h.Now())
	}
}

// get reads a key, or the text of its document, and judges the answer.
func (h *history) get(ctx context.Context, p *process, name string, key int) {
	from := h.Now()
	c := h.Cells[[2]int{max(p.Store, 0), key}]
	h.Mu.Lock()
	c.Touched = c.Touched || p.Store >= 0
	h.Mu.Unlock()
	var got client.Seen
	var text string
	var a client.Answer
	if name == plan.DoText {
		text, a = p.c.Text(ctx, h.Plan.Keys[key])
	} else {
		got, a = p.c.Get(ctx, h.Plan.Keys[key])
	}
	h.tell("process %d: %s %s: %+v %q %v", p.N, name, trail.Shown(h.Plan.Keys[key]), got, text, a.Err)
	switch {
	case p.line.Dead() || h.readers.Gone(p.Process, name, from, a, ctx.Err() != nil):
	case p.Store < 0:
		if a.Err == nil || a.NotFound && a.Class != client.Everybody {
			h.Wrong(course.KindAnswer, "process %d: %s of a store that does not exist: %v", p.N, name, a.Err)
		}
	case a.Err != nil && !a.NotFound && !a.Indexing:
		h.failed(ctx, p, c, name, from, a)
	case name == plan.DoText:
		h.readers.Read(p.Process, c, from, text, a)
	default:
		h.readers.Got(p.Process, c, from, got, a)
	}
	if a.Err == nil {
		h.Reached(map[string]string{plan.DoGet: rare.Got, plan.DoText: rare.Read}[name])
	}
}

// search searches the store and judges the answer.
func (h *history) search(ctx context.Context, p *process, query string) {
	from := h.Now()
	hits, err := p.c.Search(ctx, query)
	switch {
	case p.line.Dead() || h.readers.Gone(p.Process, "search", from, client.AnswerOf(err), ctx.Err() != nil):
	case err != nil:
		h.failed(ctx, p, nil, "search", from, client.AnswerOf(err))
	case p.Store >= 0:
		h.readers.Found(p.Process, query, from, hits)
		if len(hits) > 0 {
			h.Reached(rare.Searched)
		}
	}
}

// list lists the store and judges the answer.
func (h *history) list(ctx context.Context, p *process) {
	from, before := h.Now(), h.Asked(p.N)
	got, err := p.c.List(ctx)
	if p.line.Dead() || err == nil && len(got) > 0 && h.readers.Behind(from) || h.readers.Gone(p.Process, "list", from, client.AnswerOf(err), ctx.Err() != nil) {
		return
	}
	if n := h.Asked(p.N) - before; h.people.Crowds > 0 && n > people.Crowded/2 {
		h.Wrong(course.KindCostly, "process %d: a listing of %d documents makes %d requests, since others have made %d Files", p.N, len(got), n, h.people.Crowds)
	}
	if err != nil {
		h.failed(ctx, p, nil, "list", from, client.AnswerOf(err))
		return
	}
	if p.Store < 0 {
		h.Wrong(course.KindAnswer, "process %d lists a store that does not exist", p.N)
		return
	}
	h.readers.Listed(p.Process, from, got)
}

// close ends a process in good order. Within a time, if any, its calls may end first.
func (h *history) close(p *process, within time.Duration) {
	limit, end := client.CloseWithin, p.c.Close
	if within > 0 {
		limit = within
		end = func() (client.Left, error) {
			ctx, cancel := context.WithTimeout(context.Background(), within)
			defer cancel()
			return p.c.Shutdown(ctx)
		}
	}
	h.Mu.Lock()
	from := h.Now()
	p.Closed, p.Ending, p.Until = true, from, from+within
	open := slices.Collect(maps.Keys(p.Open))
	if len(open) > 0 && within == 0 {
		h.Out.States[rare.Closed]++
	}
	h.Mu.Unlock()
	var left client.Left
	var err error
	done := make(chan struct{})
	h.waiting.Go(func() {
		defer close(done)
		left, err = end()
	})
	select {
	case <-done:
	case <-p.line.Death.Done():
		return
	}
	if p.line.Dead() {
		return
	}
	took := h.Now() - from
	if took > limit+judge.Promptly {
		h.Wrong(course.KindSlow, "process %d: its end takes %v, and may take %v", p.N, took.Round(time.Millisecond), limit)
	}
	if err != nil {
		h.Wrong(course.KindError, "process %d: its end fails: %v", p.N, err)
	}
	deeds.Ended(h.Course, p.Process, left, took < limit-judge.Promptly)
	h.Mu.Lock()
	switch p.Left = left; {
	case len(left.Files) > 0:
		h.Out.States[rare.LeftSome]++
	case h.Uploads(p.N) > 0:
		h.Out.States[rare.LeftNothing]++
	}
	if within > 0 && slices.ContainsFunc(open, func(c *model.Call) bool { return c.Made() && c.To > from && c.To < p.Until }) {
		h.Out.States[rare.ShutDown]++
	}
	if p.Gone == 0 {
		p.Gone = h.Now()
	}
	h.Mu.Unlock()
	// Its calls have their answers; whatever comes after this is too late.
	time.Sleep(time.Millisecond)
	h.Mu.Lock()
	for call, c := range p.Open {
		c.Fail(call, h.Now(), true)
	}
	clear(p.Open)
	h.Mu.Unlock()
}
