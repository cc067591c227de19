package openaitest

import (
	"slices"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// storeObject is a vector store in a reply.
type storeObject struct {
	ID           string         `json:"id"`
	Object       string         `json:"object"`
	CreatedAt    int64          `json:"created_at"`
	Name         *string        `json:"name"` // null: it never had one
	UsageBytes   int64          `json:"usage_bytes"`
	FileCounts   fileCounts     `json:"file_counts"`
	Status       string         `json:"status"`
	ExpiresAfter *storeExpiry   `json:"expires_after"`
	ExpiresAt    *int64         `json:"expires_at"`
	LastActiveAt int64          `json:"last_active_at"`
	Metadata     map[string]any `json:"metadata"`
}

type fileCounts struct {
	InProgress int `json:"in_progress"`
	Completed  int `json:"completed"`
	Failed     int `json:"failed"`
	Cancelled  int `json:"cancelled"`
	Total      int `json:"total"`
}

func objectOfCounts(c project.Counts) fileCounts {
	return fileCounts{c.InProgress, c.Completed, c.Failed, c.Cancelled, c.Total()}
}

type storeExpiry struct {
	Anchor string `json:"anchor"`
	Days   int    `json:"days"`
}

// storeObject renders a store; s.mu is held.
func (s *Server) storeObject(st *project.Store) storeObject {
	seen := s.state.CountsSeen(st)
	o := storeObject{
		ID: st.ID, Object: "vector_store", CreatedAt: st.CreatedAt.Unix(), Name: st.Name,
		UsageBytes: seen.Usage, FileCounts: objectOfCounts(seen), Status: "completed",
		LastActiveAt: st.ActiveAt.Unix(), Metadata: st.Metadata,
	}
	switch {
	case st.Expired:
		o.Status = "expired"
	case seen.InProgress > 0 && !s.cfg.Quirks.EarlyCompleted:
		o.Status = "in_progress"
	}
	if st.ExpiryDays > 0 {
		o.ExpiresAfter = &storeExpiry{"last_active_at", st.ExpiryDays}
		at := st.ExpiresAt().Unix()
		o.ExpiresAt = &at
	}
	return o
}

// store returns the store that the request's path names; s.mu is held.
func (c *call) store() (*project.Store, *apiError) {
	id := c.params[0]
	if !strings.HasPrefix(id, "vs_") {
		return nil, badRequest("invalid_value", "vector_store_id", "Invalid 'vector_store_id': '%s'. Expected an ID that begins with 'vs'.", id)
	}
	st := c.s.state.Store(id)
	if st == nil {
		return nil, c.s.cfg.Quirks.noSuchStore(id)
	}
	return st, nil
}

// liveStore returns the store that the request's path names, unless it has expired, and
// counts the request as a use of it. s.mu is held.
func (c *call) liveStore() (*project.Store, *apiError) {
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	if st.Expired {
		return nil, badRequest("", "vector_store_id", "Vector store with id '%s' is expired.", st.ID)
	}
	c.s.state.Touch(st)
	return st, nil
}

// storeExpiry reads a store's expires_after, in days; 0: none.
func (b *fields) storeExpiry(name string) int {
	o := b.object(name, "anchor", "days")
	if o == nil {
		return 0
	}
	o.require("anchor", "a string")
	o.require("days", "an integer")
	o.enum("anchor", "", "last_active_at")
	days := o.integer("days", 0, 1, 365)
	b.fail(o.err)
	return int(days)
}

func distinct(ids []string) int {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return len(slices.Compact(ids))
}

func (c *call) createStore() (any, *apiError) {
	b := c.jsonBody("file_ids", "name", "description", "expires_after", "chunking_strategy", "metadata")
	ids := b.texts("file_ids", 0, 500)
	name := b.textOrNull("name")
	b.text("description") // no reply shows it
	days := b.storeExpiry("expires_after")
	ch := b.chunking()
	metadata := b.metadata("metadata")
	if b.err != nil {
		return nil, b.err
	}
	if b.has("chunking_strategy") && len(ids) == 0 {
		c.unwisely("chunking_strategy is ignored without file_ids")
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	files := make([]*project.File, len(ids))
	for i, id := range ids {
		f, refused := c.attachable(id)
		if refused != nil {
			if refused.param == "file_id" {
				refused.param = "file_ids"
			}
			return nil, refused
		}
		files[i] = f
	}
	if most := s.cfg.Quirks.StoreFilesMax; most > 0 && distinct(ids) > most {
		return nil, badRequest("", "file_ids", "A vector store cannot hold more than %d files.", most)
	}
	if len(ids) > 0 {
		if refused := s.limit(c, "attached files", len(ids), s.attachedLimit); refused != nil {
			return nil, refused
		}
	}
	st := s.state.NewStore(project.StoreSettings{Name: name, ExpiryDays: days, Metadata: metadata})
	for _, f := range files {
		s.state.Attach(st, f, map[string]any{}, ch, nil)
	}
	return s.storeObject(st), nil
}

func (c *call) listStores() (any, *apiError) {
	p, refused := c.page(20, 100)
	if refused != nil {
		return nil, refused
	}
	l, bad := c.s.state.ListStores(p)
	return list(l, bad, c.s.storeObject)
}

func (c *call) getStore(st *project.Store) (any, *apiError) { return c.s.storeObject(st), nil }

func (c *call) modifyStore() (any, *apiError) {
	b := c.jsonBody("name", "expires_after", "metadata")
	name := b.textOrNull("name")
	days := b.storeExpiry("expires_after")
	metadata := b.metadata("metadata")
	if b.err != nil {
		return nil, b.err
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	settings := st.StoreSettings
	if b.has("name") {
		settings.Name = name
	}
	if _, set := b.m["expires_after"]; set {
		settings.ExpiryDays = days // null removes the policy
	}
	if b.has("metadata") {
		settings.Metadata = metadata
	}
	s.state.SetStore(st, settings)
	return s.storeObject(st), nil
}

func (c *call) deleteStore(st *project.Store) (any, *apiError) {
	c.s.state.DeleteStore(st)
	return deleted{st.ID, "vector_store.deleted", true}, nil
}
