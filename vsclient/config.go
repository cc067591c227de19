package vsclient

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/exchange"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// The defaults of Config.
const (
	DefaultBaseURL      = "https://api.openai.com/v1"
	DefaultConcurrency  = 32
	DefaultBatchSize    = 100
	DefaultRetryTimeout = 5 * time.Minute

	defaultBytesInFlight  = 256 << 20
	defaultIndexTimeout   = 10 * time.Minute
	defaultRequestTimeout = time.Minute
)

// maxBatchSize is how many files one attach request may carry (API reference
// of file_batches since May 2026; the guide still says 500).
const maxBatchSize = 2000

// Config says which store to write to, and how. APIKey and VectorStoreID are
// required; every zero value is a default. A Config prints without its key.
type Config struct {
	APIKey        string
	VectorStoreID string
	BaseURL       string // any OpenAI-compatible endpoint; "": DefaultBaseURL
	Organization  string
	Project       string
	HTTPClient    *http.Client // nil: one of its own. It must not retry.

	Concurrency   int   // uploads, and likewise removals, side by side; 0: 32
	BytesInFlight int64 // content being uploaded at once, in bytes; 0: 256 MiB. A larger document is uploaded alone.
	BatchSize     int   // files in one attach request, at most 2,000; 0: 100, which one page of a listing shows
	// Async has Put return once the new version is attached, unless [Change.Searchable] is
	// asked for. Indexing goes on in the background. The older version stays searchable
	// until the new one is, and is then removed. [Client.Flush] waits for that.
	Async          bool
	IndexTimeout   time.Duration // how long OpenAI may take to index one file; 0: 10 min. A file that takes longer is uploaded once more.
	RetryTimeout   time.Duration // how long one request is tried again; 0: 5 min. After an endpoint has failed for this long, each request to it is tried once for 2 minutes.
	RequestTimeout time.Duration // how long one attempt may go without a sign of life; 0: 1 min
	FileExtension  string        // for keys without an indexed extension, such as ".md"; "": by content
	Purpose        string        // of uploaded Files, such as "user_data"; "": "assistants". Documents of either purpose are found.

	Limits Limits // of this client alone; ignored when Pacer is set
	Pacer  *Pacer // shared by the clients of one API key; nil: one of its own

	Logger *slog.Logger // nil: silent. No content, no secret; keys at debug level alone.

	// OnRequest is called with each attempt at a request, from many goroutines, and must
	// be quick. It may be nil. examples/otel measures with it.
	OnRequest func(RequestEvent)
}

// RequestEvent describes one attempt at a request, for counters and timings.
type RequestEvent struct {
	Endpoint string        // method and path, such as "GET /vector_stores/{id}/files"
	Try      int           // from 1
	Status   int           // 0: no reply came
	Waited   time.Duration // for leave to be sent: pacing, and pauses that a 429 asked for
	Took     time.Duration // from then until the reply was read, or had failed
	Err      error         // nil on success; never holds the API key
}

// wire is the configuration of the room that makes the requests.
func (c *Config) wire() wire.Config {
	return wire.Config{StoreID: c.VectorStoreID, Purpose: c.Purpose, Config: exchange.Config{
		BaseURL: c.BaseURL, APIKey: c.APIKey, Organization: c.Organization, Project: c.Project,
		HTTPClient: c.HTTPClient, Connections: 2*c.Concurrency + 8, RetryTimeout: c.RetryTimeout, RequestTimeout: c.RequestTimeout,
		Pacer: c.Pacer.gates, Logger: c.Logger, OnRequest: c.onRequest(),
	}}
}

func (c *Config) onRequest() func(exchange.Event) {
	if c.OnRequest == nil {
		return nil
	}
	return func(e exchange.Event) { c.OnRequest(RequestEvent(e)) }
}

// batchSize is how many files one attach request carries: more than the limit allows
// could never go at once.
func (c *Config) batchSize() int {
	if limit := c.Pacer.gates.Batch; limit != NoLimit {
		return min(c.BatchSize, limit)
	}
	return c.BatchSize
}

// Format prints store and endpoint, and whether there is a key, for every verb.
func (c Config) Format(s fmt.State, _ rune) {
	key := "unset"
	if c.APIKey != "" {
		key = "[redacted]"
	}
	fmt.Fprintf(s, "vsclient.Config{APIKey: %s, VectorStoreID: %q, BaseURL: %q}", key, c.VectorStoreID, reply.SafeURL(c.BaseURL))
}

// LogValue shows the same in log/slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// MarshalJSON keeps the key out of encodings, too.
func (c Config) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", fmt.Sprint(c)), nil }

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	switch {
	case c.APIKey == "":
		return fmt.Errorf("Config.APIKey is empty; set it to an OpenAI API key")
	case strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("Config.APIKey holds a character that no API key has (a space or a line end?)")
	case c.VectorStoreID == "":
		return fmt.Errorf("Config.VectorStoreID is empty; set it to the id of a vector store (vs_…)")
	case c.BatchSize < 0 || c.BatchSize > maxBatchSize:
		return fmt.Errorf("Config.BatchSize is %d; 1 to %d are allowed", c.BatchSize, maxBatchSize)
	case c.Concurrency < 0, c.BytesInFlight < 0, c.IndexTimeout < 0, c.RetryTimeout < 0, c.RequestTimeout < 0:
		return fmt.Errorf("Config.Concurrency, BytesInFlight, IndexTimeout, RetryTimeout and RequestTimeout must not be negative")
	case c.FileExtension != "" && naming.Ext("x"+c.FileExtension) == "":
		return fmt.Errorf("Config.FileExtension is %q; OpenAI indexes %s", c.FileExtension, strings.Join(Extensions(), " "))
	}
	c.BaseURL = cmp.Or(c.BaseURL, DefaultBaseURL)
	c.Concurrency = cmp.Or(c.Concurrency, DefaultConcurrency)
	c.BytesInFlight = cmp.Or(c.BytesInFlight, defaultBytesInFlight)
	c.BatchSize = cmp.Or(c.BatchSize, DefaultBatchSize)
	c.IndexTimeout = cmp.Or(c.IndexTimeout, defaultIndexTimeout)
	c.RetryTimeout = cmp.Or(c.RetryTimeout, DefaultRetryTimeout)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, defaultRequestTimeout)
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	return nil
}
