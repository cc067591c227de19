package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// manifest is a file of JSON lines, a document each, that ends in
// {"end":true,"count":N}. Where a line gives a path, it is relative to the folder of
// the manifest, and does not lead out of it.
type manifest struct {
	lines
	o     Options
	place string
	base  *os.Root

	first firstPass
	at    map[string]span // of each key; nil before the first iteration
}

// span is the place of a line, and a hash of its bytes.
type span struct {
	from, to int64
	hash     uint64
}

// seed is of the hashes of this process.
var seed = maphash.MakeSeed()

type line struct {
	Key        string              `json:"key"`
	Path       *string             `json:"path"`
	Text       *string             `json:"text"`
	Attributes vsclient.Attributes `json:"attributes"`
	Chunking   *struct {
		MaxTokens     int `json:"max_tokens"`
		OverlapTokens int `json:"overlap_tokens"`
	} `json:"chunking"`

	End   bool `json:"end"`
	Count *int `json:"count"`
}

func openManifest(place string, o Options) (*manifest, error) {
	base := "."
	if place != "-" {
		base = filepath.Dir(place)
	}
	root, err := os.OpenRoot(base)
	if err != nil {
		return nil, err
	}
	l, err := openLines(place, o.Stdin)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &manifest{lines: l, o: o, place: place, base: root}, nil
}

func (m *manifest) Refused() map[string]string { return nil }

func (m *manifest) Close() error { return errors.Join(m.lines.Close(), m.base.Close()) }

func (m *manifest) Documents(context.Context) iter.Seq2[vsclient.Document, error] {
	return func(yield func(vsclient.Document, error) bool) {
		m.at = map[string]span{}
		count := 0
		values := json.NewDecoder(m.all())
		for {
			var raw json.RawMessage
			if err := values.Decode(&raw); err != nil {
				yield(vsclient.Document{}, m.fault(count, unended(err)))
				return
			}
			to := m.from + values.InputOffset()
			where := span{to - int64(len(raw)), to, maphash.Bytes(seed, raw)}
			l, err := parse(raw)
			if err == nil && l.End {
				if err := m.end(values, *l.Count, count); err != nil {
					yield(vsclient.Document{}, m.fault(count, err))
				}
				return
			}
			count++
			var doc vsclient.Document
			if err == nil {
				doc = m.document(l, where)
				if _, twice := m.at[doc.Key]; !twice { // the first document of a key counts
					m.at[doc.Key] = where
				}
			} else {
				err = m.fault(count, err)
			}
			if !yield(doc, err) {
				return
			}
		}
	}
}

func (m *manifest) fault(n int, err error) error {
	return fmt.Errorf("%s, after document %d: %w", cmp.Or(strings.TrimPrefix(m.place, "-"), "standard input"), n, err)
}

// end checks the end line.
func (m *manifest) end(values *json.Decoder, said, count int) error {
	var more json.RawMessage
	if err := values.Decode(&more); err != io.EOF {
		return errors.New("more follows the end line: end the manifest once")
	}
	return counted(said, count)
}

func counted(said, count int) error {
	if said != count {
		return fmt.Errorf("the end line counts %d and %d have come: make it again", said, count)
	}
	return nil
}

const endForm = `the end line is {"end":true,"count":N}`

const noEnd = `the end line {"end":true,"count":N} is missing, so that the source may have been cut: make it again`

func unended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New(noEnd)
	}
	return fmt.Errorf("this is no line of JSON: %w", err)
}

func parse(raw []byte) (line, error) {
	var l line
	if err := cmp.Or(whole(raw), once(raw, field)); err != nil {
		return l, err
	}
	values := json.NewDecoder(bytes.NewReader(raw))
	values.DisallowUnknownFields()
	values.UseNumber() // a float64 would round integers beyond 2^53
	switch err := values.Decode(&l); {
	case err != nil:
		return l, fmt.Errorf("a line is an object with key, path or text, attributes and chunking: %w", err)
	case l.End && (l.Count == nil || l.Key != "" || l.Path != nil || l.Text != nil || l.Attributes != nil || l.Chunking != nil):
		return l, errors.New(endForm)
	case !l.End && l.Key == "":
		return l, errors.New("a line has no key")
	case !l.End && (l.Path == nil) == (l.Text == nil):
		return l, fmt.Errorf("%q: give either path or text", l.Key)
	}
	return l, nil
}

// field makes names equal that are one field to encoding/json, as K is to the Kelvin sign.
func field(name string) string { return strings.ToLower(strings.ToUpper(name)) }

// exact makes no two names equal. It is for names of attributes.
func exact(name string) string { return name }

// once returns an error when a value of JSON is an object that has a name twice, or holds
// one: of two values the last would count. fold makes names equal that are one.
func once(raw json.RawMessage, fold func(string) string) error {
	if !bytes.HasPrefix(raw, []byte("{")) {
		return nil
	}
	values := json.NewDecoder(bytes.NewReader(raw))
	_, err := values.Token()
	for names := map[string]bool{}; err == nil && values.More(); {
		token, _ := values.Token()
		name, _ := token.(string)
		if names[fold(name)] {
			return fmt.Errorf("a line has %q twice", name)
		}
		names[fold(name)] = true
		inner := exact
		if fold(name) == "chunking" {
			inner = fold // its names are fields too
		}
		var value json.RawMessage
		if err = values.Decode(&value); err == nil {
			err = once(value, inner)
		}
	}
	return err
}

// document returns the document of a line. A text is not kept: it is read again.
func (m *manifest) document(l line, where span) vsclient.Document {
	doc := vsclient.Document{Key: m.o.Prefix + l.Key, Attributes: l.Attributes, Chunking: m.o.Chunking}
	if l.Chunking != nil {
		doc.Chunking = vsclient.Chunking(*l.Chunking)
	}
	if l.Path != nil {
		name := filepath.FromSlash(*l.Path)
		open := func() (io.ReadCloser, error) { return m.base.Open(name) }
		doc.Content = vsclient.Open(func() (io.ReadCloser, error) {
			info, err := m.base.Stat(name)
			if err == nil && !info.Mode().IsRegular() {
				err = fmt.Errorf("%s is not a regular file", name)
			}
			if err != nil {
				return nil, err
			}
			if info.Size() < pointerSize {
				if reason := Pointer(open); reason != "" {
					return nil, fmt.Errorf("%s: %s", name, reason)
				}
			}
			return open()
		})
		return doc
	}
	doc.Content = vsclient.Open(func() (io.ReadCloser, error) {
		l, err := m.read(where)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(strings.NewReader(*l.Text)), nil
	})
	return doc
}

func (m *manifest) read(where span) (line, error) {
	raw, err := io.ReadAll(io.NewSectionReader(m, where.from, where.to-where.from))
	if err != nil {
		return line{}, err
	}
	if maphash.Bytes(seed, raw) != where.hash {
		return line{}, errors.New("the manifest has changed since it was read: run the command again")
	}
	return parse(raw)
}

// Again is Document: a line leads to its document for as long as the manifest is open.
func (m *manifest) Again(ctx context.Context, key string) (vsclient.Document, bool, error) {
	return m.Document(ctx, key)
}

// Document looks the key up among those of the last iteration, or of a first one.
func (m *manifest) Document(ctx context.Context, key string) (vsclient.Document, bool, error) {
	incomplete := m.first.over(ctx, m, func() bool { return m.at != nil })
	where, ok := m.at[key]
	if !ok {
		return vsclient.Document{}, false, incomplete
	}
	l, err := m.read(where)
	if err != nil {
		return vsclient.Document{}, false, err
	}
	return m.document(l, where), true, nil
}
