package openaitest

import (
	"slices"
	"strings"
	"time"
)

// storeObject is a vector store on the wire.
type storeObject struct {
	ID           string         `json:"id"`
	Object       string         `json:"object"`
	CreatedAt    int64          `json:"created_at"`
	Name         *string        `json:"name"` // null: it was never given one
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

func (t tally) wire() fileCounts {
	return fileCounts{t.inProgress, t.completed, t.failed, t.cancelled, t.total()}
}

type storeExpiry struct {
	Anchor string `json:"anchor"`
	Days   int    `json:"days"`
}

// object renders a settled store; s.mu is held.
func (s *Server) storeObject(st *store) storeObject {
	seen := s.countsAsSeen(st, s.now())
	o := storeObject{
		ID: st.id, Object: "vector_store", CreatedAt: st.place.createdAt, Name: st.name,
		UsageBytes: seen.usage, FileCounts: seen.wire(), Status: "completed",
		LastActiveAt: st.activeAt.Unix(), Metadata: st.metadata,
	}
	switch {
	case st.expired:
		o.Status = "expired"
	case seen.inProgress > 0 && !s.cfg.Quirks.EarlyCompleted:
		o.Status = "in_progress"
	}
	if st.expiryDays > 0 {
		o.ExpiresAfter = &storeExpiry{"last_active_at", st.expiryDays}
		at := st.expiresAt().Unix()
		o.ExpiresAt = &at
	}
	return o
}

// store returns the store that the request's path names, settled; s.mu is held.
func (c *call) store() (*store, *apiError) {
	id := c.params[0]
	if !strings.HasPrefix(id, "vs_") {
		return nil, badRequest("invalid_value", "vector_store_id", "Invalid 'vector_store_id': '%s'. Expected an ID that begins with 'vs'.", id)
	}
	now := c.s.now()
	c.s.tick(now)
	st := c.s.stores[id]
	if st == nil {
		return nil, c.s.cfg.Quirks.noSuchStore(id)
	}
	c.s.settle(st, now)
	return st, nil
}

// liveStore is a store that is not expired, and that the request keeps alive.
func (c *call) liveStore() (*store, *apiError) {
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	if st.expired {
		return nil, badRequest("", "vector_store_id", "Vector store with id '%s' is expired.", st.id)
	}
	st.activeAt = c.s.now()
	return st, nil
}

// expiry reads expires_after of a store, in days; 0: none.
func (b *fields) storeExpiry(name string) int {
	o := b.object(name, "anchor", "days")
	if o == nil {
		return 0
	}
	o.require("anchor", "a string")
	o.require("days", "an integer")
	o.enum("anchor", "", "last_active_at")
	days := o.integer("days", 0, 1, 365)
	if o.err != nil {
		b.fail(o.err)
	}
	return int(days)
}

func distinct(ids []string) int {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return len(slices.Compact(ids))
}

// newStore makes a store; s.mu is held.
func (s *Server) newStore(name *string, now time.Time) *store {
	st := &store{
		place: s.nextPlace(now), id: s.newID("vs_", 32), name: name, createdAt: now, activeAt: now,
		metadata: map[string]any{},
		files:    make(map[string]*storeFile), ghostOf: make(map[string]*storeFile),
		left: make(map[string]place), batches: make(map[string]*batch),
		attaches: newLimiter(s.cfg.Limits.AttachRequestsPerMinute, s.cfg.Limits),
	}
	if d := s.cfg.StoresExpireAfter; d > 0 {
		st.endsAt = now.Add(d)
	}
	s.remember(st, now)
	s.stores[st.id] = st
	s.storeList.insert(st)
	return st
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
	now := s.now()
	s.tick(now)
	files := make([]*file, len(ids))
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
	st := s.newStore(name, now)
	st.expiryDays, st.metadata = days, metadata
	for _, f := range files {
		s.attach(st, f, map[string]any{}, ch, now, nil)
	}
	return s.storeObject(st), nil
}

func (c *call) listStores() (any, *apiError) {
	p, refused := c.page(20, 100)
	if refused != nil {
		return nil, refused
	}
	s := c.s
	now := s.now()
	s.tick(now)
	all := func(*store) bool { return true }
	found, ends, more, refused := cutPage(c, &s.storeList, p, all, all, func(id string) (place, bool) {
		if st := s.stores[id]; st != nil {
			return st.place, true
		}
		pl, ok := s.storesLeft[id]
		return pl, ok && !s.cfg.Quirks.DeletedCursorRefused
	})
	if refused != nil {
		return nil, refused
	}
	data := make([]storeObject, len(found))
	for i, st := range found {
		s.settle(st, now)
		data[i] = s.storeObject(st)
	}
	return listing{Object: "list", Data: data, FirstID: ends[0], LastID: ends[1], HasMore: more}, nil
}

func (c *call) getStore() (any, *apiError) {
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	return c.s.storeObject(st), nil
}

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
	if b.has("name") {
		st.name = name
	}
	if _, set := b.m["expires_after"]; set {
		st.expiryDays = days // null removes the policy
	}
	if b.has("metadata") {
		st.metadata = metadata
	}
	return s.storeObject(st), nil
}

func (c *call) deleteStore() (any, *apiError) {
	s := c.s
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	now := s.now()
	for _, f := range st.sorted() {
		s.detach(f, now)
	}
	delete(s.stores, st.id)
	s.storeList.remove(st.place)
	s.storesLeft[st.id] = st.place
	s.buried[st.id] = st
	return deleted{st.id, "vector_store.deleted", true}, nil
}
