// Package deliver makes the changes of the records of a write, in an order that loses no
// document.
package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/conduitio/conduit-commons/opencdc"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Store is the part of a *vsclient.Client that a write needs.
type Store interface {
	Apply(ctx context.Context, changes []vsclient.Change, done func(i int, r vsclient.Result)) []vsclient.Result
	Get(ctx context.Context, key string) (vsclient.Info, error)
}

// Deliverer writes records to a store. It is not safe for concurrent use.
type Deliverer struct {
	store     Store
	translate func(context.Context, opencdc.Record) (translate.Step, error)
	chunking  vsclient.Chunking
	warn      func(error)
	taken     *holders
}

// New returns a deliverer. It calls warn for records that it acknowledges without a change.
func New(store Store, translate func(context.Context, opencdc.Record) (translate.Step, error), chunking vsclient.Chunking, warn func(error)) *Deliverer {
	return &Deliverer{store: store, translate: translate, chunking: chunking, warn: warn, taken: newHolders()}
}

// Result is the result of a write.
type Result struct {
	Verdicts []error // for each record; nil: its change is made
	Outcomes map[vsclient.Outcome]int
	Outage   error   // the failure of the service after which no change was tried, or nil
	Passed   []error // each names a key without a document, whose update was acknowledged
}

// Write makes the changes of the records. Records of one key take effect in order. A refused
// record does not affect the others. Write calls progress for each change that has ended.
func (d *Deliverer) Write(ctx context.Context, recs []opencdc.Record, progress func(vsclient.Result)) Result {
	w := &writing{
		Deliverer: d,
		progress:  progress,
		steps:     make([]step, len(recs)),
		result:    Result{Verdicts: make([]error, len(recs)), Outcomes: make(map[vsclient.Outcome]int)},
	}
	w.begin(0)
	for i, rec := range recs {
		w.steps[i].at = d.taken.advance()
		var err error
		if w.steps[i].Step, err = d.translate(ctx, rec); err != nil {
			w.result.Verdicts[i] = err
			continue
		}
		if w.mustWait(i) {
			w.carryOut(ctx, i)
		}
		if w.steps[i].Missing != nil {
			w.moveNothing(ctx, i)
		}
		w.join(i)
	}
	w.carryOut(ctx, len(recs))
	return w.result
}

// writing is the state of one write.
type writing struct {
	*Deliverer
	progress func(vsclient.Result) // called for each record's change
	steps    []step
	result   Result

	// These are about the next group of steps that is carried out together.
	from    int               // its first step
	puts    map[string][]int  // key to the steps that write it
	removed map[string]string // old key to the owner of the step that removes it
	written map[string]bool   // key to whether the last step has written it; false: deleted it
}

type step struct {
	translate.Step
	at        int  // the number of the record
	skip      bool // the step makes no change
	overwrote bool // it was written over another document
}

func (s *step) owner() string {
	name, _ := s.Attributes[translate.CollectionAttribute].(string)
	return name
}

func (w *writing) begin(i int) {
	w.from, w.puts, w.removed, w.written = i, make(map[string][]int), make(map[string]string), make(map[string]bool)
}

// mustWait reports whether the steps before this one must be carried out before it can be
// decided or made.
func (w *writing) mustWait(i int) bool {
	s := &w.steps[i]
	for _, key := range []string{s.Key, s.OldKey} {
		if of, ok := w.removed[key]; ok && of != s.owner() {
			return true // the key must be free before another owner takes it or leaves it
		}
	}
	if s.Missing != nil {
		return true
	}
	if !s.Gone || w.puts[s.Key] == nil {
		return false
	}
	// Another row takes the key over when it is written.
	var row translate.Row
	if holder := w.taken.get(s.Key); holder != nil {
		row = holder.row
	}
	for _, j := range w.puts[s.Key] {
		row = w.steps[j].Row(row)
	}
	return s.RemovesAnother(row)
}

