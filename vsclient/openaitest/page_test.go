package openaitest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// page gets a page of the server's for people.
func page(t *testing.T, s *openaitest.Server, path string) (status int, html string) {
	t.Helper()
	return worldtest.Do(t, s.Client(), http.MethodGet, strings.TrimSuffix(s.URL(), "/v1")+path, "")
}

func TestThePageShowsStoresFilesAndRequests(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{
		IndexTime: 1, Quirks: openaitest.ReportedQuirks(), Limits: openaitest.PublishedLimits(),
		StorageQuota: 5000, Faults: []openaitest.Fault{{Path: "/files", Kind: openaitest.FaultCut, AfterEffect: true}},
	})
	vs := s.NewVectorStore("<b>docs</b>")
	s.AddStoreFile(vs, s.AddFile(openaitest.NewFile{Name: "<i>cats</i>.md", Content: []byte("Cats sleep.")}), map[string]any{"lang": "en"})
	_, err := get(t.Context(), s, "/files")
	is.True(err != nil) // it is cut
	_, err = get(t.Context(), s, "/vector_stores/"+vs)
	is.NoErr(err)

	status, html := page(t, s, "/")
	is.Equal(status, http.StatusOK)
	for _, want := range []string{
		"&lt;b&gt;docs&lt;/b&gt;", "&lt;i&gt;cats&lt;/i&gt;.md", vs, "/stores/" + vs, "cut after effect", "uploads/min 1000", "storage in bytes 5000", "cancel batch 500",
	} {
		is.True(strings.Contains(html, want))
	}
	is.True(!strings.Contains(html, "<b>docs</b>"))

	status, html = page(t, s, "/stores/"+vs+"?q=sleeping+cats")
	is.Equal(status, http.StatusOK)
	is.True(strings.Contains(html, "Cats sleep."))
	is.True(strings.Contains(html, "lang"))

	for _, path := range []string{"/nonsense", "/stores/", "/stores/vs_unknown"} {
		status, _ = page(t, s, path)
		is.Equal(status, http.StatusNotFound)
	}
	is.Equal(s.RequestCount(), 2) // looking is not counted
}

func TestExchangesAreRecorded(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	t.Setenv("OPENAITEST_RECORD", dir)
	var b bytes.Buffer
	s := openaitest.New(openaitest.Config{Record: &b})
	s.Inject(openaitest.Fault{Nth: 2, Kind: openaitest.FaultCutReply}, openaitest.Fault{Nth: 3, Kind: openaitest.FaultCut})
	for range 4 {
		_, _ = upload(t.Context(), s, "a.md", strings.NewReader("hello")) // two of them fail
	}
	var got []openaitest.Exchange
	for dec := json.NewDecoder(&b); dec.More(); {
		var e openaitest.Exchange
		is.NoErr(dec.Decode(&e))
		got = append(got, e)
	}
	is.Equal(len(got), 4)
	is.Equal(got[0].Endpoint, "POST /files")
	is.Equal(got[0].URL, "/v1/files")
	is.True(bytes.Contains(got[0].RequestBody, []byte("hello")))
	is.True(!got[0].RequestCut)
	is.Equal(got[0].Status, 200)
	is.True(bytes.Contains(got[0].ReplyBody, []byte(`"object":"file"`)))
	is.Equal(got[0].RequestHeader.Get("Authorization"), "Bearer redacted")
	is.True(got[1].ReplyCut)
	is.Equal(got[2].Status, 0)
	is.Equal(got[2].Fault, "cut")

	files, err := filepath.Glob(dir + "/*.jsonl")
	is.NoErr(err)
	is.Equal(len(files), 1)
	data, err := os.ReadFile(files[0])
	is.NoErr(err)
	lines := strings.Split(string(data), "\n")
	is.Equal(len(lines), 5)
	is.Equal(lines[3], `{"again":1}`) // the first upload once more, with another id
}
