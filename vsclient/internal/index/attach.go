package index

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

const (
	// A File that was just uploaded may for a while be unknown to the vector stores, as
	// users have seen. These bound the wait for that, from the first request on.
	unknownFileTime    = 20 * time.Second
	unknownInBatchTime = 4 * time.Second // then the batch is split

	// refusingTime is how long batches fail before one File is tried alone, to see
	// whether the server takes no batches or is out of service.
	refusingTime = 10 * time.Second

	// quickly bounds requests that are made again in the next round anyway, or that only
	// confirm something.
	quickly = 2 * time.Second

	// lostTime is how long a File is looked for whose attach had no reply, and firstLook
	// the wait before the second look.
	lostTime  = 4 * time.Second
	firstLook = 500 * time.Millisecond

	// aloneTime is how long a server that takes no batches is not offered one.
	aloneTime = time.Hour

	// fewLooks is how many Files are asked for one by one before more are.
	fewLooks = 4
)

// errNoBatches ends a batch whose server has attached one File alone instead.
var errNoBatches = errors.New("the server takes no batches")

// post is one attach request, which may be repeated.
type post struct {
	i      *Indexer
	ctx    context.Context // ends when nobody waits for any of the files
	cancel context.CancelFunc
	files  []*attaching // less the one that was accepted alone
	leave  func()       // leave for the first attempt, or nil

	single  bool           // no batch
	last    []*attaching   // the Files of the latest attempt
	failure *reply.Failure // of the latest attempt that failed
	failing time.Time      // when the first attempt failed
	batch   wire.Batch     // once it is accepted
	hint    time.Duration
	seen    []wire.StoreFile // replies about single Files
}

func (i *Indexer) newPost(files []*attaching) *post {
	ctx, cancel := i.together(files)
	return &post{i: i, ctx: ctx, cancel: cancel, files: files, single: len(files) == 1, last: files}
}

// deliver attaches the Files in one request and has those accepted watched. A batch
// that is refused because of one File is split until that File stands alone. deliver
// reports whether all were accepted.
func (i *Indexer) deliver(files []*attaching, leave func()) bool {
	switch {
	case len(files) == 0:
		return true
	case len(files) > 1 && i.batchSize() == 1:
		i.queue.Add(files...)
		return false
	}
	p := i.newPost(files)
	p.leave = leave
	err := p.run()
	if err == nil {
		i.accept(p)
		return true
	}
	defer p.cancel()
	f := refusal(err)
	switch {
	case errors.Is(err, errNoBatches):
		i.goAlone(p.files)
	case f == nil || p.single || errors.Is(f.Kind, fail.StoreGone):
		i.refuse(p.files, err)
	default:
		return i.split(p.files, f)
	}
	return false
}

// split attaches the Files that the refusal names apart from the others, or, when it
// names none, each half by itself. It reports whether all were accepted.
func (i *Indexer) split(files []*attaching, f *reply.Failure) bool {
	if f.Says("array too long") {
		i.mu.Lock()
		i.most = min(i.most, len(files)/2)
		i.mu.Unlock()
	}
	var one, other []*attaching
	for _, at := range files {
		if f.Names(at.FileID) {
			one = append(one, at)
		} else {
			other = append(other, at)
		}
	}
	if len(one) == 0 || len(other) == 0 {
		half := (len(files) + 1) / 2
		one, other = files[:half], files[half:]
	}
	var (
		ok   [2]bool
		side sync.WaitGroup
	)
	side.Go(func() { ok[0] = i.deliver(one, nil) })
	ok[1] = i.deliver(other, nil)
	side.Wait()
	accepted := ok[0] && ok[1]
	if accepted && len(files) == 2 && errors.Is(f, fail.Rejected) {
		i.goAlone(nil) // neither File was the reason
	}
	return accepted
}

// batchSize is how many Files the next request may hold.
func (i *Indexer) batchSize() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if time.Now().Before(i.until) {
		return 1
	}
	return i.most
}

// goAlone has every File attached in a request of its own for aloneTime, beginning with
// these.
func (i *Indexer) goAlone(files []*attaching) {
	i.mu.Lock()
	if !time.Now().Before(i.until) {
		i.until = time.Now().Add(aloneTime)
		i.cfg.Logger.Warn("the server takes no batches of files; each file is attached in a request of its own")
	}
	i.mu.Unlock()
	i.queue.Add(files...)
}

