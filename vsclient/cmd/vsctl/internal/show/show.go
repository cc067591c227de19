// Package show writes the results of commands: lines and tables for people, and one
// JSON envelope for programs.
package show

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
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

// JSON writes the envelope.
func JSON(w io.Writer, e Envelope) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(e)
}

// Table writes rows whose cells tabs separate, below a head where there is one.
func Table(w io.Writer, head string, rows []string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if head != "" {
		fmt.Fprintln(t, head)
	}
	for _, row := range rows {
		fmt.Fprintln(t, row)
	}
	t.Flush() //nolint:errcheck // no caller is left to receive this error
}

// Text returns the text as it can stand on a line of a terminal: quoted where it
// holds anything but graphic characters.
func Text(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }) >= 0 {
		return strconv.Quote(s)
	}
	return s
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
