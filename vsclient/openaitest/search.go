package openaitest

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
)

// indexedChunk is a chunk with how often each term occurs in it.
type indexedChunk struct {
	text  string
	terms map[string]int
	count int
}

// index counts the terms of the document's chunks, once for each strategy.
func (d *document) index(ch chunking) []indexedChunk {
	if got, ok := d.indexed[ch]; ok {
		return got
	}
	var all []indexedChunk
	for _, c := range d.chunks(ch) {
		ic := indexedChunk{text: c.text, terms: make(map[string]int)}
		for _, t := range terms(c.text) {
			ic.terms[t]++
			ic.count++
		}
		all = append(all, ic)
	}
	if d.indexed == nil {
		d.indexed = make(map[chunking][]indexedChunk, 1)
	}
	d.indexed[ch] = all
	return all
}

// terms are the words of a text: runs of letters and digits in lower case,
// without a plural s; of scripts that set no space between words, each letter.
func terms(text string) []string {
	var spaced strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			spaced.WriteByte(' ')
			spaced.WriteRune(r)
			spaced.WriteByte(' ')
		case unicode.IsLetter(r), unicode.IsDigit(r):
			spaced.WriteRune(r)
		default:
			spaced.WriteByte(' ')
		}
	}
	words := strings.Fields(spaced.String())
	for i, w := range words {
		if len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") {
			words[i] = w[:len(w)-1]
		}
	}
	return words
}

var stopWords = func() map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(`a an and are as at be but by can did do doe for from had has have how i if in is it its me my
		of on or our shall so that the their them there they this to us was we were what when where which who why will with you your`) {
		m[w] = true
	}
	return m
}()

// queryTerms are the distinct terms of a query, without stop words unless
// there are no others.
func queryTerms(query string) []string {
	all := terms(query)
	slices.Sort(all)
	all = slices.Compact(all)
	if telling := slices.DeleteFunc(slices.Clone(all), func(t string) bool { return stopWords[t] }); len(telling) > 0 {
		return telling
	}
	return all
}

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
		if o.err != nil {
			b.fail(o.err)
		}
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
	found := s.rank(st, queries, keep)
	found = slices.DeleteFunc(found, func(r searchResult) bool { return r.Score < threshold })
	p := searchPage{Object: "vector_store.search_results.page", SearchQuery: queries, Data: found}
	if len(found) > most {
		p.Data = found[:most]
		p.HasMore = true
	}
	return p, nil
}

// searchable yields the store files that a search sees now.
func (s *Server) searchable(st *store) []*storeFile {
	now := s.now()
	lag := s.cfg.SearchLag
	var all []*storeFile
	for f := range st.listed.ascend(nil) {
		switch {
		case f.status != completed || f.doneAt.Add(lag.Attach).After(now):
		case f.detachedAt.IsZero(), f.detachedAt.Add(lag.Detach).After(now) && st.files[f.file.id] == nil:
			all = append(all, f)
		}
	}
	return all
}

// rank scores every chunk of the files that pass the filter, best first.
func (s *Server) rank(st *store, queries []string, keep filter) []searchResult {
	type candidate struct {
		file  *storeFile
		chunk indexedChunk
		name  map[string]bool
	}
	var all []candidate
	total := 0
	for _, f := range s.searchable(st) {
		if keep != nil && !keep(f.attributes) {
			continue
		}
		name := make(map[string]bool)
		for _, t := range terms(f.file.name) {
			name[t] = true
		}
		for _, ch := range f.file.document().index(f.chunking) {
			all = append(all, candidate{f, ch, name})
			total += ch.count
		}
	}
	mean := float64(total)/float64(max(len(all), 1)) + 1
	results := make([]searchResult, len(all))
	for i, c := range all {
		results[i] = searchResult{
			FileID: c.file.file.id, Filename: c.file.file.name, Attributes: c.file.attributes,
			Content: []textPart{{"text", c.chunk.text}},
		}
	}
	for _, q := range queries {
		terms := queryTerms(q)
		weight := make([]float64, len(terms))
		best := 0.0
		for i, t := range terms {
			in := 0
			for _, c := range all {
				if c.chunk.terms[t] > 0 || c.name[t] {
					in++
				}
			}
			weight[i] = math.Log(1 + (float64(len(all))+1)/(float64(in)+0.5))
			best += weight[i]
		}
		for k, c := range all {
			score := 0.0
			for i, t := range terms {
				n := float64(c.chunk.terms[t])
				if c.name[t] {
					n++
				}
				score += weight[i] * n / (n + 0.25 + 0.75*float64(c.chunk.count)/mean)
			}
			if best > 0 {
				results[k].Score = max(results[k].Score, math.Round(score/best*1e4)/1e4)
			}
		}
	}
	slices.SortStableFunc(results, func(a, b searchResult) int { return cmp.Compare(b.Score, a.Score) })
	return results
}
