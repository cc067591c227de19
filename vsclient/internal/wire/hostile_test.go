package wire

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"net/textproto"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/matryer/is"
	"github.com/openai/openai-go/v3"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/exchange"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
)

// The key has no form that could be known for a key; a gateway's may not, either.
const (
	secretKey      = "Tr0ub4dor-and-3" //nolint:gosec // made up: the ones that are looked for
	secretPassword = "c0rrect/horse"   //nolint:gosec // likewise
)

// transport answers requests.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return t(r)
}

func answer(status int, body string, header ...string) transport {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/json"}}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: status, Status: fmt.Sprint(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

// storeThere answers for the vector store, and leaves everything else to t.
func storeThere(t transport) transport {
	return func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/vector_stores/vs_1") {
			return answer(200, `{"id":"vs_1","status":"completed"}`)(r)
		}
		return t(r)
	}
}

// body answers with the bytes that a reader yields.
func body(status int, r io.Reader) transport {
	return func(req *http.Request) (*http.Response, error) {
		resp, err := answer(status, "")(req)
		resp.Body = io.NopCloser(&reading{req.Context(), r})
		return resp, err
	}
}

// reading ends with its request, as a transport's body does.
type reading struct {
	ctx context.Context
	r   io.Reader
}

func (r *reading) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// endlessText repeats a text.
type endlessText struct {
	text string
	rest string
	read atomic.Int64
}

