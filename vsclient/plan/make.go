package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Options say how a plan is made.
type Options struct {
	Scope Scope
	Guard Guard
	// Empty allows a source without any document to have documents removed.
	Empty bool
	// NoRemove withholds all removals.
	NoRemove bool
	// Limits are those of the client, for [Totals.Minutes].
	Limits vsclient.Limits
	// Refusals are documents that OpenAI has refused in earlier runs, which are not tried
	// again. nil: none.
	Refusals *Refusals
	// OwnerAttribute is the attribute that carries [Scope.Owner]; "": "owner".
	OwnerAttribute string
}

// DefaultOwnerAttribute is the attribute that carries the owner of a document.
const DefaultOwnerAttribute = "owner"

// patience is how long a document may be indexed before it is stuck: the client's default
// for Config.IndexTimeout.
const patience = 10 * time.Minute

// Make compares the source with the store and returns the difference. It only reads. It
// asks for the store, lists its documents, and reads the content of each document of the
// source once, in pieces. A client that is older than three minutes may remove versions that
// no key needs meanwhile, as always.
//
// An error that docs yields makes the plan incomplete, and so does content that cannot be
// read: documents are put, and removals are withheld. A document that the client would
// refuse is [Refused], with the reason; so is the second document of a key. Make returns
// an error when ctx ends and when the store cannot be read.
//
// The plan holds the documents to put, until it is gone: content in memory stays there,
// and content that is opened is opened again by [Plan.Execute].
func Make(ctx context.Context, c *vsclient.Client, docs iter.Seq2[vsclient.Document, error], o Options) (*Plan, error) {
	m := &maker{o: o, byKey: make(map[string]*held), seen: make(map[string]bool)}
	m.o.OwnerAttribute = cmp.Or(o.OwnerAttribute, DefaultOwnerAttribute)
	m.plan = &Plan{
		Format: Format, MadeAt: time.Now().UTC().Truncate(time.Second), Scope: o.Scope, Guard: o.Guard.withDefaults(),
		OwnerAttribute: m.o.OwnerAttribute, Entries: []Entry{}, documents: make(map[string]vsclient.Document), client: c,
	}
	var (
		store   vsclient.Store
		checked = make(chan error, 1)
	)
	go func() {
		var err error
		store, err = c.Check(ctx)
		checked <- err
	}()
	listed := m.list(ctx, c)
	if err := cmp.Or(<-checked, listed); err != nil {
		return nil, err
	}
	m.plan.StoreID = store.ID
	for d, err := range docs {
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			m.plan.Incomplete = cmp.Or(m.plan.Incomplete, fmt.Sprintf("the source is incomplete: %v", err))
			continue
		}
		if err := m.take(ctx, d); err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.remove()
	m.plan.sum(m, store)
	return m.plan, nil
}

// maker makes one plan.
type maker struct {
	o     Options
	plan  *Plan
	byKey map[string]*held
	seen  map[string]bool // keys of the source

	size, usage int64 // of the store's documents whose size is known
}

// held is a stored document, of which the store may hold more than one version.
type held struct {
	vsclient.Info        // less its attributes
	attributes    string // these, as text
	owner         any    // nil: none
	older         []*held
}

// list reads the store's listing.
func (m *maker) list(ctx context.Context, c *vsclient.Client) error {
	for info, err := range c.List(ctx) {
		if err != nil {
			return err
		}
		if info.Key == "" {
			continue
		}
		h := &held{Info: info, attributes: text(info.Attributes), owner: info.Attributes[m.o.OwnerAttribute]}
		if h.Attributes = nil; h.Size > 0 && h.Status == vsclient.Completed {
			m.size, m.usage = m.size+h.Size, m.usage+h.UsageBytes
		}
		if other := m.byKey[info.Key]; other != nil {
			if other.Version > h.Version {
				h, other = other, h
			}
			h.older, other.older = slices.Concat(h.older, other.older, []*held{other}), nil
		}
		m.byKey[info.Key] = h
	}
	for key, h := range m.byKey {
		slices.SortFunc(h.older, func(a, b *held) int { return cmp.Compare(b.Version, a.Version) })
		if h.Version > 0 && m.o.Scope.has(key, h.owner) {
			m.plan.Owned++
		}
	}
	return nil
}

// text is the attributes in a form that can be compared: fmt sorts a map by its keys.
func text(a vsclient.Attributes) string { return fmt.Sprintf("%#v", map[string]any(a)) }

// take takes in a document of the source.
func (m *maker) take(ctx context.Context, d vsclient.Document) error {
	h := m.byKey[d.Key]
	if h == nil {
		h = new(held)
	}
	e := Entry{Key: d.Key, FileID: h.FileID, Version: h.Version}
	var err error
	if m.seen[d.Key] {
		e.Action, e.Reason = Refused, "the source has the key twice; the first document counts"
	} else if err = m.judge(ctx, &e, h, &d); err != nil {
		return err
	}
	m.seen[d.Key] = true
	m.plan.Entries = append(m.plan.Entries, e)
	if e.Action.Puts() {
		m.plan.documents[d.Key] = d
	}
	if !e.Action.Puts() && e.Action != Unchanged || h.Status != vsclient.Completed {
		return nil
	}
	for _, old := range h.older {
		m.plan.documents[d.Key] = d
		m.plan.Entries = append(m.plan.Entries, Entry{
			Action: Duplicate, Key: d.Key, Reason: "a newer version of the key is searchable",
			Bytes: old.Size, SHA256: old.SHA256, FileID: old.FileID, Version: old.Version,
		})
	}
	return nil
}

