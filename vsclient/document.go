package vsclient

import (
	"fmt"
	"io"
	"os"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
)

// MaxFileSize is the largest document that OpenAI indexes, in bytes (API
// reference of POST /files: 512 MB).
const MaxFileSize = naming.MaxFileSize

// MaxAttributes is how many attributes of its own a document may have: 16
// less those that carry key, version and content.
const MaxAttributes = naming.MaxAttributes

// SupportedExtensions returns the file extensions that OpenAI indexes, each with
// its dot.
func SupportedExtensions() []string { return naming.Extensions() }

// Attributes are a document's own attributes: strings, booleans and numbers of
// any Go type, at most [MaxAttributes]. They can be searched by, and come back
// as they were given, numbers as float64. Names have at most 64 characters and
// do not begin with "vs_"; strings have at most 512 (OpenAI's guide says 256).
type Attributes map[string]any

// Chunking is how OpenAI cuts a document into chunks. The zero value is OpenAI's
// default ("auto": 800 tokens, 400 of them shared with the next chunk).
type Chunking struct {
	MaxTokens     int // 100 to 4,096
	OverlapTokens int // 0 to half of MaxTokens
}

func (c Chunking) String() string {
	if c == (Chunking{}) {
		return "auto"
	}
	return fmt.Sprintf("%d/%d", c.MaxTokens, c.OverlapTokens)
}

// Content is the bytes of a document: something that can be opened again, since
// a request that failed is repeated. The zero Content is empty.
type Content struct {
	is naming.Content
}

// Bytes is content that is in memory. The caller must not change b until the
// call that it is passed to has returned.
func Bytes(b []byte) Content { return Content{naming.Bytes(b)} }

// String is content that is in memory.
func String(s string) Content { return Bytes([]byte(s)) }

// File is the content of a file on disk. It is read twice, once for its digest
// and once for the upload, and never held in memory.
func File(path string) Content {
	return Reopen(func() (io.ReadCloser, error) { return os.Open(path) }) //nolint:gosec // the caller names it
}

// Reopen is content that open yields from its beginning, each time the same. It
// is opened once for its digest and once for each attempt at the upload, and
// never held in memory. A Put whose content changes in between fails with
// [ErrContent].
func Reopen(open func() (io.ReadCloser, error)) Content { return Content{naming.Reopen(open)} }
