package vsclient

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
	attrKey       = "vs_key"        // the key; its further parts in vs_key_2, …
	attrKeyDigest = "vs_key_sha256" // instead, for a key that is too long
	attrVersion   = "vs_version"    // 16 decimal digits, so that text order is number order
	attrContent   = "vs_content"    // "sha256=…;size=…;chunking=…;replaces=…"
	reservedMark  = "vs_"
)

// source says what a store file was made from. It is kept in attrContent.
type source struct {
	sha256   string // hex
	size     int64
	chunking string   // "auto" or "max/overlap"
	replaces []string // Files that went when this one came: proof that they were ours
}

// fingerprint is equal for sources that are the same, and zero for one that is
// not known.
func (s source) fingerprint() (f [16]byte) {
	if s.sha256 == "" {
		return f
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s;%d;%s", s.sha256, s.size, s.chunking))
	copy(f[:], sum[:])
	return f
}

func (s source) encode() string {
	v := fmt.Sprintf("sha256=%s;size=%d;chunking=%s", s.sha256, s.size, s.chunking)
	for i, id := range s.replaces {
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

func parseSource(v string) source {
	var s source
	for part := range strings.SplitSeq(v, ";") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "sha256":
			if raw, err := hex.DecodeString(value); err == nil && len(raw) == len(keyDigest{}) {
				s.sha256 = value
			}
		case "size":
			s.size, _ = strconv.ParseInt(value, 10, 64)
		case "chunking":
			s.chunking = value
		case "replaces":
			for id := range strings.SplitSeq(value, ",") {
				if id != "" {
					s.replaces = append(s.replaces, id)
				}
			}
		}
	}
	return s
}

// identity is what the reserved attributes of a store file say.
type identity struct {
	ours    bool   // it bears a key at all
	key     string // "" when the key was too long to be kept
	digest  keyDigest
	version int64
	source  source
	own     Attributes // the caller's
}

// encode writes the attributes of a store file: the caller's and the reserved.
func (id identity) encode() map[string]any {
	all := make(map[string]any, maxAttributes)
	for name, v := range id.own {
		all[name] = v
	}
	all[attrVersion] = formatVersion(id.version)
	if id.source.sha256 != "" {
		all[attrContent] = id.source.encode()
	}
	parts := keyParts(id.key)
	if parts == nil || len(id.own)+2+len(parts) > maxAttributes {
		all[attrKeyDigest] = id.digest.String()
		return all
	}
	for i, part := range parts {
		all[keyPartName(i)] = part
	}
	return all
}

// decode reads the attributes of a store file.
func decode(all map[string]any) identity {
	id := identity{own: Attributes{}}
	for name, v := range all {
		if !strings.HasPrefix(name, reservedMark) {
			id.own[name] = v
		}
	}
	if v, ok := all[attrVersion].(string); ok {
		id.version, _ = strconv.ParseInt(v, 10, 64)
	}
	if v, ok := all[attrContent].(string); ok {
		id.source = parseSource(v)
	}
	for i := range maxKeyParts {
		part, ok := all[keyPartName(i)].(string)
		if !ok {
			break
		}
		id.key += part
	}
	if id.key != "" {
		id.ours, id.digest = true, digestKey(id.key)
		return id
	}
	if v, ok := all[attrKeyDigest].(string); ok {
		if raw, err := hex.DecodeString(v); err == nil && len(raw) == len(id.digest) {
			id.ours = true
			copy(id.digest[:], raw)
		}
	}
	return id
}

// marked reports whether any reserved attribute is there, so that the store file
// is not one of the earlier connector's.
func marked(all map[string]any) bool {
	for name := range all {
		if strings.HasPrefix(name, reservedMark) {
			return true
		}
	}
	return false
}

func keyPartName(i int) string {
	if i == 0 {
		return attrKey
	}
	return attrKey + "_" + strconv.Itoa(i+1)
}

// keyParts cuts a key into pieces that fit an attribute whether OpenAI counts
// bytes or characters; nil when there would be too many.
func keyParts(key string) []string {
	if len(key) > maxKeyParts*safeValueBytes {
		return nil
	}
	var parts []string
	for key != "" {
		cut := min(len(key), safeValueBytes)
		for cut < len(key) && !utf8.RuneStart(key[cut]) {
			cut--
		}
		parts, key = append(parts, key[:cut]), key[cut:]
	}
	if len(parts) > maxKeyParts {
		return nil
	}
	return parts
}

func formatVersion(v int64) string { return fmt.Sprintf("%016d", v) }
