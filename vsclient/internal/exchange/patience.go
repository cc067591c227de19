package exchange

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
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

// outage remembers of each endpoint that a request has been tried in vain for the
// whole of Config.RetryTimeout. Until one is answered, the others are tried once: of
// many that wait for each other, each would be tried for as long again.
type outage struct{ at sync.Map } // when, by endpoint

const (
	once       = time.Nanosecond // the limit of requests that are tried once
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
// much too long although it does.
type watchdog struct {
	patience time.Duration
	timer    *time.Timer
	whole    *time.Timer
	cancel   context.CancelCauseFunc
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
	return ctx, &watchdog{
		patience: patience, cancel: cancel,
		timer: time.AfterFunc(patience, func() { cancel(fmt.Errorf("no sign of life from the server for %v", patience)) }),
		whole: time.AfterFunc(limit, func() { cancel(fmt.Errorf("the reply was not complete after %v", limit)) }),
	}
}

// alive puts the end off: something moved.
func (w *watchdog) alive() { w.timer.Reset(w.patience) }

func (w *watchdog) release() {
	w.timer.Stop()
	w.whole.Stop()
	w.cancel(nil)
}

// lively tells the watchdog of each piece of a reply.
type lively struct {
	io.ReadCloser
	dog *watchdog
}

func (l *lively) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if n > 0 {
		l.dog.alive()
	}
	return n, err
}
