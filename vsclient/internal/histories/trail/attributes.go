package trail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// AttrsText is equal for equal attributes: numbers of all types are float64.
func AttrsText(attrs map[string]any) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		v := attrs[name]
		switch n := v.(type) {
		case int:
			v = float64(n)
		case json.Number:
			v, _ = n.Float64()
		}
		fmt.Fprintf(&b, "%s=%T:%v;", name, v, v)
	}
	return b.String()
}

func Shown(key string) string {
	if len(key) > 40 {
		key = key[:30] + "…" + fmt.Sprint(len(key))
	}
	return fmt.Sprintf("%q", key)
}

// KeyOf returns the key of a store file, by its attributes and its name,
// without the client's own code. Earlier releases kept the digest of a long key.
func KeyOf(attributes map[string]any, filename string) string {
	if !Marked(attributes) {
		return filename
	}
	if d, ok := attributes["vs_key_sha256"].(string); ok {
		return "sha256:" + d
	}
	key := ""
	for _, name := range []string{"vs_key", "vs_key_2", "vs_key_3", "vs_key_4"} {
		part, _ := attributes[name].(string)
		key += part
	}
	return key
}

func Marked(attributes map[string]any) bool {
	for name := range attributes {
		if strings.HasPrefix(name, "vs_") {
			return true
		}
	}
	return false
}

// Own are the attributes that are not the client's.
func Own(attributes map[string]any) map[string]any {
	out := make(map[string]any)
	for name, v := range attributes {
		if !strings.HasPrefix(name, "vs_") {
			out[name] = v
		}
	}
	return out
}

// DigestOf returns the result of KeyOf for a key of which a release has kept the digest.
func DigestOf(key string) string {
	return "sha256:" + Digest(key)
}

// Digest is the SHA-256 of a text.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
