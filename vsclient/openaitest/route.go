package openaitest

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

type handler func(*call) (any, *apiError)

// reading and deleting return a handler that holds the server's lock and counts against
// the limit on reads or deletions.
var (
	reading  = counted("reads", func(s *Server) *limiter { return s.readLimit })
	deleting = counted("deletes", func(s *Server) *limiter { return s.deleteLimit })
)

func counted(requests string, limit func(*Server) *limiter) func(handler) handler {
	return func(serve handler) handler {
		return locked(func(c *call) (any, *apiError) {
			if refused := c.s.limit(c, requests, 1, limit(c.s)); refused != nil {
				return nil, refused
			}
			return serve(c)
		})
	}
}

// locked returns a handler that holds the server's lock.
func locked(serve handler) handler {
	return func(c *call) (any, *apiError) {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		return serve(c)
	}
}

// of returns a handler that serves the object that the request's path names.
func of[T any](find func(*call) (*T, *apiError), serve func(*call, *T) (any, *apiError)) handler {
	return func(c *call) (any, *apiError) {
		object, refused := find(c)
		if refused != nil {
			return nil, refused
		}
		return serve(c, object)
	}
}

// endpoint is an operation of the API.
type endpoint struct {
	method string
	path   string   // as in the OpenAPI document
	query  []string // known parameters
	serve  handler

	segments []string
	name     string // "POST /files"
	batches  bool   // it is under …/file_batches
}

var paging = []string{"limit", "order", "after", "before"}

// endpoints are the operations that the emulator models.
var endpoints = func() []*endpoint {
	withFilter := append(slices.Clone(paging), "filter")
	all := []*endpoint{
		{method: "GET", path: "/files", query: []string{"purpose", "limit", "order", "after"}, serve: locked((*call).listFiles)},
		{method: "POST", path: "/files", serve: (*call).createFile},
		{method: "GET", path: "/files/{file_id}", serve: locked(of((*call).file, (*call).getFile))},
		{method: "DELETE", path: "/files/{file_id}", serve: deleting(of((*call).file, (*call).deleteFile))},
		{method: "GET", path: "/files/{file_id}/content", serve: locked(of((*call).file, (*call).fileContent))},

		{method: "POST", path: "/uploads", serve: (*call).createUpload},
		{method: "POST", path: "/uploads/{upload_id}/parts", serve: (*call).addPart},
		{method: "POST", path: "/uploads/{upload_id}/complete", serve: (*call).completeUpload},
		{method: "POST", path: "/uploads/{upload_id}/cancel", serve: locked(of((*call).upload, (*call).cancelUpload))},

		{method: "GET", path: "/vector_stores", query: paging, serve: reading((*call).listStores)},
		{method: "POST", path: "/vector_stores", serve: (*call).createStore},
		{method: "GET", path: "/vector_stores/{vector_store_id}", serve: reading(of((*call).store, (*call).getStore))},
		{method: "POST", path: "/vector_stores/{vector_store_id}", serve: (*call).modifyStore},
		{method: "DELETE", path: "/vector_stores/{vector_store_id}", serve: deleting(of((*call).store, (*call).deleteStore))},
		{method: "POST", path: "/vector_stores/{vector_store_id}/search", serve: (*call).searchStore},

		{method: "GET", path: "/vector_stores/{vector_store_id}/files", query: withFilter, serve: reading((*call).listStoreFiles)},
		{method: "POST", path: "/vector_stores/{vector_store_id}/files", serve: (*call).createStoreFile},
		{method: "GET", path: "/vector_stores/{vector_store_id}/files/{file_id}", serve: reading(of((*call).readableStoreFile, (*call).getStoreFile))},
		{method: "POST", path: "/vector_stores/{vector_store_id}/files/{file_id}", serve: (*call).updateStoreFile},
		{method: "DELETE", path: "/vector_stores/{vector_store_id}/files/{file_id}", serve: deleting(of((*call).store, (*call).deleteStoreFile))},
		{method: "GET", path: "/vector_stores/{vector_store_id}/files/{file_id}/content", query: []string{"page"}, serve: reading(of((*call).readableStoreFile, (*call).storeFileContent))},

		{method: "POST", path: "/vector_stores/{vector_store_id}/file_batches", serve: (*call).createBatch},
		{method: "GET", path: "/vector_stores/{vector_store_id}/file_batches/{batch_id}", serve: reading(of((*call).batch, (*call).getBatch))},
		{method: "POST", path: "/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel", serve: locked(of((*call).batch, (*call).cancelBatch))},
		{method: "GET", path: "/vector_stores/{vector_store_id}/file_batches/{batch_id}/files", query: withFilter, serve: reading((*call).listBatchFiles)},
	}
	for _, e := range all {
		e.segments = strings.Split(e.path[1:], "/")
		e.name = e.method + " " + e.path
		e.batches = slices.Contains(e.segments, "file_batches")
	}
	return all
}()

