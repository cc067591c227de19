package wire

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// The endpoints, and of each object the fields that matter here. Types of the SDK
// are not used for replies: they keep every object's raw JSON, which a listing of
// 10,000 Files need not carry.

// Page sizes: the most that the API allows.
const (
	FilesPage      = 10_000
	StoreFilesPage = 100
	storesPage     = 100
)

// DefaultPurpose is the purpose for which documents are uploaded.
const DefaultPurpose = "assistants"

// File is an object of /files.
type File struct {
	ID        string `json:"id"`
	Bytes     *int64 `json:"bytes"` // null while the size is not known
	CreatedAt int64  `json:"created_at"`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
}

// Store is a vector store.
type Store struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"`
	UsageBytes int64  `json:"usage_bytes"`
	ExpiresAt  int64  `json:"expires_at"`
	FileCounts Counts `json:"file_counts"`
}

// Counts are the files of a store or a batch by status. They may lag.
type Counts struct {
	InProgress int `json:"in_progress"`
	Completed  int `json:"completed"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"`
	Total      int `json:"total"`
}

// Status is the state of a store file or of a batch.
type Status string

// The states that OpenAI documents.
const (
	InProgress Status = "in_progress"
	Completed  Status = "completed"
	Failed     Status = "failed"
	Cancelled  Status = "cancelled"
)

// StoreFile is a File's attachment to a vector store; its id is the File's.
type StoreFile struct {
	ID         string         `json:"id"`
	Status     Status         `json:"status"`
	CreatedAt  int64          `json:"created_at"`
	UsageBytes int64          `json:"usage_bytes"`
	LastError  *IndexingError `json:"last_error"`
	Attributes map[string]any `json:"attributes"`
	Chunking   struct {
		Type   string          `json:"type"`
		Static *StaticChunking `json:"static"`
	} `json:"chunking_strategy"`
}

// StaticChunking are the sizes of chunks.
type StaticChunking struct {
	MaxTokens     int `json:"max_chunk_size_tokens"`
	OverlapTokens int `json:"chunk_overlap_tokens"`
}

// IndexingError is OpenAI's reason. The code is read as an open set: older and
// Azure variants know more than server_error, unsupported_file and invalid_file.
type IndexingError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *IndexingError) String() string {
	if e == nil {
		return "no reason given"
	}
	return e.Code + ": " + e.Message
}

// Batch is a set of files that were attached in one request.
type Batch struct {
	ID         string `json:"id"`
	Status     Status `json:"status"`
	FileCounts Counts `json:"file_counts"`
}

// Attachment is one store file to be.
type Attachment struct {
	FileID     string         `json:"file_id"`
	Attributes map[string]any `json:"attributes"`
	Chunking   any            `json:"chunking_strategy,omitempty"`
}

// Query is a search in a vector store.
type Query struct {
	Text       string `json:"query"`
	MaxResults int    `json:"max_num_results,omitempty"` // 1 to 50; 0: OpenAI's default, 10
	Filters    any    `json:"filters,omitempty"`
}

// Hit is one result of a search.
type Hit struct {
	FileID     string         `json:"file_id"`
	Filename   string         `json:"filename"`
	Score      float64        `json:"score"`
	Attributes map[string]any `json:"attributes"`
	Content    []textPart     `json:"content"`
}

type textPart struct {
	Text string `json:"text"`
}

type deletion struct {
	Deleted *bool `json:"deleted"`
}

// A reply that holds no object is as good as none: an upload that "{}" answers has
// made a File all the same, and a listing that is "{}" does not say that there are none.

func (f File) empty() bool      { return !plain(f.ID) }
func (s Store) empty() bool     { return !plain(s.ID) }
func (s StoreFile) empty() bool { return !plain(s.ID) }
func (b Batch) empty() bool     { return !plain(b.ID) }
func (h Hit) empty() bool       { return !plain(h.FileID) }
func (p Page[T]) empty() bool   { return p.Data == nil && p.Object == "" }

func (f File) id() string      { return f.ID }
func (s Store) id() string     { return s.ID }
func (s StoreFile) id() string { return s.ID }

func listQuery(limit int, order, after string) url.Values {
	q := url.Values{"limit": {strconv.Itoa(limit)}, "order": {order}}
	if after != "" {
		q.Set("after", after)
	}
	return q
}

// list reads one page of a listing. The query names the File after which it begins.
func list[T any](ctx context.Context, c *Client, r request) (Page[T], error) {
	r.method = http.MethodGet
	if after := r.query.Get("after"); after != "" {
		r.named = func() []string { return []string{after} }
	}
	p, _, err := send[Page[T]](ctx, c, r)
	return p, err
}

// Store asks for the client's vector store.
func (c *Client) Store(ctx context.Context) (Store, error) {
	s, _, err := send[Store](ctx, c, request{method: http.MethodGet, path: "vector_stores/%s", ids: []string{c.cfg.StoreID}})
	return s, err
}

// Stores lists the vector stores of the project, page by page.
func (c *Client) Stores(ctx context.Context) iter.Seq2[[]Store, error] {
	return pages(Store.id, func(after string) (Page[Store], error) {
		return list[Store](ctx, c, request{path: "vector_stores", query: listQuery(storesPage, "asc", after)})
	})
}

