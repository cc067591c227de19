package wire

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
)

// FuzzReply answers each request with the same reply: whatever it is, each endpoint comes
// to an end, with a result or an error that can be shown.
func FuzzReply(f *testing.F) {
	statuses := []int{200, 204, 302, 400, 404, 429, 500}
	if race.EnabledOrShort() {
		statuses = []int{200, 404}
	}
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `{"error":"a string"}`, `{"error":{"message":"no such file","code":null}}`, `{"error":{"message":7}}`, `{"detail":[{}]}`,
		`{"data":[{"id":"file-1"}],"has_more":true}`, `{"data":[null],"has_more":true,"last_id":"x"}`, `{"data":{}}`, `<html>`, `{"id":"file-1","status":"completed"}`,
		`{"object":"list","data":[{"id":"file-1"}],"has_more":true}`, `{"deleted":false}`, `{"error":{"message":"quota exceeded"}}`, "\x1b\n", `{"id":"file-1","last_error":{"message":"\u001b\n"}}`,
		`{"data":[{"text":"x"}],"has_more":true,"next_page":"y"}`,
	} {
		for _, status := range statuses {
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
