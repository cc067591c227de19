package openaitest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// answer is a reply that was read to its end.
type answer struct {
	status int // 0: no reply came
	header http.Header
	body   string
}

// get sends a GET with a key through the in-memory client.
func get(ctx context.Context, s *openaitest.Server, path string) (answer, error) {
	return do(ctx, s, http.MethodGet, path, nil, "")
}

func do(ctx context.Context, s *openaitest.Server, method, path string, body io.Reader, contentType string) (answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL()+path, body)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "Bearer sk-test")
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(data)}, err
}

// upload posts a file as a form whose body is of unknown length.
func upload(ctx context.Context, s *openaitest.Server, name string, content io.Reader) (answer, error) {
	head := "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\n\r\n"
	body := io.MultiReader(strings.NewReader(head), content, strings.NewReader("\r\n--b--\r\n"))
	return do(ctx, s, http.MethodPost, "/files", body, "multipart/form-data; boundary=b")
}

func TestFaultsStrikeTheRequestsTheyName(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  openaitest.Fault
		status int   // of the reply, 0: none came
		is     error // the client's error
		made   int   // the number of Files afterwards
	}{
		{name: "a status before the effect", fault: openaitest.Fault{Kind: openaitest.FaultStatus, Status: 503}, status: 503},
		{name: "a status after the effect", fault: openaitest.Fault{Kind: openaitest.FaultStatus, Status: 503, AfterEffect: true}, status: 503, made: 1},
		{name: "a cut before the effect", fault: openaitest.Fault{Kind: openaitest.FaultCut}, is: syscall.ECONNRESET},
		{name: "a cut after the effect", fault: openaitest.Fault{Kind: openaitest.FaultCut, AfterEffect: true}, is: io.EOF, made: 1},
		{name: "a reply cut in the middle", fault: openaitest.Fault{Kind: openaitest.FaultCutReply}, status: 200, is: io.ErrUnexpectedEOF, made: 1},
		{name: "a hang before the effect", fault: openaitest.Fault{Kind: openaitest.FaultHang}, is: context.DeadlineExceeded},
		{name: "a hang after the effect", fault: openaitest.Fault{Kind: openaitest.FaultHang, AfterEffect: true}, is: context.DeadlineExceeded, made: 1},
		{name: "a delay", fault: openaitest.Fault{Kind: openaitest.FaultDelay, Delay: openaitest.Duration(time.Second)}, status: 200, made: 1},
		{name: "a delay longer than the client waits", fault: openaitest.Fault{Kind: openaitest.FaultDelay, Delay: openaitest.Duration(time.Hour)}, is: context.DeadlineExceeded},
		{name: "another method", fault: openaitest.Fault{Method: "GET", Kind: openaitest.FaultCut}, status: 200, made: 1},
		{name: "another path", fault: openaitest.Fault{Path: "/files/*", Kind: openaitest.FaultCut}, status: 200, made: 1},
		{name: "a later request", fault: openaitest.Fault{Nth: 2, Kind: openaitest.FaultCut}, status: 200, made: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{tt.fault}})
				defer s.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				got, err := upload(ctx, s, "a.md", strings.NewReader("hello"))
				is.Equal(got.status, tt.status)
				is.True(errors.Is(err, tt.is))
				is.Equal(len(s.Snapshot().Files), tt.made)
				if tt.status == 503 || tt.is != nil {
					is.True(s.Requests()[0].Fault != "")
				}
			})
		})
	}
}

func TestAFaultStrikesAsOftenAsItSays(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	s.Inject(
		openaitest.Fault{Path: "/files", Nth: 2, Times: 2, Kind: openaitest.FaultStatus, Status: 500},
		openaitest.Fault{Path: "/vector_stores/**", Times: -1, Kind: openaitest.FaultStatus, Status: 502},
	)
	statuses := func(path string, n int) (got []int) {
		for range n {
			resp, err := get(t.Context(), s, path)
			is.NoErr(err)
			got = append(got, resp.status)
		}
		return got
	}
	is.Equal(statuses("/files", 5), []int{200, 500, 500, 200, 200})
	is.Equal(statuses("/vector_stores", 2), []int{502, 502})
	is.Equal(statuses("/vector_stores/vs_1/files", 2), []int{502, 502})
	s.ClearFaults()
	is.Equal(statuses("/vector_stores", 1), []int{200})
}

func TestOfTwoFaultsForARequestTheFirstStrikesAndTheSecondIsKept(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{
		{Path: "/files", Kind: openaitest.FaultStatus, Status: 500}, {Path: "/files", Kind: openaitest.FaultStatus, Status: 429},
	}})
	for _, want := range []int{500, 429, 200} {
		resp, err := get(t.Context(), s, "/files")
		is.NoErr(err)
		is.Equal(resp.status, want)
	}
}

func TestFaultsAreReadFromJSON(t *testing.T) {
	is := is.New(t)
	faults, err := openaitest.ParseFaults([]byte(`[{"method":"POST","path":"/files","nth":3,"kind":"status","status":429,"retry_after":"1.5s"}]`))
	is.NoErr(err)
	is.Equal(faults[0], openaitest.Fault{Method: "POST", Path: "/files", Nth: 3, Kind: "status", Status: 429, RetryAfter: openaitest.Duration(1500 * time.Millisecond)})
	for _, bad := range []string{
		`{}`, `[{"kind":"explode"}]`, `[{"kind":"cut","sort":1}]`, `[{"kind":"status","status":99}]`, `[{"kind":"cut"}] []`,
		`[{"kind":"cut","method":"get"}]`, `[{"kind":"cut","path":"/v1/files"}]`, `[{"kind":"cut","path":"/**/x"}]`, `[{"kind":"cut","rate":7}]`,
		`null`, `[{"kind":"delay"}]`, `[{"kind":"cut","delay":"1s"}]`, `[{"kind":"cut","status":400}]`, `[{"kind":"hang","retry_after":"1s"}]`,
		`[{"kind":"cut","nth":-1}]`, `[{"kind":"cut","effect_after":"-1s"}]`, `[{"kind":"cut","effect_after":"1s","after_effect":true}]`,
		`[{"kind":"delay","effect_after":"1s"}]`, `[{"kind":"cut_reply","effect_after":"1s"}]`, `[{"kind":"delay","delay":"-1s"}]`,
	} {
		_, err := openaitest.ParseFaults([]byte(bad))
		is.True(err != nil)
	}
}

func TestASeedDecidesIDsAndChances(t *testing.T) {
	is := is.New(t)
	play := func(seed uint64) string {
		s := openaitest.New(openaitest.Config{Seed: seed, Faults: []openaitest.Fault{{Kind: openaitest.FaultStatus, Times: -1, Rate: 0.5}}})
		out := s.NewVectorStore("docs")
		for range 20 {
			resp, err := get(t.Context(), s, "/files")
			is.NoErr(err)
			out += fmt.Sprint(" ", resp.status, resp.header.Get("X-Request-Id"))
		}
		return out
	}
	is.Equal(play(1), play(1))
	is.True(play(1) != play(2))
	is.True(strings.Contains(play(1), " 200") && strings.Contains(play(1), " 500"))
}

func TestLatencyIsHalfOnTheWayThereAndHalfOnTheWayBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{Latency: 100 * time.Millisecond})
		defer s.Close()
		start := time.Now()
		_, err := upload(t.Context(), s, "a.md", strings.NewReader("x"))
		is.NoErr(err)
		is.Equal(time.Since(start), 100*time.Millisecond)

		giveUpAfter := func(d time.Duration) (made int) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			before := len(s.Snapshot().Files)
			_, err := upload(ctx, s, "b.md", strings.NewReader("x"))
			is.True(errors.Is(err, context.DeadlineExceeded))
			synctest.Wait()
			return len(s.Snapshot().Files) - before
		}
		is.Equal(giveUpAfter(40*time.Millisecond), 0)
		is.Equal(giveUpAfter(60*time.Millisecond), 1)
	})
}

func TestHistoryTellsWhenAFileWasSearchable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{IndexTime: 10 * time.Second, Quirks: openaitest.Quirks{ReattachReindexes: true}})
		defer s.Close()
		c, ctx := sdk(s), t.Context()
		vs := s.NewVectorStore("docs")
		id := s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x")})
		start := time.Now()
		at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
		attach := func() {
			_, err := c.VectorStores.Files.New(ctx, vs, openai.VectorStoreFileNewParams{FileID: id})
			is.NoErr(err)
		}
		attach()
		time.Sleep(20 * time.Second)
		_, err := c.VectorStores.Files.Update(ctx, vs, id, openai.VectorStoreFileUpdateParams{
			Attributes: map[string]openai.VectorStoreFileUpdateParamsAttributeUnion{"n": {OfFloat: openai.Float(1)}},
		})
		is.NoErr(err)
		time.Sleep(5 * time.Second)
		attach() // indexed again
		time.Sleep(15 * time.Second)
		_, err = c.Files.Delete(ctx, id)
		is.NoErr(err)

		h := s.History(vs)
		is.Equal(len(h), 3)
		is.Equal([]time.Time{h[0].From, h[0].To}, []time.Time{at(10), at(20)})
		is.Equal([]time.Time{h[1].From, h[1].To}, []time.Time{at(20), at(25)})
		is.Equal([]time.Time{h[2].From, h[2].To}, []time.Time{at(35), at(40)})
		is.Equal(h[1].Attributes, map[string]any{"n": 1.0})
		is.True(!h[1].At(at(19)) && h[1].At(at(20)) && !h[1].At(at(25)))
	})
}

func TestAFileOf512MBIsCountedAndHashedButNotKept(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector takes long with a gigabyte, and it changes the use of memory")
	}
	is := is.New(t)
	s := openaitest.New(openaitest.Config{KeepBytes: 1 << 20})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for size, want := range map[int64]int{512 << 20: 200, 512<<20 + 1: 413} {
		wg.Go(func() {
			got, err := upload(t.Context(), s, "big.txt", io.LimitReader(zeros{}, size))
			if err != nil || got.status != want {
				t.Errorf("%d bytes: %+v, %v, want %d", size, got, err, want)
			}
		})
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	is.True(after.TotalAlloc-before.TotalAlloc < 32<<20)
	is.Equal(len(s.Snapshot().Files), 1)
	f := s.Snapshot().Files[0]
	is.Equal(f.Bytes, int64(512<<20))
	is.Equal(f.SHA256, "9acca8e8c22201155389f65abbf6bc9723edc7384ead80503839f49dcc56d767")
	is.Equal(len(s.Content(f.ID)), 1<<20)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAnErrorOfTheClientsBodyFailsItsRequest(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	broken := errors.New("disk on fire")
	_, err := upload(t.Context(), s, "a.md", io.MultiReader(strings.NewReader("half"), failing{broken}))
	is.True(errors.Is(err, broken))
	is.Equal(len(s.Snapshot().Files), 0)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestStrictReportsRequestsThatAreLegalButUnwise(t *testing.T) {
	is := is.New(t)
	var reports []string
	s := openaitest.New(openaitest.Config{
		Strict: func(format string, args ...any) { reports = append(reports, fmt.Sprintf(format, args...)) },
		Quirks: openaitest.Quirks{IgnoreUnknownFields: true},
	})
	vs := s.NewVectorStore("docs")
	id := s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x")})
	s.AddStoreFile(vs, id, nil)
	json := "application/json"
	for _, r := range []struct{ method, path, body, want string }{
		{"GET", "/files?before=" + id, "", `"before" is ignored`},
		{"GET", "/vector_stores/" + vs + "/files?metadata=x", "", `"metadata" is ignored`},
		{"GET", "/files/" + id + "?verbose=1", "", `"verbose" is ignored`},
		{"POST", "/vector_stores?name=x", `{}`, `"name" is ignored`},
		{"GET", "/files?limit=1&limit=2", "", "only the first counts"},
		{"GET", "/files?limit=%zz", "", "cannot be read"},
		{"POST", "/vector_stores", `{"colour":"red"}`, `"colour" is unknown`},
		{"POST", "/vector_stores", `{"chunking_strategy":{"type":"auto"}}`, "ignored without file_ids"},
		{"POST", "/vector_stores/" + vs + "/file_batches", `{"files":[{"file_id":"` + id + `"}],"attributes":{"a":1}}`, "ignored with files"},
		{"POST", "/vector_stores/" + vs + "/files", `{"file_id":"` + id + `","attributes":{"a":"` + strings.Repeat("x", 257) + `"}}`, "256 characters"},
		{"POST", "/vector_stores/" + vs + "/files", `{"file_id":"` + id + `"}`, "already attached and completed"},
		{"POST", "/vector_stores/" + vs + "/search", `{"query":"x","rewrite_query":true}`, "does not rewrite"},
		{"DELETE", "/files/" + id, "", "still attached"},
	} {
		reports = nil
		resp, err := do(t.Context(), s, r.method, r.path, strings.NewReader(r.body), json)
		is.NoErr(err)
		is.Equal(resp.status, 200)
		is.True(strings.Contains(strings.Join(reports, "\n"), r.want)) // the report names it
	}
}

func TestRequestsAreCountedAndLogged(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{LogSize: 3})
	var seen []int
	s.OnRequest(func(n int, r *http.Request) { seen = append(seen, n) })
	for range 2 {
		_, err := upload(t.Context(), s, "a.md", strings.NewReader("hello"))
		is.NoErr(err)
	}
	for _, path := range []string{"/files/file-1", "/nonsense", "/vector_stores/vs_1/files?limit=7"} {
		_, err := get(t.Context(), s, path)
		is.NoErr(err)
	}
	is.Equal(seen, []int{1, 2, 3, 4, 5})
	is.Equal(s.RequestCount(), 5)
	is.Equal(s.Counts(), map[string]int{
		"POST /files": 2, "GET /files/{file_id}": 1, "not an endpoint": 1, "GET /vector_stores/{vector_store_id}/files": 1,
	})
	log := s.Requests()
	is.Equal(len(log), 3)
	is.Equal(log[2].Query, "limit=7")
	is.Equal(log[2].Status, 404)
	is.Equal(log[2].N, 5)
	is.True(log[2].Done)
}

func TestManyClientsAtOnceLoseNoRequest(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	c := sdk(s)
	vs := s.NewVectorStore("docs")
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for k := range 10 {
				f, err := c.Files.New(t.Context(), newFile(fmt.Sprintf("%d-%d.md", i, k), "x"))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := c.VectorStores.Files.New(t.Context(), vs, openai.VectorStoreFileNewParams{FileID: f.ID}); err != nil {
					t.Error(err)
				}
				if k%2 == 0 {
					if _, err := c.Files.Delete(t.Context(), f.ID); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	snap := s.Snapshot()
	is.Equal(len(snap.Files), 80)
	is.Equal(len(snap.Store(vs).Files), 80)
	got, err := c.VectorStores.Get(t.Context(), vs)
	is.NoErr(err)
	is.Equal(got.FileCounts.Total, int64(80))
	is.Equal(got.UsageBytes, int64(80*1025)) // a byte of text and an embedding each
}

func TestCloseEndsHangingRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{{Kind: openaitest.FaultHang}}})
		done := make(chan error)
		go func() {
			_, err := get(context.Background(), s, "/files")
			done <- err
		}()
		synctest.Wait()
		is.Equal(s.Requests()[0].Done, false)
		s.Close()
		is.True(errors.Is(<-done, io.EOF))
	})
}

func TestEachQuirkNamesEachAnswerOnce(t *testing.T) {
	is := is.New(t)
	set := make(map[string]bool) // fields that an answer sets
	seen := make(map[openaitest.Quirks]string)
	for name, q := range openaitest.EachQuirk() {
		openaitest.New(openaitest.Config{Quirks: q}).Close() // it is a good configuration
		is.Equal(seen[q], "")
		seen[q] = name
		v := reflect.ValueOf(q)
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				set[v.Type().Field(i).Name] = true
			}
		}
	}
	is.Equal(len(set), reflect.TypeFor[openaitest.Quirks]().NumField())
	is.Equal(seen[openaitest.Quirks{}], "")
}

func TestAConfigThatContradictsItselfPanics(t *testing.T) {
	for _, cfg := range []openaitest.Config{
		{Limits: openaitest.Limits{Kind: "leaky"}},
		{Quirks: openaitest.Quirks{MissingExtension: "maybe"}},
		{Quirks: openaitest.Quirks{BadFileInBatch: "maybe"}},
		{Quirks: openaitest.Quirks{BatchesNotTaken: "418"}},
		{Quirks: openaitest.Quirks{AlterFilenames: "upper_case"}},
		{StoresExpireAfter: -time.Second},
		{Faults: []openaitest.Fault{{Kind: "explode"}}},
		{IndexRules: []openaitest.IndexRule{{Name: "["}}},
		{IndexRules: []openaitest.IndexRule{{Code: "oops"}}},
		{IndexRules: []openaitest.IndexRule{{Message: "boom"}}},
		{IndexRules: []openaitest.IndexRule{{Code: "server_error", Rate: 2}}},
		{KeepBytes: -1},
		{Latency: -time.Second},
		{Limits: openaitest.Limits{UploadsPerMinute: 10, Burst: -3}},
		{Quirks: openaitest.Quirks{BatchMax: -5}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was taken", cfg)
				}
			}()
			openaitest.New(cfg)
		}()
	}
}

func TestOnlyTheStandardLibraryIsImported(t *testing.T) {
	is := is.New(t)
	for path := range dependencies(t, ".", "{{if not .Standard}}{{.ImportPath}}{{end}}") {
		is.True(strings.HasPrefix(path, "github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"))
	}
}

func TestTheStateKnowsNoRequestsAndNoJSON(t *testing.T) {
	is := is.New(t)
	all := dependencies(t, "./internal/project", "{{.ImportPath}}")
	is.True(all["time"])
	is.True(!all["net/http"] && !all["encoding/json"])
}

// dependencies returns the lines that go list prints for a package and all that it imports.
func dependencies(t *testing.T, path, format string) map[string]bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]bool)
	for _, line := range strings.Fields(string(out)) {
		all[line] = true
	}
	return all
}

func TestALimitHoldsForEachWayOfCounting(t *testing.T) {
	for _, kind := range []openaitest.LimitKind{openaitest.Bucket, openaitest.FixedWindow, openaitest.SlidingWindow} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				s := openaitest.New(openaitest.Config{Limits: openaitest.Limits{UploadsPerMinute: 30, Kind: kind}})
				defer s.Close()
				c := openai.NewClient(option.WithAPIKey("k"), option.WithBaseURL(s.URL()), option.WithHTTPClient(s.Client()), option.WithMaxRetries(0))
				start, accepted := time.Now(), 0
				for time.Since(start) < 10*time.Minute {
					_, err := c.Files.New(t.Context(), newFile("a.md", "x"))
					var refused *openai.Error
					switch {
					case err == nil:
						accepted++
					case errors.As(err, &refused):
						is.Equal(refused.StatusCode, 429)
						wait, err := time.ParseDuration(refused.Response.Header.Get("Retry-After") + "s")
						is.NoErr(err)
						is.True(wait >= time.Second && wait <= time.Minute)
						time.Sleep(wait)
					default:
						t.Fatal(err)
					}
				}
				// One limit more than ten minutes allow: a full bucket, or the
				// windows at both ends.
				is.True(accepted >= 300 && accepted <= 330)
			})
		})
	}
}

func TestAClientThatWaitsForRetryAfterIsNotRefusedAgain(t *testing.T) {
	for _, kind := range []openaitest.LimitKind{openaitest.Bucket, openaitest.FixedWindow, openaitest.SlidingWindow} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				s := openaitest.New(openaitest.Config{Limits: openaitest.Limits{AttachedFilesPerMinute: 10, Kind: kind}})
				vs := s.NewVectorStore("docs")
				ids := make([]string, 25) // more than a minute allows
				for i := range ids {
					ids[i] = s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x")})
				}
				body, err := json.Marshal(map[string]any{"file_ids": ids})
				is.NoErr(err)
				attach := func() answer {
					resp, err := do(t.Context(), s, "POST", "/vector_stores/"+vs+"/file_batches", bytes.NewReader(body), "application/json")
					is.NoErr(err)
					return resp
				}
				for range 3 {
					resp := attach()
					if resp.status == http.StatusOK {
						continue
					}
					wait, err := time.ParseDuration(resp.header.Get("Retry-After") + "s")
					is.NoErr(err)
					time.Sleep(wait)
					is.Equal(attach().status, http.StatusOK)
				}
			})
		})
	}
}

func TestAFileThatIsPlantedTwiceIsThereOnce(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	vs, id := s.NewVectorStore("docs"), s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x")})
	s.AddStoreFile(vs, id, map[string]any{"v": 1})
	s.AddStoreFile(vs, id, map[string]any{"v": 2})
	files := s.Snapshot().Store(vs).Files
	is.Equal(len(files), 1)
	is.Equal(files[0].Attributes["v"], 2.0)
	s.DetachStoreFile(vs, id)
	is.Equal(len(s.Snapshot().Store(vs).Files), 0)
}

func TestAStoreExpiresAfterWholeDaysAlsoWhenTheClocksChange(t *testing.T) {
	is := is.New(t)
	newYork, err := time.LoadLocation("America/New_York")
	is.NoErr(err)
	s := openaitest.New(openaitest.Config{Now: func() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, newYork) }})
	resp, err := do(t.Context(), s, "POST", "/vector_stores", strings.NewReader(`{"expires_after":{"anchor":"last_active_at","days":200}}`), "application/json")
	is.NoErr(err)
	var made struct {
		CreatedAt int64 `json:"created_at"`
		ExpiresAt int64 `json:"expires_at"`
	}
	is.NoErr(json.Unmarshal([]byte(resp.body), &made))
	is.Equal(made.ExpiresAt-made.CreatedAt, int64(200*24*3600))
}

func TestTheClockDoesNotGoBack(t *testing.T) {
	for name, d := range map[string]time.Duration{"to an earlier time": -time.Second, "by an overflow": math.MaxInt64} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			s := openaitest.New(openaitest.Config{})
			s.Advance(time.Hour)
			defer func() {
				is.True(recover() != nil)
				is.True(s.Snapshot().Time.After(time.Now())) // and the server still answers
			}()
			s.Advance(d)
		})
	}
}

func TestAFaultPathNamesTheRequestsThatItFits(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		fits          bool
	}{
		{"/files", "/files", true},
		{"files", "/files", true},
		{"/files/*", "/files", false},
		{"/files/*", "/files/file-1", true},
		{"/files/*", "/files/file-1/content", false},
		{"/files/**", "/files", true},
		{"/files/**", "/files/file-1/content", true},
		{"/vector_stores/*/**", "/vector_stores", false},
		{"/vector_stores/*/**", "/vector_stores/vs_1", true},
		{"/vector_stores/*/**", "/vector_stores/vs_1/files/file-1", true},
		{"/*/**", "/files", true},
		{"**", "/files", true},
	} {
		t.Run(tt.pattern+" "+tt.path, func(t *testing.T) {
			is := is.New(t)
			s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{{Path: tt.pattern, Kind: openaitest.FaultStatus, Status: 503}}})
			resp, err := get(t.Context(), s, tt.path)
			is.NoErr(err)
			is.Equal(resp.status == 503, tt.fits)
		})
	}
}

func TestAReplyWithoutABodyHasNone(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{{Method: "GET", Kind: openaitest.FaultStatus, Status: 204}}})
	for _, method := range []string{"GET", "HEAD"} {
		resp, err := do(t.Context(), s, method, "/files", nil, "")
		is.NoErr(err)
		is.Equal(resp.body, "")
	}
}

func TestABodyThatIsTooLargeIsRefusedAsSuch(t *testing.T) {
	for name, body := range map[string]struct{ path, typ, content string }{
		"JSON":         {"/vector_stores", "application/json", `{"name":"` + strings.Repeat("x", 64<<20) + `"}`},
		"a form value": {"/files", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + strings.Repeat("x", 2<<20) + "\r\n--b--\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			resp, err := do(t.Context(), openaitest.New(openaitest.Config{}), "POST", body.path, strings.NewReader(body.content), body.typ)
			is.NoErr(err)
			is.Equal(resp.status, http.StatusRequestEntityTooLarge)
			is.True(strings.Contains(resp.body, "too large"))
		})
	}
}

func TestAPlantedFileHasAttributesThatTheAPITakes(t *testing.T) {
	many := make(map[string]any)
	for i := range 17 {
		many[fmt.Sprint(i)] = i
	}
	for name, attributes := range map[string]map[string]any{
		"too many":          many,
		"a long key":        {strings.Repeat("k", 65): 1},
		"a long value":      {"k": strings.Repeat("v", 513)},
		"a list":            {"k": []string{"v"}},
		"a nil":             {"k": nil},
		"no finite number":  {"k": math.Inf(1)},
		"no UTF-8":          {"k": "\xff"},
		"a key of no UTF-8": {"\xff": 1},
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			s := openaitest.New(openaitest.Config{})
			vs, id := s.NewVectorStore("docs"), s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x")})
			defer func() {
				is.True(recover() != nil)
				is.Equal(len(s.Snapshot().Store(vs).Files), 0) // and the server still answers
			}()
			s.AddStoreFile(vs, id, attributes)
		})
	}
}

func TestARefusedMethodNamesThoseThatAreAllowed(t *testing.T) {
	t.Parallel()
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	defer s.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL()+"/files/file-1", nil)
	is.NoErr(err)
	r.Header.Set("Authorization", "Bearer x")
	reply, err := s.Client().Do(r)
	is.NoErr(err)
	defer reply.Body.Close()
	is.Equal(reply.StatusCode, http.StatusMethodNotAllowed)
	is.Equal(reply.Header.Get("Allow"), "GET, DELETE") // RFC 9110, 15.5.6
}