// otherAPIs are the first path segments of OpenAI's other APIs.
var otherAPIs = []string{
	"agents", "audio", "batches", "chat", "chatkit", "completions", "containers", "content_provenance_checks", "conversations",
	"decisions", "edits", "embeddings", "engines", "evals", "fine-tunes", "fine_tuning", "images", "live", "models", "moderations",
	"organization", "projects", "realtime", "responses", "safety", "skills", "vaults", "videos", "webhook_endpoints",
}

// route finds the endpoint of an escaped URL path. It returns the path below /v1, and a
// refusal when there is no endpoint.
func (c *call) route(escaped string) (string, *apiError) {
	path := strings.TrimPrefix(escaped, "/v1")
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	var allowed []string
	for _, e := range endpoints {
		if !e.matches(segments) {
			continue
		}
		allowed = append(allowed, e.method)
		if e.method != c.method {
			continue
		}
		for i, s := range e.segments {
			if s[0] == '{' {
				p, err := url.PathUnescape(segments[i])
				if err != nil {
					return path, invalidURL(c.method, escaped)
				}
				c.params = append(c.params, p)
			}
		}
		c.endpoint = e
		if e.batches {
			return path, c.s.cfg.Quirks.noBatches(c.method, escaped)
		}
		return path, nil
	}
	if len(allowed) > 0 {
		c.header.Set("Allow", strings.Join(allowed, ", "))
		return path, &apiError{
			status: http.StatusMethodNotAllowed, code: "method_not_supported",
			message: "Not allowed to " + c.method + " on " + escaped + ". (HINT: Perhaps you meant to use a different HTTP method?)",
		}
	}
	if slices.Contains(otherAPIs, segments[0]) {
		return path, notModelled("%s %s", c.method, escaped)
	}
	return path, invalidURL(c.method, escaped)
}

// noBatches returns the refusal of a server without …/file_batches; nil when it has them.
func (q *Quirks) noBatches(method, path string) *apiError {
	switch q.BatchesNotTaken {
	case BatchesNotFound:
		return invalidURL(method, path)
	case BatchesFail:
		return serverError()
	default:
		return nil
	}
}

func invalidURL(method, path string) *apiError {
	return notFound("", "Invalid URL (%s %s)", method, path)
}

func (e *endpoint) matches(segments []string) bool {
	if len(segments) != len(e.segments) {
		return false
	}
	for i, s := range e.segments {
		if s[0] == '{' && segments[i] != "" {
			continue
		}
		if s != segments[i] {
			return false
		}
	}
	return true
}

func (c *call) endpointName() string {
	if c.endpoint == nil {
		return "not an endpoint"
	}
	return c.endpoint.name
}

// page reads the paging parameters; most is the largest limit.
func (c *call) page(standard, most int) (project.Page, *apiError) {
	p := project.Page{Limit: standard, Desc: true}
	if v := c.query.Get("limit"); c.query.Has("limit") {
		n, err := strconv.Atoi(v) // n is the largest int when v is too large for one
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return p, badRequest("invalid_type", "limit", "Invalid type for 'limit': expected an integer, but got a string instead.")
		}
		if refused := outOfBounds("limit", "integer", n, 1, most); refused != nil {
			return p, refused
		}
		p.Limit = n
	}
	if v := c.query.Get("order"); c.query.Has("order") {
		if err := oneOf("order", v, "asc", "desc"); err != nil {
			return p, err
		}
		p.Desc = v == "desc"
	}
	p.After, p.Before = c.query.Get("after"), c.query.Get("before")
	return p, nil
}

func oneOf(param, value string, allowed ...string) *apiError {
	if slices.Contains(allowed, value) {
		return nil
	}
	return badRequest("invalid_value", param, "Invalid value: '%s'. Supported values are: %s.", value, quoteList(allowed))
}

// quoteList writes 'a', 'b', and 'c'.
func quoteList(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == 0:
		case i < len(words)-1:
			b.WriteString(", ")
		case i == 1:
			b.WriteString(" and ")
		default:
			b.WriteString(", and ")
		}
		b.WriteString("'" + w + "'")
	}
	return b.String()
}

// listing is one page of an ordered list.
type listing struct {
	Object  string  `json:"object"`
	Data    any     `json:"data"`
	FirstID *string `json:"first_id"` // null: the page is empty
	LastID  *string `json:"last_id"`
	HasMore bool    `json:"has_more"`
}

func orNull(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}

// list renders a page of a list, or refuses its cursor.
func list[T, O any](l project.Listing[T], bad *project.BadCursor, object func(T) O) (any, *apiError) {
	if bad != nil {
		return nil, badRequest("invalid_value", bad.Param, "Invalid '%s' cursor: no object found with id '%s'.", bad.Param, bad.ID)
	}
	data := make([]O, len(l.Items))
	for i, v := range l.Items {
		data[i] = object(v)
	}
	return listing{Object: "list", Data: data, FirstID: orNull(l.First), LastID: orNull(l.Last), HasMore: l.More}, nil
}
