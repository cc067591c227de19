// Package client is one process's client, and everything that the histories know of
// vsclient. It does not know who asks, nor whether an answer is right.
package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
)

// Class is the party at fault when a call fails.
type Class int

const (
	NoError     Class = iota
	BadDocument       // this document alone
	Service           // the service; the same call may succeed later
	Everybody         // every call fails until a person acts
	Stopped           // the caller's context, or Close
)

func (c Class) String() string {
	return [...]string{"no error", "the document's fault", "the service's fault", "everybody's fault", "stopped"}[c]
}

// Keyed is a change of one key's document.
type Keyed struct {
	Op  plan.Op
	Key string
	Doc plan.Doc
	If  map[string]any
}

// Answer is the result of one call for one key.
type Answer struct {
	Outcome  string // as vsclient prints it; "" on an error
	FileID   string // of the version that is there now
	Version  int64  // its number
	Class    Class
	NotFound bool // the document does not exist
	Indexing bool // OpenAI could not index it
	Conflict bool // the stored document is not as the change asks for
	Closed   bool // the client is closed
	NoStore  bool // the vector store is missing or has expired
	Err      error
}

// Seen is a document as Get and List return it.
type Seen struct {
	Key    string
	SHA256 string
	Attrs  map[string]any
	Status string
	FileID string
}

// Stray is a File that belongs to no document.
type Stray struct {
	FileID  string
	Name    string
	Created time.Time
	Removed bool
}

// Settings are those of one process.
type Settings struct {
	Store       string
	URL         string
	Transport   http.RoundTripper // nil: a real network
	Attached    bool              // a put is done once its version is attached
	Concurrency int
	Batch       int
	RetryFor    time.Duration
	IndexFor    time.Duration
	Verbose     bool
}

// Client is one process's client.
type Client struct{ c *vsclient.Client }

// CloseWithin is the time that Close is given.
const CloseWithin = 10 * time.Second

