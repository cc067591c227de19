package vsclient_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about keys and the file names that stand for them.

// TestAnyKeyIsPutReplacedListedAndDeleted lives through it with a client of its own
// each time, so that all knowledge comes from the store.
func TestAnyKeyIsPutReplacedListedAndDeleted(t *testing.T) {
	t.Parallel()
	for i, key := range []string{
		"/", "//", "a/b", "/a.md", "a/", ".md", "..", ".", "../../etc/passwd", "...md", `"`, `a"b.md`, `\`, `a\b.md`, "'", "\r\n", "a\r\nb: c.md", "\x00", "a\x00.md",
		" ", "   ", " a.md", "a.md ", "\t", "📄", "👩‍👩‍👧‍👦.md", "\u202etxt.md", "\ufeff", "\ufffd", "%22", "%0D%0A.md", "a.MD", "A.md", "a.md", "a.txt.md",
		"é.md", "e\u0301.md", `{"id":42}`, `{"a":"b\"c"}`, "<a>&amp;.html", "a;b=c.md", "null", "0", "vs_key", "file-abc.md", strings.Repeat("x", 256), strings.Repeat("x", 257),
		strings.Repeat("x", 240) + ".md", strings.Repeat("x", 241) + ".md", strings.Repeat("é", 511), strings.Repeat("😀", 255),
		strings.Repeat("k", 1023), strings.Repeat("/", 1023), strings.Repeat("k", 1020) + ".md", strings.Repeat(" ", 1023), "ſ.md", "K.md", "İ.md", "%41.md", "A%", "e\u0301",
	} {
		if race.Enabled && i%2 != 0 {
			continue
		}
		name := fmt.Sprintf("%.30q %d bytes", key, len(key))
		t.Run(strings.ReplaceAll(name, "/", "∕"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				neighbour, err := w.Client().Put(t.Context(), doc(key+"x", "neighbour"))
				is.NoErr(err)
				r, err := w.Client().Put(t.Context(), doc(key, "one"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Created)
				again, err := w.Client().Put(t.Context(), doc(key, "one"))
				is.NoErr(err)
				is.Equal(again.Outcome, vsclient.Unchanged)
				r, err = w.Client().Put(t.Context(), doc(key, "two"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Replaced)
				info, err := w.Client().Get(t.Context(), key)
				is.NoErr(err)
				is.Equal(info.Key, key)
				is.Equal(info.FileID, r.FileID)
				listed := 0
				for info, err := range w.Client().List(t.Context()) {
					is.NoErr(err)
					if info.FileID == r.FileID {
						listed++
						is.Equal(info.Key, key)
					}
				}
				is.Equal(listed, 1)
				is.NoErr(onlyErr(w.Client().Delete(t.Context(), key)))
				_, err = w.Client().Get(t.Context(), key)
				is.True(errors.Is(err, vsclient.ErrNotFound))
				info, err = w.Client().Get(t.Context(), key+"x")
				is.NoErr(err)
				is.Equal(info.FileID, neighbour.FileID)
				is.Equal(w.Files(), 1)
			})
		})
	}
}

// The File's name is the key where that can be. The document is known by its
// attributes all the same: two keys that share a name are two documents.
func TestKeysThatShareAFileNameAreDocumentsOfTheirOwn(t *testing.T) {
	for _, keys := range [][2]string{{"a", "a.txt"}, {"a.md", "a.MD"}, {"A.md", "a.md"}, {"é.md", "e\u0301.md"}, {"a b", "a_b"}, {"a/b.md", "a_b.md"}, {"%41.md", "A.md"}, {"", ""}} {
		if keys[0] == "" {
			continue
		}
		t.Run(strings.ReplaceAll(fmt.Sprintf("%q and %q", keys[0], keys[1]), "/", "∕"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexTime: time.Second})
				for round, content := range []string{"first of ", "second of "} {
					for _, key := range keys {
						r, err := w.Client().Put(t.Context(), doc(key, content+key))
						is.NoErr(err)
						is.Equal(r.Outcome, []vsclient.Outcome{vsclient.Created, vsclient.Replaced}[round])
					}
				}
				w.Expect(map[string]string{keys[0]: "second of " + keys[0], keys[1]: "second of " + keys[1]})
				is.NoErr(onlyErr(w.Client().Delete(t.Context(), keys[0])))
				w.Expect(map[string]string{keys[1]: "second of " + keys[1]})
				is.Equal(w.Files(), 1)
			})
		})
	}
}

func TestTheKeyOfASearchHitIsReadFromItsAttributes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		key := strings.Repeat("long/", 100) + "{\"id\":7}"
		is.NoErr(onlyErr(w.Client().Put(t.Context(), with(doc(key, "text"), vsclient.Attributes{"lang": "en"}))))
		got, ok := vsclient.KeyOf(w.Server.Snapshot().Store(w.Store).Files[0].Attributes)
		is.True(ok)
		is.Equal(got, key)
		_, ok = vsclient.KeyOf(map[string]any{"source": "another tool"})
		is.True(!ok)
	})
}

func TestAKeyWithoutAnExtensionGetsOneThatFitsItsContent(t *testing.T) {
	for sentence, row := range map[string]struct{ content, extension, configured, want string }{
		"text":                      {"plain words", "", "", ".txt"},
		"JSON":                      {`{"a":1}`, "", "", ".json"},
		"a byte order mark":         {"\ufeffplain words", "", "", ".txt"},
		"JSON after such a mark":    {"\ufeff{\"a\":1}", "", "", ".json"},
		"a configured one":          {"plain words", "", ".md", ".md"},
		"one that the put asks for": {"plain words", ".html", ".md", ".html"},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				c := w.Client(func(cfg *vsclient.Config) { cfg.FileExtension = row.configured })
				is.NoErr(onlyErr(c.Put(t.Context(), vsclient.Document{Key: "notes", Content: text(row.content), Extension: row.extension})))
				is.True(strings.HasSuffix(w.Server.Snapshot().Files[0].Name, row.want))
			})
		})
	}
}
