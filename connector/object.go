package openaivs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/conduitio/conduit-commons/opencdc"
	gojson "github.com/goccy/go-json"
)

// object reads fields of a record's key or payload. Raw data that is a JSON
// object has fields as well; it is parsed when the first of them is asked for.
type object struct {
	data   opencdc.Data
	read   bool
	fields map[string]any
	err    error
}

var errNoObject = errors.New("it is neither structured nor a JSON object")

// field returns the value at the path and whether it is there and not null. A
// field whose name is the whole path goes before nested ones.
func (o *object) field(path string) (any, bool, error) {
	fields, err := o.all()
	if err != nil {
		return nil, false, err
	}
	v, ok := find(fields, path)
	return v, ok && v != nil, nil
}

// all returns all fields.
func (o *object) all() (map[string]any, error) {
	if !o.read {
		o.read = true
		o.fields, o.err = fieldsOf(o.data)
	}
	return o.fields, o.err
}

func find(fields map[string]any, path string) (any, bool) {
	if v, ok := fields[path]; ok {
		return v, true
	}
	for i := range len(path) {
		if path[i] != '.' {
			continue
		}
		if inner, ok := fields[path[:i]].(map[string]any); ok {
			if v, ok := find(inner, path[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

func fieldsOf(data opencdc.Data) (map[string]any, error) {
	switch data := data.(type) {
	case nil:
		return map[string]any{}, nil
	case opencdc.StructuredData:
		return data, nil
	case opencdc.RawData:
		if !strings.HasPrefix(string(bytes.TrimLeft(data[:min(len(data), 64)], " \t\r\n")), "{") {
			return nil, errNoObject
		}
		dec := json.NewDecoder(bytes.NewReader(data))
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
	return nil, errNoObject
}

// dataBytes is data.Bytes without its panic, and nothing for data that holds
// nothing.
func dataBytes(data opencdc.Data) ([]byte, error) {
	switch data := data.(type) {
	case nil:
		return nil, nil
	case opencdc.StructuredData:
		if len(data) == 0 {
			return nil, nil
		}
		b, err := gojson.Marshal(data)
		if err != nil {
			return nil, fmt.Errorf("it cannot be written as JSON: %w", err)
		}
		return b, nil
	}
	return data.Bytes(), nil
}
