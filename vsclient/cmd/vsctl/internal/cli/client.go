package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/config"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/show"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/source"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// client returns a client of the store, and a function that ends its use. store is
// that of a source in the file of settings, or "". With async, a put returns when
// the document is attached.
func (a *app) client(ctx context.Context, store string, async bool) (*vsclient.Client, func(), error) {
	if err := a.settings(); err != nil {
		return nil, nil, err
	}
	c := vsclient.Config{Async: async, OnRequest: a.waiting}
	if a.emulate != "" {
		return a.emulated(ctx, c)
	}
	cfg, err := a.resolved(store)
	if err != nil {
		return nil, nil, environment(err)
	}
	switch {
	case cfg.APIKey == "":
		return nil, nil, environment(errors.New("there is no API key: set OPENAI_API_KEY, or try without one: vsctl --emulate …"))
	case cfg.Store == "":
		return nil, nil, environment(errors.New("no vector store is named: give --store vs_…, or set OPENAI_VECTOR_STORE_ID"))
	}
	c.APIKey, c.BaseURL, c.Organization, c.Project, c.VectorStoreID = cfg.APIKey, cfg.BaseURL, cfg.Organization, cfg.Project, cfg.Store
	a.storeID = c.VectorStoreID
	c.HTTPClient = &http.Client{Transport: &a.gate}
	client, err := vsclient.New(c)
	if err != nil {
		return nil, nil, environment(err)
	}
	return client, func() {
		if err := client.Close(); err != nil && !async { // nothing waits for attached documents
			a.note("vsctl: %s", show.Text(message(err)))
		}
	}, nil
}

// resolved returns the settings for a source of the file that names the store, or "".
func (a *app) resolved(store string) (config.Config, error) {
	file := a.cfg
	file.Store = cmp.Or(store, file.Store)
	return file.Resolve(a.flags, a.LookupEnv)
}

// gate lets nothing through but requests that read, until the command may write. A
// client finishes the work of one that has crashed, and a plan must not even do that.
type gate struct {
	next    http.RoundTripper
	writing atomic.Bool
}

func transport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 2*vsclient.DefaultConcurrency + 8
	return t
}

