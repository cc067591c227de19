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
	"unique"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan/internal/digest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan/internal/stored"
)

// Options say how a plan is made.
type Options struct {
	Scope Scope
	Guard Guard
	// Empty allows a source without any document to have documents removed.
	Empty bool
	// NoRemove withholds all removals.
	NoRemove bool
	// Exists asks the source whether it has a document of the key, for each removal, which is
	// withheld when the source has it or cannot tell. nil: [ExecuteOptions.Exists] alone asks.
	Exists func(ctx context.Context, key string) (bool, error)
	// Limits are those of the client, for [Totals.Minutes].
	Limits vsclient.Limits
	// Refusals are documents that OpenAI has refused in earlier runs. nil: each is tried.
	Refusals *Refusals
	// OwnerAttribute is the attribute that carries [Scope.Owner]; "": "owner".
	OwnerAttribute string
	// Overlap withholds every change when the source may be another one than is meant: two documents
	// or more within the scope would go whose content the source lacks, and these are more than three
	// quarters of all, or more than half while most contents of the source are new, or no document
	// stays under its key. Where two would go, one changed document does not make its content new.
	// [ExecuteOptions.Approve] lifts that.
	Overlap bool
	// Doubt is the reason to think that the source may be another one, such as "the last run has read
	// /docs"; "": there is none. While a document would go, a Doubt withholds every change, unless more
	// than half of the scope's documents (or one of two) are in the source unchanged. It does so with
	// NoRemove too. [ExecuteOptions.Approve] lifts it.
	Doubt string
	// Strict has a Doubt withhold every change however many documents are unchanged.
	Strict bool
	// Reopen leaves the documents out of the plan, which is smaller then. [ExecuteOptions.Source]
	// opens them again.
	Reopen bool
}

// SourceEmpty is the reason of removals that [Options.Empty] would allow.
const SourceEmpty = "the source is empty"

// DefaultOwnerAttribute is the attribute that carries the owner of a document.
const DefaultOwnerAttribute = stored.OwnerAttribute

// Make compares the source with the store and returns the difference. It only reads. It
// asks for the store, lists its documents, and reads the content of each document of the
// source once, in pieces. A client that is older than three minutes may remove versions that
// no key needs meanwhile, as always.
//
// An error that docs yields makes the plan incomplete, and so does content that cannot be
// read: documents are put, and removals are withheld. A document that the client would
// refuse is [Refused], with the reason; so is the second document of a key. The content of
// refused documents is read only when there is something to remove, which may have moved
// there. Make returns an error when ctx ends and when the store cannot be read.
//
// The plan holds the documents to put, until it is gone: content in memory stays there,
// and content that is opened is opened again by [Plan.Execute]. With [Options.Reopen] it holds none.
func Make(ctx context.Context, c *vsclient.Client, docs iter.Seq2[vsclient.Document, error], o Options) (*Plan, error) {
	o.OwnerAttribute = cmp.Or(o.OwnerAttribute, DefaultOwnerAttribute)
	m := &maker{o: o, plan: &Plan{
		Format: Format, MadeAt: time.Now().UTC().Truncate(time.Second), Scope: o.Scope, Guard: o.Guard.withDefaults(),
		OwnerAttribute: o.OwnerAttribute, Entries: []Entry{}, documents: make(map[string]vsclient.Document), client: c,
	}}
	var store vsclient.Store
	checked := make(chan error, 1)
	listing, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		var err error
		if store, err = c.Check(ctx); err != nil {
			stop() // a listing is tried for much longer
		}
		checked <- err
	}()
	var listed error
	m.store, listed = stored.List(listing, c, o.OwnerAttribute, o.Scope.Owner)
	if err := cmp.Or(<-checked, listed); err != nil {
		return nil, err
	}
	for key, h := range m.store.Newest {
		if m.owned(key, h) {
			m.plan.Owned++
		}
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
	if err := m.remove(ctx); err != nil {
		return nil, err
	}
	m.plan.sum(m, store)
	return m.plan, nil
}

// maker makes one plan.
type maker struct {
	o       Options
	plan    *Plan
	store   *stored.Store
	refused []refused
}

// taken stands for every key of the source whose stored document need not be known any more.
var taken = &stored.Document{Seen: true}

// refused is a document that cannot be put. Its content may have moved there from a key
// that would be removed.
type refused struct {
	entry   int
	content vsclient.Content
}

// owned reports whether a stored document is within the scope.
func (m *maker) owned(key string, h *stored.Document) bool {
	return h.Version > 0 && m.o.Scope.has(key, h.Owner())
}

