package content

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
)

func utf16Of(bom, s string) string {
	var b strings.Builder
	b.WriteString(bom)
	for _, u := range utf16.Encode([]rune(s)) {
		if hi, lo := byte(u>>8), byte(u); bom[0] == 0xFE {
			b.Write([]byte{hi, lo})
		} else {
			b.Write([]byte{lo, hi})
		}
	}
	return b.String()
}

const (
	littleMark = "\xff\xfe"
	bigMark    = "\xfe\xff"
	mark       = "\xef\xbb\xbf"
)

var inputs = []struct {
	sentence, key, extension, content string

	name  string // "": refused
	fault string // part of the refusal
}{
	{"an extension in capitals is sent in lower case", "CONTRACT.PDF", "", "%PDF-1.7\xff", "CONTRACT.pdf", ""},
	{"a PDF is one without its extension", "invoice-17", "", "%PDF-1.4 of ASCII alone", "invoice-17.pdf", ""},
	{"a PDF of bytes that are no text is one", "invoice-17", "", "%PDF-1.7\xff\x00", "invoice-17.pdf", ""},
	{"a PDF goes by an extension that is configured", "invoice-17", ".md", "%PDF-1.4", "invoice-17.md", ""},
	{"a page may have three letters", "FAQ.HTM", "", "<p>x</p>", "FAQ.HTM.html", ""},
	{"a page of three letters is judged as text", "faq.htm", "", "Gr\xfc\xdfe", "", "byte 0xfc at offset 2"},
	{"a page in capitals is a page", "FAQ.HTML", "", "<p>x</p>", "FAQ.html", ""},
	{"a Word file is no text to be judged", "x.docx", "", "PK\x03\x04\xff\x00", "x.docx", ""},
	{"an extension in capitals can be configured", "notes", ".MD", "x", "notes.md", ""},
	{"JSON goes by its content", `{"id":7}`, "", `{"title":"x"}`, "id_7-e0f2.json", ""},
	{"JSON may have a byte order mark", "area.geojson", "", mark + `{"title":"x"}`, "area.geojson.json", ""},
	{"a lone string is text", "s", "", `"x"`, "s.txt", ""},
	{"two objects are text", "s.jsonl", "", "{}\n{}", "s.jsonl.txt", ""},
	{"text may have a byte order mark", "a.csv", "", mark + "a;b", "a.csv.txt", ""},
	{"UTF-16 with a mark is text, the small end first", "export/kunden.csv", "", utf16Of(littleMark, "id;name\r\n1;Musterü\r\n"), "export_kunden.csv-.txt", ""},
	{"UTF-16 with a mark is text, the big end first", "kunden", "", utf16Of(bigMark, "id;😀"), "kunden.txt", ""},
	{"UTF-16 with a mark is good for .txt", "a.txt", "", utf16Of(littleMark, "é"), "a.txt", ""},
	{"half a pair is no UTF-16", "a", "", littleMark + "\x00\xd8x\x00", "", "half a surrogate pair at offset 4"},
	{"half a pair at the end is no UTF-16", "a", "", littleMark + "\x00\xd8", "", "half a surrogate pair at offset 2"},
	{"half a unit is no UTF-16", "a", "", littleMark + "x", "", "half a UTF-16 unit at offset 2"},
	{"UTF-16 with a mark and no text is taken", "a.md", "", bigMark, "a.md", ""},
	{"UTF-16 without a mark is no text, the small end first", "a.txt", "", utf16Of(littleMark, "id;name")[len(littleMark):], "", "without a byte order mark"},
	{"UTF-16 without a mark is no text, the big end first", "a", "", utf16Of(bigMark, "id;name")[len(bigMark):], "", "without a byte order mark"},
	{"UTF-16 without a mark is no text in an alphabet of its own", "a", "", utf16Of(littleMark, "Привет")[len(littleMark):], "", "without a byte order mark"},
	{"UTF-16 without a mark is no text in sentences", "a.md", "", utf16Of(bigMark, "Привет, мир.\r\nКак дела?\n")[len(bigMark):], "", "without a byte order mark"},
	{"UTF-16 without a mark is no text where few letters are beyond ASCII", "a.txt", "", utf16Of(littleMark, "mała łata")[len(littleMark):], "", "without a byte order mark"},
	{"UTF-16 without a mark is no text where a tab is half of a letter", "a.txt", "", utf16Of(littleMark, "नमस्ते दुनिया")[len(littleMark):], "", "without a byte order mark"},
	{"UTF-16 without a mark is no text with half a unit behind it", "a.txt", "", utf16Of(littleMark, "id;name")[len(littleMark):] + "\n", "", "without a byte order mark"},
	{"UTF-32 without a mark is no text, the small end first", "a.txt", "", "h\x00\x00\x00i\x00\x00\x00", "", "without a byte order mark"},
	{"UTF-32 without a mark is no text, the big end first", "a.txt", "", "\x00\x00\x00h\x00\x00\x00i", "", "without a byte order mark"},
	{"a table of single digits is text", "a", "", "1\t2\t3\t4\n5\t6\t7\t8\n", "a.txt", ""},
	{"a list that NUL ends is taken in text", "a.txt", "", "one\x00two\x00three\x00", "a.txt", ""},
	{"nothing but NUL is taken in text", "a.txt", "", "\x00\x00\x00\x00", "a.txt", ""},
	{"UTF-32 is no text, the small end first", "a.txt", "", "\xff\xfe\x00\x00x\x00\x00\x00", "", "the byte order mark of UTF-32"},
	{"UTF-32 is no text, the big end first", "a.txt", "", "\x00\x00\xfe\xff\x00\x00\x00x", "", "the byte order mark of UTF-32"},
	{"a NUL is taken in a source file", "src/validate.ts", "", "join(\"\x00\")", "src_validate-.ts", ""},
	{"a NUL is taken in text", "a.txt", "", "\x00", "a.txt", ""},
	{"a NUL is named where the content decides", "deploy/values.yaml", "", "sep: \"\x00\"", "", "NUL"},
	{"a NUL in UTF-16 is named", "a", "", littleMark + "x\x00\x00\x00", "", "NUL"},
	{"Latin-1 is refused as text", "brief.txt", "", "Gr\xfc\xdfe", "", "UTF-16 with a byte order mark, and this is neither: byte 0xfc at offset 2; convert it to UTF-8"},
	{"Latin-1 is refused as JSON", "brief.JSON", "", "{\"a\":\"\xfc\"}", "", "byte 0xfc at offset 6"},
	{"Latin-1 is refused where the content decides", "brief.csv", "", "Gr\xfc\xdfe", "", "byte 0xfc at offset 2"},
	{"Latin-1 is refused under an extension that is configured", "brief", ".md", "Gr\xfc\xdfe", "", "UTF-8"},
	{"a script is not known to be text for OpenAI", "run.sh", "", "# Gr\xfc\xdfe", "run.sh", ""},
	{"a character that is cut off is no UTF-8", "a", "", "x\xe2\x82", "", "byte 0xe2 at offset 1"},
	{"blank text is taken", "blank.md", "", " \n\t \n", "blank.md", ""},
	{"a byte order mark alone is taken", "bom.md", "", mark, "bom.md", ""},
	{"markup without text is taken", "markup.html", "", "<p></p><img src=x>", "markup.html", ""},
	{"one byte is enough", "x", "", "\xef", "", "byte 0xef at offset 0"},
}

