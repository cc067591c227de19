package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/filter"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/exchange"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
)

// The largest replies, in bytes. Full pages of OpenAI's have about 2.5 MB (Files) and 25 MB
// (text of five million tokens). A hundred store files or stores have 11 MB when each has
// 16 attributes of 64 and 512 characters, and JSON writes each character in 12 bytes.
const (
	maxStores      = 16 << 20
	maxStoreFiles  = 16 << 20
	maxFiles       = 32 << 20
	maxHits        = 16 << 20 // 50 chunks of 4,096 tokens have 1 MB
	maxContent     = 33_000_000
	maxContentText = 64 << 20 // all pages of a document's text together
)

// skew is how many seconds the clocks of the API's hosts may differ.
const skew = 60

// Page sizes: the most that the API allows.
const (
	FilesPage      = 10_000
	StoreFilesPage = 100
	storesPage     = 100
)

// defaultPurpose is the purpose for which documents are uploaded.
const defaultPurpose = "assistants"

// Attachment is one store file to be.
type Attachment struct {
	FileID     string         `json:"file_id"`
	Name       string         `json:"-"` // of the File, which a refusal may repeat
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

// list reads one page of a listing. The query names the File after which it begins.
func list[T reply.Element](ctx context.Context, c *Client, path string, ids []string, q url.Values, most int64) (Page[T], error) {
	r := request{Request: exchange.Request{Method: http.MethodGet, Path: path, IDs: ids, Query: q, Most: most}}
	if after := q.Get("after"); after != "" {
		r.Named = func() []string { return []string{after} }
	}
	p, _, err := send[Page[T]](ctx, c, r)
	return p, err
}

// Store asks for the client's vector store. One that has expired is an error.
func (c *Client) Store(ctx context.Context) (Store, error) {
	s, _, err := get[Store](ctx, c, "vector_stores/%s", c.cfg.StoreID)
	if err == nil && s.Status == "expired" {
		err = fail.New(fail.StoreGone, "the vector store %q has expired; make a new one and put the documents into it", s.ID)
	}
	return s, err
}

// Stores lists the vector stores of the project, page by page.
func (c *Client) Stores(ctx context.Context) iter.Seq2[[]Store, error] {
	return pages(Store.ObjectID, func(after string) (Page[Store], error) {
		return list[Store](ctx, c, "vector_stores", nil, listQuery(storesPage, "asc", after), maxStores)
	})
}

// File asks for a File. Of one that is deleted OpenAI knows nothing at once (seen by
// third parties on the live API).
func (c *Client) File(ctx context.Context, id string) (File, error) {
	f, _, err := get[File](ctx, c, "files/%s", id)
	return f, err
}

// Files lists the Files of Config.Purpose, and then those of defaultPurpose, page by page and
// newest first. Of each purpose it reads at least down to a minute before since[purpose],
// because the API's hosts need not have one clock. The first page of each has at most first
// Files, the others FilesPage.
func (c *Client) Files(ctx context.Context, first int, since map[string]int64) iter.Seq2[[]File, error] {
	return func(yield func([]File, error) bool) {
		for _, purpose := range slices.Compact([]string{c.cfg.Purpose, defaultPurpose}) {
			for page, err := range c.filesOf(ctx, purpose, first) {
				if !yield(page, err) || err != nil {
					return
				}
				if len(page) > 0 && page[len(page)-1].CreatedAt < since[purpose]-skew {
					break
				}
			}
		}
	}
}

func (c *Client) filesOf(ctx context.Context, purpose string, first int) iter.Seq2[[]File, error] {
	return pages(File.ObjectID, func(after string) (Page[File], error) {
		limit := FilesPage
		if after == "" {
			limit = first
		}
		q := listQuery(limit, "desc", after)
		q.Set("purpose", purpose)
		return list[File](ctx, c, "files", nil, q, maxFiles)
	})
}

// DeleteFile deletes a File, and reports whether it was there. It succeeds when it was not.
func (c *Client) DeleteFile(ctx context.Context, id string) (there bool, err error) {
	there, _, err = c.remove(ctx, "files/%s", id)
	return there, err
}

// StoreFile asks for a file of the client's vector store. It returns as well how long the server
// asks to wait before the next look, 0 where it does not, as all that return a duration.
func (c *Client) StoreFile(ctx context.Context, id string) (StoreFile, time.Duration, error) {
	return c.storeFileIn(ctx, c.cfg.StoreID, id)
}

func (c *Client) storeFileIn(ctx context.Context, store, id string) (StoreFile, time.Duration, error) {
	asked := new(time.Time)
	s, wait, err := sendFor[StoreFile](ctx, c, request{Request: exchange.Request{
		Method: http.MethodGet, Path: "vector_stores/%s/files/%s", IDs: []string{store, id}, Began: asked,
	}})
	s.Asked = *asked
	return s, wait, err
}

// Elsewhere reports whether another vector store of the project has the File. It asks each.
func (c *Client) Elsewhere(ctx context.Context, id string) (bool, error) {
	for page, err := range c.Stores(ctx) {
		if err != nil {
			return false, err
		}
		for _, s := range page {
			if s.ID == c.cfg.StoreID {
				continue
			}
			_, _, err := c.storeFileIn(ctx, s.ID, id)
			if err == nil || !errors.Is(err, fail.NotFound) && !errors.Is(err, fail.StoreGone) {
				return err == nil, err
			}
		}
	}
	return false, nil
}

// StoreFiles lists the files of the client's vector store page by page, the oldest first.
func (c *Client) StoreFiles(ctx context.Context) iter.Seq2[[]StoreFile, error] {
	return c.storeFiles(ctx, "asc")
}

// NewestStoreFiles lists the files of the client's vector store page by page, newest first.
func (c *Client) NewestStoreFiles(ctx context.Context) iter.Seq2[[]StoreFile, error] {
	return c.storeFiles(ctx, "desc")
}

func (c *Client) storeFiles(ctx context.Context, order string) iter.Seq2[[]StoreFile, error] {
	return pages(StoreFile.ObjectID, func(after string) (Page[StoreFile], error) {
		return list[StoreFile](ctx, c, "vector_stores/%s/files", []string{c.cfg.StoreID}, listQuery(StoreFilesPage, order, after), maxStoreFiles)
	})
}

// UpdateStoreFile replaces the attributes of a store file.
func (c *Client) UpdateStoreFile(ctx context.Context, id string, attributes map[string]any) (StoreFile, error) {
	s, _, err := sendFor[StoreFile](ctx, c, request{Request: exchange.Request{
		Method: http.MethodPost, Path: "vector_stores/%s/files/%s", IDs: []string{c.cfg.StoreID, id}, Gate: c.cfg.Pacer.Changes,
		Body: func() any { return map[string]any{"attributes": attributes} },
	}})
	return s, err
}

// Detach takes a File out of the client's vector store, and reports whether it was
// there, or may have been. It succeeds when it was not.
func (c *Client) Detach(ctx context.Context, id string) (there, maybe bool, err error) {
	return c.remove(ctx, "vector_stores/%s/files/%s", c.cfg.StoreID, id)
}

// remove sends a DELETE and reports whether the object existed. maybe: an earlier attempt
// without a reply may have removed it. A 400 that says "not found" counts as absence when a GET
// of the object, or of its File, says so too. A GET may still show a removed object, so the
// request is repeated, as after any other 400.
func (c *Client) remove(ctx context.Context, path string, ids ...string) (there, maybe bool, err error) {
	r := request{Request: exchange.Request{Method: http.MethodDelete, Path: path, IDs: ids, About: ids[len(ids)-1], Gate: c.cfg.Pacer.Changes}}
	shown := false // by the GET after the latest refusal
	r.Refused = func(ctx context.Context, f *reply.Failure) *reply.Failure {
		shown = false
		if f = c.absent(ctx, r, f); f.Status != http.StatusBadRequest || !errors.Is(f.Kind, fail.NotFound) {
			return f
		}
		_, _, err := get[File](ctx, c, path, ids...)
		if err == nil && len(ids) > 1 {
			_, err = c.File(ctx, ids[1])
		}
		f.Kind, shown = fail.Rejected, err == nil
		if other, failed := errors.AsType[*reply.Failure](err); errors.Is(err, fail.NotFound) {
			f.Kind = fail.NotFound
		} else if failed {
			other.Retry = false // it has been tried for as long as anything is
			return other
		}
		return f
	}
	d, _, err := exchange.Send[deletion](ctx, c.exchange, r.Request)
	f, refused := errors.AsType[*reply.Failure](err)
	switch {
	case refused && errors.Is(f.Kind, fail.NotFound):
		return false, f.Unknown, nil
	case refused && shown && f.Status == http.StatusBadRequest:
		f.Kind, f.Reason = fail.Unavailable, "the server refused the removal, and the object is still there: "+f.Reason
	case err == nil && d.Deleted != nil && !*d.Deleted:
		err = &reply.Failure{Kind: fail.Unavailable, Reason: fmt.Sprintf("OpenAI answered %s with deleted=false", r.Endpoint()), Retry: true, Tries: 1}
	}
	return err == nil, false, err
}

// AttachCall governs one attach request.
type AttachCall struct {
	// Files returns the Files to attach, for each attempt anew. Most is how many they
	// are at the most.
	Files func() []Attachment
	Most  int
	// Leave is leave for the first attempt, taken with AdmitAttach; nil: none was taken.
	Leave func()
	// Failed is called with each attempt that has failed. It may be nil.
	Failed func(*reply.Failure)
	// Landed looks, after a failed attempt and before the next one, whether it took
	// effect.
	Landed func(context.Context) (bool, error)
}

// AdmitAttach waits until an attach request may be sent. The caller passes leave on
// in an AttachCall, or calls it.
func (c *Client) AdmitAttach(ctx context.Context) (leave func(), err error) {
	return c.cfg.Pacer.AttachRequests(c.cfg.StoreID).Pass(ctx, 1)
}

// CreateStoreFile attaches the first of the Files.
func (c *Client) CreateStoreFile(ctx context.Context, call AttachCall) (StoreFile, time.Duration, error) {
	return send[StoreFile](ctx, c, c.attach("vector_stores/%s/files", call, false))
}

// CreateBatch attaches the Files together.
func (c *Client) CreateBatch(ctx context.Context, call AttachCall) (Batch, time.Duration, error) {
	return send[Batch](ctx, c, c.attach("vector_stores/%s/file_batches", call, true))
}

// attach is a request that attaches Files.
func (c *Client) attach(path string, call AttachCall, many bool) request {
	gate := c.cfg.Pacer.AttachRequests(c.cfg.StoreID)
	leave := call.Leave
	var sent, names []string
	body := func() any {
		files := call.Files()
		sent, names = sent[:0], names[:0]
		for _, f := range files {
			sent, names = append(sent, f.FileID), append(names, f.Name)
		}
		if many {
			return map[string]any{"files": files}
		}
		return files[0]
	}
	return request{many: many, Request: exchange.Request{
		Method: http.MethodPost, Path: path, IDs: []string{c.cfg.StoreID}, Named: func() []string { return sent }, Words: func() []string { return names }, Gate: gate, Body: body, Failed: call.Failed, Landed: call.Landed,
		Admit: func(ctx context.Context) (func(), error) {
			first := leave
			leave = nil
			if first == nil {
				var err error
				if first, err = gate.Pass(ctx, 1); err != nil {
					return nil, err
				}
			}
			counted, err := c.cfg.Pacer.Attached.Pass(ctx, call.Most)
			if err != nil {
				first()
				return nil, err
			}
			return func() { counted(); first() }, nil
		},
	}}
}

// Batch asks for a batch. OpenAI was seen to answer with the id of something else: the caller
// compares it.
func (c *Client) Batch(ctx context.Context, id string) (Batch, time.Duration, error) {
	return send[Batch](ctx, c, request{Request: exchange.Request{Method: http.MethodGet, Path: "vector_stores/%s/file_batches/%s", IDs: []string{c.cfg.StoreID, id}}})
}

// BatchFiles lists the files of a batch that have the status, page by page.
func (c *Client) BatchFiles(ctx context.Context, batch string, status Status) iter.Seq2[[]StoreFile, error] {
	return pages(StoreFile.ObjectID, func(after string) (Page[StoreFile], error) {
		q := listQuery(StoreFilesPage, "asc", after)
		q.Set("filter", string(status))
		return list[StoreFile](ctx, c, "vector_stores/%s/file_batches/%s/files", []string{c.cfg.StoreID, batch}, q, maxStoreFiles)
	})
}

// Query is a search.
type Query struct {
	Text     string
	Most     int // hits; 0: as many as OpenAI chooses
	MinScore float64
	Filter   filter.Filter
	Rewrite  bool
}

// Search finds pieces of the files of the client's vector store, the best first.
func (c *Client) Search(ctx context.Context, q Query) ([]Hit, error) {
	body := map[string]any{"query": q.Text}
	if q.Most > 0 {
		body["max_num_results"] = q.Most
	}
	if q.MinScore > 0 {
		body["ranking_options"] = map[string]any{"score_threshold": q.MinScore}
	}
	if !q.Filter.IsZero() {
		body["filters"] = q.Filter
	}
	if q.Rewrite {
		body["rewrite_query"] = true
	}
	p, _, err := send[Page[Hit]](ctx, c, request{Request: exchange.Request{
		Method: http.MethodPost, Path: "vector_stores/%s/search", IDs: []string{c.cfg.StoreID}, Most: maxHits, Body: func() any { return body },
	}})
	return p.Data, err
}

// Text reads the text that OpenAI parsed out of a store file. Each piece begins a line.
//
// The spec names no parameter for the following page. A server that does not know this
// one answers the same page for ever, which ends in an error.
func (c *Client) Text(ctx context.Context, id string) (string, error) {
	var (
		t    trail
		text strings.Builder
	)
	for q := url.Values(nil); ; {
		p, err := list[textPart](ctx, c, "vector_stores/%s/files/%s/content", []string{c.cfg.StoreID, id}, q, maxContent)
		if err != nil {
			return "", err
		}
		for _, part := range p.Data {
			if text.Len()+len(part.Text) >= maxContentText {
				return "", fail.New(fail.TooLarge, "the parsed text has more than 64 MB, and no longer one is read")
			}
			if text.Len() > 0 {
				text.WriteByte('\n')
			}
			text.WriteString(part.Text)
		}
		if !p.HasMore || p.NextPage == "" {
			return text.String(), nil
		}
		if err := cmp.Or(t.more(0), t.step(p.NextPage)); err != nil {
			return "", err
		}
		q = url.Values{"page": {p.NextPage}}
	}
}
