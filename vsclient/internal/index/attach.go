package index

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

const (
	// A File that was just uploaded may for a while be unknown to the vector stores, as
	// users have seen. These bound the wait for that, from the first request on.
	unknownFileTime    = 20 * time.Second
	unknownInBatchTime = 4 * time.Second // then the batch is parted

	// refusingTime is how long batches fail before one File is tried alone, to see
	// whether the server takes no batches or is out of service.
	refusingTime = 10 * time.Second

	// quickly bounds the requests that are made again in the next round anyway, or that
	// only confirm something.
	quickly = 2 * time.Second

	// fewLooks is how many Files are asked for one by one before more are.
	fewLooks = 4
)

// errNoBatches ends an attach request that the server does not take for its form.
var errNoBatches = errors.New("the server takes no batches")

// post is one attach request, which may be repeated.
type post struct {
	i      *Indexer
	ctx    context.Context
	cancel context.CancelFunc
	files  []*attaching
	leave  func() // leave for the first attempt, or nil

	last    []*attaching // the Files of the latest attempt
	failure *wire.Failure
	failing time.Time // when the first attempt failed
	batch   string    // the id of the batch, once it is accepted
	meta    wire.Meta
	seen    []wire.StoreFile // replies about single Files
}

// deliver attaches the Files in one request and has those accepted watched. A batch
// that is refused because of one File is parted until that File stands alone. deliver
// reports whether all were accepted.
func (i *Indexer) deliver(files []*attaching, leave func()) bool {
	if len(files) > 1 && i.alone() {
		i.enqueue(files)
		return false
	}
	ctx, cancel := i.together(files)
	p := &post{i: i, ctx: ctx, cancel: cancel, files: files, leave: leave, last: files}
	err := p.run()
	if err == nil {
		i.accept(p)
		return true
	}
	defer cancel()
	switch refused := p.refused(err); {
	case errors.Is(err, errNoBatches):
		if p.failure != nil {
			err = p.failure
		}
		i.goAlone(files, err)
	case refused && !p.aboutAFile() && i.storeGone(ctx):
		i.refuse(files, &fail.Error{Kind: fail.StoreGone, Reason: p.failure.Reason, Err: err})
	case len(files) == 1 || !refused:
		i.refuse(files, err)
	case !p.aboutAFile() && (p.failure.Status == http.StatusNotFound || p.failure.Status == http.StatusMethodNotAllowed):
		i.goAlone(files, err)
	default:
		return i.part(p, err)
	}
	return false
}

// part attaches the Files that the refusal names apart from the others, or, when it
// names none, each half by itself. It reports whether all were accepted.
func (i *Indexer) part(p *post, refusal error) bool {
	if strings.Contains(p.failure.Message, "array too long") {
		i.mu.Lock()
		i.most = min(i.most, len(p.files)/2)
		i.mu.Unlock()
	}
	var one, other []*attaching
	for _, at := range p.files {
		if p.names(at) {
			one = append(one, at)
		} else {
			other = append(other, at)
		}
	}
	if len(one) == 0 || len(other) == 0 {
		half := len(p.files) / 2
		one, other = p.files[:half], p.files[half:]
	}
	var (
		ok   [2]bool
		side sync.WaitGroup
	)
	side.Go(func() { ok[0] = i.deliver(one, nil) })
	ok[1] = i.deliver(other, nil)
	side.Wait()
	accepted := ok[0] && ok[1]
	if accepted && len(p.files) == 2 && errors.Is(refusal, fail.Rejected) {
		i.goAlone(nil, refusal) // neither File was the reason
	}
	return accepted
}

