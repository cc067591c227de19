// Package naming maps keys to file names and to attributes, and checks keys, attributes and
// chunking. It makes no requests.
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

// Ext returns the name's extension, with its dot and in lower case, when OpenAI indexes
// it, and "" otherwise. OpenAI lists lower case alone; people write both.
func Ext(name string) string {
	ext := path.Ext(name)
	if ext == "" || len(ext) == len(name) { // ".md" is a name without an extension
		return ""
	}
	for _, e := range indexedExtensions {
		if len(e.ext) == len(ext) && strings.EqualFold(e.ext, ext) { // of the same length: ſ folds like s
			return e.ext
		}
	}
	return ""
}

// Stem returns the name without an indexed extension.
func Stem(name string) string { return name[:len(name)-len(Ext(name))] }

// Listed returns stem and extension of a name as a server lists it. A name that is an
// indexed extension alone may have lost its stem.
func Listed(name string) (stem, ext string) {
	if ext = Ext("x" + name); len(ext) == len(name) {
		return "", ext
	}
	return Stem(name), Ext(name)
}

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

// Digest is the SHA-256 of a key. It identifies a key that is too long to be kept.
type Digest [sha256.Size]byte

// DigestOf returns the digest of the key.
func DigestOf(key string) Digest { return sha256.Sum256([]byte(key)) }

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MaxKeyBytes is the longest key, in bytes; it is S3's limit.
const MaxKeyBytes = 1024

// CheckKey returns an error of kind [fail.InvalidKey] when the key is empty, too long
// or not UTF-8.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fail.New(fail.InvalidKey, "the key is empty; give the document a name")
	case len(key) > MaxKeyBytes:
		return fail.New(fail.InvalidKey, "the key has %d bytes; %d are allowed: shorten it, or use a digest of it", len(key), MaxKeyBytes)
	case !utf8.ValidString(key):
		return fail.New(fail.InvalidKey, "the key is not valid UTF-8; encode it, for example as hex")
	}
	return nil
}

// FileName maps a key to the name of its File, without the extension that
// content may ask for. ext is "" when the key has none that OpenAI indexes.
//
// A key that can be a file name is kept as it is, with its extension in lower case. In
// any other, an underscore replaces each run of characters that a file name should not
// hold, and a digest of the key is put behind it, so that keys that look alike do not
// crowd under one name. Whether OpenAI keeps a slash in a file name is not documented; a
// name that holds none is the same under either answer.
func FileName(key string) (base, ext string) {
	base = Stem(key)
	if !isPath(base) && isName(base) {
		return base, Ext(key)
	}
	safe := strings.ReplaceAll(collapse(lookAlikes.Replace(base)), "%", "_")
	for strings.Contains(safe, "..") {
		safe = strings.ReplaceAll(safe, "..", ".")
	}
	return signed(safe, key), Ext(key)
}

// olderName is FileName as it was in v0.1.0, which knew extensions in lower
// case alone, and kept names that a server could take for a path.
func olderName(key string) (base, ext string) {
	base = key
	if ext = Ext(key); strings.HasSuffix(key, ext) {
		base = strings.TrimSuffix(key, ext)
	} else {
		ext = ""
	}
	if isName(base) {
		return base, ext
	}
	return signed(collapse(base), key), ext
}

// signed makes a name that is safe the key's own by a digest.
func signed(safe, key string) string {
	safe = strings.Trim(safe, "_. ")
	if len(safe) > maxNameBytes/2 {
		safe = strings.TrimSuffix(fail.Shorten(safe, maxNameBytes/2), "…")
	}
	if safe != "" {
		safe += "-"
	}
	return safe + keyDigest(key)
}

// keyDigest is the digest that makes a name the key's own.
func keyDigest(key string) string {
	digest := DigestOf(key)
	return hex.EncodeToString(digest[:4])
}

// isName reports whether s can stand in a file name before the extension.
func isName(s string) bool {
	return len(s) <= maxNameBytes && strings.Trim(s, ". ") != "" && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, breaksName)
}

// isPath reports whether a server could take s for a path, or would by decoding it get
// a name that is none.
func isPath(s string) bool {
	s = lookAlikes.Replace(s)
	if strings.Contains(s+".", "..") || strings.ContainsAny(s, `/\`) {
		return true
	}
	decoded := unescape(s)
	return decoded != s && (!utf8.ValidString(decoded) || !isName(decoded) || isPath(decoded))
}

// lookAlikes replaces characters that some servers turn into a path separator or a dot:
// compatibility characters of Unicode, and characters that Windows maps to one.
var lookAlikes = strings.NewReplacer(
	"\uFF0F", "/", "\u2215", "/", "\u2044", "/", "\u29F8", "/", "\uFF3C", `\`, "\uFE68", `\`, "\u2216", `\`, "\u29F5", `\`,
	"\uFF0E", ".", "\uFE52", ".", "\u2024", ".", "\u2025", "..",
)

// breaksName reports whether r would keep a string from being a file name: a
// separator, a character that a multipart header has to escape, or one that cannot be
// seen.
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
