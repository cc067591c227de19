package openaitest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// maxFormValue is the most bytes of a part that carries no file.
const maxFormValue = 1 << 20

// form is a multipart body, read to its end.
type form struct {
	values map[string]string
	file   *formFile // the part that carries a file
}

// formFile is the file part of a form.
type formFile struct {
	name  string // as sent, with its directories
	named bool   // a name was sent: without one the part is a plain field
	project.Content
}

// multipartForm reads a multipart body with parts in any order. The file part has the
// given name and at most limit bytes, of which the first keep are kept. known names the
// other parts.
func (c *call) multipartForm(fileField string, limit, keep int64, known ...string) (*form, *apiError) {
	typ, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || typ != "multipart/form-data" || params["boundary"] == "" {
		return nil, &apiError{
			status:  http.StatusBadRequest,
			message: "Invalid Content-Type header. Expected 'multipart/form-data' with a boundary.",
		}
	}
	malformed := &apiError{status: http.StatusBadRequest, message: "Could not parse multipart form"}
	f := &form{values: make(map[string]string)}
	parts := multipart.NewReader(c.body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF { //nolint:errorlint // a wrapped one means that the last boundary is missing
			_, _ = io.Copy(io.Discard, io.LimitReader(c.body, 1<<16)) // the rest after the last boundary
			return f, nil
		}
		if err != nil {
			return nil, malformed
		}
		// Part.FileName would drop directories from the name.
		_, disposition, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err != nil {
			return nil, malformed
		}
		name := disposition["name"]
		if !slices.Contains(known, name) && name != fileField {
			if !c.s.cfg.Quirks.IgnoreUnknownFields {
				return nil, badRequest("unknown_parameter", name, "Unknown parameter: '%s'.", name)
			}
			c.unwisely("the field " + name + " is unknown and ignored")
		}
		if _, again := f.values[name]; again || name == fileField && f.file != nil {
			c.unwisely("the field " + name + " is sent more than once; only the last counts")
		}
		if name == fileField {
			content, err := readContent(part, limit, keep)
			if errors.Is(err, errTooLarge) {
				return nil, tooLarge(fileField, "File is too large. The maximum is %s MB.", megabytes(limit))
			}
			if err != nil {
				return nil, malformed
			}
			filename, named := disposition["filename"]
			f.file = &formFile{filename, named, content}
			continue
		}
		value, err := io.ReadAll(io.LimitReader(part, maxFormValue+1))
		if err != nil {
			return nil, malformed
		}
		if len(value) > maxFormValue {
			return nil, tooLarge(name, "The field '%s' is too large. The maximum is %s MB.", name, megabytes(maxFormValue))
		}
		f.values[name] = string(value)
	}
}

var errTooLarge = errors.New("too large")

// readContent reads, counts and hashes a content, and keeps the first keep bytes. It
// allocates memory as bytes arrive, not by the announced length.
func readContent(r io.Reader, limit, keep int64) (project.Content, error) {
	w := &contentWriter{hash: sha256.New(), keep: keep}
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = errTooLarge
	}
	return w.content(), err
}

type contentWriter struct {
	hash hash.Hash
	size int64
	keep int64
	kept []byte
}

func (w *contentWriter) Write(p []byte) (int, error) {
	w.hash.Write(p)
	w.size += int64(len(p))
	if room := w.keep - int64(len(w.kept)); room > 0 {
		w.kept = append(w.kept, p[:min(int64(len(p)), room)]...)
	}
	return len(p), nil
}

func (w *contentWriter) content() project.Content {
	if cap(w.kept) > len(w.kept)+len(w.kept)/8 {
		w.kept = bytes.Clone(w.kept)
	}
	return project.Content{Size: w.size, SHA256: hex.EncodeToString(w.hash.Sum(nil)), Kept: w.kept}
}
