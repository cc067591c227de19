package vsclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
	"github.com/openai/openai-go/v3"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about secrets, which no log and no error may show.

// The key has no form that could be known for a key; a gateway's may not, either.
const (
	secret     = "Tr0ub4dor-and-3-of-a-kind" //nolint:gosec // made up: the one that is looked for
	secretText = "the content that nobody is to read in a log"
	secretKey  = "private/letter-to-her.md"
)

// shapes are all ways to show something.
func shapes(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n%+v\n%#v\n%s\n%q\n%x\n%d\n", v, v, v, v, v, v, v)
	wire, err := json.Marshal(v)
	if err == nil {
		b.Write(wire)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Info("shown", "v", v)
	}
	return b.String()
}

// show is everything that can be got out of an error.
func show(t *testing.T, err error) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(shapes(t, err))
	var walk func(error)
	walk = func(err error) {
		if err == nil {
			return
		}
		b.WriteString(shapes(t, err))
		walk(errors.Unwrap(err))
		if many, ok := errors.AsType[interface {
			error
			Unwrap() []error
		}](err); ok {
			for _, err := range many.Unwrap() {
				walk(err)
			}
		}
	}
	walk(err)
	if e, ok := errors.AsType[*openai.Error](err); ok {
		b.Write(e.DumpRequest(true))
		b.Write(e.DumpResponse(true))
		b.WriteString(e.RawJSON())
		if e.Request != nil {
			b.WriteString(shapes(t, e.Request.Header))
		}
		if e.Response != nil && e.Response.Request != nil {
			dump, _ := httputil.DumpRequest(e.Response.Request, false)
			b.Write(dump)
		}
	}
	return b.String()
}

