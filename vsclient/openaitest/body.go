package openaitest

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// meteredBody counts the bytes that are read from a request's body, and copies the first
// recordedBody of them for the record.
type meteredBody struct {
	io.ReadCloser
	n     int64
	copy  *bytes.Buffer
	ended bool // read to its end
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	b.ended = b.ended || err == io.EOF
	if b.copy != nil {
		if room := recordedBody - b.copy.Len(); room > 0 {
			b.copy.Write(p[:min(n, room)])
		}
	}
	return n, err
}

// bodyPause is how long a client may pause within a body.
const bodyPause = 30 * time.Second

// patientBody is a body whose reads each end within bodyPause.
type patientBody struct {
	io.ReadCloser
	conn  *http.ResponseController
	ended bool // read to its end, or failed
}

func (b *patientBody) Read(p []byte) (int, error) {
	b.limit()
	n, err := b.ReadCloser.Read(p)
	b.ended = err != nil
	if err == nil || err == io.EOF {
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}

// limit gives the next read bodyPause. That read can be one of net/http, which reads the
// rest of a body before it sends the reply. Without a connection there is no deadline.
func (b *patientBody) limit() {
	if !b.ended {
		_ = b.conn.SetReadDeadline(time.Now().Add(bodyPause))
	}
}
