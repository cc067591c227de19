// Package source reads the documents that a vector store is to hold: of a folder,
// of a manifest, or of a list of keys.
package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Source is a set of documents by key.
type Source interface {
	// Documents iterates over the documents. An error makes the set incomplete;
	// the iteration goes on behind it where it can.
	Documents(ctx context.Context) iter.Seq2[vsclient.Document, error]
	// Document returns the document of a key as the source holds it now, and
	// false when the source does not have it.
	Document(ctx context.Context, key string) (vsclient.Document, bool, error)
	// Again returns a document that the last iteration has yielded. It looks where that has
	// looked, also when the name of the source leads to another place by now.
	Again(ctx context.Context, key string) (vsclient.Document, bool, error)
	// Refused returns the keys of the last iteration that cannot be put, each with
	// its reason.
	Refused() map[string]string
	// Elsewhere returns the SHA-256 of contents of the last iteration that are the source's and
	// cannot be read here, each with a key.
	Elsewhere() map[string]string
	// Close ends the use of the source and of the contents of its documents.
	Close() error
}

// Options say how a source is read.
type Options struct {
	Prefix           string   // before each key
	Include, Exclude []string // globs over paths of a folder
	FrontMatter      []string // fields of Markdown front matter that become attributes; "*": all
	AllowEmpty       bool     // a folder without any file that can be put is complete
	Complete         bool     // a list of keys without an end line is complete
	Chunking         vsclient.Chunking
	Stdin            io.Reader
}

// UsageError is an error in the way a source is named or in its options.
type UsageError struct{ Reason string }

func (e *UsageError) Error() string { return e.Reason }

func usagef(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// Split returns the kind of a source, "dir", "manifest" or "keys", and its place:
// a path, or "-" for standard input.
func Split(spec string) (kind, place string) {
	for _, kind := range []string{"manifest", "keys"} {
		if place, ok := strings.CutPrefix(spec, kind+":"); ok {
			return kind, place
		}
	}
	return "dir", spec
}

// Open opens the source that spec names: DIR, manifest:FILE, keys:FILE, with "-"
// for standard input.
func Open(spec string, o Options) (Source, error) {
	kind, place := Split(spec)
	if place == "" {
		return nil, usagef("%q names no source: give a folder, manifest:FILE or keys:FILE", spec)
	}
	if kind == "dir" {
		for _, glob := range append(append([]string{}, o.Include...), o.Exclude...) {
			if !doublestar.ValidatePattern(glob) {
				return nil, usagef("%q is no glob: see https://github.com/bmatcuk/doublestar for the patterns", glob)
			}
		}
		return openDir(place, o)
	}
	if len(o.Include)+len(o.Exclude)+len(o.FrontMatter) > 0 {
		return nil, usagef("--include, --exclude and --front-matter are for a folder, not for %s", kind)
	}
	if kind == "manifest" {
		return openManifest(place, o)
	}
	return openKeys(place, o)
}

// lines is a file of lines.
type lines struct {
	*os.File
	copied bool  // it is a temporary file
	from   int64 // the place of the first line
}

// openLines opens a file of lines. Standard input and pipes are copied to a temporary
// file first, since a document of them may be read again.
func openLines(place string, stdin io.Reader) (lines, error) {
	if place != "-" {
		f, err := os.Open(filepath.Clean(place))
		if err != nil {
			return lines{}, err
		}
		info, err := f.Stat()
		switch {
		case err != nil:
			return lines{}, errors.Join(err, f.Close())
		case info.IsDir():
			return lines{}, errors.Join(usagef("%s is a folder: give a file of lines", place), f.Close())
		case info.Mode().IsRegular():
			return lines{f, false, behindMark(f)}, nil
		}
		defer f.Close()
		stdin = f
	}
	f, err := os.CreateTemp("", "vsctl-*.jsonl")
	if err != nil {
		return lines{}, err
	}
	if _, err = io.Copy(f, stdin); err != nil {
		return lines{}, errors.Join(fmt.Errorf("%s: %w", cmp.Or(strings.TrimPrefix(place, "-"), "standard input"), err), f.Close(), os.Remove(f.Name()))
	}
	return lines{f, true, behindMark(f)}, nil
}

// Elsewhere returns nil: a list of keys has no contents, and a manifest with a pointer is incomplete.
func (lines) Elsewhere() map[string]string { return nil }

// all reads the lines from the first.
func (l lines) all() io.Reader { return io.NewSectionReader(l, l.from, 1<<62) }

// behindMark returns the place behind a byte order mark, where the text begins.
func behindMark(f *os.File) int64 {
	const mark = "\ufeff"
	begin := make([]byte, len(mark))
	if n, _ := f.ReadAt(begin, 0); string(begin[:n]) == mark {
		return int64(n)
	}
	return 0
}

// Close closes the file, and removes one that was copied.
func (l lines) Close() error {
	err := l.File.Close()
	if l.copied {
		err = errors.Join(err, os.Remove(l.Name()))
	}
	return err
}

// firstPass iterates over a source that is asked for a document before its documents
// were read. It keeps the error that makes the source incomplete: no key is absent then.
type firstPass struct {
	once sync.Once
	err  error
}

// over iterates over s at the first call, unless its documents were read, and returns
// the error of that at every call.
func (p *firstPass) over(ctx context.Context, s Source, read func() bool) error {
	p.once.Do(func() {
		if read() {
			return
		}
		for _, err := range s.Documents(ctx) {
			p.err = errors.Join(p.err, err)
		}
	})
	return p.err
}
