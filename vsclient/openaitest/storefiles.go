package openaitest

import (
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// storeFileObject is a store file in a reply.
type storeFileObject struct {
	ID               string         `json:"id"`
	Object           string         `json:"object"`
	UsageBytes       int64          `json:"usage_bytes"`
	CreatedAt        int64          `json:"created_at"`
	VectorStoreID    string         `json:"vector_store_id"`
	Status           project.Status `json:"status"`
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

func objectOfStoreFile(f *project.StoreFile) storeFileObject {
	return objectOfSeen(project.Seen{StoreFile: f, As: f.Version})
}

func objectOfSeen(f project.Seen) storeFileObject {
	o := storeFileObject{
		ID: f.File.ID, Object: "vector_store.file", UsageBytes: f.UsageAs(f.As), CreatedAt: f.CreatedAt.Unix(), VectorStoreID: f.Store.ID,
		Status: f.As.Status, Attributes: f.As.Attributes,
		ChunkingStrategy: chunkingObject{"static", staticChunking{f.Chunking.Size, f.Chunking.Overlap}},
	}
	if f.As.Code != "" {
		o.LastError = &lastError{f.As.Code, f.As.Message}
	}
	return o
}

// attachable returns the File of that id, and the refusal if it may not be attached;
// s.mu is held.
func (c *call) attachable(id string) (*project.File, *apiError) {
	s := c.s
	if !strings.HasPrefix(id, "file-") {
		return nil, badRequest("invalid_value", "file_id", "Invalid 'file_id': '%s'. Expected an ID that begins with 'file'.", id)
	}
	f := s.state.File(id)
	cannotFind := badRequest("", "file_id", "Cannot find file %s or organization or project does not have access to it.", id)
	switch {
	case f == nil && s.cfg.Quirks.UnknownFile400:
		return nil, cannotFind
	case f == nil:
		return nil, s.cfg.Quirks.noSuchFile(id)
	case s.state.Now().Before(f.CreatedAt.Add(s.cfg.FreshFileWindow)):
		return nil, cannotFind
	}
	switch f.Purpose {
	case "assistants", "user_data", "assistants_output":
	default:
		return nil, badRequest("", "file_id", "File %s has purpose '%s', which cannot be attached to a vector store. Use 'assistants' or 'user_data'.", id, f.Purpose)
	}
	if f.ExpiresAt > 0 {
		c.unwisely("the File expires, and a File's expiry cannot be changed")
	}
	if ext := path.Ext(f.Name); !s.cfg.Quirks.retrievable(f.Name) && (project.Extension(f.Name) != "" || s.missingRefused()) {
		if project.Extension(f.Name) == "" {
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

// room refuses n more files when the store would hold too many.
func (s *Server) room(st *project.Store, n int) *apiError {
	if most := s.cfg.Quirks.StoreFilesMax; most > 0 && st.FileCount()+n > most {
		return badRequest("", "", "Vector store '%s' cannot hold more than %d files.", st.ID, most)
	}
	return nil
}

// limitAttach counts a request that attaches n files, or refuses it when it or its files
// exceed a limit. The files are counted once they are attached. s.mu is held.
func (s *Server) limitAttach(c *call, st *project.Store, n int) *apiError {
	if refused := s.over(c, "attached files", n, s.attachedLimit); refused != nil {
		return refused
	}
	requests := s.attachLimits[st.ID]
	if requests == nil {
		requests = newLimiter(s.cfg.Limits.AttachRequestsPerMinute, s.cfg.Limits)
		s.attachLimits[st.ID] = requests
	}
	return s.limit(c, "vector store file attach requests", 1, requests)
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
	if refused == nil && st.File(id) == nil {
		refused = s.room(st, 1)
	}
	if refused != nil {
		return nil, refused
	}
	if old := st.File(id); old != nil && old.Status == project.Completed {
		c.unwisely("the file is already attached and completed")
	}
	s.attachedLimit.take(s.state.Now(), 1)
	sf := s.state.Attach(st, f, attributes, ch, nil)
	c.pollAfter(sf.Status)
	return objectOfStoreFile(sf), nil
}

func (c *call) pollAfter(st project.Status) {
	if d := c.s.cfg.PollAfter; d > 0 && st == project.InProgress {
		c.header.Set("Openai-Poll-After-Ms", strconv.FormatInt(d.Milliseconds(), 10))
	}
}

// statusFilter reads the parameters of a listing of store files.
func (c *call) statusFilter() (p project.Page, st project.Status, refused *apiError) {
	if p, refused = c.page(20, 100); refused != nil {
		return p, st, refused
	}
	if c.query.Has("filter") {
		filter := c.query.Get("filter")
		st = project.Status(filter)
		refused = oneOf("filter", filter, "in_progress", "completed", "failed", "cancelled")
	}
	return p, st, refused
}

func (c *call) listStoreFiles() (any, *apiError) {
	p, status, refused := c.statusFilter()
	if refused != nil {
		return nil, refused
	}
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	l, bad := c.s.state.ListStoreFiles(st, p, status)
	return list(l, bad, objectOfSeen)
}

// storeFile returns the store file that the request's path names; s.mu is held.
func (c *call) storeFile() (*project.StoreFile, *apiError) {
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	id := c.params[1]
	if f := st.File(id); f != nil {
		return f, nil
	}
	return nil, c.s.cfg.Quirks.noSuchStoreFile(id, st.ID)
}

// readableStoreFile returns the store file as GET sees it: not yet in its NotFoundWindow,
// and still in its GhostWindow. s.mu is held.
func (c *call) readableStoreFile() (*project.StoreFile, *apiError) {
	s := c.s
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	if f := s.state.ReadStoreFile(st, c.params[1]); f != nil {
		return f, nil
	}
	return nil, s.cfg.Quirks.noSuchStoreFile(c.params[1], st.ID)
}

func (c *call) getStoreFile(f *project.StoreFile) (any, *apiError) {
	c.pollAfter(f.Status)
	return objectOfStoreFile(f), nil
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
	if s.cfg.Quirks.WritesNotFound && s.state.Hidden(f) {
		return nil, s.cfg.Quirks.noSuchStoreFile(c.params[1], c.params[0])
	}
	if f.Status == project.InProgress && s.cfg.Quirks.UpdateWhileIndexingRefused {
		return nil, &apiError{status: http.StatusConflict, message: "The file is still being processed. Please try again later."}
	}
	s.state.SetAttributes(f, attributes)
	return objectOfStoreFile(f), nil
}

func (c *call) deleteStoreFile(st *project.Store) (any, *apiError) {
	s := c.s
	id := c.params[1]
	done := deleted{id, "vector_store.file.deleted", true}
	f := st.File(id)
	if f == nil {
		if st.HadFile(id) && s.cfg.Quirks.SecondDetachOK {
			return done, nil
		}
		return nil, s.cfg.Quirks.noSuchStoreFile(id, st.ID)
	}
	if s.cfg.Quirks.WritesNotFound && s.state.Hidden(f) {
		return nil, s.cfg.Quirks.noSuchStoreFile(id, st.ID)
	}
	s.state.Detach(f)
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

// legacyContent is parsed content in the shape of the OpenAPI document's example.
type legacyContent struct {
	FileID     string         `json:"file_id"`
	Filename   string         `json:"filename"`
	Attributes map[string]any `json:"attributes"`
	Content    []textPart     `json:"content"`
}

func (c *call) storeFileContent(f *project.StoreFile) (any, *apiError) {
	q := &c.s.cfg.Quirks
	if q.ContentNotFound {
		return nil, q.noSuchStoreFile(c.params[1], c.params[0])
	}
	parts := []textPart{}
	for _, chunk := range f.Chunks() {
		text := chunk.Fresh
		if q.ContentOverlap {
			text = chunk.Text
		}
		parts = append(parts, textPart{"text", text})
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
		return legacyContent{f.File.ID, f.File.Name, maps.Clone(f.Attributes), slices.Clone(p.Data)}, nil
	}
	return p, nil
}
