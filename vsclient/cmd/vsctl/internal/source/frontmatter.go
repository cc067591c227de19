package source

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// maxFrontMatter is the most bytes that front matter may have.
const maxFrontMatter = 64 << 10

// maxNesting is the most lists and mappings of front matter that may be within each other.
const maxNesting = 100

// frontMatterError is front matter that cannot be attributes.
type frontMatterError struct{ reason string }

func (e *frontMatterError) Error() string { return "front matter: " + e.reason }

// frontMatter reads the YAML between two lines of "---" at the beginning of r, and
// returns the fields that are asked for as attributes.
func frontMatter(r io.Reader, fields []string) (vsclient.Attributes, error) {
	text, err := head(r)
	if err != nil || text == "" {
		return nil, err
	}
	if nested(text) {
		return nil, &frontMatterError{fmt.Sprintf("more than %d lists or mappings are within each other: take them out", maxNesting)}
	}
	var found map[string]any
	if err := yaml.Unmarshal([]byte(text), &found); err != nil {
		return nil, &frontMatterError{"this is not YAML: " + yaml.FormatError(err, false, false)}
	}
	attributes := vsclient.Attributes{}
	for _, name := range slices.Sorted(maps.Keys(found)) { // the first fault is the same at each run
		value := found[name]
		if value == nil || !slices.Contains(fields, "*") && !slices.Contains(fields, name) {
			continue
		}
		if strings.HasPrefix(name, "vs_") {
			return nil, &frontMatterError{fmt.Sprintf("the name %q is reserved: rename it", name)}
		}
		if attributes[name], err = attribute(value); err != nil {
			return nil, &frontMatterError{fmt.Sprintf("%q is %v: choose other fields with --front-matter=FIELD,…", name, err)}
		}
	}
	return attributes, nil
}

// nested reports whether lists and mappings are too deep within each other for the parser,
// whose memory grows with the square of the depth. It counts brackets, and the dashes of one line.
// Nesting by indentation is limited by the size of the text, since each deeper line is longer.
func nested(text string) bool {
	brackets, dashes, line := 0, 0, 0
	for _, t := range lexer.Tokenize(text) {
		if t.Position.Line != line {
			dashes, line = 0, t.Position.Line
		}
		switch t.Type { //nolint:exhaustive // the others nest nothing
		case token.SequenceStartType, token.MappingStartType:
			brackets++
		case token.SequenceEndType, token.MappingEndType:
			brackets--
		case token.SequenceEntryType:
			dashes++
		}
		if brackets+dashes > maxNesting {
			return true
		}
	}
	return false
}

// readers have a buffer that every file would need anew.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, maxFrontMatter) }}

// head returns the text of the front matter, or "" where there is none.
func head(r io.Reader) (string, error) {
	lines := readers.Get().(*bufio.Reader)
	lines.Reset(r)
	defer readers.Put(lines)
	if mark, err := lines.Peek(3); err != nil && err != io.EOF {
		return "", err
	} else if bom, _ := lines.Peek(6); string(mark) != "---" && string(bom) != "\ufeff---" {
		return "", nil
	}
	var text strings.Builder
	for n, size := 0, 0; ; n++ {
		line, err := lines.ReadSlice('\n')
		size += len(line)
		mark := strings.TrimRight(strings.TrimPrefix(string(line), "\ufeff"), " \t\r\n")
		switch {
		case n == 0 && mark != "---":
			return "", nil
		case n > 0 && (mark == "---" || mark == "...") && size > maxFrontMatter:
			return "", &frontMatterError{fmt.Sprintf("it has more than %d KiB: make it shorter", maxFrontMatter>>10)}
		case n > 0 && (mark == "---" || mark == "..."):
			return text.String(), nil
		case err == io.EOF: // a rule at the beginning of a text
			return "", nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull): // the rest of a long line follows
			return "", err
		case n > 0 && size <= maxFrontMatter:
			text.Write(line)
		}
	}
}

// attribute returns the value as OpenAI takes it: a string, a number or a bool.
func attribute(value any) (any, error) {
	switch v := value.(type) {
	case string:
		return date(v), nil
	case bool, int, int64, uint64, float64:
		return v, nil
	case time.Time:
		return v.Format(time.RFC3339), nil
	case []any:
		parts := make([]string, len(v))
		for i, one := range v {
			switch one.(type) {
			case []any, map[string]any:
				return nil, fmt.Errorf("a list of lists or mappings")
			}
			one, err := attribute(one)
			if err != nil {
				return nil, err
			}
			parts[i] = fmt.Sprint(one)
		}
		return strings.Join(parts, ", "), nil
	default:
		return nil, fmt.Errorf("a mapping")
	}
}

// date returns a YAML timestamp as RFC 3339 has it, and other text as it is.
func date(text string) string {
	for _, layout := range []string{"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z07:00", "2006-01-02 15:04:05 -07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format(time.RFC3339Nano)
		}
	}
	return text
}