func (e *endlessText) Read(p []byte) (int, error) {
	if e.rest == "" {
		e.rest = strings.Repeat(e.text, 1+len(p)/len(e.text))
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	e.read.Add(int64(n))
	return n, nil
}

// trickle yields a space every so often.
type trickle time.Duration

func (t trickle) Read(p []byte) (int, error) {
	time.Sleep(time.Duration(t))
	p[0] = ' '
	return 1, nil
}

const (
	testRetry   = 20 * time.Second
	testRequest = time.Minute
)

func newClient(t testing.TB, rt http.RoundTripper, change ...func(*Config)) *Client {
	t.Helper()
	unlimited := pace.Limits{UploadsPerMinute: pace.NoLimit, AttachRequestsPerMinute: pace.NoLimit, AttachedFilesPerMinute: pace.NoLimit, ChangesPerMinute: pace.NoLimit}
	cfg := Config{StoreID: "vs_1", Config: exchange.Config{
		BaseURL: "https://user:" + strings.ReplaceAll(secretPassword, "/", "%2F") + "@api.example/v1", APIKey: secretKey, HTTPClient: &http.Client{Transport: rt},
		RetryTimeout: testRetry, RequestTimeout: testRequest,
		Pacer: pace.NewPacer(unlimited), Logger: slog.New(slog.DiscardHandler),
	}}
	for _, c := range change {
		c(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func all[T any](pages iter.Seq2[T, error]) error {
	for _, err := range pages {
		if err != nil {
			return err
		}
	}
	return nil
}

func last2[T, U any](_ T, _ U, err error) error { return err }

func attachCall() AttachCall {
	return AttachCall{Files: func() []Attachment { return []Attachment{{FileID: "file-1"}} }, Most: 1}
}

// endpoints are all methods that make a request, each asking for File file-1.
var endpoints = []struct {
	name string
	call func(context.Context, *Client) error
	// object is a good reply, and list tells that it is a page.
	object string
	list   bool
}{
	{"Store", func(ctx context.Context, c *Client) error { _, err := c.Store(ctx); return err }, `{"id":"vs_1"}`, false},
	{"Stores", func(ctx context.Context, c *Client) error { return all(c.Stores(ctx)) }, `{"object":"list","data":[{"id":"vs_1"}]}`, true},
	{"File", func(ctx context.Context, c *Client) error { _, err := c.File(ctx, "file-1"); return err }, `{"id":"file-1"}`, false},
	{"Files", func(ctx context.Context, c *Client) error { return all(c.Files(ctx, 100, nil)) }, `{"object":"list","data":[{"id":"file-1"}]}`, true},
	{"DeleteFile", func(ctx context.Context, c *Client) error { _, err := c.DeleteFile(ctx, "file-1"); return err }, `{"deleted":true}`, false},
	{"StoreFile", func(ctx context.Context, c *Client) error { return last2(c.StoreFile(ctx, "file-1")) }, `{"id":"file-1"}`, false},
	{"StoreFiles", func(ctx context.Context, c *Client) error { return all(c.StoreFiles(ctx)) }, `{"object":"list","data":[{"id":"file-1"}]}`, true},
	{"NewestStoreFiles", func(ctx context.Context, c *Client) error { return all(c.NewestStoreFiles(ctx)) }, `{"object":"list","data":[{"id":"file-1"}]}`, true},
	{"UpdateStoreFile", func(ctx context.Context, c *Client) error {
		_, err := c.UpdateStoreFile(ctx, "file-1", nil)
		return err
	}, `{"id":"file-1"}`, false},
	{"Detach", func(ctx context.Context, c *Client) error { _, _, err := c.Detach(ctx, "file-1"); return err }, `{"deleted":true}`, false},
	{"CreateStoreFile", func(ctx context.Context, c *Client) error { return last2(c.CreateStoreFile(ctx, attachCall())) }, `{"id":"file-1"}`, false},
	{"CreateBatch", func(ctx context.Context, c *Client) error { return last2(c.CreateBatch(ctx, attachCall())) }, `{"id":"vsfb_1"}`, false},
	{"Batch", func(ctx context.Context, c *Client) error { return last2(c.Batch(ctx, "vsfb_1")) }, `{"id":"vsfb_1"}`, false},
	{"BatchFiles", func(ctx context.Context, c *Client) error { return all(c.BatchFiles(ctx, "vsfb_1", Completed)) }, `{"object":"list","data":[{"id":"file-1"}]}`, true},
	{"Text", func(ctx context.Context, c *Client) error { _, err := c.Text(ctx, "file-1"); return err }, `{"data":[{"text":"x"}]}`, false},
	{"Search", func(ctx context.Context, c *Client) error {
		_, err := c.Search(ctx, Query{Text: "x", Most: 1})
		return err
	}, `{"object":"vector_store.search_results.page","data":[{"file_id":"file-1"}]}`, false},
	{"Upload", func(ctx context.Context, c *Client) error {
		_, err := c.Upload(ctx, Upload{Name: "a.md", ContentType: "text/markdown", Size: 1, Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("x")), nil }})
		return err
	}, `{"id":"file-1"}`, false},
}

var ansi = "\x1b[31mred\x1b[0m\r\n\u202e\u2028\x00"

// hostile are replies that mean harm, with the verdict expected at every endpoint.
var hostile = []struct {
	sentence string
	answer   func() transport
	kind     error  // nil: any
	says     string // part of the error
	tries    int    // 1: it is not tried again; 0: any number
}{
	{"nothing", func() transport { return answer(200, ``) }, fail.Unavailable, "", 0},
	{"an error in place of an object", func() transport {
		return answer(200, `{"error":{"message":"no `+secretKey+`"}}`)
	}, fail.Unavailable, "", 0},
	{"no JSON", func() transport { return answer(200, `Bearer `+secretKey+ansi) }, fail.Unavailable, "", 0},
	{"a field of another type", func() transport { return answer(200, `{"id":7,"object":8,"deleted":"no"}`) }, fail.Unavailable, "", 3},
	{"half an object", func() transport { return answer(200, `{"id":"fi`) }, fail.Unavailable, "", 0},
	{"an array in place of an object", func() transport { return answer(200, `[1,2,3]`) }, fail.Unavailable, "", 0},
	{"a web page", func() transport {
		return answer(200, `<html>sign in</html>`, "Content-Type", "text/html; charset=utf-8")
	}, fail.Incompatible, "base URL", 1},
	{"a web page for a 404", func() transport { return answer(404, `<html>nginx</html>`, "Content-Type", "text/html") }, fail.Incompatible, "base URL", 1},
	{"a redirect to another host", func() transport { return answer(301, ``, "Location", "https://u:p@evil.example/v1?k="+secretKey) }, fail.Incompatible, "https://[redacted]@evil.example/v1?k=[redacted]", 1},
	{"a redirect to a place that is none", func() transport { return answer(302, ``, "Location", "https://u:"+secretKey+"@evil"+ansi) }, fail.Incompatible, "redirects to \"https://[redacted]@evil", 1},
	{"a redirect without a place", func() transport { return answer(307, ``) }, fail.Incompatible, "redirects", 1},
	{"another protocol, and a body that nothing ends", func() transport {
		return func(r *http.Request) (*http.Response, error) {
			resp, err := answer(101, "")(r)
			resp.Body = io.NopCloser(readFunc(func([]byte) (int, error) { select {} }))
			return resp, err
		}
	}, fail.Incompatible, "101", 1},
	{"not modified", func() transport { return answer(304, ``) }, fail.Incompatible, "", 1},
	{"an endless object", func() transport { return body(200, &endlessText{text: `{"a":`}) }, fail.Unavailable, "", 0},
	{"an endless string", func() transport {
		return body(200, io.MultiReader(strings.NewReader(`{"id":"`), &endlessText{text: `x`}))
	}, fail.Unavailable, "longer than the longest", 1},
	{"endless space", func() transport { return body(200, &endlessText{text: " "}) }, fail.Unavailable, "longer than the longest", 1},
	{"an object with an endless tail", func() transport {
		return body(200, io.MultiReader(strings.NewReader(`{"id":"file-1","object":"list","data":[]}`), &endlessText{text: "\n"}))
	}, fail.Unavailable, "longer than the longest", 1},
	{"a body that trickles", func() transport { return body(200, trickle(30*time.Second)) }, fail.Unavailable, "not complete after 5m0s", 0},
	{"a body that stops", func() transport { return body(200, trickle(24*time.Hour)) }, fail.Unavailable, "no sign of life from the server for 1m0s", 0},
	{"a refusal that trickles", func() transport { return body(400, trickle(30*time.Second)) }, fail.Unavailable, "", 0},
	{"an endless refusal", func() transport {
		return body(400, io.MultiReader(strings.NewReader(`{"error":{"message":"`), &endlessText{text: "y"}))
	}, fail.Rejected, "400", 1},
	{"megabytes of reason with line feeds, escapes and the key", func() transport {
		return answer(400, `{"error":{"message":"`+strings.Repeat(`no \u001b[31m\r\n\u202e`+secretKey, 30_000)+`","code":"a\nb","type":"`+secretKey+`"}}`, "X-Request-Id", "r"+secretKey+strings.Repeat("x", 9000))
	}, fail.Rejected, `no \u001b[31m\r\n\u202e[redacted]`, 1},
	{"a page of reason with line feeds, escapes and the key", func() transport {
		return answer(400, `{"error":{"message":"`+strings.Repeat(`no \u001b[31m\r\n\u202e`+secretKey, 3_000)+`","code":"a\nb","type":"`+secretKey+`"}}`)
	}, fail.Rejected, `no \x1b[31m \u202e[redacted]no`, 1},
	{"the key in pieces of other shapes", func() transport {
		return answer(422, `{"detail":[{"loc":["body"],"msg":"bad `+secretKey+`"}]}`)
	}, fail.Rejected, "bad [redacted]", 1},
	{"an error that is a string", func() transport { return answer(400, `{"error":"`+secretKey+` is no good"}`) }, fail.Rejected, "[redacted] is no good", 1},
	{"plain text", func() transport { return answer(400, "bad\n"+secretKey+ansi, "Content-Type", "text/plain") }, fail.Rejected, `bad [redacted]\x1b[31mred`, 1},
	{"the password in the reason", func() transport { return answer(400, `{"error":{"message":"no `+secretPassword+`"}}`) }, fail.Rejected, "no [redacted]", 1},
	{"unauthorized", func() transport {
		return answer(401, `{"error":{"message":"Incorrect API key provided: `+secretKey+`."}}`)
	}, fail.Unauthorized, "provided: [redacted].", 1},
	{"forbidden", func() transport { return answer(403, `<html>`) }, fail.Unauthorized, "403", 1},
	{"no account", func() transport { return answer(402, `{}`) }, fail.Quota, "402", 1},
	{"a proxy that wants to know who asks", func() transport { return answer(407, `<html>`) }, fail.Unauthorized, "407", 1},
	{"an API that is gone", func() transport { return answer(410, `{}`) }, fail.Incompatible, "410", 1},
	{"a host that is not meant", func() transport { return answer(421, `{}`) }, fail.Incompatible, "421", 1},
	{"another version of HTTP", func() transport { return answer(426, `{}`) }, fail.Incompatible, "426", 1},
	{"headers that are too long", func() transport { return answer(431, `{}`) }, fail.Incompatible, "431", 1},
	{"a teapot", func() transport { return answer(418, `{}`) }, fail.Incompatible, "418", 1},
	{"a condition that was not asked for", func() transport { return answer(412, `{}`) }, fail.Incompatible, "412", 1},
	{"a URL that is too long", func() transport { return answer(414, `{}`) }, fail.Incompatible, "414", 1},
	{"something that is locked", func() transport { return answer(423, `{}`) }, fail.Unavailable, "423", 0},
	{"a request that came too early", func() transport { return answer(425, `{}`) }, fail.Unavailable, "425", 0},
	{"a web page for a 400", func() transport {
		return answer(400, `<html><title>400 The plain HTTP request was sent to HTTPS port`, "Content-Type", "text/html")
	}, fail.Incompatible, "base URL", 1},
	{"plain HTTP to a port of TLS", func() transport {
		return answer(400, "Client sent an HTTP request to an HTTPS server.\n", "Content-Type", "text/plain")
	}, fail.Incompatible, "HTTPS server", 1},
	{"a bill that is not paid", func() transport {
		return answer(400, `{"error":{"message":"Billing hard limit has been reached","code":"billing_hard_limit_reached"}}`)
	}, fail.Quota, "Billing", 1},
	{"an account that is not active", func() transport {
		return answer(429, `{"error":{"message":"Your account is not active","type":"billing_not_active","code":"billing_not_active"}}`)
	}, fail.Quota, "not active", 1},
	{"no quota, in words alone", func() transport {
		return answer(429, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details."}}`)
	}, fail.Quota, "quota", 1},
	{"a budget that is used up", func() transport {
		return answer(400, `{"error":{"message":"Budget has been exceeded! Current cost: 10.5, Max budget: 10.0","type":"budget_exceeded","code":"400"}}`)
	}, fail.Quota, "Budget", 1},
	{"a budget that is used up, in words alone", func() transport {
		return answer(400, `{"detail":"ExceededTokenBudget: Current spend for token: 7.2e-05; Max Budget for Token: 2e-07"}`)
	}, fail.Quota, "Budget", 1},
	{"a budget that is used up, as a limit of requests", func() transport {
		return answer(429, `{"error":{"message":"No deployments available - crossed budget: x","code":"429"}}`)
	}, fail.Quota, "budget", 1},
	{"a gateway that does not know the key", func() transport {
		return answer(400, `{"error":{"message":"Authentication Error, Invalid proxy server token passed","type":"auth_error","code":"400"}}`)
	}, fail.Unauthorized, "Authentication", 1},
	{"a gateway whose own key is wrong", func() transport {
		return answer(400, `{"error":{"message":"litellm.AuthenticationError: OpenAIException - Incorrect API key provided","code":"400"}}`)
	}, fail.Unauthorized, "Incorrect", 1},
	{"a gateway without its database", func() transport {
		return answer(400, `{"error":{"message":"No connected db.","type":"no_db_connection","code":"400"}}`)
	}, fail.Unavailable, "db", 0},
	{"a project that was archived", func() transport {
		return answer(400, `{"error":{"message":"The project you are requesting has been archived and is no longer accessible"}}`)
	}, fail.Unauthorized, "archived", 1},
	{"another region's host", func() transport {
		return answer(400, `{"error":{"message":"use eu.api.openai.com","code":"incorrect_hostname"}}`)
	}, fail.Incompatible, "eu.api", 1},
	{"a gateway that does not reach the service behind it", func() transport {
		return answer(400, `{"error":{"message":"litellm.APIError: OpenAIException - Connection error."}}`)
	}, fail.Unavailable, "Connection", 0},
	{"a gateway without a place for files", func() transport {
		return answer(400, `{"error":{"message":"files_settings is not set, set it on your config.yaml file."}}`)
	}, fail.Incompatible, "config.yaml", 1},
	{"another version of the API", func() transport {
		return answer(400, `{"error":{"message":"API version not supported","code":"BadRequest"}}`)
	}, fail.Incompatible, "version", 1},
	{"a purpose that is none", func() transport {
		return answer(400, `{"error":{"message":"'docs' is not one of ['assistants', 'user_data'] - 'purpose'"}}`)
	}, fail.Incompatible, "purpose", 1},
	{"a status of a proxy about its certificate", func() transport { return answer(495, `<html>`) }, fail.Incompatible, "495", 1},
	{"reasons of law", func() transport { return answer(451, ``) }, fail.Incompatible, "451", 1},
	{"a request that a proxy gave up", func() transport { return answer(499, ``) }, fail.Unavailable, "499", 0},
	{"an account that was closed", func() transport {
		return answer(429, `{"error":{"message":"Your access was terminated","type":"access_terminated"}}`)
	}, fail.Unauthorized, "terminated", 1},
	{"another organization than the key's", func() transport {
		return answer(400, `{"error":{"message":"OpenAI-Organization header should match organization for API key","code":"mismatched_organization"}}`)
	}, fail.Unauthorized, "match", 1},
	{"no such method", func() transport { return answer(405, ``) }, fail.Incompatible, "405", 1},
	{"not implemented", func() transport { return answer(501, ``) }, fail.Unavailable, "501", 0},
	{"no quota", func() transport { return answer(429, `{"error":{"code":"insufficient_quota"}}`) }, fail.Quota, "", 1},
	{"a full storage", func() transport {
		return answer(400, `{"error":{"message":"You have exceeded your file storage quota."}}`)
	}, fail.Quota, "", 1},
	{"a full store", func() transport {
		return answer(400, `{"error":{"message":"Vector store 'vs_1' cannot hold more than 10000 files."}}`)
	}, fail.StoreFull, "remove files", 1},
	{"an expired store", func() transport {
		return answer(400, `{"error":{"message":"Vector store with id 'vs_1' is expired."}}`)
	}, fail.StoreGone, "expired", 1},
	{"a store that was deleted", func() transport {
		return answer(400, `{"error":{"message":"Vector store vs_1 has been deleted."}}`)
	}, fail.StoreGone, "deleted", 1},
	{"a document that is called like a reason", func() transport {
		return answer(400, `{"error":{"message":"Invalid name: 'quota, vector store is full, expired, no such file.md'"}}`)
	}, fail.Rejected, "", 1},
	{"too many requests, for a day", func() transport { return answer(429, `{}`, "Retry-After", "86400") }, fail.RateLimited, "429", 1},
	{"too many requests, until a time beyond any", func() transport { return answer(429, `{}`, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT") }, fail.RateLimited, "429", 1},
	{"too many requests, for a time that is none", func() transport { return answer(429, `{}`, "Retry-After", "NaN", "Retry-After-Ms", "-Inf") }, fail.RateLimited, "429", 0},
	{"a server error", func() transport { return answer(500, `{"error":{"message":"`+secretKey+`"}}`) }, fail.Unavailable, "[redacted]", 0},
	{"a status that is none", func() transport { return answer(999, ansi) }, fail.Unavailable, "999", 0},
	{"a wrong certificate", func() transport {
		return func(*http.Request) (*http.Response, error) {
			return nil, &tls.CertificateVerificationError{Err: errors.New("unknown " + secretKey)}
		}
	}, fail.Incompatible, "unknown [redacted]", 1},
	{"plain HTTP in place of TLS", func() transport {
		return func(*http.Request) (*http.Response, error) { return nil, http.ErrSchemeMismatch }
	}, fail.Incompatible, "HTTP response to HTTPS", 1},
	{"something else in place of TLS", func() transport {
		return func(*http.Request) (*http.Response, error) { return nil, tls.RecordHeaderError{Msg: "no TLS"} }
	}, fail.Incompatible, "no TLS", 1},
	{"a server that asks for a certificate", func() transport {
		return func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}
		}
	}, fail.Incompatible, "certificate required", 1},
	{"a server with a fault in TLS", func() transport {
		return func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "remote error", Err: errors.New("tls: internal error")}
		}
	}, fail.Unavailable, "internal error", 0},
	{"a reply that is no HTTP", func() transport {
		return func(*http.Request) (*http.Response, error) {
			return nil, errors.New(`malformed HTTP response "SSH-2.0 ` + secretKey + `"`)
		}
	}, fail.Unavailable, `[redacted]"`, 3},
	{"a header that is none", func() transport {
		return func(*http.Request) (*http.Response, error) {
			return nil, textproto.ProtocolError("malformed MIME header line: Location: \x01" + secretKey)
		}
	}, fail.Unavailable, `Location: \x01[redacted]`, 3},
	{"a connection that is refused", func() transport {
		return func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
		}
	}, fail.Unavailable, "refused", 0},
	{"a transport that tells too much", func() transport {
		return func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("cannot send\n%v to %s%s", r.Header, r.URL, ansi)
		}
	}, fail.Unavailable, "cannot send map[", 0},
}

