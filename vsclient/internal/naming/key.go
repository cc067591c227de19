// Package naming maps keys to file names and to attributes, and judges content. It
// makes no requests.
package naming

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// indexedExtensions are the endings of files that OpenAI indexes (guide
// "Retrieval", supported files), with the content type that the guide gives.
var indexedExtensions = []struct{ ext, contentType string }{
	{".txt", "text/plain"},
	{".json", "application/json"},
	{".md", "text/markdown"},
	{".c", "text/x-c"},
	{".cpp", "text/x-c++"},
	{".cs", "text/x-csharp"},
	{".css", "text/css"},
	{".doc", "application/msword"},
	{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{".go", "text/x-golang"},
	{".html", "text/html"},
	{".java", "text/x-java"},
	{".js", "text/javascript"},
	{".pdf", "application/pdf"},
	{".php", "text/x-php"},
	{".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
	{".py", "text/x-python"},
	{".rb", "text/x-ruby"},
	{".sh", "application/x-sh"},
	{".tex", "text/x-tex"},
	{".ts", "application/typescript"},
}

// Extensions returns the file extensions that OpenAI indexes, each with
// its dot.
func Extensions() []string {
	exts := make([]string, len(indexedExtensions))
	for i, e := range indexedExtensions {
		exts[i] = e.ext
	}
	slices.Sort(exts)
	return exts
}

// Ext returns the name's extension, with its dot, when OpenAI indexes it, and ""
// otherwise. Case counts: OpenAI lists lower case alone.
func Ext(name string) string {
	ext := path.Ext(name)
	if len(ext) == len(name) { // ".md" is a name without an extension
		return ""
	}
	for _, e := range indexedExtensions {
		if e.ext == ext {
			return ext
		}
	}
	return ""
}

// Stem returns the name without an indexed extension.
func Stem(name string) string { return strings.TrimSuffix(name, Ext(name)) }

// ContentType returns the content type that OpenAI gives for the name's extension.
func ContentType(name string) string {
	ext := Ext(name)
	for _, e := range indexedExtensions {
		if e.ext == ext {
			return e.contentType
		}
	}
	return "application/octet-stream"
}

// maxNameBytes keeps a file name, with its extension, within the 255 bytes that
// any file system takes. OpenAI documents no limit.
const maxNameBytes = 240

// Digest is the SHA-256 of a key. It tells keys apart where the key itself is too long to be kept.
type Digest [sha256.Size]byte

// DigestOf returns the digest of the key.
func DigestOf(key string) Digest { return sha256.Sum256([]byte(key)) }

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MaxKeyBytes is the longest key, in bytes.
const MaxKeyBytes = 1024

// CheckKey returns an error of kind [fail.InvalidKey] when the key is empty or not UTF-8.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fail.New(fail.InvalidKey, "the key is empty; give the document a name")
	case len(key) > MaxKeyBytes:
		return fail.New(fail.InvalidKey, "the key has %d bytes; %d are allowed", len(key), MaxKeyBytes)
	case !utf8.ValidString(key):
		return fail.New(fail.InvalidKey, "the key is not valid UTF-8; encode it, for example as hex")
	}
	return nil
}

// FileName maps a key to the name of its File, without the extension that
// content may ask for. ext is "" when the key has none that OpenAI indexes.
//
// A key that can be a file name is kept as it is. In any other, what a file name
// should not hold becomes an underscore, and a digest of the key is put behind
// it, so that keys that look alike do not crowd under one name. Whether OpenAI
// keeps a slash in a file name is not documented; a name that holds none is the
// same under either answer.
func FileName(key string) (base, ext string) {
	return safeName(Stem(key), key), Ext(key)
}

// safeName returns the base itself when it can be a file name, and otherwise one
// made of it and of the key's digest.
func safeName(base, key string) string {
	if len(base) <= maxNameBytes && strings.Trim(base, ". ") != "" && strings.TrimSpace(base) == base && !strings.ContainsFunc(base, breaksName) {
		return base
	}
	safe := strings.Trim(collapse(base), "_. ")
	if len(safe) > maxNameBytes/2 {
		safe = strings.TrimSuffix(fail.Shorten(safe, maxNameBytes/2), "…")
	}
	if safe != "" {
		safe += "-"
	}
	digest := DigestOf(key)
	return safe + hex.EncodeToString(digest[:4])
}

// Fold reduces a file name to the part that servers leave as it is: the letters and
// digits of ASCII, in lower case. Two names that fold alike may be one name, sent
// and listed.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, name)
}

// breaksName reports whether r would keep a string from being a file name: a
// separator, what a multipart header has to escape, and what cannot be seen.
func breaksName(r rune) bool {
	return strings.ContainsRune(`/\"`, r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
}

// collapse makes each run of awkward characters one underscore.
func collapse(s string) string {
	words := strings.FieldsFunc(s, func(r rune) bool {
		return breaksName(r) || strings.ContainsRune("'<>:|?*{}[],_", r)
	})
	return strings.Join(words, "_")
}
