package naming

import (
	"fmt"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// Chunking is how OpenAI cuts a document into chunks. The zero value is OpenAI's
// default ("auto": 800 tokens, 400 of them shared with the next chunk).
type Chunking struct {
	MaxTokens     int // 100 to 4,096
	OverlapTokens int // 0 to half of MaxTokens
}

// Check returns an error of kind [fail.InvalidChunking] for sizes that OpenAI does not
// take.
func (c Chunking) Check() error {
	switch {
	case c == Chunking{}:
		return nil
	case c.MaxTokens < 100 || c.MaxTokens > 4096:
		return fail.New(fail.InvalidChunking, "a chunk of %d tokens; 100 to 4096 are allowed", c.MaxTokens)
	case c.OverlapTokens < 0 || c.OverlapTokens > c.MaxTokens/2:
		return fail.New(fail.InvalidChunking, "an overlap of %d tokens; 0 to half of the chunk (%d) are allowed", c.OverlapTokens, c.MaxTokens/2)
	}
	return nil
}

// String returns "auto", or the two sizes as ParseChunking reads them.
func (c Chunking) String() string {
	if c == (Chunking{}) {
		return "auto"
	}
	return fmt.Sprintf("%d/%d", c.MaxTokens, c.OverlapTokens)
}

// ParseChunking reads the text of String. Other text is the default.
func ParseChunking(s string) Chunking {
	var c Chunking
	if n, err := fmt.Sscanf(s, "%d/%d", &c.MaxTokens, &c.OverlapTokens); n != 2 || err != nil {
		return Chunking{}
	}
	return c
}

// Param is the chunking_strategy of a request; nil for the default.
func (c Chunking) Param() any {
	if c == (Chunking{}) {
		return nil
	}
	return map[string]any{"type": "static", "static": map[string]any{
		"max_chunk_size_tokens": c.MaxTokens, "chunk_overlap_tokens": c.OverlapTokens,
	}}
}
