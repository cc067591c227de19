package wire

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/exchange"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
)

// Of each object the fields that matter here. Types of the SDK are not used for replies:
// they keep every object's raw JSON, which a listing of 10,000 Files need not carry.

// File is an object of /files.
type File struct {
	ID        string `json:"id"`
	Bytes     *int64 `json:"bytes"` // null while the size is not known
	CreatedAt int64  `json:"created_at"`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
}

// Store is a vector store.
type Store struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Status     string `json:"status"`
	UsageBytes int64  `json:"usage_bytes"`
	ExpiresAt  int64  `json:"expires_at"`
	FileCounts Counts `json:"file_counts"`
}

// Counts are the files of a store or a batch by status. They may lag.
type Counts struct {
	InProgress int `json:"in_progress"`
	Completed  int `json:"completed"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"`
	Total      int `json:"total"`
}

// Status is the state of a store file or of a batch.
type Status string

// The states that OpenAI documents.
const (
	InProgress Status = "in_progress"
	Completed  Status = "completed"
	Failed     Status = "failed"
	Cancelled  Status = "cancelled"
)

// StoreFile is a File's attachment to a vector store; its id is the File's.
type StoreFile struct {
	ID         string         `json:"id"`
	Status     Status         `json:"status"`
	CreatedAt  int64          `json:"created_at"`
	UsageBytes int64          `json:"usage_bytes"`
	LastError  *IndexingError `json:"last_error"`
	Attributes map[string]any `json:"attributes"`
	Chunking   struct {
		Type   string          `json:"type"`
		Static *StaticChunking `json:"static"`
	} `json:"chunking_strategy"`
	Asked time.Time `json:"-"` // when the attempt began that has shown it alone
}

// StaticChunking are the sizes of chunks.
type StaticChunking struct {
	MaxTokens     int `json:"max_chunk_size_tokens"`
	OverlapTokens int `json:"chunk_overlap_tokens"`
}

// IndexingError is OpenAI's reason. The code is read as an open set: older and
// Azure variants know more than server_error, unsupported_file and invalid_file.
type IndexingError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	lasting bool   // not [IndexingError.Passing], as the words say that were sent
}

func (e *IndexingError) String() string {
	if e == nil {
		return "no reason given"
	}
	return e.Code + ": " + e.Message
}

// Passing reports whether the reason is a fault of OpenAI's that may pass. One whose code
// does not speak of the file is taken for such a fault.
func (e *IndexingError) Passing() bool {
	if e == nil {
		return true
	}
	switch e.Code {
	case "unsupported_file", "invalid_file", "unhandled_mime_type", "parsing_error", "file_not_found":
		return false
	}
	return !e.lasting && !strings.Contains(e.Message, "is not supported") // OGX gives every reason the code server_error
}

// Batch is a set of files that were attached in one request.
type Batch struct {
	ID         string `json:"id"`
	Status     Status `json:"status"`
	FileCounts Counts `json:"file_counts"`
}

type textPart struct {
	Text string `json:"text"`
}

// Hit is a piece of a file that a search has found.
type Hit struct {
	FileID     string         `json:"file_id"`
	Filename   string         `json:"filename"`
	Score      float64        `json:"score"`
	Attributes map[string]any `json:"attributes"`
	Content    []textPart     `json:"content"`
}

// Text is the text of the piece, its parts one below the other.
func (h Hit) Text() string {
	var texts []string
	for _, part := range h.Content {
		if part.Text != "" {
			texts = append(texts, part.Text)
		}
	}
	return strings.Join(texts, "\n")
}

type deletion struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted *bool  `json:"deleted"`
	Error   any    `json:"error"` // some servers send one with a 200
}

// A reply without an object counts as lost: an upload that was answered with "{}" may have
// made a File, and a listing "{}" does not prove that the list is empty.

func (f File) Empty() bool      { return !exchange.IsID(f.ID) }
func (s Store) Empty() bool     { return !exchange.IsID(s.ID) }
func (s StoreFile) Empty() bool { return !exchange.IsID(s.ID) }
func (b Batch) Empty() bool     { return !exchange.IsID(b.ID) }
func (h Hit) Empty() bool       { return !exchange.IsID(h.FileID) }
func (d deletion) Empty() bool {
	return d.Deleted == nil && (d.Error != nil || d.Object != "" && !strings.HasSuffix(d.Object, "deleted"))
}
func (p Page[T]) Empty() bool { return p.Data == nil && p.Object == "" }

