package vsclient

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// attaching is one File that is to become a store file.
type attaching struct {
	wire.Attachment
	ctx      context.Context // ends when nobody wants it attached any more
	anew     bool            // it has been attached before, and may still be seen as it was then
	verdict  chan error      // one value: attached (nil), or why not
	batch    *batch          // what it was attached with, set before the verdict
	attached time.Time
	hint     time.Duration // openai-poll-after-ms of the reply
	first    outcome       // from the reply, where one file was attached alone
	created  int64         // created_at in that reply: what an earlier attach of the File has come to is older
	indexed  chan outcome  // one value, where it was attached in a batch
}

// batch is one attach request that was accepted; id is empty for a single file.
type batch struct {
	id    string
	files []*attaching
}

// linger is how long a File that is ready waits for those still being uploaded.
const linger = time.Second

// attacher gathers Files that are ready and attaches them together. It sends when
// a batch is full, when nothing more is being uploaded (so that an idle client
// waits for nothing), or when the first has waited for long enough.
type attacher struct {
	c    *Client
	most int // files in one request

	mu      sync.Mutex
	ready   []*attaching
	coming  int // uploads that will be ready soon
	timer   *time.Timer
	sending bool // a sender waits for leave to send; it takes what is ready then
}

func newAttacher(c *Client) *attacher {
	a := &attacher{c: c, most: c.cfg.BatchSize}
	if limit := c.pacer.limits.AttachedFilesPerMinute; limit != NoLimit {
		a.most = min(a.most, limit) // more could never go at once
	}
	return a
}

// expect announces a File; arrived or its cancellation must follow.
func (a *attacher) expect() (arrived func()) {
	a.mu.Lock()
	a.coming++
	a.mu.Unlock()
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.coming--
		a.consider()
	})
}

// attach makes the File a store file. When it returns nil, OpenAI has accepted
// it; on an error it may be attached. arrived tells that what was expected is here.
func (a *attacher) attach(ctx context.Context, f wire.Attachment, arrived func()) (*attaching, error) {
	at := &attaching{Attachment: f, ctx: ctx, verdict: make(chan error, 1), indexed: make(chan outcome, 1)}
	a.mu.Lock()
	a.ready = append(a.ready, at)
	a.mu.Unlock()
	arrived()
	select {
	case err := <-at.verdict:
		return at, err
	case <-ctx.Done():
	}
	// A request that is under way decides: who cancelled has to know whether there
	// is something to detach.
	if a.withdraw(at) {
		return at, context.Cause(ctx)
	}
	late := time.NewTimer(cleanupTime)
	defer late.Stop()
	select {
	case err := <-at.verdict:
		return at, err
	case <-late.C:
		return at, context.Cause(ctx) // the File goes, and with it what may come of the request
	}
}

// withdraw takes the File out of what is ready, if it still is there.
func (a *attacher) withdraw(at *attaching) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(a.ready, at)
	if i < 0 {
		return false
	}
	a.ready = slices.Delete(a.ready, i, i+1)
	return true
}

// attachAlone attaches the File in a request of its own, so that the answer is
// about no other.
func (a *attacher) attachAlone(ctx context.Context, f wire.Attachment) (*attaching, error) {
	at := &attaching{Attachment: f, ctx: ctx, anew: true, verdict: make(chan error, 1), indexed: make(chan outcome, 1)}
	a.deliver(ctx, []*attaching{at}, nil)
	return at, <-at.verdict
}

// consider sends when it is time to. The caller holds mu.
func (a *attacher) consider() {
	if len(a.ready) == 0 || a.sending {
		return
	}
	if a.coming == 0 || len(a.ready) >= a.most {
		a.send()
		return
	}
	if a.timer == nil {
		a.timer = time.AfterFunc(linger, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.timer = nil
			if len(a.ready) > 0 && !a.sending {
				a.send()
			}
		})
	}
}

// send starts one request. The caller holds mu.
func (a *attacher) send() {
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
	a.sending = true
	if !a.c.spawn(a.sendReady) {
		a.sending = false
		for _, at := range a.take() {
			at.verdict <- ErrClosed
		}
	}
}

// sendReady attaches what is ready by the time that a request may be sent.
func (a *attacher) sendReady(ctx context.Context) {
	leave, err := a.c.wire.AdmitAttach(ctx)
	a.mu.Lock()
	files := a.take()
	a.sending = false
	a.consider()
	a.mu.Unlock()
	if err != nil {
		for _, at := range files {
			at.verdict <- err
		}
		return
	}
	if len(files) == 0 {
		leave()
		return
	}
	a.deliver(ctx, files, leave)
}

