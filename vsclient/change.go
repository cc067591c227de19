package vsclient

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Op is what a [Change] does.
type Op int

// The operations. OpUpdateAttributes leaves the content as it is.
const (
	OpPut Op = iota
	OpUpdateAttributes
	OpDelete
)

func (o Op) String() string {
	names := [...]string{"put", "update attributes of", "delete"}
	if o < 0 || int(o) >= len(names) {
		return fmt.Sprintf("Op(%d)", int(o))
	}
	return names[o]
}

// Document is what a key stands for: content with its attributes and chunking.
type Document struct {
	// Key is the caller's name for the document: any UTF-8 text but the empty one.
	// Where it can be a file name with an extension that OpenAI indexes, it is the
	// name of the File.
	Key        string
	Content    Content
	Attributes Attributes
	Chunking   Chunking
	// Extension, as ".md", is for a key without an indexed extension; "" means
	// Config.FileExtension and, without that, ".json" or ".txt" by content.
	Extension string
}

// Change is one change to one key's document. Of the Document, OpUpdateAttributes
// needs Key and Attributes, OpDelete the Key alone, and with Config.OwnerAttribute
// that attribute.
type Change struct {
	Op       Op
	Document Document
}

// Outcome says what a change came to.
type Outcome int

// The outcomes. Absent is that of deleting what was not there.
const (
	Created Outcome = iota + 1
	Replaced
	Unchanged
	AttributesUpdated
	Deleted
	Absent
)

func (o Outcome) String() string {
	names := [...]string{"", "created", "replaced", "unchanged", "attributes updated", "deleted", "absent"}
	if o < 0 || int(o) >= len(names) {
		return fmt.Sprintf("Outcome(%d)", int(o))
	}
	return names[o]
}

// Result is what a change came to.
type Result struct {
	Key     string
	Outcome Outcome // zero where Err is set
	FileID  string
	Version int64
	Err     error // set by Apply alone; the other calls return it
}

// UpdateAttributes gives the key's document these attributes in place of those
// that it has; its content stays. When it returns, they are set. A key that has no
// document is [ErrNotFound].
func (c *Client) UpdateAttributes(ctx context.Context, key string, a Attributes) (Result, error) {
	return c.change(ctx, Change{OpUpdateAttributes, Document{Key: key, Attributes: a}})
}

// Delete removes the key's document: when it returns nil, the key is gone from
// the store, and so are its Files; one that another tool has uploaded and attached to
// another store as well is only detached here. It succeeds also when the key never
// was there.
func (c *Client) Delete(ctx context.Context, key string) error {
	_, err := c.change(ctx, Change{OpDelete, Document{Key: key}})
	return err
}

// change makes one change, when it is its key's turn.
func (c *Client) change(ctx context.Context, ch Change) (Result, error) {
	v, err := c.prepare(ch)
	if err != nil {
		return Result{Key: ch.Document.Key}, wrap(ch.Op.String(), ch.Document.Key, err)
	}
	return c.changeAt(ctx, c.turns.ask(v.key), ch.Op, v)
}

// prepare checks what can be checked without a request and without reading the
// content.
func (c *Client) prepare(ch Change) (*version, error) {
	if ch.Op < OpPut || ch.Op > OpDelete {
		return nil, fail.New(ErrRejected, "%v is not an operation", ch.Op)
	}
	d := ch.Document
	if err := naming.CheckKey(d.Key); err != nil {
		return nil, err
	}
	v := &version{key: d.Key, digest: naming.DigestOf(d.Key), content: d.Content, chunks: d.Chunking, ext: d.Extension}
	var err error
	if v.own, err = naming.Normalize(d.Key, d.Attributes); err != nil {
		return nil, err
	}
	if v.owner = c.ownerOf(v.own); ch.Op != OpPut {
		return v, nil
	}
	if err := naming.Chunking(d.Chunking).Check(); err != nil {
		return nil, err
	}
	if v.ext == "" {
		v.ext = c.cfg.FileExtension
	} else if naming.Ext("x"+v.ext) == "" {
		return nil, fail.New(ErrUnsupportedType, "the extension %q is not one that OpenAI indexes", v.ext)
	}
	return v, nil
}

// changeAt waits for the turn, makes the change, and leaves the turn, unless the
// change goes on in the background and keeps it.
func (c *Client) changeAt(ctx context.Context, t *turn, op Op, v *version) (Result, error) {
	ctx, over := c.begin(ctx)
	defer over()
	if err := t.wait(ctx); err != nil {
		t.abandon()
		return Result{Key: v.key}, wrap(op.String(), v.key, err)
	}
	r, err := c.carryOut(ctx, t, op, v)
	if !t.kept {
		t.leave()
	}
	if err != nil {
		r = Result{}
	}
	r.Key = v.key
	return r, wrap(op.String(), v.key, err)
}

