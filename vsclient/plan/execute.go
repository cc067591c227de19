package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan/internal/digest"
)

// ExecuteOptions say how a plan is executed.
type ExecuteOptions struct {
	// Approve is the number of removals that a person has approved. The guard's refusal is lifted
	// when the plan has no more removals than that.
	Approve int
	// Source opens the document of a key again; false: the source no longer has it. It is called
	// from many goroutines. A plan of [Options.Reopen], or that was read from JSON, needs it.
	Source func(ctx context.Context, key string) (vsclient.Document, bool, error)
	// Exists asks the source whether it has a document of the key, before each removal.
	// It is called from many goroutines. nil: the source cannot be asked.
	Exists func(ctx context.Context, key string) (bool, error)
	// Attached leaves documents that are being indexed as they are, for a client with
	// [vsclient.Config.Async]. Otherwise they are waited for, five minutes at the most, and
	// uploaded anew when they are not searchable then.
	Attached bool
	// Refusals takes in the documents that OpenAI refuses, for [Options.Refusals] of the
	// next run. nil: nothing remembers them.
	Refusals *Refusals
}

// Progress describes an entry that has ended.
type Progress struct {
	Entry  Entry           // Entry.Withheld says why it was not executed
	Result vsclient.Result // Result.Err is why it has failed
	Done   int             // entries that have ended, of Total
	Total  int             // entries that change the store, or are waited for
	Bytes  int64           // content uploaded so far
}

// Failure is an entry that has failed.
type Failure struct {
	Entry Entry
	Err   error
}

// Report is the result of [Plan.Execute].
type Report struct {
	Counts   map[Action]int // entries that have changed the store
	Done     int            // their sum
	Idle     int            // entries whose change the store had already
	Failed   []Failure      // in the order of the plan
	Withheld []Entry        // not executed; Entry.Withheld says why
	Stale    []Entry        // not executed, since the store or the source has changed; Entry.Withheld says how
}

// Err joins the errors of the entries that have failed; nil: none has.
func (r Report) Err() error {
	errs := make([]error, len(r.Failed))
	for i, f := range r.Failed {
		errs[i] = f.Err
	}
	return errors.Join(errs...)
}

// Execute makes the store equal to the source, as the plan says: puts first, removals
// last. progress, if not nil, is called as each entry ends, never twice at once.
//
// An entry that fails stops no other, and the error is nil: the report names it. The error
// tells why the execution has ended early: the plan is for another store, ctx has ended,
// or nothing succeeds until a person has acted. The entries that were not reached are then
// withheld.
func (p *Plan) Execute(ctx context.Context, c *vsclient.Client, o ExecuteOptions, progress func(Progress)) (Report, error) {
	x := &execution{
		plan: p, c: c, o: o, progress: progress, reading: make(chan struct{}, readers),
		ended: make([]bool, len(p.Entries)), ends: make(map[int]end), unput: make(map[string]string),
	}
	for _, e := range p.Entries {
		if e.acts() {
			x.total++
		}
	}
	if c != p.client {
		if err := x.look(ctx); err != nil {
			return Report{}, err
		}
	}
	var puts, waits, removals []group
	main := 0
	for i, e := range p.Entries {
		if e.Action != Duplicate {
			main = i
		}
		groups := &puts
		switch {
		case e.Action == Unchanged && !e.Indexing() && x.ends[i] == (end{}): // it is searchable
			o.Refusals.record(e.Key, "", "", nil)
			continue
		case !e.acts(), x.ended[i]:
			continue
		case o.Attached && p.Entries[main].Action == Unchanged && p.Entries[main].Indexing():
			x.end(i, end{withheld: "it is still being indexed"}, vsclient.Result{})
			continue
		case e.Action == Remove:
			groups = &removals
		case p.Entries[main].Indexing():
			groups = &waits
		}
		if last := len(*groups) - 1; last >= 0 && (*groups)[last].main == main {
			(*groups)[last].entries = append((*groups)[last].entries, i)
		} else {
			*groups = append(*groups, group{main, []int{i}})
		}
	}
	if len(puts)+len(waits) > 0 && o.Source == nil && len(p.documents) == 0 {
		return Report{}, errors.New("plan: the plan does not hold its documents; set ExecuteOptions.Source, so that they can be opened")
	}
	x.each(ctx, putters, puts, x.put)
	x.await(ctx, waits)
	x.each(ctx, putters, waits, x.put)
	if len(removals) > 0 {
		x.halt = x.beforeRemovals(ctx)
		x.moved = p.moved(removals)
	}
	x.each(ctx, removers, removals, x.remove)
	return x.report(), x.fatal
}

