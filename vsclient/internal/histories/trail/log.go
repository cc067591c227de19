// Package trail holds the log of a history's requests, and finds by it whose a
// File is. It does not know which requests there must be, nor when an end is wrong.
package trail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
)

// Log is every request of a history, in the order in which they came to the API.
type Log struct {
	Start time.Time // of the history

	mu      sync.Mutex
	entries []*Entry
	of      map[string][]*Entry // the requests that name a File
}

// NewLog begins a log, and with it the time of the history.
func NewLog() *Log { return &Log{Start: time.Now(), of: make(map[string][]*Entry)} }

// Now is the time since the history began.
func (l *Log) Now() time.Duration { return time.Since(l.Start) }

// Enter enters a request.
func (l *Log) Enter(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.N = len(l.entries) + 1
	l.entries = append(l.entries, e)
	for _, id := range e.Files {
		l.of[id] = append(l.of[id], e)
	}
}

// Made notes that an upload has made a File.
func (l *Log) Made(e *Entry, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Files = []string{id}
	l.of[id] = append(l.of[id], e)
}

// Entries returns all requests so far.
func (l *Log) Entries() []*Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.entries)
}

// GiveUp notes that a request's caller waits no more.
func (l *Log) GiveUp(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.unheard = true
}

// Untouched reports whether no fault has struck the requests of a process since a time: each
// had no fate, and its reply was waited for.
func (l *Log) Untouched(p int, since time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(l.entries, func(e *Entry) bool { return e.P == p && e.Sent >= since && (e.unheard || e.Failed()) })
}

// Of returns the requests that name a File.
func (l *Log) Of(id string) []*Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.of[id])
}

// Asked is how many requests a process has made.
func (l *Log) Asked(p int) (n int) {
	for _, e := range l.Entries() {
		if e.P == p {
			n++
		}
	}
	return n
}

// Uploads is how many Files a process has made and knows from a reply.
func (l *Log) Uploads(p int) (n int) {
	for _, e := range l.Entries() {
		if e.P == p && e.Endpoint == "POST /files" && e.Replied > 0 {
			n++
		}
	}
	return n
}

// Pass is one thing that the gate let through.
type Pass struct {
	Name string
	At   time.Duration // since the history began
}

// Entry is a request in the log of a history.
type Entry struct {
	N        int
	P        int // the process; negative: the checker itself
	Sent     time.Duration
	At       time.Duration // of the effect; 0: it had none
	Replied  time.Duration // when the process had the reply; 0: never
	Endpoint string
	Method   string
	Path     string
	Query    string
	Name     string // of the File, at an upload
	Fate     string
	Status   int      // of the effect's reply
	Files    []string // uploaded, attached, asked for or removed
	State    string   // of a store file that was asked for
	Attrs    []map[string]any
	Late     bool   // it took effect after its caller had given up
	Was      string // the status of a store file when a removal came to the API; "": it was not there
	unheard  bool   // its caller has given it up
}

// Lost reports whether a request took effect and its caller had no reply.
func (e *Entry) Lost() bool {
	silent := strings.HasPrefix(e.Fate, plan.FateCut) || strings.HasPrefix(e.Fate, plan.FateHang) || strings.HasPrefix(e.Fate, plan.FateLate)
	return e.At > 0 && e.Replied == 0 && silent && !strings.HasPrefix(e.Fate, plan.FateLate500)
}

// Failed reports whether a request has had a fate that its process hears of.
func (e *Entry) Failed() bool { return e.Fate != plan.FateNone && !e.Slow() }

// Slow reports whether the reply came long after the effect.
func (e *Entry) Slow() bool { return strings.HasPrefix(e.Fate, plan.FateSlow) }

// Refused reports whether the API has refused a request for good, and its process was told, at
// least by the status of the reply.
func (e *Entry) Refused() bool {
	return (e.Replied > 0 || e.Fate == plan.FateCutReply) && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusConflict && e.Status != http.StatusTooManyRequests
}

// String is a line for a person.
func (e *Entry) String() string {
	took := "no effect"
	if e.At > 0 {
		took = fmt.Sprintf("effect %v %d %s", e.At.Round(time.Millisecond), e.Status, e.State)
	}
	replied := "no reply"
	if e.Replied > 0 {
		replied = fmt.Sprintf("reply %v", e.Replied.Round(time.Millisecond))
	}
	var versions []string
	for _, a := range e.Attrs {
		versions = append(versions, fmt.Sprintf("%q %v {%s}", KeyOf(a, ""), a["vs_version"], AttrsText(Own(a))))
	}
	return fmt.Sprintf("%4d p%d %10v %s %s %s %q %v %s, %s, %s", e.N, e.P, e.Sent.Round(time.Millisecond), e.Endpoint, strings.Join(e.Files, ","), e.Name, e.Fate, versions, e.Query, took, replied)
}

// Describe returns the log's line for a request.
func Describe(req *http.Request, body []byte) *Entry {
	e := &Entry{Method: req.Method, Path: strings.TrimPrefix(req.URL.Path, "/v1"), Query: req.URL.RawQuery}
	parts := strings.Split(strings.Trim(e.Path, "/"), "/")
	var name string
	switch {
	case parts[0] == "files" && len(parts) == 1:
		name = "/files"
	case parts[0] == "files":
		name, e.Files = "/files/{id}", []string{parts[1]}
	case len(parts) <= 2:
		name = "store"
	case parts[2] == "files" && len(parts) == 3:
		name = "store/files"
	case parts[2] == "files":
		name, e.Files = "store/files/{id}", []string{parts[3]}
		if len(parts) > 4 {
			name += "/" + parts[4]
		}
	default:
		name = strings.Join(parts[2:min(3, len(parts))], "/")
		if len(parts) > 3 {
			name += "/{id}"
		}
		if len(parts) > 4 {
			name += "/" + parts[4]
		}
	}
	e.Endpoint = req.Method + " " + name
	switch e.Endpoint {
	case "POST /files":
		e.Name = uploadName(req, body)
	case "POST store/files", "POST file_batches":
		var in struct {
			FileID     string         `json:"file_id"`
			Attributes map[string]any `json:"attributes"`
			FileIDs    []string       `json:"file_ids"`
			Files      []struct {
				FileID     string         `json:"file_id"`
				Attributes map[string]any `json:"attributes"`
			} `json:"files"`
		}
		if json.Unmarshal(body, &in) == nil {
			if in.FileID != "" {
				e.Files, e.Attrs = append(e.Files, in.FileID), append(e.Attrs, in.Attributes)
			}
			for _, f := range in.Files {
				e.Files, e.Attrs = append(e.Files, f.FileID), append(e.Attrs, f.Attributes)
			}
		}
	case "POST store/files/{id}":
		var in struct {
			Attributes map[string]any `json:"attributes"`
		}
		if json.Unmarshal(body, &in) == nil {
			e.Attrs = append(e.Attrs, in.Attributes)
		}
	}
	return e
}

func uploadName(req *http.Request, body []byte) string {
	_, params, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	for parts := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) || err != nil {
			return ""
		}
		_, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err == nil && disposition["name"] == "file" {
			return disposition["filename"]
		}
	}
}
