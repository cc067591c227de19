package vsclient

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
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
