package wire

import (
	"fmt"
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
		body, err := u.body(DefaultPurpose, dog)
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

func BenchmarkReadAPageOfFiles(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"object":"list","data":[`)
	for i := range FilesPage {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"id":"file-%022d","object":"file","bytes":1024,"created_at":1700000000,"expires_at":null,"filename":"chapter-%06d.md","purpose":"assistants","status":"processed","status_details":null}`, i, i)
	}
	text.WriteString(`],"first_id":"a","last_id":"b","has_more":false}`)
	b.ReportAllocs()
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		var p Page[File]
		if err := decode(strings.NewReader(text.String()), maxFiles, &p); err != nil || len(p.Data) != FilesPage {
			b.Fatal(err)
		}
	}
}
