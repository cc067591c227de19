package vsclient

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"golang.org/x/sync/semaphore"
)

// What Config's zero values mean.
const (
	DefaultBaseURL        = "https://api.openai.com/v1"
	DefaultConcurrency    = 32
	DefaultBytesInFlight  = 256 << 20
	DefaultBatchSize      = 500
	DefaultIndexTimeout   = 10 * time.Minute
	DefaultRetryTimeout   = 5 * time.Minute
	DefaultRequestTimeout = time.Minute

	// MaxBatchSize is how many files one attach request may carry (API reference
	// of file_batches since May 2026; the guide still says 500).
	MaxBatchSize = 2000
)

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
	BatchSize      int           // files in one attach request; 0: 500; at most MaxBatchSize
	WaitFor        WaitFor       // when a Put is done; the zero value is WaitIndexed
	IndexTimeout   time.Duration // how long OpenAI may take to index one file; 0: 10 min
	RetryTimeout   time.Duration // how long one request is tried again; 0: 5 min
	RequestTimeout time.Duration // how long one attempt may go without a sign of life; 0: 1 min
	FileExtension  string        // for keys without an indexed extension, as ".md"; "": by content

	// OwnerAttribute names the attribute that tells whose a key is, as the table
	// that it comes from. A change whose document has another value there than the
	// stored one is refused with [ErrConflict]. "": keys have no owners.
	OwnerAttribute string

	Limits Limits // of this client alone; ignored when Pacer is set
	Pacer  *Pacer // shared by the clients of one API key; nil: one of its own

	Logger *slog.Logger // nil: silent. No content, no secret; keys at debug level alone.
	Hooks  Hooks
}

// Hooks are called as things happen, from many goroutines, and must be quick.
type Hooks struct {
	Request func(RequestEvent)
}

// Format prints the configuration without the key, for every verb.
func (c Config) Format(s fmt.State, _ rune) {
	key := "unset"
	if c.APIKey != "" {
		key = "[redacted]"
	}
	fmt.Fprintf(s, "vsclient.Config{APIKey: %s, VectorStoreID: %q, BaseURL: %q}", key, c.VectorStoreID, c.BaseURL)
}

// LogValue is what log/slog shows of the configuration: all but the key.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// MarshalJSON keeps the key out of encodings, too.
func (c Config) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", fmt.Sprint(c)), nil }

// Client puts, gets and deletes documents of one vector store by key. It is safe
// for concurrent use: calls for one key take effect in the order they were made,
// others run side by side and share requests.
type Client struct {
	cfg     Config // without the key
	log     *slog.Logger
	secrets secrets
	api     openai.Client
	pacer   *Pacer
	seed    maphash.Seed

	catalog  *catalog
	turns    turns
	names    turns // uploads of one file name, one after the other
	attacher *attacher
	slots    *semaphore.Weighted // uploads
	bytes    *semaphore.Weighted
	calls    *semaphore.Weighted // looks and removals
	pace     indexPace
	down     outage
	// unordered tells that batches list their files in another order than they were sent.
	unordered atomic.Bool

	life    context.Context // ends with Close
	end     context.CancelCauseFunc
	work    sync.WaitGroup // goroutines of the client's own, and changes under way
	closing sync.RWMutex   // held while one is started, so that Close misses none
	pending pending        // versions attached but not yet settled
	ownHTTP *http.Client
}

// New returns a client for one store. It makes no request; [Client.Check] does.
func New(cfg Config) (*Client, error) {
	if err := cfg.complete(); err != nil {
		return nil, wrap("new", "", err)
	}
	c := &Client{
		log:   cfg.Logger,
		pacer: cfg.Pacer,
		seed:  maphash.MakeSeed(),
		slots: semaphore.NewWeighted(int64(cfg.Concurrency)),
		bytes: semaphore.NewWeighted(cfg.BytesInFlight),
		calls: semaphore.NewWeighted(int64(cfg.Concurrency)),
	}
	if cfg.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 2*cfg.Concurrency + 8
		transport.MaxIdleConns = transport.MaxIdleConnsPerHost
		c.ownHTTP = &http.Client{Transport: transport}
		cfg.HTTPClient = c.ownHTTP
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
	c.secrets = newSecrets(cfg.APIKey)
	cfg.APIKey = ""
	c.cfg = cfg
	if c.pacer == nil {
		c.pacer = NewPacer(cfg.Limits)
	}
	c.life, c.end = context.WithCancelCause(context.Background())
	c.catalog = newCatalog(c)
	c.attacher = newAttacher(c)
	return c, nil
}

