package wire

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

// Failure is the verdict on a request.
type Failure struct {
	Kind       error // one of the kinds of package fail, or nil when the caller's own context has ended
	Status     int   // of the last reply; 0: none came
	Code       string
	Type       string
	Message    string
	RequestID  string
	Reason     string        // one line, with status, code and request id
	Retry      bool          // another attempt may succeed
	RetryAfter time.Duration // the least wait that the server asks for
	Tries      int           // attempts made
	Unknown    bool          // one of the attempts may have been carried out
	Err        error         // the cause
}

func (f *Failure) Error() string {
	if f.Kind == nil {
		return f.Reason
	}
	return f.Kind.Error() + ": " + f.Reason
}

// Unwrap returns the kind and the cause.
func (f *Failure) Unwrap() []error {
	var errs []error
	if f.Kind != nil {
		errs = append(errs, f.Kind)
	}
	if f.Err != nil {
		errs = append(errs, f.Err)
	}
	return errs
}

// exchanged is what an attempt at a request is judged by, beside its error.
type exchanged struct {
	status int // 0: no reply
	header http.Header
}

// judge turns the outcome of one attempt into a verdict; nil means success. This
// is the one place in which a status becomes an error.
func (c *Client) judge(ctx context.Context, got exchanged, err error, now time.Time) *Failure {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cutShort(cause, nil)
	}
	if unread, ok := errors.AsType[*fail.Error](err); ok {
		return &Failure{Kind: unread.Kind, Reason: unread.Reason, Err: err}
	}
	f := &Failure{Err: err, Status: got.status, RequestID: got.header.Get("x-request-id"), RetryAfter: retryAfter(got.header, now)}
	var code, typ, message string
	if apiErr, ok := errors.AsType[*openai.Error](err); ok {
		c.secrets.redact(apiErr)
		code, typ, message = apiErr.Code, apiErr.Type, apiErr.Message
		got.status = apiErr.StatusCode
		f.Status, f.Code, f.Type, f.Message = got.status, code, typ, message
	} else {
		err = c.secrets.clean(err)
		f.Err = err
	}
	switch status := got.status; {
	case status == 0:
		f.Kind, f.Retry, f.Reason = fail.Unavailable, true, "no reply: "+err.Error()
		return f
	case status < 300:
		f.Kind, f.Retry, f.Reason = fail.Unavailable, true, fmt.Sprintf("the reply to a successful request could not be read: %v", err)
		return f
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		f.Kind = fail.Unauthorized
	case status == http.StatusNotFound:
		f.Kind = fail.NotFound
	case status == http.StatusRequestEntityTooLarge:
		f.Kind = fail.TooLarge
	case status == http.StatusTooManyRequests && (code == "insufficient_quota" || typ == "insufficient_quota"):
		f.Kind = fail.Quota
	case status == http.StatusTooManyRequests:
		f.Kind, f.Retry = fail.RateLimited, true
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500:
		f.Kind, f.Retry = fail.Unavailable, true
	case cutOff(err):
		f.Kind, f.Retry, f.Reason = fail.Unavailable, true, fmt.Sprintf("the reply, a %d, could not be read: %v", status, err)
		return f
	default:
		f.Kind = kindOfRefusal(code, message)
	}
	f.Reason = describe(got, code, message)
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
		return fail.UnsupportedType
	case strings.Contains(m, "file is empty"):
		return fail.Empty
	case code == "insufficient_quota", strings.Contains(m, "quota"), strings.Contains(m, "storage limit"):
		return fail.Quota
	case strings.Contains(m, "too large"), strings.Contains(m, "maximum file size"):
		return fail.TooLarge
	case strings.Contains(m, "no such file"), strings.Contains(m, "cannot find file"):
		return fail.NotFound
	}
	return fail.Rejected
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
func cutShort(cause error, last *Failure) *Failure {
	f := &Failure{Reason: cause.Error(), Err: cause}
	switch {
	case errors.Is(cause, fail.Closed):
		f.Kind, f.Reason = fail.Closed, "it was closed while the call was under way"
	case errors.Is(cause, fail.Timeout):
		f.Kind = fail.Timeout
		f.Reason = strings.TrimPrefix(f.Reason, fail.Timeout.Error()+": ")
	}
	if last != nil {
		f.Reason += "; last answer: " + last.Error()
		f.Err = errors.Join(cause, last)
	}
	return f
}

// meta reads the header of a reply.
func (got exchanged) meta() Meta {
	return Meta{RequestID: got.header.Get("x-request-id"), PollAfter: pollAfter(got.header)}
}

// maxHint caps openai-poll-after-ms, as the SDK does.
const maxHint = 8 * time.Second

// pollAfter reads how long the server asks to wait before the next look.
func pollAfter(h http.Header) time.Duration {
	ms, err := strconv.Atoi(h.Get("openai-poll-after-ms"))
	if err != nil || ms <= 0 {
		return 0
	}
	return time.Duration(min(ms, int(maxHint/time.Millisecond))) * time.Millisecond
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
