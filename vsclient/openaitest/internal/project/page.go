package project

import (
	"iter"
	"slices"
)

// Page is the part of a list that is asked for.
type Page struct {
	Limit         int
	Desc          bool
	After, Before string // ids; empty: none
}

// Listing is one page of a list. First and Last are the ids of its ends, of which the
// filter may have taken the objects out.
type Listing[T any] struct {
	Items       []T
	First, Last string
	More        bool
}

// BadCursor is an id that a page was asked for after or before, and that the list does
// not know.
type BadCursor struct {
	Param string // after or before
	ID    string
}

// listable is an object that a listing can hold.
type listable interface {
	placed
	objectID() string
}

// cut takes a page from an ordered list. visible tells which objects the view shows at
// all, wanted which pass the filter, cursor the place of an id. With cutFirst the filter is
// applied to pages that are already cut.
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
	// A page before a cursor is read backwards from it and then turned round.
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

// from yields the objects behind p in that order, or everything when p is nil.
func (o *ordered[T]) from(desc bool, p *place) iter.Seq[T] {
	if desc {
		return o.descend(p)
	}
	return o.ascend(p)
}