// long are the replies of which the most is read that is looked at for secrets.
var long = []string{
	"an endless refusal", "megabytes of reason with line feeds, escapes and the key", "a page of reason with line feeds, escapes and the key",
}

// spared reports whether an endpoint has no turn. The tables are long. With the race detector and
// with -short, one endpoint of each kind has a turn; otherwise every endpoint has.
func spared(name string) bool {
	return race.EnabledOrShort() && !slices.Contains([]string{"Store", "StoreFiles", "DeleteFile", "Upload"}, name)
}

func TestEveryEndpointSurvivesHostileReplies(t *testing.T) {
	for _, row := range hostile {
		t.Run(row.sentence, func(t *testing.T) {
			for _, e := range endpoints {
				if spared(e.name) || race.EnabledOrShort() && slices.Contains(long, row.sentence) && e.name != "Upload" {
					continue
				}
				if row.says == "longer than the longest" && e.name != "Store" && e.name != "StoreFiles" {
					continue // TestAnEndlessReplyIsReadInBounds reads to the limit of every endpoint
				}
				synctest.Test(t, func(t *testing.T) {
					calls, method := 0, ""
					answers := row.answer()
					c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
						calls++
						method = r.Method
						return answers(r)
					}))
					err := e.call(t.Context(), c)
					if err == nil {
						t.Fatalf("%s: no error", e.name)
					}
					row := row
					if f, ok := errors.AsType[*reply.Failure](err); ok && row.kind == fail.Rejected && method != http.MethodPost { //nolint:errorlint // of the table
						if f.Status == http.StatusBadRequest {
							row.tries = 6
						}
						if method == http.MethodGet {
							row.kind = fail.Incompatible // no document is to blame
						}
					}
					if row.kind != nil && !errors.Is(err, row.kind) {
						t.Errorf("%s: %v is not %v", e.name, err, row.kind)
					}
					if !strings.Contains(err.Error(), row.says) {
						t.Errorf("%s: %q does not say %q", e.name, err, row.says)
					}
					if row.tries > 0 && calls != row.tries {
						t.Errorf("%s: %d requests, want %d", e.name, calls, row.tries)
					}
					if row.tries == 0 && calls < 2 {
						t.Errorf("%s: it is not tried again", e.name)
					}
					checkShowable(t, err)
				})
			}
		})
	}
}

