package project

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxUnpacked is the most bytes that are unpacked from all parts of a compressed file,
// because the server is locked meanwhile. Any further text is not found.
const maxUnpacked = 8 << 20

var (
	htmlHidden = regexp.MustCompile(`(?i)<(script|style)\b|<!--`)
	htmlScript = regexp.MustCompile(`(?i)</(script|style)\s*>`)
	htmlBlock  = regexp.MustCompile(`(?i)</?(p|div|br|li|ul|ol|h[1-6]|tr|table|section|article|title)\b[^>]*>`)
	htmlTag    = regexp.MustCompile(`<[^>]*>`)
	blankLines = regexp.MustCompile(`\s*\n\s*`)
)

// htmlText returns the text of a page as a browser would show it.
func htmlText(page string) string {
	page = visibleHTML(page)
	page = htmlBlock.ReplaceAllString(page, "\n")
	page = html.UnescapeString(htmlTag.ReplaceAllString(page, ""))
	return strings.TrimSpace(blankLines.ReplaceAllString(page, "\n"))
}

// visibleHTML returns the page without scripts, styles and comments. One that does not end
// hides the rest of the page.
func visibleHTML(page string) string {
	var visible strings.Builder
	for {
		begin := htmlHidden.FindStringIndex(page)
		if begin == nil {
			visible.WriteString(page)
			return visible.String()
		}
		visible.WriteString(page[:begin[0]])
		hidden, length := page[begin[0]:], 0
		if strings.HasPrefix(hidden, "<!--") {
			if i := strings.Index(hidden, "-->"); i >= 0 {
				length = i + len("-->")
			}
		} else if end := htmlScript.FindStringIndex(hidden); end != nil {
			length = end[1]
		}
		if length == 0 {
			return visible.String()
		}
		page = hidden[length:]
	}
}

// parseWord accepts the old Word format. It extracts no text.
func parseWord(data []byte) *document {
	if !bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")) {
		return &document{code: "invalid_file", message: invalidContent}
	}
	return &document{}
}

var slideName = regexp.MustCompile(`^ppt/slides/slide(\d+)\.xml$`)

// parseOffice reads the paragraphs of a docx, or of a pptx in order of its slides.
func parseOffice(data []byte, truncated bool) *document {
	invalid := &document{code: "invalid_file", message: invalidContent}
	if truncated { // the directory of a zip is at its end
		return &document{}
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return invalid
	}
	type part struct {
		number int
		file   *zip.File
	}
	var parts []part
	for _, f := range z.File {
		if f.Name == "word/document.xml" {
			parts = append(parts, part{0, f})
		} else if m := slideName.FindStringSubmatch(f.Name); m != nil {
			n, _ := strconv.Atoi(m[1])
			parts = append(parts, part{n, f})
		}
	}
	if len(parts) == 0 {
		return invalid
	}
	slices.SortFunc(parts, func(a, b part) int { return a.number - b.number })
	var text strings.Builder
	unpacked := &io.LimitedReader{N: maxUnpacked}
	for _, p := range parts {
		r, err := p.file.Open()
		if err != nil {
			return invalid
		}
		unpacked.R = r
		err = paragraphs(&text, unpacked)
		r.Close()
		if unpacked.N == 0 {
			break
		}
		if err != nil {
			return invalid
		}
	}
	return &document{text: strings.TrimSpace(text.String())}
}

// paragraphs writes the text runs of WordprocessingML and DrawingML, which
// both call a run t and a paragraph p.
func paragraphs(w *strings.Builder, r io.Reader) error {
	dec := xml.NewDecoder(r)
	inRun := false
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			inRun = t.Name.Local == "t"
			if t.Name.Local == "tab" {
				w.WriteByte('\t')
			}
		case xml.EndElement:
			inRun = false
			if t.Name.Local == "p" {
				w.WriteByte('\n')
			}
		case xml.CharData:
			if inRun {
				w.Write(t)
			}
		}
	}
}

