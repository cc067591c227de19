// Package course is the course of a history: its processes, the model of each key, and
// the things that were found so far. It decides nothing.
package course

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// Outcome is the result of a history.
type Outcome struct {
	Wrong   []Finding
	Excused map[string]int // excuses, by name
	States  map[string]int // rare states that were reached, by name
	Order   []trail.Pass   // in which things happened at the API
	Whole   bool           // everything happened as the record says
	Kept    int            // how many things did before the first that did not
	Took    time.Duration  // virtual
	Healthy time.Duration  // from the end of all faults until everything was right
	Never   bool           // that was never so, within the time for which it was looked at
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
	KindLost     = "lost"     // a key misses a version that it must have, or has another one at the end
	KindDoubled  = "doubled"  // a key has two versions at the end
	KindGap      = "gap"      // a reader misses a key for a time
	KindStale    = "stale"    // a reader finds a version that may not be
	KindHarmed   = "harmed"   // something of somebody else's has changed
	KindLeft     = "left"     // a File that must not be is left over
	KindUnlisted = "unlisted" // one that may be is not listed
	KindAnswer   = "answer"   // a call says something that is not so
	KindError    = "error"    // a call fails as it must not
	KindSlow     = "slow"     // a call takes too long
	KindAfter    = "after"    // a closed client makes a request
	KindCostly   = "costly"   // a call makes far too many requests
	KindTaken    = "taken"    // a version is taken back that was, or may have been, accepted
	KindLeaves   = "leaves"   // the end of a client names a File that it must not, or misses one
	KindOpen     = "open"     // something is still open when all must be settled
)

// Process is the life of one process.
type Process struct {
	N      int
	Store  int
	Step   plan.Step
	Closed bool
	Dead   bool
	Orphan bool
	Gone   time.Duration // when it died or was closed
	Ending time.Duration // when its end was asked for
	Until  time.Duration // until when its calls may end after that
	Left   client.Left   // the Files that its end has reported as left behind
	Begun  time.Duration
	Open   map[*model.Call]*model.Cell
}

// Course is a history so far.
type Course struct {
	*trail.Project
	Plan  plan.Plan
	Procs map[int]*Process
	Cells map[[2]int]*model.Cell // by store and key

	Calmed    time.Duration // since when nothing fails any more; 0: not yet
	Expired   bool          // the store under test
	ExpiredAt time.Duration // since when

	Mu  sync.Mutex
	Out Outcome
}

// New is the course of a plan, before its first step.
func New(p plan.Plan) *Course {
	return &Course{
		Project: &trail.Project{Keys: p.Keys, Planted: make(map[string]plan.Planted), Texts: make(map[string]string)},
		Plan:    p, Procs: make(map[int]*Process), Cells: make(map[[2]int]*model.Cell),
		Out: Outcome{Excused: make(map[string]int), States: make(map[string]int)},
	}
}

// Begin notes that a process begins.
func (c *Course) Begin(s plan.Step) *Process {
	p := &Process{N: s.P, Store: s.Store, Step: s, Begun: c.Now(), Open: make(map[*model.Call]*model.Cell)}
	c.Procs[s.P] = p
	return p
}

// Leaves reports whether a process has died, or whether its end has said that it leaves a
// File.
func (p *Process) Leaves(id string) bool {
	return p != nil && (p.Dead || p.Left.More || slices.Contains(p.Left.Files, id))
}

// Wrong notes a finding.
func (c *Course) Wrong(kind, format string, args ...any) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Find(kind, format, args...)
}

// Find is Wrong for a caller that holds Mu.
func (c *Course) Find(kind, format string, args ...any) {
	c.Out.Wrong = append(c.Out.Wrong, Finding{kind, fmt.Sprintf(format, args...)})
}

// Reached notes a rare state.
func (c *Course) Reached(state string) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Out.States[state]++
}

// Excuse notes something that cannot be promised of a key; nil: of a File alone.
func (c *Course) Excuse(name string, cell *model.Cell) {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	c.Pardon(name, cell)
}

// Pardon is Excuse for a caller that holds Mu.
func (c *Course) Pardon(name string, cell *model.Cell) {
	c.Out.Excused[name]++
	if cell != nil {
		cell.Excused = true
	}
}

// Drops reports whether the server keeps no attributes. The model knows nothing of such a one.
func (c *Course) Drops() bool { return slices.Contains(c.Plan.API.Quirks, plan.QuirkDropped) }

// Uses reports whether the plan has a process on a store.
func (c *Course) Uses(store int) bool {
	for _, p := range c.Procs {
		if p.Store == store {
			return true
		}
	}
	return false
}
