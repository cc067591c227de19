package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// dir is a folder. A key is a prefix and the slash path of a file below it.
type dir struct {
	o       Options
	path    string
	root    *os.Root
	files   fs.FS // of root: no link leads out of it
	list    lister
	refused map[string]string
	absent  map[string]string // the digests of contents that pointers stand for, with their keys

	first   sync.Once
	names   []string          // of the last listing, sorted; nil before the first
	reasons map[string]string // why some of them are refused
	shut    map[string]string // of the last listing: names that may be of folders whose files it leaves out
}

// A lister lists the files of a folder that are to be considered. It yields an error
// for each folder that it cannot read, and goes on.
type lister interface {
	all(ctx context.Context) iter.Seq2[string, error] // errSparse: the file need not be there
	has(ctx context.Context, name string) (bool, error)
	gone(name string) error // why a file that is not there may be the source's all the same
}

// errSparse comes with the name of a file that git keeps and does not check out.
var errSparse = errors.New(NotCheckedOut)

func openDir(place string, o Options) (*dir, error) {
	info, err := os.Stat(place)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, usagef("%s is not a folder: put one file with vsctl put KEY %s", place, place)
	}
	root, err := os.OpenRoot(place)
	if err != nil {
		return nil, err
	}
	d := &dir{o: o, path: place, root: root, files: rooted{root}}
	if usable(place) {
		d.list, err = newGitFiles(d)
	} else {
		d.list, err = newWalked(d)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return d, nil
}

// rooted is the file system of a root. That of the standard library has no names but UTF-8.
type rooted struct{ *os.Root }

