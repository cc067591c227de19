package vsclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about Files that are somebody else's.

// calls are every call that changes a.md.
var calls = map[string]func(t *testing.T, c *vsclient.Client) error{
	"a put":        func(t *testing.T, c *vsclient.Client) error { return onlyErr(c.Put(t.Context(), doc("a.md", "new"))) },
	"the same put": func(t *testing.T, c *vsclient.Client) error { return onlyErr(c.Put(t.Context(), doc("a.md", "same"))) },
	"a deletion":   func(t *testing.T, c *vsclient.Client) error { return onlyErr(c.Delete(t.Context(), "a.md")) },
	"a sweep": func(t *testing.T, c *vsclient.Client) error {
		return onlyErr(c.Sweep(t.Context(), vsclient.SweepOptions{}))
	},
}

func TestAFileThatIsNotInTheStoreIsLeftAlone(t *testing.T) {
	for sentence, call := range calls {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				other := w.Server.NewVectorStore("other")
				theirs := []string{w.File("a.md", "same"), w.File("A.md", "same"), w.Server.AddFile(openaitest.NewFile{Name: "a.md", Purpose: "batch", Content: []byte("same")})}
				elsewhere := w.File("a.md", "same")
				w.Server.AddStoreFile(other, elsewhere, map[string]any{"vs_key": "a.md"})
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "same"))))
				time.Sleep(time.Hour)
				for range 2 {
					is.NoErr(call(t, w.Client()))
					time.Sleep(time.Hour)
				}
				for _, id := range append(theirs, elsewhere) {
					is.Equal(string(w.Server.Content(id)), "same")
				}
				is.Equal(w.HoldsIn(other), map[string]string{"a.md": "same"})
			})
		})
	}
}

// A store file that names another key is that key's, whatever its File's name.
func TestAStoreFileThatBearsAnotherKeyIsLeftAlone(t *testing.T) {
	for sentence, call := range calls {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				theirs := w.Attached("a.md", "same", map[string]any{"vs_key": "b.md", "vs_version": "0001700000000000"})
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "same"))))
				is.NoErr(call(t, w.Client()))
				time.Sleep(time.Hour)
				is.True(w.Exists(theirs))
				is.Equal(w.Holds()["b.md"], "same")
			})
		})
	}
}

// The other stores of the project and every other File stay as they are, bit for bit.
func TestNothingElseInTheProjectChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		other := w.Server.NewVectorStore("other")
		for _, name := range []string{"a.md", "b.txt", "c.html"} {
			w.Server.AddStoreFile(other, w.File(name, "theirs"), map[string]any{"lang": "en"})
			w.Attached("x-"+name, "theirs", map[string]any{"source": "another tool"})
		}
		before := w.Server.Snapshot()
		c := w.Client()
		changes := many("d", 100)
		changes = append(changes, put("a.md", "ours"), put("b", "ours"), put("c.html", "ours"))
		for _, r := range c.Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
		}
		for i, ch := range changes {
			changes[i] = vsclient.Delete(ch.Key())
		}
		for _, r := range c.Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
		}
		time.Sleep(2 * time.Hour)
		is.NoErr(onlyErr(c.Sweep(t.Context(), vsclient.SweepOptions{})))
		after := w.Server.Snapshot()
		after.Time = before.Time
		is.Equal(after, before)
	})
}

// A File of the earlier connector is replaced and deleted like any other version.
func TestAFileOfTheEarlierConnectorIsReplacedWithoutAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		old := w.Attached("a.md", "old", nil)
		r, err := w.Client().Put(t.Context(), doc("a.md", "new"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		is.True(!w.Exists(old))
		w.Expect(map[string]string{"a.md": "new"})
		w.NoGap("a.md")
	})
}

func TestAFileThatAPersonAddsUnderAKeyStaysUntilTheKeyIsChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("README.md", "of the client"))))
		time.Sleep(time.Hour)
		byHand := w.Attached("README.md", "of a person", nil)
		time.Sleep(10 * time.Minute)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("other.md", "text")))) // and the look that follows
		time.Sleep(time.Hour)
		is.True(w.Exists(byHand))
	})
}

