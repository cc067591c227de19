// Package fail holds the kinds of failure, and the error that gives a kind its
// reason. Package vsclient re-exports the kinds.
package fail

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// The kinds of failure.
var (
	NotFound          = errors.New("not found")
	InvalidKey        = errors.New("invalid key")
	Empty             = errors.New("empty content")
	TooLarge          = errors.New("too large")
	UnsupportedType   = errors.New("unsupported file type")
	InvalidAttributes = errors.New("invalid attributes")
	InvalidChunking   = errors.New("invalid chunking strategy")
	Content           = errors.New("content cannot be read")
	Conflict          = errors.New("conflict")
	Unauthorized      = errors.New("unauthorized")
	RateLimited       = errors.New("rate limited")
	Quota             = errors.New("quota exhausted")
	Indexing          = errors.New("indexing failed")
	Timeout           = errors.New("timed out")
	Unavailable       = errors.New("service unavailable")
	Rejected          = errors.New("request rejected")
	Closed            = errors.New("client is closed")

	StoreGone    = errors.New("the vector store is missing or has expired")
	StoreFull    = errors.New("the vector store is full")
	Incompatible = errors.New("incompatible server")
)

// Error is a failure that no request has reported: a fault of a document or of a
// setting, or OpenAI's refusal to index a File.
type Error struct {
	Kind   error  // one of the kinds
	Reason string // the fault and, for bad input, the remedy
	Err    error  // the cause, or nil
}

func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Reason }

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// New returns an Error without a cause.
func New(kind error, format string, args ...any) error {
	return &Error{Kind: kind, Reason: fmt.Sprintf(format, args...)}
}

// Because returns an Error whose reason is its cause.
func Because(kind, cause error) error {
	return &Error{Kind: kind, Reason: cause.Error(), Err: cause}
}

// Shorten cuts s to at most n bytes, between two characters, and marks the cut.
func Shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := n
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
