package index

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
)

const (
	linger     = time.Second            // for which a File that is ready waits for those still being uploaded
	breath     = 100 * time.Microsecond // before a request: a caller whose upload has just ended announces its next one
	aloneTime  = time.Hour              // for which a server that takes no batches is not offered one
	sideBySide = 32                     // attach requests, which without batches are one for each File
)

// Expect announces a File. The caller calls arrived when the File is ready, or will
// not come; Index calls it as well.
func (i *Indexer) Expect() (arrived func()) {
	i.mu.Lock()
	i.coming++
	i.mu.Unlock()
	return sync.OnceFunc(func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.coming--
		i.consider()
	})
}

// enqueue makes the Files ready.
func (i *Indexer) enqueue(files []*attaching) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, at := range files {
		at.ready = time.Now()
	}
	i.ready = append(i.ready, files...)
	i.consider()
}

// batchSize is how many Files the next request may hold. The caller holds mu.
func (i *Indexer) batchSize() int {
	if time.Now().Before(i.until) {
		return 1
	}
	return i.most
}

// alone reports whether each File is attached in a request of its own.
func (i *Indexer) alone() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.batchSize() == 1
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
	i.enqueue(files)
}

// consider sends when it is time to. The caller holds mu.
func (i *Indexer) consider() {
	switch {
	case len(i.ready) == 0 || i.sending:
	case i.due():
		i.sending = i.cfg.Go(i.sendReady) // when the Indexer's life has ended, the callers see that for themselves
	case i.timer == nil:
		i.timer = time.AfterFunc(linger-time.Since(i.ready[0].ready), func() {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.timer = nil
			i.consider()
		})
	}
}

// due reports whether the Files that are ready are to be sent: a batch is full, nothing
// more is being uploaded (so that an idle client waits for nothing), or the first of them
// has waited for long enough. The caller holds mu.
func (i *Indexer) due() bool {
	return len(i.ready) > 0 && (i.coming == 0 || len(i.ready) >= i.batchSize() || time.Since(i.ready[0].ready) >= linger)
}

// sendReady attaches the Files that are ready by the time that a request may be sent.
func (i *Indexer) sendReady() {
	var leave func()
	err := pace.Pause(i.cfg.Life, breath, nil)
	if err == nil {
		err = i.requests.Acquire(i.cfg.Life, 1)
	}
	if err == nil {
		defer i.requests.Release(1)
		leave, err = i.wire.AdmitAttach(i.cfg.Life)
	}
	i.mu.Lock()
	i.sending = false
	if err != nil {
		i.mu.Unlock()
		return
	}
	i.ready = slices.DeleteFunc(i.ready, func(at *attaching) bool { return at.gone })
	var files []*attaching
	if i.due() {
		n := min(len(i.ready), i.batchSize())
		files = slices.Clone(i.ready[:n])
		i.ready = slices.Delete(i.ready, 0, n)
	}
	i.consider()
	i.mu.Unlock()
	defer leave() // where no request was made
	if len(files) > 0 {
		i.deliver(files, leave)
	}
}

// together is a context for work that the Files share. It ends with the Indexer's life
// and when nobody waits for any of them.
func (i *Indexer) together(files []*attaching) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(i.cfg.Life)
	var left atomic.Int64
	left.Store(int64(len(files)))
	unhook := make([]func() bool, len(files))
	for n, at := range files {
		unhook[n] = context.AfterFunc(at.ctx, func() {
			if left.Add(-1) == 0 {
				cancel(context.Cause(at.ctx))
			}
		})
	}
	return ctx, func() {
		for _, u := range unhook {
			u()
		}
		cancel(nil)
	}
}
