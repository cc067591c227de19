package wire

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
)

func BenchmarkMultipartBody(b *testing.B) {
	text := strings.Repeat("x", 1<<10)
	u := &Upload{
		Name: "travel.md", ContentType: "text/markdown", Size: int64(len(text)),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}
	b.ReportAllocs()
	for b.Loop() {
		body, err := u.body(b.Context(), defaultPurpose, io.Reader.Read)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			b.Fatal(err)
		}
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
		if err := reply.NewJudge("key", &url.URL{}).Decode(strings.NewReader(text.String()), maxFiles, &p); err != nil || len(p.Data) != FilesPage {
			b.Fatal(err)
		}
	}
}
