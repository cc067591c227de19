package vsclient

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/content"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/life"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/view"
)

type op string

const (
	opPut    op = "put"
	opSet    op = "set attributes of"
	opDelete op = "delete"
)

// Change is one change to one key's document, for [Client.Apply].
type Change struct {
	op      op
	doc     Document
	cond    Attributes
	version *int64 // see IfVersion
	wait    bool   // see Searchable
}

// Put is the change that [Client.Put] makes.
func Put(d Document) Change { return Change{op: opPut, doc: d} }

// SetAttributes is the change that [Client.SetAttributes] makes.
func SetAttributes(key string, a Attributes) Change {
	return Change{op: opSet, doc: Document{Key: key, Attributes: a}}
}

// Delete is the change that [Client.Delete] makes.
func Delete(key string) Change { return Change{op: opDelete, doc: Document{Key: key}} }

// If adds a condition: the change fails with [ErrConflict] unless the stored document has these
// attributes, and not those whose value is nil. A key without a document, or with a File of
// another tool, meets every condition. The change waits up to half a minute for a version that was
// attached just now, and half a minute more for one that is attached meanwhile. The error has class
// [Transient] if a version that this client has put still cannot be seen, or if newer ones keep coming.
func (ch Change) If(stored Attributes) Change {
	ch.cond = stored
	return ch
}

// IfVersion adds a condition: the change fails with [ErrConflict] unless the key's newest version,
// searchable or not, has this number ([Info.Version]), or the content and the chunking of the Put.
// 0: unless the key has no version. If is then about that version. Files of other tools are no
// versions. The change waits as with If.
func (ch Change) IfVersion(number int64) Change {
	ch.version = &number
	return ch
}

// Searchable returns a change whose put ends only when its version was seen searchable, also
// with Config.Async. Use it before the removal of another document that this one replaces.
func (ch Change) Searchable() Change {
	ch.wait = true
	return ch
}

// Key returns the key whose document the change is about.
func (ch Change) Key() string { return ch.doc.Key }

// String names the operation and the key.
func (ch Change) String() string {
	return fmt.Sprintf("%s %q", ch.op, fail.Shorten(ch.doc.Key, maxKeyShown))
}

// Outcome is the result of a change.
type Outcome string

// The outcomes.
const (
	Created           Outcome = "created"
	Replaced          Outcome = "replaced"
	Unchanged         Outcome = "unchanged"
	AttributesUpdated Outcome = "attributes updated"
	Deleted           Outcome = "deleted"
	Absent            Outcome = "absent" // the key to be deleted had no document
)

// Result describes a change that was made, or the error that kept it from being made.
type Result struct {
	Key     string
	Outcome Outcome // empty where Err is set
	FileID  string  // of the version that was made or kept; after Deleted, of the newest that was removed; empty after Absent
	Version int64   // its vs_version; 0 after Absent
	Err     error   // set by Apply alone; the other methods return it
}

// Put makes the document the only one of its key. When it returns without an error,
// the new version was seen searchable and older ones are gone (with Config.Async:
// the new version is attached, and the rest follows).
//
// An older version stays searchable until the new one is. When the document is refused, or
// the service fails before the attach is accepted, the older version stays and the upload is
// removed. When the attach may have been accepted, it is not taken back: the new version
// becomes searchable and the older one goes, by this client or by the next one that changes
// the key.
//
// Putting the same document again within ten minutes makes at most one request. A new client
// first reads the list of Files, and the store file or the store's listing. Other attributes
// take one more request. A document that OpenAI refuses is uploaded again at each call. A caller
// that gets the same document repeatedly should remember its digest ([Client.Describe]).
func (c *Client) Put(ctx context.Context, d Document) (Result, error) {
	return c.change(ctx, Put(d))
}

// SetAttributes gives the key's document these attributes in place of its own. The
// content stays. A version that is still being indexed is waited for. A key without
// a document is [ErrNotFound].
func (c *Client) SetAttributes(ctx context.Context, key string, a Attributes) (Result, error) {
	return c.change(ctx, SetAttributes(key, a))
}

// Delete removes the key's document. When it returns nil, no version that was seen
// is left in the store, and their Files are deleted. A File that another tool has
// uploaded and attached to another store as well is only detached. It succeeds also
// when the key never existed: the outcome is then [Absent].
//
// The client also removes older versions that appear late, for example those of a crashed
// process. It does so for Config.IndexTimeout, or Config.RetryTimeout if that is longer, and
// three minutes more.
func (c *Client) Delete(ctx context.Context, key string) (Result, error) {
	return c.change(ctx, Delete(key))
}

// prepared is a change whose input has been checked.
type prepared struct {
	view.Doc
	op       op
	content  content.Content
	own      map[string]any
	chunking naming.Chunking
	ext      string          // for a key without an indexed extension; "": by content
	wait     bool            // until the version is searchable, also with Config.Async
	seen     bool            // until it was seen searchable, also where it is there already
	cond     *view.Condition // nil: none
	above    int64           // the number of a new version is at least this
	others   int             // how many other changes are merged into this one
	updated  string          // the File whose attributes this change has updated; "": none

	// known once the content has been read
	sum    content.Summary
	source naming.Source
	name   string
}

// change makes one change, when it is its key's turn.
func (c *Client) change(ctx context.Context, ch Change) (Result, error) {
	p, err := c.prepare(ch)
	if err != nil {
		return Result{Key: ch.doc.Key}, wrap(string(ch.op), ch.doc.Key, err)
	}
	return c.changeAt(ctx, c.keep.Ask(p.Key), p)
}

