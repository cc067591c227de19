package histories

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/judge"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// finish ends all faults, lets everything settle, and judges the whole.
func (h *history) finish() {
	h.calm()
	h.join()
	for _, n := range slices.Sorted(maps.Keys(h.procs)) {
		if p := h.procs[n]; p.Orphan && h.alive(p) && !p.Closed {
			p.calls.Wait()
			h.close(p, 0)
		}
	}
	h.gate.Wait()
	for store := range 2 {
		if store == 1 && !h.Uses(1) {
			continue
		}
		if h.living(store) == nil {
			h.start(plan.Step{Do: plan.DoStart, P: 1000 + store, Store: store})
		}
		p := h.living(store)
		for i := range h.Plan.Keys {
			if h.Cells[[2]int{store, i}].Touched {
				h.get(context.Background(), p, plan.DoGet, i)
			}
		}
		h.flush(context.Background(), p)
		if h.Expired && store == 0 {
			h.list(context.Background(), p)
			h.search(context.Background(), p, "content")
			h.get(context.Background(), p, plan.DoText, 0)
		}
	}
	healthy := true
	for from := h.Now(); h.Now()-from < h.Settled(); {
		time.Sleep(time.Minute)
		if healthy = h.Healthy(false); !healthy {
			h.Out.Healthy = h.Now() - from + time.Minute
		}
	}
	h.Examine(false)
	if !healthy {
		h.Out.Healthy, h.Out.Never = 0, true
		if len(h.Out.Wrong) == 0 && !h.Healthy(true) {
			h.Wrong(course.KindOpen, "%v after the last fault, the store is not as it must be", h.Settled())
		}
	}
	if len(h.Out.Wrong) > 0 || h.Expired || h.Drops() {
		return
	}
	h.tidy()
}

func (h *history) living(store int) *process {
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(h.procs))) {
		if p := h.procs[n]; p.Store == store && h.alive(p) && !p.Closed && !p.Orphan {
			return p
		}
	}
	return nil
}

// tidy has a new process sweep, list and remove the Files that are left over.
func (h *history) tidy() {
	h.start(plan.Step{Do: plan.DoStart, P: 2000})
	p := h.procs[2000]
	ctx := context.Background()
	h.sweep(ctx, p, plan.DoStrays)
	time.Sleep(judge.GraceOfStrays)
	loose := h.Loose()
	strays, err := p.c.Strays(ctx, judge.GraceOfStrays, h.Plan.Keys, h.Start.Add(h.Clock))
	if err != nil {
		h.Wrong(course.KindError, "the last leftovers: %v", err)
	}
	for _, f := range loose {
		if !slices.ContainsFunc(strays, func(s client.Stray) bool { return s.FileID == f.ID }) {
			h.Wrong(course.KindUnlisted, "the File %s %q of %v is attached nowhere and not listed", f.ID, f.Name, h.Since(f.CreatedAt).Round(time.Millisecond))
		}
	}
	h.Examine(true)
	if len(h.Out.Wrong) > 0 {
		return
	}
	h.compareListing(p)
}

// compareListing compares a listing that no longer lags with the model.
func (h *history) compareListing(p *process) {
	got, err := p.c.List(context.Background())
	if err != nil {
		h.Wrong(course.KindError, "the last listing: %v", err)
		return
	}
	found := make(map[string][]client.Seen)
	for _, s := range got {
		found[s.Key] = append(found[s.Key], s)
	}
	for i, key := range h.Plan.Keys {
		c := h.Cells[[2]int{0, i}]
		if !c.Touched || h.Ambiguous(key) {
			continue
		}
		want := len(h.Files(c.Store, c.Key))
		if len(found[key]) != want {
			h.Wrong(course.KindAnswer, "the last listing has %s %d times, and the store %d times", trail.Shown(key), len(found[key]), want)
		}
	}
}
