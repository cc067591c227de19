package openaitest

import (
	"crypto/md5" //nolint:gosec // the checksum that the API takes
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	maxUploadBytes = 8 << 30
	maxPartBytes   = 64 << 20
	uploadLifetime = time.Hour
)

// upload is an object of /uploads.
type upload struct {
	id        string
	createdAt time.Time
	name      string
	bytes     int64
	purpose   string
	seconds   int64 // to live, of the File
	state     string
	parts     map[string]content // kept whole while the upload is pending
	received  int64              // bytes of the parts
	file      *file
}

func (u *upload) expiresAt() time.Time { return u.createdAt.Add(uploadLifetime) }

// end gives up the parts of the upload.
func (u *upload) end(state string) { u.state, u.parts = state, nil }

// expireUploads ends the uploads that nobody has completed in time; s.mu is held.
func (s *Server) expireUploads(now time.Time) {
	for len(s.pendingUploads) > 0 && !now.Before(s.pendingUploads[0].expiresAt()) {
		if u := s.pendingUploads[0]; u.state == "pending" {
			u.end("expired")
		}
		s.pendingUploads = s.pendingUploads[1:]
	}
}

// uploadObject is an upload on the wire.
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

func (u *upload) object() uploadObject {
	o := uploadObject{
		ID: u.id, Object: "upload", Bytes: u.bytes, CreatedAt: u.createdAt.Unix(), Filename: u.name, Purpose: u.purpose,
		Status: u.state, ExpiresAt: u.expiresAt().Unix(),
	}
	if u.file != nil {
		f := u.file.object()
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
	size := b.integer("bytes", 0, 1, math.MaxInt64)
	mimeType := b.needText("mime_type")
	var seconds int64
	if e := b.object("expires_after", "anchor", "seconds"); e != nil {
		e.require("anchor", "a string")
		e.require("seconds", "an integer")
		e.enum("anchor", "", "created_at")
		seconds = e.integer("seconds", 0, 3600, 2592000)
		if e.err != nil {
			b.fail(e.err)
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	if refused := checkPurpose(purpose); refused != nil {
		return nil, refused
	}
	if size > maxUploadBytes {
		return nil, badRequest("integer_above_max_value", "bytes",
			"Invalid 'bytes': integer above maximum value. Expected a value <= %d, but got %d instead.", int64(maxUploadBytes), size)
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
	now := s.now()
	s.tick(now)
	u := &upload{
		id: s.newID("upload_", 32), createdAt: now, name: name, bytes: size, purpose: purpose, seconds: seconds,
		state: "pending", parts: make(map[string]content),
	}
	s.uploads[u.id] = u
	s.pendingUploads = append(s.pendingUploads, u)
	return u.object(), nil
}

// upload returns the upload that the request's path names; s.mu is held.
func (c *call) upload() (*upload, *apiError) {
	c.s.tick(c.s.now())
	u := c.s.uploads[c.params[0]]
	if u == nil {
		return nil, notFound("", "No such Upload object: %s", c.params[0])
	}
	return u, nil
}

// pendingUpload is the same when it can still change.
func (c *call) pendingUpload() (*upload, *apiError) {
	u, refused := c.upload()
	if refused == nil && u.state != "pending" {
		refused = badRequest("", "", "Upload %s is %s.", u.id, u.state)
	}
	return u, refused
}

func (c *call) addPart() (any, *apiError) {
	s := c.s
	s.mu.Lock()
	_, refused := c.pendingUpload()
	s.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	f, refused := c.multipartForm("data", maxPartBytes, maxPartBytes)
	if refused != nil {
		return nil, refused
	}
	if f.file == nil {
		return nil, badRequest("missing_required_parameter", "data", "Missing required parameter: 'data'.")
	}
	data := f.file.content
	s.mu.Lock()
	defer s.mu.Unlock()
	u, refused := c.pendingUpload()
	if refused != nil {
		return nil, refused
	}
	if u.received+data.size > u.bytes {
		return nil, badRequest("", "data", "The parts of upload %s would hold %d bytes, more than the %d bytes declared.", u.id, u.received+data.size, u.bytes)
	}
	u.received += data.size
	id := s.newID("part_", 32)
	u.parts[id] = data
	return partObject{id, "upload.part", s.now().Unix(), u.id}, nil
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
	if u.state == "completed" && s.cfg.Quirks.CompleteTwiceOK {
		return u.object(), nil
	}
	if u, refused = c.pendingUpload(); refused != nil {
		return nil, refused
	}
	parts := make([][]byte, len(ids))
	var size int64
	seen := make(map[string]bool)
	for i, id := range ids {
		p, ok := u.parts[id]
		if !ok {
			return nil, badRequest("invalid_value", "part_ids", "Invalid 'part_ids': no part with id '%s' was added to upload %s.", id, u.id)
		}
		if seen[id] {
			return nil, badRequest("invalid_value", "part_ids", "Invalid 'part_ids': '%s' is listed twice.", id)
		}
		seen[id] = true
		size += p.size
		parts[i] = p.kept
	}
	if size != u.bytes {
		return nil, badRequest("", "", "The number of bytes uploaded (%d) does not match the number of bytes declared (%d).", size, u.bytes)
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
	u.file = s.makeFile(u.name, u.purpose, whole.content(), u.seconds)
	u.end("completed")
	return u.object(), nil
}

func (c *call) cancelUpload() (any, *apiError) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	u, refused := c.upload()
	if refused != nil {
		return nil, refused
	}
	switch u.state {
	case "completed", "expired":
		return nil, &apiError{status: http.StatusBadRequest, message: "Upload " + u.id + " is " + u.state + "."}
	}
	u.end("cancelled")
	return u.object(), nil
}