var (
	pdfStream = regexp.MustCompile(`(?s)<<(.*?)>>\s*stream\r?\n(.*?)\r?\n?endstream`)
	pdfEscape = regexp.MustCompile(`(?s)\\([0-7]{1,3}|.)`)
)

// parsePDF reads text in fonts of a standard encoding, from plain and Flate streams. In
// other PDFs it finds no text.
func parsePDF(data []byte) *document {
	if !bytes.HasPrefix(bytes.TrimLeft(data, "\x00\t\n\f\r "), []byte("%PDF-")) {
		return &document{code: "invalid_file", message: invalidContent}
	}
	var text strings.Builder
	unpacked := &io.LimitedReader{N: maxUnpacked}
	for _, m := range pdfStream.FindAllSubmatch(data, -1) {
		content := m[2]
		if bytes.Contains(m[1], []byte("/FlateDecode")) {
			z, err := zlib.NewReader(bytes.NewReader(content))
			if err != nil {
				continue
			}
			unpacked.R = z
			content, _ = io.ReadAll(unpacked)
		}
		if !bytes.Contains(content, []byte("BT")) {
			continue
		}
		showPDF(&text, content)
	}
	return &document{text: strings.TrimSpace(blankLines.ReplaceAllString(text.String(), "\n"))}
}

const (
	pdfLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*"
	pdfHex     = "0123456789abcdefABCDEF \t\r\n\f\x00"
)

// showPDF writes the strings that a content stream shows, and a line break where it moves to
// another line. The operands stand before their operator.
func showPDF(w *strings.Builder, content []byte) {
	var operands [][]byte
	for len(content) > 0 {
		n := pdfToken(content)
		token := content[:n]
		content = content[n:]
		if token[0] == '(' || token[0] == '<' && n > 1 {
			operands = append(operands, token)
			continue
		}
		switch string(token) {
		case "Tj", "TJ", "'", `"`:
			for _, s := range operands {
				w.WriteString(pdfText(s))
			}
		case "T*", "Td", "TD", "ET":
			w.WriteByte('\n')
		case "ID": // the bytes of an image
			_, content, _ = bytes.Cut(content, []byte("EI"))
		default:
			if strings.IndexByte(pdfLetters, token[0]) < 0 {
				continue // it is no operator
			}
		}
		operands = operands[:0]
	}
}

// pdfToken returns the length of the token at the beginning of a content stream. No byte is
// looked at more than twice, because the server is locked meanwhile: a string that does not
// end is the rest of the stream.
func pdfToken(s []byte) int {
	switch {
	case s[0] == '(':
		return pdfString(s)
	case s[0] == '<':
		if rest := bytes.TrimLeft(s[1:], pdfHex); len(rest) > 0 && rest[0] == '>' {
			return len(s) - len(rest) + 1
		}
	case s[0] == '%': // a comment
		if n := bytes.IndexAny(s, "\r\n"); n > 0 {
			return n
		}
		return len(s)
	case strings.IndexByte(pdfLetters, s[0]) >= 0:
		return len(s) - len(bytes.TrimLeft(s, pdfLetters))
	}
	return 1
}

// pdfString returns the length of the string at the beginning of s. Its parentheses are
// balanced or escaped.
func pdfString(s []byte) int {
	open := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			open++
		case ')':
			if open--; open == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

func pdfText(s []byte) string {
	var raw []byte
	if s[0] == '<' {
		raw, _ = hex.DecodeString(strings.Join(strings.Fields(string(s[1:len(s)-1])), ""))
	} else {
		raw = pdfEscape.ReplaceAllFunc(s[1:len(s)-1], func(e []byte) []byte {
			switch e[1] {
			case 'n', 'r':
				return []byte{'\n'}
			case 't':
				return []byte{'\t'}
			case 'b', 'f', '\n', '\r':
				return nil
			}
			if n, err := strconv.ParseUint(string(e[1:]), 8, 8); err == nil {
				return []byte{byte(n)}
			}
			return e[1:]
		})
	}
	latin := make([]rune, len(raw))
	for i, b := range raw {
		latin[i] = rune(b)
	}
	return string(latin)
}
