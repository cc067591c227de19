//go:build e2e

package e2e_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/matryer/is"
)

func TestConduitFindsTheExamplesValid(t *testing.T) {
	is := is.New(t)
	if programs.given == "" {
		t.Skip("Conduit v0.14 has no command that validates pipelines; name a newer one with the variable CONDUIT")
	}
	examples, err := filepath.Glob("../examples/*.yaml")
	is.NoErr(err)
	is.True(len(examples) >= 3)
	for _, path := range examples {
		out, err := exec.CommandContext(t.Context(), programs.given, "pipelines", "validate", path).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", path, err, out)
		}
	}
}
