package reply

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/words"
)

// Failure is the verdict on a request. Its texts are single lines of bounded length
// without secrets.
type Failure struct {
	Kind       error // one of the kinds of package fail, or nil when the caller's own context has ended
	Status     int   // of the last reply; 0: none came
	Code       string
	Type       string
	Message    string
	RequestID  string
	Reason     string        // with status, code and request id
	Retry      bool          // another attempt may succeed
	RetryAfter time.Duration // the least wait that the server asks for
	Tries      int           // attempts made
	Unknown    bool          // one of the attempts may have been carried out
	Garbled    bool          // the last reply was no HTTP, or had a field of another type: that hardly gets better
	Err        error         // the cause
	last       error         // the answer before the call was given up; nil: none
	heard      func() heard  // the last refusal, which no format verb looks into; nil: none
}

func (f *Failure) Error() string {
	if f.Kind == nil {
		return f.Reason
	}
	return f.Kind.Error() + ": " + f.Reason
}

// Unwrap returns the kind, the cause and the last answer, those that are there.
func (f *Failure) Unwrap() []error {
	return slices.DeleteFunc([]error{f.Kind, f.Err, f.last}, func(err error) bool { return err == nil })
}

// Received is the part of a reply by which an attempt at a request is judged, beside its
// error.
type Received struct {
	Status   int // 0: no reply
	Header   http.Header
	HTML     bool                         // the reply is a page for people
	Location string                       // of a redirect
	Cut      error                        // why the body of a refusal could not be read
	Sent     func() (ids, texts []string) // of the request, which a refusal may repeat; nil: none
	said     func() refusal
}

// heard is a refusal as it was sent, with the words by which it is judged. The message that
// is shown may lack some: a key of a few characters is hidden in any word.
type heard struct {
	refusal
	words words.Words
}

func hear(said refusal, ids, texts []string) heard {
	return heard{said, words.Of(said.Message, ids, texts)}
}

// coded reports whether the refusal, or one within it, has one of the codes.
func (h heard) coded(codes ...string) bool {
	return slices.ContainsFunc(codes, func(code string) bool { return code == h.Code || code == h.Type || h.words.HasError(code) })
}

// Says reports whether the last refusal has the words, in lower case, among those that are
// the server's own.
func (f *Failure) Says(text string) bool {
	return f.heard != nil && strings.Contains(f.heard().words.String(), text)
}

// Names reports whether the message of the last refusal has the id in any place.
func (f *Failure) Names(id string) bool {
	return f.heard != nil && strings.Contains(strings.ToLower(f.heard().Message), strings.ToLower(id))
}

// Lacks reports whether the last refusal says that an object is not there whose id the
// request names.
func (f *Failure) Lacks(id string) bool { return f.heard != nil && f.heard().words.Lacks(id) }