// complete checks the configuration and fills in the defaults.
func (c *Config) complete() error {
	bad := fmt.Errorf
	switch {
	case c.APIKey == "":
		return bad("Config.APIKey is empty; set it to an OpenAI API key")
	case strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }):
		return bad("Config.APIKey holds a character that no API key has (a space or a line end?)")
	case c.VectorStoreID == "":
		return bad("Config.VectorStoreID is empty; set it to the id of a vector store (vs_…)")
	case c.BatchSize < 0 || c.BatchSize > MaxBatchSize:
		return bad("Config.BatchSize is %d; 1 to %d are allowed", c.BatchSize, MaxBatchSize)
	case c.Concurrency < 0, c.BytesInFlight < 0, c.IndexTimeout < 0, c.RetryTimeout < 0, c.RequestTimeout < 0:
		return bad("Config.Concurrency, BytesInFlight, IndexTimeout, RetryTimeout and RequestTimeout must not be negative")
	case c.WaitFor != WaitIndexed && c.WaitFor != WaitAttached:
		return bad("Config.WaitFor is %d; use WaitIndexed or WaitAttached", c.WaitFor)
	case c.FileExtension != "" && extensionOf("x"+c.FileExtension) == noExtension:
		return bad("Config.FileExtension is %q; OpenAI indexes %s", c.FileExtension, strings.Join(SupportedExtensions(), " "))
	}
	if c.BaseURL == "" {
		c.BaseURL = DefaultBaseURL
	}
	if u, err := url.Parse(c.BaseURL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return bad("Config.BaseURL is %q; it must be an http or https URL, as %s", c.BaseURL, DefaultBaseURL)
	}
	orDefault(&c.Concurrency, DefaultConcurrency)
	orDefault(&c.BytesInFlight, DefaultBytesInFlight)
	orDefault(&c.BatchSize, DefaultBatchSize)
	orDefault(&c.IndexTimeout, DefaultIndexTimeout)
	orDefault(&c.RetryTimeout, DefaultRetryTimeout)
	orDefault(&c.RequestTimeout, DefaultRequestTimeout)
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

// Close ends what the client does in the background and what is under way, whose
// calls return [ErrClosed]. It returns when they have cleaned up after themselves,
// for which each has 30 seconds, and leaves no goroutine and, unless
// Config.HTTPClient was given, no connection behind. Call [Client.Flush] first
// when WaitFor is [WaitAttached]. Closing twice is harmless.
func (c *Client) Close() error {
	c.closing.Lock()
	c.end(ErrClosed)
	c.closing.Unlock()
	c.work.Wait()
	if c.ownHTTP != nil {
		c.ownHTTP.CloseIdleConnections()
	}
	return nil
}

// bind ties a call's context to the life of the client.
func (c *Client) bind(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(c.life, func() { cancel(ErrClosed) })
	return ctx, func() {
		unhook()
		cancel(nil)
	}
}

// cleanupTime bounds what is done after the caller has given up.
const cleanupTime = 30 * time.Second

// afterwards is a context for cleaning up: it outlives the caller's and the
// client's, for a bounded time.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
}

// outliving is a context that ends a bounded time after ctx does.
func outliving(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	unhook := context.AfterFunc(ctx, func() {
		time.AfterFunc(cleanupTime, func() { cancel(context.Cause(ctx)) })
	})
	return longer, func() {
		unhook()
		cancel(nil)
	}
}

// spawn runs f in the background; f must end when the client's life does. It
// returns false when that has ended already.
func (c *Client) spawn(f func(ctx context.Context)) bool {
	done, ok := c.enter()
	if !ok {
		return false
	}
	go func() {
		defer done()
		f(c.life)
	}()
	return true
}

// enter counts something that Close waits for, until leave is called; it is false
// when the client is closed.
func (c *Client) enter() (leave func(), ok bool) {
	c.closing.RLock()
	defer c.closing.RUnlock()
	if c.life.Err() != nil {
		return nil, false
	}
	c.work.Add(1)
	return c.work.Done, true
}

// Store is what OpenAI tells of the vector store itself.
type Store struct {
	ID         string
	Name       string
	Status     string // expired, in_progress or completed
	Files      int    // attached, by the store's own count, which may lag
	UsageBytes int64
	ExpiresAt  time.Time // zero: never
}

// checkTime bounds Check: a caller that starts up wants to know soon.
const checkTime = 10 * time.Second

// Check asks OpenAI for the store, in one request, and so tells whether the
// endpoint, the key and the store are good. It does not try for longer than ten
// seconds.
func (c *Client) Check(ctx context.Context) (Store, error) {
	ctx, cancel := c.bind(ctx)
	defer cancel()
	ctx, stop := context.WithTimeoutCause(ctx, checkTime, fmt.Errorf("%w: no good answer within %v", ErrTimeout, checkTime))
	defer stop()
	s, err := c.store(ctx, min(checkTime, c.cfg.RetryTimeout))
	if err != nil {
		if is(err, ErrNotFound) {
			err = &inputError{kind: ErrStoreNotFound, reason: fmt.Sprintf("no vector store %q in this project", c.cfg.VectorStoreID), err: err}
		}
		return Store{}, wrap("check", "", err)
	}
	return s, nil
}

func (c *Client) store(ctx context.Context, limit time.Duration) (Store, error) {
	s, err := c.getStore(ctx, limit)
	if err != nil {
		return Store{}, err
	}
	store := Store{ID: s.ID, Name: s.Name, Status: s.Status, Files: s.FileCounts.Total, UsageBytes: s.UsageBytes}
	if s.ExpiresAt > 0 {
		store.ExpiresAt = time.Unix(s.ExpiresAt, 0)
	}
	return store, nil
}
