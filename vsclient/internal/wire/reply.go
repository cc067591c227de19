package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// The largest replies, in bytes. Full pages of OpenAI's have about 2.5 MB (Files), 5 MB
// (store files with 16 long attributes) and 25 MB (text of five million tokens).
const (
	maxReply       = 1 << 20
	maxStoreFiles  = 16 << 20
	maxFiles       = 32 << 20
	maxContent     = 64 << 20
	maxContentText = 512 << 20 // all pages of a document's text together
	maxRefusal     = 1 << 20
	maxTail        = 4 << 10 // white space behind an object
	// maxRows is how many objects one reply may list. OpenAI's pages have 10,000 at the
	// most; other servers may send a listing whole.
	maxRows = 200_000
)

// The most that is kept of a text that a server sends, in bytes.
const (
	maxMessage   = 400
	maxCode      = 100
	maxRequestID = 100
)

var (
	errTooLong  = errors.New("it is longer than any that was asked for")
	errNoObject = errors.New("it holds no object")
)

// refusal is the reason that a reply of 400 and above gives.
type refusal struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    string `json:"code"`
	Param   string `json:"param"`
}

// tame replaces the body and the header of a reply of 400 and above by ones of bounded
// length, in one line each and without secrets: from then on the SDK handles it, and its
// error shows it. It returns why the body could not be read, and whether it is a page for
// people.
func (s secrets) tame(resp *http.Response) (cut error, html bool) {
	raw, cut := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	resp.Body.Close()
	r, html := parseRefusal(raw, resp.Header.Get("Content-Type"))
	r = refusal{s.line(r.Message, maxMessage), s.line(r.Type, maxCode), s.line(r.Code, maxCode), s.line(r.Param, maxCode)}
	body, _ := json.Marshal(map[string]refusal{"error": r}) //nolint:errchkjson // strings
	resp.Header = s.header(resp.Header)
	resp.Status = fmt.Sprint(resp.StatusCode, " ", http.StatusText(resp.StatusCode))
	resp.Body, resp.ContentLength, resp.Trailer = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return cut, html
}

// parseRefusal reads the reason out of OpenAI's form {"error":{…}}, out of the forms of
// other servers, and of text. A page of HTML is for people and gives none.
func parseRefusal(raw []byte, contentType string) (r refusal, html bool) {
	var body struct {
		Error, Message, Detail any
		Code, Type             any
	}
	if json.Unmarshal(raw, &body) != nil {
		if html = isHTML(contentType, raw); !html {
			r.Message = string(raw)
		}
		return r, html
	}
	text := func(all ...any) string {
		for _, v := range all {
			switch v := v.(type) {
			case nil:
				continue
			case string:
				if v != "" {
					return v
				}
			default:
				b, _ := json.Marshal(v) //nolint:errchkjson // it came as JSON
				return string(b)
			}
		}
		return ""
	}
	if e, ok := body.Error.(map[string]any); ok {
		return refusal{text(e["message"], e["detail"]), text(e["type"]), text(e["code"]), text(e["param"])}, false
	}
	return refusal{Message: text(body.Error, body.Message, body.Detail), Type: text(body.Type), Code: text(body.Code)}, false
}

func isHTML(contentType string, beginning []byte) bool {
	t, _, _ := mime.ParseMediaType(contentType)
	return t == "text/html" || bytes.HasPrefix(bytes.TrimSpace(beginning), []byte("<"))
}

// decode reads a reply into an object, and no more than so many bytes of it.
func decode(r io.Reader, most int64, into any) error {
	body := &limited{r, most}
	d := json.NewDecoder(body)
	read, ok := into.(interface{ read(*json.Decoder) error })
	if !ok {
		read = whole{into}
	}
	if err := read.read(d); err != nil {
		return err
	}
	if o, ok := into.(interface{ empty() bool }); ok && o.empty() {
		return errNoObject
	}
	body.left = min(body.left, maxTail)
	switch _, err := d.Token(); {
	case err == nil:
		return errors.New("it goes on after the object")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

type whole struct{ into any }

func (w whole) read(d *json.Decoder) error { return d.Decode(w.into) }

// limited fails after so many bytes.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// readFields reads an object field by field: field returns where a value goes, nil for
// nowhere.
func readFields(d *json.Decoder, field func(name string) any) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return noneOf(err)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		switch into := field(name).(type) {
		case nil:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		case interface{ readRows(*json.Decoder) error }:
			err = into.readRows(d)
		default:
			err = d.Decode(into)
		}
		if err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func noneOf(err error) error {
	if err == nil {
		err = errNoObject
	}
	return err
}

// rows reads an array one element at a time, so that neither the reply nor more elements
// than any listing has are ever held.
type rows[T any] struct{ all *[]T }

func (r rows[T]) readRows(d *json.Decoder) error {
	t, err := d.Token()
	if t == nil && err == nil {
		return nil // null
	}
	if err != nil || t != json.Delim('[') {
		return noneOf(err)
	}
	*r.all = []T{}
	for d.More() {
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		if o, ok := any(v).(interface{ empty() bool }); ok && o.empty() {
			return errors.New("it lists an object without an id")
		}
		if len(*r.all) == maxRows {
			return errTooLong
		}
		*r.all = append(*r.all, v)
	}
	_, err = d.Token()
	return err
}

func (p *Page[T]) read(d *json.Decoder) error {
	return readFields(d, func(name string) any {
		switch name {
		case "object":
			return &p.Object
		case "data", "content": // the latter as the spec's example of a store file's text has it
			return rows[T]{&p.Data}
		case "last_id":
			return &p.LastID
		case "has_more":
			return &p.HasMore
		case "next_page":
			return &p.NextPage
		}
		return nil
	})
}

// The texts of a reply that are shown pass through line.

func (s *StoreFile) show(line func(string, int) string) {
	s.Status = Status(line(string(s.Status), maxCode))
	if s.LastError != nil {
		s.LastError.Code, s.LastError.Message = line(s.LastError.Code, maxCode), line(s.LastError.Message, maxMessage)
	}
}

func (b *Batch) show(line func(string, int) string) {
	b.Status = Status(line(string(b.Status), maxCode))
}

func (s *Store) show(line func(string, int) string) { s.Status = line(s.Status, maxCode) }

func (p *Page[T]) show(line func(string, int) string) {
	for i := range p.Data {
		if o, ok := any(&p.Data[i]).(interface {
			show(func(string, int) string)
		}); ok {
			o.show(line)
		}
	}
}
