package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/source"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// place is the record of the folder, the manifest or the list of keys that the last whole run has
// read for the documents of one owner and prefix. Each has a file of its own, so that two runs do
// not meet in one.
type place struct {
	Owner     string `json:"owner"`
	Attribute string `json:"owner_attribute"`
	Prefix    string `json:"prefix"`
	Folder    string `json:"folder"`
}

// The levels of doubt. They are compared by their texts, which sort as the levels do: "", half, strict.
const (
	half   = "half"   // more than half of the documents must be unchanged for one to be removed
	strict = "strict" // none is removed
)

// doubt is how far a source may be another one than that of the last whole run.
type doubt struct {
	Level string `json:"level,omitempty"` // empty: the contents alone are judged
	// Last is the folder of the last whole run, when it is or may be another one and still exists.
	Last string `json:"last_run,omitempty"`
	why  string
}

// relative reports whether the working directory decides where the path of a source leads.
func relative(named string) bool {
	_, at := source.Split(named)
	return at != "-" && !filepath.IsAbs(at)
}

// folder returns the path of the folder, the manifest or the list of keys that is the source,
// without links. It is "" for standard input, and for a pipe that a shell has named.
func (s spec) folder() string {
	_, at := source.Split(s.Source)
	if at == "-" {
		return ""
	}
	at, err := filepath.Abs(at)
	if err == nil {
		at, err = filepath.EvalSymlinks(at)
	}
	if err != nil {
		return ""
	}
	return at
}

// cached returns the path of a file about the store in the user's cache folder. It is ""
// when there is none.
func (a *app) cached(store, ending string) string {
	cache, err := os.UserCacheDir()
	if err != nil || a.emulate != "" {
		return ""
	}
	return filepath.Join(cache, "vsctl", url.PathEscape(store)+ending)
}

// placeFile returns the file of the record for the source. It is "" when there is none:
// without an owner nothing is removed. A list of keys stands beside the source that puts them,
// and has a record of its own.
func (a *app) placeFile(store string, s spec) string {
	if s.Owner == "" {
		return ""
	}
	return a.cached(store, fmt.Sprintf(".%x.source.json", s.digest()))
}

// digest stands for the owner, the prefix and, for a list of keys, the kind of the source.
func (s spec) digest() [sha256.Size]byte {
	scope := fmt.Sprintf("%q %q %q", s.Owner, cmp.Or(s.OwnerAttribute, plan.DefaultOwnerAttribute), s.Prefix)
	if kind, _ := source.Split(s.Source); kind == "keys" {
		scope += " keys"
	}
	return sha256.Sum256([]byte(scope))
}

// lastRun is the record of the last whole run. The zero lastRun is no record.
type lastRun struct {
	folder string
	fault  string // why the record cannot be read
}

// last returns the record of the last whole run.
func (a *app) last(store string, s spec) lastRun {
	file := a.placeFile(store, s)
	if file == "" {
		return lastRun{}
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return lastRun{}
	}
	var last place
	if err == nil {
		err = json.Unmarshal(data, &last)
	}
	if err == nil && last.Folder == "" {
		err = errors.New("it names no folder")
	}
	if err != nil {
		a.note("vsctl: the folder of the last whole run is not known: %s: %s; a run that is approved writes it anew", file, message(err))
		return lastRun{fault: file + ": " + message(err)}
	}
	return lastRun{folder: last.Folder}
}

// doubt compares the folder of the source with that of the last whole run. The working directory
// decides where a relative path leads, and so such a source is doubted more. A record that cannot
// be read may name another folder.
func (s spec) doubt(ctx context.Context, run lastRun, folder string) doubt {
	if run.fault != "" && folder != "" {
		return doubt{strict, "a folder that the record does not tell", "the folder of the last whole run is not known: " + run.fault}
	}
	last := run.folder
	kind, _ := source.Split(s.Source)
	was, err := os.Stat(last)
	gone := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) // not one that cannot be looked at
	is, failed := os.Stat(folder)
	switch {
	case folder == "", last == folder, err == nil && failed == nil && os.SameFile(was, is):
		return doubt{}
	case gone && kind != "keys" && s.Relative && last == "":
		return doubt{Level: half, why: "the path of the source is relative, no whole run is on record here"}
	case gone && kind != "keys" && s.Relative:
		return doubt{Level: half, why: "the path of the source is relative, the last whole run has read " + last + ", which is gone"}
	case gone:
		return doubt{}
	case s.Relative && !source.SamePlace(ctx, last, folder):
		return doubt{strict, last, "the last whole run has read " + last + ", and a relative path leads to " + folder + " here: run vsctl where that run was, or give the absolute path"}
	case kind == "keys":
		return doubt{Last: last}
	}
	return doubt{half, last, "the last whole run has read " + last}
}

// remember writes the folder of a whole run down. JSON holds UTF-8 alone.
func (a *app) remember(store string, s spec, folder string) {
	file := a.placeFile(store, s)
	if file == "" || folder == "" || !utf8.ValidString(folder) {
		return
	}
	data, err := json.MarshalIndent(place{s.Owner, s.OwnerAttribute, s.Prefix, folder}, "", "\t")
	if known, failed := os.ReadFile(file); failed == nil && string(known) == string(data) {
		return
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(file), 0o700)
	}
	if err == nil {
		err = replace(file, data)
	}
	if err != nil {
		a.note("vsctl: the folder of this run cannot be written down: %s; the next run does not know when it reads another one", message(err))
	}
}

// replace replaces a file as a whole.
func replace(file string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.new")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
