package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// request is one exchange with the API: how to make an attempt, and what governs
// it.
type request struct {
	method, path string // the path with "%s" for each of ids
	ids          []string
	query        url.Values
	most         int64 // bytes of the reply; 0: maxReply
	gate         *Gate // what a 429 closes
	// admit waits for leave to make an attempt; nil: only for the gate.
	admit func(context.Context) (leave func(), err error)
	// body is what JSON is made of, for each attempt anew; nil: none.
	body func() any
	// size is the length of a body that is no JSON, in bytes.
	size int64
	// named are the ids of Files that the body or the query names, as of the latest
	// attempt; nil: none. many tells that they may be several.
	named func() []string
	many  bool
	// opts are further options of the request, for each attempt anew.
	opts func(w *watchdog) ([]option.RequestOption, error)
	// failed is told of each attempt that has failed; nil: nothing is told.
	failed func(*Failure)
	// landed looks, after an attempt whose outcome is unknown and before the next
	// one, whether it took effect; nil: repeating it does no harm.
	landed func(context.Context) (bool, error)
}

func (r request) endpoint() string {
	return r.method + " /" + strings.ReplaceAll(r.path, "%s", "{id}")
}

// url is the path with the ids and the query.
func (r request) url() (string, error) {
	ids := make([]any, len(r.ids))
	for i, id := range r.ids {
		if !plain(id) {
			return "", fail.New(fail.Rejected, "%q is no id", fail.Line(id, maxCode))
		}
		ids[i] = id
	}
	u := fmt.Sprintf(r.path, ids...)
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	return u, nil
}

func (r request) names() []string {
	if r.named == nil {
		return nil
	}
	return r.named()
}

// maxGarbled is how often an upload is repeated whose reply came and could not be read:
// each may have made a File.
const maxGarbled = 3

// longestPause is how long a 429 may hold up other requests: a server that asks for a
// day must not.
const longestPause = 5 * time.Minute

// send makes the request and returns the reply, as exchange does.
func send[T any](ctx context.Context, c *Client, r request) (T, Meta, error) {
	var reply T
	meta, err := c.exchange(ctx, r, func() any {
		reply = *new(T)
		return &reply
	})
	return reply, meta, err
}

// exchange makes the request until it succeeds, is refused, or may no longer be
// tried. Every call to the API passes here.
func (c *Client) exchange(ctx context.Context, r request, into func() any) (Meta, error) {
	if r.gate == nil {
		r.gate = c.cfg.Pacer.others
	}
	if r.admit == nil {
		r.admit = func(ctx context.Context) (func(), error) { return r.gate.Pass(ctx, 1) }
	}
	limit, whole := c.limit, c.limit == 0 // whole: it is tried for as long as anything is
	if whole {
		limit = c.cfg.RetryTimeout
		if c.down.lately(r.endpoint()) {
			limit = once
		}
	}
	waits := &waits{ExponentialBackOff: backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(firstRetryWait),
		backoff.WithMaxInterval(maxRetryWait),
		backoff.WithMaxElapsedTime(0),
	), limit: limit}
	var (
		tries   int
		garbled int  // replies to an upload that could not be read
		unknown bool // an attempt may have been carried out
		last    *Failure
		meta    Meta
	)
	attempt := func() error {
		if tries > 0 && r.landed != nil {
			done, err := r.landed(ctx)
			if done || err != nil {
				return stop(err)
			}
		}
		tries++
		var f *Failure
		meta, f = c.attempt(ctx, r, into(), tries)
		if f != nil && r.size > 0 && f.Status > 0 && f.Status < 300 {
			garbled++
			f.Retry = f.Retry && garbled < maxGarbled
		}
		unknown = unknown || f != nil && f.Unknown
		if f != nil && r.failed != nil {
			r.failed(f)
		}
		if f == nil || !f.Retry {
			c.down.over(r.endpoint())
		}
		switch {
		case f == nil:
			return nil
		case !f.Retry:
			return stop(f)
		}
		if errors.Is(f.Kind, fail.RateLimited) {
			// For everyone, and also when this request is not tried again.
			r.gate.close(min(f.RetryAfter, longestPause))
		}
		last, waits.least = f, f.RetryAfter
		return f
	}
	err := backoff.RetryNotify(attempt, backoff.WithContext(waits, ctx), func(err error, wait time.Duration) {
		if errors.Is(err, fail.RateLimited) {
			r.gate.close(wait)
		}
		c.cfg.Logger.LogAttrs(ctx, slog.LevelDebug, "request failed; it is tried again",
			slog.String("endpoint", r.endpoint()), slog.Int("try", tries), slog.Duration("wait", wait), slog.String("error", err.Error()))
	})
	if err == nil {
		return meta, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		f := cutShort(cause, last)
		f.Unknown = unknown
		return meta, f
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		f.Tries, f.Unknown = tries, unknown
		if whole && f.Retry {
			c.down.seen(r.endpoint())
		}
	}
	return meta, err
}

