package vsclient_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/filter"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// semantics are the sentences that hold of a client on any API, well-behaved or not:
// begin here. Crashes are in crash_test.go, failures in retry_test.go, the end of a
// client in close_test.go, and several writers in writers_test.go. Each case uses keys
// of its own, since on the live API they share a store.
var semantics = []struct {
	sentence string
	run      func(t *testing.T, b *backend)
}{
	{"a document is created, left alone when unchanged, replaced and deleted", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		first, err := c.Put(ctx, doc("life.md", "# One"))
		is.NoErr(err)
		is.Equal(first.Outcome, vsclient.Created)
		again, err := c.Put(ctx, doc("life.md", "# One"))
		is.NoErr(err)
		is.Equal(again.Outcome, vsclient.Unchanged)
		is.Equal(again.FileID, first.FileID)
		second, err := c.Put(ctx, doc("life.md", "# Two, which is longer"))
		is.NoErr(err)
		is.Equal(second.Outcome, vsclient.Replaced)
		is.True(second.Version > first.Version)
		is.True(!b.exists(t, first.FileID))
		info, err := c.Get(ctx, "life.md")
		is.NoErr(err)
		is.Equal(info.FileID, second.FileID)
		is.Equal(info.Status, vsclient.Completed)
		is.Equal(info.Size, int64(len("# Two, which is longer")))
		is.NoErr(onlyErr(c.Delete(ctx, "life.md")))
		is.True(!b.exists(t, second.FileID))
		_, err = c.Get(ctx, "life.md")
		is.True(errors.Is(err, vsclient.ErrNotFound))
	}},
	{"at every moment of a replacement a reader finds the document", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		_, err := c.Put(ctx, doc("gap.md", "the older version"))
		is.NoErr(err)
		replaced, reads := make(chan error, 1), 0
		go func() { replaced <- onlyErr(c.Put(ctx, doc("gap.md", "the newer version, which is longer"))) }()
		for over, reader := false, b.client(t); !over; reads++ {
			select {
			case err := <-replaced:
				is.NoErr(err)
				over = true // it is read once more
			case <-time.After(100 * time.Millisecond):
			}
			info, err := reader.Get(ctx, "gap.md")
			is.NoErr(err)
			is.Equal(info.Status, vsclient.Completed)
		}
		t.Logf("read %d times", reads)
		info, err := c.Get(ctx, "gap.md")
		is.NoErr(err)
		is.Equal(info.Size, int64(len("the newer version, which is longer")))
		is.NoErr(onlyErr(c.Delete(ctx, "gap.md")))
	}},
	{"the older version stays when the newer one cannot be indexed", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		older, err := c.Put(ctx, vsclient.Document{Key: "stays", Content: text("the older version"), Extension: ".md"})
		is.NoErr(err)
		_, err = c.Put(ctx, vsclient.Document{Key: "stays", Content: text("no PDF"), Extension: ".pdf"})
		is.True(errors.Is(err, vsclient.ErrIndexing))
		for _, reader := range []*vsclient.Client{c, b.client(t)} {
			info, err := reader.Get(ctx, "stays")
			is.NoErr(err)
			is.Equal(info.FileID, older.FileID)
			is.Equal(info.Status, vsclient.Completed)
		}
		is.NoErr(onlyErr(c.Delete(ctx, "stays")))
		is.True(!b.exists(t, older.FileID))
	}},
	{"a change with a condition is made only when the stored document meets it", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		ours, theirs := vsclient.Attributes{"owner": "us"}, vsclient.Attributes{"owner": "them"}
		only := func(ch vsclient.Change) error { return c.Apply(ctx, []vsclient.Change{ch}, nil)[0].Err }
		d := with(doc("owned.md", "ours"), ours)
		is.NoErr(only(vsclient.Put(d).If(ours))) // a key without a document meets any condition
		for _, refused := range []vsclient.Change{
			vsclient.Put(with(doc("owned.md", "theirs"), theirs)).If(theirs),
			vsclient.SetAttributes("owned.md", theirs).If(theirs),
			vsclient.Delete("owned.md").If(theirs),
		} {
			is.True(errors.Is(only(refused), vsclient.ErrConflict))
		}
		info, err := c.Get(ctx, "owned.md")
		is.NoErr(err)
		is.Equal(info.Size, int64(len("ours")))
		is.True(maps.Equal(info.Attributes, ours))
		is.NoErr(only(vsclient.Delete("owned.md").If(ours)))
		_, err = c.Get(ctx, "owned.md")
		is.True(errors.Is(err, vsclient.ErrNotFound))
	}},
	{"a search hit leads to the document by its key", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		const key = `hit/{"id":7}`
		_, err := c.Put(ctx, with(doc(key, "Zebras graze beside a quiet lagoon."), vsclient.Attributes{"about": "zebras"}))
		is.NoErr(err)
		var hits []vsclient.Hit
		for range 60 { // a search may find a document a moment after its Put
			hits, err = c.Search(ctx, "zebras beside a lagoon", vsclient.SearchOptions{Filter: filter.Eq("about", "zebras")})
			is.NoErr(err)
			if len(hits) > 0 {
				break
			}
			time.Sleep(time.Second)
		}
		is.True(len(hits) > 0)
		is.Equal(hits[0].Key, key)
		info, err := c.Get(ctx, hits[0].Key)
		is.NoErr(err)
		is.Equal(info.FileID, hits[0].FileID)
		is.NoErr(onlyErr(c.Delete(ctx, key)))
	}},
	{"a wrong store id is never taken for a missing document", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.clientOf(t, "vs_00000000000000000000000000000000")
		_, got := c.Get(ctx, "any.md")
		_, read := c.Text(ctx, "any.md")
		_, found := c.Search(ctx, "anything", vsclient.SearchOptions{})
		var listed error
		for _, err := range c.List(ctx) {
			listed = err
		}
		for _, err := range []error{
			got, read, found, listed, onlyErr(c.Put(ctx, doc("any.md", "content"))),
			onlyErr(c.SetAttributes(ctx, "any.md", nil)), onlyErr(c.Delete(ctx, "any.md")),
		} {
			is.True(errors.Is(err, vsclient.ErrStoreGone))
			is.True(!errors.Is(err, vsclient.ErrNotFound))
		}
	}},
	{"deleting a key that never was there succeeds", func(t *testing.T, b *backend) {
		is := is.New(t)
		is.NoErr(onlyErr(b.client(t).Delete(t.Context(), "never.md")))
	}},
	{"the File's name is the key when that is a name that OpenAI indexes", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		for key, ext := range map[string]string{"name it.md": ".md", "README": ".txt", `{"id":7}`: ".txt", "a/b.json": ".json"} {
			r, err := c.Put(ctx, doc(key, "text of "+key))
			is.NoErr(err)
			f, err := b.api.Files.Get(ctx, r.FileID)
			is.NoErr(err)
			is.True(strings.HasSuffix(f.Filename, ext))
			if key == "name it.md" && !b.alters {
				is.Equal(f.Filename, key)
			}
			is.NoErr(onlyErr(c.Delete(ctx, key)))
		}
	}},
	{"any key comes back whole from a listing", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		keys := []string{
			"guides/intro.md", `say "hi" \ there`, "two\r\nlines", `{"id":42}`, "café.md", "cafe\u0301.md", "CAFÉ.md", "📄.md", "..", "   ",
			strings.Repeat("é", 256), strings.Repeat("😀", 256), strings.Repeat("x", 1000),
		}
		var changes []vsclient.Change
		for _, k := range keys {
			changes = append(changes, vsclient.Put(doc(k, "text of "+k)))
		}
		for _, r := range c.Apply(ctx, changes, nil) {
			is.NoErr(r.Err)
		}
		found := make(map[string]bool)
		for info, err := range b.client(t).List(ctx) {
			is.NoErr(err)
			found[info.Key] = true
		}
		for i, k := range keys {
			if !found[k] {
				t.Errorf("the key %q is not in the listing", k)
			}
			changes[i] = vsclient.Delete(k)
		}
		for _, r := range c.Apply(ctx, changes, nil) {
			is.NoErr(r.Err)
		}
	}},
	{"a key of 1,024 bytes comes back whole, and a longer one is refused", func(t *testing.T, b *backend) {
		is, ctx := is.New(t), t.Context()
		key := strings.Repeat("long/", 204) + "n.md"
		is.Equal(len(key), vsclient.MaxKeyBytes)
		_, err := b.client(t).Put(ctx, doc(key, "first"))
		is.NoErr(err)
		c := b.client(t) // knows nothing of it
		r, err := c.Put(ctx, doc(key, "second"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		info, err := c.Get(ctx, key)
		is.NoErr(err)
		is.Equal(info.Key, key)
		is.NoErr(onlyErr(c.Delete(ctx, key)))
		_, err = c.Get(ctx, key)
		is.True(errors.Is(err, vsclient.ErrNotFound))
		_, err = c.Put(ctx, doc("x"+key, "too long"))
		is.True(errors.Is(err, vsclient.ErrInvalidKey))
	}},
	{"attributes come back as they were given, and change without an upload", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		d := doc("attrs.md", "content")
		d.Attributes = vsclient.Attributes{"lang": "en", "pages": 12, "ratio": 0.5, "draft": false}
		first, err := c.Put(ctx, d)
		is.NoErr(err)
		info, err := c.Get(ctx, "attrs.md")
		is.NoErr(err)
		is.True(maps.Equal(info.Attributes, vsclient.Attributes{"lang": "en", "pages": 12.0, "ratio": 0.5, "draft": false}))
		d.Attributes = vsclient.Attributes{"lang": "fr"}
		r, err := c.Put(ctx, d)
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		is.Equal(r.FileID, first.FileID)
		r, err = b.client(t).SetAttributes(ctx, "attrs.md", vsclient.Attributes{"lang": "de"})
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		info, err = c.Get(ctx, "attrs.md")
		is.NoErr(err)
		is.True(maps.Equal(info.Attributes, vsclient.Attributes{"lang": "de"}))
		is.NoErr(onlyErr(c.Delete(ctx, "attrs.md")))
	}},
	{"another chunking makes another version", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		d := doc("chunks.md", "content")
		_, err := c.Put(ctx, d)
		is.NoErr(err)
		d.Chunking = vsclient.Chunking{MaxTokens: 200, OverlapTokens: 50}
		r, err := c.Put(ctx, d)
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		info, err := c.Get(ctx, "chunks.md")
		is.NoErr(err)
		is.Equal(info.Chunking, d.Chunking)
		is.NoErr(onlyErr(c.Delete(ctx, "chunks.md")))
	}},
	{"two keys that map to the same file name are two documents", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		r, err := c.Put(ctx, doc("a/b.md", "the first"))
		is.NoErr(err)
		f, err := b.api.Files.Get(ctx, r.FileID)
		is.NoErr(err)
		twin := f.Filename // as a key, its name is itself
		_, err = c.Put(ctx, doc(twin, "the second"))
		is.NoErr(err)
		is.NoErr(onlyErr(b.client(t).Delete(ctx, "a/b.md")))
		_, err = b.client(t).Get(ctx, twin)
		is.NoErr(err)
		is.NoErr(onlyErr(c.Delete(ctx, twin)))
	}},
	{"a file of the earlier connector is adopted", func(t *testing.T, b *backend) {
		is, ctx := is.New(t), t.Context()
		legacy := b.upload(t, "legacy.md", "as the earlier connector wrote it")
		b.attach(t, legacy)
		c := b.client(t)
		info, err := c.Get(ctx, "legacy.md")
		is.NoErr(err)
		is.Equal(info.FileID, legacy)
		r, err := c.Put(ctx, doc("legacy.md", "as this one writes it"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		is.True(!b.exists(t, legacy))
		is.NoErr(onlyErr(c.Delete(ctx, "legacy.md")))
	}},
	{"a File of that name that is not in the store is left alone", func(t *testing.T, b *backend) {
		is, ctx := is.New(t), t.Context()
		theirs := b.upload(t, "shared.md", "somebody else's")
		c := b.client(t)
		_, err := c.Put(ctx, doc("shared.md", "ours, of another size"))
		is.NoErr(err)
		is.NoErr(onlyErr(c.Delete(ctx, "shared.md")))
		is.True(b.exists(t, theirs))
	}},
	{"a fresh client finds the document that another one has put", func(t *testing.T, b *backend) {
		is, ctx := is.New(t), t.Context()
		_, err := b.client(t).Put(ctx, doc("found.md", "content"))
		is.NoErr(err)
		r, err := b.client(t).Put(ctx, doc("found.md", "content"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Unchanged)
		is.NoErr(onlyErr(b.client(t).Delete(ctx, "found.md")))
		_, err = b.client(t).Get(ctx, "found.md")
		is.True(errors.Is(err, vsclient.ErrNotFound))
	}},
	{"the parsed text can be read", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		_, err := c.Put(ctx, doc("text.md", "The quick brown fox."))
		is.NoErr(err)
		text, err := c.Text(ctx, "text.md")
		if errors.Is(err, vsclient.ErrNotFound) {
			t.Log("the endpoint answers 404, as users have reported of the live API")
		} else {
			is.NoErr(err)
			is.True(strings.Contains(text, "The quick brown fox."))
		}
		is.NoErr(onlyErr(c.Delete(ctx, "text.md")))
	}},
	{"a file that OpenAI cannot index is refused by name and leaves nothing", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		_, err := c.Put(ctx, vsclient.Document{Key: "picture", Content: vsclient.Bytes([]byte{0xff, 0xd8, 0xff, 0xe0})})
		is.True(errors.Is(err, vsclient.ErrUnsupportedType))
		is.True(strings.Contains(err.Error(), `"picture"`))
	}},
	{"many changes at once keep the order of each key", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		var changes []vsclient.Change
		for _, v := range []string{"1", "2", "3"} {
			for _, k := range []string{"bulk-a.md", "bulk-b.md", "bulk-c.md"} {
				changes = append(changes, vsclient.Put(doc(k, "version "+v)))
			}
		}
		changes = append(changes, vsclient.Delete("bulk-c.md"))
		for _, r := range c.Apply(ctx, changes, nil) {
			is.NoErr(r.Err)
		}
		info, err := c.Get(ctx, "bulk-a.md")
		is.NoErr(err)
		is.Equal(info.Size, int64(len("version 3")))
		_, err = c.Get(ctx, "bulk-c.md")
		is.True(errors.Is(err, vsclient.ErrNotFound))
		is.NoErr(onlyErr(c.Delete(ctx, "bulk-a.md")))
		is.NoErr(onlyErr(c.Delete(ctx, "bulk-b.md")))
	}},
	{"a sweep finds nothing to do where all went well", func(t *testing.T, b *backend) {
		is, ctx, c := is.New(t), t.Context(), b.client(t)
		_, err := c.Put(ctx, doc("sweep.md", "content"))
		is.NoErr(err)
		strays, err := c.Sweep(ctx, vsclient.SweepOptions{})
		is.NoErr(err)
		is.Equal(len(strays), 0)
		is.NoErr(onlyErr(c.Delete(ctx, "sweep.md")))
	}},
}

