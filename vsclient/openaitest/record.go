package openaitest

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// recordedBody is how much of a request's body is recorded.
const recordedBody = 1 << 20

// Exchange is a line of what Config.Record and OPENAITEST_RECORD receive: one
// request and its reply, as they were on the wire. The value of Authorization is
// left out.
type Exchange struct {
	Method        string      `json:"method"`
	URL           string      `json:"url"` // path and query, with /v1
	RequestHeader http.Header `json:"request_header"`
	RequestBody   []byte      `json:"request_body,omitempty"`
	RequestCut    bool        `json:"request_cut,omitempty"` // the body is recorded, or was read, only in part
	Endpoint      string      `json:"endpoint"`
	Fault         string      `json:"fault,omitempty"`
	Status        int         `json:"status,omitempty"` // 0: the connection was cut
	ReplyHeader   http.Header `json:"reply_header,omitempty"`
	ReplyBody     []byte      `json:"reply_body,omitempty"`
	ReplyCut      bool        `json:"reply_cut,omitempty"` // only half of the body was sent
}

// recorder appends exchanges to a writer, whole lines at a time.
type recorder struct {
	mu sync.Mutex
	w  io.Writer
}

func (r *recorder) write(c *call, rep *reply) {
	e := Exchange{
		Method: c.method, URL: "/v1" + c.path, RequestHeader: c.r.Header.Clone(), Endpoint: c.endpointName(),
		RequestBody: c.body.copy.Bytes(), RequestCut: c.body.n > recordedBody || !c.body.ended && c.r.ContentLength != 0,
	}
	if c.r.URL.RawQuery != "" {
		e.URL += "?" + c.r.URL.RawQuery
	}
	if e.RequestHeader.Get("Authorization") != "" {
		e.RequestHeader.Set("Authorization", "Bearer redacted")
	}
	if c.fault != nil {
		e.Fault = c.fault.String()
	}
	if rep.cut != cutBefore {
		e.Status, e.ReplyHeader, e.ReplyBody, e.ReplyCut = rep.status, rep.header, rep.body, rep.cut == cutMiddle
	}
	line, err := json.Marshal(e)
	if err != nil {
		panic("openaitest: " + err.Error())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.w.Write(append(line, '\n'))
}

var processRecorders struct {
	sync.Mutex
	byDir map[string]*recorder
}

// processRecorder returns the process's recorder into a file of its own in dir.
func processRecorder(dir string) *recorder {
	p := &processRecorders
	p.Lock()
	defer p.Unlock()
	if r := p.byDir[dir]; r != nil {
		return r
	}
	f, err := os.CreateTemp(dir, filepath.Base(os.Args[0])+"-*.jsonl")
	if err != nil {
		panic("openaitest: OPENAITEST_RECORD: " + err.Error())
	}
	if p.byDir == nil {
		p.byDir = make(map[string]*recorder)
	}
	r := &recorder{w: f}
	p.byDir[dir] = r
	return r
}
