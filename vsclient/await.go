package vsclient

import (
	"context"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// outcome is what has become of indexing a file.
type outcome struct {
	status wire.Status // missing: accepted, but not to be found in the store
	reason *wire.IndexingError
}

const missing wire.Status = "missing"

func (o outcome) final() bool { return o.status != wire.InProgress && o.status != "" && o.known() }

// known is false for a status that is not documented: it is waited for like
// in_progress.
func (o outcome) known() bool {
	switch o.status {
	case wire.Completed, wire.Failed, wire.Cancelled, missing:
		return true
	}
	return false
}

const (
	minPoll       = 50 * time.Millisecond
	maxPoll       = 5 * time.Second
	batchPatience = 2 * time.Second        // OpenAI answers 500 to a batch it does not know: not to be waited out
	missingTime   = 5 * time.Second        // a finished batch shows a file by then, or did not take it
	firstGuess    = 300 * time.Millisecond // before anything is known of how long indexing takes
	firstPoll     = 100 * time.Millisecond // likewise, between looks
)

// indexPace learns how long indexing takes, so that the first look comes when
// there is something to see.
type indexPace struct {
	mu      sync.Mutex
	typical time.Duration
}

func (p *indexPace) learn(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.typical == 0 {
		p.typical = d
		return
	}
	p.typical += (d - p.typical) / 4
}

func (p *indexPace) guess(share float64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.typical == 0 {
		return firstGuess
	}
	return min(time.Duration(float64(p.typical)*share), maxPoll)
}

// interval is how long to wait for the next look, after what was expected did not
// show: the finer, the better the first one was aimed.
func (p *indexPace) interval(since time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.typical == 0 {
		return max(firstPoll, since/4)
	}
	return max(minPoll, since/10)
}

// await returns when the file is indexed, or has failed to be, or the time is
// over: then the outcome is still in progress. Only the end of ctx is an error.
func (c *Client) await(ctx context.Context, at *attaching, until time.Time) (outcome, error) {
	if at.first.final() {
		return at.first, nil
	}
	waiting, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	var o outcome
	if at.batch.id == "" {
		o = c.pollFile(waiting, at)
	} else {
		select {
		case o = <-at.indexed:
		case <-waiting.Done():
		}
	}
	if cause := context.Cause(ctx); cause != nil && !o.final() {
		return o, cause
	}
	return o, nil
}

// pollFile looks at one store file until it is indexed or ctx ends.
func (c *Client) pollFile(ctx context.Context, at *attaching) outcome {
	wait := max(c.indexing.guess(0.9), at.hint)
	for {
		if wire.Pause(ctx, wait, nil) != nil {
			return outcome{}
		}
		s, meta, err := c.wire.StoreFile(ctx, at.FileID)
		// A 404 so soon after the attach is normal; any other error has been
		// tried long enough, and the next round tries again until the time is up.
		stale := s.CreatedAt > 0 && s.CreatedAt < at.created && time.Since(at.attached) < unseenTime // of an attach before
		if o := (outcome{s.Status, s.LastError}); err == nil && o.final() && !stale {
			c.indexing.learn(time.Since(at.attached))
			return o
		}
		wait = max(min(c.indexing.interval(time.Since(at.attached)), maxPoll), meta.PollAfter)
		if err != nil && !is(err, ErrNotFound) {
			wait = maxPoll
		}
	}
}
