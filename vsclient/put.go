package vsclient

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

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

// version is one version of a document on its way into the store.
type version struct {
	key     string
	digest  keyDigest
	content Content
	own     Attributes
	chunks  Chunking
	ext     string // to use when the key has none, "": by content
	sum     summary
	source  source
	name    string
}

// Put makes the document the one of its key. When it returns without an error,
// the key's only version is this one, and it is searchable (with [WaitAttached]:
// it is attached, and the rest follows).
//
// An older version stays searchable until this one is. When Put fails, the older
// version is as it was, and what this call uploaded is gone. The same document
// again makes no request, or one to look at what is there; the same content with
// other attributes makes one more, to update them.
func (c *Client) Put(ctx context.Context, d Document) (Result, error) {
	return c.change(ctx, Change{OpPut, d})
}

// read takes the content's digest and settles the File's name.
func (v *version) read(ctx context.Context) error {
	var err error
	if v.sum, err = v.content.summarize(ctx); err != nil {
		return err
	}
	v.source = source{sha256: hex.EncodeToString(v.sum.digest[:]), size: v.sum.size, chunking: v.chunks.String()}
	base, ext := fileName(v.key)
	switch {
	case ext != noExtension:
		v.name = base + indexedExtensions[ext].ext
	case v.ext != "":
		v.name = base + v.ext
	case !v.sum.text:
		return invalid(ErrUnsupportedType, "the content is neither JSON nor other UTF-8 text, and the key has no extension that OpenAI indexes; give it one, or set the document's Extension")
	default:
		json, err := v.content.isJSON()
		if err != nil {
			return err
		}
		v.name = base + ".txt"
		if json {
			v.name = base + ".json"
		}
	}
	return nil
}

func (c *Client) put(ctx context.Context, v *version, t *turn) (Result, error) {
	if v.name == "" {
		if err := v.read(ctx); err != nil {
			return Result{}, err
		}
	}
	have, unsure, err := c.catalog.holdings(ctx, v.key)
	if err != nil {
		return Result{}, err
	}
	for len(have) > 0 && have[0].content == v.source.fingerprint() {
		r, err := c.keep(ctx, v, have)
		if !errors.Is(err, errNotKept) {
			return r, err
		}
		if have, unsure, err = c.catalog.holdings(ctx, v.key); err != nil {
			return Result{}, err
		}
	}
	return c.replace(ctx, v, have, unsure, t)
}

// errNotKept says that what the store was thought to hold is not there, or never
// became searchable.
var errNotKept = errors.New("not kept")

// keep makes the newest version, which has the content already, the key's only
// one, with the attributes that are asked for.
func (c *Client) keep(ctx context.Context, v *version, have []held) (Result, error) {
	cur := have[0]
	if cur.Status() != StatusCompleted {
		// An attach that was cut off earlier. It is this document's: wait for it.
		if err := c.awaitHeld(ctx, cur); err != nil {
			return Result{}, err
		}
	}
	r := Result{Outcome: Unchanged, FileID: cur.id, Version: cur.version}
	if cur.own != v.own.hash(c.seed) {
		v.source.replaces = nil
		next := identity{key: v.key, digest: v.digest, version: nextVersion(have), source: v.source, own: v.own}
		if err := c.updateHeld(ctx, cur.f, next); err != nil {
			return Result{}, err
		}
		r.Outcome, r.Version = AttributesUpdated, next.version
	}
	if err := c.removeAll(ctx, v.key, have[1:]); err != nil {
		return Result{}, err
	}
	return r, nil
}

// updateHeld gives a store file other attributes.
func (c *Client) updateHeld(ctx context.Context, f *file, next identity) error {
	s, err := c.updateStoreFile(ctx, f.id, next.encode())
	k := c.catalog
	k.mu.Lock()
	defer k.mu.Unlock()
	if is(err, ErrNotFound) {
		k.note(f, absent)
		return errNotKept
	}
	if err != nil {
		f.looked = 0 // it may have been carried out
		return err
	}
	s.Attributes = next.encode()
	s.Status = f.Status()
	k.learn(f, s)
	return nil
}

// awaitHeld waits for a version that was found attached but not yet searchable.
func (c *Client) awaitHeld(ctx context.Context, cur held) error {
	o := outcome{status: cur.Status()}
	if !o.final() {
		at := &attaching{attachment: attachment{FileID: cur.id}, batch: &batch{}, attached: time.Now()}
		var err error
		if o, err = c.await(ctx, at, time.Now().Add(c.cfg.IndexTimeout/2)); err != nil {
			return err
		}
	}
	k := c.catalog
	k.mu.Lock()
	defer k.mu.Unlock()
	if o.status == StatusCompleted {
		cur.f.status = uint8(slices.Index(statuses, StatusCompleted))
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
	for _, h := range have {
		v.source.replaces = append(v.source.replaces, h.id)
	}
	next := identity{ours: true, key: v.key, digest: v.digest, version: nextVersion(have), source: v.source, own: v.own}
	at := attachment{FileID: f.id, Attributes: next.encode(), Chunking: v.chunks.param()}
	r := Result{Outcome: Created, FileID: f.id, Version: next.version}
	if len(have) > 0 {
		r.Outcome = Replaced
	}
	finish := func(ctx context.Context, accepted func()) error {
		if err := c.index(ctx, at, arrived, accepted); err != nil {
			c.rollBack(ctx, v.key, f)
			return err
		}
		c.catalog.settled(f, next)
		return c.settle(ctx, v.key, next.version, f, u, have, unsure)
	}
	if c.cfg.WaitFor == WaitIndexed {
		return r, finish(ctx, nil)
	}
	return c.finishLater(ctx, r, v.key, t, finish)
}

// finishLater runs finish in the background and returns as soon as the attach is
// accepted, or has failed. The key's turn is left when all is done.
func (c *Client) finishLater(ctx context.Context, r Result, key string, t *turn, finish func(context.Context, func()) error) (Result, error) {
	first := make(chan error, 1)
	ended := c.pending.begin()
	t.kept = c.spawn(func(life context.Context) {
		defer ended()
		defer t.leave()
		// Until the attach is accepted, the caller's context has a say.
		own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cancel(nil)
		defer context.AfterFunc(life, func() { cancel(ErrClosed) })()
		unhook := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
		accepted := false
		err := finish(own, func() {
			unhook()
			accepted = true
			first <- nil
		})
		switch {
		case !accepted:
			first <- err
		case err != nil:
			c.log.Warn("a document that was attached did not become searchable; the older version stays", "error", err.Error())
			c.log.Debug("the document that did not become searchable", "key", key)
		}
	})
	if !t.kept {
		ended()
		return r, ErrClosed
	}
	return r, <-first
}

// settled notes that the File is the key's searchable version.
func (k *catalog) settled(f *file, id identity) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.learn(f, storeFile{Status: StatusCompleted, Attributes: id.encode()})
}

