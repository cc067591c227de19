package vsclient

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// removeAll removes versions, the oldest first, so that what a reader can find
// meanwhile is the newest.
func (c *Client) removeAll(ctx context.Context, key string, have []held) error {
	for _, h := range slices.Backward(have) {
		if err := c.remove(ctx, key, h.id); err != nil {
			return err
		}
	}
	return nil
}

// remove detaches the File and then deletes it; when it returns nil, it is gone. Once
// begun, a removal outlives the caller's giving up, for a bounded time: cut off
// between its halves it would leave a File that is attached nowhere, and nothing to
// find it by. A File of the earlier connector's that another store has as well is
// detached alone.
func (c *Client) remove(ctx context.Context, key, id string) error {
	if err := c.calls.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer c.calls.Release(1)
	ctx, cancel := outliving(ctx)
	defer cancel()
	made, known := c.catalog.doom(key, id)
	there, err := c.wire.Detach(ctx, id)
	if err != nil {
		return err
	}
	if known && !there {
		c.catalog.suspect()
	}
	if !made {
		// It bears no attributes of ours here: another tool has uploaded it, and may
		// have attached it elsewhere, where the deletion would remove it, too.
		stores, err := c.storeIDs(ctx)
		if err != nil {
			return err
		}
		shared, err := c.attachedAnywhere(ctx, stores[1:], id)
		if err != nil {
			return err
		}
		if shared {
			c.catalog.spare(key, id)
			return nil
		}
	}
	if err := c.deleteFile(ctx, id); err != nil {
		return err
	}
	c.catalog.drop(key, id)
	return nil
}

// How long a call waits for Files that could be the key's to show that they are
// attached; afterwards the client goes on looking in the background. A put waits
// for those of its own size alone: what a process that was cut off had attached is
// most likely the very document that is delivered again, and a namesake of
// somebody else's, who is not to hold us up, most likely is not.
const (
	graceAfterPut    = 10 * time.Second
	graceAfterDelete = 3 * time.Second
)

// resolve looks again at Files that could be the key's: an attach just before, by
// a process that was cut off, may show late. What turns out to be the key's, and
// older than the version given, is removed. Older only: of two writers at once
// each must spare the other's newer version, or both would go. Of what was there
// when this client began, no writer is left: it goes whatever its version, unless it
// has become the key's document meanwhile. An error is that of a removal; what it
// was to remove is doomed, and goes at the next change of the key.
func (c *Client) resolve(ctx context.Context, key string, before int64, unsure []*file, grace time.Duration) (err error) {
	r := resolution{key: key, before: before, began: time.Now(), since: c.catalog.tick()}
	for wait := 250 * time.Millisecond; ; wait *= 2 {
		if unsure, err = c.removeShown(ctx, r, unsure); err != nil || len(unsure) == 0 {
			return err
		}
		if time.Since(r.began)+wait > grace || wire.Pause(ctx, wait, nil) != nil {
			break
		}
	}
	c.spawn(func(ctx context.Context) {
		for wait := 15 * time.Second; len(unsure) > 0 && time.Since(r.began) < settleTime; wait = 30 * time.Second {
			if wire.Pause(ctx, wait, nil) != nil {
				return
			}
			var err error
			if unsure, err = c.removeShown(ctx, r, unsure); err != nil {
				c.log.WarnContext(ctx, "an older version could not be removed; the next change of its key will, or Sweep", "error", err.Error())
			}
		}
	})
	return err
}

// resolution is what resolve goes by.
type resolution struct {
	key    string
	before int64 // the version of what the key's document is to be
	began  time.Time
	since  uint32 // the same in the catalog's grain
}

// outdates reports whether the File, which is the key's, is to go.
func (r resolution) outdates(f file) bool {
	return f.kept < r.since && (f.version < r.before || f.found && f.version < r.began.UnixMicro())
}

// removeShown removes those of the Files that by now are seen to be older versions
// of the key's document, and returns those of which it is still open, and what went
// wrong with the removals.
func (c *Client) removeShown(ctx context.Context, r resolution, unsure []*file) (open []*file, err error) {
	for _, f := range unsure {
		if c.catalog.look(ctx, f) != nil {
			open = append(open, f)
			continue
		}
		now := c.catalog.snapshot(f)
		switch {
		case now.state == absent && c.catalog.mayShow(now.file):
			open = append(open, f)
		case c.catalog.belongs(now, r.key) && r.outdates(now.file):
			if failed := c.remove(ctx, r.key, f.id); failed != nil {
				err = errors.Join(err, failed)
			}
		}
	}
	return open, err
}
