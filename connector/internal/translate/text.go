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
	switch v := v.(type) {
	case opencdc.StructuredData:
		return readable(map[string]any(v))
	case opencdc.RawData:
		return readable([]byte(v))
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, field := range v {
			out[name] = readable(field)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = readable(e)
		}
		return out
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
	switch v := plain(v).(type) {
	case *big.Rat:
		return json.Number(decimal(v))
	case time.Time, time.Duration:
		return asText(v) // encoding/json writes no time beyond the year 9999
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return asText(v) // JSON has no such number
		}
		return v
	default:
		return v
	}
}

// worded returns the data with text in place of times and of numbers that JSON does not have.
func worded(data opencdc.Data) opencdc.Data {
	if fields, ok := data.(opencdc.StructuredData); ok {
		return opencdc.StructuredData(wordedValue(map[string]any(fields)).(map[string]any))
	}
	return data
}

func wordedValue(v any) any {
	switch v := v.(type) {
	case opencdc.StructuredData:
		return wordedValue(map[string]any(v))
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, field := range v {
			out[name] = wordedValue(field)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = wordedValue(e)
		}
		return out
	}
	switch p := plain(v).(type) {
	case time.Time, time.Duration:
		return asText(p)
	case float64:
		if math.IsNaN(p) || math.IsInf(p, 0) {
			return asText(p)
		}
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
