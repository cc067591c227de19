package plan_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// run makes a plan and executes it.
func (w *world) run(c *vsclient.Client, p *plan.Plan, o plan.ExecuteOptions) plan.Report {
	w.t.Helper()
	r, err := p.Execute(context.Background(), c, o, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func TestAPlanIsExecutedAndThenNothingIsLeftToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		o := plan.Options{Scope: plan.Scope{Owner: "us"}}
		c := w.client()
		r := w.run(c, w.make(c, source(doc("a.md", "a"), doc("b.md", "b"), doc("c.md", "c")), o), plan.ExecuteOptions{})
		is.Equal(r.Counts, map[plan.Action]int{plan.Create: 3})
		docs := source(doc("a.md", "a"), doc("b.md", "other"), doc("d.md", "d"))
		p := w.make(w.client(), docs, o)
		is.Equal(lines(p), []string{"unchanged a.md", "replace b.md", "create d.md", "remove c.md"})
		r = w.run(w.client(), p, plan.ExecuteOptions{})
		is.Equal(r.Counts, map[plan.Action]int{plan.Create: 1, plan.Replace: 1, plan.Remove: 1})
		is.NoErr(r.Err())
		is.Equal(w.make(w.client(), docs, o).Pending(), 0)
	})
}
