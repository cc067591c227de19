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
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// Documents as all tests of the module write them.
var (
	doc  = worldtest.Doc
	with = worldtest.With
)

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

// makePlan makes a plan.
func makePlan(w *worldtest.World, c *vsclient.Client, docs iter.Seq2[vsclient.Document, error], o plan.Options) *plan.Plan {
	w.T.Helper()
	p, err := plan.Make(context.Background(), c, docs, o)
	if err != nil {
		w.T.Fatal(err)
	}
	return p
}

// putAll puts documents as a run of another time or another tool would.
func putAll(w *worldtest.World, docs ...vsclient.Document) {
	w.T.Helper()
	c := w.Client()
	for _, d := range docs {
		if _, err := c.Put(context.Background(), d); err != nil {
			w.T.Fatal(err)
		}
	}
	_ = c.Close()
}

// run executes a plan.
func run(w *worldtest.World, c *vsclient.Client, p *plan.Plan, o plan.ExecuteOptions) plan.Report {
	w.T.Helper()
	r, err := p.Execute(context.Background(), c, o, nil)
	if err != nil {
		w.T.Fatal(err)
	}
	return r
}

// stored are the searchable documents of the store, as "key: content".
func stored(w *worldtest.World) (out []string) {
	for _, f := range w.Server.Snapshot().Store(w.Store).Files {
		key, ok := vsclient.KeyOf(f.Attributes)
		if !ok {
			key = "(" + f.Filename + ")"
		}
		if f.Status == "completed" {
			out = append(out, key+": "+string(w.Server.Content(f.FileID)))
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
