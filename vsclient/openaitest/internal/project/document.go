package project

import (
	"encoding/binary"
	"path"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Extension returns the extension of a file name with its dot, in lower case.
func Extension(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if ext == "." {
		return ""
	}
	return ext
}

// document is the text of a File, or the reason why it cannot be parsed.
type document struct {
	text          string
	code, message string
	indexed       map[Chunking][]indexedChunk
}

const (
	UnsupportedContent = "The file type is not supported."
	invalidContent     = "The file could not be parsed because it is not valid."
	tooManyTokens      = "The file could not be parsed because it is too large."
)

// document returns the File's text. It parses the File once.
func (f *File) document() *document {
	if f.parsed == nil {
		f.parsed = parseDocument(f.Name, f.Kept, int64(len(f.Kept)) < f.Size)
	}
	return f.parsed
}

// textBytes returns the size of the File's text or, where no text is known, of the File.
func (f *File) textBytes() int64 {
	if n := int64(len(f.document().text)); n > 0 && int64(len(f.Kept)) == f.Size {
		return n
	}
	return f.Size
}

func parseDocument(name string, data []byte, truncated bool) *document {
	if len(data) == 0 {
		return &document{} // planted without content
	}
	switch Extension(name) {
	case ".pdf":
		return parsePDF(data)
	case ".docx", ".pptx":
		return parseOffice(data, truncated)
	case ".doc":
		return parseWord(data)
	}
	text, ok := decodeText(data, truncated)
	if !ok {
		return &document{code: "unsupported_file", message: UnsupportedContent}
	}
	if Extension(name) == ".html" {
		text = htmlText(text)
	}
	return &document{text: text}
}

// decodeText decodes UTF-8, or UTF-16 with a byte order mark. It reports whether data is
// valid.
func decodeText(data []byte, truncated bool) (string, bool) {
	var order binary.ByteOrder
	switch {
	case len(data) >= 2 && data[0] == 0xff && data[1] == 0xfe:
		order = binary.LittleEndian
	case len(data) >= 2 && data[0] == 0xfe && data[1] == 0xff:
		order = binary.BigEndian
	}
	if order != nil {
		units := make([]uint16, 0, len(data)/2)
		for i := 2; i+1 < len(data); i += 2 {
			units = append(units, order.Uint16(data[i:]))
		}
		return string(utf16.Decode(units)), len(data)%2 == 0 || truncated
	}
	if truncated {
		for i := 0; i < utf8.UTFMax-1 && len(data) > 0; i++ {
			if r, n := utf8.DecodeLastRune(data); r != utf8.RuneError || n > 1 {
				break
			}
			data = data[:len(data)-1]
		}
	}
	if !utf8.Valid(data) {
		return "", false
	}
	return strings.TrimPrefix(string(data), "\ufeff"), true
}

// Chunk is a piece of a document: its text, and the part of that text which is not in the
// chunk before.
type Chunk struct{ Text, Fresh string }

// bytesPerToken is the assumed length of a token.
const bytesPerToken = 4

// chunks cuts the text into chunks that begin and end between words.
func (d *document) chunks(ch Chunking) []Chunk {
	var all []Chunk
	text := d.text
	for start, covered := 0, 0; covered < len(text); {
		end := min(start+ch.Size*bytesPerToken, len(text))
		if end < len(text) {
			end = wordBreak(text, max(covered+1, end-end/8), end)
		}
		all = append(all, Chunk{text[start:end], text[covered:end]})
		covered = end
		next := wordBreak(text, start+1, max(start+1, end-ch.Overlap*bytesPerToken))
		start = min(next, covered)
	}
	return all
}

// wordBreak returns the last position in [least, most] that follows a space. Without
// one it returns the first position from most on that does not split a rune.
func wordBreak(text string, least, most int) int {
	for i := most; i >= least && i > 0; i-- {
		if r, _ := utf8.DecodeLastRuneInString(text[:i]); unicode.IsSpace(r) {
			return i
		}
	}
	for most < len(text) && !utf8.RuneStart(text[most]) {
		most++
	}
	return most
}

// Chunks returns the chunks of a completed file, in the order of its text.
func (f *StoreFile) Chunks() []Chunk {
	if f.Status != Completed {
		return nil
	}
	return f.File.document().chunks(f.Chunking)
}
