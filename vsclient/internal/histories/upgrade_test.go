package histories_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// written is a store as the release of commit 309185d has left it, with the Files
// of the project and the documents that its callers had put.
//
//go:embed testdata/written-by-309185d.json
var written []byte

type writtenFile struct {
	ID         string
	Name       string
	Purpose    string
	Content    []byte
	CreatedAt  int64 `json:"created_at"`
	Attached   bool
	Elsewhere  bool
	Status     string
	Attributes map[string]any
	MaxTokens  int `json:"max_tokens"`
	Overlap    int
}

type writtenDoc struct {
	Key        string
	Why        string
	Text       string
	Attributes map[string]any
	MaxTokens  int `json:"max_tokens"`
}

// oldStore is that store in an emulator.
type oldStore struct {
	srv   *openaitest.Server
	store string
	other string
	docs  []writtenDoc
	ids   []string // of the Files that have been written
}

// open loads the store. Its Files are days old.
func open(t *testing.T) *oldStore {
	t.Helper()
	var data struct {
		Files     []writtenFile
		Documents []writtenDoc
	}
	if err := json.Unmarshal(written, &data); err != nil {
		t.Fatal(err)
	}
	loading := true
	o := &oldStore{docs: data.Documents}
	stuck := make(map[string]bool)
	o.srv = openaitest.New(openaitest.Config{
		StickIndexing: func(f openaitest.FileInfo) bool { return loading && stuck[f.ID] },
	})
	o.store, o.other = o.srv.NewVectorStore("docs"), o.srv.NewVectorStore("other")
	text := string(written)
	time.Sleep(24 * time.Hour) // after everything that was written, but for the clock that was ahead
	for _, f := range data.Files {
		created := time.Unix(f.CreatedAt, 0)
		if created.After(time.Now()) {
			created = time.Now()
		}
		id := o.srv.AddFile(openaitest.NewFile{Name: f.Name, Purpose: f.Purpose, Content: f.Content, CreatedAt: created})
		text = strings.ReplaceAll(text, f.ID, id) // also where another File says that it has replaced it
		o.ids = append(o.ids, id)
	}
	data.Files = nil
	if err := json.Unmarshal([]byte(text), &data); err != nil {
		t.Fatal(err)
	}
	for _, f := range data.Files {
		if !f.Attached {
			continue
		}
		stuck[f.ID] = f.Status == "in_progress"
		attach := map[string]any{"file_id": f.ID, "attributes": f.Attributes}
		if f.MaxTokens != 800 {
			attach["chunking_strategy"] = map[string]any{"type": "static", "static": map[string]any{"max_chunk_size_tokens": f.MaxTokens, "chunk_overlap_tokens": f.Overlap}}
		}
		o.post(t, "/vector_stores/"+o.store+"/files", attach)
		if f.Elsewhere {
			o.srv.AddStoreFile(o.other, f.ID, nil)
		}
	}
	for _, f := range o.srv.Snapshot().Store(o.store).Files {
		for _, want := range data.Files {
			if want.ID == f.FileID && want.Status != f.Status {
				t.Fatalf("%s is %s and was %s", want.Name, f.Status, want.Status)
			}
		}
	}
	loading = false
	time.Sleep(48 * time.Hour)
	return o
}

func (o *oldStore) post(t *testing.T, path string, body any) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, o.srv.URL()+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer sk-test")
	req.Header.Set("Content-Type", "application/json")
	resp, err := o.srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", path, resp.StatusCode, body)
	}
}

func (o *oldStore) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(client.Settings{Store: o.store, URL: o.srv.URL(), Transport: o.srv.Client().Transport})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// has returns the store files of a key.
func (o *oldStore) has(key string) (files []openaitest.StoreFile) {
	for _, f := range o.srv.Snapshot().Store(o.store).Files {
		if trail.KeyOf(f.Attributes, f.Filename) == key || trail.KeyOf(f.Attributes, f.Filename) == trail.DigestOf(key) {
			files = append(files, f)
		}
	}
	return files
}

