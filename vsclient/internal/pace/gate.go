// Package pace holds requests back: it lets through no more than the limits allow, and
// waits. It knows no requests.
package pace

import (
	"context"
	"math"
	"sync"
	"time"
)

// Limits are how much a Pacer lets through in any 60 seconds. 0 means the published limit.
type Limits struct {
	UploadsPerMinute        int
	AttachRequestsPerMinute int // for each vector store
	AttachedFilesPerMinute  int
	ChangesPerMinute        int // removals, and likewise attribute updates: in force once the server has answered 429
}

// NoLimit turns a limit off.
const NoLimit = -1

// Published are the limits that OpenAI publishes, and the one of changes as users report
// it.
var Published = Limits{UploadsPerMinute: 1000, AttachRequestsPerMinute: 300, AttachedFilesPerMinute: 2000, ChangesPerMinute: 300}

// Pacer holds the gates that requests pass.
type Pacer struct {
	Uploads  *Gate
	Attached *Gate // files that are attached
	Changes  *Gate // removals and attribute updates
	Others   *Gate // no limit of its own: it only keeps the pauses that a 429 asks for
	// Batch is the most files of one attach request that the limit on attached files can ever
	// let through; NoLimit: any.
	Batch int

	attachRequests int
	mu             sync.Mutex
	attaches       map[string]*Gate // by vector store
}

// NewPacer returns a Pacer for the limits.
func NewPacer(l Limits) *Pacer {
	or := func(v, published int) int {
		if v == 0 {
			return published
		}
		return max(v, NoLimit)
	}
	files := or(l.AttachedFilesPerMinute, Published.AttachedFilesPerMinute)
	return &Pacer{
		Uploads:        newGate(or(l.UploadsPerMinute, Published.UploadsPerMinute)),
		Attached:       newGate(files),
		Changes:        newLearningGate(or(l.ChangesPerMinute, Published.ChangesPerMinute)),
		Others:         newGate(NoLimit),
		Batch:          files,
		attachRequests: or(l.AttachRequestsPerMinute, Published.AttachRequestsPerMinute),
		attaches:       make(map[string]*Gate),
	}
}

// AttachRequests returns the gate of one vector store.
func (p *Pacer) AttachRequests(store string) *Gate {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.attaches[store]
	if g == nil {
		g = newGate(p.attachRequests)
		p.attaches[store] = g
	}
	return g
}

// window is a minute and a little, against clocks that differ in their grain.
const window = time.Minute + 50*time.Millisecond

// grain is the time within which requests count as one passage.
const grain = 10 * time.Millisecond

// Gate lets at most limit units through in any window.
type Gate struct {
	limit int
	learn int           // the limit once the server has answered 429; 0: the limit stays
	turn  chan struct{} // held by the one at the head of the line

	mu      sync.Mutex
	inside  int       // units whose request has not ended
	ended   []passage // in order of time
	counted int       // units in ended
	closed  time.Time // nothing passes before: the server has said so
	even    time.Time // until then requests are spaced
	next    time.Time // when the next may pass, while it is
	changed chan struct{}
}

type passage struct {
	at    time.Time
	units int
}

// newGate returns a Gate; NoLimit lets everything through.
func newGate(limit int) *Gate {
	return &Gate{limit: limit, turn: make(chan struct{}, 1), changed: make(chan struct{})}
}

// newLearningGate returns a Gate that lets everything through until it is closed for the
// first time, and keeps to the limit from then on.
func newLearningGate(limit int) *Gate {
	if limit == NoLimit {
		return newGate(NoLimit)
	}
	g := newGate(math.MaxInt32)
	g.learn = limit
	return g
}

// Pass waits until n units may go. The caller calls leave when their request has
// ended; only from then on does their minute run.
func (g *Gate) Pass(ctx context.Context, n int) (leave func(), err error) {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-g.turn }()
	for {
		wait, changed := g.enter(n, time.Now())
		if changed == nil {
			var once sync.Once
			return func() { once.Do(func() { g.leave(n) }) }, nil
		}
		if err := Pause(ctx, wait, changed); err != nil {
			return nil, err
		}
	}
}

// enter takes n units when they may go now. Otherwise it returns how long to wait
// at the most (0: until something changes) and a channel that is closed when
// trying again is worth while sooner.
func (g *Gate) enter(n int, now time.Time) (time.Duration, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if wait := g.closed.Sub(now); wait > 0 {
		return wait, g.changed
	}
	if g.limit == NoLimit {
		return 0, nil
	}
	spaced := now.Before(g.even)
	if wait := g.next.Sub(now); spaced && wait > 0 {
		return wait, g.changed
	}
	for len(g.ended) > 0 && now.Sub(g.ended[0].at) >= window {
		g.counted -= g.ended[0].units
		g.ended = g.ended[1:]
	}
	n = min(n, g.limit)
	free := g.limit - g.inside - g.counted
	if n <= free {
		g.inside += n
		if spaced {
			g.next = now.Add(window * time.Duration(n) / time.Duration(g.limit))
		}
		return 0, nil
	}
	for _, p := range g.ended {
		free += p.units
		if n <= free {
			return window - now.Sub(p.at), g.changed
		}
	}
	return 0, g.changed // those inside have to end first
}

func (g *Gate) leave(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.limit == NoLimit {
		return
	}
	n = min(n, g.limit)
	g.inside -= n
	g.counted += n
	now := time.Now()
	if last := len(g.ended) - 1; last >= 0 && now.Sub(g.ended[last].at) < grain {
		g.ended[last] = passage{now, g.ended[last].units + n}
	} else {
		g.ended = append(g.ended, passage{now, n})
	}
	g.wake()
}

// Close lets nothing pass for d.
func (g *Gate) Close(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.learn > 0 {
		g.limit, g.learn = g.learn, 0
	}
	if until := time.Now().Add(d); until.After(g.closed) {
		g.closed, g.next, g.even = until, until, until.Add(window)
		g.wake()
	}
}

func (g *Gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// Pause waits for d (0: without end), until early is closed or ctx ends; only the
// last is an error.
func Pause(ctx context.Context, d time.Duration, early <-chan struct{}) error {
	var after <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		after = t.C
	}
	select {
	case <-after:
	case <-early:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
