package deliver

import "github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"

// holders are the rows that have taken a key over from another row, a bounded
// number of them.
//
// A source can send the changes of one transaction in an order that misleads: when
// two rows swap their keys, the first update moves onto a key that the other row
// still has, and the second then removes that key, by which time its document is the
// first row's. A removal that carries its row means that row, not whichever has the
// key by now.
type holders struct {
	rows  map[string]*holder
	slots []string // the keys, the oldest at next once all slots are taken
	next  int
}

type holder struct {
	row    translate.Row
	passed int // deletions that were passed over and whose tombstone is to come
	slot   int
}

// maxHolders bounds the memory: a removal that misleads follows soon.
const maxHolders = 10_000

func newHolders() *holders { return &holders{rows: make(map[string]*holder)} }

// get returns the holder of the key, nil when no row is known to have taken it over.
func (h *holders) get(key string) *holder { return h.rows[key] }

// set adds a key that is not among them. The oldest makes room.
func (h *holders) set(key string, r translate.Row) {
	slot := h.next
	if len(h.slots) < maxHolders {
		slot = len(h.slots)
		h.slots = append(h.slots, key)
	} else {
		if old := h.rows[h.slots[slot]]; old != nil && old.slot == slot {
			delete(h.rows, h.slots[slot])
		}
		h.slots[slot] = key
		h.next = (slot + 1) % maxHolders
	}
	h.rows[key] = &holder{row: r, slot: slot}
}

func (h *holders) forget(key string) { delete(h.rows, key) }