func TestASweepThatSettlesAKeyLeavesAFileWithoutAttributesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{FailIndexing: func(f openaitest.FileInfo) (string, string) {
			if f.Bytes == int64(len("bad content")) {
				return "invalid_file", "Because."
			}
			return "", ""
		}})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("README.md", "of the client"))))
		info, err := c.Get(t.Context(), "README.md")
		is.NoErr(err)
		time.Sleep(time.Hour)
		byHand := w.Attached("README.md", "of a person", nil)
		var marks map[string]any
		for _, f := range w.Server.Snapshot().Store(w.Store).Files {
			if f.FileID == info.FileID {
				marks = f.Attributes
			}
		}
		w.Attached("README.md", "bad content", marks) // of a process that was killed
		time.Sleep(10 * time.Minute)
		_, err = c.Sweep(t.Context(), vsclient.SweepOptions{})
		is.NoErr(err)
		is.True(w.Exists(byHand))
	})
}

func TestAVersionWhoseAttributesAnotherToolReplacesWhileItIsIndexedStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 20 * time.Second})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
		time.Sleep(time.Hour)
		go func() {
			time.Sleep(time.Second)
			for _, f := range w.Server.Snapshot().Store(w.Store).Files {
				if string(w.Server.Content(f.FileID)) == "two" {
					w.Request(http.MethodPost, "/vector_stores/"+w.Store+"/files/"+f.FileID, `{"attributes":{"tag":"new"}}`)
				}
			}
		}()
		r, err := c.Put(t.Context(), doc("a.md", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		w.Expect(map[string]string{"a.md": "two"})
	})
}

// Another tool may give a document of this client's another key.
func TestADocumentThatWasGivenAnotherKeyIsThatKeys(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(ctx context.Context, c *vsclient.Client) error
		want   map[string]string
	}{
		"put":    {func(ctx context.Context, c *vsclient.Client) error { return onlyErr(c.Put(ctx, doc("a.md", "new"))) }, map[string]string{"a.md": "new", "b.md": "text"}},
		"delete": {func(ctx context.Context, c *vsclient.Client) error { return onlyErr(c.Delete(ctx, "a.md")) }, map[string]string{"b.md": "text"}},
		"set attributes": {func(ctx context.Context, c *vsclient.Client) error {
			if err := onlyErr(c.SetAttributes(ctx, "a.md", vsclient.Attributes{"x": "y"})); !errors.Is(err, vsclient.ErrNotFound) {
				return fmt.Errorf("it is there: %w", err)
			}
			return nil
		}, map[string]string{"b.md": "text"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client()
				r, err := c.Put(t.Context(), doc("a.md", "text"))
				is.NoErr(err)
				attributes := maps.Clone(w.Server.Snapshot().Store(w.Store).Files[0].Attributes)
				attributes["vs_key"] = "b.md"
				raw, err := json.Marshal(map[string]any{"attributes": attributes})
				is.NoErr(err)
				is.Equal(w.Request(http.MethodPost, "/vector_stores/"+w.Store+"/files/"+r.FileID, string(raw)), http.StatusOK)
				time.Sleep(20 * time.Minute)
				is.NoErr(tt.change(t.Context(), c))
				time.Sleep(20 * time.Minute)
				w.Expect(tt.want)
			})
		})
	}
}

// A document of the earlier connector, or of a person, may be another store's as well. It is
// detached when its key is put, and stays when the other store has let it go.
func TestAFileThatAPutHasDetachedStaysWhenItIsAttachedNowhere(t *testing.T) {
	for sentence, later := range map[string]func(t *testing.T, c *vsclient.Client) error{
		"after a sweep":                 calls["a sweep"],
		"after the next process's look": calls["the same put"],
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				other := w.Server.NewVectorStore("other")
				theirs := w.Attached("a.md", "by hand", nil)
				w.Server.AddStoreFile(other, theirs, nil)
				time.Sleep(time.Hour)
				c := w.Client()
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "same"))))
				is.NoErr(c.Close())
				w.Expect(map[string]string{"a.md": "same"})
				w.Server.DetachStoreFile(other, theirs)
				time.Sleep(3 * time.Hour)
				w.File("new.md", "tells the time")
				is.NoErr(later(t, w.Client()))
				time.Sleep(time.Hour)
				is.True(w.Exists(theirs))
			})
		})
	}
}
