// Package fail holds the kinds of failure, and the error that gives a kind its
// reason. Package vsclient re-exports the kinds.
package fail

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
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

	// StoreGone: the vector store itself is not there, or has expired. No document is
	// to blame, and it is never NotFound.
	StoreGone = errors.New("vector store expired or gone")
	// StoreFull: the vector store takes no further files. No document is to blame.
	StoreFull = errors.New("vector store is full")
	// Incompatible: the server at the base URL does not answer as the API does.
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
	return &Error{Kind: kind, Reason: Line(cause.Error(), MaxReason), Err: cause}
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

// MaxReason is how much of a text of others an error shows, in bytes.
const MaxReason = 400

// Line makes one line of a text that others have written, so that it can be shown: each
// run of white space is a space, a character that cannot be seen is escaped, and at most
// n bytes are left.
func Line(s string, n int) string {
	var b strings.Builder
	space := false
	for i, r := range s {
		if b.Len() > n {
			break
		}
		if unicode.IsSpace(r) {
			space = b.Len() > 0
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		switch _, size := utf8.DecodeRuneInString(s[i:]); {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return Shorten(b.String(), n)
}

// Unnamed returns a reason without names, in any case, for a log that shows no keys: a server
// may repeat the name of a File, which is the key.
func Unnamed(reason string, names ...string) string {
	for _, name := range names {
		if name != "" {
			reason = regexp.MustCompile(`(?i)(^|[^\pL\pN])`+regexp.QuoteMeta(name)+`($|[^\pL\pN])`).ReplaceAllString(reason, "${1}…${2}")
		}
	}
	return reason
}
