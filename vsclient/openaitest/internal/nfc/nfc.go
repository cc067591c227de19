// Package nfc converts text to Unicode's normal form C. Its tables are in nfc.txt.
package nfc

import (
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// source is the part of Unicode's character database that normal form C needs.
//
//go:embed nfc.txt
var source string

// tables are the decompositions, compositions and combining classes of nfc.txt.
type tables struct {
	decomposed map[rune][]rune
	composed   map[[2]rune]rune
	class      map[rune]int
}

var data = sync.OnceValue(func() tables {
	t := tables{map[rune][]rune{}, map[[2]rune]rune{}, map[rune]int{}}
	decompositions, classes, _ := strings.Cut(source, "classes\n")
	hex := func(s string) rune {
		n, err := strconv.ParseInt(s, 16, 32)
		if err != nil {
			panic("nfc.txt: " + err.Error())
		}
		return rune(n)
	}
	for line := range strings.Lines(decompositions) {
		words := strings.Fields(line)
		if words[0] == "#" {
			continue
		}
		never := words[len(words)-1] == "x"
		if never {
			words = words[:len(words)-1]
		}
		from := hex(words[0])
		for _, w := range words[1:] {
			t.decomposed[from] = append(t.decomposed[from], hex(w))
		}
		if !never {
			t.composed[[2]rune(t.decomposed[from])] = from
		}
	}
	for line := range strings.Lines(classes) {
		words := strings.Fields(line)
		class, _ := strconv.Atoi(words[2])
		for r := hex(words[0]); r <= hex(words[1]); r++ {
			t.class[r] = class
		}
	}
	return t
})

// Hangul syllables are composed by arithmetic: lead, vowel, trail.
const (
	hangulBase, leadBase, vowelBase, trailBase = 0xac00, 0x1100, 0x1161, 0x11a7
	leads, vowels, trails                      = 19, 21, 28
)

// String returns Unicode's normal form C of s.
func String(s string) string {
	t := data()
	var runes []rune
	for _, r := range s {
		runes = t.decompose(runes, r)
	}
	t.order(runes)
	return string(t.compose(runes))
}

// decompose appends the full canonical decomposition of r.
func (t tables) decompose(to []rune, r rune) []rune {
	if n := r - hangulBase; n >= 0 && n < leads*vowels*trails {
		to = append(to, leadBase+n/(vowels*trails), vowelBase+n%(vowels*trails)/trails)
		if n%trails != 0 {
			to = append(to, trailBase+n%trails)
		}
		return to
	}
	parts, ok := t.decomposed[r]
	if !ok {
		return append(to, r)
	}
	for _, p := range parts {
		to = t.decompose(to, p)
	}
	return to
}

// order sorts each run of combining marks by class.
func (t tables) order(runes []rune) {
	for i := 0; i < len(runes); i++ {
		end := i
		for end < len(runes) && t.class[runes[end]] != 0 {
			end++
		}
		slices.SortStableFunc(runes[i:end], func(a, b rune) int { return t.class[a] - t.class[b] })
		i = end
	}
}

// compose joins each starter with the marks after it that are not blocked.
func (t tables) compose(runes []rune) []rune {
	var out []rune
	starter, last := -1, 0 // last is the class of the last mark that stayed
	for _, r := range runes {
		class := t.class[r]
		if starter >= 0 && (last < class || last == 0 && starter == len(out)-1) {
			if whole, ok := t.pair(out[starter], r); ok {
				out[starter] = whole
				continue
			}
		}
		if class == 0 {
			starter = len(out)
		}
		last = class
		out = append(out, r)
	}
	return out
}

// pair returns the primary composite of two characters.
func (t tables) pair(a, b rune) (rune, bool) {
	if l, v := a-leadBase, b-vowelBase; l >= 0 && l < leads && v >= 0 && v < vowels {
		return hangulBase + (l*vowels+v)*trails, true
	}
	if n, e := a-hangulBase, b-trailBase; n >= 0 && n < leads*vowels*trails && n%trails == 0 && e > 0 && e < trails {
		return a + e, true
	}
	whole, ok := t.composed[[2]rune{a, b}]
	return whole, ok
}
