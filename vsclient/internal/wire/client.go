// Package wire has a method for each endpoint of OpenAI's API that the client uses. It
// knows no keys of documents.
package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/exchange"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
)

// Config is the configuration of a Client. StoreID is required.
type Config struct {
	exchange.Config
	StoreID string // the vector store of the methods that name no other
	Purpose string // of the Files; "": defaultPurpose
}

// Client makes requests. It is safe for concurrent use.
type Client struct {
	exchange *exchange.Client
	cfg      Config // without the key
}

// New returns a Client. It makes no request. It refuses a configuration with which no
// request can be made; the error holds no secret.
func New(cfg Config) (*Client, error) {
	if !exchange.IsID(cfg.StoreID) {
		return nil, fmt.Errorf("%q is not a vector store id; OpenAI's look like vs_abc123", fail.Line(cfg.StoreID, reply.MaxCode))
	}
	if cfg.Purpose == "" {
		cfg.Purpose = defaultPurpose
	}
	x, err := exchange.New(cfg.Config)
	if err != nil {
		return nil, err
	}
	cfg.APIKey, cfg.BaseURL = "", ""
	return &Client{exchange: x, cfg: cfg}, nil
}

// For returns a client that shares everything with c and tries each request for limit
// at the most, instead of Config.RetryTimeout.
func (c *Client) For(limit time.Duration) *Client { return &Client{c.exchange.For(limit), c.cfg} }

// Once returns a client that shares everything with c and tries each request once.
func (c *Client) Once() *Client { return &Client{c.exchange.Once(), c.cfg} }

// Line is [reply.Judge.Line].
func (c *Client) Line(text string, n int) string { return c.exchange.Line(text, n) }

// Close closes idle connections, unless the HTTP client is the caller's.
func (c *Client) Close() { c.exchange.Close() }

// request is an exchange about the objects that it names. many: its body names
// several.
type request struct {
	exchange.Request
	many bool
}

// send makes the request, as [exchange.Send] does.
func send[T any](ctx context.Context, c *Client, r request) (T, time.Duration, error) {
	r.Refused = func(ctx context.Context, f *reply.Failure) *reply.Failure { return c.absent(ctx, r, f) }
	return exchange.Send[T](ctx, c.exchange, r.Request)
}

// get makes a request that reads the object with the last of the ids.
func get[T reply.WithID](ctx context.Context, c *Client, path string, ids ...string) (T, time.Duration, error) {
	return sendFor[T](ctx, c, request{Request: exchange.Request{Method: http.MethodGet, Path: path, IDs: ids}})
}

// sendFor makes a request for the object with the last of its ids.
func sendFor[T reply.WithID](ctx context.Context, c *Client, r request) (T, time.Duration, error) {
	r.About = r.IDs[len(r.IDs)-1]
	return send[T](ctx, c, r)
}

// absent decides on the object of a 404, or of a 400 that says "not found" of an id that was
// sent: the one that was asked for, the vector store, or an endpoint that the server does not
// have. Where the message does not speak of a file that was asked for, the store is asked
// for: absence of the store must not pass for absence of a document.
func (c *Client) absent(ctx context.Context, r request, f *reply.Failure) *reply.Failure {
	var asked []string
	if r.Named != nil {
		asked = slices.Clone(r.Named())
	}
	inStore := strings.HasPrefix(r.Path, "vector_stores/%s")
	if !inStore && len(r.IDs) > 0 {
		asked = append(asked, r.IDs[0])
	} else if len(r.IDs) > 1 {
		asked = append(asked, r.IDs[1])
	}
	of := func(kind error) *reply.Failure {
		f.Kind = kind
		return f
	}
	about := f.Lacks
	switch {
	case errors.Is(f.Kind, fail.NotFound):
		about = f.Names
	case f.Status != http.StatusBadRequest, !errors.Is(f.Kind, fail.Rejected):
		return f
	case !slices.ContainsFunc(append(asked, r.IDs...), f.Lacks):
		return f // it may be the fault of anything else
	}
	switch {
	case slices.ContainsFunc(asked, about), !inStore && len(asked) > 0:
		return of(fail.NotFound)
	case !inStore:
		return of(fail.Incompatible)
	case r.Path == "vector_stores/%s":
		return of(fail.StoreGone)
	}
	s, _, err := get[Store](ctx, c, "vector_stores/%s", r.IDs[0])
	other, failed := errors.AsType[*reply.Failure](err)
	switch {
	case s.Status == "expired", errors.Is(err, fail.StoreGone):
		return of(fail.StoreGone)
	case failed:
		other.Retry = false // it has been tried for as long as anything is
		return other
	case f.Status == http.StatusBadRequest:
		return of(fail.Rejected) // the store is there, and of the file it says nothing
	case len(asked) > 0 && !r.many:
		return of(fail.NotFound)
	}
	return of(fail.Incompatible)
}
