package vsclient

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// version is one version of a document on its way into the store.
type version struct {
	key     string
	digest  naming.Digest
	content Content
	own     Attributes
	owner   uint32
	chunks  Chunking
	ext     string // to use when the key has none, "": by content
	sum     naming.Summary
	source  naming.Source
	name    string
}

// Put makes the document the one of its key. When it returns without an error,
// the key's only version is this one, and it is searchable (with [WaitAttached]:
// it is attached, and the rest follows).
//
// An older version stays searchable until this one is. When Put fails, the older
// version is as it was, and what this call uploaded is removed; where that fails,
// too, the log says so and [Client.Leftovers] lists it. The same document
// again makes no request, or one to look at what is there; the same content with
// other attributes makes one more, to update them.
func (c *Client) Put(ctx context.Context, d Document) (Result, error) {
	return c.change(ctx, Change{OpPut, d})
}

// read takes the content's digest and settles the File's name.
func (v *version) read(ctx context.Context) error {
	var err error
	if v.sum, err = v.content.is.Summarize(ctx); err != nil {
		return err
	}
	v.source = naming.Source{SHA256: hex.EncodeToString(v.sum.Digest[:]), Size: v.sum.Size, Chunking: v.chunks.String()}
	v.name, err = naming.NameFor(v.key, v.ext, v.sum)
	return err
}

func (c *Client) put(ctx context.Context, v *version, t *turn) (Result, error) {
	if v.name == "" {
		if err := v.read(ctx); err != nil {
			return Result{}, err
		}
	}
	have, unsure, err := c.catalog.holdings(ctx, v.key)
	if err == nil {
		err = c.checkOwner(ctx, v, have)
	}
	if err != nil {
		return Result{}, err
	}
	for len(have) > 0 && have[0].content == v.source.Fingerprint() {
		r, err := c.keep(ctx, v, have, unsure)
		if !errors.Is(err, errNotKept) {
			return r, err
		}
		if have, unsure, err = c.catalog.holdings(ctx, v.key); err != nil {
			return Result{}, err
		}
	}
	return c.replace(ctx, v, have, unsure, t)
}

// errNotKept says that what the store was thought to hold is not there, never became
// searchable, or has to be looked at again.
var errNotKept = errors.New("not kept")

// keep makes the newest version, which has the content already, the key's only
// one, with the attributes that are asked for.
func (c *Client) keep(ctx context.Context, v *version, have []held, unsure []*file) (Result, error) {
	cur := have[0]
	if cur.Status() != wire.Completed {
		// An attach that was cut off earlier. It is this document's: wait for it, and
		// look again, since what was seen may be a ghost of the attach before it.
		err := c.awaitHeld(ctx, cur)
		if err == nil {
			err = c.catalog.look(ctx, cur.f)
		}
		return Result{}, cmp.Or(err, errNotKept)
	}
	r := Result{Outcome: Unchanged, FileID: cur.id, Version: cur.version}
	next := naming.Identity{Key: v.key, Digest: v.digest, Version: cur.version, Source: v.source, Own: v.own}
	next.Source.Replaces = ids(have[1:])
	changed := cur.own != naming.Hash(c.seed, v.own)
	if changed {
		next.Version = nextVersion(have)
		r.Outcome, r.Version = AttributesUpdated, next.Version
	}
	// Where older versions stand beside it, either a process was cut off before it
	// had removed them, or while it was taking this one back; and what was taken back
	// is still shown for a while. An update tells: it finds what is there alone.
	if changed || slices.ContainsFunc(have[1:], func(h held) bool { return !h.doomed }) {
		if err := c.updateHeld(ctx, cur.f, next); err != nil {
			return Result{}, err
		}
	}
	c.catalog.keep(cur.f)
	if err := c.removeAll(ctx, v.key, have[1:]); err != nil {
		return Result{}, err
	}
	return r, c.resolve(ctx, v.key, cur.version, unsure, 0)
}

// updateHeld gives a store file other attributes. One that this client has just
// attached is there, even if it cannot be found yet.
func (c *Client) updateHeld(ctx context.Context, f *file, next naming.Identity) error {
	s, err := c.shown(ctx, f, c.catalog.justAttached, func() (wire.StoreFile, error) { return c.wire.UpdateStoreFile(ctx, f.id, next.Encode()) })
	k := c.catalog
	k.mu.Lock()
	defer k.mu.Unlock()
	if is(err, ErrNotFound) {
		k.note(f, absent)
		return errNotKept
	}
	if err != nil {
		f.own = 0 // it may have been carried out: whatever is asked for next is set anew
		return err
	}
	s.Attributes = next.Encode()
	s.Status = f.Status()
	k.learn(f, s)
	return nil
}

