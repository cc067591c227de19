package vsclient

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
)

// What Config's zero values mean.
const (
	DefaultBaseURL      = "https://api.openai.com/v1"
	DefaultConcurrency  = 32
	DefaultBatchSize    = 500
	DefaultRetryTimeout = 5 * time.Minute

	defaultBytesInFlight  = 256 << 20
	defaultIndexTimeout   = 10 * time.Minute
	defaultRequestTimeout = time.Minute
)

// maxBatchSize is how many files one attach request may carry (API reference
// of file_batches since May 2026; the guide still says 500).
const maxBatchSize = 2000

// WaitFor says when a Put is done.
type WaitFor int

const (
	// WaitIndexed returns when the new version is searchable.
	WaitIndexed WaitFor = iota
	// WaitAttached returns as soon as the new version is attached. Indexing goes
	// on; the older version is removed when it has ended well, and until then
	// stays searchable. [Client.Flush] waits for that.
	WaitAttached
)

// Config says which store to write to, and how. APIKey and VectorStoreID are
// required; every zero value is a default. A Config prints without its key.
type Config struct {
	APIKey        string
	VectorStoreID string
	BaseURL       string // any OpenAI-compatible endpoint; "": DefaultBaseURL
	Organization  string
	Project       string
	HTTPClient    *http.Client // nil: one of its own. It must not retry.

	Concurrency    int           // uploads, and likewise removals, side by side; 0: 32
	BytesInFlight  int64         // content being uploaded at once, in bytes; 0: 256 MiB. A larger document goes alone.
	BatchSize      int           // files in one attach request; 0: 500; at most 2,000
	WaitFor        WaitFor       // when a Put is done; the zero value is WaitIndexed
	IndexTimeout   time.Duration // how long OpenAI may take to index one file; 0: 10 min
	RetryTimeout   time.Duration // how long one request is tried again; 0: 5 min. After one was in vain, others of its kind are tried once for 2 min.
	RequestTimeout time.Duration // how long one attempt may go without a sign of life; 0: 1 min
	FileExtension  string        // for keys without an indexed extension, as ".md"; "": by content

	// OwnerAttribute names the attribute that tells whose a key is, as the table
	// that it comes from. A change whose document has another value there than the
	// stored one is refused with [ErrConflict]. "": keys have no owners.
	OwnerAttribute string

	Limits Limits // of this client alone; ignored when Pacer is set
	Pacer  *Pacer // shared by the clients of one API key; nil: one of its own

	Logger *slog.Logger // nil: silent. No content, no secret; keys at debug level alone.

	// OnRequest is told of each attempt at a request, from many goroutines, and must
	// be quick. nil: nothing is told. examples/otel measures with it.
	OnRequest func(RequestEvent)
}

// RequestEvent tells of one attempt at a request, for counters and timings.
type RequestEvent struct {
	Endpoint string        // method and path, as "GET /vector_stores/{id}/files"
	Try      int           // from 1
	Status   int           // 0: no reply came
	Waited   time.Duration // for leave to be sent: pacing, and pauses that a 429 asked for
	Took     time.Duration // from then until the reply was read, or had failed
	Err      error         // nil on success; never holds the API key
}

// Format prints store and endpoint, and whether there is a key, for every verb.
func (c Config) Format(s fmt.State, _ rune) {
	key := "unset"
	if c.APIKey != "" {
		key = "[redacted]"
	}
	fmt.Fprintf(s, "vsclient.Config{APIKey: %s, VectorStoreID: %q, BaseURL: %q}", key, c.VectorStoreID, c.BaseURL)
}

// LogValue is what log/slog shows of the configuration, the same.
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
	case c.WaitFor != WaitIndexed && c.WaitFor != WaitAttached:
		return fmt.Errorf("Config.WaitFor is %d; use WaitIndexed or WaitAttached", c.WaitFor)
	case c.FileExtension != "" && naming.Ext("x"+c.FileExtension) == "":
		return fmt.Errorf("Config.FileExtension is %q; OpenAI indexes %s", c.FileExtension, strings.Join(SupportedExtensions(), " "))
	}
	if c.BaseURL == "" {
		c.BaseURL = DefaultBaseURL
	}
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("Config.BaseURL is %q; it must be an http or https URL, as %s", c.BaseURL, DefaultBaseURL)
	}
	orDefault(&c.Concurrency, DefaultConcurrency)
	orDefault(&c.BytesInFlight, defaultBytesInFlight)
	orDefault(&c.BatchSize, DefaultBatchSize)
	orDefault(&c.IndexTimeout, defaultIndexTimeout)
	orDefault(&c.RetryTimeout, DefaultRetryTimeout)
	orDefault(&c.RequestTimeout, defaultRequestTimeout)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
