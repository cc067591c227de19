package openaitest

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

const (
	maxFileBytes = 512 << 20
	maxFileList  = 10000
	megabyte     = 1 << 20
)

func megabytes(n int64) string { return strconv.FormatInt(n/megabyte, 10) }

// fileObject is a File in a reply.
type fileObject struct {
	ID        string `json:"id"`
	Object    string `json:"object"`
	Bytes     *int64 `json:"bytes"`
	CreatedAt int64  `json:"created_at"`
	ExpiresAt int64  `json:"expires_at,omitempty"`
	Filename  string `json:"filename"`
	Purpose   string `json:"purpose"`
	Status    string `json:"status"`
	// StatusDetails is deprecated; it is null in every recorded reply of the live API.
	StatusDetails *string `json:"status_details"`
}

func objectOfFile(f *project.File) fileObject {
	return fileObject{
		ID: f.ID, Object: "file", Bytes: &f.Size, CreatedAt: f.CreatedAt.Unix(), ExpiresAt: f.ExpiresAt,
		Filename: f.Name, Purpose: f.Purpose, Status: "processed",
	}
}

var uploadPurposes = []string{"assistants", "batch", "fine-tune", "vision", "user_data", "evals"}

func (c *call) createFile() (any, *apiError) {
	s := c.s
	s.mu.Lock()
	refused := s.limit(c, "file uploads", 1, s.uploadLimit)
	s.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	f, refused := c.multipartForm("file", maxFileBytes, s.cfg.KeepBytes, "purpose", "expires_after", "expires_after[anchor]", "expires_after[seconds]")
	if refused != nil {
		return nil, refused
	}
	purpose, ok := f.values["purpose"]
	if !ok {
		return nil, badRequest("", "purpose", "'purpose' is a required property")
	}
	if refused := checkPurpose(purpose); refused != nil {
		return nil, refused
	}
	if f.file == nil || !f.file.named {
		return nil, badRequest("", "file", "'file' is a required property")
	}
	name, refused := c.fileName(f.file.name, purpose)
	if refused != nil {
		return nil, refused
	}
	if f.file.Size == 0 {
		return nil, badRequest("", "file", "File is empty.")
	}
	seconds, refused := formExpiry(f.values)
	if refused != nil {
		return nil, refused
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if refused := s.checkQuota(f.file.Size); refused != nil {
		return nil, refused
	}
	made := s.newFile(name, purpose, f.file.Content, seconds)
	s.state.AddFile(made)
	o := objectOfFile(made)
	if s.cfg.Quirks.NullBytes {
		o.Bytes = nil
	}
	return o, nil
}

func checkPurpose(purpose string) *apiError {
	if slices.Contains(uploadPurposes, purpose) {
		return nil
	}
	return badRequest("", "purpose", "'%s' is not one of ['%s'] - 'purpose'", purpose, strings.Join(uploadPurposes, "', '"))
}

// fileName checks the name of a new File and returns the name to store.
func (c *call) fileName(name, purpose string) (string, *apiError) {
	q := c.s.cfg.Quirks
	if q.DecodeFilenames {
		name = strings.NewReplacer("%22", `"`, "%0D", "\r", "%0A", "\n").Replace(name)
	}
	if q.BaseFilenames {
		name = name[strings.LastIndexByte(name, '/')+1:]
	}
	name = alterations[q.AlterFilenames](name)
	if n := utf8.RuneCountInString(name); q.MaxFilename > 0 && n > q.MaxFilename {
		return "", badRequest("string_above_max_length", "file",
			"Invalid 'filename': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", q.MaxFilename, n)
	}
	ext := strings.ToLower(path.Ext(name))
	switch {
	case purpose == "batch" && ext != ".jsonl":
		return "", badRequest("", "file", "Invalid file format for Batch API. Must be .jsonl")
	case purpose == "assistants" && q.CheckUploadExtension && !q.retrievable(name):
		return "", badRequest("", "file", "Invalid extension %s. Supported formats: \"%s\"", strings.TrimPrefix(ext, "."), strings.Join(extensionNames, "\", \""))
	case purpose == "assistants" && !q.retrievable(name):
		c.unwisely("a file with purpose assistants has an extension that cannot be attached to a vector store")
	}
	return name, nil
}

// formExpiry reads expires_after of a form, in seconds; 0: none. SDKs send it as
// expires_after[anchor] and expires_after[seconds], other clients as one JSON value.
func formExpiry(values map[string]string) (seconds int64, refused *apiError) {
	anchor, hasAnchor := values["expires_after[anchor]"]
	text, hasSeconds := values["expires_after[seconds]"]
	if v, ok := values["expires_after"]; ok {
		var e struct {
			Anchor  *string `json:"anchor"`
			Seconds *int64  `json:"seconds"`
		}
		if decodeStrictly([]byte(v), &e) != nil {
			return 0, badRequest("invalid_type", "expires_after", "Invalid type for 'expires_after': expected an object, but got a string instead.")
		}
		if e.Anchor != nil {
			anchor, hasAnchor = *e.Anchor, true
		}
		if e.Seconds != nil {
			text, hasSeconds = strconv.FormatInt(*e.Seconds, 10), true
		}
	} else if !hasAnchor && !hasSeconds {
		return 0, nil
	}
	switch {
	case !hasAnchor:
		return 0, badRequest("missing_required_parameter", "expires_after.anchor", "Missing required parameter: 'expires_after.anchor'.")
	case !hasSeconds:
		return 0, badRequest("missing_required_parameter", "expires_after.seconds", "Missing required parameter: 'expires_after.seconds'.")
	}
	if err := oneOf("expires_after.anchor", anchor, "created_at"); err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, badRequest("invalid_type", "expires_after.seconds", "Invalid type for 'expires_after.seconds': expected an integer, but got a string instead.")
	}
	return n, outOfBounds("expires_after.seconds", "integer", n, 3600, 2592000)
}

