// Package exchange makes requests to OpenAI's API: each is paced, tried again as long as
// that may help, watched, and judged. It knows no endpoints.
package exchange

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
)

// Config is the configuration of a Client. BaseURL, APIKey, Pacer and Logger are required.
type Config struct {
	BaseURL        string
	APIKey         string
	Organization   string
	Project        string
	HTTPClient     *http.Client  // nil: one of its own
	Connections    int           // idle ones kept by a client of its own
	RetryTimeout   time.Duration // how long one request is tried again
	RequestTimeout time.Duration // how long one attempt may go without a sign of life
	Pacer          *pace.Pacer
	Logger         *slog.Logger
	OnRequest      func(Event) // may be nil
}

// Event describes one attempt at a request.
type Event struct {
	Endpoint string        // method and path, such as "GET /vector_stores/{id}/files"
	Try      int           // from 1
	Status   int           // 0: no reply came
	Waited   time.Duration // for leave to be sent
	Took     time.Duration // from then until the reply was read, or had failed
	Err      error         // nil on success; never holds the API key
}

// Client makes requests. It is safe for concurrent use.
type Client struct {
	cfg   Config // without the key
	api   openai.Client
	judge reply.Judge
	down  *outage
	limit time.Duration // how long a request is tried; 0: Config.RetryTimeout
	own   *http.Client  // nil: it is the caller's
}

// New returns a Client. It makes no request. It refuses a configuration with which no
// request can be made; the error holds no secret.
func New(cfg Config) (*Client, error) {
	for _, f := range []struct{ name, value string }{
		{"API key", cfg.APIKey}, {"organization", cfg.Organization}, {"project", cfg.Project},
	} {
		if strings.ContainsFunc(f.value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("the %s holds a character that none has (a space or a line end?)", f.name)
		}
	}
	base, err := parseURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	c := &Client{judge: reply.NewJudge(cfg.APIKey, base), down: new(outage)}
	if cfg.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = cfg.Connections
		transport.MaxIdleConns = cfg.Connections
		transport.OnProxyConnectResponse = proxyRefuses
		c.own = &http.Client{Transport: transport}
		cfg.HTTPClient = c.own
	}
	client := *cfg.HTTPClient
	if client.Transport == nil {
		client.Transport = http.DefaultTransport
	}
	client.Transport = unfollowed{client.Transport}
	// The SDK's client is made without openai.NewClient, which would read the
	// environment: OPENAI_BASE_URL there must not decide where the key is sent.
	opts := []option.RequestOption{
		option.WithAPIKey(cfg.APIKey),
		option.WithBaseURL(strings.TrimSuffix(cfg.BaseURL, "/") + "/"),
		option.WithHTTPClient(&client),
		option.WithMaxRetries(0),
	}
	if cfg.Organization != "" {
		opts = append(opts, option.WithOrganization(cfg.Organization))
	}
	if cfg.Project != "" {
		opts = append(opts, option.WithProject(cfg.Project))
	}
	c.api = openai.Client{Options: opts}
	cfg.APIKey, cfg.BaseURL = "", reply.SafeURL(cfg.BaseURL)
	c.cfg = cfg
	return c, nil
}

// proxyRefuses is the error of a proxy that does not connect, and will not later.
func proxyRefuses(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	switch status := resp.StatusCode; {
	case status < 300, status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return nil
	default:
		return fail.New(fail.Incompatible, "the proxy refuses to connect to it: %d %s; check the proxy's address, user and rules", status, http.StatusText(status))
	}
}

// unfollowed returns redirects as replies. Following one would turn a POST into a GET and
// could send the API key to another host. It hides the Location header, because net/http
// would put it, and a secret in it, into an error.
type unfollowed struct{ http.RoundTripper }

// place is the header under which unfollowed keeps the place of a redirect.
const place = "Redirect-Place"

func (u unfollowed) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := u.RoundTripper.RoundTrip(req)
	if resp != nil && resp.StatusCode/100 == 3 && resp.Header.Get("Location") != "" {
		resp.Header.Set(place, resp.Header.Get("Location"))
		resp.Header.Del("Location")
	}
	return resp, err
}

// parseURL checks a base URL.
func parseURL(raw string) (*url.URL, error) {
	refuse := func(why string) error { return fmt.Errorf("the base URL %q %s", reply.SafeURL(raw), why) }
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refuse("is no URL; it must be like https://api.openai.com/v1")
	}
	port, err := strconv.Atoi(u.Port())
	switch {
	case strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }):
		return nil, refuse("holds a space or a character that cannot be seen; remove it")
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return nil, refuse("must be an http or https URL, like https://api.openai.com/v1")
	case u.Port() != "" && (err != nil || port < 1 || port > 65535):
		return nil, refuse("has a bad port; 1 to 65535 are allowed")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, refuse("has a query or a fragment, which no request would carry; remove everything from the ? or # on")
	}
	return u, nil
}

// IsID reports whether an id can stand in a path as it is, so that no reply and no
// setting leads a request anywhere else.
func IsID(id string) bool {
	return id != "" && len(id) <= maxID && strings.Trim(id, ".") != "" &&
		!strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/\?#%"`, r) })
}

// maxID is the longest id, in bytes. OpenAI's have about 30.
const maxID = 256

// For returns a client that shares everything with c and tries each request for limit
// at the most, instead of Config.RetryTimeout.
func (c *Client) For(limit time.Duration) *Client {
	other := *c
	other.limit = limit
	return &other
}

// Once returns a client that shares everything with c and tries each request once.
func (c *Client) Once() *Client { return c.For(once) }

// Line is [reply.Judge.Line].
func (c *Client) Line(text string, n int) string { return c.judge.Line(text, n) }

// Close closes idle connections, unless the HTTP client is the caller's.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}
