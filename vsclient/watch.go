package vsclient

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// batchWatch follows the files of one batch: it asks for the batch, one request
// for all of them, and reads who is ready from its listing, a hundred at a time.
//
// The batch's own counts say when reading is worth while. They are no verdict on
// any file, not even when all are counted as completed: on a verdict hangs the
// removal of an older version, users have seen stores count ahead of their files
// and batches answer with the counts of their store, and a look at the file itself
// is what shows that it is there.
type batchWatch struct {
	c       *Client
	b       *batch
	open    map[string]*attaching
	counts  wire.Counts // as of the last answer
	ended   bool
	heard   bool      // the last answer was about this batch
	heardAt time.Time // when it came
	listed  int       // files that had ended when the listing was last read
	read    time.Time
	relist  time.Duration // the listing is read after this long, whatever the counts say
}

func (c *Client) watchBatch(b *batch) {
	w := &batchWatch{c: c, b: b, open: make(map[string]*attaching, len(b.files)), relist: 2 * time.Second}
	for _, at := range b.files {
		w.open[at.FileID] = at
	}
	c.spawn(w.run)
}

func (w *batchWatch) run(ctx context.Context) {
	began := time.Now()
	w.read = began
	wait := max(firstPoll, w.c.indexing.guess(0.9), w.b.files[0].hint)
	for {
		if wire.Pause(ctx, wait, nil) != nil {
			return
		}
		for id, at := range w.open {
			if at.ctx.Err() != nil {
				delete(w.open, id) // nobody waits for it
			}
		}
		if len(w.open) == 0 {
			return
		}
		hint := w.ask(ctx)
		if w.worthReading() {
			w.readListing(ctx)
			if w.ended || !w.heard {
				w.lookAtRest(ctx, began)
			}
		}
		wait = max(firstPoll, time.Since(began)/4)
		if w.heard && !w.ended {
			wait = w.c.indexing.interval(time.Since(began))
		}
		wait = max(min(wait, maxPoll), hint)
	}
}

// ask reads the state of the batch. An answer about something else, as users have
// seen, is no answer.
func (w *batchWatch) ask(ctx context.Context) (hint time.Duration) {
	reply, meta, err := w.c.wire.For(batchPatience).Batch(ctx, w.b.id)
	if w.heard = err == nil && reply.ID == w.b.id; !w.heard {
		return meta.PollAfter
	}
	w.heardAt, w.counts = time.Now(), reply.FileCounts
	w.ended = reply.Status != wire.InProgress && reply.Status != ""
	return meta.PollAfter
}

func (w *batchWatch) done() int { return w.counts.Completed + w.counts.Failed + w.counts.Cancelled }

// worthReading reports whether it is time to read the listing: when all have ended,
// or nearly all, so that a few slow ones hold nobody up, or after a while. Each
// reading goes over all pages.
func (w *batchWatch) worthReading() bool {
	n, done := len(w.b.files), w.done()
	nearlyAll := done >= n-n/10 && done-w.listed >= min(wire.StoreFilesPage, n/2)
	return !w.heard || w.ended || nearlyAll || time.Since(w.read) >= w.relist
}

func (w *batchWatch) readListing(ctx context.Context) {
	before := len(w.open)
	if n := len(w.b.files); w.heard && w.counts.Completed == n && n > wire.StoreFilesPage && !w.c.unordered.Load() {
		w.readAtOnce(ctx)
	}
	if len(w.open) > 0 {
		w.readStatus(ctx, wire.Completed)
	}
	if len(w.open) > 0 && (!w.heard || w.counts.Failed+w.counts.Cancelled > 0 || len(w.open) == before) {
		w.readStatus(ctx, wire.Failed)
		w.readStatus(ctx, wire.Cancelled)
	}
	w.listed, w.read, w.relist = w.done(), time.Now(), min(2*w.relist, 30*time.Second)
}

// readAtOnce reads the pages of a batch that has ended well side by side: where
// each begins is known as long as OpenAI lists the files in the order in which they
// were sent. It does not promise that, for files of one second least of all. What
// is not seen this way is read in line, and so is everything from then on.
func (w *batchWatch) readAtOnce(ctx context.Context) {
	files := w.b.files
	pages := make(chan []wire.StoreFile, len(files)/wire.StoreFilesPage+1)
	asked := 0
	for at := 0; at < len(files); at += wire.StoreFilesPage {
		after := ""
		if at > 0 {
			after = files[at-1].FileID
		}
		if w.c.calls.Acquire(ctx, 1) != nil {
			break
		}
		asked++
		go func() {
			defer w.c.calls.Release(1)
			p, _ := w.c.wire.For(batchPatience).BatchFilesAfter(ctx, w.b.id, wire.Completed, after) // what stays open is asked for again
			pages <- p.Data
		}()
	}
	for range asked {
		for _, s := range <-pages {
			w.settle(s.ID, outcome{s.Status, s.LastError})
		}
	}
	w.c.unordered.Store(len(w.open) > 0)
}

func (w *batchWatch) readStatus(ctx context.Context, status wire.Status) {
	for data, err := range w.c.wire.For(batchPatience).BatchFiles(ctx, w.b.id, status) {
		if err != nil {
			return // what stays open is asked for again
		}
		for _, s := range data {
			w.settle(s.ID, outcome{s.Status, s.LastError})
		}
		if len(w.open) == 0 {
			return
		}
	}
}

func (w *batchWatch) settle(id string, o outcome) {
	at := w.open[id]
	if at == nil || !o.final() {
		return
	}
	delete(w.open, id)
	if o.status == wire.Completed && w.heard {
		w.c.indexing.learn(w.heardAt.Sub(at.attached))
	}
	at.indexed <- o
}

// lookAtRest asks singly for what the listing ought to show and does not: it lags
// by up to two minutes. At most a page's worth a round, and only as long as it
// finds something: a few first, then more.
func (w *batchWatch) lookAtRest(ctx context.Context, began time.Time) {
	ids := slices.Collect(maps.Keys(w.open))
	ids = ids[:min(len(ids), wire.StoreFilesPage)]
	for n := fewLooks; len(ids) > 0; n *= 2 {
		n = min(n, len(ids))
		before := len(w.open)
		w.lookAt(ctx, ids[:n], began)
		if len(w.open) == before {
			return
		}
		ids = ids[n:]
	}
}

func (w *batchWatch) lookAt(ctx context.Context, ids []string, began time.Time) {
	type answer struct {
		id string
		o  outcome
	}
	answers := make(chan answer, len(ids))
	asked := 0
	for _, id := range ids {
		if w.c.calls.Acquire(ctx, 1) != nil {
			break
		}
		asked++
		go func() {
			defer w.c.calls.Release(1)
			s, err := w.c.getStoreFile(ctx, id)
			o := outcome{s.Status, s.LastError}
			if is(err, ErrNotFound) {
				o.status = missing
			}
			answers <- answer{id, o}
		}()
	}
	for range asked {
		a := <-answers
		if a.o.status == missing {
			// A batch that has ended with failures, or counts fewer files than were
			// sent, may not have taken this one at all. One that claims to have
			// indexed all of them is just not showing it.
			partial := w.counts.Failed > 0 || w.counts.Total < len(w.b.files)
			refused := w.heard && w.ended && partial && time.Since(began) > missingTime
			if !refused && time.Since(began) < settleTime {
				continue
			}
		}
		w.settle(a.id, a.o)
	}
}
