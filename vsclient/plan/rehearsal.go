package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// rehearsal tells how a store would describe a document, without a request to OpenAI: a
// client of its own puts the document into a store that takes everything and keeps no
// content. So input that the client refuses is refused here, with the client's reason,
// and the content is read once.
type rehearsal struct {
	extension string

	mu     sync.Mutex
	n      int            // documents of the client
	using  sync.WaitGroup // calls of the client
	client *vsclient.Client
	store  *imagined
}

// most is how many documents a client of a rehearsal describes: what it remembers of them
// is of no use.
const most = 1000

// describe returns size, digest, attributes and chunking of the document as a store would
// list them. It is safe for concurrent use.
func (r *rehearsal) describe(ctx context.Context, d vsclient.Document) (vsclient.Info, error) {
	c, store, err := r.begin()
	if err != nil {
		return vsclient.Info{}, err
	}
	defer r.using.Done()
	put, err := c.Put(ctx, d)
	if err != nil {
		return vsclient.Info{}, err
	}
	defer store.forget(put.FileID)
	return c.Get(ctx, d.Key)
}

// begin returns the client for a document, and makes another after so many. The caller
// calls r.using.Done afterwards.
func (r *rehearsal) begin() (c *vsclient.Client, store *imagined, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n++; r.client == nil || r.n > most {
		r.using.Wait()
		r.close()
		r.n, r.store = 1, &imagined{files: make(map[string]object)}
		if r.client, err = r.connect(); err != nil {
			return nil, nil, err
		}
	}
	r.using.Add(1)
	return r.client, r.store, nil
}

func (r *rehearsal) connect() (*vsclient.Client, error) {
	return vsclient.New(vsclient.Config{
		APIKey: "none", VectorStoreID: "rehearsal", BaseURL: "http://rehearsal.invalid/v1", HTTPClient: &http.Client{Transport: r.store},
		BatchSize: 1, FileExtension: r.extension,
		Limits: vsclient.Limits{
			UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit,
			AttachedFilesPerMinute: vsclient.NoLimit, ChangesPerMinute: vsclient.NoLimit,
		},
	})
}

// close ends the client. No document may be under way.
func (r *rehearsal) close() {
	if r.client != nil {
		_ = r.client.Close()
	}
}

// imagined answers requests as a store of OpenAI's would that takes everything.
type imagined struct {
	mu    sync.Mutex
	n     int
	files map[string]object // store files by id
}

// object is a JSON object.
type object map[string]any

func (s *imagined) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, id)
}

// fileName finds the name in the head of an upload.
var fileName = regexp.MustCompile(`filename="([^"]*)"`)

// RoundTrip reads no content: of an upload only the head of the form.
func (s *imagined) RoundTrip(req *http.Request) (*http.Response, error) {
	var head []byte
	if req.Body != nil {
		defer req.Body.Close()
		if strings.HasPrefix(req.Header.Get("Content-Type"), "multipart/") {
			head = make([]byte, 4<<10)
			n, err := req.Body.Read(head)
			if err != nil {
				return nil, err
			}
			head = head[:n]
		} else {
			var err error
			if head, err = io.ReadAll(req.Body); err != nil {
				return nil, err
			}
		}
	}
	status, reply := s.answer(req.Method, strings.TrimPrefix(req.URL.Path, "/v1/"), head)
	body, err := json.Marshal(reply)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

func (s *imagined) answer(method, path string, body []byte) (int, object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := strings.Split(path, "/")
	id := parts[len(parts)-1]
	switch {
	case method == http.MethodDelete:
		return http.StatusOK, object{"id": id, "deleted": true}
	case method == http.MethodPost && path == "files":
		s.n++
		var name string
		if found := fileName.FindSubmatch(body); found != nil {
			name = string(found[1])
		}
		return http.StatusOK, object{"id": fmt.Sprintf("file-%d", s.n), "object": "file", "created_at": time.Now().Unix(), "filename": name, "purpose": "assistants"}
	case method == http.MethodPost && id == "files":
		var sent object
		if err := json.Unmarshal(body, &sent); err != nil {
			return http.StatusBadRequest, object{"error": object{"message": err.Error()}}
		}
		id, _ := sent["file_id"].(string)
		s.files[id] = object{
			"id": id, "object": "vector_store.file", "status": "completed", "created_at": time.Now().Unix(),
			"attributes": sent["attributes"], "chunking_strategy": sent["chunking_strategy"],
		}
		return http.StatusOK, s.files[id]
	case id == "files":
		return http.StatusOK, object{"object": "list", "data": []object{}, "has_more": false}
	case len(parts) == 2 && parts[0] == "vector_stores":
		return http.StatusOK, object{"id": id, "object": "vector_store", "status": "completed"}
	}
	if file, there := s.files[id]; there {
		return http.StatusOK, file
	}
	return http.StatusNotFound, object{"error": object{"message": "No such file: " + id}}
}
