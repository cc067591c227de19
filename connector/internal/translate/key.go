package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/conduitio/conduit-commons/opencdc"
	gojson "github.com/goccy/go-json"
)

// documentKey returns the key of a document, with the collection before it if CollectionInKey
// is set. The text before the first slash is always the collection, so that two pairs never
// have one key.
func (t *Translator) documentKey(collection, key string) string {
	if !t.CollectionInKey || collection == "" {
		return key
	}
	return strings.NewReplacer("%", "%25", "/", "%2F").Replace(collection) + "/" + key
}

// keyText returns the bytes of Record.Key as text.
func keyText(data opencdc.Data) (string, error) {
	if fields, ok := data.(opencdc.StructuredData); ok {
		for name, v := range fields {
			// Without a schema, numbers of structured data reach a plugin as float64, so that
			// two rows could become one document.
			if lostDigits(v) {
				return "", fmt.Errorf("the field %q of the key is an integer beyond 2^53 that has lost digits on the way; let the source attach a schema to keys, or send the key as text", name)
			}
		}
	}
	if isNull(data) {
		return "", errors.New("the record's key is null, so that its document could not be found again; set a key in the source, or with the processor field.set on .Key")
	}
	if fields, err := fieldsOf(data); err == nil && !isEmpty(data) && allNull(fields) {
		return "", fmt.Errorf("every field of the record's key is null, %w", errNoDocument)
	}
	b, err := dataBytes(data)
	if err != nil {
		return "", fmt.Errorf("the key: %w", err)
	}
	if bytes.Contains(b, []byte(noValue)) || bytes.Contains(b, []byte(noValueInJSON)) {
		return "", fmt.Errorf("the key contains %q, which the template of a processor writes for a field that is null; make the key of fields that are never null", noValue)
	}
	if len(b) == 0 {
		return "", errors.New("the record has no key, so that its document could not be found again; set a key in the source, or with the processor field.set on .Key")
	}
	return string(b), nil
}

// isNull reports whether data is JSON's null.
func isNull(data opencdc.Data) bool {
	raw, ok := data.(opencdc.RawData)
	return ok && string(bytes.TrimSpace(raw)) == "null"
}

// lostDigits reports whether a value is or holds an integer that a float64 cannot tell from
// its neighbours.
func lostDigits(v any) bool {
	switch v := v.(type) {
	case float64:
		return v == math.Trunc(v) && math.Abs(v) >= maxExact
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), lostDigits)
	case opencdc.StructuredData:
		return lostDigits(map[string]any(v))
	case []any:
		return slices.ContainsFunc(v, lostDigits)
	}
	return false
}

var errNoDocument = errors.New("so that the key names no document; with PostgreSQL, REPLICA IDENTITY USING INDEX leaves the primary key out: use DEFAULT or FULL")

// allNull reports whether no field has a value, at any depth.
func allNull(fields map[string]any) bool {
	for _, v := range fields {
		inner, ok := v.(map[string]any)
		if structured, is := v.(opencdc.StructuredData); is {
			inner, ok = structured, true
		}
		if v != nil && (!ok || !allNull(inner)) {
			return false
		}
	}
	return true
}

// checkDeletion refuses a deletion whose key has only nulls and empty texts, while the row has
// other values: the source has left the key out. PostgreSQL's source sends a UUID that is null
// as an empty text.
func (s *Step) checkDeletion() error {
	fields, err := s.key.all()
	if err != nil || len(fields) == 0 || s.hasText() || !s.hasValues() {
		return nil //nolint:nilerr // a key that is not an object is text
	}
	for _, v := range fields {
		if v != nil && v != "" {
			return nil
		}
	}
	return fmt.Errorf("every field of the record's key is empty, %w", errNoDocument)
}

// oldKey returns the key that the row of an update had before; "" when the record does not
// show it.
func (t *Translator) oldKey(rec opencdc.Record) string {
	key, err := fieldsOf(rec.Key)
	if err != nil {
		return ""
	}
	before, err := fieldsOf(rec.Payload.Before)
	if err != nil {
		return ""
	}
	after, _ := fieldsOf(rec.Payload.After) // none in text
	_, keyIsRaw := rec.Key.(opencdc.RawData)
	_, beforeIsRaw := rec.Payload.Before.(opencdc.RawData)
	write := dataBytes
	// A raw key is its bytes. The old key can be written only if the source writes keys as one
	// of these functions does.
	if keyIsRaw {
		i := slices.IndexFunc(keyWriters, func(write func(opencdc.Data) ([]byte, error)) bool {
			again, err := write(opencdc.StructuredData(key))
			return err == nil && bytes.Equal(again, rec.Key.Bytes())
		})
		if i < 0 {
			return ""
		}
		write = keyWriters[i]
	}
	old := maps.Clone(key)
	for name := range key {
		v, ok := before[name]
		if !ok || v == nil {
			return ""
		}
		// A source and this package may write a value such as a time differently in JSON, so
		// that equal keys look different.
		if (keyIsRaw || beforeIsRaw) && (kindOf(v) == "" || kindOf(v) != kindOf(key[name])) {
			return ""
		}
		if !keyIsRaw && !beforeIsRaw && formOf(v) != formOf(key[name]) {
			// A processor has converted the field in the key alone, or in the rows alone.
			if _, isText := key[name].(string); !isText || asText(plain(after[name])) != key[name] {
				if asText(plain(v)) != asText(plain(after[name])) {
					t.Warn(keyFormError(name))
				}
				return ""
			}
			v = asText(plain(v))
		}
		old[name] = v
	}
	if _, err := keyText(opencdc.StructuredData(old)); err != nil {
		return ""
	}
	text, err := write(opencdc.StructuredData(old))
	if err != nil {
		return ""
	}
	return string(text)
}

// keyWriters are the ways in which a raw key may be written: with and without escapes for HTML.
var keyWriters = []func(opencdc.Data) ([]byte, error){
	dataBytes,
	func(data opencdc.Data) ([]byte, error) {
		fields, _ := fieldsOf(data)
		b, err := gojson.MarshalWithOption(fields, gojson.DisableHTMLEscape())
		if err != nil {
			return nil, fmt.Errorf("it cannot be written as JSON: %w", err)
		}
		return b, nil
	},
}

// keyFormError is the warning that a changed key cannot be seen.
type keyFormError string

func (e keyFormError) Error() string {
	return fmt.Sprintf("the field %q has another form in the key of a record than in its row before the change, so that a changed key cannot be recognised and the document under the old key stays; convert the field in .Key, .Payload.Before and .Payload.After alike", string(e))
}

// formOf returns the type of a value as far as it shows in JSON.
func formOf(v any) string {
	if _, ok := v.([]byte); ok {
		return "bytes"
	}
	switch v := plain(v).(type) {
	case int64, uint64, float64, json.Number, *big.Rat:
		return "number"
	default:
		return fmt.Sprintf("%T", v)
	}
}

// kindOf returns the kind of a value that JSON can write in one way only; "" for any other.
func kindOf(v any) string {
	if _, ok := v.([]byte); ok {
		return ""
	}
	switch v := plain(v).(type) {
	case bool:
		return "bool"
	case string:
		return "string"
	case int64, uint64:
		return "integer"
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < maxExact {
			return "integer"
		}
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return "integer"
		}
	}
	return ""
}
