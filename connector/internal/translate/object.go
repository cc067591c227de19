package translate

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/conduitio/conduit-commons/opencdc"
	gojson "github.com/goccy/go-json"
)

// object reads fields of a record's key or payload. Raw data that is a JSON object has
// fields, too; it is parsed when the first of them is read.
type object struct {
	data   opencdc.Data
	read   bool
	fields map[string]any
	err    error
}

var errNoObject = errors.New("it is neither structured nor a JSON object")

// placeholder replaces a large value that has not changed in Debezium's records. A column of
// bytes has its base64, a list has it as the only element, and an hstore as the only field.
const placeholder = "__debezium_unavailable_value"

var placeholderInBase64 = base64.StdEncoding.EncodeToString([]byte(placeholder))

func isPlaceholder(v any) bool {
	switch v := v.(type) {
	case string:
		return v == placeholder || v == placeholderInBase64
	case []byte:
		return string(v) == placeholder
	case []any:
		return len(v) == 1 && isPlaceholder(v[0])
	case map[string]any:
		return len(v) == 1 && isPlaceholder(v[placeholder])
	case opencdc.StructuredData:
		return isPlaceholder(map[string]any(v))
	}
	return false
}

// leftOut returns the path of a value that the placeholder replaces; "" when there is none.
func leftOut(v any) string {
	switch v := v.(type) {
	case opencdc.StructuredData:
		return leftOut(map[string]any(v))
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if isPlaceholder(v[name]) {
				return name
			}
			if inner := leftOut(v[name]); inner != "" {
				return name + "." + inner
			}
		}
	case []any:
		for i, e := range v {
			if inner := leftOut(map[string]any{strconv.Itoa(i): e}); inner != "" {
				return inner
			}
		}
	}
	return ""
}

// field returns the value at the path, and whether the field exists. The value is nil when it
// is null or a placeholder. A field whose name is the whole path precedes nested ones.
func (o *object) field(path string) (v any, there bool, err error) {
	fields, err := o.all()
	if err != nil {
		return nil, false, err
	}
	v, there = find(fields, path)
	if isPlaceholder(v) {
		v = nil
	}
	return v, there, nil
}

// lacks reports whether the placeholder replaces the field.
func (o *object) lacks(path string) bool {
	fields, _ := o.all()
	v, _ := find(fields, path)
	return isPlaceholder(v)
}

// hasColumn reports whether the first part of the path is a field.
func (o *object) hasColumn(path string) bool {
	fields, _ := o.all()
	column, _, _ := strings.Cut(path, ".")
	_, ok := fields[column]
	return ok
}

// all returns all fields. A record that could not be decoded has no object.
func (o *object) all() (map[string]any, error) {
	if o == nil {
		return nil, errNoObject
	}
	if !o.read {
		o.read = true
		o.fields, o.err = fieldsOf(o.data)
	}
	return o.fields, o.err
}

// names returns the names of the fields, for an error.
func (o *object) names() string {
	const most = 10
	fields, _ := o.all()
	names := slices.Sorted(maps.Keys(fields))
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}

// find returns the value at the path. A path through null ends in null.
func find(fields map[string]any, path string) (v any, there bool) {
	if v, there = fields[path]; there {
		return v, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		outer, ok := fields[path[:i]]
		if ok && (outer == nil || isPlaceholder(outer)) {
			there = true
		}
		if inner, ok := objectIn(outer); ok {
			if v, ok := find(inner, path[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, there
}

// objectIn returns the fields of a value. PostgreSQL's jsonb arrives as bytes or text and,
// without a schema, as base64.
func objectIn(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case opencdc.StructuredData:
		return v, true
	case []byte:
		fields, err := parse(v)
		return fields, err == nil
	case string:
		text := []byte(v)
		if b, ok := jsonInBase64(v); ok {
			text = b
		}
		fields, err := parse(text)
		return fields, err == nil
	}
	return nil, false
}

// jsonInBase64 returns the JSON object or array whose base64 is s.
func jsonInBase64(s string) ([]byte, bool) {
	if !strings.HasPrefix(s, "ey") && !strings.HasPrefix(s, "W") { // {" and [
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(s)
	return b, err == nil && len(b) > 1 && (b[0] == '{' || b[0] == '[') && json.Valid(b)
}

func fieldsOf(data opencdc.Data) (map[string]any, error) {
	switch data := data.(type) {
	case nil:
		return map[string]any{}, nil
	case opencdc.StructuredData:
		return data, nil
	case opencdc.RawData:
		if len(data) == 0 {
			return map[string]any{}, nil
		}
		return parse(bytes.TrimPrefix(data, []byte("\uFEFF")))
	}
	return nil, errNoObject
}

// parse returns the fields of a JSON object.
func parse(text []byte) (map[string]any, error) {
	if !strings.HasPrefix(string(bytes.TrimLeft(text[:min(len(text), 64)], " \t\r\n")), "{") {
		return nil, errNoObject
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // float64 would round integers beyond 2^53
	var fields map[string]any
	if err := dec.Decode(&fields); err != nil {
		return nil, errNoObject
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNoObject
	}
	return fields, nil
}

// isEmpty reports whether the data has no bytes and no fields.
func isEmpty(data opencdc.Data) bool {
	switch data := data.(type) {
	case nil:
		return true
	case opencdc.RawData:
		return len(data) == 0
	case opencdc.StructuredData:
		return len(data) == 0
	}
	return false
}

// dataBytes returns data.Bytes, without its panic; nil for empty data.
func dataBytes(data opencdc.Data) ([]byte, error) {
	fields, ok := data.(opencdc.StructuredData)
	switch {
	case isEmpty(data):
		return nil, nil
	case !ok:
		return data.Bytes(), nil
	}
	b, err := gojson.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("it cannot be written as JSON: %w", err)
	}
	return b, nil
}
