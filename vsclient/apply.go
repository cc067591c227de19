package vsclient

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/life"
)

// applyWorkers is how many batches of keys Apply works on at once: some gather for an attach
// request while others are being indexed. It works on Config.Concurrency keys at least.
const applyWorkers = 10

// Apply makes many changes, and returns a result for each, in their order. Those of one key
// take effect in the order given. They are merged: of ten versions of a document one is
// uploaded, and all ten get its result. A change with invalid input is not merged. When the
// merged change fails because of its document, the other changes are made without that
// document. With Config.Async they succeed once it is attached. When OpenAI cannot index it
// later, none of them is made, and the error of [Client.Flush] says how many they are.
//
// done, if not nil, is called as each change ends, with its place among the changes, never
// twice at once. It must not wait for another change of the same key, nor for [Client.Flush]
// or [Client.Shutdown].
func (c *Client) Apply(ctx context.Context, changes []Change, done func(i int, r Result)) []Result {
	a := &apply{c: c, results: make([]Result, len(changes)), done: done}
	lines := a.sort(changes)
	// Every key takes its place now, so that a call made after this one comes after it.
	for _, l := range lines {
		l.turn = c.keep.Ask(l.key)
	}
	next := make(chan *line)
	var workers sync.WaitGroup
	for range min(len(lines), max(applyWorkers*c.cfg.BatchSize, c.cfg.Concurrency)) {
		workers.Go(func() {
			for l := range next {
				a.bring(ctx, l)
			}
		})
	}
	for _, l := range lines {
		next <- l
	}
	close(next)
	workers.Wait()
	return a.results
}

type apply struct {
	c       *Client
	results []Result

	mu   sync.Mutex
	done func(i int, r Result)
}

// end gives a change its result.
func (a *apply) end(i int, r Result) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.results[i] = r
	if a.done != nil {
		a.done(i, r)
	}
}

// line is the changes of one key, in order.
type line struct {
	key   string
	turn  *life.Turn
	steps []step
}

type step struct {
	at int // place among the changes
	*prepared
}

// sort puts the changes of each key in line. Those that are wrong by themselves
// have their result here.
func (a *apply) sort(changes []Change) []*line {
	var lines []*line
	byKey := make(map[string]*line, len(changes))
	for i, ch := range changes {
		p, err := a.c.prepare(ch)
		if err == nil && ch.op == opPut && p.content.InMemory() {
			err = p.read(context.Background()) // in memory: no reason to wait
		}
		if err != nil {
			a.end(i, Result{Key: ch.doc.Key, Err: wrap(string(ch.op), ch.doc.Key, err)})
			continue
		}
		l := byKey[p.Key]
		if l == nil {
			l = &line{key: p.Key}
			byKey[p.Key] = l
			lines = append(lines, l)
		}
		l.steps = append(l.steps, step{i, p})
	}
	return lines
}

// bring brings the changes of one key to their end. They have the line's one place
// among all calls, so that nobody comes between.
func (a *apply) bring(ctx context.Context, l *line) {
	ctx, over, err := a.c.life.Begin(ctx)
	if err == nil {
		defer over()
		err = l.turn.Wait(ctx)
	}
	if err != nil {
		l.turn.Abandon()
		for _, s := range l.steps {
			a.end(s.at, Result{Key: l.key, Err: wrap(string(s.op), l.key, err)})
		}
		return
	}
	defer l.turn.Leave()
	alone := false // a put goes without the updates behind it, whose attributes may be at fault
	for len(l.steps) > 0 {
		m := a.c.merge(l.steps, alone)
		m.others = m.rest - 1
		m.wait = slices.ContainsFunc(l.steps[:m.rest], func(s step) bool { return s.wait })
		r, err := a.c.make(ctx, m.prepared)
		r.Err = err
		if alone = errors.Is(err, ErrRejected) && m.op == opPut && m.rest > m.at+1; alone {
			continue
		}
		ended := l.steps[:m.rest]
		l.steps = l.steps[m.rest:]
		if ClassOf(err) == BadDocument && m.rest > 1 {
			// The one at fault has the error. The others are made without it.
			rest := slices.Delete(slices.Clone(ended), m.at, m.at+1)
			ended, l.steps = ended[m.at:m.at+1], append(rest, l.steps...)
		}
		for _, s := range ended {
			a.end(s.at, r)
		}
	}
}

// merged is one change equivalent to the first rest steps of a line.
type merged struct {
	*prepared
	rest int
	at   int // the place of the change that is made
}

// merge finds the change that is equivalent to all steps: the last put or deletion,
// with the attributes of the last update after a put. An update after a deletion has
// nothing to update and is left for a change of its own, and so is a change whose
// condition may depend on the steps before it. alone leaves the updates after a put so.
func (c *Client) merge(steps []step, alone bool) merged {
	for i := 1; i < len(steps); i++ {
		before, s := steps[i-1], steps[i]
		if !s.cond.Same(before.cond) || s.cond != nil && before.op != opDelete && !ledger.Includes(c.view.Prints(before.own), s.cond.Prints) {
			steps = steps[:i]
		}
	}
	last := 0
	for i, s := range steps {
		if s.op != opSet {
			last = i
		}
	}
	if alone {
		steps = steps[:last+1]
	}
	m := merged{steps[last].prepared, len(steps), last}
	switch m.op {
	case opDelete:
		m.rest = last + 1
	case opSet:
		m.at = len(steps) - 1
		m.prepared = steps[m.at].prepared
	case opPut:
		if tail := len(steps) - 1; tail > last {
			p := *m.prepared
			p.own = steps[tail].own
			m.prepared = &p
		}
	}
	return m
}
