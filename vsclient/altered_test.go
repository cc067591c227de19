package vsclient_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// A server may list a File under another name than the one sent. The document is
// found, listed, replaced and deleted all the same, each time by a new process.
func TestADocumentWhoseFileIsListedUnderAnotherNameIsFoundByEveryProcess(t *testing.T) {
	quirks := map[string]openaitest.Quirks{"decoded": {DecodeFilenames: true}, "base": {BaseFilenames: true}}
	for _, how := range []openaitest.AlterFilenames{
		openaitest.LowerCaseFilenames, openaitest.NFCFilenames, openaitest.UnderscoreForSpace, openaitest.UnderscoreForUnsafe,
		openaitest.Latin1Filenames, openaitest.PercentDecodedFilenames,
	} {
		quirks[string(how)] = openaitest.Quirks{AlterFilenames: how}
	}
	for name, q := range quirks {
		for _, key := range []string{
			"README.md", "two words.md", "guides/intro.md", "café.md", "cafe\u0301.md", "100%25.md", "%22", "%0D%0A.md", `say "hi".md`, "日本語.md", "привет", "📄.md", "a\r\nb.md", "  ", `{"id":7}`, "Straße & Söhne (2).md",
		} {
			t.Run(fmt.Sprintf("%s/%x", name, key), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := newWorld(t, openaitest.Config{Quirks: q})
					is.NoErr(onlyErr(w.client().Put(t.Context(), doc("other.md", "other"))))
					for i, want := range []vsclient.Outcome{vsclient.Created, vsclient.Unchanged, vsclient.Replaced} {
						r, err := w.client().Put(t.Context(), doc(key, []string{"one", "one", "two"}[i]))
						is.NoErr(err)
						is.Equal(r.Outcome, want)
						time.Sleep(time.Hour)
					}
					w.expect(map[string]string{key: "two", "other.md": "other"})
					info, err := w.client().Get(t.Context(), key)
					is.NoErr(err)
					is.Equal(info.Key, key)
					listed := 0
					for i, err := range w.client().List(t.Context()) {
						is.NoErr(err)
						if i.Key == key {
							listed++
						}
					}
					is.Equal(listed, 1)
					r, err := w.client().Delete(t.Context(), key)
					is.NoErr(err)
					is.Equal(r.Outcome, vsclient.Deleted)
					_, err = w.client().Get(t.Context(), key)
					is.True(errors.Is(err, vsclient.ErrNotFound))
					w.expect(map[string]string{"other.md": "other"})
					is.Equal(w.files(), 1)
				})
			})
		}
	}
}

// A server that truncates names is noticed by the File that this client has uploaded.
func TestAServerThatAltersNamesBeyondRecognitionIsNoticedWhenOneIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		renamed := over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && resp.Body != nil {
				resp = rewritten(resp, `"filename":"a-long-name.md"`, `"filename":"a-lo.md"`)
			}
			return resp, err
		})
		c := w.client(renamed)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a-long-name.md", "one"))))
		r, err := c.Put(t.Context(), doc("a-long-name.md", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		w.expect(map[string]string{"a-long-name.md": "two"})
		// A new process has seen such a File once it has put another key.
		next := w.client(renamed)
		is.NoErr(onlyErr(next.Put(t.Context(), doc("other.md", "x"))))
		time.Sleep(time.Minute)
		r, err = next.Put(t.Context(), doc("a-long-name.md", "three"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		w.expect(map[string]string{"a-long-name.md": "three", "other.md": "x"})
	})
}

// A store file without attributes is the key's document, once the key is touched, when
// its File bears the key, as the earlier connector named it, or a name that this client
// gives no other key.
func TestAFileWithoutAttributesUnderTheKeysOwnNameIsTheKeysDocument(t *testing.T) {
	for _, key := range []string{"a.md", "docs/a.md", "docs/notes", `{"id":7}`, "two words.md"} {
		t.Run(fmt.Sprintf("%x", key), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, openaitest.Config{})
				is.NoErr(onlyErr(w.client().Put(t.Context(), doc(key, "old"))))
				f := w.srv.Snapshot().Files[0]
				// Another tool attaches it again, without any attribute.
				w.srv.AddStoreFile(w.store, f.ID, map[string]any{})
				time.Sleep(time.Hour)
				info, err := w.client().Get(t.Context(), key)
				is.NoErr(err)
				is.Equal(info.FileID, f.ID)
				r, err := w.client().Put(t.Context(), doc(key, "new"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Replaced)
				w.expect(map[string]string{key: "new"})
				is.NoErr(onlyErr(w.client().Delete(t.Context(), key)))
				w.expect(map[string]string{})
			})
		})
	}
}

// Two keys can have one file name. A store file without attributes under it is left to
// the key that is the name.
func TestAFileWithoutAttributesUnderANameOfTwoKeysIsTheKeysThatIsTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		is.NoErr(onlyErr(w.client().Put(t.Context(), doc("notes.txt", "theirs"))))
		f := w.srv.Snapshot().Files[0]
		w.srv.AddStoreFile(w.store, f.ID, map[string]any{})
		time.Sleep(time.Hour)
		r, err := w.client().Put(t.Context(), doc("notes", "ours"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Created)
		info, err := w.client().Get(t.Context(), "notes.txt")
		is.NoErr(err)
		is.Equal(info.FileID, f.ID)
	})
}

// A server that loses the attributes by which documents are found again is refused
// with one clear error, and nothing is left on it.
func TestAServerThatLosesAttributesIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Second, Quirks: openaitest.Quirks{AttributesDropped: true}})
		c := w.client()
		for _, r := range c.Apply(t.Context(), many("d", 150), nil) {
			is.True(errors.Is(r.Err, vsclient.ErrIncompatible))
			is.Equal(vsclient.ClassOf(r.Err), vsclient.Fatal)
		}
		time.Sleep(20 * time.Minute)
		is.Equal(w.files(), 0)
	})
}
