package openaitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// Client returns a client that reaches the server without a socket, under any host. It
// reaches the page and the control door, too. Inside a testing/synctest bubble its waits
// are virtual. Errors are those of TCP: a cut connection is io.EOF or ECONNRESET in a
// *url.Error, and a cut reply is io.ErrUnexpectedEOF in the middle of the body. A request
// whose context ends returns the cause at once, as over TCP, and the server may still read its body
// and let it take effect.
func (s *Server) Client() *http.Client { return &http.Client{Transport: transport{s}} }

type transport struct{ s *Server }

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if ctx.Err() != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, context.Cause(ctx)
	}
	in := new(http.Request)
	*in = *req
	u := *req.URL
	in.URL = &u
	in.Header = req.Header.Clone()
	if in.Host == "" {
		in.Host = u.Host
	}
	if in.Method == "" {
		in.Method = http.MethodGet
	}
	var body *clientBody
	if req.Body != nil && req.Body != http.NoBody {
		body = &clientBody{gone: ctx.Err, r: req.Body, want: req.ContentLength}
		in.Body = body
	}

	if !isAPI(in) {
		if in.Body == nil {
			in.Body = http.NoBody
		}
		w := &pageWriter{reply: reply{status: http.StatusOK, header: make(http.Header)}}
		t.s.serveOther(w, in)
		if req.Body != nil {
			req.Body.Close()
		}
		return response(req, &w.reply), nil
	}

	type outcome struct {
		rep *reply
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		rep := t.s.serve(in)
		var err error
		if body != nil {
			body.r.Close()
			err = body.failed
		}
		if err == nil && rep.cut == cutBefore {
			err = io.EOF
			if body != nil && body.n == 0 {
				err = reset
			}
		}
		done <- outcome{rep, err}
	}()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case o := <-done:
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if o.err != nil {
			return nil, o.err
		}
		return response(req, o.rep), nil
	}
}

// reset is the error of a connection that the peer closed with unread data.
var reset error = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

func response(req *http.Request, rep *reply) *http.Response {
	resp := &http.Response{
		Status:        fmt.Sprintf("%d %s", rep.status, http.StatusText(rep.status)),
		StatusCode:    rep.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        rep.header,
		ContentLength: int64(len(rep.body)),
		Request:       req,
	}
	if rep.cut == cutMiddle {
		half := bytes.NewReader(rep.body[:len(rep.body)/2])
		resp.Body = io.NopCloser(io.MultiReader(half, brokenReader{}))
		return resp
	}
	if req.Method == http.MethodHead || rep.status == http.StatusNoContent || rep.status == http.StatusNotModified {
		resp.Body = http.NoBody
		return resp
	}
	resp.Body = io.NopCloser(bytes.NewReader(rep.body))
	return resp
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// clientBody is a request's body as the server sees it. It ends when the client
// leaves. An error of the client's reader fails the request.
type clientBody struct {
	gone   func() error // the reason why the client left, if it did
	r      io.ReadCloser
	want   int64 // declared length; -1 or 0: none
	n      int64
	failed error
}

func (b *clientBody) Read(p []byte) (int, error) {
	if err := b.gone(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	b.n += int64(n)
	switch {
	case b.want > 0 && (b.n > b.want || err == io.EOF && b.n < b.want):
		b.failed = fmt.Errorf("http: ContentLength=%d with Body length %d", b.want, b.n)
		return 0, b.failed
	case err != nil && !errors.Is(err, io.EOF):
		b.failed = err
	}
	return n, err
}

// Close leaves the body to the transport, which closes it once the server is
// done with the request.
func (b *clientBody) Close() error { return nil }

// pageWriter collects the reply to a request that is not of the API.
type pageWriter struct{ reply }

func (w *pageWriter) Header() http.Header  { return w.header }
func (w *pageWriter) WriteHeader(code int) { w.status = code }
func (w *pageWriter) Write(p []byte) (int, error) {
	w.body = append(w.body, p...)
	return len(p), nil
}
