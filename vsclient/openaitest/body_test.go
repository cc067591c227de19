package openaitest_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

const formHead = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.md\"\r\n\r\n"

func TestAnAnnouncedBodyTakesNoMemoryUntilItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{})
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 50 {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL()+"/files", io.MultiReader(strings.NewReader(formHead+"x"), waiting{ctx}))
			is.NoErr(err)
			r.ContentLength = 500 << 20
			r.Header.Set("Authorization", "Bearer sk-test")
			r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
			go s.Client().Do(r) //nolint:errcheck // no reply comes
		}
		synctest.Wait()
		runtime.ReadMemStats(&after)
		is.Equal(s.RequestCount(), 50)
		is.True(after.TotalAlloc-before.TotalAlloc < 50<<20) // less than the KeepBytes of four of them
	})
}

// waiting is a body that pauses until the client gives up.
type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) { <-w.ctx.Done(); return 0, w.ctx.Err() }

func TestAConnectionThatBringsNothingOfItsBodyIsGivenUp(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pause time.Duration // before the rest of the body
		taken bool          // false: the connection is cut
	}{
		{"in time", 29 * time.Second, true},
		{"too late", 31 * time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				s := openaitest.New(openaitest.Config{})
				client, closeServer := connect(s)
				rest := "x\r\n--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n--b--\r\n"
				var sending sync.WaitGroup
				sending.Go(func() {
					length := len(formHead) + len(rest)
					_, _ = io.WriteString(client, "POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: "+
						strconv.Itoa(length)+"\r\n\r\n"+formHead)
					time.Sleep(tt.pause)
					_, _ = io.WriteString(client, rest)
				})
				start := time.Now()
				resp, err := http.ReadResponse(bufio.NewReader(client), nil)
				is.Equal(err == nil, tt.taken)
				if tt.taken {
					resp.Body.Close()
					is.Equal(resp.StatusCode, 200)
				}
				is.True(time.Since(start) <= 30*time.Second)
				is.NoErr(client.Close())
				closeServer()
				sending.Wait()
			})
		})
	}
}

func TestABodyThatNobodyReadsIsNotWaitedForEither(t *testing.T) {
	const json, length = "Content-Type: application/json\r\n", "Content-Length: 5\r\n"
	for _, tt := range []struct{ name, head string }{
		{"the key is missing", "POST /v1/vector_stores HTTP/1.1\r\n" + json + length},
		{"the type is wrong", "POST /v1/vector_stores HTTP/1.1\r\nAuthorization: Bearer k\r\n" + length},
		{"the request has no body", "DELETE /v1/files/file-1 HTTP/1.1\r\nAuthorization: Bearer k\r\n" + length},
		{"the body comes in chunks", "GET /v1/files HTTP/1.1\r\nAuthorization: Bearer k\r\nTransfer-Encoding: chunked\r\n"},
		{"the base URL is wrong", "POST /files HTTP/1.1\r\n" + length},
		{"the control door", "POST /-/faults HTTP/1.1\r\n" + json + length},
		{"the page", "POST / HTTP/1.1\r\n" + length},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				s := openaitest.New(openaitest.Config{})
				client, closeServer := connect(s)
				go io.WriteString(client, tt.head+"Host: x\r\n\r\n") //nolint:errcheck // the reply shows it
				ended := make(chan time.Duration, 1)
				start := time.Now()
				go func() {
					_, _ = io.Copy(io.Discard, client)
					ended <- time.Since(start)
				}()
				select {
				case took := <-ended:
					is.True(took <= 31*time.Second)
				case <-time.After(time.Hour):
					t.Error("the connection is still open")
				}
				is.NoErr(client.Close())
				closeServer()
			})
		})
	}
}

func TestAHangEndsWhenTheClientLeavesThoughItsBodyWasNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{{Kind: openaitest.FaultHang}}})
		client, closeServer := connect(s)
		_, err := io.WriteString(client, "POST /v1/vector_stores HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		is.NoErr(err)
		time.Sleep(time.Minute)
		is.True(!s.Requests()[0].Done)
		is.NoErr(client.Close())
		synctest.Wait()
		is.True(s.Requests()[0].Done)
		closeServer()
	})
}

// connect returns a connection to the server in memory.
func connect(s *openaitest.Server) (client net.Conn, closeServer func()) {
	door := pipeDoor{make(chan net.Conn), make(chan struct{})}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go srv.Serve(door)
	client, server := net.Pipe()
	door.conns <- server
	return client, func() { srv.Close() }
}

// pipeDoor is a listener of connections in memory.
type pipeDoor struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (d pipeDoor) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}
func (d pipeDoor) Close() error   { close(d.closed); return nil }
func (d pipeDoor) Addr() net.Addr { return &net.TCPAddr{} }

// In memory, each of the values takes many times its bytes.
func TestABodyOfMillionsOfValuesIsRefused(t *testing.T) {
	t.Parallel()
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	defer s.Close()
	for body, want := range map[string]int{
		`{"metadata":[` + strings.Repeat("[],", 2_000_000) + `1]}`:            http.StatusRequestEntityTooLarge,
		`{"name":"` + strings.Repeat(`,\",`, 1_000_000) + `"}`:                http.StatusOK, // commas of a text
		`{"metadata":{"a":"` + strings.Repeat(",", 512) + `"},"name":"a, b"}`: http.StatusOK,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/vector_stores", strings.NewReader(body))
		is.NoErr(err)
		r.Header.Set("Authorization", "Bearer x")
		r.Header.Set("Content-Type", "application/json")
		reply, err := s.Client().Do(r)
		is.NoErr(err)
		reply.Body.Close()
		is.Equal(reply.StatusCode, want)
	}
}