// rollBack removes what a failed attempt made.
func (c *Client) rollBack(ctx context.Context, key string, f *file) {
	ctx, cancel := afterwards(ctx)
	defer cancel()
	if err := c.remove(ctx, key, f); err != nil {
		c.log.WarnContext(ctx, "a File of a failed put could not be removed; Leftovers will list it", "file_id", f.id, "error", err.Error())
	}
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

// settle removes all but the version that has just become searchable. From here
// on the caller's giving up no longer stops it.
func (c *Client) settle(ctx context.Context, key string, version int64, cur *file, u *upload, have []held, unsure []*file) error {
	err := c.removeAll(ctx, key, have)
	if err != nil && ctx.Err() != nil {
		after, cancel := afterwards(ctx)
		defer cancel()
		err = c.removeAll(after, key, have)
	}
	if err != nil {
		return fmt.Errorf("the new version is searchable, but an older one could not be removed: %w", err)
	}
	if u.unclear > 0 {
		c.withdraw(ctx, u, cur.id)
	}
	grace := time.Duration(0)
	if slices.ContainsFunc(unsure, func(f *file) bool { return f.size == u.sum.size }) {
		grace = graceAfterPut
	}
	c.resolve(ctx, key, version, unsure, grace)
	return nil
}

// removeAll removes versions, the oldest first, so that what a reader can find
// meanwhile is the newest.
func (c *Client) removeAll(ctx context.Context, key string, have []held) error {
	for _, h := range slices.Backward(have) {
		if err := c.remove(ctx, key, h.f); err != nil {
			return err
		}
	}
	return nil
}

// remove detaches the File and then deletes it; when it returns nil, it is gone.
func (c *Client) remove(ctx context.Context, key string, f *file) error {
	if err := c.calls.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer c.calls.Release(1)
	if err := c.detach(ctx, f.id); err != nil {
		return err
	}
	if err := c.deleteFile(ctx, f.id); err != nil {
		return err
	}
	c.catalog.drop(key, f.id)
	return nil
}

// resolve looks again at Files that could be the key's: an attach just before, by
// a process that was cut off, may show late. What turns out to be the key's, and
// older than the version given, is removed. Older only: of two writers at once
// each must spare the other's newer version, or both would go.
func (c *Client) resolve(ctx context.Context, key string, before int64, unsure []*file, grace time.Duration) {
	began := time.Now()
	for wait := 250 * time.Millisecond; ; wait *= 2 {
		unsure = c.removeShown(ctx, key, before, unsure)
		if len(unsure) == 0 {
			return
		}
		if time.Since(began)+wait > grace || pause(ctx, wait, nil) != nil {
			break
		}
	}
	c.spawn(func(ctx context.Context) {
		for wait := 15 * time.Second; len(unsure) > 0 && time.Since(began) < settleTime; wait = 30 * time.Second {
			if pause(ctx, wait, nil) != nil {
				return
			}
			unsure = c.removeShown(ctx, key, before, unsure)
		}
	})
}

// removeShown removes those of the Files that by now are seen to be older versions
// of the key's document, and returns those of which it is still open.
func (c *Client) removeShown(ctx context.Context, key string, before int64, unsure []*file) (open []*file) {
	for _, f := range unsure {
		if c.catalog.look(ctx, f) != nil {
			open = append(open, f)
			continue
		}
		now := c.catalog.snapshot(f)
		switch {
		case now.state == absent && c.catalog.recent(now.file):
			open = append(open, f)
		case c.catalog.belongs(now, key) && now.version < before:
			if err := c.remove(ctx, key, f); err != nil {
				c.log.WarnContext(ctx, "an older version could not be removed; the next change of its key will, or Sweep", "file_id", now.id, "error", err.Error())
			}
		}
	}
	return open
}

// pending counts what goes on after a call has returned.
type pending struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to 0; nil while it is
}

func (p *pending) begin() (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n++; p.n == 1 {
		p.idle = make(chan struct{})
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.n--; p.n == 0 {
			close(p.idle)
			p.idle = nil
		}
	}
}

// Flush returns when everything that was attached under [WaitAttached] is
// searchable and its older versions are gone, or has failed, which the log tells.
func (c *Client) Flush(ctx context.Context) error {
	c.pending.mu.Lock()
	idle := c.pending.idle
	c.pending.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return wrap("flush", "", context.Cause(ctx))
	}
}
