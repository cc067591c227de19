package wire

import (
	"net/http"
	"testing"
	"time"
)

// FuzzHeaders reads what a server says of waiting.
func FuzzHeaders(f *testing.F) {
	for _, v := range []string{"1", "0.5", "-1", "1e300", "Inf", "NaN", "9223372036854775807", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 1999 07:28:00 GMT", "soon"} {
		f.Add(v, v, v)
	}
	f.Fuzz(func(t *testing.T, after, afterMs, poll string) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		h := http.Header{"Retry-After": {after}, "Retry-After-Ms": {afterMs}, "Openai-Poll-After-Ms": {poll}}
		if d := retryAfter(h, now); d < 0 {
			t.Errorf("wait for %v", d)
		}
		if d := pollAfter(h); d < 0 || d > 8*time.Second {
			t.Errorf("poll after %v", d)
		}
	})
}

// FuzzRefusal finds some kind in any wording.
func FuzzRefusal(f *testing.F) {
	f.Add("unsupported_file", "")
	f.Add("", "You exceeded your current quota")
	f.Fuzz(func(t *testing.T, code, message string) {
		if kindOfRefusal(code, message) == nil {
			t.Error("no kind")
		}
	})
}