// checkShowable fails where an error of wire, or one within, cannot be shown.
func checkShowable(t *testing.T, err error) {
	t.Helper()
	var check func(error)
	check = func(err error) {
		texts := []string{err.Error(), fmt.Sprintf("%+v", err)}
		if f, ok := err.(*reply.Failure); ok { //nolint:errorlint // each by itself
			texts = append(texts, f.Reason, f.Message, f.Code, f.Type, f.RequestID)
		}
		if e, ok := err.(*openai.Error); ok { //nolint:errorlint // each by itself
			texts = append(texts, e.Message, e.Code, e.Type, e.Param, e.RawJSON())
			for _, dump := range [][]byte{e.DumpRequest(true), e.DumpResponse(true)} {
				if bytes.Contains(dump, []byte(secretKey)) || bytes.Contains(dump, []byte("horse")) || len(dump) > 4000 {
					t.Errorf("a dump shows %.5000q", dump)
				}
			}
		}
		for _, text := range texts {
			odd := func(r rune) bool { return !unicode.IsPrint(r) }
			if len(text) > 2000 || !utf8.ValidString(text) || strings.ContainsFunc(text, odd) || strings.Contains(text, secretKey) || strings.Contains(text, "horse") {
				t.Errorf("it shows %.3000q", text)
			}
		}
		switch w := err.(type) { //nolint:errorlint // each by itself
		case interface{ Unwrap() error }:
			if w.Unwrap() != nil {
				check(w.Unwrap())
			}
		case interface{ Unwrap() []error }:
			for _, err := range w.Unwrap() {
				check(err)
			}
		}
	}
	check(err)
}

