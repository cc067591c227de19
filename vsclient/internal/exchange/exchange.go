package exchange

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
)

// Request is one exchange with the API: how to make an attempt, and the limits that govern it.
type Request struct {
	Method, Path string   // the path with "%s" for each of IDs
	IDs          []string // a request with one that is no id is refused
	Query        url.Values
	// Named are the ids of Files that the body or the query names, as of the latest
	// attempt; nil: none.
	Named func() []string
	About string     // the id of the object that the reply is about, or of none; "": any
	Most  int64      // bytes of the reply; 0: maxReply
	Gate  *pace.Gate // is closed by a 429; nil: that of requests without a limit
	// Admit waits for leave to make an attempt; nil: only for the gate.
	Admit func(context.Context) (leave func(), err error)
	// Began is set to the time at which the latest attempt has begun; nil: nobody asks.
	Began *time.Time
	// Body is encoded as JSON, for each attempt anew; nil: none.
	Body func() any
	// Words are texts that a refusal may repeat, beside those of a JSON body, as of the latest
	// attempt; nil: none.
	Words func() []string
	// Size is the length of a body that is no JSON, in bytes.
	Size int64
	// Opts are further options of the request, for each attempt anew. The context ends with
	// the attempt. A body reads with read.
	Opts func(ctx context.Context, read func(io.Reader, []byte) (int, error)) ([]option.RequestOption, error)
	// Refused may change the verdict on a reply of 400 to 499. It may be nil.
	Refused func(context.Context, *reply.Failure) *reply.Failure
	// Failed is called with each attempt that has failed. It may be nil.
	Failed func(*reply.Failure)
	// Landed looks, after an attempt whose outcome is unknown and before the next
	// one, whether it took effect; nil: repeating it does no harm.
	Landed func(context.Context) (bool, error)
}

// Endpoint is the method and the path without ids.
func (r Request) Endpoint() string {
	return r.Method + " /" + strings.ReplaceAll(r.Path, "%s", "{id}")
}

// ids are all that the request names.
func (r Request) ids() []string {
	if r.Named == nil {
		return r.IDs
	}
	return slices.Concat(r.IDs, r.Named())
}

// words are the texts in the request.
func (r Request) words(body any) []string {
	var words []string
	if r.Words != nil {
		words = slices.Clone(r.Words())
	}
	raw, _ := json.Marshal(body) //nolint:errchkjson // it was sent
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		t, err := d.Token()
		if err != nil {
			return words
		}
		if text, ok := t.(string); ok {
			words = append(words, text)
		}
	}
}

// url is the path with the ids and the query.
func (r Request) url() (string, error) {
	ids := make([]any, len(r.IDs))
	for i, id := range r.IDs {
		if !IsID(id) {
			return "", fail.New(fail.Rejected, "%q is not a valid id", fail.Line(id, reply.MaxCode))
		}
		ids[i] = id
	}
	u := fmt.Sprintf(r.Path, ids...)
	if len(r.Query) > 0 {
		u += "?" + r.Query.Encode()
	}
	return u, nil
}

// maxReply is the largest reply to a request that names no other limit, in bytes.
const maxReply = 512 << 10

// maxGarbled is the most attempts at a request whose replies are garbled, which hardly gets
// better, and at an upload whose replies cannot be read: each attempt may have made a File.
const maxGarbled = 3

// maxRefused is the most attempts at a GET or a DELETE that is refused with a 400: some
// servers refuse both while another file is being removed.
const maxRefused = 6

// ofDocuments are the kinds of refusals for which the document of a request is to blame.
var ofDocuments = []error{fail.Rejected, fail.TooLarge, fail.UnsupportedType, fail.Empty}

// longestPause is how long a 429 may hold up other requests: a server that asks for a
// day must not.
const longestPause = 5 * time.Minute

// Send makes the request until it succeeds, is refused, or may no longer be tried. It
// returns the reply and the wait that the server asks for before the next look, 0 for
// none.
func Send[T any](ctx context.Context, c *Client, r Request) (T, time.Duration, error) {
	var object T
	pollAfter, err := c.send(ctx, r, func() any {
		object = *new(T)
		return &object
	})
	return object, pollAfter, err
}

