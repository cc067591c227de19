package vsclient

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The endpoints, and of each object the fields that matter here. Types of the SDK
// are not used for replies: they keep every object's raw JSON, which a listing of
// 10,000 Files need not carry.

// Page sizes: the most that the API allows.
const (
	filesPage      = 10_000
	storeFilesPage = 100
	storesPage     = 100
)

// purpose is what documents are uploaded for.
const purpose = "assistants"

type fileObject struct {
	ID        string `json:"id"`
	Bytes     *int64 `json:"bytes"` // null while the size is not known
	CreatedAt int64  `json:"created_at"`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
}

type storeObject struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"`
	UsageBytes int64  `json:"usage_bytes"`
	ExpiresAt  int64  `json:"expires_at"`
	FileCounts counts `json:"file_counts"`
}

type counts struct {
	InProgress int `json:"in_progress"`
	Completed  int `json:"completed"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"`
	Total      int `json:"total"`
}

type storeFile struct {
	ID         string         `json:"id"`
	Status     Status         `json:"status"`
	CreatedAt  int64          `json:"created_at"`
	UsageBytes int64          `json:"usage_bytes"`
	LastError  *indexingError `json:"last_error"`
	Attributes map[string]any `json:"attributes"`
	Chunking   struct {
		Type   string          `json:"type"`
		Static *staticChunking `json:"static"`
	} `json:"chunking_strategy"`
}

type staticChunking struct {
	MaxTokens     int `json:"max_chunk_size_tokens"`
	OverlapTokens int `json:"chunk_overlap_tokens"`
}

// indexingError is OpenAI's reason. The code is read as an open set: older and
// Azure variants know more than server_error, unsupported_file and invalid_file.
type indexingError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *indexingError) String() string {
	if e == nil {
		return "no reason given"
	}
	return e.Code + ": " + e.Message
}

type batchObject struct {
	ID         string `json:"id"`
	Status     Status `json:"status"`
	FileCounts counts `json:"file_counts"`
}

type deletion struct {
	Deleted *bool `json:"deleted"`
}

// A reply that holds no object is as good as none: an upload that "{}" answers has
// made a File all the same, and a listing that is "{}" does not say that there are none.

func (f fileObject) empty() bool  { return f.ID == "" }
func (s storeObject) empty() bool { return s.ID == "" }
func (s storeFile) empty() bool   { return s.ID == "" }
func (b batchObject) empty() bool { return b.ID == "" }
func (p page[T]) empty() bool     { return p.Data == nil && p.Object == "" }

// Status is where a store file is on its way to being searchable.
type Status string

// The states that OpenAI documents.
const (
	StatusInProgress Status = "in_progress"
	StatusCompleted  Status = "completed"
	StatusFailed     Status = "failed"
	StatusCancelled  Status = "cancelled"
)

// attachment is one store file to be.
type attachment struct {
	FileID     string         `json:"file_id"`
	Attributes map[string]any `json:"attributes"`
	Chunking   any            `json:"chunking_strategy,omitempty"`
}

func listQuery(limit int, order, after string) url.Values {
	q := url.Values{"limit": {strconv.Itoa(limit)}, "order": {order}}
	if after != "" {
		q.Set("after", after)
	}
	return q
}

func (c *Client) getStore(ctx context.Context, limit time.Duration) (storeObject, error) {
	return send[storeObject](ctx, c, request{
		method: http.MethodGet, path: "vector_stores/%s", ids: []string{c.cfg.VectorStoreID}, limit: limit,
	})
}

func (c *Client) listStores(ctx context.Context) iter.Seq2[[]storeObject, error] {
	return pages(storeObject.id, func(after string) (page[storeObject], error) {
		return send[page[storeObject]](ctx, c, request{
			method: http.MethodGet, path: "vector_stores", query: listQuery(storesPage, "asc", after),
		})
	})
}