// stop ends the attempts with err; nil ends them with success.
func stop(err error) error {
	if err == nil {
		return nil
	}
	return backoff.Permanent(err)
}

// attempt makes the request once and judges the outcome.
func (c *Client) attempt(ctx context.Context, r request, into any, try int) (Meta, *Failure) {
	queued := time.Now()
	leave, err := r.admit(ctx)
	if err != nil {
		return Meta{}, c.judge(ctx, exchanged{}, err, time.Now())
	}
	if err := context.Cause(ctx); err != nil { // nothing is sent
		leave()
		return Meta{}, c.judge(ctx, exchanged{}, err, time.Now())
	}
	began := time.Now()
	got, err := c.roundTrip(ctx, r, into)
	leave()
	now := time.Now()
	f := c.judge(ctx, got, err, now)
	if f != nil && context.Cause(ctx) != nil {
		f.Unknown = true // cut short while it was under way
	}
	if f != nil && f.Status >= 400 && f.Status < 500 {
		f = c.absent(ctx, r, f)
	}
	if c.cfg.OnRequest != nil {
		event := Event{Endpoint: r.endpoint(), Try: try, Status: got.status, Waited: began.Sub(queued), Took: now.Sub(began)}
		if f != nil {
			event.Err = f
		}
		c.cfg.OnRequest(event)
	}
	return c.meta(got), f
}

// roundTrip sends the request and reads the reply.
func (c *Client) roundTrip(ctx context.Context, r request, into any) (got exchanged, err error) {
	watched, dog := watch(ctx, c.cfg.RequestTimeout, r.size)
	defer dog.release()
	opts := []option.RequestOption{option.WithMiddleware(func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := next(req)
		if resp != nil {
			got.status, got.header = resp.StatusCode, resp.Header
			resp.Body = &lively{resp.Body, dog}
			if got.html = isHTML(resp.Header.Get("Content-Type"), nil); got.status >= 400 {
				got.cut, got.html = c.secrets.tame(resp)
			}
		}
		return resp, err
	})}
	if strings.HasPrefix(r.path, "vector_stores") {
		opts = append(opts, option.WithHeader("OpenAI-Beta", "assistants=v2"))
	}
	path, err := r.url()
	if err != nil {
		return got, err
	}
	if r.opts != nil {
		more, err := r.opts(dog)
		if err != nil {
			return got, err
		}
		opts = append(opts, more...)
	}
	var body any
	if r.body != nil {
		body = r.body()
	}
	var resp *http.Response
	err = c.api.Execute(watched, r.method, path, body, &resp, opts...)
	if err == nil {
		defer resp.Body.Close()
		err = c.read(resp, r, into, &got)
	}
	_, refused := errors.AsType[*openai.Error](err)
	if cause := context.Cause(watched); err != nil && !refused && ctx.Err() == nil && cause != nil {
		got.status, err = 0, cause // the watchdog's
	}
	return got, err
}

// read reads the reply of a request that was not refused.
func (c *Client) read(resp *http.Response, r request, into any, got *exchanged) error {
	switch {
	case resp.StatusCode >= 300:
		got.location = c.secrets.line(SafeURL(resp.Header.Get("Location")), maxMessage)
		return errNoObject
	case resp.StatusCode == http.StatusNoContent:
		if o, ok := into.(interface{ empty() bool }); ok && o.empty() {
			return errNoObject
		}
		return nil
	}
	most := r.most
	if most == 0 {
		most = maxReply
	}
	if err := decode(resp.Body, most, into); err != nil {
		return err
	}
	if o, ok := into.(interface {
		show(func(string, int) string)
	}); ok {
		o.show(c.secrets.line)
	}
	return nil
}
