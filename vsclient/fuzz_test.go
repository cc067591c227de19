package vsclient_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
)

// FuzzReply answers each request with the same bytes: whatever they are, the call
// ends, with an error that can be shown and has a class.
func FuzzReply(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `{"error":"a string"}`, `{"error":{"message":"no such file","code":null}}`, `{"error":{"message":7}}`,
		`{"data":[{"id":"file-1"}],"has_more":true}`, `{"data":[null],"has_more":true,"last_id":"x"}`, `{"data":{}}`, `<html>`, `{"id":"file-1","status":"completed"}`,
		`{"deleted":false}`, `{"error":{"message":"quota exceeded"}}`,
	} {
		for _, status := range []int{200, 400, 404, 429, 500} {
			f.Add(status, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			c, err := vsclient.New(vsclient.Config{
				APIKey: "sk-test", VectorStoreID: "vs_1", HTTPClient: &http.Client{Transport: worldtest.RoundTrip(replies(status, string(body)))}, RetryTimeout: time.Second, IndexTimeout: time.Minute, //nolint:bodyclose // the client closes it
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			_, put := c.Put(t.Context(), doc("a.md", "x"))
			_, get := c.Get(t.Context(), "a.md")
			for _, err := range []error{put, get, onlyErr(c.Delete(t.Context(), "a.md"))} {
				if err == nil {
					continue
				}
				var e *vsclient.Error
				if !errors.As(err, &e) || e.Kind == nil || vsclient.ClassOf(err) == 0 || vsclient.ClassOf(err) == vsclient.Stopped || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\r\n") {
					t.Errorf("%q", err)
				}
			}
		})
	})
}
