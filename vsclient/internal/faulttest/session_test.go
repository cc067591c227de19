package faulttest_test

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// session is one process's view of the ledger. A write after its death does
// not count.
type session struct {
	w    *project
	over atomic.Bool
}

// tell is for a person who reruns a failed trial.
func (s *session) tell(event string, st step) {
	if *verbose {
		fmt.Printf("%s %v %v: %v of %s with %v\n", s.w.now().Format("15:04:05.000"), event, st, len(st.content), trail.DigestOf(st.content)[:15], st.attrs)
	}
}

// asked notes that a step begins.
func (s *session) asked(st step) {
	s.tell("asked to", st)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.over.Load() {
		return
	}
	if st.op == plan.OpDelete {
		s.w.absent[st.key] = append(s.w.absent[st.key], span{from: s.w.now()})
	}
}

// failed notes that a step has failed. A first version of a key that
// failed may have been there for a while.
func (s *session) failed(st step, asked time.Time) {
	s.tell("failed to", st)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if !s.over.Load() && st.op == plan.OpPut && s.w.want[st.key] == nil {
		s.w.absent[st.key] = append(s.w.absent[st.key], span{from: asked})
	}
}

// done notes that a step has succeeded.
func (s *session) done(st step) {
	s.tell("did", st)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.over.Load() {
		return
	}
	want := s.w.want
	switch st.op {
	case plan.OpDelete:
		want[st.key] = nil
		return
	case plan.OpUpdate:
		next := *want[st.key]
		next.attrs = st.attrs
		want[st.key] = &next
	default:
		want[st.key] = &st
	}
	for i := range s.w.absent[st.key] {
		if p := &s.w.absent[st.key][i]; p.to.IsZero() {
			p.to = s.w.now()
		}
	}
}

// deleted reports whether a deletion of the key has been asked for, by whomever,
// and no put has succeeded since.
func (s *session) deleted(key string) bool {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	spans := s.w.absent[key]
	return len(spans) > 0 && spans[len(spans)-1].to.IsZero()
}
