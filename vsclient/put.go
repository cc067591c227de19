package vsclient

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/index"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/view"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

func (c *Client) put(ctx context.Context, p *prepared) (Result, error) {
	for {
		h, young, err := c.holdings(ctx, p, c.view.Holdings)
		if err != nil {
			return Result{}, err
		}
		cur, ok := h.Current()
		if !ok || cur.Content != ledger.Print(p.source.Fingerprint()) {
			return c.replace(ctx, p, h, young)
		}
		if cur.Status != ledger.Completed || p.seen && cur.Seen != ledger.Read || !c.view.Sure(cur) {
			if err := c.view.See(ctx, cur.ID); err != nil {
				return Result{}, err
			}
			h = c.view.Known(p.Doc)
			if cur, ok = h.Current(); !ok || cur.Status != ledger.Completed || cur.Content != ledger.Print(p.source.Fingerprint()) {
				return c.replace(ctx, p, h, young)
			}
		}
		if r, err := c.retain(ctx, p, h, cur, young); !errors.Is(err, view.ErrMoved) {
			return r, err
		}
	}
}

// retain makes the current version, which has the content already, the key's only one,
// with the attributes that are asked for.
func (c *Client) retain(ctx context.Context, p *prepared, h ledger.Holdings, cur ledger.Version, young []string) (Result, error) {
	c.keep.Unwatch(p.Doc, cur.ID)
	r := Result{Outcome: Unchanged, FileID: cur.ID, Version: cur.Number}
	same := cur.Own == c.view.Prints(p.own) && cur.Key != (ledger.Key{})
	if p.updated != cur.ID && (!same || c.view.Above(young) > cur.Number) { // the number has to be above that of a version which shows late
		next := naming.Identity{Key: p.Key, Digest: naming.DigestOf(p.Key), Version: max(h.Highest()+1, c.view.Above(young)), Source: p.source, Own: p.own}
		next.Source.Replaces = append(h.Uploads(cur.ID), p.source.Replaces...)
		if err := c.view.Update(ctx, cur.ID, next); err != nil {
			return Result{}, err
		}
		if r.Version = next.Version; !same {
			p.updated = cur.ID
		}
	}
	c.keep.Watch(p.Doc, young, r.Version) // the change is made: they are older
	if p.updated == cur.ID {
		r.Outcome = AttributesUpdated
	}
	err := c.keep.Settle(ctx, p.Doc)
	if now, ok := c.view.Known(p.Doc).Current(); err == nil && (!ok || now.ID != cur.ID || now.Status != ledger.Completed) {
		err = view.ErrMoved // it is gone or not searchable yet, or there is a newer one
	}
	return r, err
}

// freshUploads are the pauses before a document is uploaded anew, after OpenAI
// has failed to index it by its own fault.
var freshUploads = []time.Duration{time.Second, 4 * time.Second}

// replace makes a new version: it uploads, attaches and waits, and removes older
// versions when the new one was seen searchable.
func (c *Client) replace(ctx context.Context, p *prepared, h ledger.Holdings, young []string) (Result, error) {
	outcome := Created
	if len(h.Versions) > 0 {
		outcome = Replaced
	}
	p.above = max(p.above, c.view.Above(young))
	for try := 0; ; try++ {
		r := Result{Outcome: outcome}
		p.source.Replaces = c.view.Known(p.Doc).Uploads("")
		fate, err := c.attempt(ctx, p, &r)
		if err == nil {
			if fate != index.Searchable {
				c.keep.Watch(p.Doc, young, r.Version)
				return r, nil // attached, which is enough
			}
			if try > 0 { // it took long, and others may have put the key meanwhile
				_, _, err = c.view.Holdings(ctx, p.Doc)
			}
			if err != nil {
				c.keep.Tend(p.Doc)
				return r, err
			}
			if err = c.keep.Settle(ctx, p.Doc); err == nil {
				c.keep.Watch(p.Doc, young, r.Version)
			}
			return r, err
		}
		stuck := fate == index.Accepted && errors.Is(err, fail.Timeout) && try == 0
		vanished := r.FileID != "" && errors.Is(err, fail.NotFound)
		if vanished {
			err = fail.New(fail.Unavailable, "File %s was gone before it was searchable; another process may have deleted it", r.FileID)
		}
		again := stuck || (vanished || fate >= index.Uncertain && index.Passing(err)) && try < len(freshUploads)
		if again {
			again = pace.Pause(ctx, freshUploads[try], nil) == nil
		}
		if !again {
			if r.FileID != "" || try > 0 {
				c.keep.SettleLater(ctx, p.Doc)
			}
			return Result{}, err
		}
	}
}

// attempt uploads the document once and has it indexed.
func (c *Client) attempt(ctx context.Context, p *prepared, r *Result) (index.Fate, error) {
	arrived := c.index.Expect()
	defer arrived()
	known := c.view.Files()
	f, err := c.upload(ctx, p)
	if err != nil {
		return index.NotAttached, err
	}
	next := naming.Identity{
		Key: p.Key, Digest: naming.DigestOf(p.Key), Own: p.own, Source: p.source,
		Version: max(f.CreatedAt*1e6, c.view.Known(p.Doc).Highest()+1, p.above), // OpenAI's clock, and an order of our own within the second
	}
	if !c.view.Uploaded(f, next, known) {
		return index.NotAttached, fail.New(fail.Incompatible, "the server answered the upload with the existing File %s; each upload has to make a new File", f.ID)
	}
	r.FileID, r.Version = f.ID, next.Version
	at := wire.Attachment{FileID: f.ID, Name: f.Filename, Attributes: next.Encode(), Chunking: p.chunking.Param()}
	if !p.wait {
		return c.attachAsync(ctx, p, at, arrived)
	}
	fate, err := c.index.Index(ctx, at, arrived, func() { c.view.Ended(f.ID, ledger.InProgress, ledger.Listed) })
	c.ended(f.ID, fate)
	return fate, err
}

