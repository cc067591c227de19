package project

import "time"

// Batch is an object of …/file_batches.
type Batch struct {
	ID        string
	Store     *Store
	CreatedAt time.Time

	files     ordered[*StoreFile]
	byID      map[string]*StoreFile
	refused   int // files that failed without ever being attached
	cancelled bool
}

// Attachment is a file that a batch is to attach; with a failure, as failed.
type Attachment struct {
	File       *File
	Attributes map[string]any
	Chunking   Chunking
	Bad        *Failure
}

// NewBatch attaches files together. refused more count as failed without being attached.
func (p *Project) NewBatch(st *Store, files []Attachment, refused int) *Batch {
	b := &Batch{ID: p.NewID("vsfb_", 32), Store: st, CreatedAt: p.Now(), refused: refused, byID: make(map[string]*StoreFile, len(files))}
	for _, a := range files {
		f := p.Attach(st, a.File, a.Attributes, a.Chunking, a.Bad)
		if b.byID[a.File.ID] == nil {
			b.byID[a.File.ID] = f
			b.files.insert(f)
		}
	}
	st.batches[b.ID] = b
	return b
}

// Batch returns the store's batch of that id; nil when there is none.
func (s *Store) Batch(id string) *Batch { return s.batches[id] }

// Counts returns the counts of the batch's files.
func (b *Batch) Counts() Counts {
	c := Counts{Failed: b.refused}
	for f := range b.files.ascend(nil) {
		st := f.Status
		if st == InProgress && !f.detachedAt.IsZero() {
			st = Cancelled // nobody indexes it any more
		}
		*c.of(st)++
	}
	return c
}

// Status returns the batch's status.
func (b *Batch) Status() Status {
	switch {
	case b.cancelled:
		return Cancelled
	case b.Counts().InProgress > 0:
		return InProgress
	default:
		return Completed
	}
}

// CancelBatch cancels the files of the batch that are being indexed.
func (p *Project) CancelBatch(b *Batch) {
	now := p.Now()
	for f := range b.files.ascend(nil) {
		if f.Status == InProgress && f.detachedAt.IsZero() {
			v := f.Version
			v.Status = Cancelled
			p.become(f, v, now)
			b.cancelled = true
		}
	}
}

// ListBatchFiles is ListStoreFiles for the files of a batch.
func (p *Project) ListBatchFiles(b *Batch, page Page, status Status) (Listing[Seen], *BadCursor) {
	return p.list(&b.files, page, status, func(id string) (place, bool) {
		f := b.byID[id]
		if f == nil || !f.detachedAt.IsZero() && p.rules.DeletedCursorRefused {
			return place{}, false
		}
		return f.place, true
	})
}