func TestTheNameFollowsFromKeyAndContent(t *testing.T) {
	for _, in := range inputs {
		t.Run(in.sentence, func(t *testing.T) {
			for way, c := range map[string]Content{
				"in memory": Bytes([]byte(in.content)),
				"a byte at a time": Reopen(func() (io.ReadCloser, error) {
					return io.NopCloser(iotest.OneByteReader(strings.NewReader(in.content))), nil
				}),
			} {
				s, err := c.Summarize(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				name, err := NameFor(in.key, in.extension, s)
				if in.name == "" {
					if !errors.Is(err, fail.UnsupportedType) || !strings.Contains(err.Error(), in.fault) {
						t.Errorf("%s: %q, %v", way, name, err)
					}
					continue
				}
				stem, digest := strings.TrimSuffix(in.name, filepath.Ext(in.name)), ""
				if i := strings.LastIndexByte(stem, '-'); i >= 0 { // a digest follows
					stem, digest = stem[:i+1], "…"
				}
				if err != nil || !strings.HasPrefix(name, stem) || filepath.Ext(name) != filepath.Ext(in.name) || digest == "" && name != in.name {
					t.Errorf("%s: %q, %v", way, name, err)
				}
			}
		})
	}
}

// TestALongStringIsNotHeld measures the heap after one pass over a document that is one
// JSON string.
func TestALongStringIsNotHeld(t *testing.T) {
	is, size := is.New(t), race.Pick[int64](64<<20, 8<<20)
	c := Reopen(func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(`["`), io.LimitReader(letters{}, size), strings.NewReader(`"]`))), nil
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := c.Summarize(t.Context())
	runtime.ReadMemStats(&after)
	is.NoErr(err)
	is.True(s.form.json)
	is.True(after.TotalAlloc-before.TotalAlloc < uint64(size)/16)
}