func TestEveryEndpointTakesAGoodReply(t *testing.T) {
	for _, e := range endpoints {
		for how, reply := range map[string]transport{
			"plain":      answer(200, e.object),
			"odd type":   answer(200, e.object, "Content-Type", "text/html"),
			"with space": answer(201, " "+e.object+"\n"),
			"with more":  answer(200, strings.Replace(e.object, "{", `{"new":{"deep":[1,{"x":null}]},`, 1)),
			"with nulls": answer(200, strings.Replace(e.object, "{", `{"has_more":null,"last_id":null,"next_page":null,"last_error":null,"attributes":null,"bytes":null,`, 1)),
		} {
			if err := e.call(t.Context(), newClient(t, reply)); err != nil {
				t.Errorf("%s, %s: %v", e.name, how, err)
			}
		}
	}
}

func TestAnObjectWithoutAnIDThatCanBeUsedIsNone(t *testing.T) {
	for _, id := range []string{`""`, `"."`, `".."`, `"../../x"`, `"a/b"`, `"a?b"`, `"a#b"`, `"%2e%2e"`, `"a b"`, `"a\nb"`, `"é"`, `null`, `"` + strings.Repeat("x", 257) + `"`} {
		for _, e := range endpoints {
			if !strings.Contains(e.object, `"file-1"`) && !strings.Contains(e.object, `"vs`) {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				object := strings.NewReplacer(`"file-1"`, id, `"vs_1"`, id, `"vsfb_1"`, id).Replace(e.object)
				if err := e.call(t.Context(), newClient(t, answer(200, object))); !errors.Is(err, fail.Unavailable) {
					t.Errorf("%s takes %s: %v", e.name, object, err)
				}
			})
		}
	}
}

func TestAnIDThatHoldsASecretIsNeitherUsedNorShown(t *testing.T) {
	is := is.New(t)
	for _, id := range []string{secretKey, "file-" + secretKey, "file-" + base64.RawURLEncoding.EncodeToString([]byte(secretKey))} {
		for _, e := range endpoints {
			if e.name == "DeleteFile" || e.name == "Detach" || e.name == "Text" {
				continue // no id of theirs is read
			}
			good := strings.NewReplacer("file-1", id, "vs_1", id, "vsfb_1", id).Replace(e.object)
			synctest.Test(t, func(t *testing.T) {
				err := e.call(t.Context(), newClient(t, answer(200, good)))
				is.True(err != nil)
				is.True(!strings.Contains(err.Error(), id))
			})
		}
	}
}

func TestNoDocumentIsToBlameForAListingThatIsRefusedUntilTheTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, answer(400, `{}`), func(cfg *Config) { cfg.RetryTimeout = time.Second })
		if err := all(c.StoreFiles(t.Context())); !errors.Is(err, fail.Incompatible) || errors.Is(err, fail.Rejected) {
			t.Error(err)
		}
	})
}

func TestATimeInMillisecondsIsReadAsSeconds(t *testing.T) {
	for sent, want := range map[string]int64{
		"1700000000": 1_700_000_000, "1700000000123": 1_700_000_000, "1700000000123456789": 1_700_000_000, "-5": 0, "0": 0, "null": 0, "9223372036854775807": 9_223_372,
	} {
		is := is.New(t)
		c := newClient(t, answer(200, `{"id":"file-1","created_at":`+sent+`}`))
		f, err := c.File(t.Context(), "file-1")
		is.NoErr(err)
		is.Equal(f.CreatedAt, want)
		s, _, err := c.StoreFile(t.Context(), "file-1")
		is.NoErr(err)
		is.Equal(s.CreatedAt, want)
		c = newClient(t, answer(200, `{"object":"list","data":[{"id":"file-1","created_at":`+sent+`}]}`))
		for page, err := range c.Files(t.Context(), 1, nil) {
			is.NoErr(err)
			is.Equal(page[0].CreatedAt, want)
		}
	}
}

func TestAReplyAboutAnotherObjectIsNone(t *testing.T) {
	for _, e := range endpoints {
		switch e.name {
		case "Store", "File", "StoreFile", "UpdateStoreFile": // that about a batch is judged where batches are waited for
			err := e.call(t.Context(), newClient(t, answer(200, `{"id":"other-2","status":"completed"}`)))
			if !errors.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), `"other-2"`) {
				t.Errorf("%s: %v", e.name, err)
			}
			checkShowable(t, err)
		}
	}
}

func TestAnIDNeverLeadsARequestElsewhere(t *testing.T) {
	is := is.New(t)
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s %s is sent", r.Method, r.URL)
		return answer(200, `{"deleted":true}`)(r)
	}))
	for _, id := range []string{"", ".", "..", "../x", "a/../..", "?", "#", "%2e%2e", "a\r\nb"} {
		_, _, err := c.Detach(t.Context(), id)
		is.True(errors.Is(err, fail.Rejected))
		_, err = c.DeleteFile(t.Context(), id)
		is.True(errors.Is(err, fail.Rejected))
	}
}

