package openaitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// maxJSONBody is the most bytes of a JSON body. A batch of 2,000 files with 16
// attributes of 512 characters each is well below it.
const maxJSONBody = 64 << 20

// fields reads the members of a JSON object. It keeps the first failed check in err:
// look at it once, after the last read, and use no value if it is set.
type fields struct {
	c    *call
	path string // of the object, with a trailing dot; empty for the body
	m    map[string]any
	err  *apiError
}

// jsonBody reads the request's body as an object with these members only.
func (c *call) jsonBody(known ...string) *fields {
	b := &fields{c: c}
	sent := c.r.Header.Get("Content-Type")
	if typ, _, _ := mime.ParseMediaType(sent); typ != "application/json" {
		b.fail(badRequest("unsupported_content_type", "", "Unsupported content type: '%s'. This API method only accepts 'application/json' requests,"+
			" but you specified the header 'Content-Type: %s'. Please try again with a supported content type.", typ, sent))
		return b
	}
	data, err := io.ReadAll(io.LimitReader(c.body, maxJSONBody+1))
	if err != nil {
		b.fail(&apiError{status: http.StatusBadRequest, message: "The request body could not be read."})
		return b
	}
	if len(data) > maxJSONBody {
		b.fail(tooLarge("", "The request body is too large. The maximum is %s MB.", megabytes(maxJSONBody)))
		return b
	}
	if most := maxJSONValues; bytes.Count(data, []byte{','}) > most && jsonValues(data) > most {
		b.fail(tooLarge("", "The request body has too many values. The maximum is %d.", most))
		return b
	}
	m, ok := decodeObject(data)
	if !ok {
		b.fail(&apiError{status: http.StatusBadRequest, message: "We could not parse the JSON body of your request. (HINT: This likely" +
			" means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"})
		return b
	}
	b.m = m
	b.only(known...)
	return b
}

// maxJSONValues is the most values of a JSON body: in memory a small value takes many times
// its bytes. A batch of 2,000 files with 16 attributes each has 40,000.
const maxJSONValues = 1_000_000

// jsonValues counts the values that follow a comma.
func jsonValues(data []byte) (n int) {
	inText := false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			inText = !inText
		case c == '\\' && inText:
			i++
		case c == ',' && !inText:
			n++
		}
	}
	return n
}

// decodeObject decodes data when it is one JSON object in UTF-8, and nothing more.
func decodeObject(data []byte) (map[string]any, bool) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, false
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	m, ok := v.(map[string]any)
	return m, ok && err == nil
}

// decodeStrictly decodes data that is one JSON value without unknown fields.
func decodeStrictly(data []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the JSON value is followed by more text")
	}
	return nil
}

// fail keeps the refusal if it is the first; nil is no refusal.
func (b *fields) fail(err *apiError) {
	if b.err == nil {
		b.err = err
	}
}

// only refuses members that are not known.
func (b *fields) only(known ...string) {
	for _, name := range slices.Sorted(maps.Keys(b.m)) {
		if slices.Contains(known, name) {
			continue
		}
		if b.c.s.cfg.Quirks.IgnoreUnknownFields {
			b.c.unwisely(fmt.Sprintf("the field %q is unknown and ignored", b.path+name))
			continue
		}
		b.fail(badRequest("unknown_parameter", b.path+name, "Unknown parameter: '%s'.", b.path+name))
	}
}

// has reports whether the member is present and not null.
func (b *fields) has(name string) bool { return b.m[name] != nil }

// requireOrNull refuses the object when the member is absent; it may be null.
func (b *fields) requireOrNull(name string) {
	if _, ok := b.m[name]; !ok {
		b.fail(badRequest("missing_required_parameter", b.path+name, "Missing required parameter: '%s'.", b.path+name))
	}
}

// require refuses the object when the member is absent or null; want names its type.
func (b *fields) require(name, want string) {
	b.requireOrNull(name)
	if v, ok := b.m[name]; ok && v == nil {
		b.wrongType(name, want, nil)
	}
}

