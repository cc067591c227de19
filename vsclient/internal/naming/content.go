package naming

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// MaxFileSize is the largest document that OpenAI indexes, in bytes (API
// reference of POST /files: 512 MB).
const MaxFileSize = 512 << 20

// Content is the bytes of a document: something that can be opened again, since
// a request that failed is repeated. The zero Content is empty.
type Content struct {
	bytes []byte
	open  func() (io.ReadCloser, error)
}

// Bytes is content that is in memory.
func Bytes(b []byte) Content { return Content{bytes: b} }

// Reopen is content that open yields from its beginning, each time the same.
func Reopen(open func() (io.ReadCloser, error)) Content { return Content{open: open} }

// InMemory reports whether the content is held in memory, so that reading it takes
// no time.
func (c Content) InMemory() bool { return c.open == nil }

// Open opens the content at its beginning. Reading to the end fails when the bytes
// are not those of the summary.
func (c Content) Open(s Summary) (io.ReadCloser, error) {
	r, err := c.reader()
	if err != nil || c.open == nil {
		return r, err
	}
	return &sameReader{ReadCloser: r, hash: sha256.New(), want: s}, nil
}

// reader opens the content at its beginning.
func (c Content) reader() (io.ReadCloser, error) {
	if c.open == nil {
		return io.NopCloser(bytes.NewReader(c.bytes)), nil
	}
	r, err := c.open()
	if err != nil {
		return nil, fail.Because(fail.Content, err)
	}
	return r, nil
}

// Summary is the result of one pass over the content.
type Summary struct {
	Size   int64
	Digest [sha256.Size]byte
	Text   bool // valid UTF-8 without NUL
}

// Summarize reads the content once. It stops at the first byte over
// [MaxFileSize].
func (c Content) Summarize(ctx context.Context) (Summary, error) {
	if c.open == nil {
		s := Summary{Size: int64(len(c.bytes))}
		if err := checkSize(s.Size); err != nil {
			return s, err
		}
		s.Digest = sha256.Sum256(c.bytes)
		s.Text = utf8.Valid(c.bytes) && bytes.IndexByte(c.bytes, 0) < 0
		return s, nil
	}
	r, err := c.reader()
	if err != nil {
		return Summary{}, err
	}
	defer r.Close()
	digest, text := sha256.New(), textScanner{ok: true}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	size, err := io.CopyBuffer(io.MultiWriter(digest, &text), io.LimitReader(contextReader{ctx, r}, MaxFileSize+1), *buf)
	if cause := context.Cause(ctx); cause != nil {
		return Summary{}, cause
	}
	if err != nil {
		return Summary{}, fail.Because(fail.Content, err)
	}
	if err := checkSize(size); err != nil {
		return Summary{}, err
	}
	s := Summary{Size: size, Text: text.done()}
	digest.Sum(s.Digest[:0])
	return s, nil
}

// copyBuffers spare each small file a buffer of its own, many times its size.
var copyBuffers = sync.Pool{New: func() any {
	buf := make([]byte, 32<<10)
	return &buf
}}

func checkSize(size int64) error {
	switch {
	case size == 0:
		return fail.New(fail.Empty, "OpenAI refuses an empty file; delete the key instead, or give it content")
	case size > MaxFileSize:
		return fail.New(fail.TooLarge, "OpenAI takes at most %d bytes (512 MB) a file; split the document", MaxFileSize)
	}
	return nil
}

// IsJSON reports whether the content is one JSON object or array. A lone number,
// string or word is JSON as well, and also plain text, which it more likely is.
func (c Content) IsJSON() (bool, error) {
	r, err := c.reader()
	if err != nil {
		return false, err
	}
	defer r.Close()
	dec := json.NewDecoder(r)
	dec.UseNumber()
	depth := 0
	for first := true; first || depth > 0; first = false {
		t, err := dec.Token()
		if err != nil {
			return false, nil // what does not parse is not JSON, and reading it again for the upload reports a failing reader
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		default:
			if first {
				return false, nil
			}
		}
	}
	_, err = dec.Token()
	return errors.Is(err, io.EOF), nil
}

// textScanner checks that what is written to it is UTF-8 without NUL.
type textScanner struct {
	ok   bool
	rest []byte // an incomplete character at the end of the last write
}

func (t *textScanner) Write(p []byte) (int, error) {
	n := len(p)
	if !t.ok {
		return n, nil
	}
	for len(t.rest) > 0 && len(p) > 0 && !utf8.FullRune(t.rest) {
		t.rest, p = append(t.rest, p[0]), p[1:]
	}
	if len(t.rest) > 0 && utf8.FullRune(t.rest) {
		t.ok = utf8.Valid(t.rest)
		t.rest = t.rest[:0]
	}
	end := len(p)
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if utf8.RuneStart(p[len(p)-i]) {
			if !utf8.FullRune(p[len(p)-i:]) {
				end = len(p) - i
			}
			break
		}
	}
	t.ok = t.ok && utf8.Valid(p[:end]) && bytes.IndexByte(p[:end], 0) < 0
	t.rest = append(t.rest, p[end:]...)
	return n, nil
}

func (t *textScanner) done() bool { return t.ok && len(t.rest) == 0 }

// contextReader stops a long read when the caller gives up.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// sameReader fails at the end when what was read is not what was summarized.
type sameReader struct {
	io.ReadCloser
	hash hash.Hash
	want Summary
	n    int64
}

func (r *sameReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.n += int64(n)
	_, _ = r.hash.Write(p[:n])
	if r.n > r.want.Size || (errors.Is(err, io.EOF) && (r.n != r.want.Size || !bytes.Equal(r.hash.Sum(nil), r.want.Digest[:]))) {
		return n, errContentChanged
	}
	return n, err
}

var errContentChanged = errors.New("it changed while it was read; open must yield the same bytes each time")