// endlessLists are listings that do not end; n counts the requests from 0.
var endlessLists = []struct {
	sentence string
	page     func(n int) string
	says     string
	most     int // requests
}{
	{"the same page for ever", func(int) string { return `"data":[{"id":"file-1"}]` }, "comes back", 3},
	{"two pages by turns", func(n int) string { return fmt.Sprintf(`"data":[{"id":"file-%d"}]`, n%2) }, "comes back", 10},
	{"a circle of a hundred after a straight of a hundred", func(n int) string {
		if n >= 100 {
			n = 100 + n%100
		}
		return fmt.Sprintf(`"data":[{"id":"file-%d"}]`, n)
	}, "comes back", 1000},
	{"a page more for ever", func(n int) string { return fmt.Sprintf(`"data":[{"id":"file-%d"}]`, n) }, "not ended after 1112", 1_112},
	{"an empty page more for ever", func(n int) string { return fmt.Sprintf(`"data":[],"last_id":"file-%d"`, n) }, "not ended after 1001", 1_001},
	{"more, and no cursor to the next page", func(int) string { return `"data":[],"last_id":null` }, "no cursor", 1},
}

func TestAListingThatDoesNotEndIsAnError(t *testing.T) {
	for _, row := range endlessLists {
		for _, e := range endpoints {
			if !e.list || spared(e.name) {
				continue
			}
			t.Run(row.sentence+", "+e.name, func(t *testing.T) {
				n := -1
				c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
					n++
					return answer(200, `{"object":"list",`+row.page(n)+`,"has_more":true}`)(r)
				}))
				err := e.call(t.Context(), c)
				if !errors.Is(err, fail.Unavailable) || !strings.Contains(err.Error(), row.says) {
					t.Error(err)
				}
				if n+1 > row.most {
					t.Errorf("%d requests", n+1)
				}
			})
		}
	}
}

func TestATextThatIsTooLongIsNotTakenForAServiceThatFails(t *testing.T) {
	is := is.New(t)
	n, part := 0, `{"data":[{"text":"`+strings.Repeat("x", maxContentText/3)+`"}],"has_more":true,"next_page":"p`
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		n++
		return answer(200, part+fmt.Sprint(n)+`"}`)(r)
	}))
	_, err := c.Text(t.Context(), "file-1")
	is.True(errors.Is(err, fail.TooLarge))
	is.True(!errors.Is(err, fail.Unavailable))
	is.Equal(n, 3)
}

func TestTextThatDoesNotEndIsAnError(t *testing.T) {
	for sentence, page := range map[string]func(n int) string{
		"the same page for ever": func(int) string { return "p" },
		"two pages by turns":     func(n int) string { return fmt.Sprint("p", n%2) },
		"a page more for ever":   func(n int) string { return fmt.Sprint("p", n) },
	} {
		t.Run(sentence, func(t *testing.T) {
			is := is.New(t)
			n := 0
			c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
				n++
				return answer(200, fmt.Sprintf(`{"data":[{"text":"x"}],"has_more":true,"next_page":%q}`, page(n)))(r)
			}))
			_, err := c.Text(t.Context(), "file-1")
			is.True(errors.Is(err, fail.Unavailable))
			is.True(n <= sparePages+1)
		})
	}
}

func TestACircleOfPagesEndsWithTheCallersContext(t *testing.T) {
	is := is.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		if n++; n == 5 {
			cancel()
		}
		return answer(200, fmt.Sprintf(`{"object":"list","data":[{"id":"file-%d"}],"has_more":true}`, n))(r)
	}))
	is.True(errors.Is(all(c.StoreFiles(ctx)), context.Canceled))
	is.True(n <= 6)
}

// TestPagesOfTheLongestAttributesAreRead has a hundred store files or stores a page, each
// with 16 attributes (metadata) of 64 and 512 characters, each written in 12 bytes.
func TestPagesOfTheLongestAttributesAreRead(t *testing.T) {
	long := func(n, number int) string { return fmt.Sprintf("%02d", number) + strings.Repeat(`\ud83d\ude00`, n-2) }
	var attributes, rows []string
	for i := range 16 {
		attributes = append(attributes, `"`+long(64, i)+`":"`+long(512, i)+`"`)
	}
	for i := range 100 {
		rows = append(rows, fmt.Sprintf(`{"id":"%d","ATTRIBUTES":{%s}}`, i, strings.Join(attributes, ",")))
	}
	page := `{"object":"list","data":[` + strings.Join(rows, ",") + `]}`
	for _, e := range endpoints {
		if !e.list || e.name == "Files" || race.Enabled && e.name != "Stores" && e.name != "StoreFiles" {
			continue
		}
		name := "attributes"
		if e.name == "Stores" {
			name = "metadata"
		}
		if err := e.call(t.Context(), newClient(t, answer(200, strings.ReplaceAll(page, "ATTRIBUTES", name)))); err != nil {
			t.Errorf("%s: %v", e.name, err)
		}
	}
}

