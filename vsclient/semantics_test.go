package vsclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// backend is an API to run the suite of semantics against.
type backend struct {
	key, url string
	http     *http.Client
	store    string
	api      openai.Client // for what others do beside the client
}

func (b *backend) client(t *testing.T) *vsclient.Client {
	t.Helper()
	c, err := vsclient.New(vsclient.Config{APIKey: b.key, VectorStoreID: b.store, BaseURL: b.url, HTTPClient: b.http})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// upload is what somebody else does: a File of purpose assistants.
func (b *backend) upload(t *testing.T, name, content string) string {
	t.Helper()
	f, err := b.api.Files.New(t.Context(), openai.FileNewParams{
		File: openai.File(strings.NewReader(content), name, "text/plain"), Purpose: openai.FilePurposeAssistants,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f.ID
}

// attach attaches a File without any attribute, as the earlier connector did.
func (b *backend) attach(t *testing.T, id string) {
	t.Helper()
	f, err := b.api.VectorStores.Files.New(t.Context(), b.store, openai.VectorStoreFileNewParams{FileID: id})
	for err == nil && f.Status == openai.VectorStoreFileStatusInProgress {
		time.Sleep(time.Second)
		if f, err = b.api.VectorStores.Files.Get(t.Context(), b.store, id); isNotFound(err) {
			f, err = &openai.VectorStoreFile{Status: openai.VectorStoreFileStatusInProgress}, nil
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (b *backend) exists(t *testing.T, id string) bool {
	t.Helper()
	_, err := b.api.Files.Get(t.Context(), id)
	if err != nil && !isNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

func isNotFound(err error) bool {
	apiErr, ok := errors.AsType[*openai.Error](err)
	return ok && apiErr.StatusCode == http.StatusNotFound
}

// TestSemanticsHoldOnTheEmulator runs the suite in virtual time: on an API that behaves
// well, on one that is as awkward as users report, and under each answer to what
// OpenAI's documents leave open.
func TestSemanticsHoldOnTheEmulator(t *testing.T) {
	worlds := map[string]openaitest.Config{
		"at once": {},
		"slow":    {Latency: 50 * time.Millisecond, IndexTime: 3 * time.Second},
		"lagging": {
			Latency: 50 * time.Millisecond, IndexTime: 3 * time.Second, NotFoundWindow: 5 * time.Second,
			ListLag: openaitest.Lag{Attach: 2 * time.Minute, Detach: 2 * time.Minute}, CountsLag: time.Minute,
			Quirks: openaitest.ReportedQuirks(),
		},
	}
	for name, q := range openaitest.EachQuirk() {
		worlds[name] = openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 3 * time.Second, NotFoundWindow: 5 * time.Second, Quirks: q}
	}
	for name, cfg := range worlds {
		for _, c := range semantics {
			t.Run(name+"/"+c.sentence, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := openaitest.New(cfg)
					b := &backend{key: "sk-test", url: srv.URL(), http: srv.Client(), store: srv.NewVectorStore("suite")}
					b.api = openai.NewClient(option.WithAPIKey(b.key), option.WithBaseURL(b.url+"/"), option.WithHTTPClient(b.http), option.WithMaxRetries(0))
					c.run(t, b)
				})
			})
		}
	}
}

// TestSemanticsHoldOnOpenAI runs the same suite against the live API when
// OPENAI_API_KEY is set. It works in a store that it makes and removes, and
// deletes the Files that it uploaded and no others.
func TestSemanticsHoldOnOpenAI(t *testing.T) {
	key := os.Getenv("OPENAI_API_KEY")
	if key == "" {
		t.Skip("OPENAI_API_KEY is not set: the suite has run on the emulator alone")
	}
	base := os.Getenv("OPENAI_BASE_URL")
	if base == "" {
		base = vsclient.DefaultBaseURL
	}
	made := &uploads{next: http.DefaultTransport}
	b := &backend{key: key, url: base, http: &http.Client{Transport: made}}
	b.api = openai.NewClient(option.WithAPIKey(key), option.WithBaseURL(strings.TrimSuffix(base, "/")+"/"), option.WithHTTPClient(b.http))
	vs, err := b.api.VectorStores.New(t.Context(), openai.VectorStoreNewParams{Name: openai.String("vsclient semantic tests, safe to delete")})
	if err != nil {
		t.Fatal(err)
	}
	b.store = vs.ID
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
		defer cancel()
		if _, err := b.api.VectorStores.Delete(ctx, vs.ID); err != nil {
			t.Errorf("the store %s is left behind: %v", vs.ID, err)
		}
		for _, id := range made.all() {
			if _, err := b.api.Files.Delete(ctx, id); err != nil && !isNotFound(err) {
				t.Errorf("the File %s is left behind: %v", id, err)
			}
		}
	})
	for _, c := range semantics {
		t.Run(c.sentence, func(t *testing.T) { c.run(t, b) })
	}
}

// uploads notes the id of each File that is made through it.
type uploads struct {
	next http.RoundTripper
	mu   sync.Mutex
	ids  []string
}

func (u *uploads) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := u.next.RoundTrip(req)
	if err != nil || req.Method != http.MethodPost || !strings.HasSuffix(req.URL.Path, "/files") || strings.Contains(req.URL.Path, "vector_stores") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var f struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &f) == nil && f.ID != "" {
		u.mu.Lock()
		u.ids = append(u.ids, f.ID)
		u.mu.Unlock()
	}
	return resp, err
}

func (u *uploads) all() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.ids)
}

// semantics is what holds on any backend. Each case uses keys of its own, since on
// the live API they share a store.
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
	{"deleting what never was there succeeds", func(t *testing.T, b *backend) {
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
			if key == "name it.md" {
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
	{"two keys that come to one file name are two documents", func(t *testing.T, b *backend) {
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
	{"a fresh client finds what another one has put", func(t *testing.T, b *backend) {
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
