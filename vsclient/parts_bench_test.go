package vsclient

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// The parts that run once a document, or once a File that a listing shows.

var benchAttributes = Attributes{"collection": "handbook", "lang": "en", "pages": 12.0, "draft": false}

func benchIdentity() naming.Identity {
	return naming.Identity{
		Key: "handbook/travel.md", Digest: naming.DigestOf("handbook/travel.md"), Version: 1_700_000_000_000_000,
		Source: naming.Source{SHA256: strings.Repeat("0123456789abcdef", 4), Size: 4096, Chunking: "auto"}, Own: benchAttributes,
	}
}

func BenchmarkReadContent(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		text := strings.Repeat("All work and no play makes a dull day.\n", size/39+1)[:size]
		for name, content := range map[string]Content{
			"in memory": String(text),
			"streamed":  Reopen(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }),
		} {
			b.Run(fmt.Sprintf("%d bytes %s", size, name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					v := version{key: "travel.md", content: content}
					if err := v.read(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkCatalog(b *testing.B) {
	c, err := New(Config{APIKey: "sk-bench", VectorStoreID: "vs_1"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	const n = 100_000
	files, shown, keys := make([]wire.File, n), make([]wire.StoreFile, n), make([]string, n)
	size := int64(1024)
	for i := range n {
		id := benchIdentity()
		id.Key = fmt.Sprintf("chapter-%06d.md", i)
		id.Digest = naming.DigestOf(id.Key)
		keys[i] = id.Key
		files[i] = wire.File{ID: fmt.Sprintf("file-%022d", i), Bytes: &size, CreatedAt: 1_700_000_000, Filename: id.Key}
		shown[i] = wire.StoreFile{ID: files[i].ID, Status: wire.Completed, Attributes: id.Encode()}
	}
	fill := func() *catalog {
		k := newCatalog(c)
		for _, f := range files {
			k.add(f)
		}
		return k
	}
	b.Run("take in a File", func(b *testing.B) {
		b.ReportAllocs()
		k, i := newCatalog(c), 0
		for b.Loop() {
			if i == n {
				k, i = newCatalog(c), 0
			}
			k.add(files[i])
			i++
		}
	})
	b.Run("take in a store file", func(b *testing.B) {
		k, i := fill(), 0
		b.ReportAllocs()
		for b.Loop() {
			k.place(shown[i%n], 2)
			i++
		}
	})
	b.Run("find what a key holds", func(b *testing.B) {
		k, i := fill(), 0
		for _, s := range shown {
			k.place(s, 2)
		}
		k.refreshed = time.Now().Add(time.Hour)
		b.ReportAllocs()
		for b.Loop() {
			have, _, err := k.holdings(b.Context(), keys[i%n])
			if err != nil || len(have) != 1 {
				b.Fatal(have, err)
			}
			i++
		}
	})
}
