package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan/internal/digest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan/internal/stored"
)

// look compares the plan with the store's listing. Entries that no longer fit end here.
func (x *execution) look(ctx context.Context) error {
	p := x.plan
	store, err := x.c.Check(ctx)
	if err != nil {
		return err
	}
	if store.ID != p.StoreID {
		return fmt.Errorf("plan: the plan is for the store %s, and the client's is %s", p.StoreID, store.ID)
	}
	now, err := stored.List(ctx, x.c, p.OwnerAttribute, p.Scope.Owner)
	if err != nil {
		return err
	}
	for i, e := range p.Entries {
		h := cmp.Or(now.Newest[e.Key], new(stored.Document))
		owner := h.Owner()
		other := !e.Unowned && owner != nil && owner != p.Scope.Owner && (p.Scope.Owner != "" || e.Action == Remove)
		switch {
		case other && e.acts():
			x.end(i, stale("the stored document has the %s by now", now.Named(h)), vsclient.Result{})
		case other && e.Action == Unchanged:
			x.ends[i] = stale("the stored document has the %s by now", now.Named(h))
		case e.Action == Duplicate && !slices.ContainsFunc(now.Older[e.Key], func(old *stored.Document) bool { return old.FileID == e.FileID }):
			x.end(i, end{idle: true}, vsclient.Result{})
		case e.Action != Unchanged, e.Indexing(), h.Version == e.Version, h.Content == digest.Of(e.SHA256):
		case h.FileID == "":
			x.ends[i] = stale("the stored document is gone")
		default:
			x.ends[i] = stale("the stored document is another version by now, File %s", h.FileID)
		}
	}
	return nil
}

// change makes a change, provided that the newest version of the key and its owner are those that
// the plan has seen. A put of a document that the owner had already replaces each version of the
// owner, unless the plan is of an earlier process. Where a reader finds another version that is
// right too, as after a run that was cut off, the change is made provided that it is there.
func (x *execution) change(ctx context.Context, e Entry, ch vsclient.Change, owner any) (vsclient.Result, end) {
	try := func(version int64, owner any) vsclient.Result {
		provided := ch.If(vsclient.Attributes{x.plan.OwnerAttribute: owner})
		if x.plan.Scope.Owner == "" || e.Unowned || e.Action == Remove || x.c != x.plan.client {
			provided = provided.IfVersion(version)
		}
		return x.c.Apply(ctx, []vsclient.Change{provided}, nil)[0]
	}
	first := owner
	if e.Unowned || owner == "" {
		first = nil
	}
	r := try(e.Version, first)
	if !errors.Is(r.Err, vsclient.ErrConflict) {
		return r, end{err: r.Err}
	}
	stored, how := x.stands(ctx, e, owner)
	if how != (end{}) {
		return r, how
	}
	why := reasonOf(r.Err)
	for _, as := range []any{owner, stored.Attributes[x.plan.OwnerAttribute]} {
		if r = try(stored.Version, as); !errors.Is(r.Err, vsclient.ErrConflict) {
			return r, end{err: r.Err}
		}
	}
	return r, stale("the store has changed: %s", why)
}

// stands compares the document that a reader finds with an entry, whose document is to have the
// owner. An older version shows where the newest is not searchable.
func (x *execution) stands(ctx context.Context, e Entry, owner any) (vsclient.Info, end) {
	info, err := x.c.Get(ctx, e.Key)
	is, ownerless := info.Attributes[x.plan.OwnerAttribute], x.plan.Scope.Owner == "" || e.Unowned
	switch {
	case errors.Is(err, vsclient.ErrNotFound) && (e.FileID == "" || e.Action == Repair || e.Action == Remove || e.Indexing()):
	case errors.Is(err, vsclient.ErrNotFound):
		return info, stale("the stored document is gone")
	case err != nil:
		return info, end{err: err}
	case is == nil && !ownerless && info.Version >= e.Version:
		return info, stale("the stored document has no %s by now", x.plan.OwnerAttribute)
	case is != nil && is != owner:
		return info, stale("the stored document has the %s %q by now", x.plan.OwnerAttribute, fmt.Sprint(is))
	case e.Action != Remove && e.SHA256 != "" && info.SHA256 == e.SHA256: // an earlier execution of the plan has put it
	case e.FileID == "":
		return info, stale("the store has a document of the key by now, File %s", info.FileID)
	case info.Version > e.Version, info.Version == e.Version && info.FileID != e.FileID:
		return info, stale("the stored document is another version by now, File %s", info.FileID)
	case e.Action == Remove && (info.Version == 0 || !x.plan.Scope.has(e.Key, is)):
		return info, stale("the stored document is not the source's by now")
	}
	return info, end{}
}