// TestAReplyTakesFewTimesTheMemoryOfAPage measures the heap that replies take which are as
// long as they may be, and whose values take more room in memory than in JSON.
func TestAReplyTakesFewTimesTheMemoryOfAPage(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads some hundred megabytes")
	}
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, `"%x":0,`, i)
	}
	for sentence, row := range map[string]string{
		"objects of a few bytes":  `{"id":"a"},`,
		"one attribute each":      `{"id":"a","attributes":{"a":0}},`,
		"many attributes each":    `{"id":"a","attributes":{` + many.String() + `"z":0}},`,
		"a list for an attribute": `{"id":"a","attributes":{"a":[` + strings.Repeat("{},", 30_000) + `0]}},`,
		"an object without end":   `{"id":"a","x":[` + strings.Repeat("[],", 1<<20),
		"an id without end":       `{"id":"` + strings.Repeat("a", 4<<20),
		"space without end":       strings.Repeat(" ", 4<<20),
		"a field without end":     `],"x":"` + strings.Repeat("a", 4<<20),
		"fields without end":      `],` + strings.Repeat(`"a":0,`, 1<<20),
		"the same field for ever": `{"id":"a"}],` + strings.Repeat(`"data":[`+strings.Repeat(`{"id":"a"},`, 1000)+`{"id":"a"}],`, 1000),
	} {
		for _, e := range endpoints {
			if e.name != "Files" && e.name != "StoreFiles" || race.Enabled && (e.name == "Files" || len(row) > 100) {
				continue // many small objects alone, with the race detector
			}
			var before, after, peak runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			reads := 0
			text := &endlessText{text: row}
			c := newClient(t, body(200, io.MultiReader(strings.NewReader(`{"object":"list","data":[`), readFunc(func(p []byte) (int, error) {
				if reads++; reads%500 == 0 {
					runtime.GC() // of the memory that is held, not of the bytes that were read
					if runtime.ReadMemStats(&after); after.HeapAlloc > peak.HeapAlloc {
						peak = after
					}
				}
				return text.Read(p[:min(len(p), 32<<10)])
			}))), func(cfg *Config) { cfg.RetryTimeout = time.Nanosecond })
			if err := e.call(t.Context(), c); !errors.Is(err, fail.Unavailable) {
				t.Errorf("%s, %s: %v", sentence, e.name, err)
			}
			if peak.HeapAlloc > before.HeapAlloc+80<<20 {
				t.Errorf("%s, %s: %d MB", sentence, e.name, (peak.HeapAlloc-before.HeapAlloc)>>20)
			}
		}
	}
}

func TestAHitOfManyPartsIsHeldAsOneTextAndBounded(t *testing.T) {
	is := is.New(t)
	hit := func(parts string) string {
		return `{"object":"page","data":[{"file_id":"file-1","content":[` + parts + `]}]}`
	}
	hits, err := newClient(t, answer(200, hit(`{"text":"\na"},{"text":""},{},{"text":"b\n"}`+strings.Repeat(`,{}`, 100_000)))).Search(t.Context(), Query{Text: "x"})
	is.NoErr(err)
	is.Equal(hits[0].Content, []textPart{{"\na\nb\n"}})
	_, err = newClient(t, answer(200, hit(strings.Repeat(`{},`, 1_000_000)+`{}`))).Search(t.Context(), Query{Text: "x"})
	is.True(errors.Is(err, fail.Unavailable))
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// TestAnEndlessReplyIsReadInBounds counts the bytes that are read, and the heap, of
// replies that amplify: many small objects in few bytes.
func TestAnEndlessReplyIsReadInBounds(t *testing.T) {
	for _, e := range endpoints {
		if spared(e.name) && e.name != "Text" { // the longest reply
			continue
		}
		text := &endlessText{text: `{"id":"a","text":"","file_id":"a"},`}
		start := `{"object":"list","data":[`
		if !e.list {
			start = `{"id":"file-1","attributes":{"a":0},"content":[`
		}
		c := newClient(t, body(200, io.MultiReader(strings.NewReader(start), text)), func(cfg *Config) { cfg.RetryTimeout = time.Nanosecond })
		err := e.call(t.Context(), c)
		if !errors.Is(err, fail.Unavailable) {
			t.Errorf("%s: %v", e.name, err)
		}
		if n := text.read.Load(); n > maxContent+1<<20 {
			t.Errorf("%s reads %d bytes", e.name, n)
		}
	}
}

func TestAnUploadThatIsAnsweredWithNonsenseIsRepeatedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		n := 0
		c := newClient(t, transport(func(r *http.Request) (*http.Response, error) { n++; return answer(200, `{}`)(r) }))
		err := endpoints[len(endpoints)-1].call(t.Context(), c)
		f, ok := errors.AsType[*reply.Failure](err)
		is.True(ok && f.Unknown)
		is.Equal(n, 3)
	})
}

func TestAFailureTellsWhetherARequestMayHaveBeenCarriedOut(t *testing.T) {
	for sentence, row := range map[string]struct {
		reply   transport
		unknown bool
	}{
		"no connection": {func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
		}, false},
		"a connection that broke": {func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }, true},
		"a wrong certificate": {func(*http.Request) (*http.Response, error) {
			return nil, &tls.CertificateVerificationError{Err: errors.New("x")}
		}, false},
		"a refusal":         {answer(400, `{}`), false},
		"too many requests": {answer(429, `{}`), false},
		"a redirect":        {answer(302, ``), false},
		"a server error":    {answer(503, `{}`), true},
		"a time-out":        {answer(408, `{}`), true},
		"a reply cut off":   {answer(200, `{"id":`), true},
		"a reply too long":  {body(200, &endlessText{text: " "}), true},
		"a web page":        {answer(200, `<p>`, "Content-Type", "text/html"), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := endpoints[len(endpoints)-1].call(t.Context(), newClient(t, row.reply))
				if f, ok := errors.AsType[*reply.Failure](err); !ok || f.Unknown != row.unknown {
					t.Errorf("%+v", err)
				}
			})
		})
	}
}

func TestACallThatIsGivenUpDuringARequestIsUnknown(t *testing.T) {
	is := is.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		cancel()
		return nil, r.Context().Err()
	}))
	err := last2(c.CreateStoreFile(ctx, attachCall()))
	f, ok := errors.AsType[*reply.Failure](err)
	is.True(ok && f.Unknown)
	err = last2(c.CreateStoreFile(ctx, attachCall())) // never sent
	f, ok = errors.AsType[*reply.Failure](err)
	is.True(ok && !f.Unknown)
}

