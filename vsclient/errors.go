package vsclient

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// The kinds of failure. Every error of a method of [Client] answers [errors.Is] for
// one of them, or for the cause with which the caller's context has ended.
var (
	ErrNotFound          = fail.NotFound
	ErrInvalidKey        = fail.InvalidKey
	ErrEmpty             = fail.Empty
	ErrTooLarge          = fail.TooLarge
	ErrUnsupportedType   = fail.UnsupportedType
	ErrInvalidAttributes = fail.InvalidAttributes
	ErrInvalidChunking   = fail.InvalidChunking
	ErrContent           = fail.Content
	ErrConflict          = fail.Conflict
	ErrUnauthorized      = fail.Unauthorized
	ErrRateLimited       = fail.RateLimited
	ErrQuota             = fail.Quota
	ErrIndexing          = fail.Indexing
	ErrTimeout           = fail.Timeout
	ErrUnavailable       = fail.Unavailable
	ErrRejected          = fail.Rejected
	ErrClosed            = fail.Closed

	// ErrStoreNotFound: the vector store itself does not exist. No document is to blame.
	ErrStoreNotFound = fail.StoreGone
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
		b.WriteString(strconv.Quote(fail.Shorten(e.Key, maxKeyShown)))
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
	if f, ok := errors.AsType[*wire.Failure](err); ok {
		e.Kind, e.Reason, e.Tries, e.Err = f.Kind, f.Reason, f.Tries, f.Err
		if f.Retry && f.Tries > 0 { // given up: both the limit and the last cause can be asked for
			e.Kind, e.Err = ErrTimeout, f
			e.Reason = f.Error()
		}
		return e
	}
	if k, ok := errors.AsType[*fail.Error](err); ok {
		e.Kind, e.Reason, e.Err = k.Kind, k.Reason, k.Err
	}
	return e
}

// is reports whether err is a failure of that kind.
func is(err, kind error) bool { return err != nil && errors.Is(err, kind) }
