package project

import "time"

// Batch is an object of …/file_batches.
type Batch struct {
	ID        string
	Store     *Store
	CreatedAt time.Time

	files     ordered[*StoreFile]
	byID      map[string]*StoreFile
	refused   int // files that failed without being attached
	cancelled bool
}

// Attachment is a file to attach in a batch. With a failure, it is attached as failed.
type Attachment struct {
	File       *File
	Attributes map[string]any
	Chunking   Chunking
	Bad        *Failure
}

// NewBatch attaches files together. refused is the number of further files that count as
// failed.
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

// Counts returns the counts of the batch's files. A file that was detached while it was
// being indexed counts as cancelled.
func (b *Batch) Counts() Counts {
	c := Counts{Failed: b.refused}
	for f := range b.files.ascend(nil) {
		st := f.Status
		if st == InProgress && !f.detachedAt.IsZero() {
			st = Cancelled
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

// ListBatchFiles returns a page of a batch's files, with the lag of listings. A status
// selects the files that the listing shows with it.
func (p *Project) ListBatchFiles(b *Batch, page Page, status Status) (Listing[Seen], *BadCursor) {
	return p.list(&b.files, page, status, false, func(id string) (place, bool) {
		f := b.byID[id]
		if f == nil || !f.detachedAt.IsZero() && p.rules.DeletedCursorRefused {
			return place{}, false
		}
		return f.place, true
	})
}
