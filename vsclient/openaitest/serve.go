package openaitest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"math"
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

// reply is the answer to a request.
type reply struct {
	status int
	header http.Header
	body   []byte
	cut    cut
}

// cut is the place at which a reply breaks off.
type cut int

const (
	whole     cut = iota
	cutBefore     // the connection breaks before the reply
	cutMiddle     // it breaks in the middle of the body
)

// rawContent is a reply that is not JSON.
type rawContent struct {
	data []byte
	typ  string
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

// render turns a value or a refusal into a reply.
func (c *call) render(value any, refused *apiError) *reply {
	rep := &reply{status: http.StatusOK, header: c.header}
	if refused != nil {
		rep.status = refused.status
		value = refused.body()
		if refused.retryAfter > 0 {
			c.setRetryAfter(refused.retryAfter)
		}
		if refused.final {
			c.header.Set("X-Should-Retry", "false")
		}
	}
	if raw, ok := value.(rawContent); ok {
		c.header.Set("Content-Type", raw.typ)
		rep.body = raw.data
		return rep
	}
	c.header.Set("Content-Type", "application/json")
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		panic("openaitest: " + err.Error()) // every value has a type of this package
	}
	rep.body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return rep
}

// setRetryAfter sets Retry-After to d, rounded up: a client that waits that long is not
// refused again.
func (c *call) setRetryAfter(d time.Duration) {
	c.header.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))))
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

// hang waits until the client gives up or the server closes. It reads the body first,
// because net/http notices that a client has left only when nothing is left to read.
func (c *call) hang() {
	_, _ = io.Copy(io.Discard, c.body)
	select {
	case <-c.r.Context().Done():
	case <-c.s.closed:
	}
}

// meteredBody counts the bytes that are read from a request's body, and copies the first
// recordedBody of them for the record.
type meteredBody struct {
	io.ReadCloser
	n     int64
	copy  *bytes.Buffer
	ended bool // read to its end
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	b.ended = b.ended || err == io.EOF
	if b.copy != nil {
		if room := recordedBody - b.copy.Len(); room > 0 {
			b.copy.Write(p[:min(n, room)])
		}
	}
	return n, err
}

// isAPI reports whether the request is for the API.
func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/") }

// serveOther serves every path that is not of the API.
func (s *Server) serveOther(w http.ResponseWriter, r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch first {
	case "-":
		s.control().ServeHTTP(w, r)
	case "files", "uploads", "vector_stores":
		refused := invalidURL(r.Method, r.URL.EscapedPath())
		refused.message += ". (HINT: the base URL of openaitest ends in /v1.)"
		writeControl(w, refused.status, refused.body())
	default:
		s.servePage(w, r)
	}
}

// bodyPatience is how long a client may pause within a body.
const bodyPatience = 30 * time.Second

// replyPatience is how long a client may take to read a reply, and for each MiB of it a
// second more.
const replyPatience = time.Minute

// patientBody is a body whose reads each end within bodyPatience.
type patientBody struct {
	io.ReadCloser
	conn  *http.ResponseController
	ended bool // read to its end, or failed
}

func (b *patientBody) Read(p []byte) (int, error) {
	b.limit()
	n, err := b.ReadCloser.Read(p)
	b.ended = err != nil
	if err == nil || err == io.EOF {
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// limit gives the next read bodyPatience. That read can be one of net/http, which reads the
// rest of a body before it sends the reply. Without a connection there is no deadline.
func (b *patientBody) limit() {
	if !b.ended {
		_ = b.conn.SetReadDeadline(time.Now().Add(bodyPatience))
	}
}

// ServeHTTP serves the API under /v1, a page for people at /, and the control door for
// tests in other languages under /-/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := &patientBody{ReadCloser: r.Body, conn: http.NewResponseController(w), ended: r.ContentLength == 0}
	if !body.ended {
		r.Body = body
	}
	_ = body.conn.SetWriteDeadline(time.Time{}) // of the connection's last request
	if !isAPI(r) {
		body.limit()
		_ = body.conn.SetWriteDeadline(time.Now().Add(replyPatience))
		s.serveOther(w, r)
		return
	}
	rep := s.serve(r)
	body.limit()
	if rep.cut == cutBefore {
		panic(http.ErrAbortHandler)
	}
	for k, v := range rep.header {
		w.Header()[k] = v
	}
	_ = body.conn.SetWriteDeadline(time.Now().Add(replyPatience + time.Duration(len(rep.body)>>20)*time.Second))
	w.Header().Set("Content-Length", strconv.Itoa(len(rep.body)))
	w.WriteHeader(rep.status)
	if rep.cut == cutMiddle {
		w.Write(rep.body[:len(rep.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(rep.body)
}
