package project

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
)

// indexedChunk is a chunk with the number of occurrences of each term.
type indexedChunk struct {
	text  string
	terms map[string]int
	count int
}

// index returns the document's chunks with their terms. It counts once for each strategy.
func (d *document) index(ch Chunking) []indexedChunk {
	if got, ok := d.indexed[ch]; ok {
		return got
	}
	var all []indexedChunk
	for _, c := range d.chunks(ch) {
		ic := indexedChunk{text: c.Text, terms: make(map[string]int)}
		for _, t := range terms(c.Text) {
			ic.terms[t]++
			ic.count++
		}
		all = append(all, ic)
	}
	if d.indexed == nil {
		d.indexed = make(map[Chunking][]indexedChunk, 1)
	}
	d.indexed[ch] = all
	return all
}

// terms returns the words of a text: runs of letters and digits in lower case, without a
// plural s. In scripts without spaces between words, each letter is a term.
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

// queryTerms returns the distinct terms of a query, without stop words. A query of stop
// words alone keeps them.
func queryTerms(query string) []string {
	all := terms(query)
	slices.Sort(all)
	all = slices.Compact(all)
	if telling := slices.DeleteFunc(slices.Clone(all), func(t string) bool { return stopWords[t] }); len(telling) > 0 {
		return telling
	}
	return all
}

// Hit is a result of a search: one chunk.
type Hit struct {
	*StoreFile
	Attributes map[string]any // as the search sees them
	Text       string
	Score      float64 // from 0 to 1
}

// Search scores every chunk of the files for which keep returns true, and returns all of
// them, best first. A nil keep keeps every file.
func (p *Project) Search(st *Store, queries []string, keep func(attributes map[string]any) bool) []Hit {
	type candidate struct {
		file  *StoreFile
		chunk indexedChunk
		name  map[string]bool
	}
	var all []candidate
	total := 0
	for _, f := range p.searchable(st) {
		if keep != nil && !keep(p.searchedAttributes(f)) {
			continue
		}
		name := make(map[string]bool)
		for _, t := range terms(f.File.Name) {
			name[t] = true
		}
		for _, ch := range f.File.document().index(f.Chunking) {
			all = append(all, candidate{f, ch, name})
			total += ch.count
		}
	}
	mean := float64(total)/float64(max(len(all), 1)) + 1
	hits := make([]Hit, len(all))
	for i, c := range all {
		hits[i] = Hit{StoreFile: c.file, Attributes: p.searchedAttributes(c.file), Text: c.chunk.text}
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
				hits[k].Score = max(hits[k].Score, math.Round(score/best*1e4)/1e4)
			}
		}
	}
	slices.SortStableFunc(hits, func(a, b Hit) int { return cmp.Compare(b.Score, a.Score) })
	return hits
}

// searchedAttributes returns the file's attributes as a search sees them.
func (p *Project) searchedAttributes(f *StoreFile) map[string]any {
	if p.rules.SearchKeepsAttributes {
		return f.attached
	}
	return f.Attributes
}

// searchable returns the store files that a search sees now.
func (p *Project) searchable(st *Store) []*StoreFile {
	now := p.Now()
	lag := p.rules.SearchLag
	var all []*StoreFile
	for f := range st.listed.ascend(nil) {
		switch {
		case f.Status != Completed || f.doneAt.Add(lag.Attach).After(now):
		case f.detachedAt.IsZero(), f.detachedAt.Add(lag.Detach).After(now) && st.files[f.File.ID] == nil:
			all = append(all, f)
		}
	}
	return all
}
