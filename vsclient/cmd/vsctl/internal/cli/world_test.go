package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/cli"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/show"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

const secret = "sk-test-a-secret"

// world is an emulated store behind a socket, and a folder.
type world struct {
	t     *testing.T
	srv   *openaitest.Server
	store string
	dir   string
	env   map[string]string
	in    string // standard input
	asked func() // called at the first read of standard input; may be nil
	tty   bool   // all three streams are a terminal
	slept time.Duration
}

func newWorld(t *testing.T, cfg openaitest.Config) *world {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	cfg.APIKey = secret
	w := &world{t: t, srv: openaitest.New(cfg), dir: filepath.Join(t.TempDir(), "docs")}
	t.Cleanup(w.srv.Close)
	url, err := w.srv.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.store = w.srv.NewVectorStore("docs")
	w.env = map[string]string{"OPENAI_API_KEY": secret, "OPENAI_BASE_URL": url, "OPENAI_VECTOR_STORE_ID": w.store}
	w.write("a.md", "alpha")
	w.write("sub/b.md", "beta")
	w.write("sub/c.md", "gamma")
	return w
}

func (w *world) write(name, content string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
		w.t.Fatal(err)
	}
}

// run runs the program. Whatever it writes must not hold the API key.
func (w *world) run(args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	var out, errs bytes.Buffer
	code = cli.Run(w.t.Context(), args, cli.Streams{
		In: io.MultiReader(reads(func() {
			if w.asked != nil {
				w.asked()
			}
		}), strings.NewReader(w.in)), Out: &out, Err: &errs, InTerminal: w.tty, OutTerminal: w.tty, ErrTerminal: w.tty,
		LookupEnv: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
		Sleep:     func(_ context.Context, d time.Duration) { w.slept += d; w.srv.Advance(d) },
	})
	if strings.Contains(out.String()+errs.String(), secret) {
		w.t.Errorf("vsctl %v shows the API key:\n%s%s", args, out.String(), errs.String())
	}
	return out.String(), errs.String(), code
}

// reads is an empty stream that tells of being read.
type reads func()

func (r reads) Read([]byte) (int, error) {
	r()
	return 0, io.EOF
}

// must runs the program and expects an exit code.
func (w *world) must(code int, args ...string) (stdout string) {
	w.t.Helper()
	stdout, stderr, got := w.run(args...)
	if got != code {
		w.t.Fatalf("vsctl %s ended with %d, not %d:\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stdout
}

// envelope runs the program with --json.
func (w *world) envelope(code int, args ...string) (e show.Envelope) {
	w.t.Helper()
	stdout := w.must(code, append(args, "--json")...)
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(stdout), &fields); err != nil {
		w.t.Fatalf("vsctl %v --json writes no single object: %v\n%s", args, err, stdout)
	}
	if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, []string{"command", "error", "ok", "result", "summary"}) {
		w.t.Fatalf("the envelope of vsctl %v has the fields %v", args, got)
	}
	if err := json.Unmarshal([]byte(stdout), &e); err != nil {
		w.t.Fatal(err)
	}
	return e
}

// request sends a request that vsctl has no command for.
func (w *world) request(method, path, body string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.env["OPENAI_BASE_URL"]+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	r.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		w.t.Fatalf("%s %s is answered %s", method, path, reply.Status)
	}
}

// double gives a document of the store a second, newer version.
func (w *world) double() (key string) {
	w.t.Helper()
	first := w.srv.Snapshot().Store(w.store).Files[0]
	attributes := maps.Clone(first.Attributes)
	version, err := strconv.ParseInt(first.Attributes["vs_version"].(string), 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	attributes["vs_version"] = strconv.FormatInt(version+1, 10)
	w.srv.AddStoreFile(w.store, w.srv.AddFile(openaitest.NewFile{Name: first.Filename, Content: []byte("again")}), attributes)
	return first.Attributes["vs_key"].(string)
}

// keys are the keys in the store, sorted.
func (w *world) keys() []string {
	var keys []string
	for _, f := range w.srv.Snapshot().Store(w.store).Files {
		key, _ := f.Attributes["vs_key"].(string)
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// writes is the number of requests so far that are not GET.
func (w *world) writes() (n int) {
	for endpoint, count := range w.srv.Counts() {
		if !strings.HasPrefix(endpoint, "GET ") {
			n += count
		}
	}
	return n
}
