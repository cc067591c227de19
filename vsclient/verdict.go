package vsclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// failure is the verdict on one attempt at a request.
type failure struct {
	kind       error         // a sentinel, or nil for the caller's own context
	reason     string        // one line, with status, code and request id
	retry      bool          // worth another attempt
	retryAfter time.Duration // the least wait that the server asks for
	tries      int
	err        error
}

func (f *failure) Error() string {
	if f.kind == nil {
		return f.reason
	}
	return f.kind.Error() + ": " + f.reason
}

func (f *failure) Unwrap() []error {
	if f.kind == nil {
		return []error{f.err}
	}
	return []error{f.kind, f.err}
}

// exchanged is what an attempt at a request is judged by, beside its error.
type exchanged struct {
	status int // 0: no reply
	header http.Header
}

// judge turns the outcome of one attempt into a verdict; nil means success. This
// is the one place in which a status becomes an error.
func (c *Client) judge(ctx context.Context, got exchanged, err error, now time.Time) *failure {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cutShort(cause, nil)
	}
	if unread, ok := errors.AsType[*fail.Error](err); ok {
		return &failure{kind: unread.Kind, reason: unread.Reason, err: err}
	}
	f := &failure{err: err, retryAfter: retryAfter(got.header, now)}
	var code, typ, message string
	if apiErr, ok := errors.AsType[*openai.Error](err); ok {
		c.secrets.redact(apiErr)
		code, typ, message = apiErr.Code, apiErr.Type, apiErr.Message
		got.status = apiErr.StatusCode
	} else {
		err = c.secrets.clean(err)
		f.err = err
	}
	switch status := got.status; {
	case status == 0:
		f.kind, f.retry, f.reason = ErrUnavailable, true, "no reply: "+err.Error()
		return f
	case status < 300:
		f.kind, f.retry, f.reason = ErrUnavailable, true, fmt.Sprintf("the reply to a successful request could not be read: %v", err)
		return f
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		f.kind = ErrUnauthorized
	case status == http.StatusNotFound:
		f.kind = ErrNotFound
	case status == http.StatusRequestEntityTooLarge:
		f.kind = ErrTooLarge
	case status == http.StatusTooManyRequests && (code == "insufficient_quota" || typ == "insufficient_quota"):
		f.kind = ErrQuota
	case status == http.StatusTooManyRequests:
		f.kind, f.retry = ErrRateLimited, true
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500:
		f.kind, f.retry = ErrUnavailable, true
	case cutOff(err):
		f.kind, f.retry, f.reason = ErrUnavailable, true, fmt.Sprintf("the reply, a %d, could not be read: %v", status, err)
		return f
	default:
		f.kind = kindOfRefusal(code, message)
	}
	f.reason = describe(got, code, message)
	return f
}

// cutOff reports whether the body of a refusal did not arrive whole, so that its
// reason is not known. The SDK returns what broke the reading as it is.
func cutOff(err error) bool {
	_, told := errors.AsType[*openai.Error](err)
	_, odd := errors.AsType[*json.UnmarshalTypeError](err) // "error" is no object
	_, garbled := errors.AsType[*json.SyntaxError](err)
	return !told && !odd && !garbled
}

// kindOfRefusal tells apart what OpenAI answers with a 400: the code where it
// sends one, else the wording that users have reported (a full storage quota has
// no code).
func kindOfRefusal(code, message string) error {
	m := strings.ToLower(message)
	switch {
	case code == "unsupported_file", strings.Contains(m, "invalid extension"), strings.Contains(m, "not supported for retrieval"):
		return ErrUnsupportedType
	case strings.Contains(m, "file is empty"):
		return ErrEmpty
	case code == "insufficient_quota", strings.Contains(m, "quota"), strings.Contains(m, "storage limit"):
		return ErrQuota
	case strings.Contains(m, "too large"), strings.Contains(m, "maximum file size"):
		return ErrTooLarge
	case strings.Contains(m, "no such file"), strings.Contains(m, "cannot find file"):
		return ErrNotFound
	}
	return ErrRejected
}

// describe says what OpenAI answered, in one line.
func describe(got exchanged, code, message string) string {
	line := func(s string) string { return strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "�") }
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", got.status, http.StatusText(got.status))
	if message != "" {
		fmt.Fprintf(&b, ": %s", fail.Shorten(line(message), 400))
	}
	var notes []string
	if code != "" {
		notes = append(notes, "code "+fail.Shorten(line(code), 100))
	}
	if id := got.header.Get("x-request-id"); id != "" {
		notes = append(notes, "request id "+id)
	}
	if len(notes) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(notes, ", "))
	}
	return b.String()
}

// cutShort is the failure of a call that was given up from outside, with the last
// answer that it had.
func cutShort(cause error, last *failure) *failure {
	f := &failure{reason: cause.Error(), err: cause}
	switch {
	case errors.Is(cause, ErrClosed):
		f.kind, f.reason = ErrClosed, "it was closed while the call was under way"
	case errors.Is(cause, ErrTimeout):
		f.kind = ErrTimeout
		f.reason = strings.TrimPrefix(f.reason, ErrTimeout.Error()+": ")
	}
	if last != nil {
		f.reason += "; last answer: " + last.Error()
		f.err = errors.Join(cause, last)
	}
	return f
}

// retryAfter reads how long the server asks to wait, as the SDK does:
// milliseconds first, then seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return atMost(ms * float64(time.Millisecond))
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 {
		return atMost(s * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

// atMost is that many nanoseconds as a duration, and the longest that there is for
// what is too long to be one.
func atMost(ns float64) time.Duration {
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(ns)
}
