//go:build unix

package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/cli"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func TestADocumentIsPutFromAPipeThatHasAName(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	pipe := filepath.Join(t.TempDir(), "pipe")
	is.NoErr(syscall.Mkfifo(pipe, 0o600))
	go os.WriteFile(pipe, []byte("from a pipe with a name"), 0o600) //nolint:errcheck // the text tells
	w.must(cli.Done, "put", "k", pipe)
	is.Equal(w.must(cli.Done, "text", "k"), "from a pipe with a name")
}

// TestAPipeThatAShellHasNamedIsLikeStandardInput has no folder, and leaves that of the last run.
func TestAPipeThatAShellHasNamedIsLikeStandardInput(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	before, err := os.ReadFile(records(t)[0])
	is.NoErr(err)
	r, to, err := os.Pipe()
	is.NoErr(err)
	defer r.Close()
	name := fmt.Sprintf("/dev/fd/%d", r.Fd())
	if _, err := filepath.EvalSymlinks(name); err == nil {
		t.Skip("the system gives the pipe a path")
	}
	_, err = to.WriteString(`{"key":"a.md","text":"new"}{"key":"sub/b.md","text":"new too"}{"end":true,"count":2}`)
	is.NoErr(err)
	is.NoErr(to.Close())
	w.must(cli.Done, "sync", "manifest:"+name, "--owner", "hb", "-y")
	is.Equal(w.keys(), []string{"a.md", "sub/b.md"})
	after, err := os.ReadFile(records(t)[0])
	is.NoErr(err)
	is.Equal(string(after), string(before))
}