// File asks for a File. Of one that is deleted OpenAI knows nothing at once (seen by
// third parties on the live API).
func (c *Client) File(ctx context.Context, id string) (File, error) {
	f, _, err := send[File](ctx, c, request{method: http.MethodGet, path: "files/%s", ids: []string{id}})
	return f, err
}

// Files lists Files of the purpose for which documents are uploaded, and of
// DefaultPurpose, page by page, for each the newest first, down to those made in the
// second since. The first page of each has at most first of them, the others FilesPage.
func (c *Client) Files(ctx context.Context, first int, since int64) iter.Seq2[[]File, error] {
	return func(yield func([]File, error) bool) {
		purposes := []string{c.cfg.Purpose}
		if c.cfg.Purpose != DefaultPurpose {
			purposes = append(purposes, DefaultPurpose)
		}
		for _, purpose := range purposes {
			for page, err := range c.filesOf(ctx, purpose, first) {
				older := slices.IndexFunc(page, func(f File) bool { return f.CreatedAt < since })
				if older >= 0 {
					page = page[:older]
				}
				if !yield(page, err) || err != nil {
					return
				}
				if older >= 0 {
					break
				}
			}
		}
	}
}

func (c *Client) filesOf(ctx context.Context, purpose string, first int) iter.Seq2[[]File, error] {
	return pages(File.id, func(after string) (Page[File], error) {
		limit := FilesPage
		if after == "" {
			limit = first
		}
		q := listQuery(limit, "desc", after)
		q.Set("purpose", purpose)
		return list[File](ctx, c, request{path: "files", query: q, most: maxFiles})
	})
}

// DeleteFile deletes a File, and reports whether it was there. It succeeds when it
// was not.
func (c *Client) DeleteFile(ctx context.Context, id string) (there bool, err error) {
	return c.ensureGone(ctx, request{gate: c.cfg.Pacer.changes, method: http.MethodDelete, path: "files/%s", ids: []string{id}})
}

// StoreFile asks for a file of the client's vector store.
func (c *Client) StoreFile(ctx context.Context, id string) (StoreFile, Meta, error) {
	return c.StoreFileIn(ctx, c.cfg.StoreID, id)
}

// StoreFileIn asks for a file of any vector store.
func (c *Client) StoreFileIn(ctx context.Context, store, id string) (StoreFile, Meta, error) {
	return send[StoreFile](ctx, c, request{method: http.MethodGet, path: "vector_stores/%s/files/%s", ids: []string{store, id}})
}

// StoreFiles lists the files of the client's vector store page by page, the oldest
// first.
func (c *Client) StoreFiles(ctx context.Context) iter.Seq2[[]StoreFile, error] {
	return c.storeFiles(ctx, "asc")
}

// NewestStoreFiles lists the files of the client's vector store page by page, the newest
// first.
func (c *Client) NewestStoreFiles(ctx context.Context) iter.Seq2[[]StoreFile, error] {
	return c.storeFiles(ctx, "desc")
}

func (c *Client) storeFiles(ctx context.Context, order string) iter.Seq2[[]StoreFile, error] {
	return pages(StoreFile.id, func(after string) (Page[StoreFile], error) {
		return list[StoreFile](ctx, c, request{
			path: "vector_stores/%s/files", ids: []string{c.cfg.StoreID}, query: listQuery(StoreFilesPage, order, after), most: maxStoreFiles,
		})
	})
}

// UpdateStoreFile replaces the attributes of a store file.
func (c *Client) UpdateStoreFile(ctx context.Context, id string, attributes map[string]any) (StoreFile, error) {
	s, _, err := send[StoreFile](ctx, c, request{
		gate: c.cfg.Pacer.changes, method: http.MethodPost, path: "vector_stores/%s/files/%s", ids: []string{c.cfg.StoreID, id},
		body: func() any { return map[string]any{"attributes": attributes} },
	})
	return s, err
}

// Detach takes a File out of the client's vector store, and reports whether it was
// there. It succeeds when it was not.
func (c *Client) Detach(ctx context.Context, id string) (there bool, err error) {
	return c.ensureGone(ctx, request{gate: c.cfg.Pacer.changes, method: http.MethodDelete, path: "vector_stores/%s/files/%s", ids: []string{c.cfg.StoreID, id}})
}

// ensureGone makes a request that deletes, and reports whether there was something. A
// 404 is also the answer to one that was carried out before, its reply lost.
func (c *Client) ensureGone(ctx context.Context, r request) (there bool, err error) {
	d, _, err := send[deletion](ctx, c, r)
	if errors.Is(err, fail.NotFound) {
		return false, nil
	}
	if err == nil && d.Deleted != nil && !*d.Deleted {
		err = &Failure{Kind: fail.Unavailable, Reason: fmt.Sprintf("OpenAI answered %s with deleted=false", r.endpoint()), Retry: true, Tries: 1}
	}
	return err == nil, err
}

