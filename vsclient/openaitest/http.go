package openaitest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// replyTime is how long a client may take to read a reply, and for each MiB of it a
// second more.
const replyTime = time.Minute

// ServeHTTP serves the API under /v1, a page for people at /, and the control door for
// tests in other languages under /-/.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := &patientBody{ReadCloser: r.Body, conn: http.NewResponseController(w), ended: r.ContentLength == 0}
	if !body.ended {
		r.Body = body
	}
	_ = body.conn.SetWriteDeadline(time.Time{}) // of the connection's last request
	if !isAPI(r) {
		body.limit()
		_ = body.conn.SetWriteDeadline(time.Now().Add(replyTime))
		s.serveOther(w, r)
		return
	}
	rep := s.serve(r)
	body.limit()
	if rep.cut == cutBefore {
		panic(http.ErrAbortHandler)
	}
	for k, v := range rep.header {
		w.Header()[k] = v
	}
	_ = body.conn.SetWriteDeadline(time.Now().Add(replyTime + time.Duration(len(rep.body)>>20)*time.Second))
	w.Header().Set("Content-Length", strconv.Itoa(len(rep.body)))
	w.WriteHeader(rep.status)
	if rep.cut == cutMiddle {
		w.Write(rep.body[:len(rep.body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(rep.body)
}

// isAPI reports whether the request is for the API.
func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/") }

// serveOther serves every path that is not of the API.
func (s *Server) serveOther(w http.ResponseWriter, r *http.Request) {
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch first {
	case "-":
		s.control().ServeHTTP(w, r)
	case "files", "uploads", "vector_stores":
		refused := invalidURL(r.Method, r.URL.EscapedPath())
		refused.message += ". (HINT: the base URL of openaitest ends in /v1.)"
		writeControl(w, refused.status, refused.body())
	default:
		s.servePage(w, r)
	}
}