// How many keys are worked on side by side.
const (
	putters  = 10 * vsclient.DefaultBatchSize // enough to fill attach requests while others are indexed
	removers = vsclient.DefaultConcurrency
	readers  = 16 // documents that are opened and digested
)

// group is the entries of one key that change the store, by their places.
type group struct {
	main    int // the entry about the source's document, which need not be among them
	entries []int
}

// execution is one execution of a plan.
type execution struct {
	plan     *Plan
	c        *vsclient.Client
	o        ExecuteOptions
	progress func(Progress)
	reading  chan struct{}
	total    int
	halt     string              // why nothing is removed; empty: it may be
	moved    map[string][]string // the source's keys that have a content to remove

	mu    sync.Mutex
	ended []bool            // entries, by their place
	done  int               // their number
	ends  map[int]end       // how entries have ended that have not changed the store, by their place
	unput map[string]string // keys by the content that they did not get
	bytes int64
	fatal error
}

// end is how an entry has ended. The zero end is success.
type end struct {
	withheld string
	stale    bool
	idle     bool // nothing was left to do
	err      error
}

// of returns the entry as it has ended: a document that was waited for may have been put anew.
func (how end) of(e Entry) Entry {
	if e.Withheld = how.withheld; e.Indexing() && e.Action == Unchanged && e.Withheld == "" && !how.idle {
		e.Action = Repair
	}
	return e
}

func stale(format string, args ...any) end {
	return end{withheld: fmt.Sprintf(format, args...), stale: true}
}

// each calls do for each of the groups, side by side, until nothing more succeeds.
func (x *execution) each(ctx context.Context, workers int, groups []group, do func(context.Context, Entry) (vsclient.Result, end)) {
	next := make(chan group)
	var working sync.WaitGroup
	for range min(workers, len(groups)) {
		working.Go(func() {
			for g := range next {
				r, how := vsclient.Result{}, x.withheld(g)
				if how == (end{}) {
					r, how = do(ctx, x.plan.Entries[g.main])
				}
				for _, i := range g.entries {
					x.end(i, how, r)
				}
			}
		})
	}
	for _, g := range groups {
		if x.stopped(ctx) != nil {
			break
		}
		next <- g
	}
	close(next)
	working.Wait()
	_ = x.stopped(ctx)
}

// stopped returns why nothing more succeeds; nil: it may.
func (x *execution) stopped(ctx context.Context) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fatal == nil && ctx.Err() != nil {
		x.fatal = context.Cause(ctx)
	}
	return x.fatal
}

// end records how the entry at i has ended.
func (x *execution) end(i int, how end, r vsclient.Result) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.plan.Entries[i]
	if err, ok := errors.AsType[*vsclient.Error](how.err); ok && err.Class >= vsclient.Fatal && x.fatal == nil {
		x.fatal = how.err // an error of the source ends one entry alone
	}
	if vsclient.ClassOf(how.err) == vsclient.Stopped {
		how = end{withheld: fmt.Sprintf("it was stopped, and may take effect: %v", how.err)}
	}
	failed := how.err != nil || how.withheld != ""
	how.idle = how.idle || !failed && e.Action != Duplicate && (r.Outcome == vsclient.Unchanged || r.Outcome == vsclient.Absent)
	if x.ended[i] = true; how != (end{}) {
		x.ends[i] = how
	}
	x.done++
	switch {
	case failed && e.SHA256 != "" && e.Action != Remove && e.Action != Duplicate:
		x.unput[e.SHA256] = e.Key
	case e.Action != Duplicate && (r.Outcome == vsclient.Created || r.Outcome == vsclient.Replaced):
		x.bytes += e.Bytes
	}
	e = how.of(e)
	if x.progress != nil {
		r.Key, r.Err = e.Key, how.err
		x.progress(Progress{Entry: e, Result: r, Done: x.done, Total: x.total, Bytes: x.bytes})
	}
}

