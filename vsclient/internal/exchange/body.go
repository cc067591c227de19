package exchange

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// Body is content of the caller's that is sent piece by piece. A transport may read on
// after it has returned, as where the server answers early. [Body.End] ends that: the
// caller may do with the content as it likes once its call has returned.
type Body struct {
	io.Reader
	content io.Closer
	read    func(io.Reader, []byte) (int, error) // reads a piece
	once    sync.Once

	closed atomic.Bool // a read that fails then says nothing of the content

	over atomic.Bool
	turn chan struct{} // is full during a read
	err  error         // why the content could not be read: a transport reports that as it likes
}

// readTime is how long [Body.End] waits for a read before it closes the content, and for
// the content to close.
const readTime = 2 * time.Second

// NewBody returns a body that reads from r, each piece with read, and closes the content
// once.
func NewBody(r io.Reader, content io.Closer, read func(io.Reader, []byte) (int, error)) *Body {
	return &Body{Reader: r, content: content, read: read, turn: make(chan struct{}, 1)}
}

var errOver = errors.New("the request is over")

func (b *Body) Read(p []byte) (int, error) {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	if b.over.Load() || b.closed.Load() {
		return 0, errOver
	}
	n, err := b.read(b.Reader, p)
	if err != nil && !errors.Is(err, io.EOF) && !b.closed.Load() {
		b.err = fail.Because(fail.Content, err)
		err = b.err
	}
	return n, err
}

// Close closes the content. It waits no longer than readTime for that.
func (b *Body) Close() (err error) {
	b.closed.Store(true)
	b.once.Do(func() {
		closed := make(chan error, 1)
		go func() { closed <- b.content.Close() }()
		select {
		case err = <-closed:
		case <-time.After(readTime):
		}
	})
	return err
}

// End waits for a read that is under way, has none follow, and closes the content. A read
// that takes long is cut by that, as far as the content can; one that does not return is
// left alone. End returns why the content could not be read; nil: it could, or was not asked
// for. A nil body has ended.
func (b *Body) End() error {
	if b == nil {
		return nil
	}
	b.over.Store(true)
	defer time.AfterFunc(readTime, func() { _ = b.Close() }).Stop()
	select {
	case b.turn <- struct{}{}:
	case <-time.After(2 * readTime):
		return nil
	}
	defer func() { <-b.turn }()
	_ = b.Close()
	return b.err
}
