// Package content reads the content of a document: its size, its digest and its shape, from
// which the name of its File follows. It holds none whole in memory.
package content

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
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
func (c Content) Open(ctx context.Context, s Summary) (io.ReadCloser, error) {
	if c.open == nil {
		return c.reader()
	}
	return within(ctx, func() (io.ReadCloser, error) {
		r, err := c.reader()
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil { // nobody may wait any more
			return nil, errors.Join(context.Cause(ctx), r.Close())
		}
		return &sameReader{ReadCloser: r, hash: sha256.New(), want: s}, nil
	})
}

// readTime is how long a call that has ended waits for a read of its content.
const readTime = 2 * time.Second

// within waits for a call of f. When ctx ends first, it waits for readTime more: content on
// a file system that does not answer holds nobody up.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	var (
		value  T
		err    = fail.New(fail.Content, "its reader called runtime.Goexit")
		thrown any
		done   = make(chan struct{})
	)
	go func() {
		defer close(done)
		defer func() { thrown = recover() }()
		value, err = f()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		case <-time.After(readTime):
			return *new(T), context.Cause(ctx)
		}
	}
	if thrown != nil {
		panic(thrown) // it is the caller's own
	}
	return value, err
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
	if r == nil {
		return nil, fail.New(fail.Content, "the function that opens it returned neither a reader nor an error")
	}
	return &soundReader{ReadCloser: r}, nil
}

// Summary is the result of one pass over the content.
type Summary struct {
	Size   int64
	Digest [sha256.Size]byte
	form   form
}

// Summarize reads the content once, piece by piece. It stops at the first byte over
// [MaxFileSize].
func (c Content) Summarize(ctx context.Context) (Summary, error) {
	if size := int64(len(c.bytes)); c.open == nil && (size == 0 || size > MaxFileSize) {
		return Summary{}, checkSize(size)
	}
	if c.open == nil {
		return c.summarize(ctx)
	}
	return within(ctx, func() (Summary, error) { return c.summarize(ctx) })
}

func (c Content) summarize(ctx context.Context) (Summary, error) {
	r, err := c.reader()
	if err != nil {
		return Summary{}, err
	}
	defer r.Close()
	digest, form := sha256.New(), newFormScanner()
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	from := struct{ io.Reader }{io.LimitReader(contextReader{ctx, r}, MaxFileSize+1)} // without WriterTo: in pieces
	size, err := io.CopyBuffer(io.MultiWriter(digest, form), from, *buf)
	if cause := context.Cause(ctx); cause != nil {
		return Summary{}, cause
	}
	if err != nil {
		return Summary{}, fail.Because(fail.Content, err)
	}
	if err := checkSize(size); err != nil {
		return Summary{}, err
	}
	s := Summary{Size: size, form: form.end()}
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

// NameFor returns the name under which the content of a key is uploaded. extension is
// for a key that has none that OpenAI indexes; "" means by content: ".pdf" for a PDF, ".json"
// for a JSON object or array, ".txt" for other text, and ".html" for text whose key ends in ".htm".
//
// Text has to be UTF-8, or UTF-16 with a byte order mark (guide "Retrieval", supported
// files). Text without words is accepted, such as white space or bare markup, so that a page
// that was blanked is no longer found with its old text.
func NameFor(key, extension string, s Summary) (string, error) {
	base, ext := naming.FileName(key)
	if ext == "" {
		ext = strings.ToLower(extension)
	}
	const remedy = "; if it is not text, give the key an extension that OpenAI indexes, or set the document's Extension"
	f := s.form
	switch {
	case ext != "" && f.encoding == binary && isText(ext):
		return "", fail.New(fail.UnsupportedType, "OpenAI takes %s in UTF-8, or in UTF-16 with a byte order mark, and this is neither: %s; convert it to UTF-8", ext, f.fault)
	case ext != "":
	case f.pdf:
		ext = naming.ExtPDF
	case f.encoding == binary:
		return "", fail.New(fail.UnsupportedType, "the content is neither UTF-8 nor UTF-16 with a byte order mark: %s; if it is text, convert it to UTF-8%s", f.fault, remedy)
	case f.nul:
		return "", fail.New(fail.UnsupportedType, "the content holds a NUL, which text does not; if it is text, remove the NUL%s", remedy)
	case strings.EqualFold(path.Ext(key), ".htm"):
		ext = naming.ExtHTML
	case f.json:
		ext = naming.ExtJSON
	default:
		ext = naming.ExtText
	}
	return base + ext, nil
}

// isText reports whether OpenAI reads files of the extension as text, so that their
// encoding matters. Of scripts and TypeScript, which it does not call text, this is
// not known.
func isText(ext string) bool {
	t := naming.ContentType("x" + ext)
	return strings.HasPrefix(t, "text/") || t == "application/json"
}

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

// soundReader fails where a reader breaks the contract of [io.Reader], for which io.Copy
// and net/http would read on for ever or panic.
type soundReader struct {
	io.ReadCloser
	empty int // reads without a byte, one after another
}

// maxEmpty is how many reads may yield nothing, as in package bufio.
const maxEmpty = 100

func (r *soundReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if n < 0 || n > len(p) {
		return 0, fmt.Errorf("its reader reports %d bytes read into a buffer of %d", n, len(p))
	}
	if r.empty++; n > 0 || err != nil || len(p) == 0 {
		r.empty = 0
	}
	if r.empty >= maxEmpty {
		return 0, io.ErrNoProgress
	}
	return n, err
}

// sameReader fails at the end when the bytes that were read are not those that were
// summarized.
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

var errContentChanged = errors.New("it changed while it was read; it must have the same bytes at each reading")