// RoundTrip sends the request, or answers it with 403, which nobody tries again.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.writing.Load() || r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/search") {
		return g.next.RoundTrip(r)
	}
	if r.Body != nil {
		r.Body.Close()
	}
	return &http.Response{
		Status: "403 Forbidden", StatusCode: http.StatusForbidden, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"error":{"message":"vsctl only reads now","type":"invalid_request_error"}}`)),
	}, nil
}

// stored makes the RunE of a command that needs the store alone.
func (a *app) stored(run func(ctx context.Context, c *vsclient.Client, args []string) (outcome, error)) func(*cobra.Command, []string) error {
	return a.runs(func(ctx context.Context, args []string) (outcome, error) {
		c, end, err := a.client(ctx, "", false)
		if err != nil {
			return outcome{}, err
		}
		defer end()
		return run(ctx, c, args)
	})
}

// emulated returns a client of a new store that ends with the process.
func (a *app) emulated(ctx context.Context, c vsclient.Config) (*vsclient.Client, func(), error) {
	server := openaitest.New(openaitest.Config{})
	no := vsclient.NoLimit
	c.APIKey, c.BaseURL, c.HTTPClient = "emulated", server.URL(), server.Client()
	c.VectorStoreID = server.NewVectorStore("emulated")
	a.storeID = c.VectorStoreID
	a.limits = vsclient.Limits{UploadsPerMinute: no, AttachRequestsPerMinute: no, AttachedFilesPerMinute: no, ChangesPerMinute: no}
	c.Limits = a.limits
	client, err := vsclient.New(c)
	if err != nil {
		return nil, nil, err
	}
	end := func() { client.Close(); server.Close() }
	held := "it is empty"
	if a.emulate != nothing {
		n, err := fill(ctx, client, a.emulate)
		if err != nil {
			end()
			return nil, nil, err
		}
		held = "it holds " + show.Count(n, "document", "documents") + " of " + a.emulate
	}
	a.note("emulated store %s: %s, and it ends with this command", c.VectorStoreID, held)
	return client, end, nil
}

// fill puts the files of a folder that can be put.
func fill(ctx context.Context, c *vsclient.Client, folder string) (int, error) {
	s, err := source.Open(folder, source.Options{AllowEmpty: true})
	if err != nil {
		return 0, environment(err)
	}
	defer s.Close() //nolint:errcheck // it was read alone
	var changes []vsclient.Change
	for d, err := range s.Documents(ctx) {
		if err != nil {
			return 0, err
		}
		if s.Refused()[d.Key] == "" {
			changes = append(changes, vsclient.Put(d))
		}
	}
	n := 0
	for _, r := range c.Apply(ctx, changes, nil) {
		switch {
		case r.Err == nil:
			n++
		case vsclient.ClassOf(r.Err) != vsclient.BadDocument:
			return n, r.Err
		}
	}
	return n, nil
}

// waiting tells the progress line the purpose of the requests.
func (a *app) waiting(e vsclient.RequestEvent) {
	method, path, _ := strings.Cut(e.Endpoint, " ")
	reason := "waiting for OpenAI to index"
	switch {
	case e.Status == http.StatusTooManyRequests:
		reason = "OpenAI asks to wait"
	case e.Err != nil && e.Status != http.StatusNotFound: // the client expects 404 of a File that does not show yet
		reason = fmt.Sprintf("trying again, %d: %s", e.Try, show.Text(message(e.Err)))
	case method == http.MethodPost && path == "/files":
		reason = "uploading"
	case strings.HasSuffix(path, "/search"):
		reason = "searching"
	case method == http.MethodPost:
		reason = "attaching"
	case method == http.MethodDelete:
		reason = "removing"
	case !a.gate.writing.Load():
		reason = "reading"
	}
	a.progress.Waiting(reason)
}

// chosen is a source with its settings, from the file where it is named there and
// from flags otherwise.
func (a *app) chosen(given []string) (spec string, named config.Source, err error) {
	if err := a.settings(); err != nil {
		return "", named, err
	}
	names := a.cfg.Names()
	switch {
	case len(given) > 0:
		spec = given[0]
	case len(names) == 1:
		spec = names[0]
	case len(names) == 0:
		return "", named, usagef("no SOURCE: give a folder, manifest:FILE or keys:FILE")
	default:
		return "", named, usagef("%s describes several sources: name one of %s", cmp.Or(a.file, config.File), strings.Join(names, ", "))
	}
	named, ok, err := a.cfg.Source(spec, a.LookupEnv)
	if err != nil {
		return "", named, environment(err)
	}
	if ok {
		if err := a.disjoint(spec, named); err != nil {
			return "", named, environment(err)
		}
		spec = named.Source
	}
	return spec, named, nil
}

// disjoint returns an error when another source of the file has the owner, the store, and keys
// that may be the named one's: each would remove the documents of the other. A list of keys
// may stand beside the source that puts them.
func (a *app) disjoint(name string, named config.Source) error {
	kind, _ := source.Split(named.Source)
	mine, err := a.resolved(named.Store)
	if err != nil {
		return nil //nolint:nilerr // no client is made of these settings
	}
	for _, other := range a.cfg.Names() {
		o, _, unread := a.cfg.Source(other, a.LookupEnv)
		otherKind, _ := source.Split(o.Source)
		its, err := a.resolved(o.Store)
		switch {
		case other == name || unread != nil || err != nil || kind == "keys" || otherKind == "keys": // an error: it cannot be used here
		case named.Owner == "" || o.Owner != named.Owner || cmp.Or(o.Attribute, plan.DefaultOwnerAttribute) != cmp.Or(named.Attribute, plan.DefaultOwnerAttribute):
		case its.Store != mine.Store:
		case strings.HasPrefix(o.Prefix, named.Prefix) || strings.HasPrefix(named.Prefix, o.Prefix):
			return fmt.Errorf("the sources %q and %q have one owner and one store, and the prefix of one begins the other's, so that each would remove the documents of the other: give them two owners", name, other)
		}
	}
	return nil
}
