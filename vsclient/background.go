package vsclient

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// finishLater runs finish in the background and returns as soon as the attach is
// accepted, or has failed. The key's turn is left when all is done.
func (c *Client) finishLater(ctx context.Context, r Result, key string, t *turn, finish func(context.Context, func()) error) (Result, error) {
	first := make(chan error, 1)
	ended := c.pending.begin()
	t.kept = c.spawn(func(life context.Context) {
		defer ended()
		defer t.leave()
		// Until the attach is accepted, the caller's context has a say.
		own, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cancel(nil)
		defer context.AfterFunc(life, func() { cancel(ErrClosed) })()
		unhook := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
		accepted := false
		err := finish(own, func() {
			unhook()
			accepted = true
			first <- nil
		})
		switch {
		case !accepted:
			first <- err
		case err != nil:
			c.log.Warn("a document that was attached did not become searchable; the older version stays", "error", err.Error())
			c.log.Debug("the document that did not become searchable", "key", key)
		}
	})
	if !t.kept {
		ended()
		return r, finish(ctx, nil) // closed: it fails, and takes back what was uploaded
	}
	return r, <-first
}

// pending is what goes on after its call has returned.
type pending struct {
	mu   sync.Mutex
	open map[chan struct{}]bool // each is closed at its end
}

func (p *pending) begin() (end func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = make(map[chan struct{}]bool)
	}
	ended := make(chan struct{})
	p.open[ended] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, ended)
		close(ended)
	}
}

func (p *pending) all() []chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.open))
}

// Flush returns when everything that has been attached under [WaitAttached] by now is
// searchable and its older versions are gone, or has failed, which the log tells.
func (c *Client) Flush(ctx context.Context) error {
	for _, ended := range c.pending.all() {
		select {
		case <-ended:
		case <-ctx.Done():
			return wrap("flush", "", context.Cause(ctx))
		}
	}
	return nil
}
