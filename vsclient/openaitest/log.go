package openaitest

import (
	"maps"
	"slices"
	"time"
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
