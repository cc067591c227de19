package vsclient

import (
	"context"
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

func (c *Client) text(ctx context.Context, id string) (string, error) {
	var b strings.Builder
	for piece, err := range c.wire.Content(ctx, id) {
		if err != nil {
			return "", err
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(piece)
	}
	return b.String(), nil
}
