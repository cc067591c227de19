package vsclient

import (
	"io"
	"os"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/content"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
)

// Limits of a document.
const (
	// MaxFileSize is the largest content, in bytes (API reference of POST /files: 512 MB).
	MaxFileSize = content.MaxFileSize
	// MaxKeyBytes is the longest key, in bytes of UTF-8.
	MaxKeyBytes = naming.MaxKeyBytes
	// MaxAttributes is how many attributes of its own a document may have: OpenAI
	// allows 16, of which version, content and up to 256 bytes of the key take three. A
	// longer key takes another for each 256 bytes.
	MaxAttributes = naming.MaxAttributes
)

// Document is content with its key, attributes and chunking.
type Document struct {
	// Key is the caller's name for the document: UTF-8 text of 1 to [MaxKeyBytes] bytes. Where
	// it can be a file name with an extension that OpenAI indexes, it is the name of the File.
	Key        string
	Content    Content
	Attributes Attributes
	Chunking   Chunking
	// Extension, such as ".md", is for a key without an indexed extension. "" means
	// Config.FileExtension. Where that is "" too, the content decides: it is ".pdf", ".json",
	// ".html" (of a key that ends in ".htm") or ".txt".
	Extension string
}

// Attributes are a document's own attributes: strings, booleans and numbers of any Go
// type, at most [MaxAttributes]. They can be searched by, and come back as they were
// given, numbers as float64. Names have at most 64 characters and do not begin with
// "vs_"; strings have at most 512 characters (API reference; OpenAI's guide says 256).
type Attributes map[string]any

// Chunking is the chunking strategy of a document. The zero value is OpenAI's default
// ("auto": 800 tokens, 400 of them shared with the next chunk).
type Chunking struct {
	MaxTokens     int // 100 to 4,096
	OverlapTokens int // 0 to half of MaxTokens
}

// String returns "auto" for the zero value, and else the two sizes, such as "800/400".
func (c Chunking) String() string { return naming.Chunking(c).String() }

// Content is the bytes of a document: something that can be opened again, since a
// request that failed is repeated. The zero Content is empty.
type Content struct{ is content.Content }

// Bytes is content that is in memory. The caller must not change b until the call
// that it is passed to has returned.
func Bytes(b []byte) Content { return Content{content.Bytes(b)} }

// Path is the content of a file on disk. It is read twice, once for its digest and
// once for the upload, and never held in memory.
func Path(path string) Content {
	return Open(func() (io.ReadCloser, error) { return os.Open(path) }) //nolint:gosec // the caller names it
}

// Open is content that open yields from its beginning, each time the same: once for its digest
// and once for each attempt at the upload. It is never held in memory. If it changes in between,
// or gives nothing for Config.RequestTimeout during the upload, Put fails with [ErrContent]. A
// call whose context has ended waits a few seconds for open and Read to return. If they take
// longer, they must be able to go on after the call.
func Open(open func() (io.ReadCloser, error)) Content { return Content{content.Reopen(open)} }

// Extensions returns the file extensions that OpenAI indexes, each with its dot
// (OpenAI's guide "Retrieval").
func Extensions() []string { return naming.Extensions() }
