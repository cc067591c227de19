package plan_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

func TestAPlanTellsTheDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		c := w.client()
		for _, d := range []string{"same.md", "changed.md"} {
			_, err := c.Put(context.Background(), doc(d, "text"))
			is.NoErr(err)
		}
		began := time.Now()
		p := w.make(w.client(), source(doc("new.md", "text"), doc("same.md", "text"), doc("changed.md", "other")), plan.Options{})
		is.Equal(lines(p), []string{"create new.md", "unchanged same.md", "replace changed.md"})
		is.Equal(time.Since(began), time.Duration(0))
		is.Equal(p.Totals.Bytes, int64(9))
	})
}
