package translate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"time"
	"unicode/utf8"

	"github.com/conduitio/conduit-commons/opencdc"
)

// contentOf returns the value of a field as content.
func contentOf(v any) []byte {
	switch v := v.(type) {
	case string:
		if b, ok := jsonInBase64(v); ok {
			return b
		}
		return []byte(v)
	case []byte:
		return v
	case opencdc.StructuredData, map[string]any, []any:
		return readableJSON(v)
	}
	return []byte(asText(plain(v)))
}

// readableJSON writes a value as JSON for people and searches: without needless escapes,
// decimals as numbers, and JSON in bytes as JSON. It can write any value.
func readableJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(readable(v)); err != nil {
		return fmt.Append(nil, v) // a type that no source sends
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// readable returns the value in types that encoding/json writes readably.
func readable(v any) any {
	if out, ok := within(v, readable); ok {
		return out
	}
	switch v := v.(type) {
	case opencdc.RawData:
		return readable([]byte(v))
	case []byte:
		switch {
		case json.Valid(v):
			return json.RawMessage(v)
		case utf8.Valid(v):
			return string(v)
		}
		return v
	case string:
		if b, ok := jsonInBase64(v); ok {
			return json.RawMessage(b)
		}
		return v
	}
	v = plain(v)
	if text, ok := inWords(v); ok {
		return text
	}
	if r, ok := v.(*big.Rat); ok {
		return json.Number(decimal(r))
	}
	return v
}

// within returns a map or a list with f of each of its values; ok is false for anything else.
func within(v any, f func(any) any) (out any, ok bool) {
	switch v := v.(type) {
	case opencdc.StructuredData:
		return within(map[string]any(v), f)
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, field := range v {
			out[name] = f(field)
		}
		return out, true
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = f(e)
		}
		return out, true
	}
	return nil, false
}

// inWords returns a plain value as text where JSON has no such number, and for a time:
// encoding/json writes none beyond the year 9999.
func inWords(v any) (text string, ok bool) {
	switch v := v.(type) {
	case time.Time, time.Duration:
		return asText(v), true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return asText(v), true
		}
	}
	return "", false
}

// worded returns the data with text in place of times and of numbers that JSON does not have.
func worded(data opencdc.Data) opencdc.Data {
	if fields, ok := data.(opencdc.StructuredData); ok {
		return opencdc.StructuredData(wordedValue(map[string]any(fields)).(map[string]any))
	}
	return data
}

func wordedValue(v any) any {
	if out, ok := within(v, wordedValue); ok {
		return out
	}
	if text, ok := inWords(plain(v)); ok {
		return text
	}
	return v
}

// decimal writes a number without a fraction bar.
func decimal(r *big.Rat) string {
	digits, exact := r.FloatPrec()
	if !exact {
		digits = 20
	}
	return r.FloatString(digits)
}
