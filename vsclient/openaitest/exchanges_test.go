package openaitest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

var update = flag.Bool("update", false, "write the replies into testdata/exchanges.txt instead of comparing them")

// TestTheExchangesAreAsRecorded sends the raw requests of testdata/exchanges.txt and compares
// the replies to the byte. The head of that file explains its form.
func TestTheExchangesAreAsRecorded(t *testing.T) {
	const file = "testdata/exchanges.txt"
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, scenarios, _ := strings.Cut(string(source), "\n## ")
	var rewritten strings.Builder
	rewritten.WriteString(head)
	for _, text := range strings.Split(scenarios, "\n## ") {
		name, _, _ := strings.Cut(text, "\n")
		got := ""
		t.Run(name, func(t *testing.T) { got = playScenario(t, text) })
		rewritten.WriteString("\n## " + got)
		if !*update && got != text {
			t.Errorf("scenario %q, got:\n%s\nwant:\n%s", name, got, text)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(rewritten.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// playScenario returns the scenario with the replies that it got.
func playScenario(t *testing.T, text string) string {
	names := &idNames{byID: map[string]string{}, count: map[string]int{}}
	var s *openaitest.Server
	cfg := openaitest.Config{APIKey: "sk-test", Seed: 1, Now: func() time.Time { return time.Unix(1767225600, 0) }}
	var out strings.Builder
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		switch {
		case strings.HasPrefix(line, "config "):
			//nolint:musttag // the table names the fields as Go does
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "config ")), &cfg); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(line, "advance "):
			d, err := time.ParseDuration(strings.TrimPrefix(line, "advance "))
			if err != nil {
				t.Fatal(err)
			}
			if s == nil {
				s = fixture(cfg, names)
			}
			s.Advance(d)
		case strings.HasPrefix(line, "> "):
			if s == nil {
				s = fixture(cfg, names)
			}
			var request []string
			for ; i < len(lines) && strings.HasPrefix(lines[i], ">"); i++ {
				request = append(request, strings.TrimPrefix(strings.TrimPrefix(lines[i], ">"), " "))
				out.WriteString(lines[i] + "\n")
			}
			for i < len(lines) && strings.HasPrefix(lines[i], "<") {
				i++
			}
			i--
			out.WriteString(send(t, s, names, request))
			continue
		}
		out.WriteString(line)
		if i < len(lines)-1 {
			out.WriteString("\n")
		}
	}
	return out.String()
}

// send sends one raw request and renders its reply.
func send(t *testing.T, s *openaitest.Server, names *idNames, lines []string) string {
	head, body := lines, []string(nil)
	for i, l := range lines {
		if l == "" {
			head, body = lines[:i], lines[i+1:]
			break
		}
	}
	eol := "\n"
	if strings.Contains(strings.Join(head, "\n"), "multipart/") {
		eol = "\r\n"
	}
	content := names.toIDs(strings.Join(body, eol))
	if eol == "\r\n" {
		content += eol
	}
	raw := names.toIDs(head[0]) + " HTTP/1.1\r\nHost: api.openai.com\r\n"
	has := func(header string) bool {
		return slices.ContainsFunc(head[1:], func(h string) bool { return strings.HasPrefix(h, header+":") })
	}
	for _, h := range head[1:] {
		raw += h + "\r\n"
	}
	if !has("Authorization") {
		raw += "Authorization: Bearer sk-test\r\n"
	}
	if !has("Content-Type") && content != "" {
		raw += "Content-Type: application/json\r\n"
	}
	raw += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(content), content)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	reply := w.Result()
	got, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "< %d", reply.StatusCode)
	if typ := reply.Header.Get("Content-Type"); typ != "application/json" {
		fmt.Fprintf(&out, " %s", typ)
	}
	out.WriteString("\n")
	for _, name := range []string{"Retry-After", "X-Should-Retry", "Openai-Poll-After-Ms", "X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"} {
		if v := reply.Header.Get(name); v != "" {
			fmt.Fprintf(&out, "< %s: %s\n", name, v)
		}
	}
	if !strings.HasPrefix(reply.Header.Get("X-Request-Id"), "req_") {
		t.Errorf("%s: no request id", head[0])
	}
	for _, l := range strings.Split(names.toNames(string(bytes.TrimRight(got, "\n"))), "\n") {
		out.WriteString("< " + l + "\n")
	}
	return out.String()
}

