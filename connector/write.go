package openaivs

import (
	"context"
	"errors"
	"fmt"

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
}

func (d *Destination) write(ctx context.Context, recs []opencdc.Record, progress func(vsclient.Progress)) *writing {
	w := &writing{
		d:        d,
		progress: progress,
		steps:    make([]step, len(recs)),
		verdicts: make([]error, len(recs)),
		outcomes: make(map[vsclient.Outcome]int),
	}
	for i, rec := range recs {
		w.steps[i], w.verdicts[i] = d.translator.translate(ctx, rec)
	}

	// Steps go out together, except that one which takes an old key away has to be
	// in the store before, and be done before the old key is used again.
	from := 0
	for i, s := range w.steps {
		if s.oldKey != "" {
			w.apply(ctx, from, i+1)
			w.remove(ctx, i)
			from = i + 1
		}
	}
	w.apply(ctx, from, len(w.steps))
	return w
}

// apply carries out the steps from i up to n that nothing is wrong with.
func (w *writing) apply(ctx context.Context, i, n int) {
	var changes []vsclient.Change
	var at []int
	for ; i < n; i++ {
		if w.verdicts[i] == nil {
			changes = append(changes, w.steps[i].change)
			at = append(at, i)
		}
	}
	for j, r := range w.changed(ctx, changes) {
		w.note(at[j], r)
	}
}

// remove takes away the document that the step's had under its old key, if the
// step itself went well.
func (w *writing) remove(ctx context.Context, i int) {
	if w.verdicts[i] != nil {
		return
	}
	s := w.steps[i]
	gone := vsclient.Change{Op: vsclient.OpDelete, Document: vsclient.Document{Key: s.oldKey, Attributes: s.change.Document.Attributes}}
	for _, r := range w.changed(ctx, []vsclient.Change{gone}) {
		w.note(i, r)
	}
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

func (w *writing) note(i int, r vsclient.Result) {
	if r.Err == nil {
		w.outcomes[r.Outcome]++
		return
	}
	w.verdicts[i] = r.Err
	if errors.Is(r.Err, vsclient.ErrConflict) {
		w.verdicts[i] = fmt.Errorf("%w; set collection_in_key to true, or give each collection a vector store of its own", r.Err)
	}
	if !ofRecord(r.Err) {
		w.outage = r.Err
	}
}

// ofRecord reports whether the fault lies in the one record, so that the others
// of its write can be expected to go through.
func ofRecord(err error) bool {
	// Not found is the answer to changing the attributes of a document that the
	// store does not hold.
	return vsclient.IsDocumentError(err) || errors.Is(err, vsclient.ErrNotFound)
}
