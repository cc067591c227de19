package nfc_test

import (
	"fmt"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/nfc"
)

func TestTextComesIntoNormalFormC(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"ASCII stays", "docs/a b.md", "docs/a b.md"},
		{"a letter and its mark are composed", "e\u0301", "\u00e9"},
		{"two marks of different classes are put in order", "q\u0307\u0323", "q\u0323\u0307"},
		{"the mark that is nearer in class is composed first", "a\u0302\u0323", "\u1ead"},
		{"a mark of the same class blocks the next", "a\u0315\u0300\u05ae", "\u00e0\u05ae\u0315"},
		{"a second mark of one class stays behind", "a\u0301\u0300", "\u00e1\u0300"},
		{"a singleton becomes its other", "\u212b", "\u00c5"},
		{"an exclusion stays decomposed", "\u0958", "\u0915\u093c"},
		{"Hangul is composed by arithmetic", "\u1112\u1161\u11ab\u1100\u1173\u11af", "\ud55c\uae00"},
		{"a Hangul syllable takes its last letter", "\ud558\u11ab", "\ud55c"},
		{"a starter can be composed with a starter", "\u0b47\u0b57", "\u0b4c"},
		{"a mark without a letter stays", "\u0301a", "\u0301a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			is.Equal(fmt.Sprintf("%+q", nfc.String(tt.text)), fmt.Sprintf("%+q", tt.want))
			is.Equal(nfc.String(tt.want), tt.want) // it is stable
		})
	}
}