// ended records how indexing has ended.
func (c *Client) ended(id string, fate index.Fate) {
	switch fate {
	case index.Searchable:
		c.view.Ended(id, ledger.Completed, ledger.Read)
	case index.Failed, index.NotAttached: // it never will be searchable
		c.view.Ended(id, ledger.Failed, ledger.Read)
	case index.Accepted:
		c.view.Ended(id, ledger.InProgress, ledger.Listed)
	}
	c.view.Over(id)
}

// upload makes the document a File. POST /files knows no idempotency key: where a reply was
// lost, the upload is repeated, and the copy that may have arrived is neither used nor
// deleted, since nothing shows whose it is. A sweep lists it.
func (c *Client) upload(ctx context.Context, p *prepared) (wire.File, error) {
	weight := min(p.sum.Size, c.cfg.BytesInFlight)
	if err := c.bytes.Acquire(ctx, weight); err != nil {
		return wire.File{}, context.Cause(ctx)
	}
	defer c.bytes.Release(weight)
	if err := c.uploads.Acquire(ctx, 1); err != nil {
		return wire.File{}, context.Cause(ctx)
	}
	defer c.uploads.Release(1)
	if err := c.storeThere(ctx); err != nil { // another call may have found it gone meanwhile
		return wire.File{}, err
	}
	return c.wire.Upload(ctx, wire.Upload{
		Name: p.name, ContentType: naming.ContentType(p.name), Size: p.sum.Size, Open: func(ctx context.Context) (io.ReadCloser, error) { return p.content.Open(ctx, p.sum) },
	})
}

// setAttributes updates the key's newest version, and that one alone: a version
// that is still being indexed is waited for.
func (c *Client) setAttributes(ctx context.Context, p *prepared) (Result, error) {
	var r Result
	waiting := fail.New(fail.Unavailable, "the key's document cannot be seen yet")
	began := time.Now()
	done, err := pace.Poll(ctx, max(c.cfg.IndexTimeout, 2*view.Patience), func() (bool, error) {
		h, young, err := c.holdings(ctx, p, c.view.HoldingsNow)
		if err != nil {
			return false, err
		}
		cur, ok := h.Current()
		switch {
		case !ok && slices.ContainsFunc(h.Versions, func(v ledger.Version) bool { return v.Status == ledger.Completed }):
			return false, fail.New(fail.Unavailable, "the removal of the key's document has begun and has not ended; delete the key again, or put the document")
		case !ok && (len(young) == 0 || time.Since(began) > view.Patience):
			if err := c.view.StoreThere(ctx); err != nil {
				return false, err
			}
			return false, fail.New(fail.NotFound, "the key has no document to update; use Put")
		case !ok, c.view.Hidden(cur, young, false):
			return false, nil // a version that another process has attached may show yet
		case c.keep.Deleted(p.Doc, cur.ID):
			_, err := c.keep.Remove(ctx, []ledger.Version{cur})
			return false, err
		case cur.Seen == ledger.NotSeen:
			return false, c.view.See(ctx, cur.ID)
		case cur.Status != ledger.Completed:
			waiting = fail.New(fail.Unavailable, "the newest version, File %s, is not searchable yet; its attributes cannot be set before", cur.ID)
			return false, c.view.Look(ctx, cur.ID)
		}
		r, err = c.setAttributesOf(ctx, p, cur)
		if errors.Is(err, view.ErrMoved) {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil && !done {
		err = waiting
	}
	return r, err
}

// setAttributesOf updates the version. One that shows later has newer content, so that
// none is watched for.
func (c *Client) setAttributesOf(ctx context.Context, p *prepared, cur ledger.Version) (Result, error) {
	s, err := c.view.Shown(ctx, cur.ID)
	if errors.Is(err, fail.NotFound) {
		_ = c.view.Absent(cur.ID)
		return Result{}, view.ErrMoved
	}
	if err != nil {
		return Result{}, err
	}
	p.source = c.view.Read(s).Source
	h := c.view.Known(p.Doc)
	now, ok := h.Current()
	if !ok || now.ID != cur.ID || now.Status != ledger.Completed {
		return Result{}, view.ErrMoved
	}
	return c.retain(ctx, p, h, now, nil)
}

// delete removes every version of the key that is found, until none is found.
func (c *Client) delete(ctx context.Context, p *prepared) (Result, error) {
	r := Result{Outcome: Absent}
	for look := c.view.HoldingsNow; ; look = c.view.HoldingsAnew { // somebody else has replaced a version
		h, young, err := c.holdings(ctx, p, look)
		if err != nil {
			return Result{}, err
		}
		if newest, ok := h.Newest(); ok && r.Outcome == Absent {
			r = Result{Outcome: Deleted, FileID: newest.ID, Version: newest.Number}
		}
		moved, err := c.keep.Remove(ctx, h.Versions)
		if err != nil {
			c.keep.Tend(p.Doc)
			return Result{}, err
		}
		if p.cond != nil {
			p.cond.Gone = true
		}
		if !moved {
			c.keep.Watch(p.Doc, young, 0)
			return r, nil
		}
	}
}
