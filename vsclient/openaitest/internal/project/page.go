package project

import (
	"iter"
	"slices"
)

// Page is the requested part of a list.
type Page struct {
	Limit         int
	Desc          bool
	After, Before string // ids; empty: none
}

// Listing is one page of a list. First and Last are the ids of its ends; a filter may have
// removed these objects from Items.
type Listing[T any] struct {
	Items       []T
	First, Last string
	More        bool
}

// BadCursor is a cursor of a Page that the list does not know.
type BadCursor struct {
	Param string // after or before
	ID    string
}

// listable is an object of a listing.
type listable interface {
	placed
	objectID() string
}

// cut returns a page of an ordered list. visible reports whether the view shows an object,
// wanted whether the object passes the filter. cursor returns the place of an id. With
// cutFirst the list is cut into pages before it is filtered.
func cut[T listable](o *ordered[T], p Page, cutFirst bool, visible, wanted func(T) bool, cursor func(id string) (place, bool)) (l Listing[T], bad *BadCursor) {
	at := func(param, id string) *place {
		if id == "" {
			return nil
		}
		pl, ok := cursor(id)
		if !ok && bad == nil {
			bad = &BadCursor{param, id}
		}
		return &pl
	}
	after, before := at("after", p.After), at("before", p.Before)
	if bad != nil {
		return l, bad
	}
	// A page before a cursor is read backwards from the cursor, then reversed.
	backwards := before != nil && after == nil
	desc, from, until := p.Desc, after, before
	if backwards {
		desc, from, until = !p.Desc, before, nil
	}
	n := 0
	for v := range o.from(desc, from) {
		if until != nil {
			if d := v.where().compare(*until); d == 0 || d > 0 != desc {
				break
			}
		}
		if !visible(v) {
			continue
		}
		ok := wanted(v)
		if !ok && !cutFirst {
			continue
		}
		if n == p.Limit {
			l.More = true
			break
		}
		if n++; n == 1 {
			l.First = v.objectID()
		}
		l.Last = v.objectID()
		if ok {
			l.Items = append(l.Items, v)
		}
	}
	if backwards {
		slices.Reverse(l.Items)
		l.First, l.Last = l.Last, l.First
	}
	return l, nil
}

// from yields the objects that follow p in that order, or all objects when p is nil.
func (o *ordered[T]) from(desc bool, p *place) iter.Seq[T] {
	if desc {
		return o.descend(p)
	}
	return o.ascend(p)
}
