// Package wire makes the requests to OpenAI's API: one method for each endpoint, with
// retries, pacing and a verdict on each reply. It knows no keys of documents.
package wire

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// Config is the configuration of a Client. BaseURL, APIKey and StoreID are required.
type Config struct {
	BaseURL        string
	APIKey         string
	StoreID        string // the vector store of the methods that name no other
	Organization   string
	Project        string
	HTTPClient     *http.Client  // nil: one of its own
	Connections    int           // idle ones kept by a client of its own
	RetryTimeout   time.Duration // how long one request is tried again
	RequestTimeout time.Duration // how long one attempt may go without a sign of life
	Pacer          *Pacer
	Logger         *slog.Logger
	OnRequest      func(Event) // nil: nothing is told
}

// Event tells of one attempt at a request.
type Event struct {
	Endpoint string        // method and path, as "GET /vector_stores/{id}/files"
	Try      int           // from 1
	Status   int           // 0: no reply came
	Waited   time.Duration // for leave to be sent
	Took     time.Duration // from then until the reply was read, or had failed
	Err      error         // nil on success; never holds the API key
}

// Meta is the part of a reply that is in its header.
type Meta struct {
	RequestID string
	PollAfter time.Duration // how long the server asks to wait before the next look; at most 8 s
}

// Client makes requests. It is safe for concurrent use.
type Client struct {
	cfg     Config // without the key
	api     openai.Client
	secrets secrets
	down    *outage
	limit   time.Duration // how long a request is tried; 0: Config.RetryTimeout
	own     *http.Client  // nil: it is the caller's
}

// New returns a Client. It makes no request.
func New(cfg Config) (*Client, error) {
	c := &Client{secrets: newSecrets(cfg.APIKey), down: new(outage)}
	if cfg.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = cfg.Connections
		transport.MaxIdleConns = cfg.Connections
		c.own = &http.Client{Transport: transport}
		cfg.HTTPClient = c.own
	}
	// The SDK's client is made without openai.NewClient, which would read the
	// environment: OPENAI_BASE_URL there must not decide where the key is sent.
	opts := []option.RequestOption{
		option.WithAPIKey(cfg.APIKey),
		option.WithBaseURL(strings.TrimSuffix(cfg.BaseURL, "/") + "/"),
		option.WithHTTPClient(cfg.HTTPClient),
		option.WithMaxRetries(0),
	}
	if cfg.Organization != "" {
		opts = append(opts, option.WithOrganization(cfg.Organization))
	}
	if cfg.Project != "" {
		opts = append(opts, option.WithProject(cfg.Project))
	}
	c.api = openai.Client{Options: opts}
	cfg.APIKey = ""
	c.cfg = cfg
	return c, nil
}

// For returns a client that shares everything with c and tries each request for limit
// at the most, instead of Config.RetryTimeout.
func (c *Client) For(limit time.Duration) *Client {
	other := *c
	other.limit = limit
	return &other
}

// Close closes idle connections, unless the HTTP client is the caller's.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}
