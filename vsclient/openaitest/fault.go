package openaitest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// FaultKind is the effect of a fault on a request.
type FaultKind string

const (
	FaultStatus   FaultKind = "status"    // the reply has Status
	FaultCut      FaultKind = "cut"       // the connection breaks before any reply
	FaultCutReply FaultKind = "cut_reply" // the request takes effect; its reply breaks off in the middle
	FaultHang     FaultKind = "hang"      // no reply, until the client gives up or the server closes
	FaultDelay    FaultKind = "delay"     // Delay passes, then the request goes on
)

// Fault is one script: the requests that it strikes, and its effect on them.
// It strikes Times of the requests that match Method and Path, from the Nth on.
type Fault struct {
	Method string `json:"method,omitempty"` // empty: any
	// Path is matched against the path below /v1, segment by segment; "*" stands
	// for any one segment, a last "**" for any rest, also none. Empty: any.
	Path string `json:"path,omitempty"`
	// Nth is the number, from 1, of the first matching request that is struck; 0 is 1.
	// Counting begins when the fault is injected.
	Nth int `json:"nth,omitempty"`
	// Times is how many matching requests are struck; 0 is 1, below 0 is all.
	Times int `json:"times,omitempty"`
	// Rate is the share of them that is struck, chosen by the seed; 0 is all.
	Rate float64 `json:"rate,omitempty"`

	Kind FaultKind `json:"kind"`
	// AfterEffect lets the request take effect before the fault strikes; the
	// request's reply is lost.
	AfterEffect bool `json:"after_effect,omitempty"`
	// EffectAfter, when positive, lets the request take effect this long after the
	// status was answered, the connection was cut or, for a hang, the client gave
	// up. The server reads the whole body first. The effect meets the state of its
	// moment, and the request's reply is lost. It needs kind status, cut or hang, and
	// excludes AfterEffect. [Snapshot] counts the effects that are still to come.
	EffectAfter Duration `json:"effect_after,omitempty"`

	Status     int      `json:"status,omitempty"`      // FaultStatus; 0 is 500
	Code       string   `json:"code,omitempty"`        // of the error body
	Message    string   `json:"message,omitempty"`     // of the error body
	RetryAfter Duration `json:"retry_after,omitempty"` // sent as Retry-After, rounded up to whole seconds
	Body       *string  `json:"body,omitempty"`        // replaces the error body, e.g. with a proxy's HTML
	Delay      Duration `json:"delay,omitempty"`       // FaultDelay
}

// String returns a description in a few words, as in the request log.
func (f Fault) String() string {
	var b strings.Builder
	switch f.Kind {
	case FaultStatus:
		fmt.Fprintf(&b, "status %d", f.status())
	case FaultDelay:
		fmt.Fprintf(&b, "delay %v", time.Duration(f.Delay))
	default:
		b.WriteString(strings.ReplaceAll(string(f.Kind), "_", " "))
	}
	if f.EffectAfter > 0 {
		fmt.Fprintf(&b, ", effect %v later", time.Duration(f.EffectAfter))
	}
	if f.AfterEffect {
		b.WriteString(" after effect")
	}
	return b.String()
}

func (f Fault) status() int {
	if f.Status == 0 {
		return 500
	}
	return f.Status
}

// check returns an error when the fault is invalid.
func (f Fault) check() error {
	switch f.Kind {
	case FaultStatus, FaultCut, FaultCutReply, FaultHang, FaultDelay:
	default:
		return fmt.Errorf("fault kind %q is none of status, cut, cut_reply, hang, delay", f.Kind)
	}
	switch {
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("fault status %d is no HTTP status", f.Status)
	case f.Method != strings.ToUpper(f.Method):
		return fmt.Errorf("fault method %q matches nothing; write it in capitals", f.Method)
	case f.Path == "/v1" || strings.HasPrefix(f.Path, "/v1/"):
		return fmt.Errorf("fault path %q matches nothing; leave out /v1", f.Path)
	case strings.Contains(f.Path, "**/"):
		return fmt.Errorf("fault path %q matches nothing; ** is allowed only at the end", f.Path)
	case f.Rate < 0 || f.Rate > 1:
		return fmt.Errorf("fault rate %v is not between 0 and 1", f.Rate)
	case f.Nth < 0 || f.RetryAfter < 0 || f.Delay < 0 || f.EffectAfter < 0:
		return errors.New("nth, retry_after, delay and effect_after of a fault must not be negative")
	case f.Kind != FaultStatus && (f.Status != 0 || f.Code != "" || f.Message != "" || f.RetryAfter != 0 || f.Body != nil):
		return fmt.Errorf("a fault of kind %s has no reply: status, code, message, retry_after and body need kind status", f.Kind)
	case (f.Kind == FaultDelay) != (f.Delay > 0):
		return errors.New("a fault of kind delay needs a delay, and no other kind has one")
	case f.EffectAfter > 0 && f.AfterEffect:
		return errors.New("a fault cannot have both effect_after and after_effect")
	case f.EffectAfter > 0 && (f.Kind == FaultCutReply || f.Kind == FaultDelay):
		return fmt.Errorf("a fault of kind %s has no effect_after: the reply comes after the effect", f.Kind)
	}
	return nil
}

// Duration is a time.Duration that JSON shows as a text such as "1.5s".
type Duration time.Duration

func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// ParseFaults reads a JSON array of faults.
func ParseFaults(data []byte) ([]Fault, error) {
	var faults []Fault
	if err := decodeStrictly(data, &faults); err != nil {
		return nil, fmt.Errorf("openaitest: faults: %w", err)
	}
	if faults == nil {
		return nil, errors.New("openaitest: faults: null is no array")
	}
	for i, f := range faults {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("openaitest: faults[%d]: %w", i, err)
		}
	}
	return faults, nil
}

// script is an injected fault with its counts of matching and of struck requests.
type script struct {
	Fault
	seen, struck int
}

// due reports whether the script would strike this request, and counts matching requests
// in seen. The caller counts in struck.
func (f *script) due(method, path string, chance func() float64) bool {
	if f.Method != "" && f.Method != method || f.Path != "" && !matchPath(f.Path, path) {
		return false
	}
	f.seen++
	if f.seen < max(f.Nth, 1) || f.Times >= 0 && f.struck >= max(f.Times, 1) {
		return false
	}
	return f.Rate <= 0 || chance() < f.Rate
}

func (f *script) spent() bool { return f.Times >= 0 && f.struck >= max(f.Times, 1) }

func matchPath(pattern, path string) bool {
	p, s := segments(pattern), segments(path)
	if last := len(p) - 1; p[last] == "**" {
		p, s = p[:last], s[:min(last, len(s))] // the rest may be empty
	}
	return slices.EqualFunc(p, s, func(p, s string) bool { return p == "*" || p == s })
}

func segments(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }
