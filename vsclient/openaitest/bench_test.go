package openaitest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// oneCore keeps a benchmark and its server on one core.
func oneCore(b *testing.B) {
	before := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func mustSend(b *testing.B, c *http.Client, method, url, body, contentType string) []byte {
	r, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk-test")
	r.Header.Set("Content-Type", contentType)
	resp, err := c.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	data, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err, string(data))
	}
	return data
}

// BenchmarkSmallRequests repeats the requests of one document's life: upload, attach,
// read, update, detach and delete.
func BenchmarkSmallRequests(b *testing.B) {
	for _, door := range []string{"memory", "socket"} {
		b.Run(door, func(b *testing.B) {
			oneCore(b)
			s := openaitest.New(openaitest.Config{LogSize: 1000})
			c := s.Client()
			if door == "socket" {
				if _, err := s.Listen("127.0.0.1:0"); err != nil {
					b.Fatal(err)
				}
				b.Cleanup(s.Close)
				c = &http.Client{Transport: &http.Transport{}}
			}
			vs := s.URL() + "/vector_stores/" + s.NewVectorStore("docs") + "/files"
			form := "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n" +
				"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.md\"\r\n\r\nhello\r\n--b--\r\n"
			const j = "application/json"
			before := s.RequestCount()
			b.ReportAllocs()
			for b.Loop() {
				var f struct {
					ID string `json:"id"`
				}
				if err := json.Unmarshal(mustSend(b, c, "POST", s.URL()+"/files", form, "multipart/form-data; boundary=b"), &f); err != nil {
					b.Fatal(err)
				}
				mustSend(b, c, "POST", vs, `{"file_id":"`+f.ID+`","attributes":{"key":"a.md"}}`, j)
				mustSend(b, c, "GET", vs+"/"+f.ID, "", j)
				mustSend(b, c, "POST", vs+"/"+f.ID, `{"attributes":{"key":"b.md"}}`, j)
				mustSend(b, c, "DELETE", vs+"/"+f.ID, "", j)
				mustSend(b, c, "DELETE", s.URL()+"/files/"+f.ID, "", j)
			}
			b.ReportMetric(float64(s.RequestCount()-before)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// BenchmarkList100000Files reads the whole listing of a project with 100,000
// Files, and that of a store that holds them all.
func BenchmarkList100000Files(b *testing.B) {
	oneCore(b)
	s := openaitest.New(openaitest.Config{LogSize: 1000})
	vs := s.NewVectorStore("docs")
	for i := range 100000 {
		s.AddStoreFile(vs, s.AddFile(openaitest.NewFile{Name: fmt.Sprintf("%06d.md", i), Bytes: 1000}), map[string]any{"key": i})
	}
	for _, path := range []string{"/files?limit=10000", "/vector_stores/" + vs + "/files?limit=100"} {
		name, _, _ := strings.Cut(strings.ReplaceAll(path[1:], vs+"/", ""), "?")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n, after := 0, ""
				for more := true; more; {
					var page struct {
						LastID  string `json:"last_id"`
						HasMore bool   `json:"has_more"`
					}
					data := mustSend(b, s.Client(), "GET", s.URL()+path+after, "", "")
					n += strings.Count(string(data), `"created_at"`)
					// The decoding by the client is not the server's work.
					if err := json.Unmarshal(append([]byte("{"), data[strings.LastIndex(string(data), `"first_id"`):]...), &page); err != nil {
						b.Fatal(err)
					}
					more, after = page.HasMore, "&after="+page.LastID
				}
				if n != 100000 {
					b.Fatalf("%d files are listed", n)
				}
			}
		})
	}
}

// BenchmarkAttachBatches attaches batches of 500 files with attributes.
func BenchmarkAttachBatches(b *testing.B) {
	oneCore(b)
	s := openaitest.New(openaitest.Config{LogSize: 1000})
	var body strings.Builder
	for i := range 500 {
		fmt.Fprintf(&body, `%c{"file_id":"%s","attributes":{"vs_key":"docs/%d.md","vs_sha256":"%064d","vs_version":%d}}`,
			"[,"[min(i, 1)], s.AddFile(openaitest.NewFile{Name: "a.md", Bytes: 1000}), i, i, i)
	}
	b.ReportAllocs()
	for b.Loop() {
		mustSend(b, s.Client(), "POST", s.URL()+"/vector_stores/"+s.NewVectorStore("")+"/file_batches", `{"files":`+body.String()+"]}", "application/json")
	}
	b.ReportMetric(500*float64(b.N)/b.Elapsed().Seconds(), "files/s")
}
