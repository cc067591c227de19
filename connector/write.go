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

	// Steps go out together, and behind them the removals of the old keys among
	// them: an old document goes once the new one is in the store. A step whose key
	// is one of those has to wait for its removal, which would take the step's own
	// document otherwise.
	from := 0
	old := make(map[string]bool)
	for i, s := range w.steps {
		if old[s.change.Document.Key] {
			w.carryOut(ctx, from, i)
			from = i
			clear(old)
		}
		if s.oldKey != "" {
			old[s.oldKey] = true
		}
	}
	w.carryOut(ctx, from, len(w.steps))
	return w
}

// carryOut makes the changes of the steps from i up to n, and then removes what
// they had under old keys.
func (w *writing) carryOut(ctx context.Context, i, n int) {
	w.apply(ctx, i, n, func(s step) (vsclient.Change, bool) { return s.change, true })
	w.apply(ctx, i, n, func(s step) (vsclient.Change, bool) {
		return vsclient.Change{Op: vsclient.OpDelete, Document: vsclient.Document{Key: s.oldKey, Attributes: s.change.Document.Attributes}}, s.oldKey != ""
	})
}

// apply makes a change for each step from i up to n that has one and that nothing
// has been wrong with.
func (w *writing) apply(ctx context.Context, i, n int, changeOf func(step) (vsclient.Change, bool)) {
	var changes []vsclient.Change
	var at []int
	for ; i < n; i++ {
		if w.verdicts[i] != nil {
			continue
		}
		if c, ok := changeOf(w.steps[i]); ok {
			changes = append(changes, c)
			at = append(at, i)
		}
	}
	for j, r := range w.changed(ctx, changes) {
		w.note(at[j], r)
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
	if !vsclient.IsDocumentError(r.Err) {
		w.outage = r.Err
	}
}
