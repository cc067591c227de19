package openaitest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Request is a line of the request log.
type Request struct {
	N         int       // from 1, in order of arrival
	Time      time.Time // of arrival
	Took      time.Duration
	Method    string
	Path      string // escaped, with /v1
	Query     string
	Endpoint  string // e.g. "POST /vector_stores/{vector_store_id}/files"
	Done      bool   // false: still under way
	Status    int    // 0: no reply was sent
	Fault     string // what was injected, if anything
	BytesIn   int64  // of the body
	BytesOut  int64
	RequestID string
}

func (s *Server) appendLog(r Request) {
	if n := s.cfg.LogSize; n > 0 && len(s.log) >= 2*n {
		s.log = append(s.log[:0], s.log[len(s.log)-n:]...)
	}
	s.log = append(s.log, r)
}

// logEntry returns the log's entry of request n, unless it was dropped.
func (s *Server) logEntry(n int) *Request {
	i := n - 1 - (s.logged - len(s.log))
	if i < 0 {
		return nil
	}
	return &s.log[i]
}

// Requests returns the log of requests in order of arrival, those under way
// included.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	if n := s.cfg.LogSize; n > 0 && len(log) > n {
		log = log[len(log)-n:]
	}
	return slices.Clone(log)
}

// Counts returns how many requests arrived for each endpoint, such as
// "POST /files" and "GET /vector_stores/{vector_store_id}/files/{file_id}".
func (s *Server) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

// RequestCount returns how many requests arrived.
func (s *Server) RequestCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logged
}

// FileInfo describes a File.
type FileInfo struct {
	ID        string
	Name      string
	Purpose   string
	Bytes     int64
	SHA256    string // hex; empty when the content was never seen whole
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	Attaches  int       // how often it was attached, to any store

	// These are set only for a file that is being indexed.
	VectorStoreID string
	Attributes    map[string]any
}

// StoreFile describes a File that is attached to a store.
type StoreFile struct {
	FileID     string
	Filename   string
	Bytes      int64
	SHA256     string
	Status     string
	ErrorCode  string // of a failed one
	ErrorText  string
	Attributes map[string]any // of string, bool and float64
	CreatedAt  time.Time      // of the first attach
	AttachedAt time.Time      // of the last attach
	FileGone   bool           // the File was deleted
	MaxTokens  int            // of the chunking strategy
	Overlap    int
}

// VectorStore describes a store.
type VectorStore struct {
	ID        string
	Name      string
	CreatedAt time.Time
	Expired   bool
	Files     []StoreFile // in order of attach
}

// Snapshot is the true state, whatever lags and windows make clients see.
type Snapshot struct {
	Time    time.Time
	Files   []FileInfo // in order of creation
	Stores  []VectorStore
	Uploads int // pending
}

// Store returns the store of that id; an empty one if there is none.
func (s Snapshot) Store(id string) VectorStore {
	for _, st := range s.Stores {
		if st.ID == id {
			return st
		}
	}
	return VectorStore{}
}

// Snapshot returns the true state of now.
func (s *Server) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.tick(now)
	snap := Snapshot{Time: now}
	for f := range s.fileList.ascend(nil) {
		snap.Files = append(snap.Files, f.info())
	}
	for st := range s.storeList.ascend(nil) {
		s.settle(st, now)
		v := VectorStore{ID: st.id, Name: st.name, CreatedAt: st.createdAt, Expired: st.expired}
		for f := range st.listed.ascend(nil) {
			if f.detachedAt.IsZero() {
				v.Files = append(v.Files, f.info())
			}
		}
		snap.Stores = append(snap.Stores, v)
	}
	for _, u := range s.uploads {
		if u.state == "pending" && now.Before(u.createdAt.Add(uploadLifetime)) {
			snap.Uploads++
		}
	}
	return snap
}

func (f *file) info() FileInfo {
	i := FileInfo{
		ID: f.id, Name: f.name, Purpose: f.purpose, Bytes: f.bytes, SHA256: f.sha256, CreatedAt: f.createdAt, Attaches: f.attaches,
	}
	if f.expiresAt != 0 {
		i.ExpiresAt = time.Unix(f.expiresAt, 0)
	}
	return i
}

