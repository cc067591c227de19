package vsclient

import (
	"context"
	"slices"
)

// SweepResult is what a sweep came to.
type SweepResult struct {
	Documents int // keys that the store holds
	Removed   int // older versions that are gone
}

// Sweep goes over the whole store and leaves each key one version: the newest
// that is searchable. Older ones, and newer ones whose indexing has failed, are
// removed, and so are Files that a document records as replaced and that a process
// which was cut off has left unattached. A key whose newest version is still being
// indexed is left as it is.
func (c *Client) Sweep(ctx context.Context) (SweepResult, error) {
	ctx, cancel := c.bind(ctx)
	defer cancel()
	r, err := c.sweep(ctx)
	return r, wrap("sweep", "", err)
}

func (c *Client) sweep(ctx context.Context) (SweepResult, error) {
	var r SweepResult
	if err := c.catalog.fresh(ctx, 0); err != nil {
		return r, err
	}
	seen := make(map[string]bool) // by digest of the key
	twice := make(map[string]bool)
	recorded := make(map[string][]string) // Files replaced, by key
	for d, err := range c.storeFiles(ctx) {
		if err != nil {
			return r, err
		}
		if seen[d.KeySHA256] && d.Key != "" {
			twice[d.Key] = true
		}
		seen[d.KeySHA256] = true
		for _, id := range d.replaces {
			if c.catalog.has(d.Key, id) {
				recorded[d.Key] = append(recorded[d.Key], id)
				twice[d.Key] = true
			}
		}
	}
	r.Documents = len(seen)
	for key := range twice {
		n, err := c.sweepKey(ctx, key, recorded[key])
		r.Removed += n
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// sweepKey leaves the key its newest searchable version.
func (c *Client) sweepKey(ctx context.Context, key string, recorded []string) (removed int, err error) {
	t := c.turns.ask(key)
	if err := t.wait(ctx); err != nil {
		t.abandon()
		return 0, err
	}
	defer t.leave()
	for _, f := range c.catalog.candidates(key) {
		if err := c.catalog.look(ctx, f); err != nil {
			return 0, err
		}
		now := c.catalog.snapshot(f)
		if now.state == absent && slices.Contains(recorded, now.id) {
			if err := c.remove(ctx, key, f); err != nil {
				return removed, err
			}
			removed++
		}
	}
	have, _, err := c.catalog.holdings(ctx, key)
	if err != nil {
		return removed, err
	}
	keep := slices.IndexFunc(have, func(h held) bool { return h.Status() == StatusCompleted })
	if keep < 0 || slices.ContainsFunc(have[:keep], func(h held) bool { return !(outcome{status: h.Status()}).final() }) {
		return removed, nil
	}
	for i, h := range have {
		if i == keep {
			continue
		}
		if err := c.remove(ctx, key, h.f); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
