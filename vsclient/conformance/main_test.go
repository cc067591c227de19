package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

var loadRules = sync.OnceValues(func() (*rules, error) {
	document, err := os.ReadFile(os.Getenv("SPEC"))
	if err != nil {
		return nil, err
	}
	return newRules(document)
})

// specRules returns the rules of OpenAI's OpenAPI document, which is not part of the
// repository.
func specRules(t *testing.T) *rules {
	if os.Getenv("SPEC") == "" {
		t.Skip("SPEC does not name OpenAI's OpenAPI document")
	}
	r, err := loadRules()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func record(t *testing.T, name string, exchanges ...openaitest.Exchange) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, e := range exchanges {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var jsonHeader = http.Header{"Content-Type": {"application/json"}}

const store = "/v1/vector_stores/vs_1"

func exchange(method, path, endpoint, body string, status int, reply string) openaitest.Exchange {
	e := openaitest.Exchange{Method: method, URL: path, Endpoint: method + " " + endpoint, Status: status, ReplyHeader: jsonHeader, ReplyBody: []byte(reply)}
	if body != "" {
		e.RequestHeader, e.RequestBody = jsonHeader, []byte(body)
	}
	return e
}

func TestViolationsAreFound(t *testing.T) {
	r := specRules(t)
	const (
		storeFile = `{"id":"file-1","object":"vector_store.file","usage_bytes":1,"created_at":1,"vector_store_id":"vs_1","status":"completed","last_error":null,"attributes":{}}`
		deleted   = `{"id":"file-1","object":"file","deleted":true}`
		refusal   = `{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}`
		files     = "/vector_stores/{vector_store_id}/files"
		search    = "/vector_stores/{vector_store_id}/search"
		found     = `{"object":"vector_store.search_results.page","search_query":["x"],"data":[],"has_more":false,"next_page":null}`
	)
	for _, tt := range []struct {
		name string
		e    openaitest.Exchange
		file string // of the record; empty: of a suite that sends no wrong requests
		want string // in the report; empty: the exchange conforms
	}{
		{name: "a right exchange", e: exchange("POST", store+"/files", files, `{"file_id":"file-1"}`, 200, storeFile)},
		{name: "a reply with a wrong type", e: exchange("POST", store+"/files", files, `{"file_id":"file-1"}`, 200, strings.Replace(storeFile, `"usage_bytes":1`, `"usage_bytes":"1"`, 1)), want: "usage_bytes"},
		{name: "a reply with a wrong value", e: exchange("POST", store+"/files", files, `{"file_id":"file-1"}`, 200, strings.Replace(storeFile, "completed", "done", 1)), want: "status"},
		{name: "a reply without a field", e: exchange("DELETE", "/v1/files/file-1", "/files/{file_id}", "", 200, `{"id":"file-1","object":"file"}`), want: "deleted"},
		{name: "a reply with an undeclared field", e: exchange("DELETE", "/v1/files/file-1", "/files/{file_id}", "", 200, strings.Replace(deleted, `"id"`, `"uid":1,"id"`, 1)), want: "uid"},
		{name: "an error without its members", e: exchange("DELETE", "/v1/files/file-1", "/files/{file_id}", "", 404, `{"error":"no"}`), want: "error"},
		{name: "an error of a path that the document does not describe", e: exchange("GET", "/v1/models", "/models", "", 501, refusal)},
		{name: "an undeclared parameter", e: exchange("GET", store+"/files?sort=1", files, "", 200, `{"object":"list","data":[],"first_id":"","last_id":"","has_more":false}`), want: `"sort" is not declared`},
		{name: "a parameter that is no number", e: exchange("GET", store+"/files?limit=x", files, "", 400, refusal), want: "limit"},
		{name: "a refused request with an unknown field", e: exchange("POST", store+"/files", files, `{"file_id":"file-1","id":1}`, 400, refusal), want: "id"},
		{name: "the same, sent deliberately", e: exchange("POST", store+"/files", files, `{"file_id":"file-1","id":1}`, 400, refusal), file: "openaitest.test-1.jsonl"},
		{name: "the same, sent deliberately and not refused", e: exchange("POST", store+"/files", files, `{"file_id":"file-1","id":1}`, 200, storeFile), file: "openaitest.test-1.jsonl", want: "id"},
		{name: "an attribute that is too long", e: exchange("POST", store+"/files", files, `{"file_id":"file-1","attributes":{"a":"`+strings.Repeat("x", 513)+`"}}`, 200, storeFile), want: "maxLength"},
		{name: "nested filters", e: exchange("POST", store+"/search", search, `{"query":"x","filters":{"type":"and","filters":[{"type":"or","filters":[{"type":"eq","key":"a","value":1}]}]}}`, 200, found)},
		{name: "a wrong filter in nested filters", e: exchange("POST", store+"/search", search, `{"query":"x","filters":{"type":"and","filters":[{"type":"or","filters":[{"type":"like","key":"a","value":1}]}]}}`, 200, found), want: "filters"},
		{name: "a policy that is null", e: exchange("POST", store, "/vector_stores/{vector_store_id}", `{"expires_after":null}`, 404, refusal)},
		{name: "a policy that is wrong", e: exchange("POST", store, "/vector_stores/{vector_store_id}", `{"expires_after":{"anchor":"x","days":1}}`, 404, refusal), want: "expires_after"},
		{name: "an exception that is not excused elsewhere", e: exchange("GET", "/v1/files/file-1", "/files/{file_id}", "", 200, `{"id":"file-1","object":"file","bytes":1,"created_at":1,"filename":"a","purpose":"answers","status":"processed"}`), want: "purpose"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			file := tt.file
			if file == "" {
				file = "vsclient.test-1.jsonl"
			}
			err := checkRecords(r, []string{record(t, file, tt.e)}, "openaitest.test", false, &out)
			if tt.want == "" && err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
			_, violations, _ := strings.Cut(out.String(), "VIOLATION")
			if tt.want != "" && (err == nil || !strings.Contains(violations, tt.want)) {
				t.Errorf("%v, want a violation with %q in\n%s", err, tt.want, out.String())
			}
		})
	}
}

func TestARecordProvesSomething(t *testing.T) {
	r := specRules(t)
	var out bytes.Buffer
	if err := checkRecords(r, []string{record(t, "empty.jsonl")}, "-", false, &out); err == nil {
		t.Error("an empty record passed")
	}
	one := exchange("DELETE", "/v1/files/file-1", "/files/{file_id}", "", 200, `{"id":"file-1","object":"file","deleted":true}`)
	if err := checkRecords(r, []string{record(t, "a.jsonl", one)}, "-", true, &out); err == nil || !strings.Contains(err.Error(), "never answered") {
		t.Errorf("one exchange passed for the whole: %v", err)
	}
}

func TestARepeatedExchangeCountsWithoutBeingWrittenAgain(t *testing.T) {
	r := specRules(t)
	one := exchange("DELETE", "/v1/files/file-1", "/files/{file_id}", "", 200, `{"id":"file-1","object":"file","deleted":true}`)
	var out bytes.Buffer
	err := checkRecords(r, []string{record(t, "a.jsonl", one, openaitest.Exchange{Again: 1}, openaitest.Exchange{Again: 2})}, "-", false, &out)
	if err != nil || !strings.Contains(out.String(), "3 exchanges, 1 of them different") || !strings.Contains(out.String(), "3  DELETE /files/{file_id}") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := checkRecords(r, []string{record(t, "a.jsonl", openaitest.Exchange{Again: 1})}, "-", false, &out); err == nil {
		t.Error("a line that refers to itself passed")
	}
}

func TestALineThatAKillCutIsLeftOut(t *testing.T) {
	specRules(t)
	one := exchange("DELETE", "/v1/files/file-1", "/files/{file_id}", "", 200, `{"id":"file-1","object":"file","deleted":true}`)
	file := record(t, "a.jsonl", one, one)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data[:len(data)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"-spec", os.Getenv("SPEC"), file}, &out); err != nil || !strings.Contains(out.String(), "1 exchanges") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
