package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"
)

// prober makes requests to one project and remembers the objects that it created there.
type prober struct {
	base, key string
	client    *http.Client
	store     string   // the vector store that every question uses
	files     []string // to be deleted
	details   []string // of the current question
}

// finding is the answer to a question.
type finding struct {
	Number   int      `json:"number"`
	Question string   `json:"question"`
	Answer   string   `json:"answer"`
	Details  []string `json:"details,omitempty"`
	Failed   bool     `json:"failed,omitempty"` // Answer is the reason why there is no answer
}

// reply is the answer to a request.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// into decodes the body of a reply 200.
func (r reply) into(v any) error {
	if r.status != http.StatusOK {
		return fmt.Errorf("answered %s", r)
	}
	return json.Unmarshal(r.body, v)
}

// String returns the status and the code of the error, if it has one.
func (r reply) String() string {
	s := fmt.Sprint(r.status)
	if code := r.refusal().Code; code != nil {
		s += " " + *code
	}
	return s
}

// message returns the message of the error.
func (r reply) message() string { return r.refusal().Message }

type refusal struct {
	Code    *string `json:"code"`
	Message string  `json:"message"`
}

// refusal returns the error in the body; the zero refusal when the body has none.
func (r reply) refusal() refusal {
	var e struct {
		Error refusal `json:"error"`
	}
	if json.Unmarshal(r.body, &e) != nil {
		return refusal{}
	}
	return e.Error
}

func (p *prober) send(ctx context.Context, method, path, contentType string, body []byte, header ...string) (reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Authorization", "Bearer "+p.key)
	if strings.HasPrefix(path, "/vector_stores") {
		r.Header.Set("OpenAI-Beta", "assistants=v2")
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, data}, err
}

func (p *prober) get(ctx context.Context, path string) (reply, error) {
	return p.send(ctx, http.MethodGet, path, "", nil)
}

func (p *prober) delete(ctx context.Context, path string) (reply, error) {
	return p.send(ctx, http.MethodDelete, path, "", nil)
}

func (p *prober) post(ctx context.Context, path string, body any) (reply, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return reply{}, err
	}
	return p.send(ctx, http.MethodPost, path, "application/json", data)
}

// fileObject is the part of a File that the questions read.
type fileObject struct{ ID, Filename string }

// tryUpload uploads a small text. The upload may be refused.
func (p *prober) tryUpload(ctx context.Context, name, content string, header ...string) (fileObject, reply, error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	err := form.WriteField("purpose", "assistants")
	var part io.Writer
	if err == nil {
		part, err = form.CreateFormFile("file", name)
	}
	if err == nil {
		_, err = io.WriteString(part, content)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return fileObject{}, reply{}, err
	}
	r, err := p.send(ctx, http.MethodPost, "/files", form.FormDataContentType(), b.Bytes(), header...)
	var f fileObject
	if err == nil && r.status == http.StatusOK {
		err = r.into(&f)
		p.files = append(p.files, f.ID)
	}
	return f, r, err
}

func (p *prober) upload(ctx context.Context, name, content string) (string, error) {
	f, r, err := p.tryUpload(ctx, name, content)
	if err == nil && f.ID == "" {
		err = fmt.Errorf("the upload was answered %s: %s", r, r.message())
	}
	return f.ID, err
}

// storeFile is the part of a store file that the questions read.
type storeFile struct {
	ID         string
	Status     string
	LastError  *struct{ Code, Message string } `json:"last_error"`
	Attributes map[string]any
}

func (p *prober) path(rest string) string { return "/vector_stores/" + p.store + rest }

func (p *prober) attach(ctx context.Context, id string, attributes map[string]any) (reply, error) {
	return p.post(ctx, p.path("/files"), map[string]any{"file_id": id, "attributes": attributes})
}

// indexed attaches a new file and waits until it is no longer in progress.
func (p *prober) indexed(ctx context.Context, name, content string, attributes map[string]any) (string, error) {
	id, err := p.upload(ctx, name, content)
	if err != nil {
		return "", err
	}
	r, err := p.attach(ctx, id, attributes)
	if err != nil {
		return "", err
	}
	if r.status != http.StatusOK {
		return "", fmt.Errorf("the attach was answered %s: %s", r, r.message())
	}
	_, err = p.settled(ctx, id)
	return id, err
}

const (
	longest  = 3 * time.Minute
	interval = 500 * time.Millisecond
)

var errTooLong = fmt.Errorf("not after %v", longest)

// until calls ask every interval until it returns true, and returns the time that passed.
func until(ctx context.Context, ask func() (bool, error)) (time.Duration, error) {
	start := time.Now()
	for {
		ok, err := ask()
		took := time.Since(start)
		if ok || err != nil {
			return took, err
		}
		if took > longest {
			return took, errTooLong
		}
		select {
		case <-ctx.Done():
			return took, ctx.Err()
		case <-time.After(interval):
		}
	}
}

// settled waits until a store file is no longer in progress.
func (p *prober) settled(ctx context.Context, id string) (storeFile, error) {
	var f storeFile
	_, err := until(ctx, func() (bool, error) {
		r, err := p.get(ctx, p.path("/files/"+id))
		if err != nil || r.status == http.StatusNotFound {
			return false, err
		}
		f = storeFile{}
		if err := r.into(&f); err != nil {
			return false, err
		}
		return f.Status != "in_progress", nil
	})
	return f, err
}

// note adds a detail to the answer.
func (p *prober) note(format string, args ...any) {
	p.details = append(p.details, fmt.Sprintf(format, args...))
}

// cleanUp removes the objects that the prober created, also after ctx is done. Its error
// names the objects that it could not remove.
func (p *prober) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var paths []string
	if p.store != "" {
		paths = append(paths, p.path(""))
	}
	for _, id := range p.files {
		paths = append(paths, "/files/"+id)
	}
	var left []error
	for _, path := range paths {
		r, err := p.delete(ctx, path)
		if err == nil && r.status != http.StatusOK && r.status != http.StatusNotFound {
			err = fmt.Errorf("answered %s", r)
		}
		if err != nil {
			left = append(left, fmt.Errorf("%s is left behind: %w", path, err))
		}
	}
	return errors.Join(left...)
}