// fixture returns a server with the objects that every scenario finds.
func fixture(cfg openaitest.Config, names *idNames) *openaitest.Server {
	s := openaitest.New(cfg)
	docs := s.NewVectorStore("docs")
	names.add("docs", docs)
	add := func(name string, f openaitest.NewFile) string {
		id := s.AddFile(f)
		names.add(name, id)
		return id
	}
	s.AddStoreFile(docs, add("cats", openaitest.NewFile{Name: "cats.md", Content: []byte("Cats sleep most of the day.")}), map[string]any{"lang": "en"})
	add("note", openaitest.NewFile{Name: "note.txt", Content: []byte("Paris is the capital of France.")})
	add("photo", openaitest.NewFile{Name: "photo.png", Content: []byte("\x89PNG\r\n")})
	add("readme", openaitest.NewFile{Name: "README", Content: []byte("Read me.")})
	add("jobs", openaitest.NewFile{Name: "jobs.jsonl", Purpose: "batch", Content: []byte("{}\n")})
	add("scan", openaitest.NewFile{Name: "scan.txt", Purpose: "vision", Content: []byte("as it was")})
	return s
}

// idNames replaces ids by names: those of the fixture, and {file.1}, {file.2}, {vs.1} and
// so on for the objects that a scenario creates.
type idNames struct {
	byID  map[string]string
	order []string
	count map[string]int
}

var anyID = regexp.MustCompile(`\b(?:file-[0-9A-Za-z]{22}|(?:vs|vsfb|upload|part|req)_[0-9a-f]{32})\b`)

func (n *idNames) add(name, id string) {
	n.byID[id] = "{" + name + "}"
	n.order = append(n.order, id)
}

func (n *idNames) toNames(s string) string {
	return anyID.ReplaceAllStringFunc(s, func(id string) string {
		if n.byID[id] == "" {
			kind, _, _ := strings.Cut(strings.Replace(id, "-", "_", 1), "_")
			n.count[kind]++
			n.add(fmt.Sprintf("%s.%d", kind, n.count[kind]), id)
		}
		return n.byID[id]
	})
}

func (n *idNames) toIDs(s string) string {
	for _, id := range n.order {
		s = strings.ReplaceAll(s, n.byID[id], id)
	}
	return s
}

// TestEveryEndpointIsInTheExchanges checks that the file of exchanges is complete.
func TestEveryEndpointIsInTheExchanges(t *testing.T) {
	is := is.New(t)
	source, err := os.ReadFile("testdata/exchanges.txt")
	is.NoErr(err)
	for _, want := range []string{
		"POST /v1/files", "GET /v1/files", "GET /v1/files/{note}", "DELETE /v1/files/{note}", "GET /v1/files/{scan}/content",
		"POST /v1/uploads", "POST /v1/uploads/{upload.1}/parts", "POST /v1/uploads/{upload.1}/complete", "POST /v1/uploads/{upload.1}/cancel",
		"POST /v1/vector_stores", "GET /v1/vector_stores", "GET /v1/vector_stores/{docs}", "POST /v1/vector_stores/{docs}", "DELETE /v1/vector_stores/{docs}",
		"POST /v1/vector_stores/{docs}/search", "POST /v1/vector_stores/{docs}/files", "GET /v1/vector_stores/{docs}/files",
		"GET /v1/vector_stores/{docs}/files/{cats}", "POST /v1/vector_stores/{docs}/files/{cats}", "DELETE /v1/vector_stores/{docs}/files/{cats}",
		"GET /v1/vector_stores/{docs}/files/{cats}/content", "POST /v1/vector_stores/{docs}/file_batches",
		"GET /v1/vector_stores/{docs}/file_batches/{vsfb.1}", "POST /v1/vector_stores/{docs}/file_batches/{vsfb.1}/cancel",
		"GET /v1/vector_stores/{docs}/file_batches/{vsfb.1}/files",
	} {
		if !strings.Contains(string(source), "\n> "+want+"\n") {
			t.Errorf("no scenario sends %s", want)
		}
	}
}
