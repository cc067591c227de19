package openaitest_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/matryer/is"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func zipped(files map[string]string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(w, content)
		}
		if err != nil {
			panic(err) // a bytes.Buffer takes everything
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

func deflated(s string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	if _, err := io.WriteString(z, s); err != nil {
		panic(err)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

func pdf(dict, stream string) string {
	return fmt.Sprintf("%%PDF-1.4\n1 0 obj\n<< /Length %d %s >>\nstream\n%s\nendstream\nendobj\n", len(stream), dict, stream)
}

func TestTheTextOfADocumentIsParsedOut(t *testing.T) {
	for _, tt := range []struct {
		name, file, content string
		text                string
		code                string // when indexing fails
	}{
		{name: "UTF-8", file: "a.txt", content: "naïve ☃", text: "naïve ☃"},
		{name: "UTF-8 with a byte order mark", file: "a.txt", content: "\ufeffhello", text: "hello"},
		{name: "UTF-16 little endian", file: "a.txt", content: "\xff\xfeh\x00i\x00", text: "hi"},
		{name: "UTF-16 big endian", file: "a.txt", content: "\xfe\xff\x00h\x00i", text: "hi"},
		{name: "UTF-16 cut in a unit", file: "a.txt", content: "\xfe\xff\x00h\x00", code: "unsupported_file"},
		{name: "bytes that are not text", file: "a.md", content: "\xff\xd8\xff", code: "unsupported_file"},
		{name: "HTML", file: "a.html", content: "<html><style>p{}</style><h1>Cats</h1><!-- no --><p>sleep &amp; eat</p></html>", text: "Cats\nsleep & eat"},
		{name: "HTML with a script that does not end", file: "a.html", content: "<h1>Cats</h1><script>eat()<p>Dogs</p>", text: "Cats"},
		{name: "HTML with a comment that does not end", file: "a.html", content: "<h1>Cats</h1><!-- no <p>Dogs</p>", text: "Cats"},
		{name: "HTML with many scripts that do not end", file: "a.html", content: "<h1>Cats</h1>" + strings.Repeat("<script <!---->", 1<<18), text: "Cats"},
		{name: "Word", file: "a.docx", content: zipped(map[string]string{"word/document.xml": `<w:document xmlns:w="x"><w:p><w:r><w:t>Cats</w:t></w:r><w:r><w:t> sleep</w:t></w:r></w:p><w:p><w:t>Dogs</w:t></w:p></w:document>`}), text: "Cats sleep\nDogs"},
		{name: "slides in their order", file: "a.pptx", content: zipped(map[string]string{"ppt/slides/slide10.xml": `<p><a:p xmlns:a="x"><a:t>ten</a:t></a:p></p>`, "ppt/slides/slide2.xml": `<p><a:p xmlns:a="x"><a:t>two</a:t></a:p></p>`}), text: "two\n\nten"},
		{name: "a zip without a document", file: "a.docx", content: zipped(map[string]string{"x": "y"}), code: "invalid_file"},
		{name: "a document that is not XML", file: "a.docx", content: zipped(map[string]string{"word/document.xml": "<w:p>"}), code: "invalid_file"},
		{name: "old Word", file: "a.doc", content: "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest"},
		{name: "old Word that is not", file: "a.doc", content: "{\\rtf1}", code: "invalid_file"},
		{name: "PDF", file: "a.pdf", content: pdf("", `BT /F1 12 Tf (Cats \(big\)) Tj 0 -14 Td [(sle) -20 (ep)] TJ <20616C6C> Tj ET`), text: "Cats (big)\nsleep all"},
		{name: "PDF with parentheses in a string", file: "a.pdf", content: pdf("", `BT (Cats (big (grey))) Tj ET`), text: "Cats (big (grey))"},
		{name: "PDF with a string that does not end", file: "a.pdf", content: pdf("", `BT (Cats) Tj (Dogs \) Tj ET`), text: "Cats"},
		{name: "PDF with an image and a comment", file: "a.pdf", content: pdf("", "BI /W 1 ID (\xff( EI\nBT % (no\n(Cats) Tj <4 1> Tj << (no) >> BDC ET"), text: "CatsA"},
		{name: "PDF with deflated streams", file: "a.pdf", content: pdf("/Filter /FlateDecode", deflated(`BT (caf\351) Tj ET`)), text: "café"},
		{name: "PDF that is not", file: "a.pdf", content: "PDF", code: "invalid_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			s := openaitest.New(openaitest.Config{})
			c, ctx := sdk(s), t.Context()
			vs := s.NewVectorStore("docs")
			id := s.AddFile(openaitest.NewFile{Name: tt.file, Content: []byte(tt.content)})
			sf, err := c.VectorStores.Files.New(ctx, vs, openai.VectorStoreFileNewParams{FileID: id})
			is.NoErr(err)
			is.Equal(sf.LastError.Code, tt.code)
			page, err := c.VectorStores.Files.Content(ctx, vs, id)
			is.NoErr(err)
			var text strings.Builder
			for _, part := range page.Data {
				text.WriteString(part.Text)
			}
			is.Equal(text.String(), tt.text)
		})
	}
}

func TestTextThatIsKeptInPartMayEndInsideARune(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{KeepBytes: 5})
	c := sdk(s)
	vs := s.NewVectorStore("docs")
	f, err := c.Files.New(t.Context(), newFile("a.txt", "abc☃☃"))
	is.NoErr(err)
	sf, err := c.VectorStores.Files.New(t.Context(), vs, openai.VectorStoreFileNewParams{FileID: f.ID})
	is.NoErr(err)
	is.Equal(sf.Status, openai.VectorStoreFileStatusCompleted)
	page, err := c.VectorStores.Files.Content(t.Context(), vs, f.ID)
	is.NoErr(err)
	is.Equal(page.Data[0].Text, "abc")
}

func FuzzChunksCoverTheTextOnce(f *testing.F) {
	f.Add(strings.Repeat("word ", 500), 100, 50)
	f.Add(strings.Repeat("☃", 900), 100, 0)
	f.Fuzz(func(t *testing.T, text string, size, overlap int) {
		if len(text) == 0 || !utf8.ValidString(text) || strings.HasPrefix(text, "\ufeff") || size < 100 || size > 4096 || overlap < 0 || overlap > size/2 {
			t.Skip()
		}
		s := openaitest.New(openaitest.Config{})
		c := sdk(s)
		vs := s.NewVectorStore("docs")
		id := s.AddFile(openaitest.NewFile{Name: "a.txt", Content: []byte(text)})
		_, err := c.VectorStores.Files.New(t.Context(), vs, openai.VectorStoreFileNewParams{
			FileID: id,
			ChunkingStrategy: openai.FileChunkingStrategyParamOfStatic(openai.StaticFileChunkingStrategyParam{
				MaxChunkSizeTokens: int64(size), ChunkOverlapTokens: int64(overlap),
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		page, err := c.VectorStores.Files.Content(t.Context(), vs, id)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, part := range page.Data {
			if !utf8.ValidString(part.Text) || len(part.Text) > 4*size+utf8.UTFMax {
				t.Fatalf("a chunk of %d bytes: %q", len(part.Text), part.Text)
			}
			got += part.Text
		}
		if got != text {
			t.Fatalf("got %q, want %q", got, text)
		}
	})
}

func TestASearchFindsTheDocumentThatAnswersTheQuestion(t *testing.T) {
	s := openaitest.New(openaitest.Config{})
	c := sdk(s)
	vs := s.NewVectorStore("docs")
	for name, text := range map[string]string{
		"france.md":       "The capital of France is Paris, on the Seine.",
		"germany.md":      "The capital of Germany is Berlin, on the Spree.",
		"recipes/tart.md": "For a French apple tart you need apples, butter and flour.",
		"returns.md":      "You may return goods within 30 days. Refunds are paid within a week.",
		"日本.md":           "東京は日本の首都です。",
		"opening.txt":     "The shop opens at nine and closes at six, Sundays excepted.",
	} {
		s.AddStoreFile(vs, s.AddFile(openaitest.NewFile{Name: name, Content: []byte(text)}), nil)
	}
	for question, want := range map[string]string{
		"What is the capital of France?":              "france.md",
		"which capital lies on the Spree":             "germany.md",
		"How many apples do I need?":                  "recipes/tart.md",
		"When does the shop open on Sundays":          "opening.txt",
		"how do I get a refund":                       "returns.md",
		"日本の首都":                                       "日本.md",
		"recipes":                                     "recipes/tart.md",
		"Can goods be returned after more than a day": "returns.md",
	} {
		page, err := c.VectorStores.Search(t.Context(), vs, openai.VectorStoreSearchParams{
			Query: openai.VectorStoreSearchParamsQueryUnion{OfString: param.NewOpt(question)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := page.Data[0]; got.Filename != want {
			t.Errorf("%s: found %s with %v, want %s", question, got.Filename, got.Score, want)
		}
	}
}

// The time to read a PDF grows with its size alone. By squares, each of these would take
// hours, or minutes with the race detector.
func TestAPDFThatEndsNothingIsReadAtOnce(t *testing.T) {
	t.Parallel()
	n := race.Pick(1<<19, 1<<16)
	for name, stream := range map[string]string{
		"arrays":          "BT " + strings.Repeat("[(aaaa) Tj ", min(n, 200_000)) + "ET",
		"strings":         "BT (aaaa) Tj (" + strings.Repeat(`\(a `, n) + "ET",
		"nested strings":  "BT (aaaa) Tj " + strings.Repeat("(a ", n) + "ET",
		"hex strings":     "BT (aaaa) Tj " + strings.Repeat("<61 ", n) + "ET",
		"one hex string":  "BT (aaaa) Tj <" + strings.Repeat("61", n) + "ET",
		"images":          "BT (aaaa) Tj " + strings.Repeat("ID a ", n) + "ET",
		"comments":        "BT (aaaa) Tj " + strings.Repeat("% a ", n) + "ET",
		"dictionaries":    "BT (aaaa) Tj " + strings.Repeat("<<a ", n) + "ET",
		"escaped strings": "BT (aaaa) Tj " + strings.Repeat(`(\`, n) + "ET",
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			s := openaitest.New(openaitest.Config{})
			defer s.Close()
			vs := s.NewVectorStore("docs")
			id := s.AddFile(openaitest.NewFile{Name: "a.pdf", Content: []byte(pdf("/Filter /FlateDecode", deflated(stream)))})
			s.AddStoreFile(vs, id, nil)
			c := sdk(s)
			page, err := c.VectorStores.Files.Content(t.Context(), vs, id)
			is.NoErr(err)
			is.True(strings.Contains(page.Data[0].Text, "aaaa"))
		})
	}
}
