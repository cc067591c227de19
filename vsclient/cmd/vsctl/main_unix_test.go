//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// TestMain lets the test binary be the program, so that it can be signalled.
func TestMain(m *testing.M) {
	if os.Getenv("VSCTL_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestASignalThatComesTwiceAtOnceIsOne has the signals that timeout(1) and some wrappers
// send: one to the program, and one to its group.
func TestASignalThatComesTwiceAtOnceIsOne(t *testing.T) {
	is := is.New(t)
	srv := openaitest.New(openaitest.Config{APIKey: "sk-test", IndexTime: time.Hour})
	defer srv.Close()
	attached := make(chan bool)
	attach := sync.OnceFunc(func() { close(attached) })
	srv.OnRequest(func(_ int, r *http.Request) {
		if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/vector_stores/") {
			attach()
		}
	})
	url, err := srv.Listen("127.0.0.1:0")
	is.NoErr(err)
	dir := t.TempDir()
	is.NoErr(os.WriteFile(filepath.Join(dir, "a.md"), []byte("alpha"), 0o600))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "sync", dir, "--owner", "o", "-y", "--json")
	cmd.Env = append(os.Environ(), "VSCTL_MAIN=1", "OPENAI_API_KEY=sk-test", "OPENAI_BASE_URL="+url, "OPENAI_VECTOR_STORE_ID="+srv.NewVectorStore("docs"), "XDG_CACHE_HOME="+t.TempDir())
	var out bytes.Buffer
	cmd.Stdout = &out
	is.NoErr(cmd.Start())
	<-attached
	for range 100 { // the program handles one of them before the next
		_ = cmd.Process.Signal(syscall.SIGINT)
		time.Sleep(100 * time.Microsecond)
	}
	_ = cmd.Wait()
	is.Equal(cmd.ProcessState.ExitCode(), 1)
	var report struct {
		Summary string `json:"summary"`
	}
	is.NoErr(json.Unmarshal(out.Bytes(), &report))
	is.True(report.Summary != "")
}
