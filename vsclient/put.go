package vsclient

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/index"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// errMoved says that the store does not hold the version any more, so that the key
// has to be looked at again.
var errMoved = errors.New("the version is not there any more")

func (c *Client) put(ctx context.Context, p *prepared) (Result, error) {
	if err := p.read(ctx); err != nil {
		return Result{}, err
	}
	for {
		h, young, err := c.holdings(ctx, p.doc)
		if err == nil {
			err = c.check(ctx, p, h)
		}
		if err != nil {
			return Result{}, err
		}
		cur, ok := current(h)
		if !ok || cur.Content != ledger.Print(p.source.Fingerprint()) {
			return c.replace(ctx, p, h, young)
		}
		if cur.Status != ledger.Completed {
			if err := c.look(ctx, cur.ID); err != nil {
				return Result{}, err
			}
			if cur, ok = current(c.ledger.Holdings(p.id, p.names)); !ok || cur.Status != ledger.Completed || cur.Content != ledger.Print(p.source.Fingerprint()) {
				return c.replace(ctx, p, c.ledger.Holdings(p.id, p.names), young)
			}
		}
		r, err := c.keep(ctx, p, h, cur)
		if errors.Is(err, errMoved) {
			continue
		}
		c.watch(p.doc, young, false)
		return r, err
	}
}

// current returns the newest version that has not failed and is not being removed:
// the only one that may be updated.
func current(h ledger.Holdings) (ledger.Version, bool) {
	for _, v := range h.Versions {
		if v.Status != ledger.Failed && !v.Going {
			return v, true
		}
	}
	return ledger.Version{}, false
}

// keep makes the current version, which has the content already, the key's only one,
// with the attributes that are asked for.
func (c *Client) keep(ctx context.Context, p *prepared, h ledger.Holdings, cur ledger.Version) (Result, error) {
	r := Result{Outcome: Unchanged, FileID: cur.ID, Version: cur.Number}
	if cur.Own != c.prints(p.own) || cur.Key == (ledger.Key{}) {
		next := naming.Identity{Key: p.key, Digest: naming.DigestOf(p.key), Version: h.Highest() + 1, Source: p.source, Own: p.own}
		next.Source.Replaces = replaced(h, cur.ID)
		if err := c.update(ctx, p.doc, cur.ID, next); err != nil {
			return Result{}, err
		}
		r.Outcome, r.Version = AttributesUpdated, next.Version
	}
	return r, c.settle(ctx, p.doc)
}

