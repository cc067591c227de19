package upgrade_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

var older = flag.String("older", "", "the commit of the older release; without one no test runs")

// program is the source of the older release's program, which reads commands.
//
//go:embed testdata/older.go
var program []byte

// workshop is the folder in which the older release is compiled.
var workshop string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		var err error
		if workshop, err = os.MkdirTemp("", "upgrade-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		defer os.RemoveAll(workshop)
		return m.Run()
	}())
}

// compiled is the path of the older release's program.
var compiled = sync.OnceValues(func() (string, error) {
	ctx := context.Background()
	top, err := output(ctx, "", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return "", err
	}
	root := strings.TrimSpace(string(top))
	if _, err := output(ctx, root, "git", "cat-file", "-e", *older+"^{commit}"); err != nil {
		return "", fmt.Errorf("commit %s is not in this clone; fetch the whole history: %w", *older, err)
	}
	archive, err := output(ctx, root, "git", "archive", "--format=zip", *older, "vsclient")
	if err != nil {
		return "", err
	}
	tree, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(workshop, tree); err != nil {
		return "", err
	}
	module := filepath.Join(workshop, "vsclient")
	folder := filepath.Join(module, "cmd", "older")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(folder, "main.go"), program, 0o644); err != nil {
		return "", err
	}
	path := filepath.Join(workshop, "older")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	// Without the tree's path in the compiled packages, the next run finds them in the cache.
	_, err = output(ctx, module, "go", "build", "-trimpath", "-buildvcs=false", "-o", path, "./cmd/older")
	return path, err
})

// output runs a command in a folder. The module is outside the workspace.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, failed.Stderr)
	}
	return out, err
}

// oldProcess is a process of the older release.
type oldProcess struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	told bytes.Buffer // its standard error
	read chan struct{}

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
	over    bool // it has closed its output
}

func startOlder(t *testing.T, url, store string) process {
	t.Helper()
	path, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	p := &oldProcess{cmd: exec.CommandContext(t.Context(), path, url, store), read: make(chan struct{}), waiting: make(map[int]chan answer)}
	p.cmd.Stderr = &p.told
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.listen(out)
	return p
}

// listen hands each answer to the command that waits for it.
func (p *oldProcess) listen(out io.Reader) {
	defer close(p.read)
	answers := bufio.NewScanner(out)
	answers.Buffer(nil, 1<<24)
	for answers.Scan() {
		var a answer
		if err := json.Unmarshal(answers.Bytes(), &a); err != nil {
			break
		}
		p.mu.Lock()
		waiting := p.waiting[a.ID]
		delete(p.waiting, a.ID)
		p.mu.Unlock()
		if waiting != nil {
			waiting <- a
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	for _, waiting := range p.waiting {
		waiting <- answer{Error: "the process of the older release has ended"}
	}
}

func (p *oldProcess) do(_ context.Context, cmd command) answer {
	waiting := make(chan answer, 1)
	p.mu.Lock()
	p.last++
	cmd.ID = p.last
	line, err := json.Marshal(cmd)
	if err == nil && !p.over {
		p.waiting[cmd.ID] = waiting
		_, err = p.in.Write(append(line, '\n'))
	}
	over := p.over
	p.mu.Unlock()
	switch {
	case err != nil:
		return answer{Error: err.Error()}
	case over:
		return answer{Error: "the process of the older release has ended"}
	}
	return <-waiting
}

// kill ends the process. It returns when the process has gone.
func (p *oldProcess) kill() {
	_ = p.cmd.Process.Kill() // unless it has ended by itself
	<-p.read
	_ = p.cmd.Wait() // it was killed
}

func (p *oldProcess) close() error {
	err := p.in.Close()
	<-p.read
	if ended := p.cmd.Wait(); ended != nil {
		return fmt.Errorf("%w: %s", ended, p.told.String())
	}
	return err
}
