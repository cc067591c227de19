package vsclient

import (
	"context"
	"sync"
)

// Progress tells how far a call of [Client.Apply] has come.
type Progress struct {
	Total  int // changes
	Done   int // of them, ended either way
	Failed int // of those, with an error
}

// applyWorkers is how many keys are worked on at once, in batches: enough to fill
// one attach request while the next one gathers; at least as many as are uploaded.
const applyWorkers = 2

// Apply makes many changes, and returns a result for each, in their order. Those
// of one key take effect in the order given, merged to the last: of ten versions
// of a document one is uploaded, and all ten have its result. What is wrong with a
// change by itself keeps it from being merged, so that a bad one takes no good one
// along; and when the merged change fails by a fault of the document, the one
// before it is made instead.
//
// progress, if not nil, is called after each key, never twice at once.
func (c *Client) Apply(ctx context.Context, changes []Change, progress func(Progress)) []Result {
	a := &apply{c: c, results: make([]Result, len(changes)), report: progress, state: Progress{Total: len(changes)}}
	lines := a.sort(changes)
	// Every key takes its place now, so that a call made after this one comes
	// after it.
	for _, l := range lines {
		l.turn = c.turns.ask(l.key)
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

	mu     sync.Mutex
	report func(Progress)
	state  Progress
}

// line is the changes of one key, in order.
type line struct {
	key   string
	turn  *turn
	steps []step
}

type step struct {
	at int // place among the changes
	op Op
	v  *version
}

// sort puts the changes of each key in line; those that are wrong by themselves
// have their result here.
func (a *apply) sort(changes []Change) []*line {
	var lines []*line
	byKey := make(map[string]*line, len(changes))
	wrong := 0
	for i, ch := range changes {
		a.results[i].Key = ch.Document.Key
		v, err := a.c.prepare(ch)
		if err == nil && ch.Op == OpPut && ch.Document.Content.is.InMemory() {
			err = v.read(context.Background()) // in memory: no reason to wait
		}
		if err != nil {
			a.results[i].Err = wrap(ch.Op.String(), ch.Document.Key, err)
			wrong++
			continue
		}
		l := byKey[v.key]
		if l == nil {
			l = &line{key: v.key}
			byKey[v.key] = l
			lines = append(lines, l)
		}
		l.steps = append(l.steps, step{i, ch.Op, v})
	}
	if wrong > 0 {
		a.advance(wrong, wrong)
	}
	return lines
}

func (a *apply) advance(done, failed int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.Done += done
	a.state.Failed += failed
	if a.report != nil {
		a.report(a.state)
	}
}

// bring brings the changes of one key to their end.
func (a *apply) bring(ctx context.Context, l *line) {
	// The line has one place among all calls, and its changes take turns in it, so
	// that nobody comes between.
	var own turns
	total, failed := len(l.steps), 0
	for len(l.steps) > 0 {
		m := merge(l.steps)
		t := own.ask(l.key)
		if len(l.steps) == total {
			t.before = l.turn.before
		}
		r, err := a.c.changeAt(ctx, t, m.op, m.v)
		switch {
		case err == nil:
			for _, s := range l.steps[:m.rest] {
				a.results[s.at] = r
			}
			l.steps = l.steps[m.rest:]
		case IsDocumentError(err) && m.rest > 1:
			last := l.steps[m.rest-1]
			a.results[last.at].Err = err
			failed++
			l.steps = append(l.steps[:m.rest-1:m.rest-1], l.steps[m.rest:]...)
		default:
			for _, s := range l.steps[:m.rest] {
				a.results[s.at].Err = err
			}
			failed += m.rest
			l.steps = l.steps[m.rest:]
		}
	}
	l.turn.before = own.ask(l.key).before // what goes on in the background keeps the place
	l.turn.abandon()
	a.advance(total, failed)
}

// merged is the one change that some first steps of a line come to.
type merged struct {
	op   Op
	v    *version
	rest int // how many steps it stands for
}

// merge finds the change that comes to the same as all steps: the last put or
// deletion, with the attributes of the last update after a put. An update after a
// deletion has nothing to update and is left for a change of its own.
func merge(steps []step) merged {
	for i, s := range steps {
		if s.v.owner != steps[0].v.owner {
			steps = steps[:i] // another owner's change is to be judged by what these leave
			break
		}
	}
	last := 0
	for i, s := range steps {
		if s.op != OpUpdateAttributes {
			last = i
		}
	}
	m := merged{op: steps[last].op, v: steps[last].v, rest: len(steps)}
	switch m.op {
	case OpDelete:
		m.rest = last + 1
	case OpUpdateAttributes:
		m.v = steps[len(steps)-1].v
	default:
		if tail := len(steps) - 1; tail > last {
			v := *m.v
			v.own = steps[tail].v.own
			m.v = &v
		}
	}
	return m
}
