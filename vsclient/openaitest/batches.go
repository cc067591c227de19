package openaitest

import (
	"fmt"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// batchObject is a file batch in a reply.
type batchObject struct {
	ID            string         `json:"id"`
	Object        string         `json:"object"`
	CreatedAt     int64          `json:"created_at"`
	VectorStoreID string         `json:"vector_store_id"`
	Status        project.Status `json:"status"`
	FileCounts    fileCounts     `json:"file_counts"`
}

func (s *Server) batchObject(b *project.Batch) batchObject {
	o := batchObject{
		ID: b.ID, Object: "vector_store.file_batch", CreatedAt: b.CreatedAt.Unix(),
		VectorStoreID: b.Store.ID, Status: b.Status(), FileCounts: objectOfCounts(b.Counts()),
	}
	if s.cfg.Quirks.SpecBatchObject {
		o.Object = "vector_store.files_batch"
	}
	return o
}

// wanted is one file that a request for a batch names.
type wanted struct {
	id         string
	attributes map[string]any
	chunking   project.Chunking
}

// batchFiles reads the files that a request for a batch names.
func (c *call) batchFiles() ([]wanted, *apiError) {
	most := c.s.cfg.Quirks.BatchMax
	if most == 0 {
		most = 2000
	}
	b := c.jsonBody("file_ids", "files", "attributes", "chunking_strategy")
	ids := b.texts("file_ids", 1, most)
	files := b.array("files", 1, most)
	attributes := b.attributes()
	ch := b.chunking()
	if b.err != nil {
		return nil, b.err
	}
	var all []wanted
	switch {
	case b.has("file_ids") && b.has("files"):
		return nil, badRequest("mutually_exclusive_parameters", "files", "Mutually exclusive parameters: 'file_ids' and 'files'.")
	case b.has("file_ids"):
		for _, id := range ids {
			all = append(all, wanted{id, attributes, ch})
		}
	case b.has("files"):
		if b.has("attributes") || b.has("chunking_strategy") {
			c.unwisely("attributes and chunking_strategy of the batch are ignored with files")
		}
		for i, v := range files {
			o := b.asObject(fmt.Sprintf("files[%d]", i), v, "file_id", "attributes", "chunking_strategy")
			if o == nil {
				return nil, b.err
			}
			all = append(all, wanted{o.needText("file_id"), o.attributes(), o.chunking()})
			if o.err != nil {
				return nil, o.err
			}
		}
	default:
		return nil, badRequest("missing_required_parameter", "file_ids", "Missing required parameter: 'file_ids'.")
	}
	if b.has("files") && c.s.cfg.Quirks.BatchesNotTaken == BatchesEmpty {
		return nil, nil
	}
	if len(all) > 500 {
		c.unwisely("the batch holds more than the 500 files of OpenAI's guides")
	}
	return all, nil
}

func (c *call) createBatch() (any, *apiError) {
	s := c.s
	all, badBody := c.batchFiles()
	s.mu.Lock()
	defer s.mu.Unlock()
	st, refused := c.liveStore()
	if refused != nil {
		return nil, refused
	}
	if refused := s.limitAttach(c, st, len(all)); refused != nil {
		return nil, refused
	}
	if badBody != nil {
		return nil, badBody
	}
	files := make([]project.Attachment, 0, len(all))
	refusedFiles := 0
	added := make(map[string]bool)
	for _, w := range all {
		f, bad := c.attachable(w.id)
		if bad != nil && s.batchRefused() {
			return nil, bad
		}
		if st.File(w.id) == nil {
			added[w.id] = true
		}
		switch {
		case bad == nil:
			files = append(files, project.Attachment{File: f, Attributes: w.attributes, Chunking: w.chunking})
		case s.cfg.Quirks.BadFileInBatch == BadFileSkipped:
		case bad.code == "unsupported_file":
			files = append(files, project.Attachment{
				File: f, Attributes: w.attributes, Chunking: w.chunking, Bad: &project.Failure{Code: bad.code, Message: bad.message},
			})
		default:
			refusedFiles++
		}
	}
	if refused := s.room(st, len(added)); refused != nil {
		return nil, refused
	}
	s.attachedLimit.take(s.state.Now(), len(all))
	b := s.state.NewBatch(st, files, refusedFiles)
	c.pollAfter(b.Status())
	return s.batchObject(b), nil
}

func (s *Server) batchRefused() bool {
	q := s.cfg.Quirks.BadFileInBatch
	return q == "" || q == BadFileRefusesBatch
}

// batch returns the batch that the request's path names; s.mu is held.
func (c *call) batch() (*project.Batch, *apiError) {
	st, refused := c.store()
	if refused != nil {
		return nil, refused
	}
	id := c.params[1]
	if b := st.Batch(id); b != nil {
		return b, nil
	}
	if c.s.cfg.Quirks.UnknownBatch500 {
		return nil, serverError()
	}
	if !strings.HasPrefix(id, "vsfb_") {
		return nil, badRequest("invalid_value", "batch_id", "Invalid 'batch_id': '%s'. Expected an ID that begins with 'vsfb'.", id)
	}
	return nil, notFound("", "No batch found with id '%s' in vector store '%s'.", id, st.ID)
}

func (c *call) getBatch(b *project.Batch) (any, *apiError) {
	s := c.s
	c.pollAfter(b.Status())
	if s.cfg.Quirks.BatchGetReturnsStore {
		return s.storeObject(b.Store), nil
	}
	return s.batchObject(b), nil
}

func (c *call) cancelBatch(b *project.Batch) (any, *apiError) {
	s := c.s
	if s.cfg.Quirks.CancelBatch500 {
		return nil, serverError()
	}
	s.state.CancelBatch(b)
	return s.batchObject(b), nil
}

// freshBatch is how long FreshBatchListing500 lasts.
const freshBatch = 2 * time.Second

func (c *call) listBatchFiles() (any, *apiError) {
	p, status, refused := c.statusFilter()
	if refused != nil {
		return nil, refused
	}
	s := c.s
	b, refused := c.batch()
	if refused != nil {
		return nil, refused
	}
	if s.cfg.Quirks.FreshBatchListing500 && s.state.Now().Before(b.CreatedAt.Add(freshBatch)) {
		return nil, serverError()
	}
	l, bad := s.state.ListBatchFiles(b, p, status)
	return list(l, bad, objectOfSeen)
}
