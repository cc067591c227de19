package wire

import (
	"errors"
	"iter"
	"slices"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// Page is one page of a listing.
type Page[T any] struct {
	Object  string `json:"object"`
	Data    []T    `json:"data"`
	LastID  string `json:"last_id"`
	HasMore bool   `json:"has_more"`
}

// next is the cursor of the following page, "" when there is none. A page may be
// short, or even empty, with more to come.
func (p Page[T]) next(after string, id func(T) string) string {
	if !p.HasMore {
		return ""
	}
	last := p.LastID
	if len(p.Data) > 0 {
		last = id(p.Data[len(p.Data)-1])
	}
	if last == after {
		return ""
	}
	return last
}

// pages goes through a listing page by page, until an error, which is its last.
//
// A cursor names an object, and whether OpenAI still knows the place of one that
// was deleted meanwhile is not documented. Where it refuses, the one before it
// stands in, and what comes twice for it is left out; where all of the page before
// are gone, the listing begins anew, and what was left of it before comes twice.
func pages[T any](id func(T) string, fetch func(after string) (Page[T], error)) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var (
			after, first string   // first: the first id of all, when the listing began
			last         []string // ids of the page before
			refused      error    // why the listing begins anew
		)
		for {
			p, err := fetch(after)
			for back := len(last) - 2; cursorRefused(err) && back >= 0; back-- {
				if p, err = fetch(last[back]); err == nil {
					after = last[back]
				}
			}
			if cursorRefused(err) && len(last) > 0 {
				refused, after, last = err, "", nil
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			ids := make([]string, len(p.Data))
			for i, o := range p.Data {
				ids[i] = id(o)
			}
			if refused != nil && len(ids) > 0 && ids[0] == first {
				yield(nil, refused) // nothing has gone: it is refused for another reason
				return
			}
			if after == "" && len(ids) > 0 {
				first, refused = ids[0], nil
			}
			next := p.next(after, id)
			data := p.Data
			if len(last) > 0 && after != last[len(last)-1] {
				data = slices.DeleteFunc(slices.Clone(data), func(o T) bool { return slices.Contains(last, id(o)) })
			}
			if len(ids) > 0 {
				last = ids
			}
			if !yield(data, nil) || next == "" {
				return
			}
			after = next
		}
	}
}

// cursorRefused reports whether a page was refused as for its cursor.
func cursorRefused(err error) bool {
	return errors.Is(err, fail.Rejected) || errors.Is(err, fail.NotFound)
}