// refused reports whether the server has refused the request for a reason that may be
// one File's, or the store's. Whether OpenAI refuses a batch whole for one bad file is
// not documented.
func (p *post) refused(err error) bool {
	if p.failure == nil || p.failure.Retry || p.ctx.Err() != nil {
		return false
	}
	for _, kind := range []error{fail.Rejected, fail.UnsupportedType, fail.TooLarge, fail.NotFound, fail.StoreGone, fail.Endpoint} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// aboutAFile reports whether the refusal speaks of a File.
func (p *post) aboutAFile() bool {
	if errors.Is(p.failure.Kind, fail.UnsupportedType) || errors.Is(p.failure.Kind, fail.TooLarge) || slices.ContainsFunc(p.files, p.names) {
		return true
	}
	message := strings.ToLower(p.failure.Message)
	return strings.Contains(message, "file-") || strings.Contains(message, "no such file") || strings.Contains(message, "cannot find file")
}

// names reports whether the refusal names that File.
func (p *post) names(at *attaching) bool { return strings.Contains(p.failure.Message, at.FileID) }

// storeGone reports whether the store is missing or has expired: the words of a refusal
// for one file can be much the same.
func (i *Indexer) storeGone(ctx context.Context) bool {
	s, err := i.wire.For(quickly).Store(ctx)
	return errors.Is(err, fail.NotFound) || errors.Is(err, fail.StoreGone) || err == nil && s.Status == "expired"
}

// run makes the request until it is accepted or refused. After an attempt whose reply
// was lost, a look decides whether it is repeated.
func (p *post) run() error {
	if len(p.files) == 1 && p.files[0].unsure {
		if there, err := p.look(p.i.wire); there || err != nil {
			return err
		}
	}
	patience := unknownFileTime
	if len(p.files) > 1 {
		patience = unknownInBatchTime
	}
	for wait := 250 * time.Millisecond; ; wait *= 2 {
		err := p.attach(p.i.wire)
		if err == nil {
			return nil
		}
		unknown := errors.Is(err, fail.NotFound) && !errors.Is(err, fail.StoreGone) && (len(p.files) == 1 || p.aboutAFile())
		if unknown && time.Since(p.files[0].tried)+wait < patience {
			if err := wire.Pause(p.ctx, wait, nil); err != nil {
				return err
			}
			p.leave = nil
			continue
		}
		if f, ok := errors.AsType[*wire.Failure](err); ok && f.Unknown {
			if there, _ := p.look(p.i.wire.For(quickly)); there {
				return nil
			}
		}
		return err
	}
}

// attach makes the request, as a batch unless it is for one File.
func (p *post) attach(w *wire.Client) error {
	call := wire.AttachCall{Files: p.attempt, Most: len(p.files), Leave: p.leave, Failed: p.failed, Landed: p.landed}
	if len(p.files) == 1 {
		s, meta, err := w.CreateStoreFile(p.ctx, call)
		if s.ID != "" {
			p.seen = append(p.seen, s)
		}
		p.meta = meta
		return err
	}
	b, meta, err := w.CreateBatch(p.ctx, call)
	p.batch, p.meta = b.ID, meta
	if err == nil && tookNothing(b) {
		p.unsure()
		return errNoBatches
	}
	return err
}

// tookNothing reports whether a batch has ended without a file.
func tookNothing(b wire.Batch) bool {
	return b.Status != wire.InProgress && b.Status != "" && b.FileCounts == wire.Counts{}
}

// attempt returns the Files of the next attempt: those for which somebody waits.
func (p *post) attempt() []wire.Attachment {
	p.i.mu.Lock()
	defer p.i.mu.Unlock()
	waiting := slices.DeleteFunc(slices.Clone(p.files), func(at *attaching) bool { return at.gone })
	if len(waiting) == 0 {
		p.cancel() // nothing is sent
		waiting = p.files
	} else {
		p.last = waiting
	}
	all := make([]wire.Attachment, len(waiting))
	for n, at := range waiting {
		all[n] = at.Attachment
		if !at.gone {
			at.sent = true
		}
		if at.tried.IsZero() {
			at.tried = time.Now()
		}
	}
	return all
}

// failed notes which Files may have been attached all the same.
func (p *post) failed(f *wire.Failure) {
	p.failure = f
	if p.failing.IsZero() {
		p.failing = time.Now()
	}
	if f.Unknown {
		p.unsure()
		return
	}
	p.i.mu.Lock()
	defer p.i.mu.Unlock()
	for _, at := range p.last {
		at.sent = at.unsure
	}
}

func (p *post) unsure() {
	p.i.mu.Lock()
	defer p.i.mu.Unlock()
	for _, at := range p.last {
		at.unsure, at.sent = true, true
	}
}

// landed looks whether an attach whose reply was lost has been carried out. Repeating
// it would double nothing, but users report that a file that has been indexed by then
// is indexed anew: searches would find it, and then not, and then again.
func (p *post) landed(context.Context) (bool, error) {
	if !p.failure.Unknown {
		return false, nil
	}
	if len(p.files) > 1 && p.failure.Status == http.StatusNotImplemented {
		return false, errNoBatches
	}
	there, err := p.look(p.i.wire)
	if there || err != nil || len(p.files) == 1 || time.Since(p.failing) < refusingTime {
		return there, err
	}
	// One File is tried alone: a server that attaches it takes no batches.
	one := p.last[len(p.last)-1:]
	if p.i.deliverOnce(one) {
		return false, errNoBatches
	}
	return p.look(p.i.wire)
}

// deliverOnce makes one attempt to attach the Files, and has them watched when it was
// accepted.
func (i *Indexer) deliverOnce(files []*attaching) bool {
	ctx, cancel := i.together(files)
	p := &post{i: i, ctx: ctx, cancel: cancel, files: files, last: files}
	if err := p.attach(i.wire.For(time.Nanosecond)); err != nil {
		cancel()
		return false
	}
	i.accept(p)
	return true
}

// look reports whether a few of the Files, which stand for all, are in the store. It
// fails when no reply has shown that.
func (p *post) look(w *wire.Client) (bool, error) {
	few := p.last[max(0, len(p.last)-fewLooks):]
	seen := make([]wire.StoreFile, len(few))
	errs := make([]error, len(few))
	for n := range errs {
		errs[n] = context.Canceled
	}
	p.i.each(p.ctx, few, func(n int, at *attaching) {
		seen[n], _, errs[n] = w.StoreFile(p.ctx, at.FileID)
	})
	var unseen error
	for n, err := range errs {
		switch {
		case err == nil:
			p.seen = append(p.seen, seen[n])
		case !errors.Is(err, fail.NotFound):
			unseen = err
		}
	}
	if len(p.seen) > 0 {
		return true, nil
	}
	return false, unseen
}

// accept tells the callers that OpenAI has accepted the attach, and has the Files
// watched.
func (i *Indexer) accept(p *post) {
	w := &watch{i: i, batch: p.batch, open: make(map[string]*attaching, len(p.last)), sent: len(p.last), hint: p.meta.PollAfter}
	i.mu.Lock()
	for _, at := range p.last {
		if !closed(at.taken) {
			at.attached = time.Now()
			close(at.taken)
		}
		w.open[at.FileID] = at
	}
	i.mu.Unlock()
	for _, s := range p.seen {
		w.settle(s)
	}
	if len(w.open) == 0 || !i.cfg.Go(func() { defer p.cancel(); w.run(p.ctx) }) {
		p.cancel()
	}
}
