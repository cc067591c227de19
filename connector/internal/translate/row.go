package translate

import (
	"hash/maphash"
	"maps"
	"slices"
)

// Row is a fingerprint of a row of the source: the possible values of its fields. A
// field that is not in it may hold anything.
type Row map[string]cell

// cell is the possible values of a field: those with one of the sums, and null. The
// second sum is that of the value before the change, which is the row's own when a
// processor changes fields in the row after the change alone.
type cell struct {
	sums [2]uint64 // 0: none
	null bool
	firm bool // the row before and the row after have been seen to hold the same text
}

var seed = maphash.MakeSeed()

func sumOf(v any) uint64 {
	if v == nil || isPlaceholder(v) {
		return 0
	}
	return max(maphash.String(seed, asText(plain(v))), 1)
}

// Row returns the fingerprint of the row that the step has written. known is the
// fingerprint of the row as it was before, nil when there is none.
func (s *Step) Row(known Row) Row {
	after, err := s.after.all()
	if err != nil {
		return nil
	}
	before, _ := s.before.all()
	r := make(Row, len(after))
	for name, v := range after {
		old, had := known[name]
		now, then := sumOf(v), sumOf(before[name])
		switch {
		case now != 0, s.Created:
			r[name] = cell{
				sums: [2]uint64{now, then}, null: now == 0,
				firm: then != 0 && then == now || had && (then == old.sums[0] || then == 0 && old.firm),
			}
		case then != 0: // a large text that has not changed is null, too
			r[name] = cell{sums: [2]uint64{then}, null: true}
		case had:
			old.null = true
			r[name] = old
		}
	}
	return r
}

// MeansAnother reports whether the row that the step changes or removes is surely not
// r. A step that does not carry the row before means whichever has the key. A change in
// place has to differ in a firm field: were it passed over because of a processor, the
// document would never change again.
func (s *Step) MeansAnother(r Row) bool {
	if !s.carriesRow() {
		return false
	}
	inPlace := s.Changed && s.OldKey == ""
	before, _ := s.before.all()
	for name, v := range before {
		c, ok := r[name]
		if !ok || isPlaceholder(v) || inPlace && !c.firm {
			continue
		}
		if v == nil && s.whole && !c.null || v != nil && !slices.Contains(c.sums[:], sumOf(v)) {
			return true
		}
	}
	return false
}

// carriesRow reports whether the row before holds more than the key.
func (s *Step) carriesRow() bool {
	key, _ := s.key.all()
	before, err := s.before.all()
	if err != nil {
		return false
	}
	for name, v := range before {
		if _, ofKey := key[name]; v != nil && !ofKey {
			return true
		}
	}
	return false
}

// largeText is the least number of bytes of a value that PostgreSQL is taken to
// have left out of an update because it has not changed. It does so with values
// that it stores apart, which it begins with the largest of a row of over 2 KB; a
// smaller one that is null has become null.
const largeText = 500

// unchanged reports whether the field of an update is null because its value is
// large and has not changed, and the row before has it.
func (s *Step) unchanged(path string) bool {
	after, err := s.after.all()
	if err != nil || !s.Changed {
		return false
	}
	v, _ := find(after, path)
	before, _, _ := s.before.field(path)
	switch before := before.(type) {
	case nil:
		return false
	case string:
		return isPlaceholder(v) || v == nil && len(before) >= largeText
	case []byte:
		return isPlaceholder(v) || v == nil && len(before) >= largeText
	}
	return isPlaceholder(v)
}

// filled returns the fields with those that have not changed taken from the row
// before.
func (s *Step) filled(fields map[string]any) map[string]any {
	out := maps.Clone(fields)
	before, _ := s.before.all()
	for name, v := range out {
		if (v == nil || isPlaceholder(v)) && s.unchanged(name) {
			out[name] = before[name]
		}
	}
	return out
}
