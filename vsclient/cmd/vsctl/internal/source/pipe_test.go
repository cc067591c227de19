//go:build unix

package source

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/matryer/is"
)

func TestAListIsReadFromAPipeThatHasAName(t *testing.T) {
	is := is.New(t)
	name := filepath.Join(t.TempDir(), "pipe")
	is.NoErr(syscall.Mkfifo(name, 0o600))
	go os.WriteFile(name, []byte("a\n{\"end\":true,\"count\":1}\n"), 0o600) //nolint:errcheck // the reader tells
	s := open(t, "keys:"+name, Options{})
	_, err := keysOf(t, s)
	is.NoErr(err)
	is.Equal(s.Refused(), map[string]string{"a": PutsNothing})
}

func TestAGitignoreThatIsAPipeMakesTheFolderIncomplete(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	is.NoErr(syscall.Mkfifo(filepath.Join(path, ".gitignore"), 0o600))
	_, err := keysOf(t, open(t, path, Options{}))
	is.True(err != nil)
}
