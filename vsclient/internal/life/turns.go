package life

import (
	"context"
	"sync"
)

// Turns lets the holders of one name go one after the other, in the order in
// which they asked. The zero value is ready.
type Turns struct {
	mu   sync.Mutex
	last map[string]chan struct{} // closed when the last in line has left
}

// Turn is a place in a line.
type Turn struct {
	before <-chan struct{} // nil: nobody was there
	Leave  func()
}

// Ask takes the next place in the line of name. The place must be left, waited
// for or not.
func (t *Turns) Ask(name string) *Turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = make(map[string]chan struct{})
	}
	before, mine := t.last[name], make(chan struct{})
	t.last[name] = mine
	leave := sync.OnceFunc(func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.last[name] == mine {
			delete(t.last, name)
		}
		close(mine)
	})
	return &Turn{before: before, Leave: leave}
}

// Wait returns when everyone before has left. On an error the caller abandons
// the place.
func (t *Turn) Wait(ctx context.Context) error {
	if t.before == nil {
		return nil
	}
	select {
	case <-t.before:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Abandon leaves the place without having had its turn: those behind still wait
// for those before.
func (t *Turn) Abandon() {
	if t.before == nil {
		t.Leave()
		return
	}
	go func() {
		<-t.before
		t.Leave()
	}()
}
