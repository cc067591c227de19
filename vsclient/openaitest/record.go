package openaitest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// recordedBody is how much of a request's body is recorded.
const recordedBody = 1 << 20

// Exchange is one line of a record, see [Config.Record]: a request and its reply as they
// were sent. The value of Authorization is left out.
type Exchange struct {
	// Again, when above 0, replaces all other fields: the exchange equals that of line
	// Again of the file, from 1, except for ids, times and the boundary of a form. Only
	// the files of OPENAITEST_RECORD have it.
	Again int `json:"again,omitempty"`

	Method        string      `json:"method,omitempty"`
	URL           string      `json:"url,omitempty"` // path and query, with /v1
	RequestHeader http.Header `json:"request_header,omitempty"`
	RequestBody   []byte      `json:"request_body,omitempty"`
	RequestCut    bool        `json:"request_cut,omitempty"` // only a part of the body was recorded or read
	Endpoint      string      `json:"endpoint,omitempty"`
	Fault         string      `json:"fault,omitempty"`
	Status        int         `json:"status,omitempty"` // 0: the connection was cut
	ReplyHeader   http.Header `json:"reply_header,omitempty"`
	ReplyBody     []byte      `json:"reply_body,omitempty"`
	ReplyCut      bool        `json:"reply_cut,omitempty"` // only half of the body was sent
}

// recorder appends exchanges to a writer, whole lines at a time.
type recorder struct {
	mu    sync.Mutex
	w     io.Writer
	lines int
	seen  map[[32]byte]int // the line of each shape; nil: every exchange is written in full
}

func (r *recorder) write(c *call, rep *reply) {
	e := Exchange{
		Method: c.method, URL: "/v1" + c.path, RequestHeader: c.r.Header.Clone(), Endpoint: c.endpointName(),
		RequestBody: c.body.copy.Bytes(), RequestCut: c.body.n > recordedBody || !c.body.ended && c.r.Body != http.NoBody,
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
	var shape [32]byte
	if r.seen != nil {
		shape = e.shape()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines++
	if r.seen != nil {
		if first := r.seen[shape]; first > 0 {
			e = Exchange{Again: first}
		} else {
			r.seen[shape] = r.lines
		}
	}
	line, err := json.Marshal(e)
	if err != nil {
		panic("openaitest: " + err.Error())
	}
	if _, err := r.w.Write(append(line, '\n')); err != nil {
		panic("openaitest: cannot record: " + err.Error())
	}
}

var (
	anyID   = regexp.MustCompile(`\b(?:file-[0-9A-Za-z]{22}|(?:vs|vsfb|upload|part|req)_[0-9a-f]{32})\b`)
	anyTime = regexp.MustCompile(`"(created_at|last_active_at|expires_at)":\d+`)
)

// shape returns a hash that is equal for exchanges that Exchange.Again calls equal.
func (e *Exchange) shape() [32]byte {
	typ, body := e.RequestHeader.Get("Content-Type"), e.RequestBody
	if i := strings.Index(typ, "boundary="); i >= 0 {
		body = bytes.ReplaceAll(body, []byte(typ[i+len("boundary="):]), nil)
		typ = typ[:i]
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s %v %d %s %v %s\n", e.Method, e.URL, typ, e.RequestCut, e.Status, e.ReplyHeader.Get("Content-Type"), e.ReplyCut, e.Fault)
	b.Write(body)
	b.WriteByte('\n')
	b.Write(anyTime.ReplaceAll(e.ReplyBody, []byte(`"$1":0`)))
	return sha256.Sum256(anyID.ReplaceAll(b.Bytes(), []byte("id")))
}

var processRecorders struct {
	sync.Mutex
	byDir map[string]*recorder
}

// processRecorder returns the recorder that all servers of the process share. It writes
// to a new file in dir.
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
	r := &recorder{w: f, seen: make(map[[32]byte]int)}
	p.byDir[dir] = r
	return r
}
