package vsclient

import (
	"context"
	"errors"
	"io"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// upload is one document on its way to being a File.
type upload struct {
	name    string
	content Content
	sum     naming.Summary

	known   []string // Files of that name from before
	newest  int64    // the time, by OpenAI's clock, from which on its File can be dated
	unclear int      // attempts whose outcome was not seen and not found
}

// upload makes the document a File. A reply that was lost is not repeated
// blindly: POST /files knows no idempotency key, so that each repetition would
// make another File.
//
// On an error no File of this upload is left behind, as far as can be seen: one
// whose reply was lost has been looked for and removed.
func (c *Client) upload(ctx context.Context, u *upload) (*file, error) {
	// Uploads of one name go one after the other: a File found afterwards can
	// then only be this one's.
	turn := c.names.ask(u.name)
	if err := turn.wait(ctx); err != nil {
		turn.abandon()
		return nil, err
	}
	defer turn.leave()
	leave, err := c.uploadSlot(ctx, u.sum.Size)
	if err != nil {
		return nil, err
	}
	defer leave()

	u.known, u.newest = c.catalog.named(u.name)
	var (
		found *wire.File
		sent  bool
	)
	made, err := c.wire.Upload(ctx, wire.Upload{
		Name: u.name, ContentType: naming.ContentType(u.name), Size: u.sum.Size,
		Open: func() (io.ReadCloser, error) {
			r, err := u.content.is.Open(u.sum)
			sent = sent || err == nil
			return r, err
		},
		Landed: func(ctx context.Context) (bool, error) {
			var err error
			if found, err = c.findUpload(ctx, u); found == nil && err == nil {
				u.unclear++
			}
			return found != nil, err
		},
	})
	switch {
	case err == nil && found != nil:
		return c.catalog.adopt(*found), nil
	case err == nil:
		made.Filename = u.name // as it is asked for later, whatever OpenAI made of it
		return c.catalog.adopt(made), nil
	}
	if f, ok := errors.AsType[*wire.Failure](err); sent && (!ok || f.Unknown) {
		c.withdraw(ctx, u, "")
	}
	return nil, err
}

// uploadSlot waits for a place among the uploads that run side by side and for
// room among the bytes that are under way.
func (c *Client) uploadSlot(ctx context.Context, size int64) (leave func(), err error) {
	weight := min(size, c.cfg.BytesInFlight)
	if err := c.bytes.Acquire(ctx, weight); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := c.slots.Acquire(ctx, 1); err != nil {
		c.bytes.Release(weight)
		return nil, context.Cause(ctx)
	}
	return func() {
		c.slots.Release(1)
		c.bytes.Release(weight)
	}, nil
}

// findUpload looks whether an attempt whose reply was lost has made a File, and
// returns it; nil when it has not.
//
// A File bears nothing that its maker could sign it with. Taken for ours is one
// that has our purpose, our name and our size, was not there before we began, is
// attached to no store, and is the only one of which this is so. When there are
// two, neither is taken.
func (c *Client) findUpload(ctx context.Context, u *upload) (*wire.File, error) {
	var found []wire.File
	for data, err := range c.wire.Files(ctx, refreshPage) {
		if err != nil {
			return nil, err
		}
		for _, f := range data {
			if f.CreatedAt >= u.newest && u.couldBe(f) {
				found = append(found, f)
			}
		}
		if n := len(data); n > 0 && data[n-1].CreatedAt < u.newest {
			break
		}
	}
	if len(found) != 1 {
		return nil, nil
	}
	stores, err := c.storeIDs(ctx)
	if err != nil {
		return nil, err
	}
	if there, err := c.attachedAnywhere(ctx, stores, found[0].ID); err != nil || there {
		return nil, err
	}
	return &found[0], nil
}

// couldBe reports whether the File can have come from this upload.
func (u *upload) couldBe(f wire.File) bool {
	if f.Purpose != wire.Purpose || f.Filename != u.name || (f.Bytes != nil && *f.Bytes != u.sum.Size) {
		return false
	}
	for _, id := range u.known {
		if id == f.ID {
			return false
		}
	}
	return true
}

// withdraw removes the File that a lost attempt has made after all; keep is the
// one that the upload has come to use.
func (c *Client) withdraw(ctx context.Context, u *upload, keep string) {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if keep != "" {
		u.known = append(u.known, keep)
	}
	f, err := c.findUpload(ctx, u)
	if err == nil && f != nil {
		err = c.deleteFile(ctx, f.ID)
	}
	if err != nil {
		c.log.WarnContext(ctx, "an upload whose reply was lost could not be followed up; it may have left a File behind", "error", err.Error())
	}
}