// Verdict turns the outcome of one attempt into a verdict; nil means success. This
// is the one place in which a status becomes an error.
func (j Judge) Verdict(ctx context.Context, got Received, err error, now time.Time) *Failure {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return CutShort(cause, nil)
	}
	if unread, ok := errors.AsType[*fail.Error](err); ok {
		return &Failure{Kind: unread.Kind, Reason: unread.Reason, Err: unread}
	}
	f := &Failure{Status: got.Status, RequestID: j.Line(got.Header.Get("x-request-id"), maxRequestID), RetryAfter: retryAfter(got.Header, now)}
	if apiErr, ok := errors.AsType[*openai.Error](err); ok {
		j.redact(apiErr)
		f.Code, f.Type, f.Message = apiErr.Code, apiErr.Type, apiErr.Message
		f.Err = apiErr
	} else {
		f.Err = j.clean(err)
	}
	failed := func(kind error, retry bool, format string, args ...any) *Failure {
		f.Kind, f.Retry = kind, retry
		f.Reason = fmt.Sprintf(format, args...)
		return f
	}
	var said heard
	var texts []string
	if got.said != nil {
		var ids []string
		if got.Sent != nil && got.Status < 500 && got.Status != http.StatusTooManyRequests {
			ids, texts = got.Sent()
		}
		said = hear(got.said(), ids, texts)
		f.heard = func() heard { return said }
	}
	switch status := got.Status; {
	case status == 0 && hopeless(err):
		return failed(fail.Incompatible, false, "%v; check the base URL", f.Err)
	case status == 0 && noHTTP(err):
		f.Unknown, f.Garbled = true, true
		return failed(fail.Unavailable, true, "the reply is no HTTP: %v; check the base URL", f.Err)
	case status == 0:
		f.Unknown = !undialed(err)
		return failed(fail.Unavailable, true, "no reply: %v", f.Err)
	case status < 200:
		return failed(fail.Incompatible, false, "it answers %d, which the API never does; check the base URL", status)
	case status < 300:
		f.Unknown = true
		switch {
		case got.HTML && !errors.Is(err, ErrNoObject):
			return failed(fail.Incompatible, false, "it answers with a web page; check the base URL")
		case errors.Is(err, errTooLong):
			return failed(fail.Unavailable, false, "the reply cannot be read: %v", f.Err)
		}
		_, f.Garbled = errors.AsType[*json.UnmarshalTypeError](err)
		f.Garbled = f.Garbled || errors.Is(err, ErrOther)
		return failed(fail.Unavailable, true, "the reply to a successful request could not be read: %v", f.Err)
	case status < 400:
		return failed(fail.Incompatible, false, "it redirects to %q, which is not followed; set the base URL to where the API is", got.Location)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		f.Kind = fail.Unauthorized
	case (status == http.StatusNotFound || status == http.StatusBadRequest) && got.HTML:
		return failed(fail.Incompatible, false, "it answers %d with a web page; check the base URL", status)
	case status == http.StatusNotFound:
		f.Kind = fail.NotFound
	case status == http.StatusPaymentRequired, status < 500 && (said.coded(unpaid...) || budget.MatchString(said.words.String())), status == http.StatusTooManyRequests && usedUp(said.Message):
		f.Kind = fail.Quota
	case status < 500 && said.coded(barred...):
		f.Kind = fail.Unauthorized
	case status == http.StatusRequestEntityTooLarge:
		f.Kind = fail.TooLarge
	case status == http.StatusTooManyRequests:
		f.Kind, f.Retry = fail.RateLimited, true
	case slices.Contains(passing, status), status >= 500, status == http.StatusBadRequest && said.coded(ownFault...):
		f.Kind, f.Retry, f.Unknown = fail.Unavailable, true, true
	case !slices.Contains(ofDocuments, status), said.coded(misled...), said.Param == "purpose", strings.Contains(said.Message, "'purpose'") && !slices.Contains(texts, "purpose"):
		f.Kind = fail.Incompatible // it takes no request of this form, whatever its document
	case got.Cut != nil:
		return failed(fail.Unavailable, true, "the reply, a %d, could not be read: %v", status, j.clean(got.Cut))
	default:
		f.Kind = said.kind()
		f.Retry = errors.Is(f.Kind, fail.Unavailable)
		f.Unknown = f.Retry
	}
	f.Reason = f.describe()
	return f
}

var (
	// passing are statuses of 400 to 499 after which another attempt may succeed. With 460
	// and 499, load balancers say that a request was given up on its way.
	passing = []int{http.StatusRequestTimeout, http.StatusConflict, http.StatusLocked, http.StatusTooEarly, 460, 499}

	// ofDocuments are those for which a document may be to blame, beside 404 and 413. Of
	// the others many are in no standard.
	ofDocuments = []int{http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity}
)

