package naming

import (
	_ "embed"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/matryer/is"
)

// The ways in which servers are known to alter a file name.
var altered = map[string]func(string) string{
	"lower case":              strings.ToLower,
	"composed (NFC)":          nfc,
	"underscores for spaces":  func(s string) string { return strings.ReplaceAll(s, " ", "_") },
	"underscores for others":  toASCII,
	"UTF-8 read as Latin-1":   toLatin1,
	"percent escapes decoded": unescape,
	"percent escapes made":    escape,
}

//go:embed testdata/nfc.txt
var compositions string

// compose makes one character of each letter of ASCII with its marks. testdata/nfc.txt
// has every such character of Unicode, the longest first.
var compose = sync.OnceValue(func() *strings.Replacer {
	text := func(hex string) string {
		var s strings.Builder
		for h := range strings.FieldsSeq(hex) {
			r, err := strconv.ParseUint(h, 16, 32)
			if err != nil {
				panic(err)
			}
			s.WriteRune(rune(r))
		}
		return s.String()
	}
	pairs := []string{"\u212A", "K"}
	for line := range strings.Lines(compositions) {
		apart, one, _ := strings.Cut(strings.TrimSpace(line), ";")
		pairs = append(pairs, text(apart), text(one))
	}
	return strings.NewReplacer(pairs...)
})

func nfc(s string) string { return compose().Replace(s) }

// escape replaces the characters that a URL does not hold, as strict servers do.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c == '.' || c == '-' || c == '_' || Fold(string(rune(c))) != "" {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
		}
	}
	return b.String()
}

// checkFound fails where a File that was sent under the key's name, and is listed
// altered, is not among the names of the key.
func checkFound(t *testing.T, key string) {
	t.Helper()
	base, ext := FileName(key)
	exts := []string{ext}
	if ext == "" {
		exts = []string{".txt", ".json"}
	}
	stems := NamesOf(key, "").Stems
	if stems[0] != Fold(base) {
		t.Errorf("%q: the first stem is %q", key, stems[0])
	}
	for how, alter := range altered {
		for _, e := range exts {
			if listed := alter(base + e); !slices.Contains(stems, Fold(Stem(listed))) {
				t.Errorf("%q is sent as %q, listed as %q (%s), and not found by %q", key, base+e, listed, how, stems)
			}
		}
		if listed := alter(key); !slices.Contains(stems, Fold(Stem(listed))) && Ext(listed) == ext {
			t.Errorf("%q of the earlier connector is listed as %q (%s), and not found by %q", key, listed, how, stems)
		}
	}
}

var hardKeys = []string{
	"a.md", "A b.MD", "résumé.md", "re\u0301sume\u0301.md", "x\u0301y.txt", "100%0Apples.md", "say %22hi%22.md", "%0D%0A.md", "%41.md", "%4a\u0301.md", "a%20b.md",
	"a%252Fb.md", "%E7%BB%B3%E8%88%9E.txt", "报告 最终版.txt", "\u212Aelvin.md", "İstanbul.md", "Ã©.md", "e\u0323\u0301.md", "REPORT.PDF", "FAQ.HTML", "a/b.md", `{"id":1}`,
	"..", "a..b.md", "report.", "a.%74xt", "o\u0308.txt", "1\u20e3.md", "ſ.cſ", "%.md", "%%41.md", "a%2", strings.Repeat("é", 200),
}

func TestAFileIsFoundUnderItsNameAsServersAlterIt(t *testing.T) {
	for _, key := range hardKeys {
		checkFound(t, key)
	}
}

func TestAFileIsFoundUnderAnyNameAsServersAlterIt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "E", "k", "9", " ", ".", "-", "_", "%", "%4", "%41", "%2e", "%C3", "é", "\u0301", "\u0323", "ß", "日", "İ", "\u212A", "Ã", "\u00a9", "/", `"`, "ﬁ", "😀", ".md", ".TXT", ".pdf"}
	for range 20_000 {
		var key strings.Builder
		for range 1 + random.IntN(8) {
			key.WriteString(pieces[random.IntN(len(pieces))])
		}
		checkFound(t, key.String())
	}
}

