package lists

import (
	"context"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// flight is a reading that several calls wait for. It ends when nobody waits.
type flight struct {
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	err     error
	waiting int
}

// join returns the reading that stands at p, and begins one where there is none.
// The caller holds mu, and leaves the flight afterwards.
func (l *Lists) join(p **flight, read func(context.Context) error) *flight {
	if f := *p; f != nil && f.ctx.Err() == nil {
		f.waiting++
		return f
	}
	f := &flight{done: make(chan struct{}), waiting: 1}
	f.ctx, f.cancel = context.WithCancel(l.cfg.Life)
	*p = f
	end := func(err error) {
		f.err = err
		f.cancel()
		close(f.done)
	}
	started := l.cfg.Go(func(context.Context) {
		err := read(f.ctx)
		l.mu.Lock()
		if *p == f {
			*p = nil
		}
		l.mu.Unlock()
		end(err)
	})
	if !started {
		*p = nil
		end(fail.Closed)
	}
	return f
}

func (l *Lists) leave(f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
	}
}

// shared returns the error of the reading that stands at p, which it begins where there
// is none.
func (l *Lists) shared(ctx context.Context, p **flight, read func(context.Context) error) error {
	l.mu.Lock()
	f := l.join(p, read)
	l.mu.Unlock()
	defer l.leave(f)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
