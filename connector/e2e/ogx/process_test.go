//go:build ogx

package ogx_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// childEnv is the variable with the settings of a process that performs calls.
const childEnv = "OGX_CHILD"

// callTime is how long one call may take before its process is killed.
const callTime = 90 * time.Second

// child performs the calls from standard input, one after the other.
func child(text string) error {
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	c, err := open(s)
	if err != nil {
		return err
	}
	defer c.Close()
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var next call
		if err := in.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := out.Encode(perform(context.Background(), c, next)); err != nil {
			return err
		}
	}
}

// process is a separate process with one client.
type process struct {
	*testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	calls  *json.Encoder
	out    *json.Decoder
	told   strings.Builder
	killed sync.Once
}

func newProcess(t *testing.T, s settings) *process {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{T: t, cmd: exec.CommandContext(context.Background(), os.Args[0])}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
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
	p.calls, p.out = json.NewEncoder(p.in), json.NewDecoder(out)
	t.Cleanup(func() {
		p.kill()
		p.cmd.Wait()
	})
	return p
}

// do performs one call.
func (p *process) do(c call) answer {
	p.Helper()
	a, err := p.try(c)
	if err != nil {
		p.Fatalf("%s %.60q: %v\n%s", c.Do, c.Document.Key, err, p.told.String())
	}
	return a
}

// try performs one call. It returns an error when the process has ended, or has
// not answered in time.
func (p *process) try(c call) (a answer, err error) {
	late := time.AfterFunc(callTime, p.kill)
	if err = p.calls.Encode(c); err == nil {
		err = p.out.Decode(&a)
	}
	if !late.Stop() {
		err = fmt.Errorf("no answer within %v", callTime)
	}
	return a, err
}

// end closes the client and waits for the process.
func (p *process) end() {
	p.Helper()
	p.in.Close()
	late := time.AfterFunc(callTime, p.kill)
	defer late.Stop()
	if err := p.cmd.Wait(); err != nil {
		p.Fatalf("the process has failed: %v\n%s", err, p.told.String())
	}
}

// kill kills the process.
func (p *process) kill() {
	p.killed.Do(func() { p.cmd.Process.Kill() })
}
