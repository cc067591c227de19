package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
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
	kindLost     = "lost"     // a key misses a version that it must have, or has another one at the end
	kindDoubled  = "doubled"  // a key has two versions at the end
	kindGap      = "gap"      // a reader misses a key for a time
	kindStale    = "stale"    // a reader finds a version that may not be
	kindHarmed   = "harmed"   // something of somebody else's has changed
	kindLeft     = "left"     // a File that must not be is left over
	KindUnlisted = "unlisted" // one that may be is not listed
	KindAnswer   = "answer"   // a call says something that is not so
	KindError    = "error"    // a call fails as it must not
	KindSlow     = "slow"     // a call takes too long
	kindAfter    = "after"    // a closed client makes a request
	KindCostly   = "costly"   // a call makes far too many requests
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
	Left   bool          // closed with an error
	Begun  time.Duration
	Open   map[*model.Call]*model.Cell
}

// Judge holds everything by which a history is judged.
type Judge struct {
	*trail.Project
	Plan  plan.Plan
	Procs map[int]*Process
	Cells map[[2]int]*model.Cell // by store and key
	Was   map[string]string      // the Files that others have made, as they were

	Done      bool                  // everything is judged
	Calmed    time.Duration         // since when nothing fails any more; 0: not yet
	Expired   bool                  // the store under test
	ExpiredAt time.Duration         // since when
	Told      map[int]time.Duration // when a call has told a process that it is gone: since then it may upload nothing

	Mu  sync.Mutex
	Out Outcome
}

// New makes the judge of a plan.
func New(p plan.Plan) *Judge {
	return &Judge{
		Project: &trail.Project{Keys: p.Keys, Planted: make(map[string]plan.Planted), Texts: make(map[string]string)},
		Plan:    p, Procs: make(map[int]*Process), Cells: make(map[[2]int]*model.Cell), Told: make(map[int]time.Duration),
		Out: Outcome{Excused: make(map[string]int), States: make(map[string]int)},
	}
}

// Begin notes that a process begins.
func (j *Judge) Begin(s plan.Step) *Process {
	p := &Process{N: s.P, Store: s.Store, Step: s, Begun: j.Now(), Open: make(map[*model.Call]*model.Cell)}
	j.Procs[s.P] = p
	return p
}

// Wrong notes a finding.
func (j *Judge) Wrong(kind, format string, args ...any) {
	j.Mu.Lock()
	defer j.Mu.Unlock()
	j.Out.Wrong = append(j.Out.Wrong, Finding{kind, fmt.Sprintf(format, args...)})
}

// Reached notes a rare state.
func (j *Judge) Reached(state string) {
	j.Mu.Lock()
	defer j.Mu.Unlock()
	j.Out.States[state]++
}

// Excuse notes something that cannot be promised.
func (j *Judge) Excuse(name string) {
	j.Mu.Lock()
	defer j.Mu.Unlock()
	j.Out.Excused[name]++
}

