package naming

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// Limits on attributes. The API reference says 16 attributes, names of 64 and
// values of 512 characters; the retrieval guide says values of 256. The client's
// own stay within 256 bytes, which is right under either; a caller's value of
// 257 to 512 characters is passed on, and OpenAI has the word.
const (
	maxAttributes     = 16
	maxAttributeName  = 64
	maxAttributeValue = 512
	safeValueBytes    = 256

	// MaxAttributes is how many attributes of its own a document of a short key may
	// have: 16 less those that carry key, version and content.
	MaxAttributes = maxAttributes - 3
)

// room returns how many attributes of its own a document of the key may have. Each 256
// bytes of a key take one of the 16.
func room(key string) int { return maxAttributes - 2 - len(keyParts(key)) }

// maxNameShown is how much of an attribute's name an error shows, in bytes.
const maxNameShown = 120

// maxExactInteger is the largest integer that a JSON number keeps exactly.
const maxExactInteger = 1 << 53

// Normalize checks the attributes that a caller gives a key's document and returns them
// with every number a float64.
func Normalize(key string, a map[string]any) (map[string]any, error) {
	if most := room(key); len(a) > most {
		return nil, fail.New(fail.InvalidAttributes, "%d attributes; beside a key of %d bytes a document may have %d of its own (OpenAI allows %d, the others carry key, version and content)", len(a), len(key), most, maxAttributes)
	}
	out := make(map[string]any, len(a))
	for _, name := range slices.Sorted(maps.Keys(a)) {
		switch n := utf8.RuneCountInString(name); {
		case name == "":
			return nil, fail.New(fail.InvalidAttributes, "an attribute has an empty name")
		case !utf8.ValidString(name):
			return nil, fail.New(fail.InvalidAttributes, "the attribute name %q is not valid UTF-8", fail.Shorten(name, maxNameShown))
		case n > maxAttributeName:
			return nil, fail.New(fail.InvalidAttributes, "the attribute name %q has %d characters; %d are allowed", fail.Shorten(name, maxNameShown), n, maxAttributeName)
		case strings.HasPrefix(name, reservedPrefix):
			return nil, fail.New(fail.InvalidAttributes, "the attribute name %q begins with %q, which is reserved; rename it", fail.Shorten(name, maxNameShown), reservedPrefix)
		}
		v, err := normalizeValue(a[name])
		if err != nil {
			return nil, fail.New(fail.InvalidAttributes, "attribute %q: %v", name, err)
		}
		out[name] = v
	}
	return out, nil
}

// Condition checks the attributes that a stored document must have, and returns them as
// Normalize does. A nil value stands for an attribute that it must not have.
func Condition(key string, a map[string]any) (map[string]any, error) {
	set := maps.Clone(a)
	maps.DeleteFunc(set, func(_ string, value any) bool { return value == nil })
	out, err := Normalize(key, set)
	if err != nil {
		return nil, err
	}
	for name, value := range a {
		if value == nil {
			out[name] = nil
		}
	}
	return out, nil
}

func normalizeValue(value any) (any, error) {
	switch v := value.(type) {
	case bool:
		return v, nil
	case string:
		if !utf8.ValidString(v) {
			return nil, fmt.Errorf("the value is not valid UTF-8")
		}
		if n := utf8.RuneCountInString(v); n > maxAttributeValue {
			return nil, fmt.Errorf("the value has %d characters; %d are allowed", n, maxAttributeValue)
		}
		return v, nil
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return exact(i)
		}
		if _, whole := new(big.Int).SetString(v.String(), 10); whole {
			return nil, errInexact(fail.Shorten(v.String(), maxNameShown))
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", fail.Shorten(v.String(), maxNameShown))
		}
		if math.Abs(f) >= maxExactInteger { // it may be an integer with a fraction of zeros
			if said, ok := new(big.Rat).SetString(v.String()); ok && said.Cmp(new(big.Rat).SetFloat64(f)) != 0 {
				return nil, errInexact(fail.Shorten(v.String(), maxNameShown))
			}
		}
		return finite(f)
	}
	switch v := reflect.ValueOf(value); v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return exact(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		if u := v.Uint(); u > maxExactInteger {
			return nil, errInexact(strconv.FormatUint(u, 10))
		}
		return float64(v.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return finite(v.Float())
	case reflect.String:
		return normalizeValue(v.String())
	case reflect.Bool:
		return v.Bool(), nil
	}
	return nil, fmt.Errorf("%s is not allowed; use a string, a number or a bool", typeOf(value))
}

// typeOf returns the JSON type of a value, or the one of Go when it has none.
func typeOf(value any) string {
	switch reflect.ValueOf(value).Kind() {
	case reflect.Invalid:
		return "null"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Map:
		return "an object"
	default:
		return fmt.Sprintf("a value of type %T", value)
	}
}

func exact(i int64) (any, error) {
	if i > maxExactInteger || i < -maxExactInteger {
		return nil, errInexact(strconv.FormatInt(i, 10))
	}
	return float64(i), nil
}

func errInexact(digits string) error {
	return fmt.Errorf("%s is beyond 2^53 and would lose digits as a number; give it as a string", digits)
}

func finite(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%v is not a number that JSON can carry", f)
	}
	return f, nil
}
