// Package filter makes the filters of a search: which attributes a document must have to
// be found.
//
//	filter.And(filter.Eq("lang", "en"), filter.Gte("year", 2024))
//
// OpenAI does not document whether a document without the attribute passes [Ne] and [NotIn].
// It passes no other comparison.
package filter

import (
	"encoding/json"
	"slices"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
)

// Filter is a condition on attributes. The zero Filter asks for nothing.
type Filter struct {
	is  any // as the API has it (API reference, filters of a search); nil: none
	err error
}

// Err returns the fault of a filter that no attribute can meet: a name or a value that
// OpenAI does not take. It answers [errors.Is] for vsclient.ErrInvalidAttributes.
func (f Filter) Err() error { return f.err }

// IsZero reports whether the filter asks for nothing.
func (f Filter) IsZero() bool { return f.is == nil && f.err == nil }

// MarshalJSON writes the filter as the API has it.
func (f Filter) MarshalJSON() ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	return json.Marshal(f.is)
}

// Eq asks for an attribute with this value: a string, a number or a bool.
func Eq(name string, value any) Filter { return compare("eq", name, value) }

// Ne asks for an attribute with another value.
func Ne(name string, value any) Filter { return compare("ne", name, value) }

// Gt asks for a number above this one.
func Gt(name string, value float64) Filter { return compare("gt", name, value) }

// Gte asks for a number of at least this.
func Gte(name string, value float64) Filter { return compare("gte", name, value) }

// Lt asks for a number below this one.
func Lt(name string, value float64) Filter { return compare("lt", name, value) }

// Lte asks for a number of at most this.
func Lte(name string, value float64) Filter { return compare("lte", name, value) }

// In asks for an attribute with one of these values.
func In(name string, values ...any) Filter { return among("in", name, values) }

// NotIn asks for an attribute with none of these values.
func NotIn(name string, values ...any) Filter { return among("nin", name, values) }

// And asks for all of these.
func And(filters ...Filter) Filter { return join("and", filters) }

// Or asks for one of these at least.
func Or(filters ...Filter) Filter { return join("or", filters) }

func compare(how, name string, value any) Filter {
	value, err := checked(name, value)
	return Filter{map[string]any{"type": how, "key": name, "value": value}, err}
}

func among(how, name string, values []any) Filter {
	all := make([]any, len(values))
	for i, value := range values {
		var err error
		if all[i], err = checked(name, value); err != nil {
			return Filter{err: err}
		}
	}
	return Filter{is: map[string]any{"type": how, "key": name, "value": all}}
}

// checked returns the value as an attribute of that name has it.
func checked(name string, value any) (any, error) {
	attributes, err := naming.Normalize("", map[string]any{name: value})
	return attributes[name], err
}

func join(how string, filters []Filter) Filter {
	filters = slices.DeleteFunc(slices.Clone(filters), Filter.IsZero)
	for _, f := range filters {
		if f.err != nil {
			return f
		}
	}
	switch len(filters) {
	case 0:
		return Filter{}
	case 1:
		return filters[0]
	}
	return Filter{is: map[string]any{"type": how, "filters": filters}}
}
