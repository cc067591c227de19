//go:build unix

package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// root is the repository's folder.
var root = sync.OnceValues(func() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return "", errors.New("the source of this program is not at hand")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(filepath.Dir(file)))), nil
})

// Root returns the repository's folder. The programs of this package run from
// source alone, by "go run" and "go test".
func Root() (string, error) { return root() }

// Conduit returns the engine's program: the one that the variable CONDUIT names,
// else the one on PATH, else the pinned one. say is told of a build.
func Conduit(ctx context.Context, say func(string)) (string, error) {
	if path, err := GivenConduit(); path != "" || err != nil {
		return path, err
	}
	if path, err := exec.LookPath("conduit"); err == nil {
		return path, nil
	}
	return PinnedConduit(ctx, say)
}

// GivenConduit returns the engine's program that the variable CONDUIT names, "" when
// it is not set.
func GivenConduit() (string, error) {
	path := os.Getenv("CONDUIT")
	if path == "" {
		return "", nil
	}
	if _, err := exec.LookPath(path); err != nil {
		return "", fmt.Errorf("the variable CONDUIT names no program: %w", err)
	}
	return filepath.Abs(path)
}

// PinnedConduit builds Conduit v0.14 from connector/e2e/engine, which takes a minute or
// two the first time. say is told of that.
func PinnedConduit(ctx context.Context, say func(string)) (string, error) {
	dir, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bin", "conduit")
	if _, err := os.Stat(path); err != nil {
		say("Building Conduit; this takes a minute or two the first time.")
	}
	return path, build(ctx, filepath.Join(dir, "connector", "e2e", "engine"), path, "github.com/conduitio/conduit/cmd/conduit", "GOWORK=off")
}

// Plugins builds the destination and the folder source into dir.
func Plugins(ctx context.Context, dir string) error {
	top, err := Root()
	if err != nil {
		return err
	}
	module := filepath.Join(top, "connector")
	return errors.Join(
		build(ctx, module, filepath.Join(dir, "openai-vectorstore"), "./cmd/conduit-connector-openai-vectorstore"),
		build(ctx, module, filepath.Join(dir, "folder"), "./e2e/foldersource"),
	)
}

func build(ctx context.Context, dir, out, pkg string, env ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, text)
	}
	return nil
}

// freeAddress is a loopback address that nothing listens on at the moment.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
