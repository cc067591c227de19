package index

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

const (
	// A batch that has ended shows a file within missingTime, or did not take it; a store
	// file shows its attributes within that time, or has none.
	missingTime = 5 * time.Second
	// Whatever a batch says of itself, its files are found within unseenTime: listings lag
	// by up to two minutes.
	unseenTime = 3 * time.Minute
)

// watch follows the Files of one attach request until each has ended. Of a batch it
// asks for the batch, one request for all of them, and reads from its listing who is
// ready, a hundred at a time. Without a batch it asks for each File.
//
// The batch's own counts say when reading is worth while. They are no verdict on any
// file, not even when all are counted as completed: on a verdict hangs the removal of
// an older version, users have seen stores count ahead of their files and batches
// answer with the counts of their store, and only a look at the file itself shows
// that it is there.
type watch struct {
	i     *Indexer
	batch string // its id, or ""
	sent  int    // Files of the request
	open  map[string]*attaching
	hint  time.Duration // how long the server asks to wait before the next look

	began   time.Time
	counts  wire.Counts // as of the last answer
	ended   bool
	heard   bool      // the last answer was about this batch, or the Files
	heardAt time.Time // when it came
	listed  int       // files that had ended when the listing was last read
	read    time.Time
	relist  time.Duration // the listing is read after this long, whatever the counts say
}

func (w *watch) run(ctx context.Context) {
	w.began = time.Now()
	w.read, w.relist = w.began, 2*time.Second
	wait := max(w.i.typical.Guess(), w.hint)
	for !w.tookNothing() && pace.Pause(ctx, wait, nil) == nil {
		for id, at := range w.open {
			if at.ctx.Err() != nil {
				delete(w.open, id) // nobody waits for it
			}
		}
		w.hint = 0
		if w.batch == "" {
			w.look(ctx, true)
		} else {
			w.ask(ctx)
			if w.worthReading() {
				w.readListing(ctx)
				w.look(ctx, w.ended || !w.heard || time.Since(w.began) >= unseenTime)
			}
		}
		if len(w.open) == 0 {
			return
		}
		since := time.Since(w.began)
		wait = w.i.typical.Interval(since)
		if !w.heard || w.ended {
			wait = max(pace.FirstPoll, since/4)
		}
		wait = max(min(wait, pace.MaxPoll), w.hint)
	}
}

// ask reads the state of the batch. An answer about something else, as users have
// seen, is no answer.
func (w *watch) ask(ctx context.Context) {
	b, hint, err := w.i.wire.For(quickly).Batch(ctx, w.batch)
	if w.hint, w.heard = hint, err == nil && b.ID == w.batch; w.heard {
		w.hear(b, time.Now())
	}
}

func (w *watch) hear(b wire.Batch, at time.Time) {
	w.heardAt, w.counts, w.ended = at, b.FileCounts, b.Status != wire.InProgress && b.Status != ""
}

// tookNothing reports whether a batch that has ended without a file has taken none: a
// look at a few finds none. Then each File is attached alone, and when the first of them
// is accepted at once, the server takes no batches.
func (w *watch) tookNothing() bool {
	if !w.ended || w.counts != (wire.Counts{}) || len(w.open) == 0 {
		return false
	}
	p := w.i.newPost(slices.Collect(maps.Values(w.open)))
	defer p.cancel()
	there, err := p.look(w.i.wire.For(quickly))
	for _, s := range p.seen {
		w.finish(s, false)
	}
	switch {
	case there || err != nil:
		return false
	case p.probe(w.i.wire) == nil:
		w.i.goAlone(p.files)
	default:
		for _, at := range p.files {
			w.i.cfg.Go(func() { w.i.deliver([]*attaching{at}, nil) })
		}
	}
	return true
}

func (w *watch) done() int { return w.counts.Completed + w.counts.Failed + w.counts.Cancelled }

// worthReading reports whether it is time to read the listing: when all have ended,
// or nearly all, so that a few slow ones hold nobody up, or after a while. Each
// reading goes over all pages.
func (w *watch) worthReading() bool {
	done := w.done()
	nearlyAll := done >= w.sent-w.sent/10 && done-w.listed >= min(wire.StoreFilesPage, w.sent/2)
	return !w.heard || w.ended || nearlyAll || time.Since(w.read) >= w.relist
}

func (w *watch) readListing(ctx context.Context) {
	before := len(w.open)
	w.readStatus(ctx, wire.Completed)
	if !w.heard || w.counts.Failed+w.counts.Cancelled > 0 || len(w.open) == before {
		w.readStatus(ctx, wire.Failed)
		w.readStatus(ctx, wire.Cancelled)
	}
	w.listed, w.read, w.relist = w.done(), time.Now(), min(2*w.relist, 30*time.Second)
}

func (w *watch) readStatus(ctx context.Context, status wire.Status) {
	if len(w.open) == 0 {
		return
	}
	for files, err := range w.i.wire.For(quickly).BatchFiles(ctx, w.batch, status) {
		if err != nil {
			return // the Files that stay open are asked for again
		}
		for _, s := range files {
			w.finish(s, false)
		}
		if len(w.open) == 0 {
			return
		}
	}
}

