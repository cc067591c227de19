package project

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// thing is the simplest object that can be listed.
type thing struct{ place }

func (t thing) where() place { return t.place }

func TestOrderedKeepsOrderThroughInsertionsAndRemovals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var o ordered[thing]
	var model []place
	for i := range 20000 {
		if len(model) > 0 && rng.IntN(3) == 0 {
			k := rng.IntN(len(model))
			o.remove(model[k])
			model = slices.Delete(model, k, k+1)
			continue
		}
		p := place{createdAt: int64(rng.IntN(50)), tie: rng.Uint64N(4), seq: uint64(i)}
		o.insert(thing{p})
		k, _ := slices.BinarySearchFunc(model, p, place.compare)
		model = slices.Insert(model, k, p)
	}
	o.remove(place{createdAt: 99}) // it is not there
	if o.count != len(model) {
		t.Fatalf("count is %d, want %d", o.count, len(model))
	}
	collect := func(seq func(func(thing) bool)) (out []place) {
		for v := range seq {
			out = append(out, v.place)
		}
		return out
	}
	backwards := slices.Clone(model)
	slices.Reverse(backwards)
	if !slices.Equal(collect(o.ascend(nil)), model) || !slices.Equal(collect(o.descend(nil)), backwards) {
		t.Fatal("the order is wrong")
	}
	for range 200 {
		k := rng.IntN(len(model))
		p := model[k]
		if !slices.Equal(collect(o.ascend(&p)), model[k+1:]) {
			t.Fatalf("ascending from %v is wrong", p)
		}
		if !slices.Equal(collect(o.descend(&p)), backwards[len(model)-k:]) {
			t.Fatalf("descending from %v is wrong", p)
		}
		gone := place{p.createdAt, p.tie, p.seq + 1} // between two, unless the next is there
		if !slices.Contains(model, gone) && !slices.Equal(collect(o.ascend(&gone)), model[k+1:]) {
			t.Fatalf("ascending from a place that is empty is wrong")
		}
	}
}
