// Package show writes the results of commands: lines and tables for people, and one
// JSON envelope for programs.
package show

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// Envelope is the whole output of a command under --json.
type Envelope struct {
	Command string `json:"command"`
	OK      bool   `json:"ok"`
	Summary string `json:"summary"`
	Result  any    `json:"result"`
	Error   *Error `json:"error"`
}

// Error is the reason for which a command was not done.
type Error struct {
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code"`
	Class    string `json:"class,omitempty"`      // of vsclient
	Request  string `json:"request_id,omitempty"` // for OpenAI's support
}

// Long is a result with lists that may be too long to be in memory as one text.
type Long interface {
	// Lists returns the result with each of these lists empty, and the lists in the order of
	// their fields.
	Lists() (bare any, lists []List)
}

// List is a list in a field of a result.
type List struct {
	Name string // of the field in JSON
	All  iter.Seq[any]
}

// Of returns the list of these elements.
func Of[T any](name string, elements []T) List {
	return List{name, func(yield func(any) bool) {
		for _, e := range elements {
			if !yield(e) {
				return
			}
		}
	}}
}

// JSON writes the envelope. Each element of a long result has a line.
func JSON(w io.Writer, e Envelope) error {
	var lists []List
	if long, ok := e.Result.(Long); ok {
		e.Result, lists = long.Lists()
	}
	return Indented(w, e, "  ", lists)
}

// Indented writes a value as JSON, and the elements of lists, which are empty in the value, a
// line each. The text of one element alone is in memory.
func Indented(w io.Writer, v any, indent string, lists []List) error {
	rest, err := encoded(v, indent)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	for _, l := range lists {
		begin, end, _ := strings.Cut(rest, strconv.Quote(l.Name)+": []") // no text has this: JSON escapes quotes
		margin := "\n" + begin[strings.LastIndexByte(begin, '\n')+1:]
		fmt.Fprintf(out, "%s%q: [", begin, l.Name)
		separator, after := "", "]"+end
		for e := range l.All {
			line, err := Line(e)
			if err != nil {
				return err
			}
			fmt.Fprint(out, separator, margin, indent, line)
			separator, after = ",", margin+"]"+end
		}
		rest = after
	}
	fmt.Fprint(out, rest)
	return out.Flush() // tells how the writes before have ended
}

// Line returns a value as JSON on one line.
func Line(v any) (string, error) {
	line, err := encoded(v, "")
	return strings.TrimSuffix(line, "\n"), err
}

func encoded(v any, indent string) (string, error) {
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return text.String(), err
}

// tableBlock is how many rows of a table are in memory as cells. The columns of the next block
// may have other widths.
const tableBlock = 2000

// Table writes rows whose cells tabs separate, below a head where there is one.
func Table(w io.Writer, head string, rows []string) {
	out := bufio.NewWriter(w)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if head != "" {
		fmt.Fprintln(t, head)
	}
	for block := range slices.Chunk(rows, tableBlock) {
		for _, row := range block {
			fmt.Fprintln(t, row)
		}
		t.Flush() //nolint:errcheck // no caller is left to receive this error
	}
	t.Flush()   //nolint:errcheck // of a head without rows
	out.Flush() //nolint:errcheck // no caller is left to receive this error
}

// Text returns the text as it can stand on a line of a terminal: quoted where it
// holds anything but graphic characters.
func Text(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }) >= 0 {
		return strconv.Quote(s)
	}
	return s
}

// Block returns the text as it can stand on the lines of a terminal: each character is escaped that
// Text would quote, but for tabs and the ends of lines.
func Block(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var b strings.Builder
	for i, r := range s {
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n', r == '\t', unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// Bytes returns a size in words.
func Bytes(n int64) string {
	if -1000 < n && n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"kB", "MB", "GB", "TB"} {
		if f /= 1000; -999.95 < f && f < 999.95 || unit == "TB" {
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return ""
}

// Count returns a number with its noun.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Time returns a time as tables show it.
func Time(t time.Time) string {
	if t.IsZero() || t.Unix() == 0 {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

var colours = map[rune]string{'+': "32", '~': "33", '@': "36", '!': "35", '-': "31", '?': "31"}

// Entry returns the line of an entry, in colour where that is asked for.
func Entry(sign rune, key, note string, colour bool) string {
	line := fmt.Sprintf("%c %s", sign, Text(key))
	if note != "" {
		line += "  (" + note + ")"
	}
	if colour {
		line = "\x1b[" + colours[sign] + "m" + line + "\x1b[0m"
	}
	return line
}
