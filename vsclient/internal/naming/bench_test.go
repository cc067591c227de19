package naming

import (
	"strings"
	"testing"
)

// The parts that run once a document, or once a File that a listing shows.

var benchAttributes = map[string]any{"collection": "handbook", "lang": "en", "pages": 12.0, "draft": false}

func benchIdentity() Identity {
	return Identity{
		Key: "handbook/travel.md", Digest: DigestOf("handbook/travel.md"), Version: 1_700_000_000_000_000,
		Source: Source{SHA256: strings.Repeat("0123456789abcdef", 4), Size: 4096, Chunking: "auto"}, Own: benchAttributes,
	}
}

func BenchmarkFileNameOfAKey(b *testing.B) {
	for name, key := range map[string]string{"kept": "travel.md", "made": `{"id": 42, "table": "users/eu"}`} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				FileName(key)
			}
		})
	}
}

func BenchmarkEncodeAttributes(b *testing.B) {
	id := benchIdentity()
	b.ReportAllocs()
	for b.Loop() {
		id.Encode()
	}
}

func BenchmarkDecodeAttributes(b *testing.B) {
	all := benchIdentity().Encode()
	b.ReportAllocs()
	for b.Loop() {
		Decode(all)
	}
}

func BenchmarkNormalizeAttributes(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Normalize("travel.md", benchAttributes); err != nil {
			b.Fatal(err)
		}
	}
}
