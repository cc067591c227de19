package exchange

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// Waits between the attempts at one request, when the server names none.
const (
	firstRetryWait = 500 * time.Millisecond
	maxRetryWait   = 30 * time.Second
)

// waits is the policy between attempts: exponential, never less than the server
// asks for, and none that would end later than the limit after the first failure.
// The wait of an attempt for its turn does not count.
type waits struct {
	*backoff.ExponentialBackOff
	least time.Duration
	limit time.Duration
	until time.Time
}

func (w *waits) NextBackOff() time.Duration {
	d := max(w.ExponentialBackOff.NextBackOff(), w.least)
	if w.until.IsZero() {
		w.until = time.Now().Add(w.limit)
	}
	if time.Now().Add(d).After(w.until) {
		return backoff.Stop
	}
	return d
}

// outage remembers of each endpoint that a request has failed for the whole of
// Config.RetryTimeout. For outageTime, or until a request to the endpoint is answered, each
// further one is tried once. Otherwise each of many calls that wait for one another would try
// for the whole time.
type outage struct{ at sync.Map } // when, by endpoint

const (
	once       = time.Nanosecond // the limit of a request that is tried once: no wait ends within it
	outageTime = 2 * time.Minute
)

func (o *outage) seen(endpoint string) { o.at.Store(endpoint, time.Now()) }

func (o *outage) over(endpoint string) { o.at.Delete(endpoint) }

// lately reports whether the outage may last: a later request is tried anew.
func (o *outage) lately(endpoint string) bool {
	at, ok := o.at.Load(endpoint)
	return ok && time.Since(at.(time.Time)) < outageTime
}

// watchdog ends an attempt that shows no progress for its patience, and one that takes
// much too long although it does. If most of that time was spent in calls of the caller's
// content, the content is to blame, otherwise the server.
type watchdog struct {
	patience time.Duration
	timer    *time.Timer
	whole    *time.Timer
	cancel   context.CancelCauseFunc

	mu      sync.Mutex
	entered time.Time     // start of the present call of the content; zero: none is under way
	spent   time.Duration // time in calls of the content that have ended
	moved   time.Duration // inContent at the last progress
}

const (
	// wholeAttempt is how many times its patience an attempt may take as a whole.
	wholeAttempt = 5
	// slowestUpload is how many bytes of a body a second are worth waiting for.
	slowestUpload = 16 << 10
)

// watch returns a context for an attempt that sends so many bytes.
func watch(ctx context.Context, patience time.Duration, size int64) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	limit := wholeAttempt*patience + time.Duration(size/slowestUpload)*time.Second
	w := &watchdog{patience: patience, cancel: cancel}
	after := func(limit time.Duration, before *time.Duration, ofContent, ofServer string) *time.Timer {
		return time.AfterFunc(limit, func() {
			w.mu.Lock()
			reading := w.inContent() - *before
			w.mu.Unlock()
			if reading > limit/2 {
				cancel(fail.New(fail.Content, ofContent, limit))
			}
			cancel(fmt.Errorf(ofServer, limit))
		})
	}
	w.timer = after(patience, &w.moved, "it gave no bytes for %v", "no sign of life from the server for %v")
	w.whole = after(limit, new(time.Duration), "reading it took longer than %v", "the reply was not complete after %v")
	return ctx, w
}

// inContent returns how long calls of the content have taken. The caller holds mu.
func (w *watchdog) inContent() time.Duration {
	if w.entered.IsZero() {
		return w.spent
	}
	return w.spent + time.Since(w.entered)
}

// enter is called before a call of the content, and leave behind it.
func (w *watchdog) enter() {
	w.mu.Lock()
	w.entered = time.Now()
	w.mu.Unlock()
}

func (w *watchdog) leave() {
	w.mu.Lock()
	w.spent, w.entered = w.inContent(), time.Time{}
	w.mu.Unlock()
}

// read reads a piece of the content.
func (w *watchdog) read(content io.Reader, p []byte) (int, error) {
	w.enter()
	n, err := content.Read(p)
	w.leave()
	if n > 0 {
		w.alive()
	}
	return n, err
}

// alive puts the end off: something moved.
func (w *watchdog) alive() {
	w.mu.Lock()
	w.moved = w.inContent()
	w.mu.Unlock()
	w.timer.Reset(w.patience)
}

func (w *watchdog) release() {
	w.timer.Stop()
	w.whole.Stop()
	w.cancel(nil)
}

// watchedBody tells the watchdog of each piece of a reply.
type watchedBody struct {
	io.ReadCloser
	dog *watchdog
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.dog.alive()
	}
	return n, err
}
