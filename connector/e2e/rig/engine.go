//go:build unix

package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Engine is a Conduit process with its state in a folder.
type Engine struct {
	Program string            // of Conduit
	Dir     string            // contains connectors/, pipelines/ and the database
	Flags   []string          // further flags
	Env     []string          // further variables, as NAME=value
	OnLog   func(line string) // called with each line of the JSON log
	cmd     *exec.Cmd
	api     string
	done    chan struct{}
	mu      sync.Mutex
	log     bytes.Buffer
}

// Pipeline writes a pipeline's file. Conduit expands $NAME in it.
func (e *Engine) Pipeline(name, yaml string) error {
	dir := filepath.Join(e.Dir, "pipelines")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(yaml), 0o600)
}

// Connectors returns the folder for plugins.
func (e *Engine) Connectors() string { return filepath.Join(e.Dir, "connectors") }

// ErrEnded is the error of a Conduit that has ended before it answered.
var ErrEnded = errors.New("Conduit has ended")

// Start starts Conduit and returns once it answers.
func (e *Engine) Start(ctx context.Context) error {
	var err error
	if e.api, err = FreeAddress(ctx); err != nil {
		return err
	}
	grpc, err := FreeAddress(ctx)
	if err != nil {
		return err
	}
	for _, dir := range []string{"connectors", "pipelines", "processors"} {
		if err := os.MkdirAll(filepath.Join(e.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	// The process outlives the call. Stop or Kill ends it.
	e.cmd = exec.CommandContext(context.WithoutCancel(ctx), e.Program, append([]string{
		"run",
		"--api.http.address", e.api, "--api.grpc.address", grpc,
		"--connectors.path", e.Connectors(),
		"--pipelines.path", filepath.Join(e.Dir, "pipelines"),
		"--processors.path", filepath.Join(e.Dir, "processors"),
		"--db.type", "sqlite", "--db.sqlite.path", filepath.Join(e.Dir, "conduit.db"),
		"--log.format", "json",
	}, e.Flags...)...)
	e.cmd.Dir = e.Dir
	e.cmd.Env = append(os.Environ(), e.Env...)
	e.cmd.SysProcAttr = ownGroup()
	out, w := io.Pipe()
	e.cmd.Stdout, e.cmd.Stderr = w, w
	if err := e.cmd.Start(); err != nil {
		return fmt.Errorf("starting Conduit: %w", err)
	}
	e.done = make(chan struct{})
	go e.read(out)
	go func() {
		e.cmd.Wait() //nolint:errcheck // a signal has ended it
		w.Close()    //nolint:errcheck // it never fails
		close(e.done)
	}()
	for {
		resp, err := e.get(ctx, "/healthz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-e.done:
			return fmt.Errorf("%w:\n%s", ErrEnded, e.Log())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), e.Kill())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// read reads the log.
func (e *Engine) read(r io.Reader) {
	var line []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		e.mu.Lock()
		e.log.Write(buf[:n])
		e.mu.Unlock()
		for _, b := range buf[:n] {
			if b != '\n' {
				line = append(line, b)
				continue
			}
			if e.OnLog != nil {
				e.OnLog(string(line))
			}
			line = line[:0]
		}
		if err != nil {
			return
		}
	}
}

// Log returns Conduit's log so far.
func (e *Engine) Log() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.log.String()
}

// Stop makes Conduit write the records in flight and end, and returns when it has ended. It
// sends an interrupt, for which every version does so. A termination signal ends v0.14 at
// once, like a crash.
func (e *Engine) Stop(ctx context.Context) error { return e.end(ctx, os.Interrupt) }

// Terminate sends a termination signal and returns when Conduit has ended.
func (e *Engine) Terminate(ctx context.Context) error { return e.end(ctx, syscall.SIGTERM) }

func (e *Engine) end(ctx context.Context, signal os.Signal) error {
	if err := e.cmd.Process.Signal(signal); err != nil {
		return err
	}
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("Conduit does not end: %w", ctx.Err()), e.Kill())
	}
}

// Kill kills Conduit, but not its plugins.
func (e *Engine) Kill() error {
	err := e.cmd.Process.Kill()
	<-e.done
	return err
}

// KillPlugin kills the processes of the plugin of that file name.
func (e *Engine) KillPlugin(name string) error {
	pids, err := e.plugins(name)
	if err != nil {
		return err
	}
	if len(pids) == 0 {
		return fmt.Errorf("no plugin %q is running", name)
	}
	for _, pid := range pids {
		err = errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
	}
	return err
}

// Running returns the number of processes of the plugin of that file name.
func (e *Engine) Running(name string) (int, error) {
	pids, err := e.plugins(name)
	return len(pids), err
}

// PluginMemory returns the memory of the plugin of that file name, in bytes.
func (e *Engine) PluginMemory(name string) (int64, error) {
	pids, err := e.plugins(name)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, pid := range pids {
		out, err := exec.CommandContext(context.Background(), "ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
		if err != nil {
			return 0, fmt.Errorf("reading the memory of a process: %w", err)
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
		if err != nil {
			return 0, err
		}
		sum += kib << 10
	}
	return sum, nil
}

// Clean ends Conduit, and the plugins of a Conduit that was killed.
func (e *Engine) Clean() {
	if e.cmd == nil {
		return
	}
	select {
	case <-e.done:
	default:
		e.Kill() //nolint:errcheck // it may have ended by now
	}
	pids, _ := e.plugins("")
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGKILL) //nolint:errcheck // likewise
	}
}

// plugins returns the processes of a program in this engine's folder; name "" is any program.
func (e *Engine) plugins(name string) ([]int, error) {
	out, err := exec.CommandContext(context.Background(), "ps", "-e", "-o", "pid=,args=").Output()
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var pids []int
	for line := range strings.SplitSeq(string(out), "\n") {
		pid, program, _ := strings.Cut(strings.TrimSpace(line), " ")
		if program == filepath.Join(e.Connectors(), name) || name == "" && strings.HasPrefix(program, e.Connectors()+"/") {
			n, err := strconv.Atoi(pid)
			if err != nil {
				return nil, err
			}
			pids = append(pids, n)
		}
	}
	return pids, nil
}

// Status returns the status of a pipeline, such as STATUS_RUNNING.
func (e *Engine) Status(pipeline string) (string, error) {
	resp, err := e.get(context.Background(), "/v1/pipelines/"+pipeline)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var p struct {
		State struct {
			Status string `json:"status"`
			Error  string `json:"error"`
		} `json:"state"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		return "", err
	}
	return p.State.Status, nil
}

// get makes a request to Conduit's API.
func (e *Engine) get(ctx context.Context, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.api+path, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}