// checkQuota refuses size more bytes when they exceed the storage quota; s.mu is held.
func (s *Server) checkQuota(size int64) *apiError {
	if q := s.cfg.StorageQuota; q > 0 && s.state.Stored()+size > q {
		return badRequest("", "", "You have exceeded your file storage quota. Projects can store up to %s MB of files.", megabytes(q))
	}
	return nil
}

// newFile returns a File to add. seconds is its time to live; 0 is the default of its
// purpose. s.mu is held.
func (s *Server) newFile(name, purpose string, data project.Content, seconds int64) *project.File {
	f := &project.File{Name: name, Purpose: purpose, Content: data}
	if seconds == 0 && purpose == "batch" {
		seconds = 30 * 24 * 3600
	}
	if seconds > 0 {
		f.ExpiresAt = s.state.Now().Unix() + seconds
	}
	return f
}

func (c *call) listFiles() (any, *apiError) {
	p, refused := c.page(maxFileList, maxFileList)
	if refused != nil {
		return nil, refused
	}
	p.Before = "" // GET /files has no such parameter
	purpose := c.query.Get("purpose")
	l, bad := c.s.state.ListFiles(p, func(f *project.File) bool { return purpose == "" || f.Purpose == purpose })
	return list(l, bad, objectOfFile)
}

// file returns the File that the request's path names; s.mu is held.
func (c *call) file() (*project.File, *apiError) {
	id := c.params[0]
	f := c.s.state.File(id)
	if f == nil {
		return nil, c.s.cfg.Quirks.noSuchFile(id)
	}
	return f, nil
}

func (c *call) getFile(f *project.File) (any, *apiError) { return objectOfFile(f), nil }

// deleted is the reply to a DELETE of any object.
type deleted struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Deleted bool   `json:"deleted"`
}

func (c *call) deleteFile(f *project.File) (any, *apiError) {
	if f.Attached() {
		c.unwisely("the File is still attached to a vector store; users report that its file_counts keep it")
	}
	c.s.state.DeleteFile(f)
	return deleted{f.ID, "file", true}, nil
}

func (c *call) fileContent(f *project.File) (any, *apiError) {
	switch f.Purpose {
	case "assistants", "user_data", "fine-tune", "evals":
		return nil, badRequest("", "", "Not allowed to download files of purpose: %s", f.Purpose)
	}
	if int64(len(f.Kept)) < f.Size {
		return nil, notModelled("the content of a file larger than Config.KeepBytes")
	}
	c.header.Set("Content-Disposition", `attachment; filename="`+quotable.Replace(f.Name)+`"`)
	return rawContent{f.Kept, "application/octet-stream"}, nil
}

// quotable escapes a file name for a quoted string in a header.
var quotable = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "%0D", "\n", "%0A")

// limit counts n requests or files against a limit, or refuses them. s.mu is held.
func (s *Server) limit(c *call, requests string, n int, l *limiter) *apiError {
	if refused := s.over(c, requests, n, l); refused != nil {
		return refused
	}
	l.take(s.state.Now(), n)
	c.limitHeaders(l, 0)
	return nil
}

// over refuses n requests or files that exceed a limit. s.mu is held.
func (s *Server) over(c *call, requests string, n int, l *limiter) *apiError {
	wait := l.wait(s.state.Now(), n)
	if wait <= 0 {
		return nil
	}
	c.limitHeaders(l, wait)
	return rateLimited(requests, l.perMinute, wait)
}

func (c *call) limitHeaders(l *limiter, reset time.Duration) {
	if !c.s.cfg.Quirks.RateLimitHeaders || l.perMinute <= 0 {
		return
	}
	c.header.Set("X-Ratelimit-Limit-Requests", strconv.Itoa(l.perMinute))
	c.header.Set("X-Ratelimit-Remaining-Requests", strconv.Itoa(l.remaining()))
	c.header.Set("X-Ratelimit-Reset-Requests", reset.String())
}
