package translate

import (
	"encoding/json"
	"hash/maphash"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/conduitio/conduit-commons/opencdc"
)

// Row is a fingerprint of a row of the source: the possible values of its fields. A field
// that is not in it may have any value.
type Row map[string]cell

// cell is the possible value of a field: one with that sum, null, or both.
type cell struct {
	sum  uint64 // 0: no value
	null bool
}

var seed = maphash.MakeSeed()

// sumOf returns the sum of a value, which is never 0; 0 for none. Zeros at the end of a decimal
// do not change its sum: a change of the column's type can change them.
func sumOf(v any) uint64 {
	if v == nil || isPlaceholder(v) {
		return 0
	}
	text := asText(plain(v))
	if strings.Contains(text, ".") && strings.Trim(text, "-0123456789.") == "" {
		if r, ok := new(big.Rat).SetString(text); ok {
			text = decimal(r)
		}
	}
	return max(maphash.String(seed, text), 1)
}

// Row returns the fingerprint of the row that the step has written. known is the fingerprint
// of the row that had the key before; nil when there is none.
func (s *Step) Row(known Row) Row {
	after, err := s.after.all()
	if err != nil {
		return nil
	}
	if s.Created || s.OldKey != "" {
		known = nil // another row
	}
	before, _ := s.before.all()
	whole := s.movesWhole()
	r := make(Row, len(after))
	for name, v := range after {
		old, had := known[name]
		now, then := sumOf(v), sumOf(before[name])
		switch {
		case now != 0, s.Created:
			r[name] = cell{sum: now, null: now == 0}
		case then != 0: // the null may also be a large text that has not changed
			r[name] = cell{sum: then, null: true}
		case had:
			old.null = true
			r[name] = old
		case whole:
			r[name] = cell{null: true}
		}
	}
	return r
}

// RemovesAnother reports whether the row that the step removes is certainly not r. A step
// that carries no row removes the row that has the key.
func (s *Step) RemovesAnother(r Row) bool {
	if !s.carriesRow() {
		return false
	}
	before, _ := s.before.all()
	whole := s.whole || s.movesWhole()
	for name, v := range before {
		c, ok := r[name]
		if !ok || isPlaceholder(v) {
			continue
		}
		if v == nil && whole && !c.null || v != nil && c.sum != sumOf(v) {
			return true
		}
	}
	return false
}

// RemovesNone reports whether the row that the step removes certainly has no document,
// because it has no text.
func (s *Step) RemovesNone() bool { return s.noText && s.carriesRow() }

// learn notes whether the source sends the row before a change. With REPLICA IDENTITY FULL it
// does so for every update.
func (t *Translator) learn(collection string, s *Step) {
	switch {
	case s.hasValues():
		if s.Changed || s.hasText() {
			delete(t.rowless, collection)
		}
	case s.Changed && isEmpty(s.before.data):
		t.rowless[collection] = true
	}
	s.rowless = t.rowless[collection]
}

// carriesRow reports whether the row before is that of the source, with values besides the
// key.
func (s *Step) carriesRow() bool { return !s.rowless && s.hasValues() }

// hasText reports whether the row before has a text in ContentField.
func (s *Step) hasText() bool { return s.whole && !s.noText }

// hasValues reports whether the row before has values besides the key.
func (s *Step) hasValues() bool {
	key, _ := s.key.all()
	before, err := s.before.all()
	if err != nil {
		return false
	}
	for name, v := range before {
		if _, ofKey := key[name]; !ofKey && !isFiller(v) {
			return true
		}
	}
	return false
}

// movesWhole reports whether the step gives a row another key, and the row before is whole.
func (s *Step) movesWhole() bool { return s.OldKey != "" && s.wholeBefore() }

// wholeBefore reports whether the row before is whole: it has values besides the key, and no
// field that is null there has a value now.
func (s *Step) wholeBefore() bool {
	before, _ := s.before.all()
	after, _ := s.after.all()
	for name, v := range after {
		if old, ok := before[name]; v != nil && ok && old == nil {
			return false
		}
	}
	return s.carriesRow()
}

// isFiller reports whether the value replaces one that the source does not know. Without
// REPLICA IDENTITY FULL, Debezium puts such values into the columns of the row before that
// cannot be null: empty values, the time 0, and the base64 of the decimal 0.
func isFiller(v any) bool {
	switch v := plain(v).(type) {
	case nil:
		return true
	case string:
		return slices.Contains([]string{"", "0", "{}", "AA==", "00:00:00Z", "1970-01-01T00:00:00Z", "P0Y0M0DT0H0M0S"}, v)
	case bool:
		return !v
	case int64, uint64, float64, json.Number:
		return asText(v) == "0"
	case []any:
		return len(v) == 0
	case opencdc.StructuredData:
		return isFiller(map[string]any(v))
	case map[string]any: // a point, or a decimal with its scale
		for _, field := range v {
			if !isFiller(field) {
				return false
			}
		}
		return true
	}
	return false
}

// largeText is the least size in bytes, as text, of a value that PostgreSQL may leave out of an update
// because it has not changed. PostgreSQL leaves out values that it stores outside their row,
// beginning with the largest of a row above 2 KB. A smaller value that is null has become
// null.
const largeText = 500

// unchanged reports whether an update has left out the value of a field, which has not
// changed, and the row before has the value.
func (s *Step) unchanged(path string) bool {
	after, err := s.after.all()
	if err != nil || !s.Changed {
		return false
	}
	v, _ := find(after, path)
	if v != nil && !isPlaceholder(v) {
		return false
	}
	before, _, _ := s.before.field(path)
	var size int
	switch before := before.(type) {
	case string:
		size = len(before)
	case []byte:
		size = len(before)
	default:
		if !isFiller(before) {
			size = len(contentOf(before))
		}
	}
	return isPlaceholder(v) && size > 0 || v == nil && size >= largeText
}

// filled returns the fields, with unchanged values that were left out taken from the row
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
