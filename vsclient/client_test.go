package vsclient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// world is an emulated project with one store, and clients of it.
type world struct {
	t     *testing.T
	srv   *openaitest.Server
	store string
}

func newWorld(t *testing.T, cfg openaitest.Config) *world {
	t.Helper()
	srv := openaitest.New(cfg)
	return &world{t: t, srv: srv, store: srv.NewVectorStore("docs")}
}

// client makes a client of the store; opts change its configuration.
func (w *world) client(opts ...func(*vsclient.Config)) *vsclient.Client {
	w.t.Helper()
	cfg := vsclient.Config{
		APIKey: "sk-test", VectorStoreID: w.store, BaseURL: w.srv.URL(), HTTPClient: w.srv.Client(),
		Limits: vsclient.Limits{UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit},
	}
	for _, o := range opts {
		o(&cfg)
	}
	c, err := vsclient.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

func doc(key, content string) vsclient.Document {
	return vsclient.Document{Key: key, Content: vsclient.String(content)}
}

func TestAPutDocumentIsCreatedThenUnchangedThenReplacedThenDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond})
		c := w.client()
		ctx := t.Context()

		began := time.Now()
		r, err := c.Put(ctx, doc("a.md", "one"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Created)
		t.Log("put took", time.Since(began))
		r, err = c.Put(ctx, doc("a.md", "one"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Unchanged)
		r, err = c.Put(ctx, doc("a.md", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		d := doc("a.md", "two")
		d.Attributes = vsclient.Attributes{"n": 1, "s": "x", "b": true}
		r, err = c.Put(ctx, d)
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		info, err := c.Get(ctx, "a.md")
		is.NoErr(err)
		is.Equal(info.Size, int64(3))
		is.Equal(info.Attributes, vsclient.Attributes{"n": 1.0, "s": "x", "b": true})
		text, err := c.Text(ctx, "a.md")
		is.NoErr(err)
		is.Equal(text, "two")
		n := 0
		for i, err := range c.List(ctx) {
			is.NoErr(err)
			is.Equal(i.Key, "a.md")
			n++
		}
		is.Equal(n, 1)
		is.NoErr(c.Delete(ctx, "a.md"))
		is.NoErr(c.Delete(ctx, "a.md"))
		_, err = c.Get(ctx, "a.md")
		is.True(errors.Is(err, vsclient.ErrNotFound))
		t.Log(err)
		for _, q := range w.srv.Requests() {
			t.Log(q.Time.Sub(began), q.Method, q.Path, q.Query, q.Status)
		}
	})
}

func TestAFreshClientFindsWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond})
		ctx := context.Background()
		var changes []vsclient.Change
		for i := range 1000 {
			changes = append(changes, vsclient.Change{Document: doc(string(rune('a'+i%26))+"-"+time.Duration(i).String()+".md", "x")})
		}
		began := time.Now()
		for _, r := range w.client().Apply(ctx, changes, nil) {
			is.NoErr(r.Err)
		}
		t.Log("took", time.Since(began), w.srv.Counts())
		before := len(w.srv.Requests())
		for _, r := range w.client().Apply(ctx, changes, nil) {
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Unchanged)
		}
		t.Log("again", len(w.srv.Requests())-before)
		before = len(w.srv.Requests())
		began = time.Now()
		for i := range changes {
			changes[i].Document.Content = vsclient.String("y")
		}
		for _, r := range w.client().Apply(ctx, changes, nil) {
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Replaced)
		}
		t.Log("update", time.Since(began), len(w.srv.Requests())-before)
	})
}

func TestAKeyThatIsAnotherOwnersIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{IndexTime: time.Second})
		owned := func(cfg *vsclient.Config) { cfg.OwnerAttribute = "table" }
		of := func(table string, op vsclient.Op) vsclient.Change {
			d := doc(`{"id":7}`, "of "+table)
			d.Attributes = vsclient.Attributes{"table": table}
			return vsclient.Change{Op: op, Document: d}
		}
		c := w.client(owned)
		// In one call, too, the second owner's change is not merged with the first's.
		r := c.Apply(t.Context(), []vsclient.Change{of("users", vsclient.OpPut), of("orders", vsclient.OpPut)}, nil)
		is.NoErr(r[0].Err)
		is.True(errors.Is(r[1].Err, vsclient.ErrConflict))

		fresh := w.client(owned)
		for _, op := range []vsclient.Op{vsclient.OpPut, vsclient.OpUpdateAttributes, vsclient.OpDelete} {
			r = fresh.Apply(t.Context(), []vsclient.Change{of("orders", op)}, nil)
			is.True(errors.Is(r[0].Err, vsclient.ErrConflict))
			is.True(vsclient.IsDocumentError(r[0].Err))
		}
		text, err := fresh.Text(t.Context(), `{"id":7}`)
		is.NoErr(err)
		is.Equal(text, "of users")

		// What its owner gives up is free.
		r = fresh.Apply(t.Context(), []vsclient.Change{of("users", vsclient.OpDelete), of("orders", vsclient.OpPut)}, nil)
		is.NoErr(r[0].Err)
		is.NoErr(r[1].Err)
	})
}
