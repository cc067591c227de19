package worldtest

import (
	"fmt"
	"runtime"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Doc is a document of text.
func Doc(key, content string) vsclient.Document {
	return vsclient.Document{Key: key, Content: vsclient.Bytes([]byte(content))}
}

// With is the document with attributes.
func With(d vsclient.Document, a vsclient.Attributes) vsclient.Document {
	d.Attributes = a
	return d
}

// Numbered are n keys.
func Numbered(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("d-%04d.md", i))
	}
	return keys
}

// AttributesOf makes so many attributes, of all types in turn.
func AttributesOf(n int) vsclient.Attributes {
	attrs := make(vsclient.Attributes, n)
	for i := range n {
		attrs[fmt.Sprintf("a%02d", i)] = []any{"text", 12.5, true}[i%3]
	}
	return attrs
}

// Heap is the size of everything reachable, in bytes.
func Heap() uint64 {
	runtime.GC()
	runtime.GC() // frees also objects with finalizers, which the first has run
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
