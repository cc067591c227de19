package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"
)

// TestMain lets the test binary be the program, so that it can be signalled.
func TestMain(m *testing.M) {
	if os.Getenv("OPENAITEST_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

func request(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk-test")
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestTheProgramServesUntilItIsTerminated(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	is.NoErr(os.MkdirAll(filepath.Join(dir, "docs", "guide"), 0o755))
	is.NoErr(os.WriteFile(filepath.Join(dir, "docs", "guide", "cats.md"), []byte("Cats sleep."), 0o644))
	is.NoErr(os.WriteFile(filepath.Join(dir, "faults.json"), []byte(`[{"path":"/vector_stores","kind":"hang"}]`), 0o644))

	cmd := exec.CommandContext(t.Context(), os.Args[0], "-addr", "127.0.0.1:0", "-api-key", "sk-test", "-store", "docs", "-store", "other",
		"-load", filepath.Join(dir, "docs"), "-faults", filepath.Join(dir, "faults.json"), "-record", filepath.Join(dir, "record.jsonl"), "-strict",
		"-quirk", "second_detach_ok")
	cmd.Env = append(os.Environ(), "OPENAITEST_MAIN=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	is.NoErr(err)
	is.NoErr(cmd.Start())
	lines := bufio.NewScanner(stdout)
	is.True(lines.Scan())
	url := lines.Text()
	is.True(lines.Scan())
	store, name, _ := strings.Cut(lines.Text(), " ")
	is.Equal(name, "docs")

	status, body := request(t, "GET", url+"/vector_stores/"+store+"/files?nonsense=1", "")
	is.Equal(status, 200)
	is.True(strings.Contains(body, `"completed"`))
	status, body = request(t, "POST", url+"/vector_stores/"+store+"/search", `{"query":"cats"}`)
	is.Equal(status, 200)
	is.True(strings.Contains(body, "guide/cats.md"))
	status, body = request(t, "GET", strings.TrimSuffix(url, "v1"), "")
	is.Equal(status, 200)
	is.True(strings.Contains(body, "second detach ok"))

	hung := make(chan error)
	go func() {
		resp, err := http.Get(url + "/vector_stores") //nolint:noctx // the program is to end it
		if err == nil {
			resp.Body.Close()
		}
		hung <- err
	}()
	for strings.Count(readPage(t, url), "waiting") < 2 { // once as a column of figures
		time.Sleep(time.Millisecond)
	}
	is.NoErr(cmd.Process.Signal(syscall.SIGTERM))
	is.True(<-hung != nil)
	is.NoErr(cmd.Wait()) // exit code 0
	is.True(strings.Contains(stderr.String(), `"nonsense" is ignored`))
	record, err := os.ReadFile(filepath.Join(dir, "record.jsonl"))
	is.NoErr(err)
	is.Equal(bytes.Count(record, []byte("\n")), 3)
	is.True(!bytes.Contains(record, []byte("sk-test")))
}

func readPage(t *testing.T, url string) string {
	_, body := request(t, "GET", strings.TrimSuffix(url, "v1"), "")
	return body
}

func TestBadFlagsAreErrors(t *testing.T) {
	for _, args := range [][]string{
		{"-nonsense"},
		{"surplus"},
		{"-quirk", "unheard_of"},
		{"-quirk", "max_filename=many"},
		{"-quirk", "bad_file_in_batch=explode"},
		{"-limit-kind", "leaky"},
		{"-faults", "/does/not/exist"},
		{"-index-rules", "/does/not/exist"},
		{"-load", "/tmp"},
		{"-addr", "nowhere:-1"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			is := is.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // what starts after all ends at once
			is.True(run(ctx, args, io.Discard, io.Discard) != nil)
		})
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	is := is.New(t)
	var out bytes.Buffer
	is.NoErr(run(t.Context(), []string{"-h"}, &out, io.Discard))
	for _, flag := range []string{"-addr", "-latency", "-faults", "-quirk", "-published-limits", "-store"} {
		is.True(strings.Contains(out.String(), "  "+flag))
	}
}

func TestFlagsSetTheConfig(t *testing.T) {
	is := is.New(t)
	rules := filepath.Join(t.TempDir(), "rules.json")
	is.NoErr(os.WriteFile(rules, []byte(`[{"name":"*.pdf","stuck":true,"times":1}]`), 0o644))
	o, err := parseFlags([]string{
		"-limit-kind", "sliding", "-attached-files-per-minute", "7", "-published-limits", "-quirk", "max_filename=9", "-quirk", "null_bytes",
		"-quirk", "missing_extension=fails", "-index-rules", rules, "-list-lag-detach", "2m", "-seed", "5",
	}, io.Discard)
	is.NoErr(err)
	is.Equal(string(o.cfg.Limits.Kind), "sliding")
	is.Equal(o.cfg.Limits.UploadsPerMinute, 1000)
	is.Equal(o.cfg.Limits.AttachedFilesPerMinute, 7)
	is.Equal(o.cfg.Quirks.MaxFilename, 9)
	is.True(o.cfg.Quirks.NullBytes)
	is.Equal(string(o.cfg.Quirks.MissingExtension), "fails")
	is.True(o.cfg.IndexRules[0].Stuck)
	is.Equal(o.cfg.ListLag.Detach, 2*time.Minute)
	is.Equal(o.cfg.Seed, uint64(5))

	o, err = parseFlags([]string{"-quirk", "early_completed=false", "-reported-quirks", "-published-limits=false"}, io.Discard)
	is.NoErr(err)
	is.Equal(o.cfg.Limits.UploadsPerMinute, 0)
	is.True(o.cfg.Quirks.UnknownBatch500 && !o.cfg.Quirks.EarlyCompleted)
}
