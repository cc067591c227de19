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
	"unicode/utf8"

	"github.com/openai/openai-go/v3"
)

// The kinds of failure. Every error of a method of [Client] answers [errors.Is] for
// one of them, or for the cause with which the caller's context has ended.
var (
	ErrNotFound          = errors.New("not found")
	ErrInvalidKey        = errors.New("invalid key")
	ErrEmpty             = errors.New("empty content")
	ErrTooLarge          = errors.New("too large")
	ErrUnsupportedType   = errors.New("unsupported file type")
	ErrInvalidAttributes = errors.New("invalid attributes")
	ErrInvalidChunking   = errors.New("invalid chunking strategy")
	ErrContent           = errors.New("content cannot be read")
	ErrConflict          = errors.New("the key belongs to another owner")
	ErrUnauthorized      = errors.New("unauthorized")
	ErrRateLimited       = errors.New("rate limited")
	ErrQuota             = errors.New("quota exhausted")
	ErrIndexing          = errors.New("indexing failed")
	ErrTimeout           = errors.New("timed out")
	ErrUnavailable       = errors.New("service unavailable")
	ErrRejected          = errors.New("request rejected")
	ErrClosed            = errors.New("client is closed")

	// ErrStoreNotFound is the [ErrNotFound] that no document is to blame for.
	ErrStoreNotFound = fmt.Errorf("vector store %w", ErrNotFound)
)

// Error is the error of every method of [Client]. It names the operation and
// the key once, and wraps its kind, which is one of the sentinels of this
// package, and its cause. For a failure that OpenAI reported, [errors.As] finds
// the [*openai.Error] with status, code and request id; its Request no longer
// holds the API key.
type Error struct {
	Op     string // "put", "delete", …
	Key    string // empty for an operation on no single key
	Kind   error  // one of the sentinels, or nil
	Reason string // what is wrong and, for bad input, what to do
	Tries  int    // attempts made at the request that failed; 0 when none was made
	Err    error  // the cause, or nil
}

// maxKeyShown is how much of a key an error shows, in bytes.
const maxKeyShown = 120

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("vsclient: ")
	b.WriteString(e.Op)
	if e.Key != "" {
		b.WriteByte(' ')
		b.WriteString(strconv.Quote(shorten(e.Key, maxKeyShown)))
	}
	if e.Kind != nil {
		b.WriteString(": ")
		b.WriteString(e.Kind.Error())
	}
	if e.Reason != "" {
		b.WriteString(": ")
		b.WriteString(e.Reason)
	}
	if e.Tries > 1 {
		fmt.Fprintf(&b, " (gave up after %d tries)", e.Tries)
	}
	if e.Reason == "" && e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the kind and the cause, those that are there.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// Retryable reports whether the same call may succeed later with nothing
// changed: the service was out of reach, overloaded or too slow, indexing failed
// by OpenAI's own fault, or the call was cut short. It is false for bad input, a
// refused document, a wrong key and an exhausted quota.
func Retryable(err error) bool {
	for _, kind := range []error{ErrUnauthorized, ErrQuota, ErrClosed} {
		if errors.Is(err, kind) {
			return false
		}
	}
	for _, kind := range []error{ErrRateLimited, ErrUnavailable, ErrTimeout, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// IsDocumentError reports whether the fault lies in this one document, so that
// others can be expected to go through: its key, content, type, size, attributes
// or chunking, or because OpenAI failed to index just this one. It is false for
// what would fail any document: authorization, quota, outage, cancellation.
func IsDocumentError(err error) bool {
	if errors.Is(err, ErrStoreNotFound) {
		return false
	}
	for _, kind := range []error{
		ErrNotFound, ErrInvalidKey, ErrEmpty, ErrTooLarge, ErrUnsupportedType, ErrInvalidAttributes,
		ErrInvalidChunking, ErrContent, ErrConflict, ErrIndexing, ErrRejected,
	} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

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
	if unread, ok := errors.AsType[*inputError](err); ok {
		return &failure{kind: unread.kind, reason: unread.reason, err: err}
	}
	f := &failure{err: err, retryAfter: retryAfter(got.header, now)}
	var code, message string
	if apiErr, ok := errors.AsType[*openai.Error](err); ok {
		c.secrets.redact(apiErr)
		code, message = apiErr.Code, apiErr.Message
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
	case status == http.StatusTooManyRequests && code == "insufficient_quota":
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
		fmt.Fprintf(&b, ": %s", shorten(line(message), 400))
	}
	var notes []string
	if code != "" {
		notes = append(notes, "code "+shorten(line(code), 100))
	}
	if id := got.header.Get("x-request-id"); id != "" {
		notes = append(notes, "request id "+id)
	}
	if len(notes) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(notes, ", "))
	}
	return b.String()
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

// wrap names the operation and the key on an error from inside, once.
func wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Op: op, Key: key, Err: err}
	if errors.Is(err, ErrClosed) {
		e.Kind, e.Reason = ErrClosed, "make a new one"
	}
	if f, ok := errors.AsType[*failure](err); ok {
		e.Kind, e.Reason, e.Tries, e.Err = f.kind, f.reason, f.tries, f.err
		if f.retry && f.tries > 0 { // given up: both the limit and the last cause can be asked for
			e.Kind, e.Err = ErrTimeout, f
			e.Reason = f.Error()
		}
		return e
	}
	if k, ok := errors.AsType[*inputError](err); ok {
		e.Kind, e.Reason, e.Err = k.kind, k.reason, k.err
	}
	return e
}

// inputError is what is wrong with a document before any request was made, or
// what OpenAI said of it.
type inputError struct {
	kind   error
	reason string
	err    error
}

func (e *inputError) Error() string { return e.kind.Error() + ": " + e.reason }

func (e *inputError) Unwrap() []error {
	if e.err == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.err}
}

func invalid(kind error, format string, args ...any) error {
	return &inputError{kind: kind, reason: fmt.Sprintf(format, args...)}
}

// is reports whether err is a failure of that kind.
func is(err, kind error) bool { return err != nil && errors.Is(err, kind) }

// shorten cuts s to at most n bytes at a character's edge and marks the cut.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := n
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
