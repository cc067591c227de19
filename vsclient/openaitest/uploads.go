package openaitest

import (
	"crypto/md5" //nolint:gosec // the checksum that the API takes
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

const (
	maxUploadBytes = 8 << 30
	maxPartBytes   = 64 << 20
)

// uploadObject is an upload in a reply.
type uploadObject struct {
	ID        string      `json:"id"`
	Object    string      `json:"object"`
	Bytes     int64       `json:"bytes"`
	CreatedAt int64       `json:"created_at"`
	Filename  string      `json:"filename"`
	Purpose   string      `json:"purpose"`
	Status    string      `json:"status"`
	ExpiresAt int64       `json:"expires_at"`
	File      *fileObject `json:"file,omitempty"`
}

func objectOfUpload(u *project.Upload) uploadObject {
	o := uploadObject{
		ID: u.ID, Object: "upload", Bytes: u.Bytes, CreatedAt: u.CreatedAt.Unix(), Filename: u.Name, Purpose: u.Purpose,
		Status: string(u.State), ExpiresAt: u.ExpiresAt().Unix(),
	}
	if u.File != nil {
		f := objectOfFile(u.File)
		o.File = &f
	}
	return o
}

type partObject struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	CreatedAt int64  `json:"created_at"`
	UploadID  string `json:"upload_id"`
}

func (c *call) createUpload() (any, *apiError) {
	b := c.jsonBody("filename", "purpose", "bytes", "mime_type", "expires_after")
	name := b.needText("filename")
	purpose := b.needText("purpose")
	b.require("bytes", "an integer")
	size := b.integer("bytes", 0, 1, maxUploadBytes)
	mimeType := b.needText("mime_type")
	var seconds int64
	if e := b.object("expires_after", "anchor", "seconds"); e != nil {
		e.require("anchor", "a string")
		e.require("seconds", "an integer")
		e.enum("anchor", "", "created_at")
		seconds = e.integer("seconds", 0, 3600, 2592000)
		b.fail(e.err)
	}
	if b.err != nil {
		return nil, b.err
	}
	if refused := checkPurpose(purpose); refused != nil {
		return nil, refused
	}
	typ, _, _ := strings.Cut(mimeType, ";")
	typ = strings.ToLower(strings.TrimSpace(typ))
	anyType := typ == "application/octet-stream" && c.s.cfg.Quirks.OctetStreamUploads
	if purpose == "assistants" && !anyType && !slices.Contains(retrievalTypes, typ) {
		return nil, badRequest("invalid_value", "mime_type", "Invalid 'mime_type': '%s' is not supported for purpose 'assistants'.", mimeType)
	}
	name, refused := c.fileName(name, purpose)
	if refused != nil {
		return nil, refused
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &project.Upload{Name: name, Bytes: size, Purpose: purpose, Lifetime: seconds}
	s.state.NewUpload(u)
	return objectOfUpload(u), nil
}

// upload returns the upload that the request's path names; s.mu is held.
func (c *call) upload() (*project.Upload, *apiError) {
	u := c.s.state.Upload(c.params[0])
	if u == nil {
		return nil, notFound("", "No such Upload object: %s", c.params[0])
	}
	return u, nil
}

// pendingUpload returns the upload that the request's path names, unless it has ended;
// s.mu is held.
func (c *call) pendingUpload() (*project.Upload, *apiError) {
	u, refused := c.upload()
	if refused == nil && u.State != project.UploadPending {
		refused = badRequest("", "", "Upload %s is %s.", u.ID, u.State)
	}
	return u, refused
}

func (c *call) addPart() (any, *apiError) {
	s := c.s
	s.mu.Lock()
	u, refused := c.pendingUpload()
	var left int64
	if refused == nil {
		left = u.Bytes
	}
	s.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	f, refused := c.multipartForm("data", maxPartBytes, left) // a part of more bytes is refused below
	if refused != nil {
		return nil, refused
	}
	if f.file == nil {
		return nil, badRequest("missing_required_parameter", "data", "Missing required parameter: 'data'.")
	}
	data := f.file.Content
	s.mu.Lock()
	defer s.mu.Unlock()
	if u, refused = c.pendingUpload(); refused != nil {
		return nil, refused
	}
	if data.Size > u.Bytes { // a part that is sent again after a lost reply counts when it is listed
		return nil, badRequest("", "data", "The part has %d bytes, more than the %d bytes declared for upload %s.", data.Size, u.Bytes, u.ID)
	}
	id := s.state.AddPart(u, data)
	if id == "" {
		return nil, badRequest("", "data", "The parts of upload %s have many times the %d bytes declared for it.", u.ID, u.Bytes)
	}
	return partObject{id, "upload.part", s.state.Now().Unix(), u.ID}, nil
}

func (c *call) completeUpload() (any, *apiError) {
	b := c.jsonBody("part_ids", "md5")
	b.require("part_ids", "an array")
	ids := b.texts("part_ids", 1, math.MaxInt32)
	sum := b.text("md5")
	if b.err != nil {
		return nil, b.err
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	u, refused := c.upload()
	if refused != nil {
		return nil, refused
	}
	if u.State == project.UploadCompleted && s.cfg.Quirks.CompleteTwiceOK {
		return objectOfUpload(u), nil
	}
	if u, refused = c.pendingUpload(); refused != nil {
		return nil, refused
	}
	parts := make([][]byte, len(ids))
	var size int64
	seen := make(map[string]bool)
	for i, id := range ids {
		p, ok := u.Part(id)
		if !ok {
			return nil, badRequest("invalid_value", "part_ids", "Invalid 'part_ids': no part with id '%s' was added to upload %s.", id, u.ID)
		}
		if seen[id] {
			return nil, badRequest("invalid_value", "part_ids", "Invalid 'part_ids': '%s' is listed twice.", id)
		}
		seen[id] = true
		size += p.Size
		parts[i] = p.Kept
	}
	if size != u.Bytes {
		return nil, badRequest("", "", "The number of bytes uploaded (%d) does not match the number of bytes declared (%d).", size, u.Bytes)
	}
	if refused := s.checkQuota(size); refused != nil {
		return nil, refused
	}
	if sum != "" {
		check := md5.New() //nolint:gosec // as above
		for _, p := range parts {
			check.Write(p)
		}
		if !strings.EqualFold(hex.EncodeToString(check.Sum(nil)), sum) {
			return nil, badRequest("", "md5", "The md5 of the uploaded bytes does not match the md5 given.")
		}
	}
	whole := &contentWriter{hash: sha256.New(), keep: s.cfg.KeepBytes}
	if len(parts) == 1 && size <= s.cfg.KeepBytes {
		whole.kept, whole.keep = parts[0], 0 // the part becomes the File's content
	}
	for _, p := range parts {
		_, _ = whole.Write(p) // it never fails
	}
	s.state.CompleteUpload(u, s.newFile(u.Name, u.Purpose, whole.content(), u.Lifetime))
	return objectOfUpload(u), nil
}

func (c *call) cancelUpload(u *project.Upload) (any, *apiError) {
	switch u.State {
	case project.UploadCompleted, project.UploadExpired:
		return nil, badRequest("", "", "Upload %s is %s.", u.ID, u.State)
	}
	c.s.state.CancelUpload(u)
	return objectOfUpload(u), nil
}