func (f *storeFile) info() StoreFile {
	return StoreFile{
		FileID: f.file.id, Filename: f.file.name, Bytes: f.file.bytes, SHA256: f.file.sha256, Status: string(f.status),
		ErrorCode: f.code, ErrorText: f.message, Attributes: plain(f.attributes),
		CreatedAt: f.createdAt, AttachedAt: f.attachedAt, FileGone: f.file.gone, MaxTokens: f.chunking.size, Overlap: f.chunking.overlap,
	}
}

// plain copies attributes with numbers as float64.
func plain(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if n, ok := v.(json.Number); ok {
			v, _ = n.Float64()
		}
		out[k] = v
	}
	return out
}

// Interval is a time in which a file was searchable in a store (attached and
// completed) with one set of attributes.
type Interval struct {
	FileID     string
	Filename   string
	SHA256     string
	Attributes map[string]any // of string, bool and float64
	From       time.Time
	To         time.Time // zero: still
}

// At reports whether the interval holds t: From is in it, To is not.
func (i Interval) At(t time.Time) bool {
	return !t.Before(i.From) && (i.To.IsZero() || t.Before(i.To))
}

// History returns when each file was searchable in a store, also in one that
// was deleted, in order of beginning. It is what true readers could find; lags
// of views do not count. With it a test asserts that at no time a document was
// missing: that some interval with its attributes begins no later than the one
// before it ends.
func (s *Server) History(storeID string) []Interval {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stores[storeID]
	if st == nil {
		st = s.buried[storeID]
	}
	if st == nil {
		return nil
	}
	now := s.now()
	s.tick(now)
	s.settle(st, now)
	out := slices.Clone(st.intervals)
	for i := range out {
		out[i].Attributes = plain(out[i].Attributes)
	}
	return out
}

// Content returns what is kept of a File's content: at most Config.KeepBytes.
func (s *Server) Content(fileID string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[fileID]
	if f == nil {
		return nil
	}
	return bytes.Clone(f.content)
}

// NewVectorStore makes an empty store and returns its id, without a request.
func (s *Server) NewVectorStore(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newStore(name, s.now()).id
}

// NewFile is a File to plant with [Server.AddFile].
type NewFile struct {
	Name      string
	Purpose   string    // empty: assistants
	Content   []byte    // nil: unknown content of size Bytes
	Bytes     int64     // used when Content is nil
	CreatedAt time.Time // zero: now
	ExpiresAt time.Time // zero: never
}

// AddFile plants a File and returns its id, without a request and unchecked.
func (s *Server) AddFile(n NewFile) string {
	f := &file{name: n.Name, purpose: n.Purpose, bytes: n.Bytes}
	if f.purpose == "" {
		f.purpose = "assistants"
	}
	if n.Content != nil {
		sum := sha256.Sum256(n.Content)
		f.content, f.bytes, f.sha256 = bytes.Clone(n.Content), int64(len(n.Content)), hex.EncodeToString(sum[:])
	}
	if !n.ExpiresAt.IsZero() {
		f.expiresAt = n.ExpiresAt.Unix()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := n.CreatedAt
	if at.IsZero() {
		at = s.now()
	}
	s.addFile(f, at)
	return f.id
}

// AddStoreFile attaches a File to a store as completed, without a request and
// unchecked. It panics when either does not exist.
func (s *Server) AddStoreFile(storeID, fileID string, attributes map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, f := s.stores[storeID], s.files[fileID]
	if st == nil || f == nil {
		panic(fmt.Sprintf("openaitest: no store %q or no file %q", storeID, fileID))
	}
	now := s.now()
	s.settle(st, now)
	if attributes == nil {
		attributes = map[string]any{}
	}
	s.plant(st, f, maps.Clone(attributes), now)
}

// DetachStoreFile detaches a File from a store, without a request, as another
// client of the project might.
func (s *Server) DetachStoreFile(storeID, fileID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.stores[storeID]; st != nil {
		now := s.now()
		s.settle(st, now)
		if f := st.files[fileID]; f != nil {
			s.detach(f, now)
		}
	}
}