// New makes a client.
func New(s Settings) (*Client, error) {
	cfg := vsclient.Config{
		APIKey: "sk-test", VectorStoreID: s.Store, BaseURL: s.URL,
		Limits:      vsclient.Limits{UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit},
		Concurrency: s.Concurrency, BatchSize: s.Batch, RetryTimeout: s.RetryFor, IndexTimeout: s.IndexFor, Async: s.Attached,
	}
	if s.Transport != nil {
		cfg.HTTPClient = &http.Client{Transport: s.Transport}
	}
	if s.Verbose {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	c, err := vsclient.New(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{c}, nil
}

// AnswerOf is the answer of a call that has no result, by its error.
func AnswerOf(err error) Answer { return answer(vsclient.Result{}, err) }

func answer(r vsclient.Result, err error) Answer {
	a := Answer{Err: err}
	switch vsclient.ClassOf(err) {
	case 0:
		a.Outcome, a.FileID, a.Version = string(r.Outcome), r.FileID, r.Version
		return a
	case vsclient.BadDocument:
		a.Class = BadDocument
	case vsclient.Transient:
		a.Class = Service
	case vsclient.Fatal:
		a.Class = Everybody
	case vsclient.Stopped:
		a.Class = Stopped
	}
	a.NotFound = errors.Is(err, vsclient.ErrNotFound)
	a.Indexing = errors.Is(err, vsclient.ErrIndexing)
	a.Conflict = errors.Is(err, vsclient.ErrConflict)
	a.Closed = errors.Is(err, vsclient.ErrClosed)
	a.NoStore = errors.Is(err, vsclient.ErrStoreGone)
	return a
}

func document(key string, d plan.Doc) vsclient.Document {
	out := vsclient.Document{Key: key, Content: vsclient.Bytes([]byte(d.Text)), Attributes: vsclient.Attributes(d.Attrs)}
	if d.Chunk > 0 {
		out.Chunking = vsclient.Chunking{MaxTokens: d.Chunk, OverlapTokens: d.Chunk / 2}
	}
	return out
}

// Put makes the document that of its key.
func (c *Client) Put(ctx context.Context, key string, d plan.Doc) Answer {
	return answer(c.c.Put(ctx, document(key, d)))
}

// Update gives the key's document these attributes.
func (c *Client) Update(ctx context.Context, key string, attrs map[string]any) Answer {
	return answer(c.c.SetAttributes(ctx, key, attrs))
}

// Delete removes the key's document.
func (c *Client) Delete(ctx context.Context, key string) Answer {
	return answer(c.c.Delete(ctx, key))
}

// Do makes one change, by a call of its own where it has no condition.
func (c *Client) Do(ctx context.Context, k Keyed) Answer {
	switch {
	case k.If != nil:
		r := c.c.Apply(ctx, []vsclient.Change{change(k)}, nil)[0]
		return answer(r, r.Err)
	case k.Op == plan.OpUpdate:
		return c.Update(ctx, k.Key, k.Doc.Attrs)
	case k.Op == plan.OpDelete:
		return c.Delete(ctx, k.Key)
	}
	return c.Put(ctx, k.Key, k.Doc)
}

func change(k Keyed) vsclient.Change {
	ch := vsclient.Put(document(k.Key, k.Doc))
	switch k.Op {
	case plan.OpUpdate:
		ch = vsclient.SetAttributes(k.Key, k.Doc.Attrs)
	case plan.OpDelete:
		ch = vsclient.Delete(k.Key)
	}
	if k.If != nil {
		ch = ch.If(k.If)
	}
	return ch
}

// Apply makes many changes at once. done is called as each ends, with its place.
func (c *Client) Apply(ctx context.Context, changes []Keyed, done func(int, Answer)) {
	list := make([]vsclient.Change, len(changes))
	for i, ch := range changes {
		list[i] = change(ch)
	}
	c.c.Apply(ctx, list, func(i int, r vsclient.Result) { done(i, answer(r, r.Err)) })
}

func seen(i vsclient.Info) Seen {
	return Seen{Key: i.Key, SHA256: i.SHA256, Attrs: i.Attributes, Status: string(i.Status), FileID: i.FileID}
}

// Get reads the document of the key.
func (c *Client) Get(ctx context.Context, key string) (Seen, Answer) {
	i, err := c.c.Get(ctx, key)
	return seen(i), answer(vsclient.Result{}, err)
}

// Text returns the text that OpenAI has parsed out of the key's document.
func (c *Client) Text(ctx context.Context, key string) (string, Answer) {
	text, err := c.c.Text(ctx, key)
	return text, answer(vsclient.Result{}, err)
}

// Hit is a piece of a document that a search has found.
type Hit struct {
	Key    string
	FileID string
	Text   string
	Attrs  map[string]any
}

// SearchLimit is the most hits of a search.
const SearchLimit = 50

// Search returns the pieces of documents that answer the query.
func (c *Client) Search(ctx context.Context, query string) ([]Hit, error) {
	hits, err := c.c.Search(ctx, query, vsclient.SearchOptions{Limit: SearchLimit})
	var out []Hit
	for _, h := range hits {
		out = append(out, Hit{Key: h.Key, FileID: h.FileID, Text: h.Text, Attrs: h.Attributes})
	}
	return out, err
}

// List returns all documents of the store.
func (c *Client) List(ctx context.Context) ([]Seen, error) {
	var out []Seen
	for i, err := range c.c.List(ctx) {
		if err != nil {
			return out, err
		}
		out = append(out, seen(i))
	}
	return out, nil
}

// Strays lists the Files that are attached nowhere, seem to be of this client and
// are that old, and removes those that can be told to be its own: by a record, or
// because the caller vouches for these keys since then.
func (c *Client) Strays(ctx context.Context, age time.Duration, keys []string, since time.Time) ([]Stray, error) {
	found, err := c.c.Sweep(ctx, vsclient.SweepOptions{MinAge: age, Keys: keys, Since: since})
	var out []Stray
	for _, f := range found {
		if f.Why != vsclient.Superseded && f.Why != vsclient.Unindexed {
			out = append(out, Stray{FileID: f.FileID, Name: f.Name, Created: f.CreatedAt, Removed: f.Removed})
		}
	}
	return out, err
}

// LateFailure is a document that failed after its put had returned.
type LateFailure struct {
	Key string
	Answer
}

// Flush waits for documents that were only attached so far, and returns those that failed.
// err is its error, where that is not one for each of these.
func (c *Client) Flush(ctx context.Context) (failed []LateFailure, err error) {
	return documents(c.c.Flush(ctx))
}

// documents takes the errors of documents out of a joined error.
func documents(err error) (failed []LateFailure, rest error) {
	switch e := err.(type) { //nolint:errorlint // an error that holds others is taken apart
	case *vsclient.Error:
		if e.Key != "" {
			return []LateFailure{{e.Key, AnswerOf(e)}}, nil
		}
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			more, other := documents(part)
			failed, rest = append(failed, more...), errors.Join(rest, other)
		}
		return failed, rest
	}
	return nil, err
}

// Left lists the Files that Close or Shutdown reported as left behind.
type Left struct {
	Files []string
	More  bool // there are others
}

// Shutdown ends the client, and lets its calls end first.
func (c *Client) Shutdown(ctx context.Context) (Left, error) { return left(c.c.Shutdown(ctx)) }

// Close ends the client, within CloseWithin.
func (c *Client) Close() (Left, error) { return left(c.c.Close()) }

// fileID matches the id of a File as the emulator makes it.
var fileID = regexp.MustCompile(`\bfile-[0-9A-Za-z]+`)

// left reads the Files that an error of the client's end names. err is the rest of it, without
// those of documents that failed.
func left(err error) (l Left, rest error) {
	_, err = documents(err)
	if closed, ok := errors.AsType[*vsclient.Error](err); ok && closed.Op == "close" {
		return Left{Files: fileID.FindAllString(closed.Reason, -1), More: strings.Contains(closed.Reason, " and others")}, nil
	}
	return Left{}, err
}