// moveNothing acknowledges a step that gives a row without a text another key. It refuses the
// step when the row has a document. The steps before it have been carried out.
func (w *writing) moveNothing(ctx context.Context, i int) {
	s := &w.steps[i]
	if w.result.Outage != nil {
		w.note(i, vsclient.Result{Key: s.OldKey, Err: w.untried(s.OldKey)})
		return
	}
	info, err := w.store.Get(ctx, s.OldKey)
	holder := w.taken.get(s.OldKey)
	switch {
	case errors.Is(err, vsclient.ErrNotFound), holder.stays(s),
		err == nil && info.Attributes[translate.CollectionAttribute] != s.Attributes[translate.CollectionAttribute]:
		s.skip = true
		w.result.Outcomes[vsclient.Absent]++
	case err == nil:
		w.result.Verdicts[i] = s.Missing
	default:
		w.note(i, vsclient.Result{Key: s.OldKey, Err: err})
	}
	s.OldKey = "" // no document moves
}

// join adds the step to the group that is carried out together.
func (w *writing) join(i int) {
	s := &w.steps[i]
	if s.OldKey != "" {
		w.removed[s.OldKey] = s.owner()
	}
	holder := w.taken.get(s.Key)
	switch {
	case s.Op != translate.Delete:
		w.puts[s.Key] = append(w.puts[s.Key], i)
	case w.puts[s.Key] != nil || holder == nil:
	case s.Gone && holder.stays(s):
		s.skip = true
		holder.passed++
	case s.Tombstone && holder.passed > 0:
		// This is the tombstone of a deletion that was skipped.
		s.skip = true
		holder.passed--
	}
}

// carryOut makes the changes of the steps before step n. Then it removes their documents
// under old keys: an old document is removed once the new one is searchable.
func (w *writing) carryOut(ctx context.Context, n int) {
	var changes []vsclient.Change
	var at []int
	for i := w.from; i < n; i++ {
		if s := &w.steps[i]; w.result.Verdicts[i] == nil && !s.skip {
			changes = append(changes, w.change(s))
			at = append(at, i)
		}
	}
	for j, r := range w.apply(ctx, changes, w.progress) {
		w.note(at[j], r)
	}

	changes, at = nil, nil
	for i := w.from; i < n; i++ {
		w.hold(i)
		if s := &w.steps[i]; w.result.Verdicts[i] == nil && s.OldKey != "" && !w.replaced(i) {
			changes = append(changes, s.owned(vsclient.Delete(s.OldKey)))
			at = append(at, i)
		}
	}
	for j, r := range w.apply(ctx, changes, nil) {
		if w.note(at[j], r); r.Err == nil {
			w.taken.forget(r.Key)
		}
	}
	w.begin(n)
}

// change returns the change of the step.
func (w *writing) change(s *step) vsclient.Change {
	switch s.Op {
	case translate.Put:
		put := s.owned(vsclient.Put(vsclient.Document{Key: s.Key, Content: vsclient.Bytes(s.Content), Attributes: s.Attributes, Chunking: w.chunking}))
		if s.OldKey != "" { // the document there goes afterwards
			put = put.Searchable()
		}
		return put
	case translate.Update:
		return s.owned(vsclient.SetAttributes(s.Key, s.Attributes))
	}
	return s.owned(vsclient.Delete(s.Key))
}

// owned returns the change with the condition that the document belongs to the step's owner:
// row 7 of one table and row 7 of another have the same key.
func (s *step) owned(ch vsclient.Change) vsclient.Change {
	if s.owner() == "" {
		return ch
	}
	return ch.If(vsclient.Attributes{translate.CollectionAttribute: s.owner()})
}

// hold remembers the row of a step that has taken its key over from another row, or may have.
func (w *writing) hold(i int) {
	s := &w.steps[i]
	written := w.result.Verdicts[i] == nil
	held := w.taken.get(s.Key)
	switch {
	case s.skip:
		return
	case s.Op == translate.Delete:
		if written {
			w.taken.forget(s.Key)
		}
	case written && (s.OldKey != "" || s.Created):
		// The store sees only the last step of a group for each key.
		w.taken.set(&holder{key: s.Key, owner: s.owner(), row: s.Row(nil), over: s.OldKey != "" || s.overwrote || w.written[s.Key], at: s.at})
	case held.sameOwner(s):
		// Also after a failed step: the row has the key in the source.
		held.row = s.Row(held.row)
	}
	if written {
		w.written[s.Key] = s.Op != translate.Delete
	}
}

