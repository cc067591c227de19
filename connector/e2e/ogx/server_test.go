//go:build ogx

package ogx_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/e2e/rig"
)

// server is an OGX process with its state in a new folder.
type server struct {
	url    string // with /v1
	python string // of the virtual environment

	dir        string
	embeddings *httptest.Server
	cmd        *exec.Cmd
	input      io.Closer
	done       chan struct{}
}

// These limits are of the rig. No test fails by them.
const (
	installTime = 15 * time.Minute
	startTime   = 2 * time.Minute
	stopTime    = 20 * time.Second
)

// environment returns the Python of a virtual environment with the pinned packages. The
// environment is in the user's cache, under the digest of the pins.
func environment(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, installTime)
	defer cancel()
	pins, err := os.ReadFile("requirements.txt")
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "conduit-connector-openai-vectorstore", fmt.Sprintf("ogx-%x", sha256.Sum256(pins))[:16])
	python := filepath.Join(dir, "bin", "python")
	complete := filepath.Join(dir, "complete")
	if _, err := os.Stat(complete); err == nil {
		return python, nil
	}
	base, err := python312(ctx)
	if err != nil {
		return "", err
	}
	fmt.Println("Installing OGX into", dir)
	for _, args := range [][]string{
		{base, "-m", "venv", "--clear", dir},
		{python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", "requirements.txt"},
		{python, "-m", "pip", "check", "--disable-pip-version-check"},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return python, os.WriteFile(complete, nil, 0o600)
}

// python312 returns a Python 3.12, for which the packages are pinned.
func python312(ctx context.Context) (string, error) {
	home, _ := os.UserHomeDir()
	installed, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", "3.12*", "bin", "python"))
	for _, name := range append([]string{os.Getenv("PYTHON"), "python3.12", "python3", "python"}, installed...) {
		if name == "" {
			continue
		}
		out, err := exec.CommandContext(ctx, name, "-c", "import sys; print(*sys.version_info[:2])").Output()
		if err == nil && strings.TrimSpace(string(out)) == "3 12" {
			return name, nil
		}
	}
	return "", errors.New("no Python 3.12 was found: install one, or name it in the variable PYTHON")
}

// startServer starts OGX on a free loopback port and returns once it answers.
func startServer(ctx context.Context) (*server, error) {
	python, err := environment(ctx)
	if err != nil {
		return nil, err
	}
	// The folder is in memory if possible. OGX waits for the disk at each step, and under load
	// answers 500 "database is locked", which can break a store for ever.
	dir, err := os.MkdirTemp("/dev/shm", "ogx")
	if err != nil {
		if dir, err = os.MkdirTemp("", "ogx"); err != nil {
			return nil, err
		}
	}
	s := &server{python: python, dir: dir, embeddings: httptest.NewServer(http.HandlerFunc(embed)), done: make(chan struct{})}
	if err := s.run(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) run(ctx context.Context) error {
	address, err := rig.FreeAddress(ctx)
	if err != nil {
		return err
	}
	s.url = "http://" + address + "/v1"
	_, port, _ := net.SplitHostPort(address)
	log, err := os.Create(s.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), s.python, "serve.py", "config.yaml", port)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.Env = append(os.Environ(),
		"OGX_STATE="+s.dir,
		"OGX_EMBEDDINGS="+s.embeddings.URL+"/v1",
		"OGX_LOG_FORMAT=json", // by default OGX takes seconds to draw a traceback of each refusal
		"OTEL_SDK_DISABLED=true",
		"HOME="+s.dir, "TMPDIR="+s.dir,
		"PYTHONDONTWRITEBYTECODE=1",
	)
	if s.input, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	go func() {
		s.cmd.Wait()
		close(s.done)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if err := request(ctx, http.MethodGet, s.url+"/health", nil, nil); err == nil {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("OGX has ended:\n%s", s.log())
		case <-ctx.Done():
			return fmt.Errorf("OGX does not answer: %w\n%s", ctx.Err(), s.log())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// stop ends OGX and removes its state.
func (s *server) stop() error {
	if s.cmd != nil {
		s.input.Close()
		select {
		case <-s.done:
		case <-time.After(stopTime):
			s.cmd.Process.Kill()
			<-s.done
		}
	}
	s.embeddings.Close()
	return os.RemoveAll(s.dir)
}

func (s *server) logFile() string { return filepath.Join(s.dir, "log") }

// log returns the end of OGX's log.
func (s *server) log() string {
	const most = 4000
	b, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}

// logged returns the length of the log in bytes.
func (s *server) logged() int64 {
	info, err := os.Stat(s.logFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

// answers returns the last lines about requests in the log, from an offset on.
func (s *server) answers(from int64) string {
	const most = 60
	b, err := os.ReadFile(s.logFile())
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(b[min(from, int64(len(b))):])) {
		var l struct{ Event string }
		if json.Unmarshal([]byte(line), &l) == nil && strings.Contains(l.Event, " HTTP/1.1\" ") {
			lines = append(lines, l.Event)
		}
	}
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

const dimension = 256 // of config.yaml

var word = regexp.MustCompile(`[\pL\pN]+`)

// embed answers OpenAI's embeddings endpoint with hashed words, so that texts with common
// words are near each other.
func embed(w http.ResponseWriter, r *http.Request) {
	type embedding struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float64 `json:"embedding"`
	}
	var in struct {
		Model string          `json:"model"`
		Input json.RawMessage `json:"input"`
	}
	if r.Method == http.MethodGet { // the list of models
		json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": []any{map[string]any{"id": "words", "object": "model", "owned_by": "test"}}})
		return
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var texts []string
	if json.Unmarshal(in.Input, &texts) != nil {
		texts = make([]string, 1)
		if err := json.Unmarshal(in.Input, &texts[0]); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	data := make([]embedding, len(texts))
	for i, text := range texts {
		v := make([]float64, dimension)
		sum := 0.0
		for _, found := range word.FindAllString(strings.ToLower(text), -1) {
			h := sha256.Sum256([]byte(found))
			v[binary.BigEndian.Uint32(h[:])%dimension]++
		}
		for _, x := range v {
			sum += x * x
		}
		for j := range v {
			v[j] /= max(math.Sqrt(sum), 1)
		}
		data[i] = embedding{"embedding", i, v}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"object": "list", "model": in.Model, "data": data, "usage": map[string]int{"prompt_tokens": 0, "total_tokens": 0}})
}

// request makes a request without the client, with a body and an answer in JSON.
func request(ctx context.Context, method, url string, body, answer any) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return exchange(req, answer)
}

func exchange(req *http.Request, answer any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", req.Method, req.URL, resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
