package vsclient

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// indexedExtensions are the endings of files that OpenAI indexes (guide
// "Retrieval", supported files), with the content type that the guide gives.
// The order is fixed: the catalog keeps an extension as its place in this list.
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

// SupportedExtensions returns the file extensions that OpenAI indexes, each with
// its dot.
func SupportedExtensions() []string {
	exts := make([]string, len(indexedExtensions))
	for i, e := range indexedExtensions {
		exts[i] = e.ext
	}
	slices.Sort(exts)
	return exts
}

// noExtension is the place of what is in no list.
const noExtension = -1

// extensionOf returns the place of the name's extension among
// indexedExtensions. Case counts: OpenAI lists lower case alone.
func extensionOf(name string) int {
	ext := path.Ext(name)
	if ext == "" || len(ext) == len(name) { // ".md" is a name without an extension
		return noExtension
	}
	return slices.IndexFunc(indexedExtensions, func(e struct{ ext, contentType string }) bool { return e.ext == ext })
}

// stem is the name without an indexed extension.
func stem(name string) string {
	if i := extensionOf(name); i != noExtension {
		return strings.TrimSuffix(name, indexedExtensions[i].ext)
	}
	return name
}

// maxNameBytes keeps a file name, with its extension, within the 255 bytes that
// any file system takes. OpenAI documents no limit.
const maxNameBytes = 240

// keyDigest tells keys apart where the key itself is too long to be kept.
type keyDigest [sha256.Size]byte

func digestKey(key string) keyDigest { return sha256.Sum256([]byte(key)) }

func (d keyDigest) String() string { return hex.EncodeToString(d[:]) }

// checkKey says what is wrong with a key.
func checkKey(key string) error {
	switch {
	case key == "":
		return invalid(ErrInvalidKey, "the key is empty; give the document a name")
	case !utf8.ValidString(key):
		return invalid(ErrInvalidKey, "the key is not valid UTF-8; encode it, for example as hex")
	}
	return nil
}

// fileName maps a key to the name of its File, without the extension that
// content may ask for. ext is noExtension when the key has none that OpenAI
// indexes.
//
// A key that can be a file name is kept as it is. In any other, what a file name
// should not hold becomes an underscore, and a digest of the key is put behind
// it, so that keys that look alike do not crowd under one name. Whether OpenAI
// keeps a slash in a file name is not documented; a name that holds none is the
// same under either answer.
func fileName(key string) (base string, ext int) {
	ext = extensionOf(key)
	base = stem(key)
	if len(base) <= maxNameBytes && strings.Trim(base, ". ") != "" && strings.TrimSpace(base) == base && !strings.ContainsFunc(base, breaksName) {
		return base, ext
	}
	safe := strings.Trim(collapse(base), "_. ")
	if len(safe) > maxNameBytes/2 {
		safe = strings.TrimSuffix(shorten(safe, maxNameBytes/2), "…")
	}
	if safe != "" {
		safe += "-"
	}
	digest := digestKey(key)
	return safe + hex.EncodeToString(digest[:4]), ext
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
