package vsclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// refusals are replies of the API to every request, and the error that each makes.
var refusals = []struct {
	sentence string
	status   int
	body     string
	kind     error
	class    vsclient.Class
	again    bool // it is tried again
}{
	{"a wrong key", 401, `{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","code":"invalid_api_key"}}`, vsclient.ErrUnauthorized, vsclient.Fatal, false},
	{"no permission", 403, `{"error":{"message":"You have insufficient permissions.","type":"invalid_request_error","code":null}}`, vsclient.ErrUnauthorized, vsclient.Fatal, false},
	{"an organization that is disabled", 400, `{"error":{"message":"The organization is disabled.","type":"invalid_request_error","code":"organization_disabled"}}`, nil, vsclient.Fatal, false},
	{"a region that is not served", 403, `{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden","code":"unsupported_country_region_territory"}}`, vsclient.ErrUnauthorized, vsclient.Fatal, false},
	{"no quota, by code", 429, `{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","code":"insufficient_quota"}}`, vsclient.ErrQuota, vsclient.Fatal, false},
	{"no quota, by type", 429, `{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","code":null}}`, vsclient.ErrQuota, vsclient.Fatal, false},
	{"too many requests", 429, `{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}`, vsclient.ErrRateLimited, vsclient.Transient, true},
	{"a timeout of theirs", 408, `{"error":{"message":"Timed out."}}`, vsclient.ErrUnavailable, vsclient.Transient, true},
	{"a conflict of theirs", 409, `{"error":{"message":"Another request is under way."}}`, vsclient.ErrUnavailable, vsclient.Transient, true},
	{"a fault of theirs", 500, `{"error":{"message":"The server had an error."}}`, vsclient.ErrUnavailable, vsclient.Transient, true},
	{"a proxy's page", 502, `<html>Bad gateway</html>`, vsclient.ErrUnavailable, vsclient.Transient, true},
	{"overload", 503, ``, vsclient.ErrUnavailable, vsclient.Transient, true},
	{"a redirect", 307, ``, vsclient.ErrIncompatible, vsclient.Fatal, false},
	{"a page that is no API", 404, `<html>Not found</html>`, vsclient.ErrIncompatible, vsclient.Fatal, false},
	{"a page in place of a reply", 200, `<html>Welcome</html>`, vsclient.ErrIncompatible, vsclient.Fatal, false},
}

func TestARefusalHasItsKindItsClassAndOpenAIsOwnWords(t *testing.T) {
	for _, row := range refusals {
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				n := 0
				c := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = 30 * time.Second }, over(func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
					n++
					resp, err := replies(row.status, row.body)(r)
					if strings.HasPrefix(row.body, "<html>") {
						resp.Header.Set("Content-Type", "text/html")
					}
					return resp, err
				}))
				_, err := c.Put(t.Context(), doc("a.md", "text"))
				is.True(err != nil)
				if row.kind != nil && !errors.Is(err, row.kind) {
					t.Errorf("%v is not %v", err, row.kind)
				}
				if got := vsclient.ClassOf(err); got != row.class {
					t.Errorf("%v is %v, not %v", err, got, row.class)
				}
				is.Equal(strings.Count(err.Error(), "vsclient: put \"a.md\": "), 1)
				is.Equal(strings.Count(err.Error(), `"a.md"`), 1)
				is.True(!strings.ContainsAny(err.Error(), "\r\n"))
				var e *vsclient.Error
				is.True(errors.As(err, &e))
				is.Equal(e.Op, "put")
				is.Equal(e.Key, "a.md")
				if row.again {
					is.True(e.Tries > 3)
					is.True(errors.Is(err, vsclient.ErrTimeout)) // giving up is told as well as the last cause
				}
				var api *vsclient.APIError
				is.True(errors.As(err, &api))
				is.Equal(api.Status, row.status)
				is.Equal(api.RequestID, "req_1")
			})
		})
	}
}

func TestAnErrorTellsHowLongTheServerAskedToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		w.Strike(http.MethodPost, pathFiles, openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: 429, Code: "rate_limit_exceeded", Message: "Slow\ndown.", RetryAfter: seconds(20)})
		_, err := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = time.Minute }).Put(t.Context(), doc("a.md", "text"))
		var e *vsclient.Error
		is.True(errors.As(err, &e))
		is.Equal(e.RetryAfter, 20*time.Second)
		var api *vsclient.APIError
		is.True(errors.As(err, &api))
		is.Equal(api.Code, "rate_limit_exceeded")
		is.True(!strings.Contains(api.Message, "\n")) // one line
	})
}

