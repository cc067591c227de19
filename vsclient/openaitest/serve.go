package openaitest

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one request on its way through the server.
type call struct {
	s      *Server
	r      *http.Request
	n      int
	method string
	path   string // below /v1, still escaped
	params []string
	query  url.Values
	start  time.Time
	id     string // x-request-id
	body   *meteredBody

	endpoint *endpoint
	fault    *Fault
	header   http.Header // of the reply
	unwise   []string    // for Config.Strict
}

// serve handles one request from its arrival to its reply.
func (s *Server) serve(r *http.Request) *reply {
	c := &call{s: s, r: r, method: r.Method, header: make(http.Header, 8)}
	escaped := r.URL.EscapedPath()
	var modelled *apiError
	c.path, modelled = c.route(escaped)

	s.mu.Lock()
	c.start = s.state.Now()
	c.id = s.state.NewID("req_", 32)
	s.logged++
	c.n = s.logged
	s.appendLog(Request{
		N: c.n, Time: c.start, Method: r.Method, Path: escaped, Query: r.URL.RawQuery,
		Endpoint: c.endpointName(), RequestID: c.id,
	})
	s.counts[c.endpointName()]++
	hook := s.onRequest
	s.mu.Unlock()
	if hook != nil {
		hook(c.n, r)
	}
	s.mu.Lock()
	c.fault = s.strike(c)
	if e := s.logEntry(c.n); e != nil && c.fault != nil {
		e.Fault = c.fault.String()
	}
	s.mu.Unlock()

	if r.Body == nil {
		r.Body = http.NoBody
	}
	c.body = &meteredBody{ReadCloser: r.Body}
	if len(s.recorders) > 0 {
		c.body.copy = new(bytes.Buffer)
	}
	rep := s.answer(c, modelled)
	if len(s.recorders) > 0 && rep.cut != cutBefore {
		_, _ = io.Copy(io.Discard, io.LimitReader(c.body, recordedBody)) // the part that a refusal left unread
	}
	c.finish(rep)
	return rep
}

// answer applies latency and faults around the effect of the request.
func (s *Server) answer(c *call, modelled *apiError) *reply {
	ctx := c.r.Context()
	gone := &reply{cut: cutBefore}
	if !s.sleep(ctx, s.cfg.Latency/2) {
		return gone
	}
	f := c.fault
	early := f != nil && !f.AfterEffect && f.Kind != FaultCutReply
	if early {
		if f.EffectAfter > 0 {
			late, arrived := c.late()
			if !arrived {
				return gone
			}
			defer late.takeEffectAfter(time.Duration(f.EffectAfter), modelled)
		}
		if rep := c.suffer(ctx, f); rep != nil {
			return rep
		}
	}
	rep := c.effect(modelled)
	switch {
	case f == nil || early:
	case f.Kind == FaultCutReply:
		rep.cut = cutMiddle
	default:
		rep = cmp.Or(c.suffer(ctx, f), rep)
	}
	if !s.sleep(ctx, s.cfg.Latency-s.cfg.Latency/2) {
		return gone
	}
	return rep
}

// effect runs the endpoint and renders its result.
func (c *call) effect(refused *apiError) *reply {
	if refused == nil {
		refused = c.authorize()
	}
	if refused != nil {
		return c.render(nil, refused)
	}
	key := ""
	if h := c.r.Header.Get("Idempotency-Key"); h != "" && c.method == http.MethodPost {
		if c.s.cfg.Quirks.IdempotencyKeys {
			key = c.path + " " + h
			c.s.mu.Lock()
			old := c.s.replayed[key]
			c.s.mu.Unlock()
			if old != nil {
				_, _ = io.Copy(io.Discard, c.body)
				again := *old
				again.header = old.header.Clone()
				return &again
			}
		} else {
			c.unwisely("the header Idempotency-Key is ignored")
		}
	}
	c.readQuery()
	value, refused := c.endpoint.serve(c)
	rep := c.render(value, refused)
	if key != "" && refused == nil {
		kept := *rep
		kept.header = rep.header.Clone()
		c.s.mu.Lock()
		c.s.replayed[key] = &kept
		c.s.mu.Unlock()
	}
	return rep
}

// readQuery reads the query string. Unknown parameters are ignored.
func (c *call) readQuery() {
	var err error
	if c.query, err = url.ParseQuery(c.r.URL.RawQuery); err != nil {
		c.unwisely("a part of the query string cannot be read and is ignored: " + err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(c.query)) {
		switch {
		case !slices.Contains(c.endpoint.query, name):
			c.unwisely("the query parameter " + strconv.Quote(name) + " is ignored")
		case len(c.query[name]) > 1:
			c.unwisely("the query parameter " + strconv.Quote(name) + " is given more than once; only the first counts")
		}
	}
}

// authorize checks the bearer key. The key itself is never repeated.
func (c *call) authorize() *apiError {
	scheme, key, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	key = strings.TrimSpace(key)
	if !strings.EqualFold(scheme, "Bearer") || key == "" {
		return &apiError{
			status: http.StatusUnauthorized,
			message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth" +
				" (i.e. Authorization: Bearer YOUR_KEY).",
		}
	}
	if c.s.cfg.APIKey != "" && key != c.s.cfg.APIKey {
		return &apiError{
			status: http.StatusUnauthorized, code: "invalid_api_key",
			message: "Incorrect API key provided: " + strings.Repeat("*", 8) +
				". You can find your API key at https://platform.openai.com/account/api-keys.",
		}
	}
	return nil
}

// finish adds the common headers to the reply, and writes the log and the record.
func (c *call) finish(rep *reply) {
	s := c.s
	if rep.cut != cutBefore {
		rep.header.Set("X-Request-Id", c.id)
		rep.header.Set("Openai-Version", "2020-10-01")
	}
	s.mu.Lock()
	if e := s.logEntry(c.n); e != nil {
		e.Done = true
		e.BytesIn = c.body.n
		if rep.cut != cutBefore {
			e.Status = rep.status
			e.BytesOut = int64(len(rep.body))
		}
		e.Took = s.state.Now().Sub(c.start)
	}
	s.mu.Unlock()
	c.reportUnwise()
	for _, rec := range s.recorders {
		rec.write(c, rep)
	}
}

// reportUnwise calls Config.Strict for each reason that was noted.
func (c *call) reportUnwise() {
	if c.s.cfg.Strict == nil {
		return
	}
	for _, u := range c.unwise {
		c.s.cfg.Strict("openaitest: request %d, %s %s: %s", c.n, c.method, c.path, u)
	}
}

// unwisely notes a reason why the request is legal but unwise.
func (c *call) unwisely(why string) { c.unwise = append(c.unwise, why) }

// sleep waits for d, and reports whether the client is still there.
func (s *Server) sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-s.closed:
		return false
	default:
	}
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	case <-s.closed:
		return false
	}
}
