package openaitest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// FileInfo describes a File.
type FileInfo struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Purpose   string    `json:"purpose"`
	Bytes     int64     `json:"bytes"`
	SHA256    string    `json:"sha256"` // hex; empty when the content was never seen whole
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero: never
	Attaches  int       `json:"attaches"`            // number of attaches, to any store

	// These are set only for [Config.FailIndexing] and [Config.StickIndexing].
	VectorStoreID string         `json:"vector_store_id,omitzero"`
	Attributes    map[string]any `json:"attributes,omitzero"`
}

// StoreFile describes a File that is attached to a store.
type StoreFile struct {
	FileID     string         `json:"file_id"`
	Filename   string         `json:"filename"`
	Bytes      int64          `json:"bytes"`
	SHA256     string         `json:"sha256"`
	Status     string         `json:"status"`
	ErrorCode  string         `json:"error_code,omitzero"` // when the file has failed
	ErrorText  string         `json:"error_text,omitzero"`
	Attributes map[string]any `json:"attributes"`  // values are string, bool and float64
	CreatedAt  time.Time      `json:"created_at"`  // of the first attach
	AttachedAt time.Time      `json:"attached_at"` // of the last attach
	FileGone   bool           `json:"file_gone"`   // the File was deleted
	MaxTokens  int            `json:"max_tokens"`  // of the chunking strategy
	Overlap    int            `json:"overlap"`
}

// VectorStore describes a store.
type VectorStore struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	CreatedAt time.Time   `json:"created_at"`
	Expired   bool        `json:"expired"`
	Files     []StoreFile `json:"files"` // in order of attach
}

// Snapshot is the true state, without the lags and windows of clients' views.
type Snapshot struct {
	Time    time.Time     `json:"time"`
	Files   []FileInfo    `json:"files"` // in order of creation
	Stores  []VectorStore `json:"stores"`
	Uploads int           `json:"uploads"` // pending
	Late    int           `json:"late"`    // effects that are still to come, see [Fault.EffectAfter]
}

// Store returns the store of that id; an empty VectorStore if there is none.
func (s Snapshot) Store(id string) VectorStore {
	for _, st := range s.Stores {
		if st.ID == id {
			return st
		}
	}
	return VectorStore{}
}

// Snapshot returns the current true state.
func (s *Server) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := Snapshot{Time: s.state.Now(), Late: s.late, Uploads: s.state.PendingUploads(), Files: []FileInfo{}, Stores: []VectorStore{}}
	for f := range s.state.Files() {
		snap.Files = append(snap.Files, fileInfo(f))
	}
	for st := range s.state.Stores() {
		v := VectorStore{ID: st.ID, Name: st.ShownName(), CreatedAt: st.CreatedAt, Expired: st.Expired, Files: []StoreFile{}}
		for f := range st.Files() {
			v.Files = append(v.Files, storeFileInfo(f))
		}
		snap.Stores = append(snap.Stores, v)
	}
	return snap
}

func fileInfo(f *project.File) FileInfo {
	i := FileInfo{
		ID: f.ID, Name: f.Name, Purpose: f.Purpose, Bytes: f.Size, SHA256: f.SHA256, CreatedAt: f.CreatedAt, Attaches: f.Attaches,
	}
	if f.ExpiresAt != 0 {
		i.ExpiresAt = time.Unix(f.ExpiresAt, 0)
	}
	return i
}

func storeFileInfo(f *project.StoreFile) StoreFile {
	return StoreFile{
		FileID: f.File.ID, Filename: f.File.Name, Bytes: f.File.Size, SHA256: f.File.SHA256, Status: string(f.Status),
		ErrorCode: f.Code, ErrorText: f.Message, Attributes: plain(f.Attributes),
		CreatedAt: f.CreatedAt, AttachedAt: f.AttachedAt, FileGone: f.File.Gone, MaxTokens: f.Chunking.Size, Overlap: f.Chunking.Overlap,
	}
}

// plain copies attributes with numbers of any kind as float64.
func plain(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if n, ok := v.(json.Number); ok {
			v, _ = n.Float64()
		} else if n := reflect.ValueOf(v); n.IsValid() && n.CanConvert(reflect.TypeFor[float64]()) {
			v = n.Convert(reflect.TypeFor[float64]()).Float()
		}
		out[k] = v
	}
	return out
}

// Interval is a time in which a file was searchable in a store (attached and
// completed) with one set of attributes.
type Interval struct {
	FileID     string         `json:"file_id"`
	Filename   string         `json:"filename"`
	SHA256     string         `json:"sha256"`
	Attributes map[string]any `json:"attributes"` // values are string, bool and float64
	From       time.Time      `json:"from"`
	To         time.Time      `json:"to,omitzero"` // zero: still
}

// At reports whether t is in the interval, which includes From and excludes To.
func (i Interval) At(t time.Time) bool {
	return !t.Before(i.From) && (i.To.IsZero() || t.Before(i.To))
}

// History returns when each file was searchable in a store, in order of beginning.
// The store may have been deleted. Lags of clients' views do not count. A test can
// assert with it that a document was never missing: an interval with its
// attributes begins no later than the one before it ends.
func (s *Server) History(storeID string) []Interval {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Interval
	for _, i := range s.state.History(storeID) {
		out = append(out, Interval{
			FileID: i.File.ID, Filename: i.File.Name, SHA256: i.File.SHA256, Attributes: plain(i.Attributes), From: i.From, To: i.To,
		})
	}
	return out
}

// Content returns the kept part of a File's content: at most Config.KeepBytes of an
// uploaded File, and all of a planted one. It is nil when there is no such File.
func (s *Server) Content(fileID string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.state.File(fileID)
	if f == nil {
		return nil
	}
	return bytes.Clone(f.Kept)
}
