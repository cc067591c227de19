package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/openai/openai-go/v3"
)

// secrets takes the API key out of what is shown. The key is held in a closure,
// which no format verb looks into.
type secrets struct {
	hide func(string) string
}

const redacted = "[redacted]"

// keyLike is what keys of OpenAI look like, also half masked, as some of its
// errors quote them.
var keyLike = regexp.MustCompile(`sk-[A-Za-z0-9_*-]{4,}`)

func newSecrets(key string) secrets {
	forms := []string{key}
	if escaped, err := json.Marshal(key); err == nil {
		forms = append(forms, string(escaped[1:len(escaped)-1]))
	}
	var own []string
	for _, form := range forms {
		own = append(own, form, redacted, strings.ReplaceAll(form, "/", `\/`), redacted)
	}
	replacer := strings.NewReplacer(own...)
	return secrets{hide: func(s string) string { return keyLike.ReplaceAllString(replacer.Replace(s), redacted) }}
}

// clean returns err or, where its text holds the key, an error of the same text
// without it. That wraps nothing: whatever is within would show the key.
func (s secrets) clean(err error) error {
	text := err.Error()
	if hidden := s.hide(text); hidden != text {
		return errors.New(hidden)
	}
	return err
}

// redact takes the key out of an error of the SDK and of the request and the reply
// that it carries, so that no dump of it can show the key.
func (s secrets) redact(e *openai.Error) {
	if e.Request != nil {
		e.Request.Header = e.Request.Header.Clone()
		e.Request.Header.Set("Authorization", "Bearer "+redacted)
	}
	if e.Response != nil {
		e.Response.Request = e.Request
		if body, err := io.ReadAll(e.Response.Body); err == nil {
			e.Response.Body = io.NopCloser(bytes.NewReader([]byte(s.hide(string(body)))))
		}
	}
	if raw := e.RawJSON(); raw != s.hide(raw) {
		_ = json.Unmarshal([]byte(s.hide(raw)), e) // the message, the fields beside it and the raw text
	}
}
