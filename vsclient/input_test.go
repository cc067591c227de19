package vsclient_test

import (
	"encoding/json"
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
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about input that is refused without a request.

// wrongInput can be known to be wrong without asking anyone.
var wrongInput = []struct {
	sentence string
	kind     error
	change   vsclient.Change
}{
	{"the empty key", vsclient.ErrInvalidKey, put("", "x")},
	{"a key that is not UTF-8", vsclient.ErrInvalidKey, put("a\xff.md", "x")},
	{"a key of 1,025 bytes", vsclient.ErrInvalidKey, put(strings.Repeat("k", vsclient.MaxKeyBytes+1), "x")},
	{"the empty key of a deletion", vsclient.ErrInvalidKey, vsclient.Delete("")},
	{"a key of a deletion that is not UTF-8", vsclient.ErrInvalidKey, vsclient.Delete("\x80")},
	{"a key of a deletion of 1,025 bytes", vsclient.ErrInvalidKey, vsclient.Delete(strings.Repeat("k", vsclient.MaxKeyBytes+1))},
	{"the empty key of an update", vsclient.ErrInvalidKey, vsclient.SetAttributes("", nil)},
	{"no content", vsclient.ErrEmpty, put("a.md", "")},
	{"the zero content", vsclient.ErrEmpty, of("a.md", vsclient.Content{})},
	{"no content from a reader", vsclient.ErrEmpty, of("a.md", endless(0, nil))},
	{"a file that does not exist", vsclient.ErrContent, of("a.md", vsclient.Path("no such file"))},
	{"a reader that fails", vsclient.ErrContent, of("a.md", vsclient.Open(func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("some"), broken{})), nil
	}))},
	{"neither JSON nor other text, under a key without an extension", vsclient.ErrUnsupportedType, put("picture", "\xff\xd8\xff")},
	{"NUL in it, under a key without an extension", vsclient.ErrUnsupportedType, put("binary", "a\x00b")},
	{"an extension that is not indexed", vsclient.ErrUnsupportedType, vsclient.Put(vsclient.Document{Key: "a", Content: text("x"), Extension: ".exe"})},
	{"an extension without its dot", vsclient.ErrUnsupportedType, vsclient.Put(vsclient.Document{Key: "a", Content: text("x"), Extension: "md"})},
	{"an attribute more than there is room for", vsclient.ErrInvalidAttributes, attributed(worldtest.AttributesOf(vsclient.MaxAttributes + 1))},
	{"an attribute more than there is room for beside a long key", vsclient.ErrInvalidAttributes, vsclient.Put(with(doc(strings.Repeat("k", 257), "x"), worldtest.AttributesOf(vsclient.MaxAttributes)))},
	{"sixteen attributes and one", vsclient.ErrInvalidAttributes, attributed(worldtest.AttributesOf(17))},
	{"too many attributes in an update", vsclient.ErrInvalidAttributes, vsclient.SetAttributes("a.md", worldtest.AttributesOf(17))},
	{"a value of 513 characters", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": strings.Repeat("x", 513)})},
	{"a value of 513 characters of several bytes", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": strings.Repeat("é", 513)})},
	{"a name of 65 characters", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{strings.Repeat("x", 65): 1})},
	{"an empty name", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"": 1})},
	{"a reserved name", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"vs_key": "another"})},
	{"a name that is not UTF-8", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"\xff": 1})},
	{"a value that is not UTF-8", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": "\xff"})},
	{"a value that is a list", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": []string{"x"}})},
	{"a value that is nothing", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": nil})},
	{"not a number", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": math.NaN()})},
	{"a number without end", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": math.Inf(1)})},
	{"an integer that would lose digits", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": int64(1<<53 + 1)})},
	{"an integer of JSON that would lose digits", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": json.Number("9007199254740993")})},
	{"an integer of JSON that would lose digits, as a fraction", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": json.Number("9007199254740993.0")})},
	{"an integer of JSON with twenty digits", vsclient.ErrInvalidAttributes, attributed(vsclient.Attributes{"a": json.Number("12345678901234567890")})},
	{"chunks of 99 tokens", vsclient.ErrInvalidChunking, chunked(99, 0)},
	{"chunks of 4,097 tokens", vsclient.ErrInvalidChunking, chunked(4097, 0)},
	{"an overlap of more than half", vsclient.ErrInvalidChunking, chunked(100, 51)},
	{"a negative overlap", vsclient.ErrInvalidChunking, chunked(100, -1)},
	{"an overlap of nothing", vsclient.ErrInvalidChunking, chunked(0, 10)},
}

func of(key string, c vsclient.Content) vsclient.Change {
	return vsclient.Put(vsclient.Document{Key: key, Content: c})
}

func attributed(a vsclient.Attributes) vsclient.Change {
	return vsclient.Put(with(doc("a.md", "x"), a))
}

func chunked(size, overlap int) vsclient.Change {
	d := doc("a.md", "x")
	d.Chunking = vsclient.Chunking{MaxTokens: size, OverlapTokens: overlap}
	return vsclient.Put(d)
}

func TestWrongInputIsRefusedByItsKindWithoutARequest(t *testing.T) {
	for _, row := range wrongInput {
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				err := w.Client().Apply(t.Context(), []vsclient.Change{row.change}, nil)[0].Err
				if !errors.Is(err, row.kind) {
					t.Errorf("%v is not %v", err, row.kind)
				}
				is.Equal(w.Server.RequestCount(), 0)
				is.Equal(vsclient.ClassOf(err), vsclient.BadDocument)
				is.True(utf8.ValidString(err.Error()))
				is.Equal(strings.Count(err.Error(), "vsclient: "), 1)
			})
		})
	}
}

func TestNothingElseOfACallIsLostForWrongInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		var changes []vsclient.Change
		for i, row := range wrongInput {
			changes = append(changes, row.change, put(fmt.Sprintf("good %d.md", i), "good"))
		}
		for i, r := range w.Client().Apply(t.Context(), changes, nil) {
			if i%2 == 0 {
				is.True(errors.Is(r.Err, wrongInput[i/2].kind))
				continue
			}
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Created)
		}
		is.Equal(len(w.Server.Snapshot().Store(w.Store).Files), len(wrongInput))
	})
}

func TestAChunkingPrintsAsAutoOrAsItsTwoSizes(t *testing.T) {
	is := is.New(t)
	is.Equal(vsclient.Chunking{}.String(), "auto")
	is.Equal(vsclient.Chunking{MaxTokens: 800, OverlapTokens: 400}.String(), "800/400")
	is.Equal(fmt.Sprint(vsclient.Chunking{MaxTokens: 100}), "100/0")
}

func TestInputThatIsJustRightGoesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		most := worldtest.AttributesOf(vsclient.MaxAttributes)
		most["a00"] = strings.Repeat("é", 512)
		delete(most, "a01")
		most[strings.Repeat("n", 64)] = int64(1 << 53)
		d := with(doc(strings.Repeat("k", 256), "x"), most) // its key needs no attribute more
		long := with(doc(strings.Repeat("k", vsclient.MaxKeyBytes), "x"), worldtest.AttributesOf(vsclient.MaxAttributes-3))
		for _, good := range []vsclient.Document{
			d,
			long,
			{Key: "a.md", Content: text("x"), Chunking: vsclient.Chunking{MaxTokens: 100, OverlapTokens: 50}},
			{Key: "b.md", Content: text("x"), Chunking: vsclient.Chunking{MaxTokens: 4096}},
			{Key: "c", Content: text("x"), Extension: ".md"},
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