// maxObject is the largest object of a listing, in bytes. A store file with 16 attributes
// of the longest has 110 KB, where each character is escaped.
const maxObject = 512 << 10

// How many objects a reply may list. OpenAI's pages have at most 10,000 Files and 100 of
// the others; other servers may send a listing whole.

func (File) Limits() (rows int, bytes int64)      { return 200_000, maxObject }
func (Store) Limits() (rows int, bytes int64)     { return 20_000, maxObject }
func (StoreFile) Limits() (rows int, bytes int64) { return 10_000, maxObject }
func (Hit) Limits() (rows int, bytes int64)       { return 1000, 2 * maxObject } // a chunk and its attributes
func (textPart) Limits() (rows int, bytes int64)  { return 200_000, maxContent }

// maxTime is a time that none is beyond: the year 2223. A version of a document, which is
// counted in microseconds, has as many digits as the attribute holds.
const maxTime = 8_000_000_000

// seconds makes Unix seconds of a time that a server may count in milliseconds or finer.
func seconds(t int64) int64 {
	for t > maxTime {
		t /= 1000
	}
	return max(t, 0)
}

// Trim makes a usable time of the one that was sent.
func (f *File) Trim() { f.CreatedAt = seconds(f.CreatedAt) }

// Trim does the same, and drops values that no attribute has, such as lists: they may be of any
// size.
func (s *StoreFile) Trim() {
	s.CreatedAt = seconds(s.CreatedAt)
	trim(s.Attributes)
}

// Trim drops likewise the values of attributes that no attribute has, and makes one part
// of the text: parts without text may be many.
func (h *Hit) Trim() {
	trim(h.Attributes)
	h.Content = []textPart{{h.Text()}}
}

func trim(attributes map[string]any) {
	maps.DeleteFunc(attributes, func(_ string, value any) bool {
		switch value.(type) {
		case string, float64, bool:
			return false
		}
		return true
	})
}

func (f File) ObjectID() string      { return f.ID }
func (s Store) ObjectID() string     { return s.ID }
func (s StoreFile) ObjectID() string { return s.ID }
func (b Batch) ObjectID() string     { return b.ID }
func (h Hit) ObjectID() string       { return h.FileID }
func (d deletion) ObjectID() string  { return d.ID }

// Field returns where the value of a field goes; nil means nowhere.
func (p *Page[T]) Field(name string) any {
	switch name {
	case "object":
		return &p.Object
	case "data", "content": // the latter as the spec's example of a store file's text has it
		return reply.Rows[T]{All: &p.Data}
	case "last_id":
		return &p.LastID
	case "has_more":
		return &p.HasMore
	case "next_page":
		return &p.NextPage
	}
	return nil
}

// The texts of a reply that are shown pass through line.

// shown leaves a status that the client knows, whatever a key of a few characters may be.
func (s Status) shown(line func(string, int) string) Status {
	if slices.Contains([]Status{InProgress, Completed, Failed, Cancelled, "expired"}, s) {
		return s
	}
	return Status(line(string(s), reply.MaxCode))
}

func (s *StoreFile) Show(line func(string, int) string) {
	s.Status = s.Status.shown(line)
	if s.LastError != nil {
		s.LastError.lasting = !s.LastError.Passing()
		s.LastError.Code, s.LastError.Message = line(s.LastError.Code, reply.MaxCode), line(s.LastError.Message, reply.MaxMessage)
	}
}

func (b *Batch) Show(line func(string, int) string) {
	b.Status = b.Status.shown(line)
}

func (s *Store) Show(line func(string, int) string) { s.Status = string(Status(s.Status).shown(line)) }

func (p *Page[T]) Show(line func(string, int) string) {
	for i := range p.Data {
		if o, ok := any(&p.Data[i]).(reply.Shown); ok {
			o.Show(line)
		}
	}
}