// send is Send with a place for the reply of each attempt. Every call to the API passes
// here.
func (c *Client) send(ctx context.Context, r Request, into func() any) (time.Duration, error) {
	if r.Gate == nil {
		r.Gate = c.cfg.Pacer.Others
	}
	if r.Admit == nil {
		r.Admit = func(ctx context.Context) (func(), error) { return r.Gate.Pass(ctx, 1) }
	}
	limit, whole := c.limit, c.limit == 0 // whole: it is tried for as long as anything is
	if whole {
		limit = c.cfg.RetryTimeout
		if c.down.lately(r.Endpoint()) {
			limit = once
		}
	}
	waits := &waits{ExponentialBackOff: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstRetryWait),
		backoff.WithMaxInterval(maxRetryWait),
		backoff.WithMaxElapsedTime(0),
	), limit: limit}
	var (
		tries     int
		garbled   int  // replies that were garbled, or to an upload that could not be read
		refused   int  // replies of 400 to a GET or a DELETE
		unknown   bool // an attempt may have been carried out
		last      *reply.Failure
		pollAfter time.Duration
	)
	attempt := func() error {
		if tries > 0 && r.Landed != nil {
			done, err := r.Landed(ctx)
			if done || err != nil {
				return stop(err)
			}
		}
		tries++
		var f *reply.Failure
		pollAfter, f = c.attempt(ctx, r, into(), tries)
		if f != nil && (f.Garbled || r.Size > 0 && f.Status > 0 && f.Status < 300) {
			garbled++
			f.Retry = f.Retry && garbled < maxGarbled
		}
		if f != nil && f.Status == http.StatusBadRequest && errors.Is(f.Kind, fail.Rejected) && r.Method != http.MethodPost {
			refused++
			f.Retry = refused < maxRefused && !r.Query.Has("after") // a listing whose cursor is refused begins anew
		}
		if f != nil && r.Method == http.MethodGet && f.Status > 0 && slices.Contains(ofDocuments, f.Kind) {
			f.Kind = fail.Incompatible // no document is to blame
		}
		unknown = unknown || f != nil && f.Unknown
		if f != nil && r.Failed != nil {
			r.Failed(f)
		}
		if f == nil || !f.Retry {
			c.down.over(r.Endpoint())
		}
		switch {
		case f == nil:
			return nil
		case !f.Retry:
			return stop(f)
		}
		if errors.Is(f.Kind, fail.RateLimited) {
			// For everyone, and also when this request is not tried again.
			r.Gate.Close(min(f.RetryAfter, longestPause))
		}
		last, waits.least = f, f.RetryAfter
		return f
	}
	err := backoff.RetryNotify(attempt, backoff.WithContext(waits, ctx), func(err error, wait time.Duration) {
		if errors.Is(err, fail.RateLimited) {
			r.Gate.Close(wait)
		}
		c.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "request failed; it is tried again",
			slog.String("endpoint", r.Endpoint()), slog.Int("try", tries), slog.Duration("wait", wait), slog.String("error", err.Error()))
	})
	if err == nil {
		return pollAfter, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		f := reply.CutShort(cause, last)
		f.Unknown = unknown
		return pollAfter, f
	}
	if f, ok := errors.AsType[*reply.Failure](err); ok {
		f.Tries, f.Unknown = tries, unknown
		if whole && f.Retry && f.Status != http.StatusBadRequest {
			c.down.seen(r.Endpoint())
		}
	}
	return pollAfter, err
}

// stop ends the attempts with err; nil ends them with success.
func stop(err error) error {
	if err == nil {
		return nil
	}
	return backoff.Permanent(err)
}

