package wire

import (
	"errors"
	"fmt"
	"iter"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
)

// Page is one page of a listing.
type Page[T reply.Element] struct {
	Object   string
	Data     []T
	LastID   string
	HasMore  bool
	NextPage string // in place of LastID, where the objects have no ids
}

// next is the cursor of the following page; "" when there is none. A page may be
// short, or even empty, with more to come.
func (p Page[T]) next(id func(T) string) string {
	switch {
	case !p.HasMore:
		return ""
	case len(p.Data) > 0:
		return id(p.Data[len(p.Data)-1])
	}
	return p.LastID
}

// pages goes through a listing page by page, until an error, which is its last.
//
// A cursor names an object, and whether OpenAI still knows the place of one that
// was deleted meanwhile is not documented. Where it refuses, the listing begins anew,
// and an object may come twice.
func pages[T reply.Element](id func(T) string, fetch func(after string) (Page[T], error)) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var (
			t     trail
			after string
			first string // the first id of all, when the listing began
			fresh int    // fresh beginnings
			vain  int    // those of them that have shown the same first id, one after another
		)
		for {
			p, err := fetch(after)
			refused := after != "" && (errors.Is(err, fail.Incompatible) || errors.Is(err, fail.NotFound))
			if refused && vain < 3 && fresh < maxFresh {
				vain++
				fresh++
				after, t.before = "", ""
				if t.more(0) == nil {
					continue
				}
			}
			if err != nil {
				if f, ok := errors.AsType[*reply.Failure](err); ok && refused {
					f.Kind = fail.Incompatible // the absence of a cursor is none of a document
				}
				yield(nil, err)
				return
			}
			if after == "" && len(p.Data) > 0 {
				if id(p.Data[0]) != first {
					vain = 0
				}
				first = id(p.Data[0])
			}
			next := p.next(id)
			if !yield(p.Data, nil) || !p.HasMore {
				return
			}
			if err = t.more(len(p.Data)); err == nil {
				err = t.step(next)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			after = next
		}
	}
}

// trail tells a listing that goes on from one without end, by Brent's cycle detection. Zero is ready.
type trail struct {
	pages, objects int
	before         string // a cursor that was followed; it moves on less and less often
	since, until   int    // steps since before was set, and after how many it is set again
}

const (
	// sparePages are the pages that a listing may have beyond one for ten objects.
	sparePages = 1_000
	// maxFresh is how often a listing may begin anew, also where others change it all the while.
	maxFresh = 100
	// maxObjects is how many files OpenAI allows in a store.
	maxObjects = 100_000_000
)

// more counts a page of n objects.
func (t *trail) more(n int) error {
	t.pages++
	t.objects += n
	if t.pages > sparePages+t.objects/10 || t.objects > maxObjects {
		return endless(fmt.Sprintf("it has not ended after %d pages with %d objects", t.pages, t.objects))
	}
	return nil
}

// step follows a cursor. It fails when that leads nowhere, or around in a circle of any
// length.
func (t *trail) step(cursor string) error {
	if cursor == "" {
		return endless("it has more objects, and no cursor to the next page")
	}
	if cursor == t.before {
		return endless(fmt.Sprintf("it comes back to where it has been, after %d pages", t.pages))
	}
	if t.since++; t.since >= t.until {
		t.before, t.since, t.until = cursor, 0, 2*t.until+1
	}
	return nil
}

// endless is the failure of a listing that cannot be read to its end, however often it
// is tried.
func endless(why string) *reply.Failure {
	return &reply.Failure{Kind: fail.Unavailable, Reason: "the listing does not end: " + why}
}
