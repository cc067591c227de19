package view

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/lists"
)

const (
	// Patience is how long a single request waits for an attach to show.
	Patience = 30 * time.Second
	// apart is how many seconds the clocks of OpenAI's hosts may differ, at most, where a
	// version cannot be seen yet. A longer time would have every namesake in another store
	// waited for, and outrank later puts of a process that knows nothing of this one.
	apart = 4
)

// Holdings returns the versions that the store holds of a key's document, and the Files that
// have one of its names and are so young that their attach may not have shown.
func (v *View) Holdings(ctx context.Context, d Doc) (h ledger.Holdings, young []string, err error) {
	if err := v.Renew(ctx, lists.ListAge); err != nil {
		return h, nil, err
	}
	if v.ledger.Altered() || d.Names.Stems[0] == "" {
		return v.listedHoldings(ctx, d)
	}
	var (
		looks  errgroup.Group
		mu     sync.Mutex
		passed []ledger.Version
	)
	for _, file := range v.ledger.Candidates(d.ID, d.Names) {
		looks.Go(func() error {
			over, err := v.Inspect(ctx, file, v.Look)
			if over {
				mu.Lock()
				defer mu.Unlock()
				passed = append(passed, file)
			}
			return err
		})
	}
	if err := looks.Wait(); err != nil {
		return h, nil, err
	}
	// A key that has its document has namesakes in other stores, not an older version
	// that a complete reading of this one would not show.
	if h = v.ledger.Holdings(d.ID, d.Names); len(h.Versions) == 0 && len(passed) > 0 {
		for _, file := range passed {
			if err := v.Look(ctx, file.ID); err != nil {
				return h, nil, err
			}
		}
		h = v.ledger.Holdings(d.ID, d.Names)
	}
	return h, v.unseenOf(v.ledger.Candidates(d.ID, d.Names)), nil
}

// unseenOf returns the Files that no reply has shown in the store, and that are so new that
// their attach may still show.
func (v *View) unseenOf(files []ledger.Version) (young []string) {
	for _, file := range files { // a look may have shown it since
		if now, known := v.ledger.Find(file.ID); known && now.Status <= ledger.Absent && v.Young(now.Created) {
			young = append(young, file.ID)
		}
	}
	return young
}

// Hidden reports whether a young File may be a newer version than cur that is not visible
// yet. With others, any File of the last half minute may be; without, only one that a process
// before this one may have attached.
func (v *View) Hidden(cur ledger.Version, young []string, others bool) bool {
	since := v.Running()
	return slices.ContainsFunc(young, func(id string) bool {
		file, known := v.ledger.Find(id)
		before := !cur.Made && since <= Patience && v.Age(file.Created) < lists.ShowTime
		return known && file.Created >= cur.Created-apart && (before || others && v.Age(file.Created) < Patience)
	})
}

// Awaited is Hidden with others. Once a call has waited for Patience, Awaited also asks whether
// each File is still there, and whether another store of the project has it: a File that is
// gone, or that another store has, is no version that this store does not show yet.
func (v *View) Awaited(ctx context.Context, cur ledger.Version, young []string, waited time.Duration) bool {
	if waited > Patience && v.Hidden(cur, young, true) {
		young = slices.DeleteFunc(slices.Clone(young), func(id string) bool {
			_, there, err := File(ctx, v.cfg.Wire, id)
			if err == nil && there {
				there, err = v.cfg.Wire.Elsewhere(ctx, id)
				return err == nil && there
			}
			return err == nil
		})
	}
	return v.Hidden(cur, young, true)
}

// listedHoldings is Holdings where names do not lead to a document: the store's listing
// decides. The listing lags, so listedHoldings also looks at young Files whose key is unknown:
// those whose names have an empty fold, or all of them where the server alters names.
func (v *View) listedHoldings(ctx context.Context, d Doc) (h ledger.Holdings, young []string, err error) {
	if err := v.Walk(ctx); err != nil {
		return h, nil, err
	}
	newest := slices.DeleteFunc(v.ledger.Candidates(d.ID, d.Names), func(f ledger.Version) bool { return !v.Young(f.Created) && !f.Bare() })
	if v.ledger.Altered() {
		newest = append(newest, v.Unknown()...)
	}
	var looks errgroup.Group
	for _, file := range append(v.ledger.Holdings(d.ID, d.Names).Versions, newest...) {
		if !file.Open && !file.Going && !v.Trusted(file) {
			looks.Go(func() error { return v.Look(ctx, file.ID) })
		}
	}
	if err := looks.Wait(); err != nil {
		return h, nil, err
	}
	return v.ledger.Holdings(d.ID, d.Names), v.unseenOf(newest), nil
}

// HoldingsNow is Holdings for a caller that must not miss a version: it looks at young Files
// again, and lists the Files again when the key seems to have no document.
func (v *View) HoldingsNow(ctx context.Context, d Doc) (ledger.Holdings, []string, error) {
	h, young, err := v.Holdings(ctx, d)
	_, found := h.Current()
	if err != nil || found && len(young) == 0 {
		return h, young, err
	}
	if !found {
		if err := v.Renew(ctx, 0); err != nil {
			return h, nil, err
		}
		young = v.unseenOf(v.ledger.Candidates(d.ID, d.Names))
	}
	v.ledger.Doubt(young...) // they may show by now
	h, young, err = v.Holdings(ctx, d)
	if _, found = h.Current(); err == nil && !found {
		err = v.StoreThere(ctx) // its absence must not pass for that of a document
	}
	return h, young, err
}

// HoldingsAnew is HoldingsNow by a list of Files that begins now: somebody else has replaced
// or removed versions that were known.
func (v *View) HoldingsAnew(ctx context.Context, d Doc) (ledger.Holdings, []string, error) {
	if err := v.Renew(ctx, 0); err != nil {
		return ledger.Holdings{}, nil, err
	}
	return v.HoldingsNow(ctx, d)
}
