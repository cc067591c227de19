package project

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// place is the position of an object in its listing: ascending by created_at, then by
// tie, then by seq, which is unique.
type place struct {
	createdAt int64 // unix seconds
	tie, seq  uint64
}

func (p place) compare(q place) int {
	if c := cmp.Compare(p.createdAt, q.createdAt); c != 0 {
		return c
	}
	if c := cmp.Compare(p.tie, q.tie); c != 0 {
		return c
	}
	return cmp.Compare(p.seq, q.seq)
}

type placed interface{ where() place }

const chunkSize = 512

// ordered keeps objects sorted by place, in chunks of bounded size. With 100,000 objects
// it is still cheap to insert, to remove and to begin a page anywhere.
type ordered[T placed] struct {
	chunks [][]T
	count  int
}

// seek returns the position of the first object at or after p.
func (o *ordered[T]) seek(p place) (chunk, index int) {
	chunk = sort.Search(len(o.chunks), func(i int) bool {
		c := o.chunks[i]
		return c[len(c)-1].where().compare(p) >= 0
	})
	if chunk == len(o.chunks) {
		return chunk, 0
	}
	index, _ = slices.BinarySearchFunc(o.chunks[chunk], p, func(v T, p place) int { return v.where().compare(p) })
	return chunk, index
}

func (o *ordered[T]) insert(v T) {
	o.count++
	ci, i := o.seek(v.where())
	if ci == len(o.chunks) {
		if last := len(o.chunks) - 1; last >= 0 && len(o.chunks[last]) < chunkSize {
			o.chunks[last] = append(o.chunks[last], v)
			return
		}
		o.chunks = append(o.chunks, []T{v})
		return
	}
	c := slices.Insert(o.chunks[ci], i, v)
	o.chunks[ci] = c
	if len(c) > chunkSize {
		half := len(c) / 2
		o.chunks[ci] = slices.Clip(c[:half])
		o.chunks = slices.Insert(o.chunks, ci+1, slices.Clone(c[half:]))
	}
}

func (o *ordered[T]) remove(p place) {
	ci, i := o.seek(p)
	if ci == len(o.chunks) || o.chunks[ci][i].where() != p {
		return
	}
	o.count--
	o.chunks[ci] = slices.Delete(o.chunks[ci], i, i+1)
	if len(o.chunks[ci]) == 0 {
		o.chunks = slices.Delete(o.chunks, ci, ci+1)
	}
}

// ascend yields the objects after p, or all objects when p is nil.
func (o *ordered[T]) ascend(p *place) iter.Seq[T] {
	return func(yield func(T) bool) {
		ci, i := 0, 0
		if p != nil {
			ci, i = o.seek(*p)
			if ci < len(o.chunks) && o.chunks[ci][i].where() == *p {
				i++
			}
		}
		for ; ci < len(o.chunks); ci, i = ci+1, 0 {
			for _, v := range o.chunks[ci][i:] {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// descend yields the objects before p, or all objects when p is nil, in reverse order.
func (o *ordered[T]) descend(p *place) iter.Seq[T] {
	return func(yield func(T) bool) {
		ci, i := len(o.chunks), 0
		if p != nil {
			ci, i = o.seek(*p)
		}
		for {
			for i--; i >= 0; i-- {
				if !yield(o.chunks[ci][i]) {
					return
				}
			}
			ci--
			if ci < 0 {
				return
			}
			i = len(o.chunks[ci])
		}
	}
}
