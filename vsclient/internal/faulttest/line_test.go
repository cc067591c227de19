package faulttest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// moment is a point on a line: before or after the effect of its nth request.
type moment struct {
	n     int // from 1; 0: never
	after bool
}

func (m moment) String() string {
	if m.after {
		return fmt.Sprintf("at the reply to request %d", m.n)
	}
	return fmt.Sprintf("at request %d", m.n)
}

// line is the connection between one process and the API. At a moment something
// happens to that process; when it dies, nothing more passes in either direction.
type line struct {
	next   http.RoundTripper
	at     moment
	happen func()

	// drops has the requests that are under way at death not take effect, as far
	// as they have not; otherwise only their replies are lost.
	drops bool

	mu    sync.Mutex
	n     int
	death context.Context
	die   context.CancelFunc
}

func newLine(next http.RoundTripper, at moment, happen func()) *line {
	l := &line{next: next, at: at, happen: happen}
	l.death, l.die = context.WithCancel(context.Background())
	return l
}

func (l *line) RoundTrip(req *http.Request) (*http.Response, error) {
	if l.death.Err() != nil {
		return l.silence(req)
	}
	l.mu.Lock()
	l.n++
	now := l.n == l.at.n
	l.mu.Unlock()
	if now && !l.at.after {
		l.happen()
		if l.death.Err() != nil {
			return l.silence(req)
		}
	}
	ctx, cancel := context.WithCancel(req.Context())
	if l.drops {
		defer context.AfterFunc(l.death, cancel)()
	}
	resp, err := l.next.RoundTrip(req.WithContext(ctx))
	if now && l.at.after {
		l.happen()
	}
	if l.death.Err() != nil {
		cancel()
		return l.silence(req)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = closing{resp.Body, cancel}
	return resp, nil
}

// silence is the answer to a dead process.
func (l *line) silence(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, context.Cause(req.Context())
}

type closing struct {
	io.ReadCloser
	cancel func()
}

func (c closing) Close() error {
	c.cancel()
	return c.ReadCloser.Close()
}

// lateUpload is a connection that breaks under the nth upload, which takes effect
// all the same, some time after.
type lateUpload struct {
	next  http.RoundTripper
	nth   int
	after time.Duration

	mu   sync.Mutex
	n    int
	late sync.WaitGroup
}

func (l *lateUpload) String() string {
	return fmt.Sprintf("upload %d takes effect %v late", l.nth, l.after)
}

func (l *lateUpload) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPost || req.URL.Path != "/v1/files" {
		return l.next.RoundTrip(req)
	}
	l.mu.Lock()
	l.n++
	struck := l.n == l.nth
	l.mu.Unlock()
	if !struck {
		return l.next.RoundTrip(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	later := req.Clone(context.WithoutCancel(req.Context()))
	later.Body = io.NopCloser(bytes.NewReader(body))
	l.late.Go(func() {
		time.Sleep(l.after)
		if resp, err := l.next.RoundTrip(later); err == nil {
			resp.Body.Close()
		}
	})
	return nil, syscall.ECONNRESET
}
