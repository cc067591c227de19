package project

import "time"

// uploadLifetime is how long an upload can be completed.
const uploadLifetime = time.Hour

// UploadState is the status of an upload.
type UploadState string

const (
	UploadPending   UploadState = "pending"
	UploadCompleted UploadState = "completed"
	UploadCancelled UploadState = "cancelled"
	UploadExpired   UploadState = "expired"
)

// Upload is an object of /uploads.
type Upload struct {
	ID        string
	CreatedAt time.Time
	Name      string
	Bytes     int64 // declared
	Purpose   string
	Lifetime  int64 // of the File, in seconds; 0: the default of its purpose
	State     UploadState
	File      *File // nil until the upload is completed

	parts map[string]Content // by id, kept whole while the upload is pending
	held  map[string]Content // by digest: parts of the same content share its bytes
	room  int64              // bytes of content that may be held in addition
}

// heldUploads is how many times the declared bytes the different contents of all parts may
// have together. Parts that are cut in another way need more than once.
const heldUploads = 4

// ExpiresAt returns when the upload expires unless it has ended.
func (u *Upload) ExpiresAt() time.Time { return u.CreatedAt.Add(uploadLifetime) }

// NewUpload begins an upload. It sets ID, CreatedAt and State.
func (p *Project) NewUpload(u *Upload) {
	u.CreatedAt = p.tick()
	u.ID, u.State, u.parts = p.NewID("upload_", 32), UploadPending, make(map[string]Content)
	u.held, u.room = make(map[string]Content), heldUploads*u.Bytes
	p.uploads[u.ID] = u
	p.pending = append(p.pending, u)
}

// Upload returns the upload of that id; nil when there is none.
func (p *Project) Upload(id string) *Upload {
	p.tick()
	return p.uploads[id]
}

// PendingUploads returns how many uploads can still be completed.
func (p *Project) PendingUploads() int {
	p.tick()
	n := 0
	for _, u := range p.pending {
		if u.State == UploadPending {
			n++
		}
	}
	return n
}

// AddPart adds a part to a pending upload and returns its id; "": the upload has no room
// for its content.
func (p *Project) AddPart(u *Upload, data Content) string {
	if _, again := u.held[data.SHA256]; !again {
		if data.Size > u.room {
			return ""
		}
		u.held[data.SHA256], u.room = data, u.room-data.Size
	}
	id := p.NewID("part_", 32)
	u.parts[id] = u.held[data.SHA256]
	return id
}

// Part returns a part of the upload, if it is pending and has it.
func (u *Upload) Part(id string) (Content, bool) {
	data, ok := u.parts[id]
	return data, ok
}

// CompleteUpload ends the upload with its File.
func (p *Project) CompleteUpload(u *Upload, f *File) {
	p.AddFile(f)
	u.File = f
	u.end(UploadCompleted)
}

// CancelUpload ends the upload without a File.
func (p *Project) CancelUpload(u *Upload) { u.end(UploadCancelled) }

// end sets the final state and drops the parts.
func (u *Upload) end(state UploadState) { u.State, u.parts, u.held = state, nil, nil }

// expireUploads ends the uploads that were not completed in time.
func (p *Project) expireUploads(now time.Time) {
	for len(p.pending) > 0 && !now.Before(p.pending[0].ExpiresAt()) {
		if u := p.pending[0]; u.State == UploadPending {
			u.end(UploadExpired)
		}
		p.pending = p.pending[1:]
	}
}