// replaced reports whether the document under the old key of a step is that of another row,
// so that nothing is left to remove.
func (w *writing) replaced(i int) bool {
	s := &w.steps[i]
	later := func(j int) bool { return j > i && w.result.Verdicts[j] == nil && w.steps[j].Op == translate.Put }
	if slices.ContainsFunc(w.puts[s.OldKey], later) {
		return true
	}
	return w.taken.get(s.OldKey).stays(s)
}

// apply makes the changes. After a failure of the service it makes none.
func (w *writing) apply(ctx context.Context, changes []vsclient.Change, progress func(vsclient.Result)) []vsclient.Result {
	if len(changes) == 0 {
		return nil
	}
	if w.result.Outage != nil {
		results := make([]vsclient.Result, len(changes))
		for i, c := range changes {
			results[i] = vsclient.Result{Key: c.Key(), Err: w.untried(c.Key())}
		}
		return results
	}
	var done func(int, vsclient.Result)
	if progress != nil {
		done = func(_ int, r vsclient.Result) { progress(r) }
	}
	return w.store.Apply(ctx, changes, done)
}

// note records the result of a step's change.
func (w *writing) note(i int, r vsclient.Result) {
	s := &w.steps[i]
	switch {
	case r.Err == nil:
		w.result.Outcomes[r.Outcome]++
		s.overwrote = r.Outcome == vsclient.Replaced || r.Outcome == vsclient.AttributesUpdated || r.Outcome == vsclient.Unchanged
	case s.Op == translate.Update && errors.Is(r.Err, vsclient.ErrNotFound):
		// A redelivered update of a row that was deleted or moved since has the same error,
		// and nothing could ever clear the refusal.
		w.result.Outcomes[vsclient.Absent]++
		w.result.Passed = append(w.result.Passed, r.Err)
		w.warn(errNoContent)
	case errors.Is(r.Err, vsclient.ErrConflict):
		w.result.Verdicts[i] = fmt.Errorf("%w; %s", r.Err, adviceOnConflict(s))
	case errors.Is(r.Err, vsclient.ErrStoreGone):
		w.result.Outage = r.Err
		w.result.Verdicts[i] = fmt.Errorf("vector_store_id: %w", r.Err)
	default:
		w.result.Verdicts[i] = r.Err
		if isOutage(r.Err) {
			w.result.Outage = r.Err
		}
	}
}

// isOutage reports whether the error concerns every document. A transient error without a
// failed request concerns one document: OpenAI could not index it, or cannot show it yet.
func isOutage(err error) bool {
	e, ok := errors.AsType[*vsclient.Error](err)
	return !ok || e.Class == vsclient.Fatal || e.Class == vsclient.Stopped || e.Class == vsclient.Transient && e.Tries > 0
}

// untried returns the error of the outage for a key whose change was not tried.
func (w *writing) untried(key string) error {
	e, ok := errors.AsType[*vsclient.Error](w.result.Outage)
	if !ok {
		return w.result.Outage
	}
	own := *e
	own.Key = key
	return &own
}

// adviceOnConflict returns advice on a key that another owner has. A conflict of a new row
// means that two collections have equal keys. A conflict of an update means that the
// collection has a new name.
func adviceOnConflict(s *step) string {
	if s.Op == translate.Put && !s.Changed {
		return "set collection_in_key to true; if it is set, or if another pipeline has a collection of this name, give each its own vector store"
	}
	return "if the collection (the table) was renamed, set owner to the old name"
}

// errNoContent is a warning.
var errNoContent = errors.New("an update without the text (content_field) was acknowledged although its key has no document. The row has no text, was deleted, or has another key by now. If its text was never delivered, update the text in the source or take a new snapshot. The keys are logged at debug level")