func (c *Client) carryOut(ctx context.Context, t *turn, op Op, v *version) (Result, error) {
	if err := context.Cause(ctx); err != nil {
		return Result{}, err
	}
	switch op {
	case OpPut:
		return c.put(ctx, v, t)
	case OpUpdateAttributes:
		return c.updateAttributes(ctx, v)
	default:
		return c.delete(ctx, v)
	}
}

func (c *Client) updateAttributes(ctx context.Context, v *version) (Result, error) {
	began := time.Now()
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, maxPoll) {
		have, unsure, err := c.catalog.holdingsNow(ctx, v.key)
		if err != nil {
			return Result{}, err
		}
		if err := c.checkOwner(ctx, v, have); err != nil {
			return Result{}, err
		}
		if nothing(have) {
			if len(unsure) > 0 && time.Since(began) < unseenTime {
				if err := wire.Pause(ctx, wait, nil); err != nil { // what a process before has attached may show yet
					return Result{}, err
				}
				continue
			}
			return Result{}, fail.New(ErrNotFound, "there is no document of that key to update; put it whole")
		}
		r, err := c.updateVersion(ctx, v, have)
		if !is(err, errNotKept) {
			return r, err
		}
	}
}

// updateVersion gives the version that a reader finds the attributes that are asked
// for, and makes it the key's only one.
func (c *Client) updateVersion(ctx context.Context, v *version, have []held) (Result, error) {
	cur := current(have)
	rest := slices.DeleteFunc(slices.Clone(have), func(h held) bool { return h.id == cur.id })
	r := Result{Outcome: Unchanged, FileID: cur.id, Version: cur.version}
	same := cur.own == naming.Hash(c.seed, v.own) && cur.state == attached
	if same && len(rest) == 0 {
		c.catalog.keep(cur.f)
		return r, nil
	}
	s, err := c.shownStoreFile(ctx, cur.f)
	if is(err, ErrNotFound) {
		c.catalog.noteAbsent(cur.f)
		return Result{}, errNotKept
	}
	if err != nil {
		return Result{}, err
	}
	next := naming.Identity{Key: v.key, Digest: v.digest, Version: nextVersion(have), Source: naming.Decode(s.Attributes).Source, Own: v.own}
	next.Source.Replaces = append(next.Source.Replaces, ids(rest)...)
	err = c.updateHeld(ctx, cur.f, next)
	if is(err, ErrRejected) && s.Status == wire.InProgress {
		// Whether OpenAI takes attributes of a file that is being indexed is not known.
		if err := c.awaitHeld(ctx, cur); err != nil && !is(err, errNotKept) {
			return Result{}, err
		}
		if err := c.catalog.look(ctx, cur.f); err != nil {
			return Result{}, err
		}
		if now := c.catalog.snapshot(cur.f); now.Status() != wire.InProgress {
			return Result{}, errNotKept
		}
	}
	if err != nil {
		return Result{}, err
	}
	if !same {
		r.Outcome = AttributesUpdated
	}
	r.Version = next.Version
	c.catalog.keep(cur.f)
	return r, c.removeAll(ctx, v.key, rest)
}

// current is the newest version that is searchable or may yet be, as far as is known:
// a newer one that a process before could not have indexed is not what a reader finds.
func current(have []held) held {
	for _, h := range have {
		if s := h.Status(); !h.doomed && s != wire.Failed && s != wire.Cancelled {
			return h
		}
	}
	return have[0]
}

func (c *Client) delete(ctx context.Context, v *version) (Result, error) {
	r := Result{Outcome: Absent}
	for {
		have, unsure, err := c.catalog.holdingsNow(ctx, v.key)
		if err == nil {
			err = c.checkOwner(ctx, v, have)
		}
		if err != nil {
			return Result{}, err
		}
		if r.Outcome == Absent && len(have) > 0 {
			r = Result{Outcome: Deleted, FileID: have[0].id, Version: have[0].version}
		}
		before := time.Now().UnixMicro()
		if err := c.removeAll(ctx, v.key, have); err != nil {
			return Result{}, err
		}
		if c.catalog.doubted() {
			continue // someone else has replaced what was known
		}
		return r, c.resolve(ctx, v.key, before, unsure, graceAfterDelete)
	}
}