// judge finds the action for a document, which is given its owner.
func (m *maker) judge(ctx context.Context, e *Entry, h *held, d *vsclient.Document) error {
	var other string
	d.Attributes, other = owned(d.Attributes, m.o.Scope.Owner, m.o.OwnerAttribute)
	info, err := m.plan.client.Describe(ctx, *d)
	if vsclient.ClassOf(err) == vsclient.BadDocument {
		e.Action, e.Reason = Refused, reasonOf(err)
		// The content may be that of a document which has moved here.
		info, err = m.plan.client.Describe(ctx, vsclient.Document{Key: "any.pdf", Content: d.Content})
		if errors.Is(err, vsclient.ErrContent) {
			m.plan.Incomplete = cmp.Or(m.plan.Incomplete, fmt.Sprintf("the content of %q cannot be read: %s", d.Key, reasonOf(err)))
		}
		if vsclient.ClassOf(err) == vsclient.BadDocument {
			return nil
		}
	}
	if err != nil {
		return err
	}
	e.Bytes, e.SHA256 = info.Size, info.SHA256
	switch {
	case e.Action == Refused:
		return nil
	case other != "":
		e.Action, e.Reason = Conflict, other
		return nil
	}
	e.Action, e.Reason = m.compare(h, info)
	refused := m.o.Refusals.reason(d.Key, info.SHA256, chunkingText(info.Chunking))
	if e.Action.Uploads() && refused != "" {
		e.Action, e.Reason = Refused, "OpenAI has refused this content before: "+refused
	}
	e.Unowned = m.o.Scope.Owner != "" && h.FileID != "" && h.owner == nil && e.Action.Puts()
	return nil
}

// owned returns the attributes with the owner. The reason tells why it cannot be.
func owned(a vsclient.Attributes, owner, attribute string) (_ vsclient.Attributes, reason string) {
	other, has := a[attribute]
	switch {
	case owner == "" || other == owner:
		return a, ""
	case has:
		return a, fmt.Sprintf("the source gives the document the %s %q, and the plan is for %q", attribute, fmt.Sprint(other), owner)
	}
	with := vsclient.Attributes{attribute: owner}
	maps.Copy(with, a)
	return with, ""
}

// compare returns the difference between a stored document and one of the source, as a
// store would describe it.
func (m *maker) compare(h *held, want vsclient.Info) (Action, string) {
	owner := want.Attributes[m.o.OwnerAttribute]
	switch {
	case h.FileID == "":
		return Create, ""
	case h.owner != nil && h.owner != owner && (m.o.Scope.Owner != "" || owner == nil):
		return Conflict, fmt.Sprintf("the stored document has the %s %q", m.o.OwnerAttribute, fmt.Sprint(h.owner))
	case h.SHA256 == "":
		return Replace, "the store does not tell the stored content"
	case h.SHA256 != want.SHA256:
		return Replace, ""
	case h.Status == vsclient.Failed, h.Status == vsclient.Cancelled:
		return Repair, "OpenAI could not index the stored document: " + cmp.Or(h.Code, string(h.Status))
	case h.Status != vsclient.Completed && time.Since(h.AttachedAt) > patience:
		return Repair, fmt.Sprintf("the stored document is stuck: it is %s since %s", h.Status, h.AttachedAt.UTC().Format(time.RFC3339))
	case h.Chunking != want.Chunking:
		return Rechunk, fmt.Sprintf("from %s to %s", chunkingText(h.Chunking), chunkingText(want.Chunking))
	case h.attributes != text(want.Attributes):
		return Attributes, ""
	case h.Status != vsclient.Completed:
		return Unchanged, "it is being indexed"
	}
	return Unchanged, ""
}

func chunkingText(c vsclient.Chunking) string {
	if c == (vsclient.Chunking{}) {
		return "auto"
	}
	return fmt.Sprintf("%d/%d", c.MaxTokens, c.OverlapTokens)
}

// reasonOf is the reason of an error without the operation and the key, which the entry
// tells.
func reasonOf(err error) string {
	e, ok := errors.AsType[*vsclient.Error](err)
	switch {
	case !ok:
		return err.Error()
	case e.Kind == nil:
		return e.Reason
	}
	return e.Kind.Error() + ": " + e.Reason
}

// remove plans the removals.
func (m *maker) remove() {
	p := m.plan
	unput := make(map[string]string) // keys by the content that they do not get
	for _, e := range p.Entries {
		if e.SHA256 != "" && (e.Action == Refused || e.Action == Conflict) {
			unput[e.SHA256] = e.Key
		}
	}
	first := len(p.Entries)
	for key, h := range m.byKey {
		if m.seen[key] || h.Version == 0 || !p.Scope.has(key, h.owner) {
			continue
		}
		e := Entry{Action: Remove, Key: key, Bytes: h.Size, SHA256: h.SHA256, FileID: h.FileID, Version: h.Version}
		switch {
		case m.o.NoRemove:
			e.Withheld = "removals are turned off"
		case p.Incomplete != "":
			e.Withheld = p.Incomplete
		case len(m.seen) == 0 && !m.o.Empty:
			e.Withheld = "the source is empty"
		case h.SHA256 != "" && unput[h.SHA256] != "":
			e.Withheld = fmt.Sprintf("the source has its content under %q, which cannot be put", unput[h.SHA256])
		}
		p.Entries = append(p.Entries, e)
	}
	removals := p.Entries[first:]
	slices.SortFunc(removals, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	p.Removals = len(removals)
	p.Guarded = p.Guard.refuses(p.Removals, p.Owned)
	for i := range removals {
		removals[i].Withheld = cmp.Or(removals[i].Withheld, p.Guarded)
	}
}
