//go:build unix

package main

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
)

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

	status, body := worldtest.Do(t, http.DefaultClient, "GET", url+"/vector_stores/"+store+"/files?nonsense=1", "")
	is.Equal(status, 200)
	is.True(strings.Contains(body, `"completed"`))
	status, body = worldtest.Do(t, http.DefaultClient, "POST", url+"/vector_stores/"+store+"/search", `{"query":"cats"}`)
	is.Equal(status, 200)
	is.True(strings.Contains(body, "guide/cats.md"))
	status, body = worldtest.Do(t, http.DefaultClient, "GET", strings.TrimSuffix(url, "v1"), "")
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
	_, body := worldtest.Do(t, http.DefaultClient, "GET", strings.TrimSuffix(url, "v1"), "")
	return body
}
