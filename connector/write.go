package openaivs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/conduitio/conduit-commons/opencdc"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// writing is one write under way.
type writing struct {
	d        *Destination
	progress func(vsclient.Progress)

	steps    []step
	verdicts []error // nil: written
	outcomes map[vsclient.Outcome]int
	outage   error // of the service: nothing more is tried

	// The steps that go out together next are those from this one on.
	from    int
	puts    map[string][]int  // key to the steps that write it
	removed map[string]string // old key to the owner that it is removed for
	skipped map[int]bool      // deletions of rows that have lost their key to another row
}

func (d *Destination) write(ctx context.Context, recs []opencdc.Record, progress func(vsclient.Progress)) *writing {
	w := &writing{
		d:        d,
		progress: progress,
		steps:    make([]step, len(recs)),
		verdicts: make([]error, len(recs)),
		outcomes: make(map[vsclient.Outcome]int),
	}
	w.begin(0)
	for i, rec := range recs {
		w.steps[i], w.verdicts[i] = d.translator.translate(ctx, rec)
		if w.verdicts[i] != nil {
			continue
		}
		if w.mustWait(i) {
			w.carryOut(ctx, i)
		}
		w.join(i)
	}
	w.carryOut(ctx, len(recs))
	return w
}

func (w *writing) begin(i int) {
	w.from = i
	w.puts, w.removed, w.skipped = make(map[string][]int), make(map[string]string), make(map[int]bool)
}

// mustWait reports whether the step can only be made, or decided on, when the ones
// before it have been carried out.
func (w *writing) mustWait(i int) bool {
	s := &w.steps[i]
	key := s.change.Document.Key
	if of, ok := w.removed[key]; ok && of != owner(s) {
		return true // another owner can have the key once it is free
	}
	if s.change.Op != vsclient.OpDelete || w.puts[key] == nil {
		return false
	}
	// Whether another row has taken the key over is known when that row is written.
	holder, _ := w.d.taken.get(key)
	for _, j := range w.puts[key] {
		holder = w.steps[j].rowOf(holder)
	}
	return s.removesAnother(holder)
}

// join adds the step to those that go out together next.
func (w *writing) join(i int) {
	s := &w.steps[i]
	key := s.change.Document.Key
	if s.oldKey != "" {
		w.removed[s.oldKey] = owner(s)
	}
	switch {
	case s.change.Op != vsclient.OpDelete:
		w.puts[key] = append(w.puts[key], i)
	case w.puts[key] == nil:
		holder, ok := w.d.taken.get(key)
		w.skipped[i] = ok && s.removesAnother(holder)
	}
}

func owner(s *step) string {
	name, _ := s.change.Document.Attributes[collectionAttribute].(string)
	return name
}

// carryOut makes the changes of the steps up to n, and then removes what they had
// under old keys: an old document goes once the new one is in the store.
func (w *writing) carryOut(ctx context.Context, n int) {
	var changes []vsclient.Change
	var at []int
	for i := w.from; i < n; i++ {
		if w.verdicts[i] == nil && !w.skipped[i] {
			changes = append(changes, w.steps[i].change)
			at = append(at, i)
		}
	}
	for j, r := range w.changed(ctx, changes) {
		w.note(at[j], r)
	}

	changes, at = nil, nil
	for i := w.from; i < n; i++ {
		s := &w.steps[i]
		if w.hold(i); w.verdicts[i] == nil && s.oldKey != "" && !w.replaced(i) {
			changes = append(changes, vsclient.Change{Op: vsclient.OpDelete, Document: vsclient.Document{Key: s.oldKey, Attributes: s.change.Document.Attributes}})
			at = append(at, i)
		}
	}
	for j, r := range w.changed(ctx, changes) {
		if w.note(at[j], r); r.Err == nil {
			w.d.taken.forget(r.Key)
		}
	}
	w.begin(n)
}

// hold remembers whose the key of a step is when it has taken the key over from
// another row.
func (w *writing) hold(i int) {
	s := &w.steps[i]
	key := s.change.Document.Key
	holder, held := w.d.taken.get(key)
	switch {
	case s.change.Op == vsclient.OpDelete:
		if w.verdicts[i] == nil && !w.skipped[i] {
			w.d.taken.forget(key)
		}
	case held:
		// Also when the step has failed: the row has the key in the source.
		w.d.taken.set(key, s.rowOf(holder))
	case w.verdicts[i] == nil && (s.oldKey != "" || s.created && s.overwrote):
		w.d.taken.set(key, s.rowOf(nil))
	}
}

// replaced reports whether nothing is left to remove under the old key of a step:
// its document has been replaced by that of another row.
func (w *writing) replaced(i int) bool {
	s := &w.steps[i]
	if slices.ContainsFunc(w.puts[s.oldKey], func(j int) bool { return j > i && w.verdicts[j] == nil && w.steps[j].change.Op == vsclient.OpPut }) {
		return true
	}
	holder, held := w.d.taken.get(s.oldKey)
	return held && s.removesAnother(holder)
}

// changed applies the changes, unless the service has failed before.
func (w *writing) changed(ctx context.Context, changes []vsclient.Change) []vsclient.Result {
	if len(changes) == 0 {
		return nil
	}
	if w.outage != nil {
		results := make([]vsclient.Result, len(changes))
		for i, c := range changes {
			results[i] = vsclient.Result{Key: c.Document.Key, Err: w.outage}
		}
		return results
	}
	return w.d.store.Apply(ctx, changes, w.progress)
}

// note takes in the result of a step's change.
func (w *writing) note(i int, r vsclient.Result) {
	s := &w.steps[i]
	switch {
	case r.Err == nil:
		w.outcomes[r.Outcome]++
		s.overwrote = r.Outcome == vsclient.Replaced || r.Outcome == vsclient.AttributesUpdated
	case s.change.Op == vsclient.OpUpdateAttributes && errors.Is(r.Err, vsclient.ErrNotFound) && !errors.Is(r.Err, vsclient.ErrStoreNotFound):
		// A row that has been deleted or moved since looks the same when its update is
		// delivered again, and nothing could ever mend the refusal.
		w.outcomes[vsclient.Absent]++
		w.d.translator.warn(errNoContent)
	case errors.Is(r.Err, vsclient.ErrConflict):
		w.verdicts[i] = fmt.Errorf("%w; set collection_in_key to true, or give each collection a vector store of its own", r.Err)
	default:
		w.verdicts[i] = r.Err
		if !vsclient.IsDocumentError(r.Err) {
			w.outage = r.Err
		}
	}
}

// errNoContent is a warning.
var errNoContent = errors.New("an update of a row without its text (content_field) was acknowledged, though its key has no document: the row was deleted or has another key by now, or its text has never been delivered; in the latter case update the text in the source, or take a new snapshot")
