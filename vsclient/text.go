package vsclient

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// Text returns the text that OpenAI parsed out of the key's document: for a PDF
// what it read, for text the text, not always to the byte. The bytes that were
// uploaded cannot be had: OpenAI refuses the download of Files of this purpose.
func (c *Client) Text(ctx context.Context, key string) (string, error) {
	ctx, over := c.begin(ctx)
	defer over()
	info, err := c.get(ctx, key)
	if err != nil {
		return "", wrap("read", key, err)
	}
	text, err := c.text(ctx, info.FileID)
	return text, wrap("read", key, err)
}

// contentPage has two shapes: the one that the spec declares, and the one of its
// example.
type contentPage struct {
	Data     []textPart `json:"data"`
	Content  []textPart `json:"content"`
	HasMore  bool       `json:"has_more"`
	NextPage string     `json:"next_page"`
}

type textPart struct {
	Text string `json:"text"`
}

func (c *Client) text(ctx context.Context, id string) (string, error) {
	var b strings.Builder
	for token := ""; ; {
		r := request{method: http.MethodGet, path: "vector_stores/%s/files/%s/content", ids: []string{c.cfg.VectorStoreID, id}}
		if token != "" {
			r.query = url.Values{"page": {token}}
		}
		p, err := send[contentPage](ctx, c, r)
		if err != nil {
			return "", err
		}
		for _, part := range append(p.Data, p.Content...) {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(part.Text)
		}
		if !p.HasMore || p.NextPage == "" {
			return b.String(), nil
		}
		if p.NextPage == token {
			// The spec names no parameter for the following page. If OpenAI does not
			// know ours, it answers the same page for ever.
			return "", &failure{kind: ErrUnavailable, reason: "the text is longer than one page, and OpenAI does not hand out the next one"}
		}
		token = p.NextPage
	}
}