// withheld says why a key is left alone: one of its entries is withheld, and a change of the
// key would carry all of them out. Approval lifts the guard's reason.
func (x *execution) withheld(g group) end {
	for _, i := range append([]int{g.main}, g.entries...) {
		if why := x.plan.Entries[i].Withheld; why != "" && (why != x.plan.Guarded || x.o.Approve < x.plan.Removals) {
			return end{withheld: why}
		}
	}
	return end{}
}

// moved returns the contents of the removals that the source has under other keys, with these keys.
func (p *Plan) moved(removals []group) map[string][]string {
	removed, keys := make(map[string]bool), make(map[string][]string)
	for _, g := range removals {
		removed[p.Entries[g.main].SHA256] = p.Entries[g.main].SHA256 != ""
	}
	for _, e := range p.Entries {
		if e.Action != Remove && e.Action != Duplicate && removed[e.SHA256] {
			keys[e.SHA256] = append(keys[e.SHA256], e.Key)
		}
	}
	return keys
}

// beforeRemovals says why nothing may be removed: documents that were attached under
// Config.Async are not searchable, or the source has none of those that the plan saw in it.
func (x *execution) beforeRemovals(ctx context.Context) string {
	if failed := x.flush(ctx); failed != nil {
		return fmt.Sprintf("a document that was put is not searchable: %v", failed)
	}
	if x.o.Exists == nil {
		return ""
	}
	none := ""
	for _, e := range x.plan.Entries {
		if e.Action == Remove || e.Action == Refused {
			continue
		}
		switch there, err := x.o.Exists(ctx, e.Key); {
		case err != nil:
			return fmt.Sprintf("the source cannot tell which documents it has: %v", err)
		case there:
			return ""
		}
		none = "the source has none of the documents that the plan has seen in it"
	}
	return none
}

// flush waits for the documents that were attached under Config.Async. Their entries have the
// errors of those that came to nothing. It returns the first.
func (x *execution) flush(ctx context.Context) error {
	err := x.c.Flush(ctx)
	if err == nil {
		return nil
	}
	all := []error{err}
	if join, is := err.(interface{ Unwrap() []error }); is {
		all = join.Unwrap()
	}
	byKey := make(map[string]error, len(all))
	for _, err := range all {
		if one, ok := errors.AsType[*vsclient.Error](err); ok {
			byKey[one.Key] = err
		}
	}
	for i, e := range x.plan.Entries {
		if err := byKey[e.Key]; err != nil && e.mayPut() && x.ends[i] == (end{}) {
			x.ends[i] = end{err: err}
			if d, how := x.open(ctx, e); how == (end{}) && e.Action != Duplicate {
				x.o.Refusals.record(e.Key, e.SHA256, d.Chunking.String(), err)
			}
		}
	}
	return all[0]
}

// put puts the document of the entry.
func (x *execution) put(ctx context.Context, e Entry) (vsclient.Result, end) {
	d, how := x.open(ctx, e)
	if how != (end{}) {
		return vsclient.Result{}, how
	}
	chunking := d.Chunking.String()
	if why := x.o.Refusals.reason(e.Key, e.SHA256, chunking); why != "" && (e.Action.Uploads() || e.Indexing()) { // since the plan was made
		return vsclient.Result{}, end{withheld: refusedBefore + why}
	}
	r, how := x.change(ctx, e, vsclient.Put(d), d.Attributes[x.plan.OwnerAttribute])
	switch code, failed := strings.CutPrefix(e.Reason, unindexed); {
	case x.o.Attached && how == (end{}) && failed && code != "server_error": // nobody waits for what comes of it
		x.o.Refusals.suspect(e.Key, e.SHA256, chunking, code)
	case (e.Action.Uploads() || e.Indexing()) && !how.stale:
		x.o.Refusals.record(e.Key, e.SHA256, chunking, how.err)
	}
	return r, how
}

