package vsclient

import (
	"net/http"
	"time"
)

// What the fuzz tests need of the mapping between keys and names, and of what is
// parsed.

// FileName maps a key to the base of its File's name and the extension, which is ""
// where the key has none that OpenAI indexes.
func FileName(key string) (base, ext string) {
	base, i := fileName(key)
	if i != noExtension {
		ext = indexedExtensions[i].ext
	}
	return base, ext
}

// Identity is what the reserved attributes of a store file say.
type Identity struct {
	Ours     bool
	Key      string
	Digest   [32]byte
	Version  int64
	SHA256   string
	Size     int64
	Chunking string
	Replaces []string
	Own      Attributes
}

// Encode writes the attributes of a store file.
func (i Identity) Encode() map[string]any {
	return identity{
		key: i.Key, digest: digestKey(i.Key), version: i.Version, own: i.Own,
		source: source{sha256: i.SHA256, size: i.Size, chunking: i.Chunking, replaces: i.Replaces},
	}.encode()
}

// Decode reads the attributes of a store file.
func Decode(all map[string]any) Identity {
	id := decode(all)
	return Identity{
		Ours: id.ours, Key: id.key, Digest: id.digest, Version: id.version, SHA256: id.source.sha256, Size: id.source.size,
		Chunking: id.source.chunking, Replaces: id.source.replaces, Own: id.own,
	}
}

// Marked reports whether any reserved attribute is there.
func Marked(all map[string]any) bool { return marked(all) }

// ParseChunking reads what Chunking.String has written.
func ParseChunking(s string) Chunking { return parseChunking(s) }

// RetryAfter reads how long a server asks to wait.
func RetryAfter(h http.Header, now time.Time) time.Duration { return retryAfter(h, now) }

// PollAfter reads how long a server asks to wait before the next look.
func PollAfter(h http.Header) time.Duration { return pollAfter(h) }

// KindOfRefusal tells apart what OpenAI answers with a 400.
func KindOfRefusal(code, message string) error { return kindOfRefusal(code, message) }

// IsText reports whether content that comes in these pieces is taken for text.
func IsText(pieces ...[]byte) bool {
	t := textScanner{ok: true}
	for _, p := range pieces {
		_, _ = t.Write(p)
	}
	return t.done()
}

// IsJSON reports whether content is taken for JSON.
func IsJSON(c Content) bool {
	ok, err := c.isJSON()
	return ok && err == nil
}