// TestSemanticsHoldOnTheEmulator runs the suite in virtual time: on an API that behaves
// well, on one that is as awkward as users report, and under each answer to the
// questions that OpenAI's documents leave open. With the race detector each answer meets a
// twelfth of the sentences, each time another, and no API is slow without being awkward.
func TestSemanticsHoldOnTheEmulator(t *testing.T) {
	t.Parallel()
	worlds := map[string]openaitest.Config{
		"at once": {},
		"slow":    {Latency: 50 * time.Millisecond, IndexTime: 3 * time.Second},
		"lagging": {
			Latency: 50 * time.Millisecond, IndexTime: 3 * time.Second, NotFoundWindow: 5 * time.Second,
			ListLag: openaitest.Lag{Attach: 2 * time.Minute, Detach: 2 * time.Minute}, CountsLag: time.Minute,
			Quirks: openaitest.ReportedQuirks(),
		},
	}
	if race.Enabled {
		delete(worlds, "slow")
	}
	for name, cfg := range worlds {
		for _, c := range semantics {
			t.Run(name+"/"+c.sentence, func(t *testing.T) { emulated(t, cfg, c.run) })
		}
	}
	answers := 0
	for name, q := range openaitest.EachQuirk() {
		if q.AttributesDropped {
			continue // such a server is refused: TestAServerThatLosesAttributesIsRefused
		}
		cfg := openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 3 * time.Second, NotFoundWindow: 5 * time.Second, Quirks: q}
		answers++
		for i, c := range semantics {
			if !race.Enabled || (answers+i)%12 == 0 {
				t.Run(name+"/"+c.sentence, func(t *testing.T) { emulated(t, cfg, c.run) })
			}
		}
	}
}

// emulated runs one case on an emulator of its own.
func emulated(t *testing.T, cfg openaitest.Config, run func(*testing.T, *backend)) {
	synctest.Test(t, func(t *testing.T) {
		srv := openaitest.New(cfg)
		b := &backend{key: "sk-test", url: srv.URL(), http: srv.Client(), store: srv.NewVectorStore("suite"), alters: cfg.Quirks.AlterFilenames != ""}
		b.api = openai.NewClient(option.WithAPIKey(b.key), option.WithBaseURL(b.url+"/"), option.WithHTTPClient(b.http), option.WithMaxRetries(0))
		run(t, b)
	})
}
