package naming

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The attributes that the client writes on each store file. A document is known
// by them, never by its name alone.
const (
	attrKey        = "vs_key"        // the key; its further parts in vs_key_2, …
	attrKeyDigest  = "vs_key_sha256" // instead, from v0.1.0, for a key that was too long
	attrVersion    = "vs_version"    // 16 decimal digits, so that text order is number order
	attrContent    = "vs_content"    // "sha256=…;size=…;chunking=…;replaces=…"
	reservedPrefix = "vs_"
)

// Source describes the content that a store file was made from. It is kept in attrContent.
type Source struct {
	SHA256   string // hex
	Size     int64
	Chunking string   // "auto" or "max/overlap"
	Replaces []string // Files that went when this one came: proof that they were ours
}

// Fingerprint is equal for sources that are the same, and zero for one that is
// not known.
func (s Source) Fingerprint() (f [16]byte) {
	if s.SHA256 == "" {
		return f
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s;%d;%s", s.SHA256, s.Size, s.Chunking))
	copy(f[:], sum[:])
	return f
}

func (s Source) encode() string {
	v := fmt.Sprintf("sha256=%s;size=%d;chunking=%s", s.SHA256, s.Size, s.Chunking)
	for i, id := range s.Replaces {
		sep := ","
		if i == 0 {
			sep = ";replaces="
		}
		if len(v)+len(sep)+len(id) > safeValueBytes {
			break
		}
		v += sep + id
	}
	return v
}

func parseSource(v string) Source {
	var s Source
	for part := range strings.SplitSeq(v, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "sha256":
			if raw, err := hex.DecodeString(value); err == nil && len(raw) == len(Digest{}) {
				s.SHA256 = value
			}
		case "size":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				s.Size = max(n, 0)
			}
		case "chunking":
			s.Chunking = value
		case "replaces":
			for id := range strings.SplitSeq(value, ",") {
				if id != "" {
					s.Replaces = append(s.Replaces, id)
				}
			}
		}
	}
	return s
}

// Identity holds the facts of a store file's reserved attributes.
type Identity struct {
	Ours    bool   // it names a key at all
	Key     string // "" where an older release has kept the digest alone
	Digest  Digest
	Version int64
	Source  Source
	Own     map[string]any // the caller's
}

// Encode writes the attributes of a store file: the caller's and the reserved.
func (id Identity) Encode() map[string]any {
	all := make(map[string]any, maxAttributes)
	for name, v := range id.Own {
		all[name] = v
	}
	all[attrVersion] = formatVersion(id.Version)
	if id.Source.SHA256 != "" {
		all[attrContent] = id.Source.encode()
	}
	for i, part := range keyParts(id.Key) {
		all[keyPartName(i)] = part
	}
	return all
}

// Decode reads the attributes of a store file.
func Decode(all map[string]any) Identity {
	id := Identity{Own: map[string]any{}}
	for name, v := range all {
		if !strings.HasPrefix(name, reservedPrefix) {
			id.Own[name] = v
		}
	}
	if v, ok := all[attrVersion].(string); ok {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n > 0 && n < maxVersion {
			id.Version = n // another has been written by no release
		}
	}
	if v, ok := all[attrContent].(string); ok {
		id.Source = parseSource(v)
	}
	for i := range maxAttributes {
		part, ok := all[keyPartName(i)].(string)
		if !ok {
			break
		}
		id.Key += part
	}
	if id.Key != "" {
		id.Ours, id.Digest = true, DigestOf(id.Key)
		return id
	}
	if v, ok := all[attrKeyDigest].(string); ok {
		if raw, err := hex.DecodeString(v); err == nil && len(raw) == len(id.Digest) {
			id.Ours = true
			copy(id.Digest[:], raw)
		}
	}
	return id
}

// Marked reports whether any reserved attribute is there, so that the store file
// is not one of the earlier connector's.
func Marked(all map[string]any) bool {
	for name := range all {
		if strings.HasPrefix(name, reservedPrefix) {
			return true
		}
	}
	return false
}

// Lost reports whether a store file shows other marks than those that it was attached with,
// or lacks some. An update raises the version and keeps the rest. Where it shows none at all,
// another tool has replaced them, if the server keeps marks: it was seen to.
func Lost(sent, shown map[string]any, keeps bool) bool {
	was, now := Decode(sent), Decode(shown)
	if was.Key == now.Key && was.Version <= now.Version && was.Source.Fingerprint() == now.Source.Fingerprint() {
		return false
	}
	return Marked(shown) || !keeps
}

func keyPartName(i int) string {
	if i == 0 {
		return attrKey
	}
	return attrKey + "_" + strconv.Itoa(i+1)
}

// keyParts cuts a key, between characters, into pieces that fit an attribute whether
// OpenAI counts bytes or characters.
func keyParts(key string) []string {
	var parts []string
	for key != "" {
		cut := min(len(key), safeValueBytes)
		for cut < len(key) && cut > 1 && !utf8.RuneStart(key[cut]) {
			cut--
		}
		parts, key = append(parts, key[:cut]), key[cut:]
	}
	return parts
}

// maxVersion is above every version. It keeps 16 digits, and room to count on.
const maxVersion = 9_000_000_000_000_000

func formatVersion(v int64) string { return fmt.Sprintf("%016d", v) }
