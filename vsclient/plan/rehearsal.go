package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// rehearse returns size, digest, attributes and chunking of a document as a store would
// list them, and makes no request to OpenAI: a client puts the document into a store that
// takes everything and reads no content. So input that the client refuses is refused here,
// with the client's reason, and the content is read once.
func rehearse(ctx context.Context, d vsclient.Document, extension string) (vsclient.Info, error) {
	none := vsclient.NoLimit
	c, err := vsclient.New(vsclient.Config{
		APIKey: "none", VectorStoreID: "rehearsal", BaseURL: "http://rehearsal.invalid/v1",
		HTTPClient: &http.Client{Transport: new(stage)}, BatchSize: 1, FileExtension: extension,
		Limits: vsclient.Limits{UploadsPerMinute: none, AttachRequestsPerMinute: none, AttachedFilesPerMinute: none, ChangesPerMinute: none},
	})
	if err != nil {
		return vsclient.Info{}, err
	}
	defer c.Close()
	if _, err := c.Put(ctx, d); err != nil {
		return vsclient.Info{}, err
	}
	return c.Get(ctx, d.Key)
}

// stage answers the requests that a Put and a Get make, as a store with no other document
// would.
type stage struct {
	mu   sync.Mutex
	file object // the store file; nil before its attach
}

type object map[string]any

// fileName finds the name in the head of an upload.
var fileName = regexp.MustCompile(`filename="([^"]*)"`)

// RoundTrip answers a request. Of an upload it reads the head alone.
func (s *stage) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sent io.ReadCloser = http.NoBody
	if req.Body != nil {
		sent = req.Body
	}
	defer sent.Close()
	status, reply := http.StatusOK, object{"object": "list", "data": []object{}, "has_more": false}
	switch upload, list := strings.HasSuffix(req.URL.Path, "/v1/files"), strings.HasSuffix(req.URL.Path, "/files"); {
	case req.Method == http.MethodPost && upload:
		head := make([]byte, 4<<10)
		n, err := sent.Read(head)
		if err != nil {
			return nil, err
		}
		reply = object{"id": "file-1", "object": "file", "created_at": time.Now().Unix(), "purpose": "assistants"}
		if name := fileName.FindSubmatch(head[:n]); name != nil {
			reply["filename"] = string(name[1])
		}
	case req.Method == http.MethodPost:
		if err := json.NewDecoder(sent).Decode(&s.file); err != nil {
			return nil, err
		}
		s.file["id"], s.file["status"], s.file["created_at"] = "file-1", "completed", time.Now().Unix()
		reply = s.file
	case list:
	case s.file != nil:
		reply = s.file
	default:
		status, reply = http.StatusNotFound, object{"error": object{"message": "No such file"}}
	}
	body, err := json.Marshal(reply)
	if err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}