// text is the content of a store file.
func (o *oldStore) text(id string) string { return string(o.srv.Content(id)) }

// tooLong reports whether a key has to be refused today.
func tooLong(d writtenDoc) bool { return len(d.Key) > 1024 }

// each runs a test for each document of a store of its own, or with the race detector for
// one of three.
func each(t *testing.T, test func(is *is.I, o *oldStore, c *client.Client, d writtenDoc)) {
	t.Helper()
	var data struct{ Documents []writtenDoc }
	if err := json.Unmarshal(written, &data); err != nil {
		t.Fatal(err)
	}
	for i, d := range data.Documents {
		if tooLong(d) || race.Enabled && i%6 != 0 {
			continue
		}
		t.Run(d.Why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := open(t)
				c := o.client(t)
				test(is.New(t), o, c, d)
				_, _ = c.Close()
			})
		})
	}
}

func TestEveryDocumentOfAnOlderReleaseIsFound(t *testing.T) {
	each(t, func(is *is.I, o *oldStore, c *client.Client, d writtenDoc) {
		got, a := c.Get(context.Background(), d.Key)
		is.NoErr(a.Err)
		is.Equal(o.text(got.FileID), d.Text)
		is.Equal(trail.AttrsText(got.Attrs), trail.AttrsText(d.Attributes))
		is.Equal(got.Key, d.Key)
	})
}

func TestADocumentOfAnOlderReleaseIsUnchanged(t *testing.T) {
	each(t, func(is *is.I, o *oldStore, c *client.Client, d writtenDoc) {
		if len(o.has(d.Key)) != 1 || strings.HasPrefix(d.Why, "unmarked") || refusedNow(d) {
			return // it has to be settled first, or its content is not known
		}
		before := len(o.srv.Snapshot().Files)
		a := c.Put(context.Background(), d.Key, plan.Doc{Text: d.Text, Attrs: d.Attributes, Chunk: d.MaxTokens})
		is.NoErr(a.Err)
		is.Equal(a.Outcome, "unchanged")
		is.Equal(len(o.srv.Snapshot().Files), before)
	})
}

// refusedNow reports whether a document has more attributes than fit beside its key.
func refusedNow(d writtenDoc) bool { return len(d.Attributes)+2+(len(d.Key)+255)/256 > 16 }

func TestEveryDocumentOfAnOlderReleaseIsReplaced(t *testing.T) {
	each(t, func(is *is.I, o *oldStore, c *client.Client, d writtenDoc) {
		others := o.others(d.Key)
		a := c.Put(context.Background(), d.Key, plan.Doc{Text: "a new text", Attrs: map[string]any{"new": true}})
		is.NoErr(a.Err)
		is.Equal(a.Outcome, "replaced")
		time.Sleep(20 * time.Minute)
		files := o.has(d.Key)
		is.Equal(len(files), 1)
		is.Equal(o.text(files[0].FileID), "a new text")
		is.Equal(files[0].Status, "completed")
		is.Equal(o.others(d.Key), others)
	})
}

func TestTheAttributesOfEveryDocumentOfAnOlderReleaseAreUpdated(t *testing.T) {
	each(t, func(is *is.I, o *oldStore, c *client.Client, d writtenDoc) {
		others := o.others(d.Key)
		stuck := slices.ContainsFunc(o.has(d.Key), func(f openaitest.StoreFile) bool { return f.Status == "in_progress" })
		a := c.Update(context.Background(), d.Key, map[string]any{"new": 1.5})
		if stuck && a.Err != nil { // the newest version alone is updated, and it never ends
			is.Equal(a.Class, client.Service)
		} else {
			is.NoErr(a.Err)
		}
		time.Sleep(20 * time.Minute)
		files := slices.DeleteFunc(o.has(d.Key), func(f openaitest.StoreFile) bool { return f.Status == "in_progress" })
		is.Equal(len(files), 1)
		is.Equal(o.text(files[0].FileID), d.Text)
		if len(o.has(d.Key)) == 1 { // else they may have gone to a newer version, which is still in progress
			is.Equal(trail.AttrsText(trail.Own(files[0].Attributes)), trail.AttrsText(map[string]any{"new": 1.5}))
		}
		is.Equal(o.others(d.Key), others)
	})
}