func TestTheWordsOfADocumentAreNoReasonAndThoseOfAServerBehindAGatewayAre(t *testing.T) {
	rejected, fatal := vsclient.ErrRejected, vsclient.Fatal
	for message, row := range map[string]struct {
		d     vsclient.Document
		kind  error
		class vsclient.Class
	}{
		"File ID (unknown.md) could not be processed: it is damaged.":                                {doc("unknown.md", "x"), rejected, vsclient.BadDocument},
		"Invalid attributes for file 'ID': the value 'not found' of 'author' is not allowed.":        {with(doc("a.md", "x"), vsclient.Attributes{"author": "not found"}), rejected, vsclient.BadDocument},
		"Attribute state of file ID: unknown file not found":                                         {with(doc("a.md", "x"), vsclient.Attributes{"state": "unknown file not found"}), rejected, vsclient.BadDocument},
		"Too many attributes: {'quota': 5, 'storage limit': 'x'}":                                    {with(doc("a.md", "x"), vsclient.Attributes{"quota": 5}), rejected, vsclient.BadDocument},
		"Unexpected attribute 'purpose'":                                                             {with(doc("a.md", "x"), vsclient.Attributes{"purpose": "x"}), rejected, vsclient.BadDocument},
		"Cannot read docs_the storage quota of us all-2efd63ef.md: it is damaged.":                   {doc("docs/the storage quota of us all.md", "x"), rejected, vsclient.BadDocument},
		"Error: your organization has exceeded its storage limit while indexing docs_a-5231f8a1.pdf": {doc("docs/a.pdf", "x"), vsclient.ErrQuota, fatal},
		"Invalid attributes: {'detail': 'our quota is too small f...ey': 'a.md'}":                    {with(doc("a.md", "x"), vsclient.Attributes{"detail": "our quota is too small for all"}), rejected, vsclient.BadDocument},
		"Error code: 400 - {'error': {'message': 'Vector store vs_1 has been deleted.'}}":            {with(doc("a.md", "x"), vsclient.Attributes{"message": "y"}), vsclient.ErrStoreGone, fatal},
		"Project storage limit exceeded.":                                                            {with(doc("a.md", "x"), vsclient.Attributes{"error": "storage limit exceeded"}), vsclient.ErrQuota, fatal},
		"Error code: 400 - {'error': {'message': 'Vector store vs_1 has expired.', 'code': None}}":   {doc("a.md", "x"), vsclient.ErrStoreGone, fatal},
		"Error code: 400 - {'error': {'message': 'x', 'type': 'insufficient_quota'}}":                {doc("a.md", "x"), vsclient.ErrQuota, fatal},
	} {
		t.Run(message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					if r.Method != http.MethodPost || !strings.Contains(r.URL.Path, "/vector_stores/") {
						return next.RoundTrip(r)
					}
					var sent struct {
						FileID string `json:"file_id"`
					}
					if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
						return nil, err
					}
					return replies(400, `{"error":{"message":"`+strings.ReplaceAll(message, "ID", sent.FileID)+`"}}`)(r)
				}))
				_, err := c.Put(t.Context(), row.d)
				is.True(errors.Is(err, row.kind))
				is.Equal(vsclient.ClassOf(err), row.class)
				is.Equal(len(w.Times(filesCreate)), 1) // nothing would be better with another File
			})
		})
	}
}

func TestAStorageQuotaThatIsFullIsNotTriedAgainAndIsNobodysDocumentsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{StorageQuota: 10})
		_, err := w.Client().Put(t.Context(), doc("a.md", "more than ten bytes"))
		is.True(errors.Is(err, vsclient.ErrQuota))
		is.Equal(vsclient.ClassOf(err), vsclient.Fatal)
		is.Equal(len(w.Times(filesCreate)), 1)
	})
}

func TestAStoreThatTakesNoMoreFilesIsNobodysDocumentsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Quirks: openaitest.Quirks{StoreFilesMax: 3}})
		full := 0
		for _, r := range w.Client().Apply(t.Context(), many("d", 5), nil) {
			if r.Err != nil {
				full++
				is.True(errors.Is(r.Err, vsclient.ErrStoreFull))
				is.Equal(vsclient.ClassOf(r.Err), vsclient.Fatal)
			}
		}
		is.True(full >= 2)
		time.Sleep(time.Minute)
		is.Equal(w.Files(), 5-full)
	})
}

