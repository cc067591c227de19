package openaivs

import "hash/maphash"

// row is a fingerprint of a row of the source: what each of its fields may hold. A
// field that is not in it may hold anything.
type row map[string]cell

// cell is what one field may hold: a value with that sum, null, or either.
type cell struct {
	sum         uint64
	value, null bool
}

var seed = maphash.MakeSeed()

func sumOf(v any) uint64 { return maphash.String(seed, asText(plain(v))) }

// rowOf returns the fingerprint of the row that the step has written. known is the
// fingerprint of the row as it was before, nil when there is none.
func (s *step) rowOf(known row) row {
	after, err := s.after.all()
	if err != nil {
		return nil
	}
	before, _ := s.before.all()
	r := make(row, len(after))
	for name, v := range after {
		switch old, had := known[name]; {
		case v != nil:
			r[name] = cell{sum: sumOf(v), value: true}
		case s.created:
			r[name] = cell{null: true}
		case before[name] != nil:
			// A large text that has not changed is null, too.
			r[name] = cell{sum: sumOf(before[name]), value: true, null: true}
		case had:
			old.null = true
			r[name] = old
		}
	}
	return r
}

// removesAnother reports whether the row that the step removes is surely not r. A
// step that carries no row removes whatever has the key.
func (s *step) removesAnother(r row) bool {
	before, err := s.before.all()
	if err != nil || !s.carriesRow(before) {
		return false
	}
	for name, v := range before {
		c, ok := r[name]
		switch {
		case !ok:
		case v == nil && s.whole && !c.null, v != nil && (!c.value || c.sum != sumOf(v)):
			return true
		}
	}
	return false
}

// carriesRow reports whether the row before holds more than the key.
func (s *step) carriesRow(before map[string]any) bool {
	key, _ := s.key.all()
	for name, v := range before {
		if _, ofKey := key[name]; v != nil && !ofKey {
			return true
		}
	}
	return false
}

// holders are the rows that have taken a key over from another row, a bounded
// number of them.
//
// A source can send the changes of one transaction in an order that misleads: when
// two rows swap their keys, the first update moves onto a key that the other row
// still has, and the second then removes that key, by which time its document is the
// first row's. A removal that carries its row means that row, not whichever has the
// key by now.
type holders struct {
	rows  map[string]holder
	slots []string // the keys, the oldest at next once all slots are taken
	next  int
}

type holder struct {
	row  row
	slot int
}

// maxHolders bounds the memory: a removal that misleads follows soon.
const maxHolders = 10_000

func newHolders() *holders { return &holders{rows: make(map[string]holder)} }

func (h *holders) get(key string) (row, bool) {
	e, ok := h.rows[key]
	return e.row, ok
}

func (h *holders) set(key string, r row) {
	if e, ok := h.rows[key]; ok {
		h.rows[key] = holder{r, e.slot}
		return
	}
	slot := h.next
	if len(h.slots) < maxHolders {
		slot = len(h.slots)
		h.slots = append(h.slots, key)
	} else {
		if old := h.slots[slot]; h.rows[old].slot == slot {
			delete(h.rows, old)
		}
		h.slots[slot] = key
		h.next = (slot + 1) % maxHolders
	}
	h.rows[key] = holder{r, slot}
}

func (h *holders) forget(key string) { delete(h.rows, key) }

// holdsContent reports whether the row before holds the document itself, which no
// part of a row that serves as an identity does.
func (t *translator) holdsContent(before *object) bool {
	_, ok, err := before.field(t.contentField)
	return t.contentField != "" && ok && err == nil
}
