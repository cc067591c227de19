package openaitest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// strike returns the fault that strikes this request, if any; s.mu is held.
func (s *Server) strike(c *call) *Fault {
	var struck *Fault
	for _, f := range s.scripts {
		// Each script counts the requests that match it, even when another strikes.
		if f.due(c.method, c.path, s.rng.Float64) && struck == nil {
			f.struck++
			struck = &f.Fault
		}
	}
	return struck
}

// suffer lets the fault strike before or after the request's effect. It returns nil when the
// request goes on.
func (c *call) suffer(ctx context.Context, f *Fault) *reply {
	switch f.Kind {
	case FaultStatus:
		return c.faultReply(f)
	case FaultHang:
		c.hang()
	case FaultDelay:
		if c.s.sleep(ctx, time.Duration(f.Delay)) {
			return nil
		}
	}
	return &reply{cut: cutBefore}
}

func (c *call) faultReply(f *Fault) *reply {
	if f.Body != nil {
		c.header.Set("Content-Type", "text/html; charset=utf-8")
		if f.RetryAfter > 0 {
			c.setRetryAfter(time.Duration(f.RetryAfter))
		}
		return &reply{status: f.status(), header: c.header, body: []byte(*f.Body)}
	}
	return c.render(nil, statusError(f.status(), f.Code, f.Message, time.Duration(f.RetryAfter)))
}

// hang waits until the client gives up or the server closes. It reads the body first,
// because net/http notices that a client has left only when nothing is left to read.
func (c *call) hang() {
	_, _ = io.Copy(io.Discard, c.body)
	select {
	case <-c.r.Context().Done():
	case <-c.s.closed:
	}
}

// late reads the rest of the body, and returns a call that can take effect after the
// request is over. It reports false when the client left before the whole request had
// arrived.
func (c *call) late() (*call, bool) {
	body, err := io.ReadAll(c.body)
	if err != nil {
		return nil, false
	}
	late := *c
	late.header = make(http.Header, 8)
	late.body = &meteredBody{ReadCloser: io.NopCloser(bytes.NewReader(body))}
	c.s.mu.Lock()
	c.s.late++
	c.s.mu.Unlock()
	return &late, true
}

// takeEffectAfter lets the call take effect after d, unless the server is closed.
func (c *call) takeEffectAfter(d time.Duration, modelled *apiError) {
	go func() {
		s := c.s
		if s.sleep(context.Background(), d) {
			c.effect(modelled)
			s.mu.Lock()
			if e := s.logEntry(c.n); e != nil {
				e.LateEffect = s.state.Now()
			}
			s.mu.Unlock()
			c.reportUnwise()
		}
		s.mu.Lock()
		s.late--
		s.mu.Unlock()
	}()
}