func TestEveryDocumentOfAnOlderReleaseIsDeleted(t *testing.T) {
	each(t, func(is *is.I, o *oldStore, c *client.Client, d writtenDoc) {
		others := o.others(d.Key)
		files := o.has(d.Key)
		is.NoErr(c.Delete(context.Background(), d.Key).Err)
		is.Equal(len(o.has(d.Key)), 0)
		for _, f := range files {
			if d.Why != "unmarked, and in another store, too" {
				is.Equal(o.text(f.FileID), "") // its File is gone as well
			}
		}
		time.Sleep(20 * time.Minute)
		is.Equal(len(o.has(d.Key)), 0)
		is.Equal(o.others(d.Key), others)
	})
}

// others describes everything that does not belong to a key.
func (o *oldStore) others(key string) string {
	var b strings.Builder
	mine := make(map[string]bool)
	for _, f := range o.has(key) {
		mine[f.FileID] = true
	}
	snap := o.srv.Snapshot()
	for _, st := range snap.Stores {
		for _, f := range st.Files {
			if st.ID != o.store || !mine[f.FileID] {
				if f.Status == "completed" && !elsewhereOpen(f) {
					fmt.Fprintf(&b, "%s %s %s %v\n", st.Name, f.FileID, f.Filename, trail.AttrsText(f.Attributes))
				}
			}
		}
	}
	return b.String()
}

// elsewhereOpen reports whether a store file is one of several versions of its key,
// which any client may settle.
func elsewhereOpen(f openaitest.StoreFile) bool {
	key := trail.KeyOf(f.Attributes, f.Filename)
	return key == "two versions.md" || key == "attached only.md"
}

func TestAListingHasEveryDocumentOfAnOlderRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		o := open(t)
		c := o.client(t)
		listed, err := c.List(context.Background())
		is.NoErr(err)
		for _, d := range o.docs {
			i := slices.IndexFunc(listed, func(s client.Seen) bool {
				return s.Key == d.Key || s.Key == "" && o.text(s.FileID) == d.Text
			})
			if i < 0 {
				t.Errorf("%s is not listed", d.Why)
			}
		}
		closed(is, c)
	})
}

func TestASweepSettlesTheFilesOfAnOlderRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		o := open(t)
		c := o.client(t)
		_, err := c.Strays(context.Background(), time.Hour, nil, time.Time{})
		is.NoErr(err)
		time.Sleep(20 * time.Minute)
		for _, d := range o.docs {
			files := slices.DeleteFunc(o.has(d.Key), func(f openaitest.StoreFile) bool { return f.Status == "in_progress" })
			if len(files) != 1 || o.text(files[0].FileID) != d.Text {
				t.Errorf("%s: %d versions after a sweep", d.Why, len(files))
			}
		}
		is.Equal(len(o.has("twice.md")), 2) // nobody has put them by key
		closed(is, c)
	})
}

func TestADocumentOfAnOlderReleaseWhoseKeyIsTooLongStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		o := open(t)
		c := o.client(t)
		for _, d := range o.docs {
			if !tooLong(d) {
				continue
			}
			before := o.srv.RequestCount()
			a := c.Put(context.Background(), d.Key, plan.Doc{Text: "text"})
			is.Equal(a.Class, client.BadDocument)
			is.Equal(o.srv.RequestCount(), before)
			_, err := c.Strays(context.Background(), time.Hour, nil, time.Time{})
			is.NoErr(err)
			is.Equal(len(o.has(d.Key)), 1)
		}
		closed(is, c)
	})
}

// closed closes a client, which has to leave nothing.
func closed(is *is.I, c *client.Client) {
	left, err := c.Close()
	is.NoErr(err)
	is.Equal(len(left.Files), 0)
}
