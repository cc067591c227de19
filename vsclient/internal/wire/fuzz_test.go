package wire

import (
	"net/http"
	"testing"
	"testing/synctest"
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

// FuzzReply answers each request with the same reply: whatever it is, each endpoint comes
// to an end, with a result or an error that can be shown.
func FuzzReply(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `{"error":"a string"}`, `{"error":{"message":"no such file","code":null}}`, `{"error":{"message":7}}`, `{"detail":[{}]}`,
		`{"data":[{"id":"file-1"}],"has_more":true}`, `{"data":[null],"has_more":true,"last_id":"x"}`, `{"data":{}}`, `<html>`, `{"id":"file-1","status":"completed"}`,
		`{"object":"list","data":[{"id":"file-1"}],"has_more":true}`, `{"deleted":false}`, `{"error":{"message":"quota exceeded"}}`, "\x1b\n", `{"id":"file-1","last_error":{"message":"\u001b\n"}}`,
		`{"data":[{"text":"x"}],"has_more":true,"next_page":"y"}`,
	} {
		for _, status := range []int{200, 204, 302, 400, 404, 429, 500} {
			f.Add(status, []byte(body), "application/json")
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte, header string) {
		if status < 200 || status > 999 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			for _, e := range endpoints {
				c := newClient(t, answer(status, string(body), "Content-Type", header, "Location", "https://h/", "X-Request-Id", header, "Retry-After", header), func(cfg *Config) { cfg.RetryTimeout = time.Second })
				if err := e.call(t.Context(), c); err != nil {
					checkShowable(t, err)
				}
			}
		})
	})
}
