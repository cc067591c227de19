package plan_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// world is an emulated project with one store.
type world struct {
	t     testing.TB
	srv   *openaitest.Server
	store string
}

func newWorld(t testing.TB, cfg openaitest.Config) *world {
	t.Helper()
	srv := openaitest.New(cfg)
	return &world{t: t, srv: srv, store: srv.NewVectorStore("docs")}
}

var noLimits = vsclient.Limits{UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit}

// client makes a client of the store; opts change its configuration.
func (w *world) client(opts ...func(*vsclient.Config)) *vsclient.Client {
	w.t.Helper()
	cfg := vsclient.Config{APIKey: "sk-test", VectorStoreID: w.store, BaseURL: w.srv.URL(), HTTPClient: w.srv.Client(), Limits: noLimits}
	for _, o := range opts {
		o(&cfg)
	}
	c, err := vsclient.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// doc is a document of text.
func doc(key, content string) vsclient.Document {
	return vsclient.Document{Key: key, Content: vsclient.Bytes([]byte(content))}
}

// with is the document with attributes.
func with(d vsclient.Document, a vsclient.Attributes) vsclient.Document {
	d.Attributes = a
	return d
}

// source yields documents.
func source(docs ...vsclient.Document) iter.Seq2[vsclient.Document, error] {
	return func(yield func(vsclient.Document, error) bool) {
		for _, d := range docs {
			if !yield(d, nil) {
				return
			}
		}
	}
}

var errUnreadable = errors.New("the folder cannot be read")

// cut yields documents and then an error.
func cut(docs ...vsclient.Document) iter.Seq2[vsclient.Document, error] {
	return func(yield func(vsclient.Document, error) bool) {
		for d := range source(docs...) {
			if !yield(d, nil) {
				return
			}
		}
		yield(vsclient.Document{}, errUnreadable)
	}
}

// make makes a plan.
func (w *world) make(c *vsclient.Client, docs iter.Seq2[vsclient.Document, error], o plan.Options) *plan.Plan {
	w.t.Helper()
	p, err := plan.Make(context.Background(), c, docs, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// lines are the entries of a plan, one a line.
func lines(p *plan.Plan) (out []string) {
	for _, e := range p.Entries {
		out = append(out, fmt.Sprintf("%s %s", e.Action, e.Key))
	}
	return out
}
