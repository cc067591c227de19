package openaitest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// Request is a line of the request log.
type Request struct {
	N        int           `json:"n"`    // from 1, in order of arrival
	Time     time.Time     `json:"time"` // of arrival
	Took     time.Duration `json:"took_ns"`
	Method   string        `json:"method"`
	Path     string        `json:"path"` // escaped, with /v1
	Query    string        `json:"query,omitzero"`
	Endpoint string        `json:"endpoint"`       // e.g. "POST /vector_stores/{vector_store_id}/files"
	Done     bool          `json:"done"`           // false: still under way
	Status   int           `json:"status"`         // 0: no reply was sent
	Fault    string        `json:"fault,omitzero"` // the one that struck, if any
	// LateEffect is when a request that was over took effect, see
	// [Fault.EffectAfter]; zero: it did not, or not yet.
	LateEffect time.Time `json:"late_effect,omitzero"`
	BytesIn    int64     `json:"bytes_in"` // of the body
	BytesOut   int64     `json:"bytes_out"`
	RequestID  string    `json:"request_id"`
}

func (s *Server) appendLog(r Request) {
	if n := s.cfg.LogSize; n > 0 && len(s.log) >= 2*n {
		s.log = append(s.log[:0], s.log[len(s.log)-n:]...)
	}
	s.log = append(s.log, r)
}

// logEntry returns the log's entry of request n; nil when the log has dropped it.
func (s *Server) logEntry(n int) *Request {
	i := n - 1 - (s.logged - len(s.log))
	if i < 0 {
		return nil
	}
	return &s.log[i]
}

// Requests returns the log of requests in order of arrival, including requests
// under way.
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

// ExpireVectorStore lets a store expire once the server's clock has moved on by
// after, even if it is used until then; 0 is at once. It panics when the store does
// not exist or after is negative.
func (s *Server) ExpireVectorStore(id string, after time.Duration) {
	if err := s.expireVectorStore(id, after); err != nil {
		panic("openaitest: " + err.Error())
	}
}

func (s *Server) expireVectorStore(id string, after time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.ExpireStore(id, after)
}

// NewVectorStore adds an empty store without a request, and returns its id.
func (s *Server) NewVectorStore(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.NewStore(project.StoreSettings{Name: &name, Metadata: map[string]any{}}).ID
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

// AddFile plants a File without a request or a check, and returns its id.
func (s *Server) AddFile(n NewFile) string {
	f := &project.File{Name: n.Name, Purpose: orElse(n.Purpose, "assistants"), CreatedAt: n.CreatedAt, Content: project.Content{Size: n.Bytes}}
	if n.Content != nil {
		sum := sha256.Sum256(n.Content)
		f.Content = project.Content{Size: int64(len(n.Content)), SHA256: hex.EncodeToString(sum[:]), Kept: bytes.Clone(n.Content)}
	}
	if !n.ExpiresAt.IsZero() {
		f.ExpiresAt = n.ExpiresAt.Unix()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.AddFile(f)
	return f.ID
}

// AddStoreFile attaches a File to a store as completed, without a request. It does not
// check name and content. A File that is already attached gets these attributes. It
// panics when store or File does not exist, or when the API would refuse the attributes.
func (s *Server) AddStoreFile(storeID, fileID string, attributes map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, f := s.state.Store(storeID), s.state.File(fileID)
	if st == nil || f == nil {
		panic(fmt.Sprintf("openaitest: no store %q or no file %q", storeID, fileID))
	}
	attributes = plain(attributes)
	if refused := checkPlanted(attributes, &s.cfg.Quirks); refused != nil {
		panic("openaitest: " + refused.message)
	}
	s.state.Plant(st, f, attributes)
}

func checkPlanted(attributes map[string]any, quirks *Quirks) *apiError {
	for k, v := range attributes {
		if text, _ := v.(string); !utf8.ValidString(k) || !utf8.ValidString(text) {
			return badRequest("", "attributes", "attribute %q is not UTF-8, and JSON must be", k)
		}
	}
	b := &fields{path: "attributes.", m: attributes}
	b.checkAttributes(quirks)
	return b.err
}

// DetachStoreFile detaches a File from a store without a request, as another client
// of the project might. It does nothing when the File is not attached.
func (s *Server) DetachStoreFile(storeID, fileID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.state.Store(storeID); st != nil {
		if f := st.File(fileID); f != nil {
			s.state.Detach(f)
		}
	}
}
