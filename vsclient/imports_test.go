package vsclient_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestTheLibraryPullsInNothingButItsOwn guards what everyone who imports the
// package gets: OpenAI's SDK, the backoff and a semaphore, and nothing of Conduit.
func TestTheLibraryPullsInNothingButItsOwn(t *testing.T) {
	allowed := []string{
		"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient",
		"github.com/cenkalti/backoff/v4",
		"github.com/openai/openai-go/v3",
		"github.com/coder/websocket", // of openai-go
		"github.com/tidwall",         // of openai-go
		"golang.org/x/sync",
	}
	for pkg, ours := range map[string][]string{".": allowed, "./openaitest": allowed[:1]} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			if !slices.ContainsFunc(ours, func(p string) bool { return dep == p || strings.HasPrefix(dep, p+"/") }) {
				t.Errorf("%s imports %s", pkg, dep)
			}
		}
	}
}