// awaitHeld waits for a version that was found attached but not yet searchable.
func (c *Client) awaitHeld(ctx context.Context, cur held) error {
	o := outcome{status: cur.Status()}
	if !o.final() {
		at := &attaching{Attachment: wire.Attachment{FileID: cur.id}, batch: &batch{}, attached: time.Now()}
		var err error
		if o, err = c.await(ctx, at, time.Now().Add(c.cfg.IndexTimeout/2)); err != nil {
			return err
		}
	}
	k := c.catalog
	k.mu.Lock()
	defer k.mu.Unlock()
	if o.status == wire.Completed {
		cur.f.status = statusCompleted
		return nil
	}
	// It stays attached until a new version is there, and then goes like any older
	// one; forgetting its content is enough for it not to be kept.
	cur.f.content = [16]byte{}
	return errNotKept
}

// nextVersion is newer than all that are there, and by the clock otherwise.
func nextVersion(have []held) int64 {
	v := time.Now().UnixMicro()
	for _, h := range have {
		v = max(v, h.version+1)
	}
	return v
}

// replace makes v the key's only version: upload, attach, wait until it is
// searchable, and only then remove what was there.
func (c *Client) replace(ctx context.Context, v *version, have []held, unsure []*file, t *turn) (Result, error) {
	arrived := c.attacher.expect()
	defer arrived()
	u := &upload{name: v.name, content: v.content, sum: v.sum}
	f, err := c.upload(ctx, u)
	if err != nil {
		return Result{}, err
	}
	v.source.Replaces = ids(have)
	next := naming.Identity{Key: v.key, Digest: v.digest, Version: nextVersion(have), Source: v.source, Own: v.own}
	at := wire.Attachment{FileID: f.id, Attributes: next.Encode(), Chunking: naming.Chunking(v.chunks).Param()}
	r := Result{Outcome: Created, FileID: f.id, Version: next.Version}
	if len(have) > 0 {
		r.Outcome = Replaced
	}
	finish := func(ctx context.Context, accepted func()) error {
		err := c.index(ctx, at, arrived, func() {
			c.catalog.put(f, next, wire.InProgress) // so that Get finds it
			if accepted != nil {
				accepted()
				accepted = nil
			}
		})
		if err != nil {
			c.rollBack(ctx, v.key, f)
			return err
		}
		c.catalog.put(f, next, wire.Completed)
		return c.settle(ctx, v.key, next.Version, f, u, have, unsure)
	}
	if c.cfg.WaitFor == WaitIndexed {
		return r, finish(ctx, nil)
	}
	return c.finishLater(ctx, r, v.key, t, finish)
}

// rollBack removes what a failed attempt made.
func (c *Client) rollBack(ctx context.Context, key string, f *file) {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if err := c.remove(ctx, key, f.id); err != nil {
		c.log.WarnContext(ctx, "a File of a failed put could not be removed; Leftovers will list it", "file_id", f.id, "error", err.Error())
	}
}

// settle removes all but the version that has just become searchable. From here
// on the caller's giving up no longer stops it.
func (c *Client) settle(ctx context.Context, key string, version int64, cur *file, u *upload, have []held, unsure []*file) error {
	err := c.removeAll(ctx, key, have)
	if err != nil && ctx.Err() != nil {
		after, cancel := afterwards(ctx)
		defer cancel()
		err = c.removeAll(after, key, have)
	}
	if err == nil {
		if u.unclear > 0 {
			c.withdraw(ctx, u, cur.id)
		}
		grace := time.Duration(0)
		unsure = c.catalog.mayShowYet(unsure) // by the time that this upload has told
		if slices.ContainsFunc(unsure, func(f *file) bool { return f.size == u.sum.Size }) {
			grace = graceAfterPut
		}
		err = c.resolve(ctx, key, version, unsure, grace)
	}
	if err != nil {
		return fmt.Errorf("the new version is searchable, but an older one could not be removed: %w", err)
	}
	return nil
}
