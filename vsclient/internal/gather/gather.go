// Package gather groups what becomes ready side by side, so that one request can carry
// many. It knows nothing of files.
package gather

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
)

const (
	linger       = time.Second            // for which an item that is ready waits for those that are announced
	announceTime = 100 * time.Microsecond // before a request, in which a caller that has just delivered announces its next item
	sideBySide   = 32                     // groups that are sent, which may be of one item each
)

// Config is the configuration of a Queue. All of it is required.
type Config[T any] struct {
	Size  func() int                                          // how many items the next group may hold
	Gone  func(item T) bool                                   // nobody waits for the item any more
	Admit func(ctx context.Context) (leave func(), err error) // waits until a request may be made
	Send  func(group []T, leave func())                       // makes the request, with the leave for its first attempt
	Life  context.Context                                     // ends all work
	Go    func(f func()) bool                                 // runs f in a goroutine, unless Life has ended: then it returns false
}

// Queue holds the items that are ready until a group of them is sent. It is safe for
// concurrent use.
type Queue[T any] struct {
	cfg Config[T]
	// groups bounds those that are being sent.
	groups *semaphore.Weighted

	mu      sync.Mutex // guards the fields below
	ready   []item[T]
	coming  int // items that have been announced and are not ready yet
	timer   *time.Timer
	sending bool // a sender waits for leave; it takes the items that are ready then
}

type item[T any] struct {
	value T
	since time.Time // when it was ready
}

// New returns an empty Queue.
func New[T any](cfg Config[T]) *Queue[T] {
	return &Queue[T]{cfg: cfg, groups: semaphore.NewWeighted(sideBySide)}
}

// Expect announces an item. The caller calls arrived when the item has been added, or
// will not come. A further call of arrived does nothing.
func (q *Queue[T]) Expect() (arrived func()) {
	q.mu.Lock()
	q.coming++
	q.mu.Unlock()
	return sync.OnceFunc(func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.coming--
		q.consider()
	})
}

// Add makes the items ready.
func (q *Queue[T]) Add(items ...T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, value := range items {
		q.ready = append(q.ready, item[T]{value, time.Now()})
	}
	q.consider()
}

// consider sends when it is time to. The caller holds mu.
func (q *Queue[T]) consider() {
	switch {
	case len(q.ready) == 0 || q.sending:
	case q.due():
		q.sending = q.cfg.Go(q.send) // when Life has ended, the callers see that for themselves
	case q.timer == nil:
		q.timer = time.AfterFunc(linger-time.Since(q.ready[0].since), func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.timer = nil
			q.consider()
		})
	}
}

// due reports whether the items that are ready are to be sent: a group is full, nothing
// more is announced (so that an idle client waits for nothing), or the first of them has
// waited for long enough. The caller holds mu.
func (q *Queue[T]) due() bool {
	return len(q.ready) > 0 && (q.coming == 0 || len(q.ready) >= q.cfg.Size() || time.Since(q.ready[0].since) >= linger)
}

// send sends the items that are ready by the time that a request may be made.
func (q *Queue[T]) send() {
	var leave func()
	err := pace.Pause(q.cfg.Life, announceTime, nil)
	if err == nil {
		err = q.groups.Acquire(q.cfg.Life, 1)
	}
	if err == nil {
		defer q.groups.Release(1)
		leave, err = q.cfg.Admit(q.cfg.Life)
	}
	q.mu.Lock()
	q.sending = false
	if err != nil {
		q.mu.Unlock()
		return
	}
	q.ready = slices.DeleteFunc(q.ready, func(i item[T]) bool { return q.cfg.Gone(i.value) })
	var group []T
	if q.due() {
		n := min(len(q.ready), q.cfg.Size())
		for _, i := range q.ready[:n] {
			group = append(group, i.value)
		}
		q.ready = slices.Delete(q.ready, 0, n)
	}
	q.consider()
	q.mu.Unlock()
	defer leave() // where no request was made
	if len(group) > 0 {
		q.cfg.Send(group, leave)
	}
}
