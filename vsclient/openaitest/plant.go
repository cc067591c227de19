package openaitest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// NewVectorStore adds an empty store without a request, and returns its id.
func (s *Server) NewVectorStore(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.NewStore(project.StoreSettings{Name: &name, Metadata: map[string]any{}}).ID
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
	f := &project.File{Name: n.Name, Purpose: cmp.Or(n.Purpose, "assistants"), CreatedAt: n.CreatedAt, Content: project.Content{Size: n.Bytes}}
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
