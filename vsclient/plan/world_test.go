package plan_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
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
		for _, d := range docs {
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

// put puts documents as a run of another time or another tool would.
func (w *world) put(docs ...vsclient.Document) {
	w.t.Helper()
	c := w.client()
	for _, d := range docs {
		if _, err := c.Put(context.Background(), d); err != nil {
			w.t.Fatal(err)
		}
	}
	_ = c.Close()
}

// run executes a plan.
func (w *world) run(c *vsclient.Client, p *plan.Plan, o plan.ExecuteOptions) plan.Report {
	w.t.Helper()
	r, err := p.Execute(context.Background(), c, o, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// stored are the searchable documents of the store, as "key: content".
func (w *world) stored() (out []string) {
	for _, f := range w.srv.Snapshot().Store(w.store).Files {
		key, ok := vsclient.KeyOf(f.Attributes)
		if !ok {
			key = "(" + f.Filename + ")"
		}
		if f.Status == "completed" {
			out = append(out, key+": "+string(w.srv.Content(f.FileID)))
		}
	}
	slices.Sort(out)
	return out
}

// withheld are the reasons of the entries that are withheld, by key.
func withheld(entries []plan.Entry) map[string]string {
	out := make(map[string]string)
	for _, e := range entries {
		if e.Withheld != "" {
			out[e.Key] = e.Withheld
		}
	}
	return out
}

// again reads a plan from its JSON, as another process would.
func again(t testing.TB, p *plan.Plan) *plan.Plan {
	t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	read := new(plan.Plan)
	if err := json.Unmarshal(data, read); err != nil {
		t.Fatal(err)
	}
	return read
}

// opener opens documents by key, for a plan that was kept.
func opener(docs ...vsclient.Document) func(context.Context, string) (vsclient.Document, bool, error) {
	return func(_ context.Context, key string) (vsclient.Document, bool, error) {
		for _, d := range docs {
			if d.Key == key {
				return d, true, nil
			}
		}
		return vsclient.Document{}, false, nil
	}
}

// lines are the entries of a plan, one a line.
func lines(p *plan.Plan) (out []string) {
	for _, e := range p.Entries {
		out = append(out, fmt.Sprintf("%s %s", e.Action, e.Key))
	}
	return out
}
