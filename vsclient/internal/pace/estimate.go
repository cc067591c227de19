package pace

import (
	"sync/atomic"
	"time"
)

// The waits between looks at work of unknown length.
const (
	minPoll    = 50 * time.Millisecond
	MaxPoll    = 5 * time.Second
	firstGuess = 300 * time.Millisecond // before anything is known
	FirstPoll  = 100 * time.Millisecond // likewise, between looks
)

// Estimate learns how long work takes, so that the first look comes when there is
// something to see. The zero Estimate knows nothing. It is safe for concurrent use.
type Estimate struct{ typical atomic.Int64 }

// Learn takes in how long it took once.
func (e *Estimate) Learn(d time.Duration) {
	typical := e.typical.Load()
	if typical == 0 {
		e.typical.Store(int64(d))
		return
	}
	e.typical.Store(typical + (int64(d)-typical)/4)
}

// Guess returns the wait before the first look.
func (e *Estimate) Guess() time.Duration {
	if typical := time.Duration(e.typical.Load()); typical > 0 {
		return min(typical*9/10, MaxPoll)
	}
	return firstGuess
}

// Interval returns the wait for the next look, when the one before was too early: the
// shorter, the better the first one was timed.
func (e *Estimate) Interval(since time.Duration) time.Duration {
	if e.typical.Load() == 0 {
		return max(FirstPoll, since/4)
	}
	return max(minPoll, since/10)
}
