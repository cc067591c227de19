package openaitest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// baseURL is the base URL for the in-memory client.
const baseURL = "http://openai.test/v1"

// Server is one emulated project of OpenAI's API. It is an http.Handler and
// safe for concurrent use; make one with [New].
type Server struct {
	cfg Config

	mu       sync.Mutex // held around every call of state
	state    *project.Project
	rng      *rand.Rand        // makes ids and random decisions
	replayed map[string]*reply // by idempotency key

	uploadLimit, attachedLimit, readLimit, deleteLimit *limiter
	attachLimits                                       map[string]*limiter // by store

	scripts   []*script
	onRequest func(n int, r *http.Request)
	log       []Request
	logged    int // all requests that arrived
	late      int // effects that are still to come, see Fault.EffectAfter
	counts    map[string]int

	recorders []*recorder

	closed   chan struct{}
	closing  sync.Once
	listener *http.Server
	url      string
}

const defaultKeepBytes = 16 << 20

// New returns a server without files or stores. It panics on a Config that
// contradicts itself.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.KeepBytes == 0 {
		cfg.KeepBytes = defaultKeepBytes
	}
	if err := cfg.Check(); err != nil {
		panic("openaitest: " + err.Error())
	}
	s := &Server{
		cfg:           cfg,
		rng:           rand.New(rand.NewPCG(cfg.Seed, 0x6f70656e61697473)), //nolint:gosec // not secret, but reproducible
		replayed:      make(map[string]*reply),
		attachLimits:  make(map[string]*limiter),
		uploadLimit:   newLimiter(cfg.Limits.UploadsPerMinute, cfg.Limits),
		attachedLimit: newLimiter(cfg.Limits.AttachedFilesPerMinute, cfg.Limits),
		readLimit:     newLimiter(cfg.Limits.ReadsPerMinute, cfg.Limits),
		deleteLimit:   newLimiter(cfg.Limits.DeletesPerMinute, cfg.Limits),
		counts:        make(map[string]int),
		closed:        make(chan struct{}),
		url:           baseURL,
	}
	s.state = project.New(s.rules())
	if cfg.Record != nil {
		s.recorders = append(s.recorders, &recorder{w: cfg.Record})
	}
	if dir := os.Getenv("OPENAITEST_RECORD"); dir != "" {
		s.recorders = append(s.recorders, processRecorder(dir))
	}
	s.Inject(cfg.Faults...)
	return s
}

// URL returns the base URL for an SDK: that of the listener after [Server.Listen],
// otherwise one for [Server.Client].
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// Listen serves on a TCP address, such as "127.0.0.1:0", and returns the base
// URL. It may be called once.
func (s *Server) Listen(addr string) (string, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", err
	}
	hs := &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		l.Close()
		return "", fmt.Errorf("openaitest: already listening on %s", s.url)
	}
	s.listener = hs
	s.url = "http://" + l.Addr().String() + "/v1"
	go hs.Serve(l)
	return s.url, nil
}

// Shutdown closes the server as Close does, but lets the listener finish the replies
// that are being written. When ctx ends first, it cuts them and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.closing.Do(func() { close(s.closed) })
	s.mu.Lock()
	hs := s.listener
	s.mu.Unlock()
	if hs == nil {
		return nil
	}
	err := hs.Shutdown(ctx)
	if err != nil {
		hs.Close()
	}
	return err
}

// Close ends hanging and delayed requests, and closes the listener. New requests are
// cut. The state can still be inspected.
func (s *Server) Close() {
	s.closing.Do(func() { close(s.closed) })
	s.mu.Lock()
	hs := s.listener
	s.mu.Unlock()
	if hs != nil {
		hs.Close()
	}
}

// Advance moves the server's clock on by d: files expire, indexing ends, lags pass. It
// does not shorten the waits of requests under way. It panics if d is negative, or if all
// advances together are more than a time.Duration can hold, 292 years.
func (s *Server) Advance(d time.Duration) {
	if err := s.advance(d); err != nil {
		panic("openaitest: " + err.Error())
	}
}

func (s *Server) advance(d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Advance(d)
}

// Inject adds faults. When several match a request, the first strikes. It panics on an
// invalid fault.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if err := f.check(); err != nil {
			panic("openaitest: " + err.Error())
		}
		s.scripts = append(s.scripts, &script{Fault: f})
	}
}

// ClearFaults removes every fault.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts = nil
}

// OnRequest sets a function that is called when a request arrives, before the request
// is handled. n is the request's number, from 1. The function may inject faults, read
// the state and block; it must not read the body.
func (s *Server) OnRequest(f func(n int, r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRequest = f
}