// Codes, and types, of refusals that no document is to blame for, whatever the status:
// OpenAI sends them with 400, 401, 403 and 429, and LiteLLM most with 400.
var (
	unpaid = []string{"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "budget_exceeded"}
	barred = []string{
		"access_terminated", "account_deactivated", "organization_disabled",
		"invalid_organization", "mismatched_organization", "invalid_project", "mismatched_project",
		"auth_error", "expired_key",
	}
	misled   = []string{"incorrect_hostname", "invalid_beta"}
	ownFault = []string{"server_error", "internal_server_error", "no_db_connection"} // the server's
)

// undialed reports whether no connection came about, so that nothing was sent.
func undialed(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// hopeless reports whether a request that had no reply would never have one.
func hopeless(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, wrongPort := errors.AsType[*net.AddrError](err)
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	alert, ok := errors.AsType[*net.OpError](err)
	refused := ok && alert.Op == "remote error" && refusesTLS.MatchString(alert.Error())
	return wrongPort || noTLS || refused || errors.Is(err, http.ErrSchemeMismatch)
}

// refusesTLS finds the alerts of a server that has no TLS in common with the client, or
// asks for a certificate. For an alert from outside package tls has no error of its own.
var refusesTLS = regexp.MustCompile(`certificate|protocol version|unrecognized name|unknown certificate authority|handshake failure|access denied|insufficient security`)

// noHTTP reports whether something came in place of a reply. For a bad first line
// net/http has no error of its own.
func noHTTP(err error) bool {
	_, header := errors.AsType[textproto.ProtocolError](err)
	return header || strings.Contains(err.Error(), "malformed HTTP ")
}

// fullStore finds the wordings of a store that holds as many files as it can. OpenAI's
// own is not known; its limit is 10,000 in stores from before November 2025.
var fullStore = regexp.MustCompile(`(?m)cannot hold more|(store|''|it) is full\b|(too many|more) (vector store )?files|files? (limit|count)\b|(number|count) of (vector store )?files|` +
	`(up to|more than|limit of|maximum of|at most|maximum allowed|contains|already has|capacity of) [0-9,.]+k? (vector store )?files|max(imum)? (vector store )?files\b|` +
	`store('s)? (limit|capacity) (was |has been )?(reached|exceeded)|reached its (limit|capacity)(\.|$)|at capacity\b`)

// ofRequest finds that the files are too many for a request alone. The code
// invalid_request_error, which a gateway passes on, is no such word.
var ofRequest = regexp.MustCompile(`batch|array|\brequest`)

// deletedStore finds the end of the store itself, not of a file in it.
var deletedStore = regexp.MustCompile(`(?m)^(the )?vector[ _]store( with id)?( \S+)? (has been|was) deleted`)

// suspended finds that OpenAI serves nobody with the key, whatever is asked.
var suspended = regexp.MustCompile(`\b(organization|account|project)\b[^.]*\b(is|are|was|been|has) [^.]*(disabled|deactivated|suspended|archived)|(disabled|deactivated|suspended|archived) (organization|account|project)\b`)

// kind returns the kind of a refusal that OpenAI answers with a 400: by its code, where it
// has one, else by the wording that users have reported (a full storage quota has no code).
func (h heard) kind() error {
	m := h.words.String()
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(m, part) })
	}
	switch {
	case h.coded("unsupported_file"), has("invalid extension", "not supported for retrieval"):
		return fail.UnsupportedType
	case suspended.MatchString(m), has("authentication error", "authenticationerror", "incorrect api key"):
		return fail.Unauthorized
	case has("http request to an https server", "plain http request", "api version", "api-version", "files_settings"):
		return fail.Incompatible
	case has("connection error"):
		return fail.Unavailable // a gateway's, to the service behind it
	case has("file is empty"):
		return fail.Empty
	case has("vector store", "vector_store") && has("expired"), deletedStore.MatchString(m):
		return fail.StoreGone
	case h.coded("vector_store_full"), has("vector store", "vector_store") && !ofRequest.MatchString(m) && fullStore.MatchString(m):
		return fail.StoreFull
	case has("quota", "storage limit"):
		return fail.Quota
	case has("too large", "maximum file size"):
		return fail.TooLarge
	}
	return fail.Rejected
}

// describe returns OpenAI's answer in one line.
func (f *Failure) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", f.Status, http.StatusText(f.Status))
	if f.Message != "" {
		fmt.Fprintf(&b, ": %s", f.Message)
	}
	var notes []string
	if f.Code != "" {
		notes = append(notes, "code "+f.Code)
	}
	if f.RequestID != "" {
		notes = append(notes, "request id "+f.RequestID)
	}
	if len(notes) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(notes, ", "))
	}
	if errors.Is(f.Kind, fail.StoreFull) {
		b.WriteString("; remove files from it, or write to a new store (those made since November 2025 hold 100,000,000)")
	}
	return b.String()
}

// CutShort is the failure of a call that was given up from outside, with the last
// answer that it had.
func CutShort(cause error, last *Failure) *Failure {
	f := &Failure{Reason: fail.Line(cause.Error(), fail.MaxReason), Err: cause}
	switch {
	case errors.Is(cause, fail.Closed):
		f.Kind, f.Reason = fail.Closed, "it was closed while the call was under way"
	case errors.Is(cause, fail.Timeout):
		f.Kind = fail.Timeout
		f.Reason = strings.TrimPrefix(f.Reason, fail.Timeout.Error()+": ")
	}
	if last != nil {
		f.Reason += "; last answer: " + last.Error()
		f.last = last
	}
	return f
}

// maxHint caps openai-poll-after-ms, as the SDK does.
const maxHint = 8 * time.Second

// PollAfter reads how long the server asks to wait before the next look.
func PollAfter(h http.Header) time.Duration {
	ms, err := strconv.Atoi(h.Get("openai-poll-after-ms"))
	if err != nil || ms <= 0 {
		return 0
	}
	return time.Duration(min(ms, int(maxHint/time.Millisecond))) * time.Millisecond
}

// retryAfter reads how long the server asks to wait, as the SDK does:
// milliseconds first, then seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 && !math.IsInf(ms, 0) {
		return atMost(ms * float64(time.Millisecond))
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 && !math.IsInf(s, 0) {
		return atMost(s * float64(time.Second))
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

// atMost is that many nanoseconds as a duration, and the longest that there is for
// more than it holds.
func atMost(ns float64) time.Duration {
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(ns)
}

// usedUp reports whether the message is OpenAI's about a quota that is used up, which some
// send without its code.
func usedUp(message string) bool {
	return strings.Contains(strings.ToLower(message), "exceeded your current quota")
}

// budget finds LiteLLM's wordings of a budget that is used up, some of which have the code
// of another reason.
var budget = regexp.MustCompile(`\bbudget has been exceeded|\b(exceeded|crossed|over) budget\b|\bexceeded(token)?budget\b`)