// A transport may be still at the content when the reply is there, and the call has ended.
func TestAnUploadReadsNothingOnceItHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		var reads, closes atomic.Int64
		r := readFunc(func(p []byte) (int, error) {
			time.Sleep(time.Second)
			reads.Add(1)
			return copy(p, "text"), nil
		})
		end := make(chan struct{})
		c := newClient(t, early(func(r *http.Request) (*http.Response, error) {
			go func() {
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
				close(end)
			}()
			time.Sleep(2500 * time.Millisecond)
			return answer(413, `{}`)(r)
		}))
		_, err := c.Upload(t.Context(), Upload{Name: "a.md", ContentType: "text/markdown", Size: 1 << 30, Open: func(context.Context) (io.ReadCloser, error) {
			return struct {
				io.Reader
				io.Closer
			}{r, closeFunc(func() error { closes.Add(1); return nil })}, nil
		}})
		is.True(errors.Is(err, fail.TooLarge))
		is.Equal(reads.Load(), int64(3)) // the one under way was waited for
		is.Equal(closes.Load(), int64(1))
		<-end
		is.Equal(reads.Load(), int64(3))
		is.Equal(closes.Load(), int64(1))
	})
}

// stuckContent are the ways in which content may hang.
var stuckContent = map[string]struct {
	open func(ctx context.Context, closed chan struct{}) (io.ReadCloser, error)
	says string
}{
	"it does not open": {func(ctx context.Context, _ chan struct{}) (io.ReadCloser, error) {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}, "it gave no bytes for 1m0s"},
	"a read does not return": {func(_ context.Context, closed chan struct{}) (io.ReadCloser, error) {
		return hung{readFunc(func([]byte) (int, error) { <-closed; return 0, io.ErrClosedPipe }), closed}, nil
	}, "it gave no bytes for 1m0s"},
	"it trickles": {func(_ context.Context, closed chan struct{}) (io.ReadCloser, error) {
		return hung{trickle(30 * time.Second), closed}, nil
	}, "reading it took longer than 6m4s"},
}

// hung is content that tells when it is closed.
type hung struct {
	io.Reader
	closed chan struct{}
}

func (h hung) Close() error { close(h.closed); return nil }

// The service is not to blame, and is asked no more often for it.
func TestContentThatHangsCannotBeReadAndIsNotOpenedAgain(t *testing.T) {
	for sentence, row := range stuckContent {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				closed, opened := make(chan struct{}), 0
				c := newClient(t, early(func(r *http.Request) (*http.Response, error) {
					go func() { _, _ = io.Copy(io.Discard, r.Body) }()
					<-r.Context().Done()
					return nil, r.Context().Err()
				}))
				_, err := c.Upload(t.Context(), Upload{Name: "a.md", ContentType: "text/markdown", Size: 1 << 20, Open: func(ctx context.Context) (io.ReadCloser, error) {
					opened++
					return row.open(ctx, closed)
				}})
				is.True(errors.Is(err, fail.Content))
				is.True(!errors.Is(err, fail.Unavailable))
				is.True(strings.Contains(err.Error(), row.says))
				is.Equal(opened, 1)
				if sentence != "it does not open" {
					<-closed
				}
				time.Sleep(time.Minute) // the last read ends
			})
		})
	}
}

func TestAServerThatTakesNothingIsToBlameHoweverSlowTheContentWasBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		opened := 0
		c := newClient(t, early(func(r *http.Request) (*http.Response, error) {
			_, _ = r.Body.Read(make([]byte, 1000)) // the head of the form
			_, _ = r.Body.Read(make([]byte, 1000))
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		_, err := c.Upload(t.Context(), Upload{Name: "a.md", ContentType: "text/markdown", Size: 9, Open: func(context.Context) (io.ReadCloser, error) {
			opened++
			time.Sleep(50 * time.Second)
			return io.NopCloser(trickle(50 * time.Second)), nil
		}})
		is.True(errors.Is(err, fail.Unavailable))
		is.True(strings.Contains(err.Error(), "no sign of life from the server for 1m0s"))
		is.True(opened > 1)
	})
}

// early is a transport that answers before it has read the body.
type early func(*http.Request) (*http.Response, error)

func (t early) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

type closeFunc func() error

func (f closeFunc) Close() error { return f() }

func TestARefusalOfAListingIsNoDocumentsFault(t *testing.T) {
	for status, message := range map[int]string{413: "", 400: "limit 10000 is too large", 415: ""} {
		err := all(newClient(t, answer(status, `{"error":{"message":"`+message+`"}}`)).StoreFiles(t.Context()))
		if !errors.Is(err, fail.Incompatible) {
			t.Error(err)
		}
	}
}

// A local server takes any key, so that people give it one of a few characters.
func TestAKeyOfAFewCharactersChangesNoVerdict(t *testing.T) {
	for _, key := range []string{"x", "a", "e", "d", "no", "file", "vs", "1", "not", "quota"} {
		short := func(cfg *Config) { cfg.APIKey = key }
		for _, row := range []struct {
			status        int
			code, message string
			kind          error
		}{
			{400, "", "Vector store 'vs_1' cannot hold more than 10000 files.", fail.StoreFull},
			{400, "", "Vector store with id 'vs_1' is expired.", fail.StoreGone},
			{400, "", "You have exceeded your file storage quota.", fail.Quota},
			{429, "insufficient_quota", "", fail.Quota},
			{400, "", "File file-1 not found in vector store vs_1", fail.NotFound},
		} {
			c := newClient(t, answer(row.status, fmt.Sprintf(`{"error":{"message":%q,"code":%q}}`, row.message, row.code)), short)
			if err := last2(c.CreateStoreFile(t.Context(), attachCall())); !errors.Is(err, row.kind) {
				t.Errorf("key %q: %v is not %v", key, err, row.kind)
			}
		}
		for _, status := range []Status{InProgress, Completed, Failed, Cancelled} {
			c := newClient(t, answer(200, fmt.Sprintf(`{"id":"file-1","status":%q,"last_error":{"code":"unsupported_file","message":"no"}}`, status)), short)
			s, _, err := c.StoreFile(t.Context(), "file-1")
			if err != nil || s.Status != status || s.LastError.Passing() {
				t.Errorf("key %q: %+v, %v", key, s, err)
			}
		}
		if _, err := newClient(t, answer(200, `{"id":"vs_1","status":"expired"}`), short).Store(t.Context()); !errors.Is(err, fail.StoreGone) {
			t.Errorf("key %q: %v is not %v", key, err, fail.StoreGone)
		}
	}
}