func (r rooted) Open(name string) (fs.File, error) {
	f, err := r.Root.Open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (r rooted) ReadLink(name string) (string, error) { return r.Readlink(name) }

func (d *dir) Close() error                 { return d.root.Close() }
func (d *dir) Refused() map[string]string   { return d.refused }
func (d *dir) Elsewhere() map[string]string { return d.absent }

// Documents lists the whole folder first, yields its documents, and lists it once
// more: a file that has gone meanwhile may have been deleted, or a disk may have been
// taken away, so that the source counts as incomplete.
func (d *dir) Documents(ctx context.Context) iter.Seq2[vsclient.Document, error] {
	return func(yield func(vsclient.Document, error) bool) {
		d.refused, d.absent = map[string]string{}, map[string]string{}
		for _, err := range d.chosen(ctx) {
			if !yield(vsclient.Document{}, err) {
				return
			}
		}
		for _, name := range d.names {
			doc := vsclient.Document{}
			var err error
			reason := d.reasons[name]
			switch reason {
			case "":
				doc, err = d.document(name)
			case NotIndexed, notUTF8:
				doc.Content = d.content(name)
			case lfs:
				if _, digest := pointed(func() (io.ReadCloser, error) { return d.files.Open(name) }); digest != "" {
					d.absent[digest] = d.o.Prefix + name
				}
			}
			var bad *frontMatterError
			if errors.As(err, &bad) {
				reason, err = bad.Error(), nil
			}
			if reason != "" {
				doc = d.refuse(name, reason, doc.Content)
			}
			if !yield(doc, err) {
				return
			}
		}
		err := d.unchanged(ctx)
		if err == nil && len(d.names) > 0 && len(d.refused) == len(d.names) && !d.o.AllowEmpty {
			err = fmt.Errorf("%s has no file that can be put", d.path)
		}
		if err != nil {
			yield(vsclient.Document{}, err)
		}
	}
}

// refuse keeps the reason, and returns a document that cannot be put: the source has the
// key, and perhaps the content of a document that has moved there.
func (d *dir) refuse(name, reason string, content vsclient.Content) vsclient.Document {
	key := d.o.Prefix + name
	d.refused[key] = reason
	return vsclient.Document{Key: key, Extension: unputtable, Content: content}
}

// unputtable is an extension that the client refuses before it reads the content.
const unputtable = ".refused"

// The reasons for folders whose files are not listed, though they may be there.
const (
	linkedFolder    = "links to folders are not followed"
	linkOut         = "the link leads out of the folder or to nothing"
	otherRepository = "it is another git repository: sync it by itself"
)

// notUTF8 is the reason for a file that has no key. The content of a document may have moved there.
const notUTF8 = "its path is not UTF-8: rename it"

var indexed = vsclient.Extensions()

// NotIndexed is the reason for a file that is neither text nor a document to OpenAI.
const NotIndexed = "OpenAI does not index files with this extension"

// NotCheckedOut is the reason for a file that a sparse checkout leaves out.
const NotCheckedOut = "git keeps it, and does not check it out here"

// chosen lists the files that the globs choose, and returns an error for each part that could
// not be read.
func (d *dir) chosen(ctx context.Context) (errs []error) {
	d.names, d.reasons = []string{}, map[string]string{}
	errs = d.choose(ctx, func(name, reason string) {
		d.names = append(d.names, name)
		d.refusedFor(name, reason)
	})
	slices.Sort(d.names)
	d.names = slices.Compact(d.names)
	return errs
}

// refusedFor keeps the reason for which a file is refused, or "".
func (d *dir) refusedFor(name, reason string) {
	if delete(d.reasons, name); reason != "" {
		d.reasons[name] = reason
	}
}

// choose calls take with each file that the globs choose, and the reason for which it is
// refused or "". A folder is shut whatever the globs say of its own name: they may choose
// files below it.
func (d *dir) choose(ctx context.Context, take func(name, reason string)) (errs []error) {
	d.shut = map[string]string{}
	for name, err := range d.list.all(ctx) {
		sparse := errors.Is(err, errSparse)
		if err != nil && !sparse {
			errs = append(errs, err)
			continue
		}
		reason, err := d.look(name)
		if absent(err) && sparse {
			reason, err = NotCheckedOut, nil
		}
		switch reason {
		case linkedFolder, linkOut, otherRepository, NotCheckedOut:
			d.shut[name] = reason
		}
		switch {
		case absent(err): // git lists files that are deleted
		case err != nil:
			errs = append(errs, err)
		case d.wanted(name):
			take(name, reason)
		}
	}
	return errs
}

// look returns the reason for which a file is refused, or "".
func (d *dir) look(name string) (reason string, err error) {
	info, err := fs.Lstat(d.files, name)
	if err != nil {
		return "", err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		if info, err = fs.Stat(d.files, name); err != nil {
			return linkOut, nil //nolint:nilerr // the file itself is there
		}
		if info.IsDir() {
			return linkedFolder, nil
		}
	}
	switch {
	case info.IsDir():
		return otherRepository, nil
	case !info.Mode().IsRegular():
		return "it is not a regular file", nil
	case !d.wanted(name): // nobody asks for its content
		return "", nil
	case info.Size() < pointerSize:
		reason = Pointer(func() (io.ReadCloser, error) { return d.files.Open(name) })
	}
	switch {
	case reason != "":
	case !utf8.ValidString(name):
		reason = notUTF8
	case !slices.Contains(indexed, strings.ToLower(path.Ext(name))):
		reason = NotIndexed
	}
	return reason, nil
}

// pointers are files that stand for content which is not here. Git LFS has had three forms.
// git-annex has one for a file, and links, which are files of text where there are no links.
var pointers = map[*regexp.Regexp]string{
	regexp.MustCompile(`^version https?://(git-lfs\.github\.com/spec|hawser\.github\.com/spec|git-media\.io)/v\S*\r?\n(.*\n)*oid `): lfs,
	regexp.MustCompile(`^((\.\./)*\.git)?/annex/objects/\S+\s*$`):                                                                   annex,
}

const (
	lfs   = "it is a pointer of Git LFS to content that is not here: run git lfs pull"
	annex = "it is a pointer of git-annex to content that is not here: run git annex get"
)

// pointerSize is more than the bytes of any pointer.
const pointerSize = 1024

// Pointer returns the reason for which a pointer in place of content is refused, or "". A
// file that cannot be read is told of when it is put.
func Pointer(open func() (io.ReadCloser, error)) string {
	reason, _ := pointed(open)
	return reason
}

// oid matches the SHA-256 of the content that a pointer of Git LFS stands for.
var oid = regexp.MustCompile(`(?m)^oid sha256:([0-9a-f]{64})\r?$`)

// pointed returns the reason for which a pointer is refused, and the SHA-256 of the content that it
// stands for. Both are "" for another file, and the second for a pointer that does not tell it.
func pointed(open func() (io.ReadCloser, error)) (reason, digest string) {
	f, err := open()
	if err != nil {
		return "", ""
	}
	defer f.Close()
	begin, err := io.ReadAll(io.LimitReader(f, pointerSize))
	if err != nil || len(begin) == pointerSize {
		return "", ""
	}
	text := strings.TrimPrefix(string(begin), "\ufeff")
	for pointer, reason := range pointers {
		if pointer.MatchString(text) {
			if found := oid.FindStringSubmatch(text); found != nil {
				digest = found[1]
			}
			return reason, digest
		}
	}
	return "", ""
}

// unchanged returns an error when the folder is another one than before, or when a
// file has gone or come since. No second list of the files is made.
func (d *dir) unchanged(ctx context.Context) error {
	if err := d.same(); err != nil {
		return err
	}
	there, came := make([]bool, len(d.names)), ""
	errs := d.choose(ctx, func(name, reason string) {
		i, ok := slices.BinarySearch(d.names, name)
		if ok {
			there[i] = true
		} else {
			came = name
		}
		d.refusedFor(name, reason)
	})
	if len(errs) > 0 {
		return errs[0]
	}
	if i := slices.Index(there, false); i >= 0 {
		return fmt.Errorf("%s went away while the folder was read: run it again", d.names[i])
	}
	if came != "" {
		return fmt.Errorf("%s came while the folder was read: run it again", came)
	}
	return nil
}

// same returns an error unless the path still leads to the folder that was opened.
func (d *dir) same() error {
	was, err := d.root.Stat(".")
	if err != nil {
		return err
	}
	if is, err := os.Stat(d.path); err != nil {
		return err
	} else if !os.SameFile(was, is) {
		return fmt.Errorf("%s was replaced by another folder while it was read: run it again", d.path)
	}
	return nil
}

func (d *dir) document(name string) (vsclient.Document, error) {
	doc := vsclient.Document{
		Key:      d.o.Prefix + name,
		Chunking: d.o.Chunking,
		Content:  d.content(name),
	}
	if len(d.o.FrontMatter) == 0 || !strings.EqualFold(path.Ext(name), ".md") {
		return doc, nil
	}
	f, err := d.files.Open(name)
	if err != nil {
		return doc, err
	}
	defer f.Close() //nolint:errcheck // it was read alone
	doc.Attributes, err = frontMatter(f, d.o.FrontMatter)
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return doc, err
}

func (d *dir) content(name string) vsclient.Content {
	return vsclient.Open(func() (io.ReadCloser, error) { return d.files.Open(name) })
}

// Document asks the folder for one file. A file that is refused is there.
func (d *dir) Document(ctx context.Context, key string) (vsclient.Document, bool, error) {
	none := vsclient.Document{}
	name, ok := strings.CutPrefix(key, d.o.Prefix)
	if !ok || !fs.ValidPath(name) || name == "." || !d.wanted(name) {
		return none, false, nil
	}
	if err := d.same(); err != nil {
		return none, false, err
	}
	d.first.Do(func() {
		if d.names == nil {
			_ = d.chosen(ctx)
		}
	})
	for above := path.Dir(name); above != "."; above = path.Dir(above) {
		if reason := d.shut[above]; reason != "" {
			return none, false, fmt.Errorf("%s: %s; --exclude it to have its documents removed", above, reason)
		}
	}
	switch info, err := fs.Lstat(d.files, name); {
	case absent(err) && d.reasons[name] == NotCheckedOut:
		return none, false, fmt.Errorf("%s: %w", name, errSparse)
	case absent(err) && d.away(name):
		return none, false, fmt.Errorf("iCloud has put %s away: download it", name)
	case absent(err):
		return none, false, d.list.gone(name)
	case err == nil && info.IsDir():
		return none, false, nil
	case err != nil:
		return none, false, err
	}
	if _, ok := slices.BinarySearch(d.names, name); !ok {
		if ok, err := d.list.has(ctx, name); !ok || err != nil {
			return none, false, err
		}
	}
	doc, err := d.document(name)
	return doc, err == nil, err
}

// Again opens a file of the folder that was listed.
func (d *dir) Again(_ context.Context, key string) (vsclient.Document, bool, error) {
	name, ok := strings.CutPrefix(key, d.o.Prefix)
	if _, listed := slices.BinarySearch(d.names, name); !ok || !listed || d.reasons[name] != "" {
		return vsclient.Document{}, false, nil
	}
	doc, err := d.document(name)
	return doc, err == nil, err
}

// away reports whether iCloud has left a file of another name in place of the file.
func (d *dir) away(name string) bool {
	_, err := fs.Lstat(d.files, path.Join(path.Dir(name), "."+path.Base(name)+".icloud"))
	return err == nil
}

// absent reports whether the error tells that no file can have the name.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}

// wanted reports whether the globs choose the file.
func (d *dir) wanted(name string) bool {
	return (len(d.o.Include) == 0 || matches(d.o.Include, name)) && !matches(d.o.Exclude, name)
}

// matches reports whether a glob matches the path or a folder above it. As in
// .gitignore, a glob without a slash matches a name in any folder.
func matches(globs []string, name string) bool {
	for p := name; p != "."; p = path.Dir(p) {
		for _, glob := range globs {
			at := p
			glob = strings.TrimSuffix(glob, "/")
			if rest, ok := strings.CutPrefix(glob, "./"); ok {
				glob = "/" + rest
			}
			if !strings.Contains(glob, "/") {
				at = path.Base(p)
			}
			if doublestar.MatchUnvalidated(strings.TrimPrefix(glob, "/"), at) {
				return true
			}
		}
	}
	return false
}
