package reply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// The most that is kept of a text that a server sends, in bytes.
const (
	MaxMessage   = fail.MaxReason
	MaxCode      = 100
	maxRequestID = 100
)

// maxRefusal is how much of a refusal is read, in bytes.
const maxRefusal = 256 << 10

// refusal is the reason that a reply of 400 and above gives.
type refusal struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    string `json:"code"`
	Param   string `json:"param"`
}

// Tame replaces the body and the header of a reply of 400 and above by ones of bounded
// length, in one line each and without secrets: from then on the SDK handles it, and its
// error shows it. The reply is judged by the words that were sent: a key of a few
// characters may be in any of them.
func (j Judge) Tame(resp *http.Response, got *Received) {
	raw, cut := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
	resp.Body.Close()
	said, html := parseRefusal(raw, resp.Header.Get("Content-Type"))
	shown := refusal{j.Line(said.Message, MaxMessage), j.Line(said.Type, MaxCode), j.Line(said.Code, MaxCode), j.Line(said.Param, MaxCode)}
	said.Message = said.Message[:min(len(said.Message), maxRead)]
	got.Cut, got.HTML, got.said = cut, html, func() refusal { return said }
	body, _ := json.Marshal(map[string]refusal{"error": shown}) //nolint:errchkjson // strings
	resp.Header = j.header(resp.Header)
	resp.Status = fmt.Sprint(resp.StatusCode, " ", http.StatusText(resp.StatusCode))
	resp.Body, resp.ContentLength, resp.Trailer = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
}

// parseRefusal reads the reason out of OpenAI's form {"error":{…}}, out of the forms of
// other servers, and of text. A page of HTML is for people and gives none.
func parseRefusal(raw []byte, contentType string) (r refusal, html bool) {
	var body struct {
		Error   any `json:"error"`
		Message any `json:"message"`
		Detail  any `json:"detail"`
		Code    any `json:"code"`
		Type    any `json:"type"`
	}
	if json.Unmarshal(raw, &body) != nil {
		if html = IsHTML(contentType, raw); !html {
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
				withoutInput(v)
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

// withoutInput takes out of a list of faults of a request, as FastAPI sends it, the parts
// of the request.
func withoutInput(faults any) {
	list, _ := faults.([]any)
	for _, fault := range list {
		if f, ok := fault.(map[string]any); ok {
			delete(f, "input")
		}
	}
}

// IsHTML reports whether a reply is a page for people.
func IsHTML(contentType string, beginning []byte) bool {
	t, _, _ := mime.ParseMediaType(contentType)
	return t == "text/html" || bytes.HasPrefix(bytes.TrimSpace(beginning), []byte("<"))
}
