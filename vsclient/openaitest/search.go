package openaitest

import "math"

type searchPage struct {
	Object      string         `json:"object"`
	SearchQuery []string       `json:"search_query"`
	Data        []searchResult `json:"data"`
	HasMore     bool           `json:"has_more"`
	NextPage    *string        `json:"next_page"`
}

type searchResult struct {
	FileID     string         `json:"file_id"`
	Filename   string         `json:"filename"`
	Score      float64        `json:"score"`
	Attributes map[string]any `json:"attributes"`
	Content    []textPart     `json:"content"`
}

func (c *call) searchStore() (any, *apiError) {
	b := c.jsonBody("query", "rewrite_query", "max_num_results", "filters", "ranking_options")
	b.require("query", "a string or an array of strings")
	var queries []string
	switch q := b.m["query"].(type) {
	case string:
		queries = []string{q}
	case []any:
		queries = b.texts("query", 1, math.MaxInt32)
	default:
		b.wrongType("query", "a string or an array of strings", q)
	}
	if b.boolean("rewrite_query") {
		c.unwisely("openaitest does not rewrite queries")
	}
	most := int(b.integer("max_num_results", 10, 1, 50))
	threshold := 0.0
	if o := b.object("ranking_options", "ranker", "score_threshold"); o != nil {
		o.enum("ranker", "auto", "none", "auto", "default-2024-11-15")
		threshold = o.decimal("score_threshold", 0, 0, 1)
		b.fail(o.err)
	}
	keep := b.filter("filters")
	if b.err != nil {
		return nil, b.err
	}

	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	st, refused := c.liveStore()
	if refused != nil {
		return nil, refused
	}
	p := searchPage{Object: "vector_store.search_results.page", SearchQuery: queries, Data: []searchResult{}}
	for _, hit := range s.state.Search(st, queries, keep) {
		if hit.Score < threshold {
			break // the rest score no better
		}
		if p.HasMore = len(p.Data) == most; p.HasMore {
			break
		}
		p.Data = append(p.Data, searchResult{hit.File.ID, hit.File.Name, hit.Score, hit.Attributes, []textPart{{"text", hit.Text}}})
	}
	return p, nil
}
