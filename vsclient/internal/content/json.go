package content

import "encoding/json"

// jsonScanner checks that the bytes written to it are one JSON object or array. Unlike
// a decoder it holds no string: one may be as long as a document. A lone number,
// string or word is JSON as well, and also plain text, which it more likely is.
type jsonScanner struct {
	want jsonWant
	open []byte // '{' or '[' of each that is open
	word []byte // the number or literal that is being read
	hex  int    // digits left of \uXXXX
	name bool   // the string is a name in an object
}

// jsonWant is the kind of token that may come next.
type jsonWant uint8

const (
	wantBegin      jsonWant = iota // { or [
	wantValue                      // a value
	wantFirstValue                 // a value or ]
	wantName                       // a name
	wantFirstName                  // a name or }
	wantColon
	wantNext   // a comma, or the end of the innermost bracket
	wantString // the rest of a string
	wantEscape // the character after \
	wantHex
	wantWord // the rest of a number or literal
	wantEnd  // white space
	notJSON
)

const (
	jsonDepth = 10_000 // brackets open at once, as in encoding/json
	jsonWord  = 1 << 10
)

func (j *jsonScanner) done() bool { return j.want == wantEnd }

func (j *jsonScanner) write(p []byte) {
	for i := 0; i < len(p) && j.want != notJSON; i++ {
		c := p[i]
		switch j.want {
		case wantString:
			switch {
			case c == '\\':
				j.want = wantEscape
			case c == '"' && j.name:
				j.want, j.name = wantColon, false
			case c == '"':
				j.want = wantNext
			case c < ' ':
				j.want = notJSON
			}
		case wantEscape:
			j.want = notJSON
			switch c {
			case 'u':
				j.want, j.hex = wantHex, 4
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				j.want = wantString
			}
		case wantHex:
			if hex := c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'; !hex {
				j.want = notJSON
			} else if j.hex--; j.hex == 0 {
				j.want = wantString
			}
		default:
			j.token(c)
		}
	}
}

// token takes one byte outside a string.
func (j *jsonScanner) token(c byte) {
	structural := c == '{' || c == '[' || c == '}' || c == ']' || c == ',' || c == ':' || c == '"'
	space := c == ' ' || c == '\t' || c == '\r' || c == '\n'
	if j.want == wantWord {
		if !structural && !space {
			if j.word = append(j.word, c); len(j.word) > jsonWord {
				j.want = notJSON
			}
			return
		}
		j.want = notJSON
		if json.Valid(j.word) {
			j.want = wantNext
		}
	}
	value := j.want == wantValue || j.want == wantFirstValue
	switch {
	case space || j.want == notJSON:
	case (c == '{' || c == '[') && (value || j.want == wantBegin) && len(j.open) < jsonDepth:
		j.open = append(j.open, c)
		if j.want = wantFirstName; c == '[' {
			j.want = wantFirstValue
		}
	case c == '}' && (j.want == wantFirstName || j.want == wantNext && j.inside('{')),
		c == ']' && (j.want == wantFirstValue || j.want == wantNext && j.inside('[')):
		j.open = j.open[:len(j.open)-1]
		if j.want = wantNext; len(j.open) == 0 {
			j.want = wantEnd
		}
	case c == ',' && j.want == wantNext:
		if j.want = wantValue; j.inside('{') {
			j.want = wantName
		}
	case c == ':' && j.want == wantColon:
		j.want = wantValue
	case c == '"' && (value || j.want == wantName || j.want == wantFirstName):
		j.want, j.name = wantString, !value
	case value && !structural:
		j.want, j.word = wantWord, append(j.word[:0], c)
	default:
		j.want = notJSON
	}
}

func (j *jsonScanner) inside(bracket byte) bool { return j.open[len(j.open)-1] == bracket }