// finish ends a File that the reply shows to have ended. A status that is not
// documented is waited for like in_progress. Only a GET shows that marks are lost, and
// another a while later. It reports whether the reply brings news.
func (w *watch) finish(s wire.StoreFile, get bool) (news bool) {
	at := w.open[s.ID]
	if at == nil {
		return false
	}
	w.i.mu.Lock()
	keeps := &w.i.keeps[min(len(w.batch), 1)]
	lost := naming.Lost(at.Attributes, s.Attributes, *keeps || w.i.cfg.Kept() && (w.batch == "" || len(s.Attributes) > 0))
	*keeps = *keeps || !lost && (get || w.batch != "") // the reply to an attach may be an echo
	news = at.take()
	if lost && get && at.bare.IsZero() {
		at.bare = time.Now()
	}
	certain := !at.bare.IsZero() && time.Since(at.bare) >= missingTime
	w.i.mu.Unlock()
	switch {
	case s.Status == wire.Completed && lost && get && certain:
		w.i.end(at, Failed, fail.New(fail.Incompatible, "the server does not keep the attributes of store files, by which documents are found again; nothing is written to it"))
	case s.Status == wire.Completed && !lost:
		if since := w.heardAt.Sub(at.attached); since > 0 {
			w.i.typical.Learn(since)
		}
		w.i.end(at, Searchable, nil)
	case s.Status == wire.Failed, s.Status == wire.Cancelled:
		w.i.end(at, Failed, indexingError(s))
	default:
		return news
	}
	delete(w.open, s.ID)
	return true
}

func indexingError(s wire.StoreFile) error {
	e := &fail.Error{Kind: fail.Indexing, Reason: fmt.Sprintf("File %s is %q: %v", s.ID, s.Status, s.LastError)}
	if s.LastError.Passing() {
		e.Err = fail.Unavailable
	}
	return e
}

// look asks for single Files: those that were attached without a batch, and those that the
// batch's listing, which lags by up to two minutes, should show by now and does not. Without all it
// asks only for Files that no reply has shown to be accepted. It asks for a few, then for
// more, and stops after one page, or when a reply brings no news.
func (w *watch) look(ctx context.Context, all bool) {
	files := slices.DeleteFunc(slices.Collect(maps.Values(w.open)), func(at *attaching) bool { return !all && closed(at.taken) })
	files = files[:min(len(files), wire.StoreFilesPage)]
	for n := fewLooks; len(files) > 0; n *= 2 {
		n = min(n, len(files))
		if !w.lookAt(ctx, files[:n]) {
			return
		}
		files = files[n:]
	}
}

func (w *watch) lookAt(ctx context.Context, files []*attaching) (news bool) {
	var mu sync.Mutex
	heard := false
	w.i.each(ctx, files, func(at *attaching) {
		s, hint, err := w.i.wire.StoreFile(ctx, at.FileID)
		gone := errors.Is(err, fail.NotFound) && w.gone(ctx, at)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			heard = true
			if w.batch == "" {
				w.heardAt, w.hint = time.Now(), max(w.hint, hint)
			}
			news = w.finish(s, true) || news
		case gone:
			heard, news = true, true
			delete(w.open, at.FileID)
			w.i.end(at, Failed, err)
		case errors.Is(err, fail.NotFound):
			heard = true
			if w.missing() {
				news = true
				delete(w.open, at.FileID)
				// The look has found it absent. A request about this File alone tells why.
				w.i.cfg.Go(func() { w.i.deliver([]*attaching{at}, nil) })
			}
		case final(err):
			heard, news = true, true
			delete(w.open, at.FileID)
			fate, err := w.i.leave(at, err)
			w.i.end(at, fate, err)
		}
	})
	if w.batch == "" {
		w.heard = heard
	}
	return news
}

// gone reports whether a File is deleted whose attach was accepted and which a look has not
// found. Only a reply about the File itself tells that from a look that lags.
func (w *watch) gone(ctx context.Context, at *attaching) bool {
	if !closed(at.taken) {
		return false
	}
	_, err := w.i.wire.File(ctx, at.FileID)
	return errors.Is(err, fail.NotFound)
}

// final reports whether looking again is useless until a person has acted. A 400 may pass: some
// servers answer it while another file is being removed.
func final(err error) bool {
	f, ok := errors.AsType[*reply.Failure](err)
	return errors.Is(err, fail.StoreGone) || errors.Is(err, fail.Unauthorized) || errors.Is(err, fail.Quota) ||
		errors.Is(err, fail.Incompatible) && ok && f.Status != http.StatusBadRequest
}

// missing reports whether the server left a File that a look has not found out of the attach
// request. A batch that has ended may not have taken as many Files as it counts as
// failed or not at all; when more are open, it is just not showing them. A 404 shortly
// after an attach that was accepted by itself is normal.
func (w *watch) missing() bool {
	since := time.Since(w.began)
	lost := w.sent - w.counts.Completed - w.counts.InProgress
	return w.sent > 1 && (since >= unseenTime || w.ended && w.heard && len(w.open) <= lost && since > missingTime)
}