// AttachCall governs one attach request.
type AttachCall struct {
	// Files returns the Files to attach, for each attempt anew. Most is how many they
	// are at the most.
	Files func() []Attachment
	Most  int
	// Leave is leave for the first attempt, taken with AdmitAttach; nil: none was taken.
	Leave func()
	// Failed is told of each attempt that has failed; nil: nothing is told.
	Failed func(*Failure)
	// Landed looks, after a failed attempt and before the next one, whether it took
	// effect.
	Landed func(context.Context) (bool, error)
}

// AdmitAttach waits until an attach request may be sent. The caller passes leave on
// in an AttachCall, or calls it.
func (c *Client) AdmitAttach(ctx context.Context) (leave func(), err error) {
	return c.cfg.Pacer.attachRequests(c.cfg.StoreID).Pass(ctx, 1)
}

// CreateStoreFile attaches the first of the Files.
func (c *Client) CreateStoreFile(ctx context.Context, call AttachCall) (StoreFile, Meta, error) {
	return send[StoreFile](ctx, c, c.attach("vector_stores/%s/files", call, false))
}

// CreateBatch attaches the Files together.
func (c *Client) CreateBatch(ctx context.Context, call AttachCall) (Batch, Meta, error) {
	return send[Batch](ctx, c, c.attach("vector_stores/%s/file_batches", call, true))
}

// attach is a request that attaches Files.
func (c *Client) attach(path string, call AttachCall, many bool) request {
	gate := c.cfg.Pacer.attachRequests(c.cfg.StoreID)
	leave := call.Leave
	var sent []string
	body := func() any {
		files := call.Files()
		sent = sent[:0]
		for _, f := range files {
			sent = append(sent, f.FileID)
		}
		if many {
			return map[string]any{"files": files}
		}
		return files[0]
	}
	return request{
		method: http.MethodPost, path: path, ids: []string{c.cfg.StoreID}, gate: gate, body: body, named: func() []string { return sent }, many: many, failed: call.Failed, landed: call.Landed,
		admit: func(ctx context.Context) (func(), error) {
			first := leave
			leave = nil
			if first == nil {
				var err error
				if first, err = gate.Pass(ctx, 1); err != nil {
					return nil, err
				}
			}
			counted, err := c.cfg.Pacer.attached.Pass(ctx, call.Most)
			if err != nil {
				first()
				return nil, err
			}
			return func() { counted(); first() }, nil
		},
	}
}

// Batch asks for a batch.
func (c *Client) Batch(ctx context.Context, id string) (Batch, Meta, error) {
	return send[Batch](ctx, c, request{method: http.MethodGet, path: "vector_stores/%s/file_batches/%s", ids: []string{c.cfg.StoreID, id}})
}

// BatchFiles lists the files of a batch that have the status, page by page.
func (c *Client) BatchFiles(ctx context.Context, batch string, status Status) iter.Seq2[[]StoreFile, error] {
	return pages(StoreFile.id, func(after string) (Page[StoreFile], error) {
		return c.BatchFilesAfter(ctx, batch, status, after)
	})
}

// BatchFilesAfter reads the page that follows a file; "" means the first page.
func (c *Client) BatchFilesAfter(ctx context.Context, batch string, status Status, after string) (Page[StoreFile], error) {
	q := listQuery(StoreFilesPage, "asc", after)
	q.Set("filter", string(status))
	return list[StoreFile](ctx, c, request{
		path: "vector_stores/%s/file_batches/%s/files", ids: []string{c.cfg.StoreID, batch}, query: q, most: maxStoreFiles,
	})
}

// Content iterates over the pieces of the text that OpenAI parsed out of a store file.
//
// The spec names no parameter for the following page. A server that does not know this
// one answers the same page for ever, which ends in an error.
func (c *Client) Content(ctx context.Context, id string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var t trail
		left := maxContentText
		for token := ""; ; {
			r := request{method: http.MethodGet, path: "vector_stores/%s/files/%s/content", ids: []string{c.cfg.StoreID, id}, most: maxContent}
			if token != "" {
				r.query = url.Values{"page": {token}}
			}
			p, _, err := send[Page[textPart]](ctx, c, r)
			if more := p.HasMore && p.NextPage != ""; err == nil && more {
				if err = t.more(0); err == nil {
					err = t.step(p.NextPage)
				}
			}
			if err != nil {
				yield("", err)
				return
			}
			for _, part := range p.Data {
				if left -= len(part.Text); left < 0 {
					yield("", endless("the text has more than 512 MB"))
					return
				}
				if !yield(part.Text, nil) {
					return
				}
			}
			if !p.HasMore || p.NextPage == "" {
				return
			}
			token = p.NextPage
		}
	}
}

// Search searches the client's vector store. The spec knows further pages of results
// and no way to ask for them.
func (c *Client) Search(ctx context.Context, q Query) ([]Hit, error) {
	p, _, err := send[Page[Hit]](ctx, c, request{
		method: http.MethodPost, path: "vector_stores/%s/search", ids: []string{c.cfg.StoreID}, body: func() any { return q }, most: maxStoreFiles,
	})
	return p.Data, err
}
