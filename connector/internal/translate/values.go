package translate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// convert converts a value to the type "string", "number" or "bool", or for "" to the type
// that suits the value. As a number, NaN and infinity are nil: JSON has no such numbers.
func convert(v any, as string) (any, error) {
	v = plain(v)
	if as == "number" && isNonFinite(v) {
		return nil, nil //nolint:nilnil // such a value is as good as null
	}
	switch as {
	case "string":
		return asText(v), nil
	case "number":
		return asNumber(v)
	case "bool":
		return asBool(v)
	}
	switch v := v.(type) {
	case bool, string:
		return v, nil
	case json.Number, *big.Rat, int64, uint64, float64:
		if n, err := asNumber(v); err == nil {
			return n, nil
		}
	}
	return asText(v), nil // also for a number that would lose digits
}

// plain converts the many types of a decoded record's values to a few.
func plain(v any) any {
	switch v := v.(type) {
	case nil, bool, json.Number, *big.Rat, time.Time, time.Duration:
		return v
	case string:
		return strings.ToValidUTF8(v, "\uFFFD")
	case []byte:
		return strings.ToValidUTF8(string(v), "\uFFFD")
	case big.Rat:
		return &v
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return r.Uint()
	case reflect.Float32: // keeps the digits: 0.1, and not 0.10000000149011612
		f, _ := strconv.ParseFloat(strconv.FormatFloat(r.Float(), 'g', -1, 32), 64)
		return f
	case reflect.Float64:
		return r.Float()
	case reflect.Bool:
		return r.Bool()
	case reflect.String:
		return strings.ToValidUTF8(r.String(), "\uFFFD")
	case reflect.Pointer:
		if !r.IsNil() {
			return plain(r.Elem().Interface())
		}
	}
	return v
}

func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case *big.Rat:
		return decimal(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case time.Duration: // a time of day
		return time.Time{}.Add(v).Format("15:04:05.999999999")
	case float64:
		if math.IsInf(v, 0) {
			return strings.TrimSuffix(strings.TrimPrefix(strconv.FormatFloat(v, 'f', -1, 64), "+"), "Inf") + "Infinity"
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool, int64, uint64:
		return fmt.Sprint(v)
	}
	return string(readableJSON(v))
}

// isNonFinite reports whether the value is NaN or infinity, which a processor may have
// converted to text.
func isNonFinite(v any) bool {
	f, isNumber := v.(float64)
	if s, ok := v.(string); ok && !strings.ContainsAny(s, "0123456789") {
		var err error
		f, err = strconv.ParseFloat(strings.TrimSpace(s), 64)
		isNumber = err == nil
	}
	return isNumber && (math.IsNaN(f) || math.IsInf(f, 0))
}

// maxExact is the largest integer that a JSON number keeps exactly.
const maxExact = 1 << 53

func asNumber(v any) (float64, error) {
	var f float64
	var err error
	switch v := v.(type) {
	case float64:
		f = v
	case int64:
		if v > maxExact || v < -maxExact {
			return 0, errDigits
		}
		f = float64(v)
	case uint64:
		if v > maxExact {
			return 0, errDigits
		}
		f = float64(v)
	case *big.Rat:
		f, _ = v.Float64()
	case time.Time:
		f = float64(v.Unix())
	case time.Duration:
		f = v.Seconds()
	case json.Number:
		if i, err := v.Int64(); err == nil {
			return asNumber(i)
		}
		f, err = v.Float64()
	case string:
		s := strings.TrimSpace(v)
		if at, ok := timeIn(s); ok {
			return asNumber(at)
		}
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return asNumber(i)
		}
		if r, ok := new(big.Rat).SetString(s); ok && strings.Contains(s, "/") {
			return asNumber(r) // the processor field.convert writes decimals so
		}
		f, err = strconv.ParseFloat(s, 64)
	default:
		err = errors.ErrUnsupported
	}
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, errNoNumber
	}
	return f, nil
}

// timeLayouts are the forms of times in text: those of JSON, dates, PostgreSQL and Go.
var timeLayouts = []string{
	time.RFC3339Nano,
	time.DateOnly,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999Z07",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04:05.999999999 -0700 MST",
	"2006-01-02 15:04:05.999999999 -0700 -0700",
}

// timeIn parses a time in text. A time without a zone is in UTC.
func timeIn(s string) (time.Time, bool) {
	if len(s) < len(time.DateOnly) || s[4] != '-' || s[7] != '-' {
		return time.Time{}, false
	}
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, s); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

var errNoNumber = errors.New("the value is neither a number nor a time; leave the type out, or use \" as string\"")

// errDigits does not contain the value, because the log has no content of records.
var errDigits = errors.New("an integer beyond 2^53 would lose digits as a number; use \" as string\"")

func asBool(v any) (bool, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		if b, err := strconv.ParseBool(strings.TrimSpace(v)); err == nil {
			return b, nil
		}
	default:
		if n, err := asNumber(v); err == nil && (n == 0 || n == 1) {
			return n == 1, nil
		}
	}
	return false, errors.New("the value is not a bool; leave the type out, or use \" as string\"")
}
