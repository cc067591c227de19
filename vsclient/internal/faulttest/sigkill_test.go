package faulttest_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The environment of a child: where the API is, and which step comes first.
const (
	childEnv  = "FAULTTEST_CHILD_URL"
	childFrom = "FAULTTEST_CHILD_FROM"
)

// child is the process that gets killed. It carries out the workload from a step
// on. Over its standard output and input it asks for leave to begin each step, so
// that the parent has noted it by then, and acknowledges it.
func child() int {
	from, err := strconv.Atoi(os.Getenv(childFrom))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	url, store, _ := strings.Cut(os.Getenv(childEnv), " ")
	c, err := client.New(client.Settings{Store: store, URL: url})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer c.Close()
	leave := bufio.NewScanner(os.Stdin)
	for i, s := range compact() {
		if i < from {
			continue
		}
		if fmt.Println("begin", i); !leave.Scan() {
			return 2
		}
		if a := c.Do(neverDone, s.change()); a.Err != nil {
			fmt.Fprintln(os.Stderr, a.Err)
			return 1
		}
		fmt.Println("done", i)
	}
	return 0
}

// executioner serves the emulator over TCP and kills the process that makes the
// nth request: before it takes effect, or after, with the reply unsent.
type executioner struct {
	*project
	at   moment
	n    atomic.Int64
	kill func()
}

func (e *executioner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if int(e.n.Add(1)) != e.at.n {
		e.srv.ServeHTTP(w, r)
		return
	}
	if e.at.after {
		e.srv.ServeHTTP(httptest.NewRecorder(), r)
	}
	e.kill()
	panic(http.ErrAbortHandler)
}

// live runs a child from a step on until it ends or is killed, and returns the
// step that comes next.
func (w *project) live(url string, from int, log *session, started func(*os.Process)) (next int, err error) {
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+url+" "+w.store, childFrom+"="+strconv.Itoa(from))
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.StdoutPipe()
	if err != nil {
		return from, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return from, err
	}
	if err := cmd.Start(); err != nil {
		return from, err
	}
	started(cmd.Process)
	steps := compact()
	next = from
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch lines.Text() {
		case fmt.Sprint("begin ", next):
			log.asked(steps[next])
			fmt.Fprintln(in)
		case fmt.Sprint("done ", next):
			log.done(steps[next])
			next++
		}
	}
	if err := cmd.Wait(); err != nil {
		return next, fmt.Errorf("%w: %s", err, told.String())
	}
	return next, nil
}

// executed runs the workload in a process that is killed at that moment, and to its
// end in another.
func executed(at moment) (bad findings, bounded, requests int) {
	w := newProject(openaitest.Config{Now: time.Now}, keysOf(compact()))
	e := &executioner{project: w, at: at}
	api := httptest.NewServer(e)
	defer api.Close()
	var killed atomic.Bool
	process, buried := make(chan *os.Process, 1), make(chan struct{})
	e.kill = func() {
		killed.Store(true)
		_ = (<-process).Kill() // unless it has ended by itself
		<-buried               // it must not see the connection close
	}
	from := 0
	for first := true; first || killed.Load() && from < len(compact()); first = false {
		log := &session{w: w}
		var err error
		from, err = w.live(api.URL+"/v1", from, log, func(p *os.Process) {
			if first {
				process <- p
			}
		})
		log.over.Store(true)
		if first {
			close(buried)
		}
		if err != nil && !(first && killed.Load()) {
			bad.wrong = append(bad.wrong, fmt.Sprintf("the process came to step %d: %v", from, err))
			return bad, 0, 0
		}
	}
	if at.n > 0 && !killed.Load() {
		return findings{}, -1, 0 // it made fewer requests this time
	}
	w.cut = true
	requests = int(e.n.Load())
	bad.add(w.examine())
	bad.leftovers = nil
	c := w.client(nil)
	defer c.Close()
	// Ages count from the newest File that the client has seen.
	if _, err := c.Strays(neverDone, time.Hour, nil, time.Time{}); err != nil {
		bad.wrong = append(bad.wrong, err.Error())
	}
	settled, bounded := w.ends(c, 1)
	bad.add(settled)
	return bad, bounded, requests
}

// TestASIGKILLAtAnyRequestLosesNothing kills real processes, which speak to the emulator
// over TCP and in real time.
func TestASIGKILLAtAnyRequestLosesNothing(t *testing.T) {
	bad, _, boundaries := executed(moment{})
	if bad.any() {
		t.Fatal(bad)
	}
	var (
		wait sync.WaitGroup
		room = make(chan struct{}, 24) // they mostly wait
		ends = make(chan func(), 2*boundaries)
		r    = report{t: t, name: "the process gets SIGKILL", boundaries: boundaries, kinds: 2}
	)
	stride := 1
	if sparing() {
		stride = 12
	}
	for n := 1; n <= boundaries; n += stride {
		for _, after := range []bool{false, true} {
			wait.Go(func() {
				room <- struct{}{}
				defer func() { <-room }()
				at := moment{n, after}
				if bad, bounded, _ := executed(at); bounded >= 0 {
					ends <- func() { r.add(at, bad, bounded) }
				}
			})
		}
	}
	wait.Wait()
	close(ends)
	for end := range ends {
		end()
	}
}