func jsonType(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	case json.Number:
		if _, err := v.Int64(); err == nil {
			return "an integer"
		}
		return "a decimal number"
	}
	return fmt.Sprintf("%T", v)
}

func (b *fields) wrongType(name, want string, got any) {
	b.fail(badRequest("invalid_type", b.path+name, "Invalid type for '%s': expected %s, but got %s instead.", b.path+name, want, jsonType(got)))
}

// member reads a member of type T, which want names. It reports false when the member is
// absent, null or of another type; another type is refused.
func member[T any](b *fields, name, want string) (v T, ok bool) {
	if !b.has(name) {
		return v, false
	}
	if v, ok = b.m[name].(T); !ok {
		b.wrongType(name, want, b.m[name])
	}
	return v, ok
}

// text reads a string; an absent or null one is empty.
func (b *fields) text(name string) string {
	s, _ := member[string](b, name, "a string")
	return s
}

// textOrNull reads a string; nil when it is absent or null.
func (b *fields) textOrNull(name string) *string {
	if !b.has(name) {
		return nil
	}
	s := b.text(name)
	return &s
}

// needText reads a string that must be present.
func (b *fields) needText(name string) string {
	b.require(name, "a string")
	return b.text(name)
}

func (b *fields) enum(name, standard string, allowed ...string) string {
	v := b.text(name)
	if v == "" && !b.has(name) {
		return standard
	}
	if b.err == nil {
		b.fail(oneOf(b.path+name, v, allowed...))
	}
	return v
}

func (b *fields) boolean(name string) bool {
	v, _ := member[bool](b, name, "a boolean")
	return v
}

func (b *fields) integer(name string, standard, least, most int64) int64 {
	num, ok := member[json.Number](b, name, "an integer")
	if !ok {
		return standard
	}
	n, err := num.Int64()
	if err != nil {
		f, _ := num.Float64()
		if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			b.wrongType(name, "an integer", num)
			return standard
		}
		n = int64(f)
	}
	b.fail(outOfBounds(b.path+name, "integer", n, least, most))
	return n
}

func (b *fields) decimal(name string, standard, least, most float64) float64 {
	num, ok := member[json.Number](b, name, "a decimal")
	if !ok {
		return standard
	}
	f, _ := num.Float64()
	b.fail(outOfBounds(b.path+name, "decimal", f, least, most))
	return f
}

// object reads a nested object; nil when it is absent or null.
func (b *fields) object(name string, known ...string) *fields {
	if !b.has(name) {
		return nil
	}
	return b.asObject(name, b.m[name], known...)
}

// asObject returns the value of that name as an object; nil when it is none, which is refused.
func (b *fields) asObject(name string, v any, known ...string) *fields {
	m, ok := v.(map[string]any)
	if !ok {
		b.wrongType(name, "an object", v)
		return nil
	}
	o := &fields{c: b.c, path: b.path + name + ".", m: m}
	if known != nil {
		o.only(known...)
	}
	return o
}

// array reads an array of least to most elements; nil when absent or null.
func (b *fields) array(name string, least, most int) []any {
	a, ok := member[[]any](b, name, "an array")
	p := b.path + name
	switch {
	case !ok:
	case len(a) < least:
		b.fail(badRequest("empty_array", p, "Invalid '%s': empty array. Expected an array with minimum length %d, but got an empty array instead.", p, least))
	case len(a) > most:
		b.fail(badRequest("array_above_max_length", p, "Invalid '%s': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", p, most, len(a)))
	}
	return a
}

// texts reads an array of strings.
func (b *fields) texts(name string, least, most int) []string {
	a := b.array(name, least, most)
	if b.err != nil {
		return nil
	}
	out := make([]string, 0, len(a))
	for i, v := range a {
		s, ok := v.(string)
		if !ok {
			b.wrongType(fmt.Sprintf("%s[%d]", name, i), "a string", v)
			return nil
		}
		out = append(out, s)
	}
	return out
}

