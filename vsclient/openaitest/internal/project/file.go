package project

import (
	"container/heap"
	"iter"
	"time"
)

// Content is the kept part of a file's bytes.
type Content struct {
	Size   int64
	SHA256 string // hex; empty when the content was never seen whole
	Kept   []byte // the first bytes
}

// File is an object of /files. Only its attachments, Gone, Kept and parsed change after it
// was made.
type File struct {
	place
	Content
	ID        string
	Name      string
	Purpose   string
	CreatedAt time.Time
	ExpiresAt int64 // unix seconds; 0: never
	Gone      bool  // deleted or expired
	Attaches  int   // number of attaches, to any store

	attached []*StoreFile // current attachments, to any store
	parsed   *document    // set when first indexed or searched
	readers  int          // the listing of Files while it has the File, and the store files and ghosts of it
}

// leave counts one reader less. The content goes with the last one: histories and batches
// keep the File for as long as the server runs.
func (f *File) leave() {
	if f.readers--; f.readers == 0 {
		f.Kept, f.parsed = nil, nil
	}
}

func (f *File) where() place { return f.place }

func (f *File) objectID() string { return f.ID }

// Attached reports whether the File is attached to a store.
func (f *File) Attached() bool { return len(f.attached) > 0 }

// AddFile adds a File. It sets the id and, unless it is set, CreatedAt.
func (p *Project) AddFile(f *File) {
	now := p.tick()
	if f.CreatedAt.IsZero() {
		f.CreatedAt = now
	}
	f.place = p.nextPlace(f.CreatedAt)
	f.ID = p.NewID("file-", 22)
	f.readers++
	p.files[f.ID] = f
	p.stored += f.Size
	p.fileList.insert(f)
	if f.ExpiresAt != 0 {
		heap.Push(&p.expiring, f)
	}
}

// File returns the File of that id; nil when there is none.
func (p *Project) File(id string) *File {
	p.tick()
	return p.files[id]
}

// FileCount returns how many Files there are.
func (p *Project) FileCount() int { return p.fileList.count }

// Stored returns how many bytes all Files hold.
func (p *Project) Stored() int64 { return p.stored }

// Files yields all Files, oldest first.
func (p *Project) Files() iter.Seq[*File] {
	p.tick()
	return p.fileList.ascend(nil)
}

// NewestFiles yields all Files, newest first.
func (p *Project) NewestFiles() iter.Seq[*File] {
	p.tick()
	return p.fileList.descend(nil)
}

// ListFiles returns a page of the Files for which wanted returns true.
func (p *Project) ListFiles(page Page, wanted func(*File) bool) (Listing[*File], *BadCursor) {
	p.tick()
	return cut(&p.fileList, page, p.rules.FilterAfterPage, func(*File) bool { return true }, wanted, func(id string) (place, bool) {
		if f := p.files[id]; f != nil {
			return f.place, true
		}
		pl, ok := p.filesLeft[id]
		return pl, ok && !p.rules.DeletedCursorRefused
	})
}

// DeleteFile deletes a File and, unless the rules keep them, its attachments.
func (p *Project) DeleteFile(f *File) { p.removeFile(f, p.Now(), p.rules.DeleteLeavesStoreFile) }

func (p *Project) removeFile(f *File, now time.Time, keepAttached bool) {
	f.Gone = true
	delete(p.files, f.ID)
	p.stored -= f.Size
	p.fileList.remove(f.place)
	p.filesLeft[f.ID] = f.place
	defer f.leave()
	if keepAttached {
		return
	}
	for len(f.attached) > 0 {
		sf := f.attached[0]
		p.refresh(sf.Store, now)
		counted := sf.Status
		p.detach(sf, now)
		if p.rules.DeleteLeavesCounts {
			if counted == InProgress {
				counted = Cancelled
			}
			*sf.Store.counts.of(counted)++
			p.remember(sf.Store, now)
		}
	}
}

func (p *Project) expireFiles(now time.Time) {
	for len(p.expiring) > 0 && p.expiring[0].ExpiresAt <= now.Unix() {
		f := heap.Pop(&p.expiring).(*File)
		if !f.Gone {
			p.removeFile(f, time.Unix(f.ExpiresAt, 0), p.rules.ExpiryLeavesStoreFile)
		}
	}
}

// expiryHeap holds the Files that expire, soonest first.
type expiryHeap []*File

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].ExpiresAt < h[j].ExpiresAt }
func (h expiryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *expiryHeap) Push(v any)        { *h = append(*h, v.(*File)) }
func (h *expiryHeap) Pop() any {
	old := *h
	v := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return v
}
