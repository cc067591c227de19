package vsclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/life"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
)

// The kinds of failure. Every error of a method of [Client] answers [errors.Is] for
// one of them, or for the cause with which the caller's context has ended.
var (
	ErrNotFound          = fail.NotFound          // the key has no document
	ErrInvalidKey        = fail.InvalidKey        // the key is empty, too long or not UTF-8
	ErrInvalidAttributes = fail.InvalidAttributes // a name, a value or their number that OpenAI does not take
	ErrInvalidChunking   = fail.InvalidChunking   // sizes that OpenAI does not take
	ErrContent           = fail.Content           // the content cannot be read, or changes while it is read
	ErrEmpty             = fail.Empty             // the content has no bytes
	ErrTooLarge          = fail.TooLarge          // the content or a request has more bytes than OpenAI takes, or a parsed text has more than 64 MB
	ErrUnsupportedType   = fail.UnsupportedType   // OpenAI does not index such an extension or such content
	ErrConflict          = fail.Conflict          // the condition of a change does not hold
	ErrIndexing          = fail.Indexing          // OpenAI could not index the document
	ErrRejected          = fail.Rejected          // OpenAI refused the request for another reason
	ErrUnauthorized      = fail.Unauthorized      // the API key is missing, wrong or lacks a right
	ErrQuota             = fail.Quota             // a quota of requests or of storage is used up
	ErrStoreGone         = fail.StoreGone         // the vector store is missing or has expired
	ErrStoreFull         = fail.StoreFull         // the vector store takes no more files
	ErrIncompatible      = fail.Incompatible      // the server lacks something that this package needs
	ErrRateLimited       = fail.RateLimited       // 429 for as long as the request was tried
	ErrUnavailable       = fail.Unavailable       // OpenAI gives no reply, one that cannot be used, or 5xx
	ErrTimeout           = fail.Timeout           // a time limit, such as RetryTimeout or IndexTimeout, has passed without success
	ErrClosed            = fail.Closed            // the client is closed
)

// Class says who has to act on an error. Every error has exactly one.
type Class int

// The classes.
const (
	BadDocument Class = iota + 1 // this change alone: set it aside and go on
	Transient                    // the service: the same call may succeed later
	Fatal                        // any call fails until a person has acted
	Stopped                      // the caller: its context has ended, or the client is closed
)

func (c Class) String() string {
	if c < BadDocument || c > Stopped {
		return "Class(" + strconv.Itoa(int(c)) + ")"
	}
	return [...]string{"bad document", "transient", "fatal", "stopped"}[c-BadDocument]
}

// classes orders the kinds: the first that an error answers decides.
var classes = []struct {
	class Class
	kinds []error
}{
	{Stopped, []error{fail.Closed}},
	{Fatal, []error{fail.Unauthorized, fail.Quota, fail.StoreGone, fail.StoreFull, fail.Incompatible}},
	{Transient, []error{fail.RateLimited, fail.Unavailable, fail.Timeout}},
	{BadDocument, []error{
		fail.NotFound, fail.InvalidKey, fail.InvalidAttributes, fail.InvalidChunking, fail.Content, fail.Empty, fail.TooLarge,
		fail.UnsupportedType, fail.Conflict, fail.Indexing, fail.Rejected,
	}},
	{Stopped, []error{context.Canceled, context.DeadlineExceeded}},
}

// ClassOf returns the class of an error of this package, also when it is wrapped or
// joined with others, and 0 for nil. The cause of a context that the caller has ended
// is [Stopped]; an error of unknown origin is [Fatal].
func ClassOf(err error) Class {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return classify(err)
}

func classify(err error) Class {
	if _, ok := errors.AsType[life.EndedError](err); ok {
		return Stopped
	}
	for _, c := range classes {
		for _, kind := range c.kinds {
			if errors.Is(err, kind) {
				return c.class
			}
		}
	}
	return Fatal
}

// Error is the error of New and of each method of [Client]; Flush, Shutdown and Close join
// several. It names the operation and the key once. [errors.Is] finds its kind, and
// [errors.As] an [*APIError] when OpenAI has answered.
type Error struct {
	Op         string // "put", "delete", …
	Key        string // empty for an operation on no single key
	Class      Class
	Kind       error         // one of the kinds of this package; nil for an error of New, and when the caller's context has ended
	Reason     string        // the fault and, for bad input, the remedy; one line
	Tries      int           // attempts made at the request that failed; 0 when none was made
	RetryAfter time.Duration // the wait that the server asked for last; 0: none
	Err        error         // the cause, or nil
	api        *APIError     // nil where OpenAI has not answered
}

// APIError is OpenAI's own error: the reply to a request that failed.
type APIError struct {
	Status    int // of HTTP
	Code      string
	Type      string
	Message   string // one line, shortened
	RequestID string // for OpenAI's support
}

func (e *APIError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// maxKeyShown is how much of a key an error shows, in bytes.
const maxKeyShown = 120

func (e *Error) Error() string {
	text := "vsclient: " + e.Op
	if e.Key != "" {
		text += " " + strconv.Quote(fail.Shorten(e.Key, maxKeyShown))
	}
	if e.Kind != nil {
		text += ": " + e.Kind.Error()
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Tries > 1 {
		text += fmt.Sprintf(" (gave up after %d tries)", e.Tries)
	}
	return text
}

// Unwrap returns the kind, the cause and OpenAI's answer, those that are there.
func (e *Error) Unwrap() []error {
	errs := []error{e.Kind, e.Err}
	if e.api != nil {
		errs = append(errs, e.api)
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// wrap names the operation and the key on an error from inside, once.
func wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Op: op, Key: key, Class: classify(err), Reason: err.Error(), Err: err}
	if f, ok := errors.AsType[*reply.Failure](err); ok {
		e.Kind, e.Tries, e.RetryAfter = f.Kind, f.Tries, f.RetryAfter
		e.Reason = strings.Replace(e.Reason, f.Error(), f.Reason, 1)
		if f.Retry && f.Tries > 0 { // given up: the limit and the last cause can both be asked for
			e.Kind, e.Reason = ErrTimeout, err.Error()
		}
		if f.Status > 0 {
			e.api = &APIError{f.Status, f.Code, f.Type, f.Message, f.RequestID}
		}
		return e
	}
	if k, ok := errors.AsType[*fail.Error](err); ok {
		e.Kind, e.Reason = k.Kind, strings.Replace(e.Reason, k.Error(), k.Reason, 1)
		return e
	}
	if errors.Is(err, ErrClosed) {
		e.Kind, e.Reason = ErrClosed, "make a new one"
	}
	return e
}