// take takes in a document of the source.
func (m *maker) take(ctx context.Context, d vsclient.Document) error {
	h := cmp.Or(m.store.Newest[d.Key], new(stored.Document))
	e := Entry{Key: d.Key, FileID: h.FileID, Version: h.Version, usage: h.Usage}
	if h.Seen {
		e.Action, e.Reason = Refused, "the source has the key twice; the first document counts"
		m.refused = append(m.refused, refused{len(m.plan.Entries), d.Content})
	} else if err := m.judge(ctx, &e, h, d); err != nil {
		return err
	}
	if m.owned(d.Key, h) && e.SHA256 != "" && digest.Of(e.SHA256) == h.Content {
		m.plan.Same++
	}
	h.Seen, e.Reason = true, unique.Make(e.Reason).Value() // most are the same
	m.plan.Entries = append(m.plan.Entries, e)
	if !m.o.Reopen && (e.mayPut() || e.Action == Unchanged && len(m.store.Older[d.Key]) > 0) {
		m.plan.documents[d.Key] = d
	}
	if len(m.store.Older[d.Key]) == 0 && (h.FileID == "" || e.Action == Unchanged || e.Action.Uploads()) {
		m.store.Newest[d.Key] = taken
	}
	reason := "a newer version of the key is searchable"
	switch {
	case e.Indexing():
		reason = "a newer version of the key is being indexed"
	case !e.Action.Puts() && e.Action != Unchanged:
		return nil
	case h.Unsearchable != nil:
		reason = "the key gets a newer version"
	}
	for _, old := range m.store.Older[d.Key] {
		m.plan.Entries = append(m.plan.Entries, Entry{
			Action: Duplicate, Key: d.Key, Reason: reason,
			Bytes: old.Size, SHA256: old.Content.String(), FileID: old.FileID, Version: old.Version, Unowned: e.Unowned,
		})
	}
	return nil
}

// judge finds the action for a document.
func (m *maker) judge(ctx context.Context, e *Entry, h *stored.Document, d vsclient.Document) error {
	var other string
	d.Attributes, other = owned(d.Attributes, m.o.Scope.Owner, m.o.OwnerAttribute)
	info, err := m.plan.client.Describe(ctx, d)
	if vsclient.ClassOf(err) == vsclient.BadDocument {
		e.Action, e.Reason = Refused, reasonOf(err)
		m.unreadable(d.Key, err)
		m.refused = append(m.refused, refused{len(m.plan.Entries), d.Content})
		return nil
	}
	if err != nil {
		return err
	}
	e.Bytes, e.SHA256, e.Settings = info.Size, info.SHA256, digest.Settings(info.Attributes, info.Chunking)
	if other != "" {
		e.Action, e.Reason = Conflict, other
		return nil
	}
	e.Action, e.Reason = m.compare(h, info)
	if why := m.o.Refusals.reason(d.Key, info.SHA256, info.Chunking.String()); e.Action.Uploads() && why != "" {
		e.Action, e.Reason = Refused, refusedBefore+why
	}
	e.Unowned = info.Attributes[m.o.OwnerAttribute] != nil && h.FileID != "" && h.OwnerBeside(info.Attributes) == nil && e.mayPut()
	return nil
}

