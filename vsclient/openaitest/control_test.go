package openaitest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// control makes a request to the control door and decodes the reply into v.
func control(t *testing.T, s *openaitest.Server, method, path, body string, v any) int {
	t.Helper()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/-"+path, strings.NewReader(body)))
	if v != nil {
		if err := json.Unmarshal(w.Body.Bytes(), v); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
	}
	return w.Code
}

func TestOtherLanguagesLookInsideThroughTheControlDoor(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	vs := s.NewVectorStore("docs")
	s.AddStoreFile(vs, s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x")}), map[string]any{"n": 1})
	_, err := get(t.Context(), s, "/files")
	is.NoErr(err)

	var snap openaitest.Snapshot
	is.Equal(control(t, s, "GET", "/snapshot", "", &snap), http.StatusOK)
	is.Equal(snap.Stores[0].Files[0].Filename, "a.md")
	is.Equal(snap.Stores[0].Files[0].Attributes["n"], 1.0)
	var history []openaitest.Interval
	is.Equal(control(t, s, "GET", "/history/"+vs, "", &history), http.StatusOK)
	is.Equal(history[0].Filename, "a.md")
	is.True(history[0].To.IsZero())
	var log []openaitest.Request
	is.Equal(control(t, s, "GET", "/requests", "", &log), http.StatusOK)
	is.Equal(log[0].Endpoint, "GET /files")
	var counts map[string]int
	is.Equal(control(t, s, "GET", "/counts", "", &counts), http.StatusOK)
	is.Equal(counts, map[string]int{"GET /files": 1}) // looking inside is no request of the API
	is.Equal(control(t, s, "GET", "/nonsense", "", nil), http.StatusNotFound)
}

func TestOtherLanguagesMoveTheClockAndInjectFaults(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x"), ExpiresAt: time.Now().Add(time.Hour)})
	is.Equal(control(t, s, "POST", "/advance", `{"by":"2h"}`, nil), http.StatusNoContent)
	is.Equal(len(s.Snapshot().Files), 0) // it has expired

	is.Equal(control(t, s, "POST", "/faults", `[{"path":"/files","kind":"status","status":503,"times":-1}]`, nil), http.StatusNoContent)
	resp, err := get(t.Context(), s, "/files")
	is.NoErr(err)
	is.Equal(resp.status, 503)
	is.Equal(control(t, s, "DELETE", "/faults", "", nil), http.StatusNoContent)
	resp, err = get(t.Context(), s, "/files")
	is.NoErr(err)
	is.Equal(resp.status, 200)

	for path, body := range map[string]string{"/advance": `{"by":"-1h"}`, "/faults": `[{"kind":"explode"}]`} {
		var told struct{ Error string }
		is.Equal(control(t, s, "POST", path, body, &told), http.StatusBadRequest)
		is.True(told.Error != "")
	}
}
