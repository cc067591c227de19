package vsclient

import "fmt"

// Chunking is how OpenAI cuts a document into chunks. The zero value is OpenAI's
// default ("auto": 800 tokens, 400 of them shared with the next chunk).
type Chunking struct {
	MaxTokens     int // 100 to 4,096
	OverlapTokens int // 0 to half of MaxTokens
}

func (c Chunking) check() error {
	switch {
	case c == Chunking{}:
		return nil
	case c.MaxTokens < 100 || c.MaxTokens > 4096:
		return invalid(ErrInvalidChunking, "a chunk of %d tokens; 100 to 4096 are allowed", c.MaxTokens)
	case c.OverlapTokens < 0 || c.OverlapTokens > c.MaxTokens/2:
		return invalid(ErrInvalidChunking, "an overlap of %d tokens; 0 to half of the chunk (%d) are allowed", c.OverlapTokens, c.MaxTokens/2)
	}
	return nil
}

func (c Chunking) String() string {
	if c == (Chunking{}) {
		return "auto"
	}
	return fmt.Sprintf("%d/%d", c.MaxTokens, c.OverlapTokens)
}

func parseChunking(s string) Chunking {
	var c Chunking
	if n, err := fmt.Sscanf(s, "%d/%d", &c.MaxTokens, &c.OverlapTokens); n != 2 || err != nil {
		return Chunking{}
	}
	return c
}

func (c Chunking) param() any {
	if c == (Chunking{}) {
		return nil
	}
	return map[string]any{"type": "static", "static": staticChunking(c)}
}