// take removes the next batch from what is ready. The caller holds mu.
func (a *attacher) take() []*attaching {
	n := min(len(a.ready), a.most)
	files := slices.Clone(a.ready[:n])
	a.ready = slices.Delete(a.ready, 0, n)
	return files
}

// deliver attaches the files and gives each its verdict. A batch that is refused
// because of one file is parted until that file stands alone.
func (a *attacher) deliver(ctx context.Context, files []*attaching, leave func()) {
	a.deliverSince(ctx, files, leave, time.Now())
}

func (a *attacher) deliverSince(ctx context.Context, files []*attaching, leave func(), began time.Time) {
	err := a.post(ctx, files, leave, began)
	if err != nil && len(files) > 1 && refusedForOne(err) && !(is(err, ErrStoreNotFound) && a.c.storeIsGone(ctx)) {
		if strings.Contains(err.Error(), "array too long") {
			a.mu.Lock()
			a.most = min(a.most, len(files)/2)
			a.mu.Unlock()
		}
		one, other := part(files, err)
		a.deliverSince(ctx, one, nil, began)
		a.deliverSince(ctx, other, nil, began)
		return
	}
	for _, at := range files {
		at.verdict <- err
	}
}

// part parts a refused batch: those that the refusal names from the others, or,
// when it names none, in halves.
func part(files []*attaching, err error) (one, other []*attaching) {
	reason := err.Error()
	for _, at := range files {
		if strings.Contains(reason, at.FileID) {
			other = append(other, at)
		} else {
			one = append(one, at)
		}
	}
	if len(one) == 0 || len(other) == 0 {
		return files[:len(files)/2], files[len(files)/2:]
	}
	return one, other
}

// refusedForOne reports whether a single file can be the reason. Whether OpenAI
// refuses a batch whole for one bad file is not documented.
func refusedForOne(err error) bool {
	return is(err, ErrRejected) || is(err, ErrUnsupportedType) || is(err, ErrTooLarge) || is(err, ErrNotFound) || is(err, ErrStoreNotFound)
}

// A File that was just uploaded may for a while be unknown to the vector stores,
// as users have seen. These are how long that is waited for, from the first try on.
const (
	unknownFileTime    = 20 * time.Second
	unknownInBatchTime = 4 * time.Second // then it is sought out
)

// post makes one attach request, of files that were tried first when it began.
// leave, if not nil, is the first attempt's leave to pass.
func (a *attacher) post(ctx context.Context, files []*attaching, leave func(), began time.Time) error {
	c := a.c
	b := &batch{files: files}
	call := wire.AttachCall{Leave: leave, Landed: func(ctx context.Context) (bool, error) { return a.landed(ctx, b), nil }}
	var meta wire.Meta
	patience := unknownFileTime
	if len(files) > 1 {
		patience = unknownInBatchTime
	}
	for wait := 250 * time.Millisecond; ; wait *= 2 {
		var err error
		meta, err = a.postOnce(ctx, call, b)
		call.Leave = nil
		if is(err, ErrNotFound) && !is(err, ErrStoreNotFound) && time.Since(began)+wait < patience {
			if err := wire.Pause(ctx, wait, nil); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		break
	}
	now := time.Now()
	for _, at := range files {
		at.batch, at.attached, at.hint = b, now, meta.PollAfter
	}
	if b.id != "" {
		c.watchBatch(b)
	}
	return nil
}

func (a *attacher) postOnce(ctx context.Context, call wire.AttachCall, b *batch) (wire.Meta, error) {
	all := make([]wire.Attachment, len(b.files))
	for i, at := range b.files {
		all[i] = at.Attachment
	}
	call.Files, call.Most = func() []wire.Attachment { return all }, len(all)
	if len(b.files) == 1 {
		s, meta, err := a.c.wire.CreateStoreFile(ctx, call)
		if s.ID != "" {
			b.files[0].seen(s)
		}
		return meta, err
	}
	reply, meta, err := a.c.wire.CreateBatch(ctx, call)
	b.id = reply.ID
	return meta, err
}

// landed looks whether an attach whose reply was lost has been carried out. Repeating
// it would double nothing, but users report that a file that has been indexed by then
// is indexed anew: searches would find it, and then not, and then again. The last
// file of a batch stands for all; what is not there after all shows in the waiting.
func (a *attacher) landed(ctx context.Context, b *batch) bool {
	at := b.files[len(b.files)-1]
	if at.anew {
		return false
	}
	s, _, err := a.c.wire.For(batchPatience).StoreFile(ctx, at.FileID)
	if err == nil {
		at.seen(s)
	}
	return err == nil
}

// seen keeps what the store says of the file that has just been attached.
func (at *attaching) seen(s wire.StoreFile) {
	at.first, at.created = outcome{s.Status, s.LastError}, s.CreatedAt
}