// refusal returns the failure of a request that was refused for a reason that may be
// one File's, or the store's, and nil for any other error. Whether OpenAI refuses a
// batch whole for one bad file is not documented.
func refusal(err error) *reply.Failure {
	f, ok := errors.AsType[*reply.Failure](err)
	if !ok || f.Retry {
		return nil
	}
	for _, kind := range []error{fail.Rejected, fail.UnsupportedType, fail.TooLarge, fail.NotFound, fail.StoreGone, fail.Incompatible} {
		if errors.Is(f.Kind, kind) {
			return f
		}
	}
	return nil
}

// aboutAFile reports whether the refusal speaks of a File.
func aboutAFile(f *reply.Failure, files []*attaching) bool {
	return errors.Is(f.Kind, fail.UnsupportedType) || errors.Is(f.Kind, fail.TooLarge) ||
		f.Names("file-") || f.Says("no such file") || f.Says("cannot find file") ||
		slices.ContainsFunc(files, func(at *attaching) bool { return f.Names(at.FileID) })
}

// run makes the request until it is accepted or refused. After an attempt whose reply
// was lost, a look decides whether it is repeated.
func (p *post) run() error {
	w := p.i.wire
	unknownTime := unknownInBatchTime
	if p.single {
		unknownTime = unknownFileTime
		if p.files[0].unsure {
			if there, err := p.look(w); there || err != nil {
				return err
			}
		}
	}
	for wait := pace.FirstPause; ; wait *= 2 {
		err := p.attach(w)
		f := refusal(err)
		if f != nil && !p.single && !aboutAFile(f, p.files) && (f.Status == http.StatusNotFound || f.Status == http.StatusMethodNotAllowed) {
			if err = p.probe(w); err == nil {
				return errNoBatches
			}
			f = refusal(err)
		}
		unknown := f != nil && errors.Is(f.Kind, fail.NotFound) && !errors.Is(f.Kind, fail.StoreGone)
		if !unknown || time.Since(p.files[0].tried)+wait >= unknownTime {
			if lost, ok := errors.AsType[*reply.Failure](err); ok && lost.Unknown {
				if there, _ := p.look(w.For(quickly)); there {
					return nil
				}
			}
			return err
		}
		if err := pace.Pause(p.ctx, wait, nil); err != nil {
			return err
		}
		p.leave = nil
	}
}

// attach makes the request, as a batch unless it is for one File.
func (p *post) attach(w *wire.Client) error {
	call := wire.AttachCall{Files: p.attempt, Most: len(p.files), Leave: p.leave, Failed: p.failed, Landed: p.landed}
	if p.single {
		s, hint, err := w.CreateStoreFile(p.ctx, call)
		if s.ID != "" {
			p.seen = append(p.seen, s)
		}
		p.hint = hint
		return err
	}
	b, hint, err := w.CreateBatch(p.ctx, call)
	if b.ID != "" {
		p.batch, p.hint = b, hint
	}
	return err
}

// probe attaches one File of a batch alone, and takes it out of the batch.
func (p *post) probe(w *wire.Client) error {
	one := p.i.newPost(p.last[len(p.last)-1:])
	if err := one.attach(w); err == nil {
		p.i.accept(one)
	} else if one.cancel(); one.files[0].ctx.Err() == nil && !Passing(err) {
		return err
	} else { // its reply was lost, or its caller has given up, which is no verdict on the others
		p.i.refuse(one.files, err)
	}
	p.files = slices.DeleteFunc(slices.Clone(p.files), func(at *attaching) bool { return at == one.files[0] })
	return nil
}

// attempt returns the Files of the next attempt: those for which somebody waits.
func (p *post) attempt() []wire.Attachment {
	p.i.mu.Lock()
	defer p.i.mu.Unlock()
	if waiting := slices.DeleteFunc(slices.Clone(p.files), func(at *attaching) bool { return at.gone }); len(waiting) > 0 {
		p.last = waiting
	} else {
		p.cancel() // nothing is sent
	}
	all := make([]wire.Attachment, len(p.last))
	for n, at := range p.last {
		all[n] = at.Attachment
		at.sent = true
		if at.tried.IsZero() {
			at.tried = time.Now()
		}
	}
	return all
}

