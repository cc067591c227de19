package cli

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/source"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// place is the record of the folder, or the manifest, that the last whole run has read for
// the documents of one owner and prefix. Each has a file of its own, so that two runs do not meet in one.
type place struct {
	Owner     string `json:"owner"`
	Attribute string `json:"owner_attribute"`
	Prefix    string `json:"prefix"`
	Folder    string `json:"folder"`
}

// folder returns the path of the folder or the manifest that is the source, without links. It
// is "" when the source is neither, or cannot be found.
func (s spec) folder() string {
	kind, at := source.Split(s.Source)
	at, err := filepath.Abs(at)
	if err == nil {
		at, err = filepath.EvalSymlinks(at)
	}
	if kind != "dir" && kind != "manifest" || err != nil || !utf8.ValidString(at) { // JSON holds UTF-8 alone
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
// without an owner nothing is removed.
func (a *app) placeFile(store string, s spec) string {
	if s.Owner == "" {
		return ""
	}
	scope := fmt.Sprintf("%q %q %q", s.Owner, cmp.Or(s.OwnerAttribute, plan.DefaultOwnerAttribute), s.Prefix)
	return a.cached(store, fmt.Sprintf(".%x.source.json", sha256.Sum256([]byte(scope))))
}

// elsewhere returns the folder that the last whole run has read, when the source is another
// one, and both are there: a folder that was moved is the same. A record that cannot be read
// says nothing.
func (a *app) elsewhere(store string, s spec) string {
	file, folder := a.placeFile(store, s), s.folder()
	if file == "" || folder == "" {
		return ""
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	var last place
	if err == nil {
		err = json.Unmarshal(data, &last)
	}
	if err == nil && last.Folder == "" {
		err = errors.New("it names no folder")
	}
	if err != nil {
		a.note("vsctl: the folder of the last whole run is not known: %s: %s; a run that is whole writes it anew", file, message(err))
		return ""
	}
	was, err := os.Stat(last.Folder)
	is, failed := os.Stat(folder)
	if last.Folder == folder || err != nil || failed != nil || os.SameFile(was, is) {
		return ""
	}
	return last.Folder
}

// remember writes the folder of a whole run down.
func (a *app) remember(store string, s spec, folder string) {
	file := a.placeFile(store, s)
	if file == "" || folder == "" {
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