// attempt makes the request once and judges the outcome.
func (c *Client) attempt(ctx context.Context, r Request, into any, try int) (time.Duration, *reply.Failure) {
	queued := time.Now()
	leave, err := r.Admit(ctx)
	if err != nil {
		return 0, c.judge.Verdict(ctx, reply.Received{}, err, time.Now())
	}
	if err := context.Cause(ctx); err != nil { // nothing is sent
		leave()
		return 0, c.judge.Verdict(ctx, reply.Received{}, err, time.Now())
	}
	began := time.Now()
	if r.Began != nil {
		*r.Began = began
	}
	got, err := func() (reply.Received, error) {
		defer leave() // the caller's content may panic
		return c.roundTrip(ctx, r, into)
	}()
	now := time.Now()
	f := c.judge.Verdict(ctx, got, err, now)
	if f != nil && context.Cause(ctx) != nil {
		f.Unknown = true // cut short while it was under way
	}
	if f != nil && f.Status >= 400 && f.Status < 500 && r.Refused != nil {
		f = r.Refused(ctx, f)
	}
	if c.cfg.OnRequest != nil {
		event := Event{Endpoint: r.Endpoint(), Try: try, Status: got.Status, Waited: began.Sub(queued), Took: now.Sub(began)}
		if f != nil {
			event.Err = f
		}
		c.cfg.OnRequest(event)
	}
	return reply.PollAfter(got.Header), f
}

// roundTrip sends the request and reads the reply.
func (c *Client) roundTrip(ctx context.Context, r Request, into any) (got reply.Received, err error) {
	watched, dog := watch(ctx, c.cfg.RequestTimeout, r.Size)
	defer dog.release()
	var conn net.Conn
	watched = httptrace.WithClientTrace(watched, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { conn = i.Conn }})
	var body any
	opts := []option.RequestOption{option.WithMiddleware(func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := next(req)
		if resp != nil {
			got.Status, got.Header = resp.StatusCode, resp.Header
			resp.Body = &watchedBody{resp.Body, dog}
			if got.HTML = reply.IsHTML(resp.Header.Get("Content-Type"), nil); got.Status >= 400 {
				c.judge.Tame(resp, &got)
				got.Sent = func() (ids, texts []string) { return r.ids(), r.words(body) }
			}
			// Some servers close the connection behind a 400 without saying so. A request
			// that is sent on it in this moment is lost.
			if resp.StatusCode == http.StatusBadRequest && resp.ProtoMajor == 1 && conn != nil {
				_ = conn.Close()
			}
		}
		return resp, err
	})}
	if strings.HasPrefix(r.Path, "vector_stores") {
		opts = append(opts, option.WithHeader("OpenAI-Beta", "assistants=v2"))
	}
	path, err := r.url()
	if err != nil {
		return got, err
	}
	if r.Opts != nil {
		dog.enter()
		more, err := r.Opts(watched, dog.read)
		dog.leave()
		if err != nil {
			return got, err
		}
		dog.alive()
		opts = append(opts, more...)
	}
	if r.Body != nil {
		body = r.Body()
	}
	var resp *http.Response
	err = c.api.Execute(watched, r.Method, path, body, &resp, opts...)
	if err == nil {
		defer resp.Body.Close()
		err = c.read(resp, r, into, &got)
	}
	_, refused := errors.AsType[*openai.Error](err)
	if cause := context.Cause(watched); err != nil && !refused && ctx.Err() == nil && cause != nil {
		got.Status, err = 0, cause // the watchdog's
	}
	return got, err
}

// read reads the reply of a request that was not refused.
func (c *Client) read(resp *http.Response, r Request, into any, got *reply.Received) error {
	switch {
	case resp.StatusCode < 200: // nothing ends the body of a 101, also not the context
		return reply.ErrNoObject
	case resp.StatusCode >= 300:
		got.Location = c.judge.URL(resp.Header.Get(place), reply.MaxMessage)
		return reply.ErrNoObject
	case resp.StatusCode == http.StatusNoContent:
		if o, ok := into.(reply.Empty); ok && o.Empty() {
			return reply.ErrNoObject
		}
		return nil
	}
	most := r.Most
	if most == 0 {
		most = maxReply
	}
	if err := c.judge.Decode(resp.Body, most, into); err != nil {
		return err
	}
	if o, ok := into.(reply.WithID); ok && r.About != "" && o.ObjectID() != "" && o.ObjectID() != r.About { // a cache may mix them up
		return fmt.Errorf("%w, %q in place of %q", reply.ErrOther, o.ObjectID(), r.About)
	}
	if o, ok := into.(reply.Shown); ok {
		o.Show(c.judge.Line)
	}
	return nil
}