// failed notes which Files may have been attached all the same.
func (p *post) failed(f *reply.Failure) {
	p.failure = f
	if p.failing.IsZero() {
		p.failing = time.Now()
	}
	p.i.mu.Lock()
	defer p.i.mu.Unlock()
	for _, at := range p.last {
		at.unsure = at.unsure || f.Unknown
		at.sent = at.unsure
	}
}

// landed looks whether an attach whose reply was lost has been carried out. Repeating
// it would double nothing at OpenAI, but users report that a file that has been indexed
// by then is indexed anew: searches would find it, and then not, and then again.
//
// A File whose attach had no reply is not attached again: the server may still work on
// it, and two attaches of one File side by side break a store of OGX. Its error is Passing.
func (p *post) landed(context.Context) (bool, error) {
	if !p.failure.Unknown {
		return false, nil
	}
	there, err := p.look(p.i.wire)
	if p.single && underWay(p.failure) {
		for wait, began := firstLook, time.Now(); !there && err == nil; wait *= 2 {
			if time.Since(began)+wait > lostTime {
				reason := fmt.Sprintf("the attach of File %s had no reply, and the store has not shown it since (%s)", p.files[0].FileID, p.failure.Reason)
				return false, &fail.Error{Kind: fail.Indexing, Err: fail.Unavailable, Reason: reason}
			}
			if err = pace.Pause(p.ctx, wait, nil); err == nil {
				there, err = p.look(p.i.wire)
			}
		}
		return there, err
	}
	refusing := time.Since(p.failing) >= refusingTime || p.failure.Status == http.StatusNotImplemented
	if there || err != nil || p.single || !refusing {
		return there, err
	}
	once := p.i.wire.Once()
	if p.probe(once) != nil {
		return p.look(p.i.wire)
	}
	err = p.attach(once) // it may be an outage that has just ended
	switch f, ok := errors.AsType[*reply.Failure](err); {
	case !ok || !f.Retry:
		return err == nil, err
	case !f.Unknown:
		return false, nil
	}
	if there, err := p.look(p.i.wire); there || err != nil {
		return there, err
	}
	return false, errNoBatches
}

// underWay reports whether the server may still work on a request that has failed: no
// reply of its own has ended it.
func underWay(f *reply.Failure) bool {
	return f.Status == 0 || f.Status == http.StatusBadGateway || f.Status == http.StatusGatewayTimeout || f.Status >= 520 // a proxy's
}

// look reports whether the store has one of a few of the Files, which stand for all. It
// fails when no reply has shown that.
func (p *post) look(w *wire.Client) (bool, error) {
	var (
		mu     sync.Mutex
		unseen error
	)
	p.i.each(p.ctx, p.last[max(0, len(p.last)-fewLooks):], func(at *attaching) {
		s, _, err := w.StoreFile(p.ctx, at.FileID)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			p.seen = append(p.seen, s)
		case !errors.Is(err, fail.NotFound):
			unseen = err
		}
	})
	if len(p.seen) > 0 {
		return true, nil
	}
	return false, errors.Join(unseen, context.Cause(p.ctx))
}

// accept reports to the callers that OpenAI has accepted the attach, and has the Files
// watched. Where the reply to a batch was lost, or counts Files as failed or fewer than
// were sent, each is accepted when it is seen.
func (i *Indexer) accept(p *post) {
	w := &watch{i: i, batch: p.batch.ID, open: make(map[string]*attaching, len(p.last)), sent: len(p.last), hint: p.hint}
	counts := p.batch.FileCounts
	uncounted := counts == wire.Counts{} && p.batch.Status == wire.InProgress
	all := p.single || uncounted || p.batch.ID != "" && counts.Failed+counts.Cancelled == 0 && counts.Total >= len(p.last)
	i.mu.Lock()
	for _, at := range p.last {
		at.attached = time.Now()
		if !closed(at.answered) {
			close(at.answered)
		}
		if all {
			at.take()
		}
		w.open[at.FileID] = at
	}
	i.mu.Unlock()
	w.hear(p.batch, time.Time{})
	for _, s := range p.seen {
		w.finish(s, false)
	}
	if len(w.open) == 0 || !i.cfg.Go(func() { defer p.cancel(); w.run(p.ctx) }) {
		p.cancel()
	}
}
