package plan

import (
	"context"
	"errors"
	"fmt"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// ExecuteOptions say how a plan is executed.
type ExecuteOptions struct {
	// Approve is the number of removals that are approved although the guard refuses
	// them: they go on when they are no more than that.
	Approve int
	// Source opens the document of a key again; false: the source no longer has it. It is
	// called from many goroutines. It may be nil for a plan that [Make] has made in this
	// process, and is needed for one that was read from JSON.
	Source func(ctx context.Context, key string) (vsclient.Document, bool, error)
	// Exists asks the source whether it has a document of the key, before each removal.
	// It is called from many goroutines. nil: the source cannot be asked.
	Exists func(ctx context.Context, key string) (bool, error)
	// Refusals takes in the documents that OpenAI refuses, for [Options.Refusals] of the
	// next run. nil: nothing remembers them.
	Refusals *Refusals
}

// Progress tells of an entry that has ended.
type Progress struct {
	Entry  Entry           // Entry.Withheld says why it was not executed
	Result vsclient.Result // Result.Err is why it has failed
	Done   int             // entries that have ended, of those that change the store
	Total  int             // entries that change the store
	Bytes  int64           // content uploaded so far
}

// Failure is an entry that has failed.
type Failure struct {
	Entry Entry
	Err   error
}

// Report is the result of [Plan.Execute].
type Report struct {
	Counts   map[Action]int // entries that were carried out
	Done     int            // their sum
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
	return Report{}, fmt.Errorf("plan: not there yet")
}
