//go:build unix

package cli_test

import (
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