// The store is deleted while the version is uploaded, attached, or indexed.
func TestAStoreThatIsDeletedWhileADocumentIsReplacedIsToldSoonAndNothingIsUploadedAgain(t *testing.T) {
	for _, after := range []time.Duration{time.Second, 3 * time.Second, time.Minute} {
		t.Run(after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Latency: 2 * time.Second, IndexTime: 5 * time.Minute})
				c := w.Client(func(cfg *vsclient.Config) { cfg.IndexTimeout = 30 * time.Minute })
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
				files, uploads := w.Files(), len(w.Times(filesCreate))
				time.AfterFunc(after, func() { w.Request(http.MethodDelete, "/vector_stores/"+w.Store, "") })
				began := time.Now()
				_, err := c.Put(t.Context(), doc("a.md", "two"))
				is.True(errors.Is(err, vsclient.ErrStoreGone))
				is.True(time.Since(began) < after+2*time.Minute)
				is.Equal(len(w.Times(filesCreate)), uploads+1)
				time.Sleep(time.Hour)
				is.Equal(w.Files(), files) // the older version's is left: a store that is gone proves nothing
			})
		})
	}
}

func TestACallersOwnStopIsAClassOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		reason := errors.New("the pipeline stops")
		for sentence, end := range map[string]func() (context.Context, error){
			"canceled": func() (context.Context, error) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(10*time.Millisecond, cancel)
				return ctx, context.Canceled
			},
			"timed out": func() (context.Context, error) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
				t.Cleanup(cancel)
				return ctx, context.DeadlineExceeded
			},
			"canceled for a reason": func() (context.Context, error) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(10*time.Millisecond, func() { cancel(reason) })
				return ctx, reason
			},
			"over before it began": func() (context.Context, error) {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				return ctx, context.Canceled
			},
		} {
			ctx, cause := end()
			_, err := c.Put(ctx, doc("a.md", sentence))
			if !errors.Is(err, cause) || vsclient.ClassOf(err) != vsclient.Stopped {
				t.Errorf("%s: %v, which is %v", sentence, err, vsclient.ClassOf(err))
			}
		}
		is.NoErr(c.Close())
		_, err := c.Put(t.Context(), doc("a.md", "text"))
		is.True(errors.Is(err, vsclient.ErrClosed))
		is.Equal(vsclient.ClassOf(err), vsclient.Stopped)
	})
}

// Every kind has one class, also when it is wrapped, joined or told by a fault of
// the context of a request.
func TestEachKindHasExactlyOneClass(t *testing.T) {
	classes := map[vsclient.Class][]error{
		vsclient.BadDocument: {
			vsclient.ErrNotFound, vsclient.ErrInvalidKey, vsclient.ErrInvalidAttributes, vsclient.ErrInvalidChunking, vsclient.ErrContent, vsclient.ErrEmpty,
			vsclient.ErrTooLarge, vsclient.ErrUnsupportedType, vsclient.ErrConflict, vsclient.ErrIndexing, vsclient.ErrRejected,
		},
		vsclient.Transient: {vsclient.ErrRateLimited, vsclient.ErrUnavailable, vsclient.ErrTimeout},
		vsclient.Fatal:     {vsclient.ErrUnauthorized, vsclient.ErrQuota, vsclient.ErrStoreGone, vsclient.ErrStoreFull, vsclient.ErrIncompatible},
		vsclient.Stopped:   {vsclient.ErrClosed, context.Canceled, context.DeadlineExceeded},
	}
	is := is.New(t)
	var all []error
	for class, kinds := range classes {
		for _, kind := range kinds {
			all = append(all, kind)
			for _, err := range []error{kind, fmt.Errorf("wrapped: %w", kind), errors.Join(errors.New("another"), kind), fmt.Errorf("twice: %w", fmt.Errorf("wrapped: %w", kind))} {
				if got := vsclient.ClassOf(err); got != class {
					t.Errorf("%v is %v, not %v", err, got, class)
				}
			}
		}
	}
	for i, a := range all {
		for k, b := range all {
			is.Equal(errors.Is(a, b), i == k) // no kind is another
		}
	}
	is.Equal(vsclient.ClassOf(nil), vsclient.Class(0))
	is.Equal(vsclient.ClassOf(errors.New("of unknown origin")), vsclient.Fatal)
}