type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestContentThatChangesWhileItIsReadIsRefused(t *testing.T) {
	is := is.New(t)
	file := filepath.Join(t.TempDir(), "a")
	c := Reopen(func() (io.ReadCloser, error) { return os.Open(file) })
	for _, later := range []string{"other", "longer", ""} {
		is.NoErr(os.WriteFile(file, []byte("first"), 0o600))
		s, err := c.Summarize(t.Context())
		is.NoErr(err)
		is.NoErr(os.WriteFile(file, []byte(later), 0o600))
		r, err := c.Open(t.Context(), s)
		is.NoErr(err)
		_, err = io.Copy(io.Discard, r)
		is.NoErr(r.Close())
		is.Equal(err, errContentChanged)
	}
}

// FuzzContent judges content that comes in pieces as it does the whole.
func FuzzContent(f *testing.F) {
	for _, in := range inputs {
		f.Add([]byte(in.content), 2)
	}
	for _, s := range []string{`{"a":[1,-0.5e+7,{},true,false,null,"\u00e9\n"]} `, `[1,]`, `[01]`, `[1.]`, `[-]`, `[1e]`, `{"a"}`, `{"a":1,}`, `[`, `[]x`, `["\x"]`, "[\"\n\"]", `[tru]`, `[1}`, ` [ ] `} {
		f.Add([]byte(s), 3)
	}
	f.Add([]byte("\x00000\xff"), 1) // a NUL, and then no text at all
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			t.Skip()
		}
		whole := formOf(data)
		one := make([][]byte, len(data))
		for i := range data {
			one[i] = data[i : i+1]
		}
		if pieces, bytes := formOf(data[:cut], data[cut:]), formOf(one...); pieces != whole || bytes != whole {
			t.Errorf("%q: %+v, in two pieces %+v, in bytes %+v", data, whole, pieces, bytes)
		}
		if bytes.HasPrefix(data, []byte(littleMark)) || bytes.HasPrefix(data, []byte(bigMark)) {
			return
		}
		if unmarked := strings.Contains(whole.fault, "without a byte order mark"); unmarked != unmarkedUTF16(data) ||
			!unmarked && (whole.encoding == utf8Text) != utf8.Valid(data) || whole.encoding == utf8Text && whole.nul != (bytes.IndexByte(data, 0) >= 0) {
			t.Errorf("%q: %+v", data, whole)
		}
		value := bytes.TrimPrefix(data, []byte(mark))
		first := bytes.TrimLeft(value, " \t\r\n")
		want := utf8.Valid(data) && json.Valid(value) && len(first) > 0 && (first[0] == '{' || first[0] == '[')
		if whole.json != want {
			t.Errorf("%q is JSON: %v", data, whole.json)
		}
	})
}

// unmarkedUTF16 reports whether a control character is in three quarters of the pairs
// at the beginning at one place, in fewer at the other, and is not always a tab or a line end.
func unmarkedUTF16(data []byte) bool {
	head := data[:min(len(data), headBytes)]
	var filled [2]bool
	var rare [2]bool
	for at := range 2 {
		n := 0
		for i := at; i < len(head); i += 2 {
			if head[i] < ' ' {
				n++
				rare[at] = rare[at] || !strings.ContainsRune("\t\n\r", rune(head[i]))
			}
		}
		filled[at] = 4*n >= 3*(len(head)/2)
	}
	return len(head) >= 4 && utf8.Valid(data) && (filled[0] && !filled[1] && rare[0] || filled[1] && !filled[0] && rare[1])
}

func formOf(pieces ...[]byte) form {
	s := newFormScanner()
	for _, p := range pieces {
		_, _ = s.Write(p)
	}
	return s.end()
}
