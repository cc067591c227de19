//go:build unix

package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Root returns the repository's folder: the nearest one at or above the working folder that
// has a go.work.
func Root() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is in no clone of the repository: no folder above it has a go.work; run the program in one", here)
		}
	}
}

// Conduit returns the engine's program: the one that the variable CONDUIT names, else the one
// on PATH, else the pinned one, which it builds. It reports the choice and the progress of a
// build to say.
func Conduit(ctx context.Context, say func(string)) (string, error) {
	path, err := GivenConduit()
	from := "that the variable CONDUIT names"
	if path == "" && err == nil {
		from = "on PATH"
		path, _ = exec.LookPath("conduit")
	}
	if err != nil {
		return "", err
	}
	if path == "" {
		say("There is no Conduit on PATH: building v0.14. A released one (https://conduit.io) saves that.")
		return PinnedConduit(ctx, say)
	}
	version, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", path, err)
	}
	say(fmt.Sprintf("Using the Conduit %s: %s, %s", from, path, bytes.TrimSpace(version)))
	return path, nil
}

// GivenConduit returns the engine's program that the variable CONDUIT names; "" when the
// variable is not set.
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

// PinnedConduit builds Conduit v0.14 from connector/e2e/engine, and returns its path. It
// reports its progress to say.
func PinnedConduit(ctx context.Context, say func(string)) (string, error) {
	dir, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bin", "conduit")
	b := builder{dir: filepath.Join(dir, "connector", "e2e", "engine"), env: []string{"GOWORK=off"}, say: say}
	return path, b.build(ctx, "Conduit", path, "github.com/conduitio/conduit/cmd/conduit")
}

// Plugins builds the destination and the folder source into dir. It reports its progress to
// say.
func Plugins(ctx context.Context, dir string, say func(string)) error {
	top, err := Root()
	if err != nil {
		return err
	}
	b := builder{dir: filepath.Join(top, "connector"), say: say}
	return errors.Join(
		b.build(ctx, "the plugin", filepath.Join(dir, "openai-vectorstore"), "./cmd/conduit-connector-openai-vectorstore"),
		b.build(ctx, "the demo's source", filepath.Join(dir, "folder"), "./e2e/foldersource"),
	)
}

// Vsctl builds the program vsctl, and returns its path. It reports its progress to say.
func Vsctl(ctx context.Context, say func(string)) (string, error) {
	top, err := Root()
	if err != nil {
		return "", err
	}
	path := filepath.Join(top, "bin", "vsctl")
	b := builder{dir: top, say: say}
	return path, b.build(ctx, "vsctl", path, "./vsclient/cmd/vsctl")
}

// builder builds programs from a folder.
type builder struct {
	dir string
	env []string
	say func(string)
}

// sayEvery is the interval at which a build reports its progress.
const sayEvery = 5 * time.Second

func (b *builder) build(ctx context.Context, name, out, pkg string) error {
	// With -v the go command names each package that it compiles. The link takes less time
	// without the tables for debuggers.
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), b.env...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("building %s: %w", name, err)
	}
	var text strings.Builder
	var compiled atomic.Int64
	began := time.Now()
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if strings.ContainsAny(lines.Text(), " #") {
				text.WriteString(lines.Text() + "\n") // an error, or a download
			} else {
				compiled.Add(1)
			}
		}
	}()
	for done := false; !done; {
		select {
		case <-read:
			done = true
		case <-tick.C:
			b.say(fmt.Sprintf("building %s: %d packages compiled in %.0f s", name, compiled.Load(), time.Since(began).Seconds()))
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", name, err, text.String())
	}
	return nil
}

// The ports are below those of outgoing connections, which could take an address between its
// choice and its use. Each call gets another port.
const (
	firstPort = 20_000
	ports     = 10_000
)

var lastPort atomic.Uint32

func init() { lastPort.Store(rand.Uint32N(ports)) }

// FreeAddress returns a loopback address on which nothing listens now.
func FreeAddress(ctx context.Context) (string, error) {
	var failed error
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(firstPort+lastPort.Add(1)%ports)))
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		failed = err
	}
	return "", failed
}
