package vsclient_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// attributesOf makes so many attributes.
func attributesOf(n int) vsclient.Attributes {
	a := make(vsclient.Attributes, n)
	for i := range n {
		a[fmt.Sprintf("a%d", i)] = i
	}
	return a
}

// wrongInput is what can be known to be wrong without asking anyone.
var wrongInput = []struct {
	sentence string
	kind     error
	change   vsclient.Change
}{
	{"the empty key", vsclient.ErrInvalidKey, put("", "x")},
	{"a key that is not UTF-8", vsclient.ErrInvalidKey, put("a\xff.md", "x")},
	{"the empty key of a deletion", vsclient.ErrInvalidKey, vsclient.Change{Op: vsclient.OpDelete}},
	{"a key of a deletion that is not UTF-8", vsclient.ErrInvalidKey, vsclient.Change{Op: vsclient.OpDelete, Document: vsclient.Document{Key: "\x80"}}},
	{"the empty key of an update", vsclient.ErrInvalidKey, vsclient.Change{Op: vsclient.OpUpdateAttributes}},
	{"no content", vsclient.ErrEmpty, put("a.md", "")},
	{"no content from a reader", vsclient.ErrEmpty, of("a.md", endless(0, nil))},
	{"a reader that cannot be opened", vsclient.ErrContent, of("a.md", vsclient.File("no such file"))},
	{"a reader that fails", vsclient.ErrContent, of("a.md", vsclient.Reopen(func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("some"), brokenReader{})), nil
	}))},
	{"neither JSON nor other text, under a key without an extension", vsclient.ErrUnsupportedType, put("picture", "\xff\xd8\xff")},
	{"NUL in it, under a key without an extension", vsclient.ErrUnsupportedType, put("binary", "a\x00b")},
	{"an extension that is not indexed", vsclient.ErrUnsupportedType, vsclient.Change{Document: vsclient.Document{Key: "a", Content: vsclient.String("x"), Extension: ".exe"}}},
	{"an extension without its dot", vsclient.ErrUnsupportedType, vsclient.Change{Document: vsclient.Document{Key: "a", Content: vsclient.String("x"), Extension: "md"}}},
	{"an attribute more than there is room for", vsclient.ErrInvalidAttributes, with(attributesOf(vsclient.MaxAttributes + 1))},
	{"sixteen attributes and one", vsclient.ErrInvalidAttributes, with(attributesOf(17))},
	{"too many attributes in an update", vsclient.ErrInvalidAttributes, vsclient.Change{Op: vsclient.OpUpdateAttributes, Document: vsclient.Document{Key: "a.md", Attributes: attributesOf(17)}}},
	{"a value of 513 characters", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"a": strings.Repeat("x", 513)})},
	{"a value of 513 characters of several bytes", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"a": strings.Repeat("é", 513)})},
	{"a name of 65 characters", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{strings.Repeat("x", 65): 1})},
	{"an empty name", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"": 1})},
	{"a reserved name", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"vs_key": "another"})},
	{"a name that is not UTF-8", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"\xff": 1})},
	{"a value that is not UTF-8", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"a": "\xff"})},
	{"a value that is a list", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"a": []string{"x"}})},
	{"a value that is nothing", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"a": nil})},
	{"not a number", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"a": math.NaN()})},
	{"a number without end", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"a": math.Inf(1)})},
	{"an integer that would lose digits", vsclient.ErrInvalidAttributes, with(vsclient.Attributes{"a": int64(1<<53 + 1)})},
	{"chunks of 99 tokens", vsclient.ErrInvalidChunking, chunked(99, 0)},
	{"chunks of 4,097 tokens", vsclient.ErrInvalidChunking, chunked(4097, 0)},
	{"an overlap of more than half", vsclient.ErrInvalidChunking, chunked(100, 51)},
	{"a negative overlap", vsclient.ErrInvalidChunking, chunked(100, -1)},
	{"an overlap of nothing", vsclient.ErrInvalidChunking, chunked(0, 10)},
}

func of(key string, c vsclient.Content) vsclient.Change {
	return vsclient.Change{Document: vsclient.Document{Key: key, Content: c}}
}

func with(a vsclient.Attributes) vsclient.Change {
	c := put("a.md", "x")
	c.Document.Attributes = a
	return c
}

func chunked(size, overlap int) vsclient.Change {
	c := put("a.md", "x")
	c.Document.Chunking = vsclient.Chunking{MaxTokens: size, OverlapTokens: overlap}
	return c
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWhatIsWrongByItselfIsRefusedByItsNameWithoutARequest(t *testing.T) {
	for _, row := range wrongInput {
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, openaitest.Config{})
				c := w.client()
				err := c.Apply(t.Context(), []vsclient.Change{row.change}, nil)[0].Err
				if !errors.Is(err, row.kind) {
					t.Errorf("%v is not %v", err, row.kind)
				}
				is.Equal(w.srv.RequestCount(), 0)
				is.True(vsclient.IsDocumentError(err))
				is.True(!vsclient.Retryable(err))
				is.True(utf8.ValidString(err.Error()))
				is.Equal(strings.Count(err.Error(), "vsclient: "), 1)
				if d := row.change.Document; row.change.Op == vsclient.OpPut {
					_, err = c.Put(t.Context(), d)
					is.True(errors.Is(err, row.kind))
					is.Equal(w.srv.RequestCount(), 0)
				}
			})
		})
	}
}

func TestNothingElseInABatchIsLostForWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		var changes []vsclient.Change
		for i, row := range wrongInput {
			changes = append(changes, row.change, put(fmt.Sprintf("good %d.md", i), "good"))
		}
		for i, r := range w.client().Apply(t.Context(), changes, nil) {
			if i%2 == 0 {
				is.True(errors.Is(r.Err, wrongInput[i/2].kind))
				continue
			}
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Created)
		}
		is.Equal(len(w.srv.Snapshot().Store(w.store).Files), len(wrongInput))
	})
}

func TestWhatIsJustRightGoesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		c := w.client()
		most := attributesOf(vsclient.MaxAttributes)
		most["a0"] = strings.Repeat("é", 512)
		delete(most, "a1")
		most[strings.Repeat("n", 64)] = int64(1 << 53)
		d := doc(strings.Repeat("k", 256), "x")
		d.Attributes = most
		for _, good := range []vsclient.Document{
			d,
			{Key: "a.md", Content: vsclient.String("x"), Chunking: vsclient.Chunking{MaxTokens: 100, OverlapTokens: 50}},
			{Key: "b.md", Content: vsclient.String("x"), Chunking: vsclient.Chunking{MaxTokens: 4096}},
			{Key: "c", Content: vsclient.String("x"), Extension: ".md"},
		} {
			_, err := c.Put(t.Context(), good)
			is.NoErr(err)
			info, err := c.Get(t.Context(), good.Key)
			is.NoErr(err)
			is.Equal(info.Key, good.Key)
			is.Equal(info.Chunking, good.Chunking)
			is.Equal(len(info.Attributes), len(good.Attributes))
		}
	})
}

// TestAnyKeyIsPutReplacedListedAndDeleted lives through it with a client of its own
// each time, so that all knowledge comes from the store.
func TestAnyKeyIsPutReplacedListedAndDeleted(t *testing.T) {
	for _, key := range []string{
		"/", "//", "a/b", "/a.md", "a/", ".md", "..", ".", "../../etc/passwd", "...md", `"`, `a"b.md`, `\`, `a\b.md`, "'", "\r\n", "a\r\nb: c.md", "\x00", "a\x00.md",
		" ", "   ", " a.md", "a.md ", "\t", "📄", "👩‍👩‍👧‍👦.md", "\u202etxt.md", "\ufeff", "\ufffd", "%22", "%0D%0A.md", "a.MD", "A.md", "a.md", "a.txt.md",
		"é.md", "e\u0301.md", `{"id":42}`, `{"a":"b\"c"}`, "<a>&amp;.html", "a;b=c.md", "null", "0", "vs_key", "file-abc.md", strings.Repeat("x", 256), strings.Repeat("x", 257),
		strings.Repeat("x", 240) + ".md", strings.Repeat("x", 241) + ".md", strings.Repeat("é", 511), strings.Repeat("😀", 255),
		strings.Repeat("k", 1_000), strings.Repeat("/", 1_000), strings.Repeat("k", 1_000) + ".md", strings.Repeat(" ", 1_000),
	} {
		name := fmt.Sprintf("%.30q %d bytes", key, len(key))
		t.Run(strings.ReplaceAll(name, "/", "∕"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, openaitest.Config{})
				neighbour, err := w.client().Put(t.Context(), doc(key+"x", "neighbour"))
				is.NoErr(err)
				r, err := w.client().Put(t.Context(), doc(key, "one"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Created)
				again, err := w.client().Put(t.Context(), doc(key, "one"))
				is.NoErr(err)
				is.Equal(again.Outcome, vsclient.Unchanged)
				r, err = w.client().Put(t.Context(), doc(key, "two"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Replaced)
				info, err := w.client().Get(t.Context(), key)
				is.NoErr(err)
				is.Equal(info.Key, key)
				is.Equal(info.FileID, r.FileID)
				listed := 0
				for info, err := range w.client().List(t.Context()) {
					is.NoErr(err)
					if info.FileID == r.FileID {
						listed++
						is.True(info.Key == key || info.Key == "" && len(key) > 1000)
					}
				}
				is.Equal(listed, 1)
				is.NoErr(w.client().Delete(t.Context(), key))
				_, err = w.client().Get(t.Context(), key)
				is.True(errors.Is(err, vsclient.ErrNotFound))
				info, err = w.client().Get(t.Context(), key+"x")
				is.NoErr(err)
				is.Equal(info.FileID, neighbour.FileID)
				is.Equal(len(w.srv.Snapshot().Files), 1)
			})
		})
	}
}

func TestContentThatIsOneByteTooLargeIsReadNoFurther(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	var read int64
	big := vsclient.Reopen(func() (io.ReadCloser, error) {
		return io.NopCloser(io.TeeReader(letters{}, counter{&read})), nil
	})
	_, err := w.client().Put(t.Context(), vsclient.Document{Key: "big.txt", Content: big})
	is.True(errors.Is(err, vsclient.ErrTooLarge))
	is.True(read <= vsclient.MaxFileSize+1<<20)
	_, err = w.client().Put(t.Context(), vsclient.Document{Key: "big.txt", Content: vsclient.Bytes(bytes.Repeat([]byte{'x'}, vsclient.MaxFileSize+1))})
	is.True(errors.Is(err, vsclient.ErrTooLarge))
	is.Equal(w.srv.RequestCount(), 0)
}

type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return len(p), nil
}
