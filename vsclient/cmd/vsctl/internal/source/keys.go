package source

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// PutsNothing is the reason for each key of a list of keys.
const PutsNothing = "a list of keys puts nothing"

// keys is a list of keys, one a line as it is or as a JSON string, that ends in
// {"end":true,"count":N} unless it is said to be complete. Its documents have no
// content.
type keys struct {
	lines
	o     Options
	first firstPass
	has   map[string]string // nil before the first iteration
}

func openKeys(place string, o Options) (*keys, error) {
	l, err := openLines(place, o.Stdin)
	if err != nil {
		return nil, err
	}
	return &keys{lines: l, o: o}, nil
}

func (k *keys) Refused() map[string]string { return k.has }

func (k *keys) Documents(context.Context) iter.Seq2[vsclient.Document, error] {
	return func(yield func(vsclient.Document, error) bool) {
		k.has = map[string]string{}
		lines := bufio.NewScanner(k.all())
		ended, count := false, 0
		for lines.Scan() {
			text := lines.Text()
			if text == "" {
				continue
			}
			if ended {
				yield(vsclient.Document{}, errors.New("more follows the end line: end the list once"))
				return
			}
			if said, ok, err := endLine(text); ok {
				ended = true
				if err = cmp.Or(err, counted(said, count)); err != nil && !yield(vsclient.Document{}, err) {
					return
				}
				continue
			}
			count++
			key, err := keyOf(text)
			doc := vsclient.Document{}
			if err == nil {
				doc.Key = k.o.Prefix + key
				k.has[doc.Key] = PutsNothing
			}
			if !yield(doc, err) {
				return
			}
		}
		err := lines.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = errors.New("a line has more than 64 KiB, and a key has 1,024 bytes at most: end each key with a line feed")
		}
		if err == nil && !ended && !k.o.Complete {
			err = errors.New(noEnd + ", or say that it is whole with --complete")
		}
		if err != nil {
			yield(vsclient.Document{}, err)
		}
	}
}

// keyOf returns the key of a line. Text in another encoding than UTF-8 may stand for a key
// that the store has.
func keyOf(text string) (key string, err error) {
	if err := whole([]byte(text)); err != nil {
		return "", err
	}
	if !strings.HasPrefix(text, `"`) {
		if strings.Contains(text, "\x00") {
			return "", errors.New("a line holds a NUL, as UTF-16 does: make the list in UTF-8")
		}
		return text, nil
	}
	if err := json.Unmarshal([]byte(text), &key); err != nil {
		return "", fmt.Errorf("%.100q begins like a JSON string and is none: quote the whole key", text)
	}
	return key, nil
}

// half matches escapes in a JSON string: a backslash, a surrogate pair, or as its group an
// unpaired surrogate, which encoding/json replaces by U+FFFD.
var half = regexp.MustCompile(`\\(?:\\|u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]))`)

// whole returns an error for text that JSON in Go would silently alter.
func whole(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("a line is not UTF-8: make the source in UTF-8")
	}
	if bytes.Contains(text, []byte(`\ud`)) || bytes.Contains(text, []byte(`\uD`)) {
		for _, found := range half.FindAllSubmatchIndex(text, -1) {
			if found[2] >= 0 {
				return errors.New("a line has half of a surrogate pair (\\ud800 to \\udfff): write the character in UTF-8")
			}
		}
	}
	return nil
}

// endLine reads an end line. One that has a name twice, or another name, is an end line with an error.
func endLine(text string) (count int, ok bool, err error) {
	reads := func(to any) bool { return strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), to) == nil }
	var names struct {
		End   json.RawMessage `json:"end"`
		Count json.RawMessage `json:"count"`
	}
	var end struct {
		End   bool `json:"end"`
		Count *int `json:"count"`
	}
	if reads(&names) && names.End != nil && names.Count != nil {
		err = once(json.RawMessage(text), field)
	}
	switch {
	case err != nil:
		return 0, true, err
	case !reads(&end) || !end.End || end.Count == nil:
		return 0, false, nil
	}
	strict := json.NewDecoder(strings.NewReader(text))
	strict.DisallowUnknownFields()
	if strict.Decode(&end) != nil {
		return 0, true, errors.New(endForm)
	}
	return *end.Count, true, nil
}

// Again is Document: the list is read once.
func (k *keys) Again(ctx context.Context, key string) (vsclient.Document, bool, error) {
	return k.Document(ctx, key)
}

// Document reports whether the list has the key.
func (k *keys) Document(ctx context.Context, key string) (vsclient.Document, bool, error) {
	incomplete := k.first.over(ctx, k, func() bool { return k.has != nil })
	if _, ok := k.has[key]; !ok {
		return vsclient.Document{}, false, incomplete
	}
	return vsclient.Document{Key: key}, true, nil
}
