package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"

	"github.com/conduitio/conduit-commons/opencdc"
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
			if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) >= maxExact {
				return "", fmt.Errorf("the field %q of the key is an integer beyond 2^53 that has lost digits on the way; let the source attach a schema to keys, or send the key as text", name)
			}
		}
	}
	if fields, err := fieldsOf(data); err == nil && len(fields) > 0 && allNull(fields) {
		return "", errors.New("every field of the record's key is null, so that the key names no document; with PostgreSQL, REPLICA IDENTITY USING INDEX leaves the primary key out: use DEFAULT or FULL")
	}
	b, err := dataBytes(data)
	if err != nil {
		return "", fmt.Errorf("the key: %w", err)
	}
	if len(b) == 0 {
		return "", errors.New("the record has no key, so that its document could not be found again; set a key in the source, or with the processor field.set on .Key")
	}
	return string(b), nil
}

func allNull(fields map[string]any) bool {
	for _, v := range fields {
		if v != nil {
			return false
		}
	}
	return true
}

// oldKey returns the key that the row of an update had before; "" when the record does not
// show it.
func oldKey(rec opencdc.Record) string {
	key, err := fieldsOf(rec.Key)
	if err != nil {
		return ""
	}
	before, err := fieldsOf(rec.Payload.Before)
	if err != nil {
		return ""
	}
	_, keyIsRaw := rec.Key.(opencdc.RawData)
	_, beforeIsRaw := rec.Payload.Before.(opencdc.RawData)
	// A raw key is its bytes. The old key can be written only if the source writes keys as
	// this package does.
	if keyIsRaw {
		again, err := dataBytes(opencdc.StructuredData(key))
		if err != nil || !bytes.Equal(again, rec.Key.Bytes()) {
			return ""
		}
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
		old[name] = v
	}
	text, err := keyText(opencdc.StructuredData(old))
	if err != nil {
		return ""
	}
	return text
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
