package wire

import (
	"io"
	"strings"
	"testing"
	"time"
)

func BenchmarkMultipartBody(b *testing.B) {
	text := strings.Repeat("x", 1<<10)
	u := &Upload{
		Name: "travel.md", ContentType: "text/markdown", Size: int64(len(text)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
	_, dog := watch(b.Context(), time.Minute, 0)
	defer dog.release()
	b.ReportAllocs()
	for b.Loop() {
		body, err := u.body(dog)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPassAGate(b *testing.B) {
	g := NewGate(1 << 30)
	b.ReportAllocs()
	for b.Loop() {
		leave, err := g.Pass(b.Context(), 1)
		if err != nil {
			b.Fatal(err)
		}
		leave()
	}
}