// listFiles lists Files of our purpose, the newest first: first so many, then as
// many as fit a page.
func (c *Client) listFiles(ctx context.Context, first int) iter.Seq2[[]fileObject, error] {
	return pages(fileObject.id, func(after string) (page[fileObject], error) {
		limit := filesPage
		if after == "" {
			limit = first
		}
		q := listQuery(limit, "desc", after)
		q.Set("purpose", purpose)
		return send[page[fileObject]](ctx, c, request{method: http.MethodGet, path: "files", query: q})
	})
}

func (c *Client) listStoreFiles(ctx context.Context) iter.Seq2[[]storeFile, error] {
	return pages(storeFile.id, func(after string) (page[storeFile], error) {
		return send[page[storeFile]](ctx, c, request{
			method: http.MethodGet, path: "vector_stores/%s/files", ids: []string{c.cfg.VectorStoreID},
			query: listQuery(storeFilesPage, "asc", after),
		})
	})
}

func (c *Client) getStoreFile(ctx context.Context, id string, header *http.Header) (storeFile, error) {
	return send[storeFile](ctx, c, request{
		method: http.MethodGet, path: "vector_stores/%s/files/%s", ids: []string{c.cfg.VectorStoreID, id}, header: header,
	})
}

// fileExists reports whether the project has the File: of one that is deleted OpenAI
// knows nothing at once (seen by third parties on the live API).
func (c *Client) fileExists(ctx context.Context, id string) (bool, error) {
	_, err := send[fileObject](ctx, c, request{method: http.MethodGet, path: "files/%s", ids: []string{id}})
	if is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (c *Client) updateStoreFile(ctx context.Context, id string, attributes map[string]any) (storeFile, error) {
	return send[storeFile](ctx, c, request{
		method: http.MethodPost, path: "vector_stores/%s/files/%s", ids: []string{c.cfg.VectorStoreID, id},
		body: func() any { return map[string]any{"attributes": attributes} },
	})
}

func (c *Client) getBatch(ctx context.Context, id string, header *http.Header) (batchObject, error) {
	return send[batchObject](ctx, c, request{
		method: http.MethodGet, path: "vector_stores/%s/file_batches/%s", ids: []string{c.cfg.VectorStoreID, id},
		header: header, limit: batchPatience,
	})
}

func (c *Client) listBatchFiles(ctx context.Context, batch string, status Status) iter.Seq2[[]storeFile, error] {
	return pages(storeFile.id, func(after string) (page[storeFile], error) {
		return c.pageOfBatchFiles(ctx, batch, status, after)
	})
}

func (c *Client) pageOfBatchFiles(ctx context.Context, batch string, status Status, after string) (page[storeFile], error) {
	q := listQuery(storeFilesPage, "asc", after)
	q.Set("filter", string(status))
	return send[page[storeFile]](ctx, c, request{
		method: http.MethodGet, path: "vector_stores/%s/file_batches/%s/files", ids: []string{c.cfg.VectorStoreID, batch},
		query: q, limit: batchPatience,
	})
}

// detach takes the File out of the store, and reports whether it was there. It
// succeeds when it was not.
func (c *Client) detach(ctx context.Context, id string) (there bool, err error) {
	return c.ensureGone(ctx, request{
		method: http.MethodDelete, path: "vector_stores/%s/files/%s", ids: []string{c.cfg.VectorStoreID, id},
	})
}

// deleteFile deletes the File. It succeeds when there is none.
func (c *Client) deleteFile(ctx context.Context, id string) error {
	_, err := c.ensureGone(ctx, request{method: http.MethodDelete, path: "files/%s", ids: []string{id}})
	return err
}

// ensureGone makes a request that deletes, and reports whether there was something. A
// 404 is also the answer to one that was carried out before, its reply lost.
func (c *Client) ensureGone(ctx context.Context, r request) (there bool, err error) {
	d, err := send[deletion](ctx, c, r)
	if is(err, ErrNotFound) {
		return false, nil
	}
	if err == nil && d.Deleted != nil && !*d.Deleted {
		err = &failure{kind: ErrUnavailable, reason: fmt.Sprintf("OpenAI answered %s with deleted=false", r.endpoint()), retry: true, tries: 1}
	}
	return err == nil, err
}