// prepare checks everything that can be checked without a request and without reading the content.
func (c *Client) prepare(ch Change) (*prepared, error) {
	d := ch.doc
	if err := naming.CheckKey(d.Key); err != nil {
		return nil, err
	}
	p := &prepared{Doc: c.view.Doc(d.Key), op: ch.op, content: d.Content.is, chunking: naming.Chunking(d.Chunking), ext: d.Extension, wait: ch.wait || !c.cfg.Async, seen: ch.wait}
	var err error
	if ch.cond != nil || ch.version != nil {
		own, err := naming.Condition(d.Key, ch.cond)
		if err != nil {
			return nil, err
		}
		p.cond = &view.Condition{Own: own, Prints: c.view.Prints(own), Version: ch.version}
	}
	if p.own, err = naming.Normalize(d.Key, d.Attributes); err != nil {
		return nil, err
	}
	switch ch.op {
	case opSet, opDelete:
		return p, nil
	case opPut:
	default:
		return nil, fail.New(fail.Rejected, "the zero Change changes nothing; make one with Put, SetAttributes or Delete")
	}
	if err := p.chunking.Check(); err != nil {
		return nil, err
	}
	if p.ext == "" {
		p.ext = c.cfg.FileExtension
	} else if naming.Ext("x"+p.ext) == "" {
		return nil, fail.New(fail.UnsupportedType, "OpenAI does not index the extension %q", p.ext)
	}
	return p, nil
}

// Describe returns key, size, digest, attributes and chunking of a document as the store
// would list them once it is put. It reads the content, in pieces, and makes no request. A
// document that Put would refuse before any request is refused with the same error.
func (c *Client) Describe(ctx context.Context, d Document) (Info, error) {
	p, err := c.prepare(Put(d))
	if err == nil {
		err = p.read(ctx)
	}
	if err != nil {
		return Info{}, wrap("describe", d.Key, err)
	}
	return Info{
		Key: p.Key, Size: p.sum.Size, SHA256: p.source.SHA256, Attributes: p.own,
		Chunking: Chunking(naming.ParseChunking(p.source.Chunking)),
	}, nil
}

// read takes the content's digest and decides on the File's name.
func (p *prepared) read(ctx context.Context) error {
	if p.name != "" {
		return nil
	}
	var err error
	if p.sum, err = p.content.Summarize(ctx); err != nil {
		return err
	}
	p.source = naming.Source{SHA256: hex.EncodeToString(p.sum.Digest[:]), Size: p.sum.Size, Chunking: p.chunking.String()}
	p.name, err = content.NameFor(p.Key, p.ext, p.sum)
	return err
}

// changeAt waits for the turn, makes the change, and leaves the turn.
func (c *Client) changeAt(ctx context.Context, t *life.Turn, p *prepared) (Result, error) {
	ctx, over, err := c.life.Begin(ctx)
	if err == nil {
		defer over()
		err = t.Wait(ctx)
	}
	if err != nil {
		t.Abandon()
		return Result{Key: p.Key}, wrap(string(p.op), p.Key, err)
	}
	defer t.Leave()
	return c.make(ctx, p)
}

// make makes a change. The caller has the key's turn.
func (c *Client) make(ctx context.Context, p *prepared) (r Result, err error) {
	if p.op == opPut {
		err = p.read(ctx)
	}
	if err == nil {
		err = c.storeThere(ctx)
	}
	if err == nil {
		c.keep.Start(true)
		switch p.op {
		case opPut:
			r, err = c.put(ctx, p)
		case opSet:
			r, err = c.setAttributes(ctx, p)
		default:
			r, err = c.delete(ctx, p)
		}
	}
	if errors.Is(err, fail.StoreGone) {
		c.gone.Store(true)
	}
	if err != nil {
		r = Result{}
	}
	r.Key = p.Key
	return r, wrap(string(p.op), p.Key, err)
}

// holdings looks up the versions of the key's document, and the young Files whose attach
// may not have shown, by look. It refuses a change whose condition does not hold. A version
// that was attached just now is waited for; none that shows later is an older one.
func (c *Client) holdings(ctx context.Context, p *prepared, look func(context.Context, view.Doc) (ledger.Holdings, []string, error)) (h ledger.Holdings, young []string, err error) {
	if p.cond == nil {
		return look(ctx, p.Doc)
	}
	if err := c.view.Renew(ctx, time.Second); err != nil { // others may have put the key since
		return h, nil, err
	}
	var refused error
	began := time.Now()
	seen, err := pace.Poll(ctx, 2*view.Patience, func() (bool, error) {
		if h, young, err = look(ctx, p.Doc); err != nil {
			return false, err
		}
		_, had := h.Current()
		look = c.view.HoldingsNow
		if h, refused = c.view.Check(ctx, p.Doc, h, p.cond, p.source, p.updated, func(id string) bool { return c.keep.Deleted(p.Doc, id) }); refused != nil && !errors.Is(refused, fail.Conflict) {
			return false, refused
		}
		cur, has := h.Current()
		p.above = c.view.Above(young)
		young = slices.DeleteFunc(young, func(id string) bool { return c.keep.Deleted(p.Doc, id) })
		return (has || !had) && !c.view.Awaited(ctx, cur, young, time.Since(began)), nil // others may have replaced it
	})
	if !seen && refused == nil {
		refused = fail.New(fail.Unavailable, "another program keeps uploading Files of the document's name, and the newest cannot be seen in the store yet")
	}
	return h, nil, cmp.Or(err, refused)
}
