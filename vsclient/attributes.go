package vsclient

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"math"
	"reflect"
	"slices"
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

// Limits on attributes. The API reference says 16 attributes, names of 64 and
// values of 512 characters; the retrieval guide says values of 256. The client's
// own stay within 256 bytes, which is right under either; a caller's value of
// 257 to 512 characters is passed on, and OpenAI has the word.
const (
	maxAttributes     = 16
	maxAttributeName  = 64
	maxAttributeValue = 512
	safeValueBytes    = 256
	maxKeyParts       = 4 // 256 characters are at most 1,024 bytes

	// MaxAttributes is how many attributes of its own a document may have: 16
	// less those that carry key, version and content.
	MaxAttributes = maxAttributes - 3
)

// Attributes are a document's own attributes: strings, booleans and numbers of
// any Go type, at most [MaxAttributes]. They can be searched by, and come back
// as they were given, numbers as float64. Names have at most 64 characters and
// do not begin with "vs_"; strings have at most 512 (OpenAI's guide says 256).
type Attributes map[string]any

// maxExactInteger is the largest integer that a JSON number keeps exactly.
const maxExactInteger = 1 << 53

// normalize checks the attributes and returns them with every number a float64.
func (a Attributes) normalize() (Attributes, error) {
	if len(a) > MaxAttributes {
		return nil, invalid(ErrInvalidAttributes, "%d attributes; a document may have %d of its own (OpenAI allows %d, the others carry key, version and content)", len(a), MaxAttributes, maxAttributes)
	}
	out := make(Attributes, len(a))
	for _, name := range slices.Sorted(maps.Keys(a)) {
		switch n := utf8.RuneCountInString(name); {
		case name == "":
			return nil, invalid(ErrInvalidAttributes, "an attribute has an empty name")
		case !utf8.ValidString(name):
			return nil, invalid(ErrInvalidAttributes, "the attribute name %q is not valid UTF-8", shorten(name, maxKeyShown))
		case n > maxAttributeName:
			return nil, invalid(ErrInvalidAttributes, "the attribute name %q has %d characters; %d are allowed", shorten(name, maxKeyShown), n, maxAttributeName)
		case strings.HasPrefix(name, reservedMark):
			return nil, invalid(ErrInvalidAttributes, "the attribute name %q begins with %q, which is reserved; rename it", shorten(name, maxKeyShown), reservedMark)
		}
		v, err := normalizeValue(a[name])
		if err != nil {
			return nil, invalid(ErrInvalidAttributes, "attribute %q: %v", name, err)
		}
		out[name] = v
	}
	return out, nil
}

func normalizeValue(value any) (any, error) {
	switch v := value.(type) {
	case bool:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("the value is not valid UTF-8")
		}
		if n := utf8.RuneCountInString(v); n > maxAttributeValue {
			return nil, fmt.Errorf("the value has %d characters; %d are allowed", n, maxAttributeValue)
		}
		return v, nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return exact(i)
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", v.String())
		}
		return finite(f)
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return exact(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if u := v.Uint(); u > maxExactInteger {
			return nil, errInexact(strconv.FormatUint(u, 10))
		}
		return float64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return finite(v.Float())
	case reflect.String:
		return normalizeValue(v.String())
	case reflect.Bool:
		return v.Bool(), nil
	}
	return nil, fmt.Errorf("a value of type %T is not allowed; use a string, a number or a bool", value)
}

func exact(i int64) (any, error) {
	if i > maxExactInteger || i < -maxExactInteger {
		return nil, errInexact(strconv.FormatInt(i, 10))
	}
	return float64(i), nil
}

func errInexact(digits string) error {
	return fmt.Errorf("%s is beyond 2^53 and would lose digits as a number; give it as a string", digits)
}

func finite(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v is not a number that JSON can carry", f)
	}
	return f, nil
}

// hash is equal for equal attributes, within one process.
func (a Attributes) hash(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		fmt.Fprintf(&h, "%d:%s=%T:%v;", len(name), name, a[name], a[name])
	}
	return h.Sum64()
}

// Chunking is how OpenAI cuts a document into chunks. The zero value is OpenAI's
// default ("auto": 800 tokens, 400 of them shared with the next chunk).
type Chunking struct {
	MaxTokens     int // 100 to 4,096
	OverlapTokens int // 0 to half of MaxTokens
}

func (c Chunking) check() error {
	switch {
	case c == Chunking{}:
		return nil
	case c.MaxTokens < 100 || c.MaxTokens > 4096:
		return invalid(ErrInvalidChunking, "a chunk of %d tokens; 100 to 4096 are allowed", c.MaxTokens)
	case c.OverlapTokens < 0 || c.OverlapTokens > c.MaxTokens/2:
		return invalid(ErrInvalidChunking, "an overlap of %d tokens; 0 to half of the chunk (%d) are allowed", c.OverlapTokens, c.MaxTokens/2)
	}
	return nil
}

func (c Chunking) String() string {
	if c == (Chunking{}) {
		return "auto"
	}
	return fmt.Sprintf("%d/%d", c.MaxTokens, c.OverlapTokens)
}

func parseChunking(s string) Chunking {
	var c Chunking
	if n, err := fmt.Sscanf(s, "%d/%d", &c.MaxTokens, &c.OverlapTokens); n != 2 || err != nil {
		return Chunking{}
	}
	return c
}

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
