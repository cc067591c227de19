package vsclient_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// FuzzReply answers each request with the same bytes: whatever they are, the call
// comes to an end, with an error that can be shown.
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
				APIKey: "sk-test", VectorStoreID: "vs_1", HTTPClient: &http.Client{Transport: answers{status, body}}, RetryTimeout: time.Second, IndexTimeout: time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, put := c.Put(t.Context(), doc("a.md", "x"))
			_, get := c.Get(t.Context(), "a.md")
			for _, err := range []error{put, get, c.Delete(t.Context(), "a.md")} {
				if err == nil {
					continue
				}
				var e *vsclient.Error
				if !errors.As(err, &e) || e.Kind == nil || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\r\n") {
					t.Errorf("%q", err)
				}
			}
		})
	})
}

// answers is an API that always says the same.
type answers struct {
	status int
	body   []byte
}

func (a answers) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		req.Body.Close()
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}, nil
}