// Answered tells the model how a change has ended, and judges the answer. The
// caller holds mu.
func (j *Judge) Answered(p *Process, c *model.Cell, call *model.Call, a client.Answer) {
	now := j.Now()
	wrong := func(kind, format string, args ...any) {
		j.Out.Wrong = append(j.Out.Wrong, Finding{kind, fmt.Sprintf("%v of %s: ", call, trail.Shown(c.Key)) + fmt.Sprintf(format, args...)})
	}
	if call.Ended {
		return
	}
	if c.Store == 0 && j.Expired && call.From >= j.ExpiredAt {
		switch {
		case a.Outcome == "unchanged": // without a request
		case a.Err == nil:
			wrong(KindAnswer, "it succeeds although the store has expired")
		case a.Class != client.Everybody && a.Class != client.Stopped && a.Class != client.Service && !refused(c.Key, call.Doc):
			wrong(KindError, "the store has expired, and the error is %v: %v", a.Class, a.Err)
		}
		if _, told := j.Told[p.N]; !told && a.Class == client.Everybody {
			j.Told[p.N] = now
		}
		c.Fail(call, now, true)
		return
	}
	j.BackAgain(c)
	before := c.During(call.From, now)
	mustRefuse := call.Op != plan.OpDelete && refused(c.Key, call.Doc)
	switch {
	case a.Err == nil:
		if mustRefuse {
			wrong(KindAnswer, "it is accepted, and must be refused")
		}
		if a.Outcome == "unchanged" && call.Op == plan.OpPut && !slices.Contains(before, model.ValueOf(call.Doc)) {
			wrong(KindAnswer, "unchanged, where there can be %s", model.Show(before))
		}
		if p.Step.Attached && call.Op == plan.OpPut {
			j.Out.States[stateAttached]++
		}
		if len(before) > 0 && a.Outcome == "replaced" && j.unmarked(c) {
			j.Out.States[stateUnmarked]++
		}
		if a.Outcome == "unchanged" && j.listedEarly(c) {
			j.Out.Excused[excuseListed]++
			c.Fail(call, now, true)
			return
		}
		before = c.States
		c.Succeed(call, now, p.Step.Attached)
		since := max(p.Begun, now-trustedFor) // it believes all that it has seen since then
		if a.Outcome == "unchanged" && (c.StrippedAt > since || c.ChangedBesides(p.N, since)) {
			c.States = model.Union(before, c.States) // it need not have seen that
			c.Note(now)
			j.Out.Excused[ExcuseUnseen]++
		}
		if len(c.States) == 0 {
			wrong(KindAnswer, "%s, where there can be nothing", a.Outcome)
			c.States = []model.Value{model.Nothing}
		}
		return
	case a.Class == client.Stopped:
		c.Fail(call, now, true)
		return
	case a.Class == client.Service:
		if j.mustSucceed(p, call) {
			wrong(KindError, "the service works, and the error is of the service: %v", a.Err)
		}
		c.Fail(call, now, true)
		return
	case mustRefuse:
	case a.Class == client.Everybody && c.Store == 0 && j.Expired: // while the call was under way
		c.Fail(call, now, true)
		return
	case a.Class == client.Everybody:
		wrong(KindError, "an error of everybody: %v", a.Err)
	case call.Op == plan.OpUpdate && a.NotFound:
		if !slices.ContainsFunc(before, func(v model.Value) bool { return v.Absent }) {
			wrong(KindAnswer, "not found, where there is %s", model.Show(before))
		}
	case a.Indexing && (strings.HasPrefix(call.Doc.Text, plan.BadText) || j.Plan.Sea.Failing > 0 || j.Plan.Sea.Stuck > 0):
		j.Out.States[stateNotIndexed]++
	default:
		wrong(KindError, "a good document is refused: %v", a.Err)
	}
	c.Fail(call, now, false)
}

// mustSucceed reports whether nothing can keep a put or a Delete from success: it was asked
// for once nothing failed any more, and its version is searchable well within the index
// timeout. A short retry timeout may end within a reading that has hung since before that.
// An update is refused as long as the removal of an earlier Delete is under way.
func (j *Judge) mustSucceed(p *Process, call *model.Call) bool {
	sea := j.Plan.Sea
	patience := cmp.Or(time.Duration(p.Step.IndexFor), indexFor)
	return call.Op != plan.OpUpdate && p.Step.RetryFor == 0 && j.Calmed > 0 && call.From >= j.Calmed && p.Store >= 0 && !j.Expired && !p.Closed &&
		sea.Failing == 0 && sea.Stuck == 0 && 2*time.Duration(sea.IndexTime+sea.Jitter) < patience
}

// listedEarly reports whether a listing has shown a key's newest version as searchable that
// is still being indexed, or has failed since.
func (j *Judge) listedEarly(c *model.Cell) bool {
	return slices.Contains(j.Plan.Sea.Quirks, plan.QuirkEarlyListed) && !j.NewestSearchable(c.Store, c.Key)
}

// refused reports whether a document has to be refused before any request.
func refused(key string, d plan.Doc) bool {
	parts := (len(key) + 255) / 256
	return key == "" || len(key) > 1024 || len(d.Attrs)+2+parts > 16
}

// Hidden reports whether a GET says 404 of a version that another process has attached.
func (j *Judge) Hidden(c *model.Cell, p *Process, at time.Duration) bool {
	return slices.ContainsFunc(j.Files(c.Store, c.Key), func(f openaitest.StoreFile) bool {
		shown := j.Attached(f.FileID)
		return j.Maker(f.FileID) != p.N && len(shown) > 0 && shown[len(shown)-1]+time.Duration(j.Plan.Sea.NotFound) >= at
	})
}

// unmarked reports whether the key has begun with a File without attributes, and
// this is its first change that succeeds.
func (j *Judge) unmarked(c *model.Cell) bool {
	return c.Store == 0 && len(c.Calls) == 1 && slices.ContainsFunc(j.Plan.Planted, func(p plan.Planted) bool { return p.Ours && p.Key == c.Index })
}