// attributes reads a store file's attributes; an absent or null map is empty.
func (b *fields) attributes() map[string]any {
	o := b.object("attributes")
	if o == nil {
		return map[string]any{}
	}
	o.checkAttributes(&b.c.s.cfg.Quirks)
	b.fail(o.err)
	for k, v := range o.m {
		if s, ok := v.(string); ok && len(s) > 256 {
			b.c.unwisely(fmt.Sprintf("attribute %q is longer than the 256 characters of OpenAI's retrieval guide", k))
		}
	}
	if b.c.s.cfg.Quirks.AttributesDropped {
		return map[string]any{}
	}
	return o.m
}

// checkAttributes refuses an object that cannot be a store file's attributes.
func (b *fields) checkAttributes(quirks *Quirks) {
	longest := quirks.AttributeValueMax
	if longest == 0 {
		longest = 512
	}
	length := utf8.RuneCountInString
	if quirks.AttributeBytes {
		length = func(s string) int { return len(s) }
	}
	b.pairs(longest, length, "a string, a number or a boolean", func(v any) bool {
		switch v := v.(type) {
		case bool, string:
			return true
		case float64:
			return !math.IsInf(v, 0) && !math.IsNaN(v)
		case json.Number:
			f, err := v.Float64()
			return err == nil && !math.IsInf(f, 0)
		}
		return false
	})
}

// metadata reads a store's metadata: strings only.
func (b *fields) metadata(name string) map[string]any {
	o := b.object(name)
	if o == nil {
		return map[string]any{}
	}
	o.pairs(512, utf8.RuneCountInString, "a string", func(v any) bool { _, ok := v.(string); return ok })
	b.fail(o.err)
	return o.m
}

// pairs checks a map of at most 16 pairs with keys of at most 64 characters.
func (b *fields) pairs(longest int, length func(string) int, want string, valid func(any) bool) {
	whole := strings.TrimSuffix(b.path, ".")
	if len(b.m) > 16 {
		b.fail(badRequest("object_above_max_properties", whole,
			"Invalid '%s': too many properties. Expected an object with at most 16 properties, but got an object with %d properties instead.", whole, len(b.m)))
		return
	}
	for _, k := range slices.Sorted(maps.Keys(b.m)) {
		v := b.m[k]
		if n := length(k); n > 64 {
			b.fail(badRequest("string_above_max_length", whole,
				"Invalid property name in '%s': string too long. Expected a string with maximum length 64, but got a string with length %d instead.", whole, n))
		}
		if !valid(v) {
			b.wrongType(k, want, v)
		}
		if s, ok := v.(string); ok {
			if n := length(s); n > longest {
				b.fail(badRequest("string_above_max_length", b.path+k,
					"Invalid '%s': string too long. Expected a string with maximum length %d, but got a string with length %d instead.", b.path+k, longest, n))
			}
		}
	}
}

// chunking reads chunking_strategy; an absent or null one is auto.
func (b *fields) chunking() project.Chunking {
	o := b.object("chunking_strategy", "type", "static")
	if o == nil {
		return project.AutoChunking
	}
	o.require("type", "a string")
	ch := project.AutoChunking
	switch o.enum("type", "", "auto", "static") {
	case "auto":
		if o.has("static") {
			o.fail(badRequest("unknown_parameter", o.path+"static", "Unknown parameter: '%s'.", o.path+"static"))
		}
	case "static":
		o.require("static", "an object")
		st := o.object("static", "max_chunk_size_tokens", "chunk_overlap_tokens")
		if st != nil && o.err == nil {
			st.require("max_chunk_size_tokens", "an integer")
			st.require("chunk_overlap_tokens", "an integer")
			ch.Size = int(st.integer("max_chunk_size_tokens", 800, 100, 4096))
			ch.Overlap = int(st.integer("chunk_overlap_tokens", 400, 0, math.MaxInt32))
			if st.err == nil && ch.Overlap > ch.Size/2 {
				st.fail(badRequest("invalid_value", st.path+"chunk_overlap_tokens",
					"Invalid '%schunk_overlap_tokens': must not exceed half of max_chunk_size_tokens.", st.path))
			}
			o.fail(st.err)
		}
	}
	b.fail(o.err)
	return ch
}
