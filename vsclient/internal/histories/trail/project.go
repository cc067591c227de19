package trail

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// Project is the state of the emulator, with the log of the requests that led to it.
type Project struct {
	*Log
	Srv     *openaitest.Server
	Stores  []string // under test, the mirror, somebody else's
	Keys    []string
	Planted map[string]plan.Planted // Files that others have made, by id
	Texts   map[string]string       // by SHA-256
	Clock   time.Duration           // by which the emulator's is ahead
}

// Owner is the key of a store file: by the word of the process that attached it, or else
// by its attributes and its name.
func (t *Project) Owner(id string, attributes map[string]any, filename string) string {
	if p, ok := t.Planted[id]; ok {
		switch {
		case !Marked(attributes) && p.Key >= 0:
			return t.Keys[p.Key]
		case !Marked(attributes):
			return ""
		}
		return t.whole(KeyOf(attributes, filename))
	}
	for _, e := range t.Of(id) {
		if e.Endpoint != "POST store/files" && e.Endpoint != "POST file_batches" {
			continue
		}
		if i := slices.Index(e.Files, id); i >= 0 && i < len(e.Attrs) && Marked(e.Attrs[i]) {
			return t.whole(KeyOf(e.Attrs[i], filename))
		}
	}
	return t.whole(KeyOf(attributes, filename))
}

// whole finds the key of a digest.
func (t *Project) whole(key string) string {
	if d, ok := strings.CutPrefix(key, "sha256:"); ok {
		for _, k := range t.Keys {
			if d == Digest(k) {
				return k
			}
		}
	}
	return key
}

// Files are the store files of a key in a store, as they truly are.
func (t *Project) Files(store int, key string) (out []openaitest.StoreFile) {
	for _, f := range t.Srv.Snapshot().Store(t.Stores[store]).Files {
		if t.Owner(f.FileID, f.Attributes, f.Filename) == key {
			out = append(out, f)
		}
	}
	return out
}

// Status is that of a store file, by its path; "": it is not there.
func (t *Project) Status(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for _, f := range t.Srv.Snapshot().Store(parts[1]).Files {
		if f.FileID == parts[len(parts)-1] {
			return f.Status
		}
	}
	return ""
}

// ChunkOf is a plan's chunking; 0: auto.
func ChunkOf(f openaitest.StoreFile) int {
	if f.MaxTokens == 800 && f.Overlap == 400 {
		return 0
	}
	return f.MaxTokens
}

// Since is a time of the emulator's clock, as one since the history began.
func (t *Project) Since(at time.Time) time.Duration { return at.Add(-t.Clock).Sub(t.Start) }

// Uploaded is the request that has made a File.
func (t *Project) Uploaded(id string) *Entry {
	for _, e := range t.Of(id) {
		if e.Endpoint == "POST /files" {
			return e
		}
	}
	return nil
}

// Maker is the process that has made a File; -1: none.
func (t *Project) Maker(id string) int {
	if e := t.Uploaded(id); e != nil {
		return e.P
	}
	return -1
}

// Attached is when a File's attaches took effect.
func (t *Project) Attached(id string) (at []time.Duration) {
	for _, e := range t.Of(id) {
		if (e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches") && slices.Contains(e.Files, id) && e.At > 0 && e.Status < 300 {
			at = append(at, e.At)
		}
	}
	return at
}

// LastRemoval is the request that took the last version of a key out of its store.
func (t *Project) LastRemoval(key string, at time.Duration) (last *Entry) {
	for _, e := range t.Entries() {
		if e.Endpoint == "DELETE store/files/{id}" && e.At > 0 && e.At <= at && e.Status < 300 && t.OwnerOf(e.Files[0]) == key && (last == nil || e.At > last.At) {
			last = e
		}
	}
	return last
}

// OwnerOf is the key of a File, by its first attach or the plan.
func (t *Project) OwnerOf(id string) string {
	for _, e := range t.Of(id) {
		if e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches" {
			if i := slices.Index(e.Files, id); i >= 0 && i < len(e.Attrs) {
				return t.whole(KeyOf(e.Attrs[i], ""))
			}
		}
	}
	if p, ok := t.Planted[id]; ok && p.Key >= 0 {
		return t.Keys[p.Key]
	}
	return ""
}

