package openaitest

import (
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// storeFileObject is a store file on the wire.
type storeFileObject struct {
	ID               string         `json:"id"`
	Object           string         `json:"object"`
	UsageBytes       int64          `json:"usage_bytes"`
	CreatedAt        int64          `json:"created_at"`
	VectorStoreID    string         `json:"vector_store_id"`
	Status           status         `json:"status"`
	LastError        *lastError     `json:"last_error"`
	ChunkingStrategy chunkingObject `json:"chunking_strategy"`
	Attributes       map[string]any `json:"attributes"`
}

type lastError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type chunkingObject struct {
	Type   string         `json:"type"`
	Static staticChunking `json:"static"`
}

type staticChunking struct {
	Size    int `json:"max_chunk_size_tokens"`
	Overlap int `json:"chunk_overlap_tokens"`
}

func (f *storeFile) object() storeFileObject { return f.objectAs(f.version) }

func (f *storeFile) objectAs(v version) storeFileObject {
	o := storeFileObject{
		ID: f.file.id, Object: "vector_store.file", CreatedAt: f.place.createdAt, VectorStoreID: f.store.id,
		Status: v.status, Attributes: v.attributes,
		ChunkingStrategy: chunkingObject{"static", staticChunking{f.chunking.size, f.chunking.overlap}},
	}
	if v.status == completed {
		o.UsageBytes = f.chunking.usage(f.file.textBytes())
	}
	if v.code != "" {
		o.LastError = &lastError{v.code, v.message}
	}
	return o
}

// attachable returns the File of that id if it may be attached; s.mu is held.
func (c *call) attachable(id string) (*file, *apiError) {
	s := c.s
	if !strings.HasPrefix(id, "file-") {
		return nil, badRequest("invalid_value", "file_id", "Invalid 'file_id': '%s'. Expected an ID that begins with 'file'.", id)
	}
	f := s.files[id]
	cannotFind := badRequest("", "file_id", "Cannot find file %s or organization or project does not have access to it.", id)
	switch {
	case f == nil && s.cfg.Quirks.UnknownFile400:
		return nil, cannotFind
	case f == nil:
		return nil, s.cfg.Quirks.noSuchFile(id)
	case s.now().Before(f.createdAt.Add(s.cfg.FreshFileWindow)):
		return nil, cannotFind
	}
	switch f.purpose {
	case "assistants", "user_data", "assistants_output":
	default:
		return nil, badRequest("", "file_id", "File %s has purpose '%s', which cannot be attached to a vector store. Use 'assistants' or 'user_data'.", id, f.purpose)
	}
	if f.expiresAt > 0 {
		c.unwisely("the File expires, and a File's expiry cannot be changed")
	}
	if ext := path.Ext(f.name); !s.cfg.Quirks.retrievable(f.name) && (extension(f.name) != "" || s.missingRefused()) {
		if extension(f.name) == "" {
			ext = "none"
		}
		return f, badRequest("unsupported_file", "file_ids", "Files with extensions [%s] are not supported for retrieval. See"+
			" https://platform.openai.com/docs/assistants/tools/file-search/supported-files", ext)
	}
	return f, nil
}

func (s *Server) missingRefused() bool {
	m := s.cfg.Quirks.MissingExtension
	return m == "" || m == MissingRefused
}

// room refuses files that would be too many for the store.
func (s *Server) room(st *store, n int) *apiError {
	if most := s.cfg.Quirks.StoreFilesMax; most > 0 && len(st.files)+n > most {
		return badRequest("", "", "Vector store '%s' cannot hold more than %d files.", st.id, most)
	}
	return nil
}

// limitAttach counts an attach request, unless it or its n files are over a
// limit. The files are counted once they are attached. s.mu is held.
func (s *Server) limitAttach(c *call, st *store, n int) *apiError {
	if wait := s.attachedLimit.wait(s.now(), n); wait > 0 {
		c.limitHeaders(s.attachedLimit, wait)
		return rateLimited("attached files", s.attachedLimit.perMinute, wait)
	}
	return s.limit(c, "vector store file attach requests", 1, st.attaches)
}

func (c *call) createStoreFile() (any, *apiError) {
	b := c.jsonBody("file_id", "attributes", "chunking_strategy")
	id := b.needText("file_id")
	attributes := b.attributes()
	ch := b.chunking()
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	st, refused := c.liveStore()
	if refused != nil {
		return nil, refused
	}
	if refused := s.limitAttach(c, st, 1); refused != nil {
		return nil, refused
	}
	if b.err != nil {
		return nil, b.err
	}
	f, refused := c.attachable(id)
	if refused == nil && st.files[id] == nil {
		refused = s.room(st, 1)
	}
	if refused != nil {
		return nil, refused
	}
	if old := st.files[id]; old != nil && old.status == completed {
		c.unwisely("the file is attached and completed already")
	}
	now := s.now()
	s.attachedLimit.take(now, 1)
	sf := s.attach(st, f, attributes, ch, now, nil)
	c.pollAfter(sf.status)
	return sf.object(), nil
}

func (c *call) pollAfter(st status) {
	if d := c.s.cfg.PollAfter; d > 0 && st == inProgress {
		c.header.Set("Openai-Poll-After-Ms", strconv.FormatInt(d.Milliseconds(), 10))
	}
}

// statusFilter reads the parameter filter of a listing of store files.
func (c *call) statusFilter() (page, *apiError) {
	p, refused := c.page(20, 100)
	if refused != nil {
		return p, refused
	}
	if c.query.Has("filter") {
		p.filter = c.query.Get("filter")
		refused = oneOf("filter", p.filter, "in_progress", "completed", "failed", "cancelled")
	}
	return p, refused
}

// listFilesOf lists the store files of a store or a batch as its lag shows them.
func (c *call) listFilesOf(o *ordered[*storeFile], p page, cursor func(id string) (place, bool)) (any, *apiError) {
	s := c.s
	now := s.now()
	lag := s.cfg.ListLag
	asOf := now.Add(-lag.Update)
	found, ends, more, refused := cutPage(c, o, p,
		func(f *storeFile) bool { return f.seenThrough(lag, now) },
		func(f *storeFile) bool { return p.filter == "" || string(f.asOf(asOf).status) == p.filter },
		cursor)
	if refused != nil {
		return nil, refused
	}
	data := make([]storeFileObject, len(found))
	for i, f := range found {
		data[i] = f.objectAs(f.asOf(asOf))
	}
	return listing{Object: "list", Data: data, FirstID: ends[0], LastID: ends[1], HasMore: more}, nil
}

func (c *call) listStoreFiles() (any, *apiError) {
	p, refused := c.statusFilter()
	if refused != nil {
		return nil, refused
	}
	s := c.s
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	return c.listFilesOf(&st.listed, p, func(id string) (place, bool) {
		if f := st.files[id]; f != nil {
			return f.place, true
		}
		pl, ok := st.left[id]
		return pl, ok && (!s.cfg.Quirks.DeletedCursorRefused || st.ghostOf[id] != nil)
	})
}

// storeFile returns the store file that the request's path names; s.mu is held.
func (c *call) storeFile() (*storeFile, *apiError) {
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	id := c.params[1]
	if f := st.files[id]; f != nil {
		return f, nil
	}
	return nil, c.s.cfg.Quirks.noSuchStoreFile(id, st.id)
}

// readableStoreFile is the same as GET sees it: late, and ghosts.
func (c *call) readableStoreFile() (*storeFile, *apiError) {
	s := c.s
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	id := c.params[1]
	if f := st.files[id]; f != nil && !s.hidden(f) {
		return f, nil
	}
	if g := st.ghostOf[id]; g != nil && s.now().Before(g.detachedAt.Add(s.cfg.GhostWindow)) {
		return g, nil
	}
	return nil, s.cfg.Quirks.noSuchStoreFile(id, st.id)
}

// hidden reports whether the store file was attached too shortly ago to be found.
func (s *Server) hidden(f *storeFile) bool {
	return s.now().Before(f.createdAt.Add(s.cfg.NotFoundWindow))
}

func (c *call) getStoreFile() (any, *apiError) {
	f, refused := c.readableStoreFile()
	if refused != nil {
		return nil, refused
	}
	c.pollAfter(f.status)
	return f.object(), nil
}

func (c *call) updateStoreFile() (any, *apiError) {
	b := c.jsonBody("attributes")
	b.requireOrNull("attributes")
	attributes := b.attributes()
	if b.err != nil {
		return nil, b.err
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	f, refused := c.storeFile()
	if refused != nil {
		return nil, refused
	}
	if s.cfg.Quirks.WritesNotFound && s.hidden(f) {
		return nil, s.cfg.Quirks.noSuchStoreFile(c.params[1], c.params[0])
	}
	if f.status == inProgress && s.cfg.Quirks.UpdateWhileIndexingRefused {
		return nil, &apiError{status: http.StatusConflict, message: "The file is still being processed. Please try again later."}
	}
	v := f.version
	v.attributes = attributes
	s.become(f, v, s.now())
	return f.object(), nil
}

func (c *call) deleteStoreFile() (any, *apiError) {
	s := c.s
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	id := c.params[1]
	done := deleted{id, "vector_store.file.deleted", true}
	f := st.files[id]
	if f == nil {
		if _, was := st.left[id]; was && s.cfg.Quirks.SecondDetachOK {
			return done, nil
		}
		return nil, s.cfg.Quirks.noSuchStoreFile(id, st.id)
	}
	if s.cfg.Quirks.WritesNotFound && s.hidden(f) {
		return nil, s.cfg.Quirks.noSuchStoreFile(id, st.id)
	}
	s.detachAsAsked(f, s.now())
	return done, nil
}

// contentPage is a page of a store file's parsed content.
type contentPage struct {
	Object   string     `json:"object"`
	Data     []textPart `json:"data"`
	HasMore  bool       `json:"has_more"`
	NextPage *string    `json:"next_page"`
}

type textPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// legacyContent is the same in the shape of the OpenAPI document's example.
type legacyContent struct {
	FileID     string         `json:"file_id"`
	Filename   string         `json:"filename"`
	Attributes map[string]any `json:"attributes"`
	Content    []textPart     `json:"content"`
}

func (c *call) storeFileContent() (any, *apiError) {
	s := c.s
	q := s.cfg.Quirks
	f, refused := c.readableStoreFile()
	if refused != nil {
		return nil, refused
	}
	if q.ContentNotFound {
		return nil, s.cfg.Quirks.noSuchStoreFile(c.params[1], c.params[0])
	}
	parts := []textPart{}
	if f.status == completed {
		for _, chunk := range f.file.document().chunks(f.chunking) {
			text := chunk.fresh
			if q.ContentOverlap {
				text = chunk.text
			}
			parts = append(parts, textPart{"text", text})
		}
	}
	p := contentPage{Object: "vector_store.file_content.page", Data: parts}
	if q.ContentPageSize > 0 {
		at := 0
		if token := c.query.Get("page"); token != "" {
			n, err := strconv.Atoi(strings.TrimPrefix(token, "page_"))
			if err != nil || n < 0 || n > len(parts) {
				return nil, badRequest("invalid_value", "page", "Invalid 'page': '%s'.", token)
			}
			at = n
		}
		end := min(at+q.ContentPageSize, len(parts))
		p.Data = parts[at:end]
		if end < len(parts) {
			next := "page_" + strconv.Itoa(end)
			p.HasMore, p.NextPage = true, &next
		}
	} else if c.query.Has("page") {
		c.unwisely(`the query parameter "page" is ignored`)
	}
	if q.ContentLegacyShape {
		return legacyContent{f.file.id, f.file.name, maps.Clone(f.attributes), slices.Clone(p.Data)}, nil
	}
	return p, nil
}