// unreadable makes the plan incomplete when the error is that of content which cannot be read.
func (m *maker) unreadable(key string, err error) {
	if errors.Is(err, vsclient.ErrContent) {
		m.plan.Incomplete = cmp.Or(m.plan.Incomplete, fmt.Sprintf("the content of %q cannot be read: %s", key, reasonOf(err)))
	}
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
func (m *maker) compare(h *stored.Document, want vsclient.Info) (Action, string) {
	if h.FileID == "" {
		return Create, ""
	}
	stuck := h.Unsearchable
	switch was, is := h.OwnerBeside(want.Attributes), want.Attributes[m.o.OwnerAttribute]; {
	case was != nil && was != is && (is == nil || m.o.Scope.Owner != ""):
		return Conflict, "the stored document has the " + m.store.Named(h)
	case was != nil && was != is:
		return Conflict, fmt.Sprintf("the stored document has the %s, and the source gives it %q", m.store.Named(h), fmt.Sprint(is))
	case h.Content == (digest.Digest{}):
		return Replace, "the store does not tell the stored content"
	case h.Content != digest.Of(want.SHA256):
		return Replace, ""
	case stuck != nil && (stuck.Status == vsclient.Failed || stuck.Status == vsclient.Cancelled):
		return Repair, unindexed + cmp.Or(stuck.Code, string(stuck.Status))
	case stuck != nil && time.Since(stuck.AttachedAt) > 10*time.Minute: // as a client has it
		return Repair, fmt.Sprintf("the stored document is stuck: it is %s since %s", stuck.Status, stuck.AttachedAt.UTC().Format(time.RFC3339))
	case h.Chunking.Value() != want.Chunking:
		return Rechunk, fmt.Sprintf("from %s to %s", h.Chunking.Value(), want.Chunking)
	}
	action, reason := Unchanged, ""
	if h.Attributes != digest.Attributes(want.Attributes) {
		action = Attributes
	}
	if stuck != nil {
		reason = indexed
	}
	return action, reason
}

// reasonOf is the reason of an error without the operation and the key, which the entry tells.
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
func (m *maker) remove(ctx context.Context) error {
	p, first := m.plan, len(m.plan.Entries)
	for key, h := range m.store.Newest {
		if !h.Seen && m.owned(key, h) {
			p.Entries = append(p.Entries, Entry{Action: Remove, Key: key, Bytes: h.Size, SHA256: h.Content.String(), FileID: h.FileID, Version: h.Version})
		}
	}
	removals := p.Entries[first:]
	if p.Removals = len(removals); p.Removals == 0 {
		return nil
	}
	slices.SortFunc(removals, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	if err := m.digest(ctx); err != nil {
		return err
	}
	unput := make(map[string]string) // why keys do not have the contents of the source
	for _, e := range p.Entries[:first] {
		if e.Action == Refused || e.Action == Conflict {
			unput[e.SHA256] = fmt.Sprintf("%q, which cannot be put", e.Key)
		}
	}
	gone, news, stays := m.losses(p.Entries[:first], removals)
	gone *= min(first, 1) // an empty source has a rule of its own
	alien := gone > 1 && (stays == 0 || nearlyAll(gone, p.Owned) || 2*gone > p.Owned && news > 0)
	another := ""
	switch {
	case m.o.Doubt != "" && m.o.Strict:
		another = m.o.Doubt
	case m.o.Doubt != "" && (2*p.Same < p.Owned || 2*p.Same == p.Owned && (first > p.Same || p.Owned > 2)):
		another = fmt.Sprintf("%s, and the source has %d of its %d documents unchanged: is it the right source?", m.o.Doubt, p.Same, p.Owned)
	case m.o.Overlap && alien && !m.o.NoRemove && p.Incomplete == "":
		another = fmt.Sprintf("the source lacks %d of the %d documents that the store has of it: is it the right source?", gone, p.Owned)
	}
	p.Guarded = cmp.Or(another, p.Guard.refuses(p.Removals, gone, p.Owned))
	for i, e := range p.Entries[:first] {
		if e.mayPut() {
			p.Entries[i].Withheld = another
		}
	}
	for i, e := range removals {
		switch {
		case m.o.NoRemove:
			removals[i].Withheld = "removals are turned off"
		case p.Incomplete != "":
			removals[i].Withheld = p.Incomplete
		case first == 0 && !m.o.Empty:
			removals[i].Withheld = SourceEmpty
		case e.SHA256 != "" && unput[e.SHA256] != "":
			removals[i].Withheld = "the source has its content under " + unput[e.SHA256]
		default:
			there, untold := ask(ctx, m.o.Exists, e.Key)
			if there {
				untold = "the source has the document, and has not listed it"
			}
			removals[i].Withheld = cmp.Or(p.Guarded, untold)
		}
	}
	return nil
}

// ask asks the source for a key that it has not yielded, or says why it cannot tell. nil: it has not.
func ask(ctx context.Context, exists func(context.Context, string) (bool, error), key string) (there bool, untold string) {
	if exists == nil {
		return false, ""
	}
	there, err := exists(ctx, key)
	if err != nil {
		untold = fmt.Sprintf("the source cannot tell whether it has the document: %v", err)
	}
	return there, untold
}

// losses compares contents. gone is how many removals have a content that the source lacks. news
// is how many contents are new to the store, less those that it has. stays is how many documents
// stay under their keys, also without a content that can be put. The first document with a removed
// content is the one that has moved. Where no more than two documents are gone, one that has changed
// counts as a content that the store has.
func (m *maker) losses(source, removals []Entry) (gone, news, stays int) {
	removed, there, changed := make(map[string]bool), make(map[string]bool), 0
	for _, e := range removals {
		removed[e.SHA256] = e.SHA256 != ""
	}
	for _, e := range source {
		if e.Action == Duplicate {
			continue
		}
		there[e.SHA256] = e.SHA256 != ""
		switch {
		case e.Action == Unchanged, e.Action == Attributes, e.Action == Rechunk, e.Action == Repair:
			news--
			stays++
		case removed[e.SHA256]:
			removed[e.SHA256] = false
			news--
		case e.Action == Create:
			news++
		case e.Action == Replace:
			news++
			stays++
			changed = 2
		case e.Action == Refused && m.owned(e.Key, m.store.Newest[e.Key]):
			stays++
		}
	}
	for _, e := range removals {
		if !there[e.SHA256] {
			gone++
		}
	}
	if gone <= 2 {
		news -= changed
	}
	return gone, news, stays
}

// digest reads the content of the refused documents, whatever they are.
func (m *maker) digest(ctx context.Context) error {
	if m.o.NoRemove {
		return nil
	}
	for _, r := range m.refused {
		e := &m.plan.Entries[r.entry]
		info, err := m.plan.client.Describe(ctx, vsclient.Document{Key: "any.pdf", Content: r.content})
		m.unreadable(e.Key, err)
		if err != nil && vsclient.ClassOf(err) != vsclient.BadDocument {
			return err
		}
		e.Bytes, e.SHA256 = info.Size, info.SHA256
	}
	return nil
}
