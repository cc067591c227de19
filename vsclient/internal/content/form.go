package content

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// form is the shape of content: its encoding, and whether it is JSON.
type form struct {
	encoding encoding
	nul      bool   // it holds the character NUL
	json     bool   // it is one JSON object or array, in UTF-8
	pdf      bool   // it begins as a PDF does
	fault    string // why it is binary
}

type encoding uint8

const (
	utf8Text  encoding = iota // ASCII included; a byte order mark may come first
	utf16Text                 // with a byte order mark
	binary
)

// formScanner finds the form of content that is written to it piece by piece. It keeps
// a few bytes and, for JSON, a bit for each open bracket.
type formScanner struct {
	form
	order func([]byte) uint16 // of UTF-16; nil: UTF-8
	at    int64               // bytes judged
	rest  []byte              // the beginning of a character, or of a byte order mark
	begun bool                // the byte order mark is judged
	pdf   bool                // see form
	low   [2]int64            // control characters in the head, at even and at odd offsets
	rare  [2]int64            // those that are neither tabs nor line ends
	high  bool                // the last unit of UTF-16 was the first half of a pair
	json  jsonScanner
}

// headBytes is how much of the beginning shows UTF-16 and UTF-32 without a byte order mark.
const headBytes = 4 << 10

func newFormScanner() *formScanner { return &formScanner{rest: make([]byte, 0, 2*utf8.UTFMax)} }

func bigEndian(b []byte) uint16    { return uint16(b[0])<<8 | uint16(b[1]) }
func littleEndian(b []byte) uint16 { return uint16(b[1])<<8 | uint16(b[0]) }

// Write judges the next piece. It never fails.
func (s *formScanner) Write(p []byte) (int, error) {
	n := len(p)
	for len(s.rest) > 0 && len(p) > 0 { // complete the character that the last piece has begun
		s.rest, p = append(s.rest, p[0]), p[1:]
		used := s.judge(s.rest, false)
		s.rest = append(s.rest[:0], s.rest[used:]...)
	}
	if len(p) > 0 {
		s.rest = append(s.rest, p[s.judge(p, false):]...)
	}
	return n, nil
}

// end returns the form of everything that was written.
func (s *formScanner) end() form {
	s.judge(s.rest, true)
	if s.high {
		s.spoil("half a surrogate pair", s.at-2)
	}
	if s.encoding == utf8Text && s.unmarked() {
		s.binary("every second byte is a control character, as in UTF-16 or UTF-32 without a byte order mark")
	}
	s.form.json = s.encoding == utf8Text && !s.nul && s.json.done()
	s.form.pdf = s.pdf
	return s.form
}

// unmarked reports whether text that is UTF-8 by chance is likely UTF-16 or UTF-32: every
// second byte is the high half of a letter, which for all alphabets is a control character.
func (s *formScanner) unmarked() bool {
	pairs := min(s.at, headBytes) / 2
	at := 0
	if s.low[1] > s.low[0] {
		at = 1
	}
	return pairs >= 2 && 4*s.low[at] >= 3*pairs && 4*s.low[1-at] < 3*pairs && s.rare[at] > 0
}

func (s *formScanner) spoil(fault string, at int64) {
	s.binary(fmt.Sprintf("%s at offset %d", fault, at))
}

// binary records the first reason why the content is no text.
func (s *formScanner) binary(fault string) {
	if s.encoding != binary {
		s.form = form{encoding: binary, fault: fault}
	}
}

// judge judges as many bytes as make whole characters and returns how many these are;
// at the end of the content it judges all.
func (s *formScanner) judge(p []byte, last bool) (used int) {
	if !s.begun {
		if len(p) < len("%PDF-") && !last {
			return 0
		}
		s.begun = true
		s.pdf = bytes.HasPrefix(p, []byte("%PDF-"))
		switch {
		case len(p) >= 4 && (string(p[:4]) == "\xff\xfe\x00\x00" || string(p[:4]) == "\x00\x00\xfe\xff"):
			s.binary("it begins with the byte order mark of UTF-32")
		case len(p) >= 2 && p[0] == 0xFF && p[1] == 0xFE:
			s.order, s.encoding, used = littleEndian, utf16Text, 2
		case len(p) >= 2 && p[0] == 0xFE && p[1] == 0xFF:
			s.order, s.encoding, used = bigEndian, utf16Text, 2
		case len(p) >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF:
			used = 3
		}
		s.at = int64(used)
	}
	switch {
	case s.encoding == binary:
		return len(p)
	case s.order != nil:
		return used + s.judge16(p[used:], last)
	}
	return used + s.judge8(p[used:], last)
}

func (s *formScanner) judge8(p []byte, last bool) int {
	end := len(p)
	for i := 1; !last && i < utf8.UTFMax && i <= len(p); i++ {
		if at := len(p) - i; utf8.RuneStart(p[at]) {
			if !utf8.FullRune(p[at:]) {
				end = at // the rest of the character is to come
			}
			break
		}
	}
	if p = p[:end]; !utf8.Valid(p) {
		for i := 0; ; {
			r, size := utf8.DecodeRune(p[i:])
			if r == utf8.RuneError && size == 1 {
				s.spoil(fmt.Sprintf("byte %#02x", p[i]), s.at+int64(i))
				return end
			}
			i += size
		}
	}
	s.nul = s.nul || bytes.IndexByte(p, 0) >= 0
	for i := int64(0); i < int64(len(p)) && s.at+i < headBytes; i++ {
		if c, at := p[i], (s.at+i)%2; c < ' ' {
			s.low[at]++
			if c != '\t' && c != '\n' && c != '\r' {
				s.rare[at]++
			}
		}
	}
	s.json.write(p)
	s.at += int64(end)
	return end
}

func (s *formScanner) judge16(p []byte, last bool) int {
	i := 0
	for ; i+1 < len(p); i += 2 {
		u := s.order(p[i:])
		s.nul = s.nul || u == 0
		low := u >= 0xDC00 && u <= 0xDFFF
		if low != s.high {
			s.spoil("half a surrogate pair", s.at+int64(i))
			return len(p)
		}
		s.high = utf16.IsSurrogate(rune(u)) && !low
	}
	s.at += int64(i)
	if last && i < len(p) {
		s.spoil("half a UTF-16 unit", s.at)
		return len(p)
	}
	return i
}
