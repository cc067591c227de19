//go:build e2e

package e2e_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"
)

func TestConduitFindsTheExamplesValid(t *testing.T) {
	is := is.New(t)
	if help, err := exec.CommandContext(t.Context(), programs.conduit, "pipelines", "--help").CombinedOutput(); err != nil || !strings.Contains(string(help), "validate") {
		t.Skip("this Conduit has no command that validates pipelines; v0.19 does")
	}
	examples, err := filepath.Glob("../examples/*.yaml")
	is.NoErr(err)
	is.True(len(examples) >= 3)
	for _, path := range examples {
		out, err := exec.CommandContext(t.Context(), programs.conduit, "pipelines", "validate", path).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
	}
}