// LateWrite reports whether the attributes that a store file had at a time were written by
// a request whose caller had given it up by then.
func (t *Project) LateWrite(id string, at time.Duration) bool {
	var last *Entry
	for _, e := range t.Of(id) {
		writes := e.Endpoint == "POST store/files/{id}" || e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches"
		if writes && e.At > 0 && e.At <= at+time.Millisecond && e.Status < 300 && slices.Contains(e.Files, id) && (last == nil || e.At > last.At) {
			last = e
		}
	}
	return last != nil && last.Late
}

// GivenUp reports whether an attach of a File landed after its caller had given it up.
func (t *Project) GivenUp(id string) bool {
	return slices.ContainsFunc(t.Of(id), func(e *Entry) bool {
		return e.Late && e.At > 0 && (e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches")
	})
}

// LateAttach reports whether an attach of a key's File landed at that time, after its
// caller had given it up.
func (t *Project) LateAttach(key string, at time.Duration) bool {
	return slices.ContainsFunc(t.Entries(), func(e *Entry) bool {
		return e.Late && e.At == at && (e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches") &&
			slices.ContainsFunc(e.Files, func(id string) bool { return t.OwnerOf(id) == key })
	})
}

// Loose are the Files of the histories' processes that are attached nowhere.
func (t *Project) Loose() (loose []openaitest.FileInfo) {
	snap := t.Srv.Snapshot()
	attached := make(map[string]bool)
	for _, st := range snap.Stores {
		for _, f := range st.Files {
			attached[f.FileID] = true
		}
	}
	for _, f := range snap.Files {
		if _, planted := t.Planted[f.ID]; !planted && !attached[f.ID] {
			loose = append(loose, f)
		}
	}
	return loose
}

// AttachedBefore are the attaches of a File that had taken effect, and not been
// undone, when a request did.
func (t *Project) AttachedBefore(e *Entry) (out []time.Duration) {
	for _, n := range t.Of(e.Files[0]) {
		switch {
		case n.At == 0 || n.At >= e.At || n.Status >= 300:
		case n.Endpoint == "POST store/files" || n.Endpoint == "POST file_batches":
			out = append(out, n.At)
		case n.Method == http.MethodDelete:
			return nil
		}
	}
	return out
}

// Removed reports whether a process other than that one has removed a version, at that
// time or later.
func (t *Project) Removed(file string, p int, at time.Duration) bool {
	return slices.ContainsFunc(t.Of(file), func(e *Entry) bool {
		return e.P != p && e.Endpoint == "DELETE store/files/{id}" && e.At > 0 && e.At >= at
	})
}

// Describe describes the planted Files that are not in known. Of those of keys that callers
// have touched, it describes only their places in other stores.
func (t *Project) Describe(known map[string]string, touched func(key int) bool) map[string]string {
	snap := t.Srv.Snapshot()
	out := make(map[string]string)
	named := func(p plan.Planted) bool { return p.Ours && touched(p.Key) }
	for _, f := range snap.Files {
		p, ok := t.Planted[f.ID]
		if !ok {
			continue
		}
		out[f.ID] = fmt.Sprintf("%q %s %s", f.Name, f.Purpose, f.SHA256[:8])
		if named(p) {
			out[f.ID] = ""
		}
	}
	for n, id := range t.Stores {
		st := snap.Store(id)
		for _, f := range st.Files {
			p, ok := t.Planted[f.FileID]
			if !ok || n == 0 && named(p) {
				continue
			}
			out[f.FileID] += fmt.Sprintf(" in %s %s %v", st.Name, f.Status, AttrsText(f.Attributes))
		}
	}
	maps.Copy(out, known)
	return out
}

// NewestSearchable reports whether the newest version of a key is searchable.
func (t *Project) NewestSearchable(store int, key string) bool {
	version := func(f openaitest.StoreFile) string {
		v, _ := f.Attributes["vs_version"].(string)
		return v
	}
	files := t.Files(store, key)
	return len(files) > 0 && slices.MaxFunc(files, func(a, b openaitest.StoreFile) int { return cmp.Compare(version(a), version(b)) }).Status == "completed"
}

// Tells reports whether a File's name alone shows that it is the key's: it is the key,
// or carries its digest and is the one that was sent.
func (t *Project) Tells(id, name, key string) bool {
	up := t.Uploaded(id)
	return name == key || up != nil && up.Name == name && strings.Contains(name, "-"+Digest(key)[:8]+".")
}
