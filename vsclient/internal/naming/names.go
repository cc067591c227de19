package naming

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names are the ways in which file names lead to the document of a key. They save
// requests and prove nothing: identity is read from attributes.
type Names struct {
	Stems []string // folds of every stem under which a File of the key may be listed; the first is the one that is sent
	Whole []string // names that make a store file without reserved attributes the key's document: the key itself, as the earlier connector named it, and names that no other key has
	Sent  []string // names that this release may give the key
	Ext   string   // the extension that all these names have; "": it differs
}

// NamesOf returns the names of a key: those that any release has given it, each as it
// is and as servers alter names. extension is the one that is configured for keys
// without an extension that OpenAI indexes.
func NamesOf(key, extension string) Names {
	base, ext := FileName(key)
	older, olderExt := olderName(key)
	n := Names{Whole: []string{key}, Ext: ext}
	if ext != olderExt {
		n.Ext = ""
	}
	for _, name := range []struct{ base, ext string }{{base, ext}, {older, olderExt}} {
		if !strings.HasSuffix(name.base, keyDigest(key)) {
			continue // another key may have the name as well
		}
		for _, e := range extensionsFor(name.ext, extension) {
			n.Whole = appendNew(n.Whole, name.base+e)
		}
	}
	for _, e := range extensionsFor(ext, extension) {
		n.Sent = appendNew(n.Sent, base+e)
	}
	// The earlier connector's name is the key.
	for _, name := range []string{base + ".txt", older + ".txt", key} {
		for _, alter := range alterations {
			stem, _ := Listed(alter(name))
			n.Stems = appendNew(n.Stems, Fold(stem))
		}
	}
	return n
}

// The extensions that a File has by its content, where its key has none that OpenAI indexes.
const (
	ExtText = ".txt"
	ExtJSON = ".json"
	ExtPDF  = ".pdf"
	ExtHTML = ".html"
)

// extensionsFor are the extensions that the File of a key may have; ext is that of the key.
func extensionsFor(ext, configured string) []string {
	switch {
	case ext != "":
		return []string{ext}
	case configured != "":
		return []string{ExtText, ExtJSON, ExtPDF, ExtHTML, strings.ToLower(configured)}
	}
	return []string{ExtText, ExtJSON, ExtPDF, ExtHTML}
}

// Altered returns the forms in which a server may list a name.
func Altered(name string) (forms []string) {
	for _, alter := range append(alterations, spacesToUnderscores) {
		forms = appendNew(forms, alter(name))
	}
	return forms
}

func spacesToUnderscores(name string) string { return strings.ReplaceAll(name, " ", "_") }

func appendNew(all []string, s string) []string {
	if slices.Contains(all, s) {
		return all
	}
	return append(all, s)
}

// alterations are the ways to alter a name after which it may fold otherwise. None
// changes the fold of a name in ASCII without a percent sign. The other known ones
// change the fold of no name: NFC, and [spacesToUnderscores].
var alterations = []func(string) string{
	func(name string) string { return name },
	strings.ToLower, // İ and K become letters of ASCII
	unescape,        // %41 becomes A
	toASCII,         // a combining mark no longer follows a letter, nor a percent sign precede two digits
	toLatin1,        // nor does a combining mark
}

// Fold reduces a name to the part that servers which alter names leave alone: the letters
// and digits of ASCII, in lower case. Left out are "%XX", every other character, and a
// letter that a combining mark follows, since servers may make one character of the two.
// Two names that fold alike may be one name, sent and listed.
func Fold(name string) string {
	folded := make([]byte, 0, len(name))
	for i := 0; i < len(name); {
		if _, ok := escaped(name[i:]); ok && !startsWithMark(name[i+3:]) {
			i += 3
			continue
		}
		r, size := utf8.DecodeRuneInString(name[i:])
		i += size
		if r == '\u212A' { // KELVIN SIGN, which is K in NFC
			r = 'K'
		}
		switch {
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		case r >= '0' && r <= '9':
			folded = append(folded, byte(r))
			continue
		case r < 'a' || r > 'z':
			continue
		}
		if !startsWithMark(name[i:]) {
			folded = append(folded, byte(r))
		}
	}
	return string(folded)
}

// startsWithMark reports whether s starts with a combining mark.
func startsWithMark(s string) bool {
	if s == "" || s[0] < utf8.RuneSelf {
		return false
	}
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.Is(unicode.M, r)
}

// escaped returns the byte that "%XX" at the beginning of s stands for.
func escaped(s string) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	high, ok := unhex(s[1])
	low, ok2 := unhex(s[2])
	return high<<4 | low, ok && ok2
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// unescape decodes each "%XX".
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if b, ok := escaped(s[i:]); ok {
			out = append(out, b)
			i += 2
			continue
		}
		out = append(out, s[i])
	}
	return string(out)
}

// toASCII replaces every character but letters and digits of ASCII, dots, hyphens and
// underscores by an underscore.
func toASCII(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
}

// toLatin1 reads the UTF-8 of s as Latin-1.
func toLatin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
