package vsclient_test

import (
	"errors"
	"sync"
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
		w := newWorld(t, slow)
		c := w.client()
		attributed := doc("a.md", "two")
		attributed.Attributes = vsclient.Attributes{"n": 1, "s": "x", "b": true}
		for _, step := range []struct {
			d    vsclient.Document
			want vsclient.Outcome
		}{
			{doc("a.md", "one"), vsclient.Created},
			{doc("a.md", "one"), vsclient.Unchanged},
			{doc("a.md", "two"), vsclient.Replaced},
			{attributed, vsclient.AttributesUpdated},
		} {
			r, err := c.Put(t.Context(), step.d)
			is.NoErr(err)
			is.Equal(r.Outcome, step.want)
		}
		info, err := c.Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Size, int64(3))
		is.Equal(info.Attributes, vsclient.Attributes{"n": 1.0, "s": "x", "b": true})
		text, err := c.Text(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(text, "two")
		var keys []string
		for i, err := range c.List(t.Context()) {
			is.NoErr(err)
			keys = append(keys, i.Key)
		}
		is.Equal(keys, []string{"a.md"})
		is.NoErr(c.Delete(t.Context(), "a.md"))
		is.NoErr(c.Delete(t.Context(), "a.md"))
		_, err = c.Get(t.Context(), "a.md")
		is.True(errors.Is(err, vsclient.ErrNotFound))
		is.Equal(len(w.srv.Snapshot().Files), 0)
	})
}

func TestAFreshClientKnowsWhatAnotherHasPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		changes := many("doc", 1000)
		for _, round := range []struct {
			content string
			want    vsclient.Outcome
		}{{"x", vsclient.Created}, {"x", vsclient.Unchanged}, {"y", vsclient.Replaced}} {
			for i := range changes {
				changes[i].Document.Content = vsclient.String(round.content)
			}
			for _, r := range w.client().Apply(t.Context(), changes, nil) {
				is.NoErr(r.Err)
				is.Equal(r.Outcome, round.want)
			}
		}
		is.Equal(len(w.searchable()), 1000)
		is.Equal(len(w.srv.Snapshot().Files), 1000)
	})
}

// A list of Files that was asked for before the deletion, and comes after it, still
// has the File; and the store still shows a ghost of it.
func TestADeletedDocumentIsGoneWhateverIsBeingListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for lead := range 40 {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{Latency: 20 * time.Millisecond, GhostWindow: time.Minute})
			c := w.client()
			_, err := c.Put(t.Context(), doc("a.md", "text"))
			is.NoErr(err)
			var listing sync.WaitGroup
			listing.Go(func() {
				time.Sleep(time.Duration(lead) * time.Millisecond)
				_, err := c.Get(t.Context(), "never.md")
				is.True(errors.Is(err, vsclient.ErrNotFound))
			})
			is.NoErr(c.Delete(t.Context(), "a.md"))
			listing.Wait()
			_, err = c.Get(t.Context(), "a.md")
			is.True(errors.Is(err, vsclient.ErrNotFound))
			r, err := c.Put(t.Context(), doc("a.md", "text"))
			is.NoErr(err)
			is.Equal(r.Outcome, vsclient.Created)
		}
	})
}

func TestAttributesOfADocumentThatCannotBeFoundYetChangeWithoutAnUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{NotFoundWindow: 20 * time.Second, Quirks: openaitest.Quirks{WritesNotFound: true}})
		c := w.client()
		d := doc("a.md", "text")
		_, err := c.Put(t.Context(), d)
		is.NoErr(err)
		d.Attributes = vsclient.Attributes{"lang": "en"}
		r, err := c.Put(t.Context(), d)
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		is.Equal(w.srv.Counts()["POST /files"], 1)
		is.Equal(w.srv.Snapshot().Store(w.store).Files[0].Attributes["lang"], "en")
	})
}

// The fresh attach begins another time in which the file cannot be found.
func TestADocumentThatWasAttachedAnewIsNotTakenForMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{
			Latency: 3 * time.Second, NotFoundWindow: 20 * time.Second, IndexRules: []openaitest.IndexRule{{Rate: 1, Times: 1, Stuck: true}},
		})
		c := w.client(func(cfg *vsclient.Config) { cfg.WaitFor = vsclient.WaitAttached })
		_, err := c.Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		var readers sync.WaitGroup
		for lead := range 600 {
			readers.Go(func() {
				time.Sleep(time.Duration(lead) * time.Second)
				_, err := c.Get(t.Context(), "a.md")
				is.NoErr(err)
			})
		}
		_, err = c.UpdateAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})
		is.NoErr(err)
		readers.Wait()
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