// replaced are the other versions that this client's kind has uploaded. The
// document records them: whoever finds one of them left behind may remove it.
func replaced(h ledger.Holdings, but string) (ids []string) {
	for _, v := range h.Versions {
		if v.ID != but && v.Content != (ledger.Print{}) {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// update gives a store file other attributes.
func (c *Client) update(ctx context.Context, d doc, id string, next naming.Identity) error {
	moved := false
	err := c.shows(ctx, id, func() (err error) {
		_, err = c.wire.UpdateStoreFile(ctx, id, next.Encode())
		return err
	})
	switch f, known := errors.AsType[*wire.Failure](err); {
	case err == nil:
		c.ledger.Marked(id, c.marks(next))
		return nil
	case errors.Is(err, fail.NotFound):
		c.ledger.Absent(id, c.tick())
		moved = true
	case !known || f.Unknown || f.Retry || f.Kind == nil:
		// It may be carried out yet: the attributes that are asked for next are set anew.
		c.ledger.DoubtAttributes(id, next.Version)
	}
	if moved {
		return errMoved
	}
	return err
}

// shows makes a request about a store file again as long as the answer is 404 and
// the File exists: just after an attach that is normal. It gives up after a while.
func (c *Client) shows(ctx context.Context, id string, ask func() error) error {
	var last error
	_, err := poll(ctx, patience, func() (bool, error) {
		last = ask()
		if !errors.Is(last, fail.NotFound) {
			return true, nil
		}
		v, known := c.ledger.Find(id)
		if !known || v.Status <= ledger.Absent || !c.young(v.Created) {
			return true, nil
		}
		_, err := c.wire.File(ctx, id)
		if errors.Is(err, fail.NotFound) {
			c.ledger.Gone(id, c.tick())
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return err
	}
	return last
}

// poll calls try with growing pauses until it reports true or an error, and for at
// most limit. It reports whether try has reported true.
func poll(ctx context.Context, limit time.Duration, try func() (bool, error)) (bool, error) {
	began := time.Now()
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if done, err := try(); done || err != nil {
			return done, err
		}
		if time.Since(began)+wait > limit {
			return false, nil
		}
		if err := wire.Pause(ctx, wait, nil); err != nil {
			return false, err
		}
	}
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
	p.source.Replaces = replaced(h, "")
	for try := 0; ; try++ {
		r := Result{Outcome: outcome}
		fate, err := c.attempt(ctx, p, &r)
		if err == nil {
			if fate != index.Searchable {
				c.watch(p.doc, young, false)
				return r, nil // attached, which is enough
			}
			if err = c.settle(ctx, p.doc); err == nil {
				c.watch(p.doc, young, false)
			}
			return r, err
		}
		stuck := fate == index.Accepted && errors.Is(err, fail.Timeout) && try == 0
		again := stuck || fate >= index.Accepted && index.Passing(err) && try < len(freshUploads)
		if again {
			again = wire.Pause(ctx, freshUploads[try], nil) == nil
		}
		if !again {
			if r.FileID != "" {
				c.settleLater(ctx, p.doc)
			}
			return Result{}, err
		}
	}
}

// attempt uploads the document once and has it indexed.
func (c *Client) attempt(ctx context.Context, p *prepared, r *Result) (index.Fate, error) {
	arrived := c.index.Expect()
	defer arrived()
	f, err := c.upload(ctx, p)
	if err != nil {
		return index.NotAttached, err
	}
	file := fileOf(f)
	if sent := naming.Fold(naming.Stem(p.name)); file.Stem != sent {
		c.altered(f.ID)
		file.Stem = sent
	}
	c.view.show(f.CreatedAt)
	highest := c.ledger.Holdings(p.id, p.names).Highest()
	next := naming.Identity{
		Key: p.key, Digest: naming.DigestOf(p.key), Own: p.own, Source: p.source,
		Version: max(f.CreatedAt*1e6, highest+1), // OpenAI's clock, and an order of our own within the second
	}
	c.ledger.Uploaded(file, c.marks(next), c.tick())
	r.FileID, r.Version = f.ID, next.Version
	at := wire.Attachment{FileID: f.ID, Attributes: next.Encode(), Chunking: p.chunking.Param()}
	if c.cfg.Async {
		return c.attachAsync(ctx, p.doc, at, arrived)
	}
	fate, err := c.index.Index(ctx, at, arrived, func() {})
	return c.ended(ctx, f.ID, fate, err)
}

// ended records how indexing has ended.
func (c *Client) ended(ctx context.Context, id string, fate index.Fate, err error) (index.Fate, error) {
	v, _ := c.ledger.Find(id)
	switch fate {
	case index.Searchable:
		c.ledger.Observe(id, v.Marks, true, ledger.Completed, ledger.Read, c.tick())
		if err := c.keepsAttributes(ctx, id); err != nil {
			return c.ended(ctx, id, index.Failed, err)
		}
	case index.Failed, index.NotAttached: // it never will be searchable
		c.ledger.Observe(id, v.Marks, true, ledger.Failed, ledger.Read, c.tick())
	case index.Accepted:
		c.ledger.Observe(id, v.Marks, true, ledger.InProgress, ledger.Listed, c.tick())
	}
	return fate, err
}

// upload makes the document a File. POST /files knows no idempotency key: where a
// reply was lost, the upload is repeated, and the copy that may have arrived is
// neither used nor deleted, since nothing shows whose it is. It is a leftover.
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
	return c.wire.Upload(ctx, wire.Upload{
		Name: p.name, ContentType: naming.ContentType(p.name), Size: p.sum.Size, Open: func() (r io.ReadCloser, err error) { return p.content.Open(p.sum) },
	})
}

// setAttributes updates the key's newest version, and that one alone: a version
// that is still being indexed is waited for.
func (c *Client) setAttributes(ctx context.Context, p *prepared) (Result, error) {
	var r Result
	var waiting error
	began := time.Now()
	done, err := poll(ctx, c.cfg.IndexTimeout, func() (bool, error) {
		h, young, err := c.holdingsNow(ctx, p.doc)
		if err == nil {
			err = c.check(ctx, p, h)
		}
		if err != nil {
			return false, err
		}
		cur, ok := current(h)
		switch {
		case !ok && (len(young) == 0 || time.Since(began) > patience):
			return false, fail.New(fail.NotFound, "the key has no document to update; put it whole")
		case !ok:
			return false, nil // a version that another process has attached may show yet
		case cur.Status != ledger.Completed:
			waiting = fail.New(fail.Unavailable, "the newest version, File %s, is not searchable yet; its attributes cannot be set before", cur.ID)
			return false, c.look(ctx, cur.ID)
		}
		r, err = c.setAttributesOf(ctx, p, h, cur)
		if errors.Is(err, errMoved) {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil && !done {
		err = waiting
	}
	return r, err
}

func (c *Client) setAttributesOf(ctx context.Context, p *prepared, h ledger.Holdings, cur ledger.Version) (Result, error) {
	if cur.Own != c.prints(p.own) || cur.Key == (ledger.Key{}) {
		var s wire.StoreFile
		err := c.shows(ctx, cur.ID, func() (err error) {
			s, _, err = c.wire.StoreFile(ctx, cur.ID)
			return err
		})
		if errors.Is(err, fail.NotFound) {
			c.ledger.Absent(cur.ID, c.tick())
			return Result{}, errMoved
		}
		if err != nil {
			return Result{}, err
		}
		p.source = naming.Decode(s.Attributes).Source
	}
	return c.keep(ctx, p, h, cur)
}

// delete removes every version of the key that is found, until none is found.
func (c *Client) delete(ctx context.Context, p *prepared) (Result, error) {
	r := Result{Outcome: Absent}
	for {
		h, young, err := c.holdingsNow(ctx, p.doc)
		if err == nil {
			err = c.check(ctx, p, h)
		}
		if err != nil {
			return Result{}, err
		}
		if newest, ok := h.Newest(); ok && r.Outcome == Absent {
			r = Result{Outcome: Deleted, FileID: newest.ID, Version: newest.Number}
		}
		moved, err := c.removeAll(ctx, h.Versions)
		if err != nil {
			c.tend(p.doc)
			return Result{}, err
		}
		if !moved {
			c.watch(p.doc, young, true)
			return r, nil
		}
		if err := c.listFiles(ctx, 0); err != nil { // somebody else has replaced a version
			return Result{}, err
		}
	}
}
