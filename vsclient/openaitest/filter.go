package openaitest

import (
	"cmp"
	"encoding/json"
	"fmt"
)

// filter reports whether attributes pass; a nil filter passes everything.
type filter func(attributes map[string]any) bool

// filter reads a comparison or compound filter, nested to any depth.
func (b *fields) filter(name string) filter {
	o := b.object(name)
	if o == nil {
		return nil
	}
	f := o.anyFilter()
	b.fail(o.err)
	return f
}

func (b *fields) anyFilter() filter {
	b.require("type", "a string")
	typ := b.enum("type", "", "eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or")
	if b.err != nil {
		return nil
	}
	if typ == "and" || typ == "or" {
		b.only("type", "filters")
		b.require("filters", "an array")
		var parts []filter
		for i, v := range b.array("filters", 0, 1<<16) {
			p := b.asObject(fmt.Sprintf("filters[%d]", i), v)
			if p == nil {
				return nil
			}
			parts = append(parts, p.anyFilter())
			if p.err != nil {
				b.fail(p.err)
				return nil
			}
		}
		return func(attributes map[string]any) bool {
			for _, p := range parts {
				if p(attributes) != (typ == "and") {
					return typ == "or"
				}
			}
			return typ == "and"
		}
	}
	b.only("type", "key", "value")
	key := b.needText("key")
	b.require("value", "a string, number or boolean")
	value := b.m["value"]
	many, isArray := value.([]any)
	switch wantArray := typ == "in" || typ == "nin"; {
	case b.err != nil:
		return nil
	case wantArray && !isArray:
		b.wrongType("value", "an array", value)
	case !wantArray && isArray:
		b.wrongType("value", "a string, number or boolean", value)
	case !wantArray:
		many = []any{value}
	}
	for i, v := range many {
		switch v.(type) {
		case string, json.Number:
			continue
		case bool:
			if !isArray {
				continue
			}
		}
		name := "value"
		if isArray {
			name = fmt.Sprintf("value[%d]", i)
		}
		b.wrongType(name, "a string or number", v)
	}
	return func(attributes map[string]any) bool {
		v, ok := attributes[key]
		return (ok || b.c.s.cfg.Quirks.UnequalPassesAbsent) && passes(typ, v, many)
	}
}

// passes compares an attribute with the values of a filter. Values of different types
// are unequal, and neither is greater.
func passes(op string, v any, values []any) bool {
	for _, w := range values {
		order, same := compareValues(v, w)
		switch op {
		case "eq", "in":
			if same && order == 0 {
				return true
			}
		case "ne", "nin":
			if same && order == 0 {
				return false
			}
		case "gt":
			return same && order > 0
		case "gte":
			return same && order >= 0
		case "lt":
			return same && order < 0
		case "lte":
			return same && order <= 0
		}
	}
	return op == "ne" || op == "nin"
}

func compareValues(v, w any) (order int, same bool) {
	switch v := toFloat(v).(type) {
	case float64:
		w, ok := toFloat(w).(float64)
		return cmp.Compare(v, w), ok
	case string:
		w, ok := w.(string)
		return cmp.Compare(v, w), ok
	case bool:
		w, ok := w.(bool)
		order = 1
		if v == w {
			order = 0
		}
		return order, ok
	}
	return 0, false
}

// toFloat converts a number that a request sent to float64. Planted numbers are float64.
func toFloat(v any) any {
	if n, ok := v.(json.Number); ok {
		f, _ := n.Float64()
		return f
	}
	return v
}
