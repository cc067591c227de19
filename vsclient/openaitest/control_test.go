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
	r := httptest.NewRequestWithContext(t.Context(), method, "/-"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	s.ServeHTTP(w, r)
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
	is.Equal(counts, map[string]int{"GET /files": 1}) // requests of the control door are not counted
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

	for path, bodies := range map[string][]string{
		"/advance": {`{"by":"-1h"}`, `{"by":"2562047h"}`, `{}`, `null`},
		"/faults":  {`[{"kind":"explode"}]`, `null`},
	} {
		for _, body := range bodies {
			var told struct{ Error string }
			is.Equal(control(t, s, "POST", path, body, &told), http.StatusBadRequest)
			is.True(told.Error != "")
		}
	}
}

func TestAFormOfAnotherSiteInjectsNothing(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	for path, body := range map[string]string{"/advance": `{"by":"1h"}`, "/faults": `[{"kind":"cut"}]`, "/expire": `{"vector_store_id":"` + s.NewVectorStore("docs") + `"}`} {
		for _, typ := range []string{"", "text/plain", "application/x-www-form-urlencoded"} {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), "POST", "/-"+path, strings.NewReader(body))
			r.Header.Set("Content-Type", typ)
			s.ServeHTTP(w, r)
			is.Equal(w.Code, http.StatusUnsupportedMediaType)
		}
	}
	resp, err := get(t.Context(), s, "/files")
	is.NoErr(err)
	is.Equal(resp.status, 200)
}

func TestTheControlDoorOpensForTheClientInMemory(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	status, body := page(t, s, "/-/snapshot")
	is.Equal(status, http.StatusOK)
	is.True(strings.Contains(body, `"stores":[]`))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.TrimSuffix(s.URL(), "v1")+"-/faults", strings.NewReader(`[{"kind":"status","status":503}]`))
	is.NoErr(err)
	r.Header.Set("Content-Type", "application/json")
	resp, err := s.Client().Do(r)
	is.NoErr(err)
	resp.Body.Close()
	is.Equal(resp.StatusCode, http.StatusNoContent)
	got, err := get(t.Context(), s, "/files")
	is.NoErr(err)
	is.Equal(got.status, 503)
}

func TestABaseURLWithoutItsVersionIsNamed(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	for _, path := range []string{"/files", "/vector_stores/vs_1/files", "/uploads"} {
		status, body := page(t, s, path)
		is.Equal(status, http.StatusNotFound)
		is.True(strings.Contains(body, "base URL of openaitest ends in /v1"))
		var refusal struct {
			Error struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		is.NoErr(json.Unmarshal([]byte(body), &refusal)) // SDKs can show it
	}
}
