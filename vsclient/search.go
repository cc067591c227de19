package vsclient

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/filter"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// SearchOptions narrow a search.
type SearchOptions struct {
	Limit    int           // the most hits, 1 to 50; 0: OpenAI's default of 10
	MinScore float64       // the least score, 0 to 1
	Filter   filter.Filter // the attributes that documents must have, such as filter.Eq("lang", "en")
	Rewrite  bool          // OpenAI may put the query in other words
}

// maxHits is the largest SearchOptions.Limit (API reference, max_num_results).
const maxHits = 50

// Hit is a piece of a document that a search has found.
type Hit struct {
	Key        string // empty for a file that this package has not written
	Name       string // of the File
	FileID     string
	Score      float64 // 0 to 1, as OpenAI says
	Text       string  // of the piece
	Attributes Attributes
}

// Search asks OpenAI for the pieces of documents that answer the query, the best first.
// While a document is being replaced, the store holds two versions of it. Search returns only
// hits of the newest version that it has found. It makes one request. A store may show a
// document only a moment after its Put has returned, and still a moment after its Delete.
//
// A query that is empty is [ErrRejected], and a filter on a value that no attribute can
// have is [ErrInvalidAttributes].
func (c *Client) Search(ctx context.Context, query string, o SearchOptions) ([]Hit, error) {
	hits, err := c.search(ctx, query, o)
	return hits, wrap("search", "", err)
}

func (c *Client) search(ctx context.Context, query string, o SearchOptions) ([]Hit, error) {
	switch {
	case strings.TrimSpace(query) == "":
		return nil, fail.New(fail.Rejected, "the query is empty")
	case o.Limit < 0 || o.Limit > maxHits:
		return nil, fail.New(fail.Rejected, "SearchOptions.Limit is %d; 1 to %d are allowed", o.Limit, maxHits)
	case !(o.MinScore >= 0 && o.MinScore <= 1):
		return nil, fail.New(fail.Rejected, "SearchOptions.MinScore is %v; 0 to 1 are allowed", o.MinScore)
	case o.Filter.Err() != nil:
		return nil, o.Filter.Err()
	}
	ctx, over, err := c.life.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer over()
	found, err := c.wire.Search(ctx, wire.Query{Text: query, Most: o.Limit, MinScore: o.MinScore, Filter: o.Filter, Rewrite: o.Rewrite})
	if err != nil {
		return nil, err
	}
	var hits []Hit
	versions, newest := make(map[string]int64), make(map[string]string) // by File; the File by key
	for _, f := range found {
		id := naming.Decode(f.Attributes)
		hits = append(hits, Hit{id.Key, f.Filename, f.FileID, f.Score, f.Text(), id.Own})
		versions[f.FileID] = max(versions[f.FileID], id.Version) // an update need not have reached each piece
	}
	for _, h := range hits {
		if was := newest[h.Key]; was == "" || cmp.Or(cmp.Compare(versions[was], versions[h.FileID]), cmp.Compare(was, h.FileID)) < 0 {
			newest[h.Key] = h.FileID
		}
	}
	return slices.DeleteFunc(hits, func(h Hit) bool { return h.Key != "" && h.FileID != newest[h.Key] }), nil
}
