package deliver

import "github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"

// holders are the rows that have just taken a key over from another row, or may have: a new
// row takes a key over unseen from a row that has no text and so no document.
//
// A source can send the changes of one transaction in an order that misleads: when
// two rows swap their keys, the first update moves onto a key that the other row
// still has, and the second then removes that key, by which time its document is the
// first row's. A removal that carries its row means that row, not whichever has the
// key by now.
//
// Such a removal follows in the same transaction. Later ones are taken at their word:
// a row may have changed by a record that a filter has kept from here.
type holders struct {
	rows    map[string]*holder
	order   []*holder // the oldest first
	records int       // so far
}

type holder struct {
	key    string
	owner  string
	row    translate.Row
	over   bool // it has taken the key over; else only from a row without a document
	passed int  // deletions that were passed over and whose tombstone is to come
	at     int  // the number of the record
}

// recent is for how many records a holder is remembered.
const recent = 10_000

func newHolders() *holders { return &holders{rows: make(map[string]*holder)} }

// get returns the holder of the key, nil when none is known.
func (h *holders) get(key string) *holder { return h.rows[key] }

func (h *holders) set(e *holder) {
	if old := h.rows[e.key]; old != nil {
		e.over, e.passed = e.over || old.over, old.passed
	}
	h.rows[e.key] = e
	h.order = append(h.order, e)
}

// of reports whether the row is one of the step's owner.
func (h *holder) of(s *step) bool { return h != nil && h.owner == s.owner() }

// stays reports whether the row keeps the key when the step removes the one that it names.
func (h *holder) stays(s *step) bool {
	return h.of(s) && (h.over || s.RemovesNone()) && s.RemovesAnother(h.row)
}

func (h *holders) forget(key string) { delete(h.rows, key) }

// advance returns the number of the next record, and forgets the holders that are too
// old.
func (h *holders) advance() int {
	h.records++
	for len(h.order) > 0 && h.records-h.order[0].at > recent {
		if e := h.order[0]; h.rows[e.key] == e {
			delete(h.rows, e.key)
		}
		h.order = h.order[1:]
	}
	return h.records
}
