package runstream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
)

// flow is the state of one stream: records that wait, and records that the adapter has and
// that are not answered yet, both in Conduit's order.
type flow struct {
	limits Limits

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change of a field below

	waiting []opencdc.Record
	bytes   int
	over    error // the reason why no more records come

	handed   []opencdc.Record
	verdicts []error // on the first records of handed

	recent []opencdc.Position // of the last batch

	size  int
	delay time.Duration

	stopping bool
	stopAt   opencdc.Position
	stopped  opencdc.Position // the end of the batch with stopAt, once that was answered
}

func newFlow(l Limits) *flow {
	return &flow{limits: l, changed: make(chan struct{})}
}

// notify wakes every await. The caller holds mu.
func (f *flow) notify() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// await returns with mu held once done returns true, or with an error and without mu. It
// calls done with mu held, after each change and when timer fires.
func (f *flow) await(ctx context.Context, timer <-chan time.Time, done func(late bool) bool) error {
	late := false
	for {
		f.mu.Lock()
		if ctx.Err() == nil && done(late) {
			return nil
		}
		changed := f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-timer:
			late = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// fill reads records ahead until the stream ends.
func (f *flow) fill(ctx context.Context, from pconnector.DestinationRunStreamServer) {
	for {
		req, err := from.Recv()
		if err != nil {
			f.mu.Lock()
			f.over = err
			f.notify()
			f.mu.Unlock()
			return
		}
		size := 0
		for _, r := range req.Records {
			size += sizeOf(r)
		}
		room := func(bool) bool {
			return len(f.waiting) == 0 || f.bytes+size <= f.limits.Bytes && len(f.waiting)+len(req.Records) <= f.limits.Records
		}
		if f.await(ctx, nil, room) != nil {
			return
		}
		f.waiting = append(f.waiting, req.Records...)
		f.bytes += size
		f.notify()
		f.mu.Unlock()
	}
}

// take returns the waiting records, at least one, or the error that ended the stream.
func (f *flow) take(ctx context.Context) ([]opencdc.Record, error) {
	if err := f.await(ctx, nil, func(bool) bool { return len(f.waiting) > 0 || f.over != nil }); err != nil {
		return nil, err
	}
	if f.size > 1 && f.delay > 0 {
		f.mu.Unlock()
		timer := time.NewTimer(f.delay)
		defer timer.Stop()
		enough := func(late bool) bool {
			return late || len(f.waiting) >= f.size || f.stopping || f.over != nil
		}
		if err := f.await(ctx, timer.C, enough); err != nil {
			return nil, err
		}
	}
	defer f.mu.Unlock()
	if len(f.waiting) == 0 {
		return nil, f.over
	}
	n := f.portion()
	batch := slices.Clone(f.waiting[:n])
	f.waiting = slices.Delete(f.waiting, 0, n)
	f.handed = append(f.handed, batch...)
	f.recent = f.recent[:0]
	for _, r := range batch {
		f.bytes -= sizeOf(r)
		f.recent = append(f.recent, r.Position)
	}
	f.notify()
	return batch, nil
}

// portion returns the size of the next batch. The caller holds mu.
func (f *flow) portion() int {
	n := len(f.waiting)
	if f.size > 0 {
		n = min(n, f.size)
	}
	if f.stopping {
		// The adapter compares only the end of each batch with the position at which
		// Conduit wants it to stop.
		at := func(r opencdc.Record) bool { return bytes.Equal(r.Position, f.stopAt) }
		if i := slices.IndexFunc(f.waiting[:n], at); i >= 0 {
			n = i + 1
		}
	}
	return n
}

func (f *flow) report(verdicts []error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.verdicts = append(f.verdicts, verdicts...)
}

// judge puts the verdicts into the SDK's acknowledgements. It matches them by order, which is
// that of the records, because positions may be empty or equal.
func (f *flow) judge(acks []pconnector.DestinationRunResponseAck) []pconnector.DestinationRunResponseAck {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]pconnector.DestinationRunResponseAck, 0, len(acks))
	for _, ack := range acks {
		if len(f.verdicts) > 0 {
			ack.Error = text(f.verdicts[0])
			f.verdicts = f.verdicts[1:]
		}
		out = append(out, ack)
		if len(f.handed) > 0 {
			f.handed = f.handed[1:]
		}
	}
	if len(f.handed) == 0 {
		f.handed = nil // frees the records in its array
	}
	return out
}

func text(err error) string {
	if err == nil {
		return ""
	}
	if s := err.Error(); s != "" {
		return s
	}
	return "the record was refused without a reason" // an empty text would acknowledge it
}

// answered records the acknowledgements that were sent to Conduit.
func (f *flow) answered(acks []pconnector.DestinationRunResponseAck) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopping && f.stopped == nil && slices.ContainsFunc(acks, func(a pconnector.DestinationRunResponseAck) bool { return bytes.Equal(a.Position, f.stopAt) }) {
		f.stopped = f.end()
	}
	f.notify()
}

// end returns the position at the end of the last batch, with which the adapter compares. The
// caller holds mu.
func (f *flow) end() opencdc.Position {
	if len(f.recent) == 0 {
		return nil
	}
	return f.recent[len(f.recent)-1]
}

// awaitAnswer returns when the record at that position, and so every record before it, has been
// answered, or when the stream has ended. It returns the end of the batch with that record.
func (f *flow) awaitAnswer(ctx context.Context, pos opencdc.Position) (opencdc.Position, error) {
	f.mu.Lock()
	f.stopping, f.stopAt = true, pos
	f.notify()
	f.mu.Unlock()
	same := func(p opencdc.Position) bool { return bytes.Equal(p, pos) }
	reached := func() bool {
		return f.stopped != nil || f.idle() && (f.over != nil || len(pos) == 0 || slices.ContainsFunc(f.recent, same))
	}
	for {
		err := f.await(ctx, nil, func(bool) bool { return reached() || f.idle() })
		if err != nil {
			return nil, err
		}
		done, end := reached(), f.end()
		if f.stopped != nil {
			end = f.stopped
		}
		f.mu.Unlock()
		if done {
			return end, nil
		}
		// Nothing is under way: either the record has not arrived yet, or it was not sent.
		timer := time.NewTimer(arrivalTime)
		missing := false
		err = f.await(ctx, timer.C, func(late bool) bool {
			missing = late && f.idle()
			return missing || reached() || !f.idle()
		})
		timer.Stop()
		if err != nil {
			return nil, err
		}
		f.mu.Unlock()
		if missing {
			return end, fmt.Errorf("no record with the last position %q has arrived in %v", pos, arrivalTime)
		}
	}
}

// idle reports whether no record waits or is under way. The caller holds mu.
func (f *flow) idle() bool { return len(f.waiting) == 0 && len(f.handed) == 0 }

func (f *flow) setBatching(size int, delay time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size, f.delay = size, delay
}

// abandon ends the stream and drops the records that will not be answered.
func (f *flow) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting, f.handed, f.verdicts, f.bytes = nil, nil, nil, 0
	if f.over == nil {
		f.over = io.EOF
	}
	f.notify()
}