// await returns when none of the documents is being indexed any more, or after five minutes. A
// put is right whatever has come of them.
func (x *execution) await(ctx context.Context, waits []group) {
	if x.o.Attached || x.stopped(ctx) != nil {
		return
	}
	files := make(map[string]bool, len(waits))
	for _, g := range waits {
		if x.withheld(g) == (end{}) {
			files[x.plan.Entries[g.main].FileID] = true
		}
	}
	began := time.Now()
	for pause := time.Second; len(files) > 0 && time.Since(began) < 5*time.Minute && x.indexing(ctx, files); pause = min(2*pause, 30*time.Second) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// indexing reports whether one of the Files is being indexed.
func (x *execution) indexing(ctx context.Context, files map[string]bool) bool {
	for info, err := range x.c.List(ctx) {
		if err != nil {
			return false
		}
		if files[info.FileID] && info.Status == vsclient.InProgress {
			return true
		}
	}
	return false
}

// open opens the document of an entry again, with its owner, and compares it with the plan's.
func (x *execution) open(ctx context.Context, e Entry) (vsclient.Document, end) {
	select {
	case x.reading <- struct{}{}:
		defer func() { <-x.reading }()
	case <-ctx.Done():
		return vsclient.Document{}, end{withheld: fmt.Sprintf("it was stopped: %v", context.Cause(ctx))}
	}
	d, there := x.plan.documents[e.Key]
	if x.o.Source != nil {
		var err error
		if d, there, err = x.o.Source(ctx, e.Key); err != nil {
			return d, end{err: fmt.Errorf("plan: the source cannot open %q: %w", e.Key, err)}
		}
	}
	if !there {
		return d, stale("the source no longer has the document")
	}
	d.Key = e.Key
	var other string
	if d.Attributes, other = owned(d.Attributes, x.plan.Scope.Owner, x.plan.OwnerAttribute); other != "" {
		return d, stale("%s", other)
	}
	info, err := x.c.Describe(ctx, d)
	switch {
	case err != nil:
		return d, end{err: err}
	case info.SHA256 != e.SHA256:
		return d, stale("the source's content has changed since the plan was made")
	case digest.Settings(info.Attributes, info.Chunking) != e.Settings:
		return d, stale("the source's attributes or chunking have changed since the plan was made")
	}
	d.Attributes = info.Attributes // as the store has them
	return d, end{}
}

// remove removes a document that the source no longer has.
func (x *execution) remove(ctx context.Context, e Entry) (vsclient.Result, end) {
	x.mu.Lock()
	unput := x.unput[e.SHA256]
	x.mu.Unlock()
	switch {
	case x.halt != "":
		return vsclient.Result{}, end{withheld: x.halt}
	case e.SHA256 != "" && unput != "":
		return vsclient.Result{}, end{withheld: fmt.Sprintf("the source has its content under %q, which was not put", unput)}
	case !x.arrived(ctx, e.SHA256):
		return vsclient.Result{}, end{withheld: fmt.Sprintf("the source has its content under %q, which is not searchable yet", x.moved[e.SHA256][0])}
	}
	switch there, untold := ask(ctx, x.o.Exists, e.Key); {
	case untold != "":
		return vsclient.Result{}, end{withheld: untold}
	case there:
		return vsclient.Result{}, stale("the source has the document")
	}
	r, how := x.change(ctx, e, vsclient.Delete(e.Key), x.plan.Scope.Owner)
	if how == (end{}) {
		x.o.Refusals.record(e.Key, "", "", nil)
	}
	return r, how
}

// arrived reports whether a Get shows a content under one of the source's keys that have it. A
// listing may show a document as searchable too early, and one that was removed just now.
func (x *execution) arrived(ctx context.Context, content string) bool {
	for _, key := range x.moved[content] {
		info, err := x.c.Get(ctx, key)
		mine := x.plan.Scope.Owner == "" || info.Attributes[x.plan.OwnerAttribute] == x.plan.Scope.Owner
		if err == nil && mine && info.SHA256 == content && info.Status == vsclient.Completed {
			return true
		}
	}
	return len(x.moved[content]) == 0
}

// report sums up. Entries that were not reached are withheld.
func (x *execution) report() Report {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := Report{Counts: make(map[Action]int)}
	for i, e := range x.plan.Entries {
		how, acts, waited := x.ends[i], e.acts(), e.Action == Unchanged
		if acts && !x.ended[i] {
			how.withheld = fmt.Sprintf("the execution ended before: %v", x.fatal)
		}
		e = how.of(e)
		switch {
		case how.err != nil:
			out.Failed = append(out.Failed, Failure{e, how.err})
		case how.stale:
			out.Stale = append(out.Stale, e)
		case how.withheld != "":
			out.Withheld = append(out.Withheld, e)
		case !acts, how.idle && waited:
		case how.idle:
			out.Idle++
		default:
			out.Counts[e.Action]++
			out.Done++
		}
	}
	return out
}
