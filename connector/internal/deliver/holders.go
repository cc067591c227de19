package deliver

import "github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"

// holders are the rows that have recently taken a key over from another row, or may have: a
// new row may have taken the key of a row that has no text and so no document.
//
// A source can send the changes of one transaction in a misleading order. When two rows swap
// their keys, the first update moves a row onto a key that the other row still has. The second
// update then removes that key, whose document is now the first row's. A removal that carries
// its row means that row, and not the row that has the key by now.
//
// Such a removal follows in the same transaction. A later removal is taken literally, because
// a filter may have hidden a change of the row.
type holders struct {
	rows    map[string]*holder
	order   []*holder // the oldest first
	fields  int       // of all rows in order
	records int       // so far
}

type holder struct {
	key    string
	owner  string
	row    translate.Row
	over   bool // it has taken the key over from a row with a document
	passed int  // skipped deletions whose tombstones are still to come
	at     int  // the number of the record
	fields int  // of the row when it took the key over
}

const (
	// recent is the number of records for which a holder is remembered.
	recent = 10_000
	// mostFields is the number of fields of all rows that are remembered. A field takes
	// some 50 bytes.
	mostFields = 500_000
)

func newHolders() *holders { return &holders{rows: make(map[string]*holder)} }

// get returns the holder of the key; nil when none is known.
func (h *holders) get(key string) *holder { return h.rows[key] }

func (h *holders) set(e *holder) {
	if old := h.rows[e.key]; old != nil {
		e.over, e.passed = e.over || old.over, old.passed
	}
	h.rows[e.key] = e
	h.order = append(h.order, e)
	e.fields = len(e.row)
	h.fields += e.fields
}

// sameOwner reports whether the row belongs to the step's owner.
func (h *holder) sameOwner(s *step) bool { return h != nil && h.owner == s.owner() }

// stays reports whether the row keeps its key when the step removes the row that it carries.
func (h *holder) stays(s *step) bool {
	return h.sameOwner(s) && (h.over || s.RemovesNone()) && s.RemovesAnother(h.row)
}

func (h *holders) forget(key string) { delete(h.rows, key) }

// advance returns the number of the next record, and forgets holders that are too old.
func (h *holders) advance() int {
	h.records++
	for len(h.order) > 0 && (h.records-h.order[0].at > recent || h.fields > mostFields) {
		e := h.order[0]
		if h.rows[e.key] == e {
			delete(h.rows, e.key)
		}
		h.fields -= e.fields
		h.order = h.order[1:]
	}
	return h.records
}
