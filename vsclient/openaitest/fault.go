package openaitest

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// FaultKind is the effect of a fault on a request.
type FaultKind string

const (
	FaultStatus   FaultKind = "status"    // Status is answered
	FaultCut      FaultKind = "cut"       // the connection breaks before any reply
	FaultCutReply FaultKind = "cut_reply" // the request takes effect; its reply breaks off in the middle
	FaultHang     FaultKind = "hang"      // no reply, until the client gives up or the server closes
	FaultDelay    FaultKind = "delay"     // Delay passes, then all goes well
)

// Fault is one script: which requests it strikes, and how.
// It strikes the requests that match Method and Path; of those, from the Nth
// on, as many as Times says.
type Fault struct {
	Method string `json:"method,omitempty"` // empty: any
	// Path is matched against the path below /v1, segment by segment; "*" stands
	// for any one segment, a last "**" for any rest. Empty: any.
	Path string `json:"path,omitempty"`
	// Nth is the first of the matching requests to be struck, from 1; 0 is 1.
	// They are counted from when the fault was injected.
	Nth int `json:"nth,omitempty"`
	// Times is how many matching requests are struck; 0 is 1, below 0 is all.
	Times int `json:"times,omitempty"`
	// Rate strikes only that share of them, by the seed; 0 is all.
	Rate float64 `json:"rate,omitempty"`

	Kind FaultKind `json:"kind"`
	// AfterEffect lets the request take effect before the fault strikes; its own
	// reply is lost.
	AfterEffect bool `json:"after_effect,omitempty"`
	// EffectAfter, when positive, lets the request take effect late: so long after
	// the status was answered, the connection was cut or, for a hang, the client gave
	// up. The server has read the whole body before. The effect depends on the state
	// of its moment, and its own reply is lost. It needs kind status, cut or hang, and
	// not AfterEffect. [Snapshot] tells how many effects are still to come.
	EffectAfter Duration `json:"effect_after,omitempty"`

	Status     int      `json:"status,omitempty"`      // FaultStatus; 0 is 500
	Code       string   `json:"code,omitempty"`        // of the error body
	Message    string   `json:"message,omitempty"`     // of the error body
	RetryAfter Duration `json:"retry_after,omitempty"` // sent as Retry-After, in whole seconds
	Body       *string  `json:"body,omitempty"`        // instead of an error body, e.g. a proxy's HTML
	Delay      Duration `json:"delay,omitempty"`       // FaultDelay
}

// String describes the fault in a few words, as the request log does.
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

// check returns an error when the script makes no sense.
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
		return fmt.Errorf("fault path %q matches nothing; ** stands at the end alone", f.Path)
	case f.Rate < 0 || f.Rate > 1:
		return fmt.Errorf("fault rate %v is not between 0 and 1", f.Rate)
	case f.Nth < 0 || f.RetryAfter < 0 || f.Delay < 0 || f.EffectAfter < 0:
		return errors.New("nth, retry_after, delay and effect_after of a fault must not be negative")
	case f.EffectAfter > 0 && f.AfterEffect:
		return errors.New("a fault has either effect_after or after_effect")
	case f.EffectAfter > 0 && (f.Kind == FaultCutReply || f.Kind == FaultDelay):
		return fmt.Errorf("a fault of kind %s has no effect_after: the reply comes after the effect", f.Kind)
	}
	return nil
}

// Duration is a time.Duration that is written as "1.5s" in JSON.
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
	for i, f := range faults {
		if err := f.check(); err != nil {
			return nil, fmt.Errorf("openaitest: faults[%d]: %w", i, err)
		}
	}
	return faults, nil
}

// script is a fault with the count of the requests that it saw.
type script struct {
	Fault
	seen, struck int
}

// due reports whether the script would strike this request, and counts the requests
// that match; who strikes counts that.
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
	for {
		p, prest, pmore := strings.Cut(strings.TrimPrefix(pattern, "/"), "/")
		s, srest, smore := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if p == "**" && !pmore {
			return true
		}
		if p != "*" && p != s || pmore != smore {
			// "/files/**" also matches "/files" itself.
			return p == s && prest == "**" && !smore
		}
		if !pmore {
			return true
		}
		pattern, path = prest, srest
	}
}
