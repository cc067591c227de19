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
)

// baseURL is the host that the in-memory client speaks to.
const baseURL = "http://openai.test/v1"

// Server is one emulated project of OpenAI's API. It is an http.Handler and
// safe for concurrent use; make one with [New].
type Server struct {
	cfg       Config
	ghostTime time.Duration // how long something remembers a detached file

	mu       sync.Mutex
	offset   time.Duration // by which Advance moved the clock
	rng      *rand.Rand    // ids and what the seed decides
	seq      uint64
	files    map[string]*file
	fileList ordered[*file]
	stored   int64 // bytes of all files
	// filesLeft and storesLeft hold the places of what was deleted: a cursor may name it.
	filesLeft, storesLeft map[string]place
	expiring              expiryHeap
	stores                map[string]*store
	storeList             ordered[*store]
	buried                map[string]*store // deleted, for their history
	uploads               map[string]*upload
	pendingUploads        []*upload         // oldest first; those that have ended stay until they would have expired
	replayed              map[string]*reply // by idempotency key

	uploadLimit, attachedLimit, readLimit, deleteLimit *limiter

	scripts   []*script
	onRequest func(n int, r *http.Request)
	log       []Request
	logged    int // requests that the log no longer holds
	late      int // effects that are still to come, see Fault.EffectAfter
	counts    map[string]int

	recorders []*recorder

	closed   chan struct{}
	closing  sync.Once
	listener *http.Server
	url      string
}

// New returns a server without files or stores. It panics on a Config that
// contradicts itself.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.KeepBytes == 0 {
		cfg.KeepBytes = 16 << 20
	}
	if err := cfg.Check(); err != nil {
		panic("openaitest: " + err.Error())
	}
	s := &Server{
		cfg:           cfg,
		ghostTime:     max(cfg.ListLag.Detach, cfg.GhostWindow, cfg.SearchLag.Detach),
		rng:           rand.New(rand.NewPCG(cfg.Seed, 0x6f70656e61697473)), //nolint:gosec // not secret, but reproducible
		files:         make(map[string]*file),
		filesLeft:     make(map[string]place),
		storesLeft:    make(map[string]place),
		stores:        make(map[string]*store),
		buried:        make(map[string]*store),
		uploads:       make(map[string]*upload),
		replayed:      make(map[string]*reply),
		uploadLimit:   newLimiter(cfg.Limits.UploadsPerMinute, cfg.Limits),
		attachedLimit: newLimiter(cfg.Limits.AttachedFilesPerMinute, cfg.Limits),
		readLimit:     newLimiter(cfg.Limits.ReadsPerMinute, cfg.Limits),
		deleteLimit:   newLimiter(cfg.Limits.DeletesPerMinute, cfg.Limits),
		counts:        make(map[string]int),
		closed:        make(chan struct{}),
		url:           baseURL,
	}
	if cfg.Record != nil {
		s.recorders = append(s.recorders, &recorder{w: cfg.Record})
	}
	if dir := os.Getenv("OPENAITEST_RECORD"); dir != "" {
		s.recorders = append(s.recorders, processRecorder(dir))
	}
	s.Inject(cfg.Faults...)
	return s
}

// URL is the base URL for an SDK: that of the listener after [Server.Listen],
// otherwise the one for [Server.Client].
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
	hs := &http.Server{Handler: s, ReadHeaderTimeout: 30 * time.Second}
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

// Shutdown closes the server as Close does, but lets the listener finish the
// replies that are being written; when ctx is done before, it cuts them too and
// returns ctx's error.
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

// Close ends hanging and delayed requests and the listener. The state can
// still be inspected; new requests are cut.
func (s *Server) Close() {
	s.closing.Do(func() { close(s.closed) })
	s.mu.Lock()
	hs := s.listener
	s.mu.Unlock()
	if hs != nil {
		hs.Close()
	}
}

// Advance moves the server's clock on by d: files expire, indexing ends, lags
// pass. It does not shorten what is waiting at the moment. It panics on a negative d.
func (s *Server) Advance(d time.Duration) {
	if d < 0 {
		panic(fmt.Sprintf("openaitest: the clock cannot go back by %v", -d))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// Inject adds fault scripts. Of several that match a request the first strikes.
// It panics on a script that makes no sense.
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

// ClearFaults removes every fault script.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts = nil
}

// OnRequest sets a function that is called at the arrival of each request,
// with its number from 1, before anything is done for it. It may inject faults,
// read the state and block; it must not read the body.
func (s *Server) OnRequest(f func(n int, r *http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRequest = f
}

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	hexSet = "0123456789abcdef"
)

// newID returns a new id of n characters behind prefix, in the alphabet that
// OpenAI uses for that kind; s.mu is held.
func (s *Server) newID(prefix string, n int) string {
	set := hexSet
	if prefix == "file-" {
		set = base62
	}
	b := make([]byte, len(prefix)+n)
	copy(b, prefix)
	for i := len(prefix); i < len(b); {
		for v, k := s.rng.Uint64(), 0; k < 10 && i < len(b); k, i = k+1, i+1 {
			b[i] = set[v%uint64(len(set))]
			v /= uint64(len(set))
		}
	}
	return string(b)
}
