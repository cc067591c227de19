package vsclient

import (
	"cmp"
	"context"
	"slices"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// SweepResult is what a sweep came to.
type SweepResult struct {
	Documents int // keys that the store holds
	Removed   int // Files that are gone
}

// Sweep goes over the whole store and leaves each key one version: the newest
// that is searchable. Older ones, and newer ones whose indexing has failed, are
// removed, and so are Files that a document records as replaced and that a process
// which was cut off has left unattached. A key whose newest version is still being
// indexed is left as it is.
func (c *Client) Sweep(ctx context.Context) (SweepResult, error) {
	ctx, over := c.begin(ctx)
	defer over()
	r, err := c.sweep(ctx)
	return r, wrap("sweep", "", err)
}

func (c *Client) sweep(ctx context.Context) (SweepResult, error) {
	var r SweepResult
	if err := c.catalog.fresh(ctx, 0); err != nil {
		return r, err
	}
	seen := make(map[naming.Digest]string) // the first store file of each key
	untidy := make(map[naming.Digest]*untidyKey)
	for d, err := range c.storeFiles(ctx) {
		if err != nil {
			return r, err
		}
		digest := d.digest
		first, again := seen[digest]
		if !again {
			seen[digest] = d.FileID
		}
		left := slices.DeleteFunc(slices.Clone(d.replaces), func(id string) bool { return d.Key != "" && !c.catalog.has(d.Key, id) })
		if !again && len(left) == 0 {
			continue
		}
		u := untidy[digest]
		if u == nil {
			u = &untidyKey{key: d.Key, ids: []string{first}}
			untidy[digest] = u
		}
		u.ids = append(u.ids, d.FileID)
		u.replaced = append(u.replaced, left...)
	}
	r.Documents = len(seen)
	for digest, u := range untidy {
		n, err := c.sweepKey(ctx, digest, u)
		r.Removed += n
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// untidyKey is a key that has more than one version, or Files that its document
// has replaced and that are still there.
type untidyKey struct {
	key      string // "" where it is too long to be kept
	ids      []string
	replaced []string
}

// sweepKey leaves the key its newest searchable version.
func (c *Client) sweepKey(ctx context.Context, digest naming.Digest, u *untidyKey) (removed int, err error) {
	listed := slices.Clone(u.ids)
	if u.key != "" {
		t := c.turns.ask(u.key)
		if err := t.wait(ctx); err != nil {
			t.abandon()
			return 0, err
		}
		defer t.leave()
		for _, f := range c.catalog.candidates(u.key) {
			u.ids = append(u.ids, f.id)
		}
	}
	slices.Sort(u.ids)
	var there []wire.StoreFile
	for _, id := range slices.Compact(u.ids) {
		if id == "" {
			continue
		}
		s, err := c.getStoreFile(ctx, id)
		if err != nil && !is(err, ErrNotFound) {
			return 0, err
		}
		// An earlier connector's file has no attributes; the listing has gone by its name.
		earlier := !naming.Marked(s.Attributes) && slices.Contains(listed, id)
		if err == nil && (earlier || naming.Decode(s.Attributes).Digest == digest) {
			there = append(there, s)
		}
	}
	slices.SortFunc(there, func(a, b wire.StoreFile) int {
		return cmp.Or(cmp.Compare(naming.Decode(b.Attributes).Version, naming.Decode(a.Attributes).Version), cmp.Compare(b.CreatedAt, a.CreatedAt), cmp.Compare(b.ID, a.ID))
	})
	keep := slices.IndexFunc(there, func(s wire.StoreFile) bool { return s.Status == wire.Completed })
	if keep < 0 || slices.ContainsFunc(there[:keep], func(s wire.StoreFile) bool { return !(outcome{status: s.Status}).final() }) {
		return 0, nil
	}
	for i, s := range there {
		if i == keep {
			continue
		}
		if err := c.remove(ctx, u.key, s.ID); err != nil {
			return removed, err
		}
		removed++
	}
	for _, id := range u.replaced {
		if slices.ContainsFunc(there, func(s wire.StoreFile) bool { return s.ID == id }) {
			continue
		}
		// Replaced by this key's document, and attached no longer: what is left is
		// to delete the File.
		if attached, err := c.attachedTo(ctx, c.cfg.VectorStoreID, id); attached || err != nil {
			return removed, err
		}
		if err := c.remove(ctx, u.key, id); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