// wires are the ways in which a request may fail, some with the key in the reply.
var wires = []struct {
	sentence string
	answer   func(*http.Request) (*http.Response, error)
}{
	{"a wrong key is told back whole", replies(401, `{"error":{"message":"Incorrect API key provided: `+secret+`.","code":"invalid_api_key","param":"`+secret+`"}}`)},
	{"a refusal repeats the header", replies(400, `{"error":{"message":"bad header: Bearer `+secret+`","type":"x"}}`)},
	{"a proxy answers with a page that holds the request", replies(502, `<html>Authorization: Bearer `+secret+`</html>`)},
	{"an error that is a string", replies(500, `{"error":"`+secret+`"}`)},
	{"a reply that is no JSON", replies(200, `Bearer `+secret)},
	{"a reply of another shape", replies(200, `{"data":"`+secret+`","id":["`+secret+`"]}`)},
	{"not found", replies(404, `{"error":{"message":"no `+secret+`"}}`)},
	{"too many requests", replies(429, `{"error":{"message":"slow down, `+secret+`","code":"rate_limit_exceeded"}}`)},
	{"no quota", replies(429, `{"error":{"message":"`+secret+` is broke","code":"insufficient_quota"}}`)},
	{"the transport tells the request that it was to send", func(r *http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("cannot send %v", r.Header)
	}},
	{"a reply that breaks off", func(r *http.Request) (*http.Response, error) {
		resp, _ := replies(400, `{"error":{"mess`)(r)
		resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"error":`), tellingReader{}))
		return resp, nil
	}},
}

type tellingReader struct{}

func (tellingReader) Read([]byte) (int, error) { return 0, errors.New("cut off near Bearer " + secret) }

func replies(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"req_1"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

// TestNothingShowsTheAPIKey fails every kind of call in every way, and reads every
// error, log line and event for the key.
func TestNothingShowsTheAPIKey(t *testing.T) {
	for _, wire := range wires {
		t.Run(wire.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				var log bytes.Buffer
				var mu sync.Mutex
				events := ""
				cfg := vsclient.Config{
					APIKey: secret, VectorStoreID: "vs_1", HTTPClient: &http.Client{Transport: worldtest.RoundTrip(wire.answer)},
					RetryTimeout: time.Second, IndexTimeout: time.Second, Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
				}
				cfg.OnRequest = func(e vsclient.RequestEvent) {
					mu.Lock()
					defer mu.Unlock()
					events += shapes(t, e)
					if e.Err != nil {
						events += show(t, e.Err)
					}
				}
				c, err := vsclient.New(cfg)
				is.NoErr(err)
				d := vsclient.Document{Key: secretKey, Content: text(secretText)}
				calls := map[string]func(ctx context.Context) error{
					"put":    func(ctx context.Context) error { return onlyErr(c.Put(ctx, d)) },
					"delete": func(ctx context.Context) error { return onlyErr(c.Delete(ctx, secretKey)) },
					"update": func(ctx context.Context) error { return onlyErr(c.SetAttributes(ctx, secretKey, nil)) },
					"get":    func(ctx context.Context) error { return onlyErr(c.Get(ctx, secretKey)) },
					"text":   func(ctx context.Context) error { return onlyErr(c.Text(ctx, secretKey)) },
					"check":  func(ctx context.Context) error { return onlyErr(c.Check(ctx)) },
					"sweep":  func(ctx context.Context) error { return onlyErr(c.Sweep(ctx, vsclient.SweepOptions{})) },
					"list": func(ctx context.Context) error {
						for _, err := range c.List(ctx) {
							return err
						}
						return nil
					},
				}
				seen := 0
				for name, call := range calls {
					if err := call(t.Context()); err != nil {
						seen++
						if strings.Contains(show(t, err), secret) {
							t.Errorf("the error of %s shows the key: %+v", name, err)
						}
						if lines := linesOf(err); lines != "" {
							t.Errorf("the error of %s has more than one line: %q", name, lines)
						}
						if strings.Contains(err.Error(), secretText) {
							t.Errorf("the error of %s shows content", name)
						}
					}
				}
				is.True(seen > 3) // there were errors to read
				_ = c.Close()     // its error may name Files
				err = onlyErr(c.Delete(t.Context(), secretKey))
				is.True(errors.Is(err, vsclient.ErrClosed))
				for place, text := range map[string]string{"an event": events, "the log": log.String(), "the client": shapes(t, c), "the configuration": shapes(t, cfg), "a pointer to it": shapes(t, &cfg)} {
					if i := strings.Index(text, secret); i >= 0 {
						t.Errorf("%s shows the key: …%s", place, text[max(0, i-200):i])
					}
					if strings.Contains(text, secretText) {
						t.Errorf("%s shows content", place)
					}
				}
			})
		})
	}
}

// linesOf returns the text of an error in the chain that has more than one line.
func linesOf(err error) string {
	if err == nil {
		return ""
	}
	if strings.ContainsAny(err.Error(), "\r\n") {
		return err.Error()
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range many.Unwrap() {
			if lines := linesOf(err); lines != "" {
				return lines
			}
		}
	}
	return linesOf(errors.Unwrap(err))
}

// TestLogsCarryNoKeyAboveDebugLevel lets changes fail and their cleaning up, too.
func TestLogsCarryNoKeyAboveDebugLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, FailIndexing: func(openaitest.FileInfo) (string, string) {
			return "server_error", "An internal error occurred."
		}, Faults: []openaitest.Fault{{Method: http.MethodDelete, Times: -1, Kind: openaitest.FaultStatus}}})
		var info, debug bytes.Buffer
		for buffer, level := range map[*bytes.Buffer]slog.Level{&info: slog.LevelInfo, &debug: slog.LevelDebug} {
			for _, async := range []bool{false, true} {
				c := w.Client(func(cfg *vsclient.Config) {
					cfg.Logger = slog.New(slog.NewTextHandler(buffer, &slog.HandlerOptions{Level: level}))
					cfg.Async, cfg.RetryTimeout = async, time.Second
				})
				_, _ = c.Put(t.Context(), doc(secretKey, secretText))
				_ = c.Flush(t.Context())
				_ = c.Close()
			}
		}
		is.True(info.Len() > 0) // something was worth a warning
		is.True(!strings.Contains(info.String(), "letter-to-her"))
		is.True(!strings.Contains(info.String()+debug.String(), secretText))
	})
}

func TestAConfigurationThatIsRefusedDoesNotShowItsKey(t *testing.T) {
	is := is.New(t)
	for _, cfg := range []vsclient.Config{
		{APIKey: secret},
		{APIKey: secret + "\n", VectorStoreID: "vs_1"},
		{APIKey: secret, VectorStoreID: "vs_1", BaseURL: "not a URL"},
		{APIKey: secret, VectorStoreID: "vs_1", BatchSize: -1},
		{APIKey: secret, VectorStoreID: "vs_1", FileExtension: ".exe"},
	} {
		_, err := vsclient.New(cfg)
		is.True(err != nil)
		is.True(!strings.Contains(show(t, err), secret))
	}
}

func TestAKeyThatTheReplyEscapesIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		for _, escaped := range []string{`k/very&secret`, `k\/very&secret`, `k/very\u0026secret`, `k\/very\u0026secret`} {
			_, err := w.Client(func(cfg *vsclient.Config) {
				cfg.APIKey = "k/very&secret"
				cfg.HTTPClient = &http.Client{Transport: worldtest.RoundTrip(replies(401, `{"error":{"message":"Incorrect API key: `+escaped+`","type":"x","code":null,"param":null}}`))} //nolint:bodyclose // the client closes it
			}).Put(t.Context(), doc("a.md", "text"))
			is.True(errors.Is(err, vsclient.ErrUnauthorized))
			is.True(!strings.Contains(show(t, err), "secret"))
		}
	})
}

// A user name and a password in the base URL are as secret as the key.
func TestNothingShowsAPasswordInTheBaseURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var log bytes.Buffer
		cfg := vsclient.Config{
			APIKey: "sk-test", VectorStoreID: "vs_1", BaseURL: "https://someone:" + secret + "@localhost/v1", RetryTimeout: time.Second,
			HTTPClient: &http.Client{Transport: worldtest.RoundTrip(replies(502, `<html>`+secret+`</html>`))}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), //nolint:bodyclose // the client closes it
		}
		var mu sync.Mutex
		events := ""
		cfg.OnRequest = func(e vsclient.RequestEvent) {
			mu.Lock()
			defer mu.Unlock()
			events += shapes(t, e) + show(t, e.Err)
		}
		c, err := vsclient.New(cfg)
		is.NoErr(err)
		_, err = c.Put(t.Context(), doc("a.md", "text"))
		is.True(err != nil)
		_ = c.Close()
		is.True(!strings.Contains(show(t, err)+log.String()+events+shapes(t, c)+shapes(t, cfg)+shapes(t, &cfg), secret))
	})
}