// FuzzNames follows a key through each alteration of its name.
func FuzzNames(f *testing.F) {
	for _, key := range hardKeys {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if CheckKey(key) != nil {
			t.Skip()
		}
		checkFound(t, key)
	})
}

// FuzzFold folds whatever a server lists.
func FuzzFold(f *testing.F) {
	for _, key := range hardKeys {
		f.Add(key)
	}
	f.Add("\xff\xfe%")
	f.Fuzz(func(t *testing.T, name string) {
		folded := Fold(name)
		if strings.Trim(folded, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("%q folds to %q", name, folded)
		}
		if Fold(folded) != folded {
			t.Errorf("%q folds to %q, and that to %q", name, folded, Fold(folded))
		}
		if composed := nfc(name); utf8.ValidString(name) && Fold(composed) != folded {
			t.Errorf("%q folds to %q, and composed, %q, to %q", name, folded, composed, Fold(composed))
		}
	})
}

func TestTheNamesOfAKeyAreThoseOfEveryRelease(t *testing.T) {
	is := is.New(t)
	plain := NamesOf("travel.md", "")
	is.Equal(plain, Names{Stems: []string{"travel"}, Whole: []string{"travel.md"}, Sent: []string{"travel.md"}, Ext: ".md"})

	capital := NamesOf("REPORT.PDF", "")
	is.Equal(capital.Whole, []string{"REPORT.PDF"}) // "REPORT.pdf" is another key's name as well
	is.Equal(capital.Stems, []string{"report", "reportpdf"})
	is.Equal(capital.Ext, "")

	path := NamesOf("a..b.md", "")
	is.True(slices.Contains(path.Whole, "a..b.md"))
	is.Equal(NamesOf("notes", ".md").Whole, []string{"notes"}) // "notes.txt" is another key's name as well
	whole := []string{"a/notes"}
	for _, ext := range []string{".txt", ".json", ".pdf", ".html", ".md"} {
		whole = append(whole, "a_notes-"+keyDigest("a/notes")+ext)
	}
	is.Equal(NamesOf("a/notes", ".md").Whole, whole)
}

func TestANameIsNotOneThatAServerCouldTakeForAPath(t *testing.T) {
	for _, key := range []string{
		"..", "a..b.md", "report.", "report..md", "../x.md", "a%2Fb.md", "a%5cb.md", "%2e%2E.md", "a%252Fb.md", "%00.md", "x%0D%0A.md", "a%FF.md", "a%22b.md",
		"a\uFF0Fb.md", "a\u2215b.md", "a\u2044b.md", "a\uFF3Cb.md", "a\u2216b.md", "\uFF0E\uFF0E.md", "\u2025.md", "a\u2024.md", "a%EF%BC%8Fb.md",
	} {
		base, ext := FileName(key)
		decoded := lookAlikes.Replace(unescape(unescape(base + ext)))
		if strings.Contains(lookAlikes.Replace(base)+".", "..") || strings.ContainsAny(decoded, "/\\\"\r\n\x00") || !utf8.ValidString(decoded) {
			t.Errorf("%q is sent as %q", key, base+ext)
		}
	}
}

func TestAnExtensionIsKnownInAnyCaseAndSentInLowerCase(t *testing.T) {
	is := is.New(t)
	for key, want := range map[string][2]string{
		"CONTRACT.PDF": {"CONTRACT", ".pdf"}, "Faq.Html": {"Faq", ".html"}, "a.b.MD": {"a.b", ".md"}, ".MD": {".MD", ""}, "x.cſ": {"x.cſ", ""}, "x.csv": {"x.csv", ""},
	} {
		base, ext := FileName(key)
		is.Equal([2]string{base, ext}, want) // key
	}
}
