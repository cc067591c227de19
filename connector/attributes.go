package openaivs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/conduitio/conduit-commons/opencdc"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// collectionAttribute is set on each document whose record has a collection.
const collectionAttribute = "collection"

const (
	maxAttributeName = 64
	// maxAttributeValue is what OpenAI's retrieval guide allows; the API reference
	// says 512. Longer values are cut, which suits a filter more than a failure.
	maxAttributeValue = 256
)

// attribute is one configured attribute of every document.
type attribute struct {
	name  string
	from  string // metadata, key, payload or constant
	field string // or the constant itself; "" with key: the whole key
	as    string // string, number, bool or, for what the value is by itself, ""
}

const attributeSyntax = "give metadata:FIELD, key, key:FIELD, payload:FIELD or constant:VALUE, with \" as string\", \" as number\" or \" as bool\" behind it if it is to be of that type"

// parseAttributes reads the attributes.NAME settings.
func parseAttributes(settings map[string]string) ([]attribute, error) {
	var attrs []attribute
	var errs []error
	// In order, so that messages do not change from run to run.
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		a, err := parseAttribute(name, settings[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("attributes.%s: %w", name, err))
		}
		attrs = append(attrs, a)
	}
	if room := vsclient.MaxAttributes - 1; len(attrs) > room {
		errs = append(errs, fmt.Errorf("attributes.*: %d of them are too many; %d are allowed besides %q", len(attrs), room, collectionAttribute))
	}
	return attrs, errors.Join(errs...)
}

func parseAttribute(name, value string) (attribute, error) {
	a := attribute{name: name}
	source := value
	if i := strings.LastIndex(value, " as "); i >= 0 {
		source, a.as = strings.TrimSpace(value[:i]), strings.TrimSpace(value[i+len(" as "):])
	}
	from, field, given := strings.Cut(source, ":")
	a.from, a.field = from, field
	switch {
	case name == collectionAttribute:
		return a, fmt.Errorf("%q is not allowed; the attribute %q is always set to the record's collection, choose another name", value, name)
	case strings.HasPrefix(name, "vs_"):
		return a, fmt.Errorf("%q is not allowed; names that begin with vs_ are reserved, choose another name", value)
	case utf8.RuneCountInString(name) > maxAttributeName:
		return a, fmt.Errorf("%q is not allowed; a name has at most %d characters", value, maxAttributeName)
	case a.as != "" && a.as != "string" && a.as != "number" && a.as != "bool":
		return a, fmt.Errorf("%q is not allowed; %s", value, attributeSyntax)
	case source == "key":
	case (from == "metadata" || from == "payload" || from == "key") && field != "":
	case from == "constant" && given:
		if _, err := convert(field, a.as); err != nil {
			return a, fmt.Errorf("%q is not allowed; %w", value, err)
		}
	default:
		return a, fmt.Errorf("%q is not allowed; %s", value, attributeSyntax)
	}
	return a, nil
}

// truncatedError says that a value was cut; it is a warning.
type truncatedError struct{ name string }

func (e truncatedError) Error() string {
	return fmt.Sprintf("values of the attribute %q are cut to %d characters, the most that OpenAI takes", e.name, maxAttributeValue)
}

// attributesOf makes the attributes of a record's document. What is null or
// missing has no attribute. warn is told of values that are not kept whole.
func attributesOf(attrs []attribute, collection string, metadata opencdc.Metadata, key string, keyFields, payload *object, warn func(error)) (vsclient.Attributes, error) {
	out := make(vsclient.Attributes, len(attrs)+1)
	for _, a := range attrs {
		v, ok, err := a.read(metadata, key, keyFields, payload)
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", a.name, err)
		}
		if !ok {
			continue
		}
		if v, err = convert(v, a.as); err != nil {
			return nil, fmt.Errorf("attribute %q: %w", a.name, err)
		}
		out[a.name] = cut(a.name, v, warn)
	}
	if collection != "" {
		out[collectionAttribute] = cut(collectionAttribute, collection, warn)
	}
	return out, nil
}

func (a attribute) read(metadata opencdc.Metadata, key string, keyFields, payload *object) (any, bool, error) {
	switch a.from {
	case "metadata":
		v, ok := metadata[a.field]
		return v, ok, nil
	case "key":
		if a.field == "" {
			return key, true, nil
		}
		v, ok, err := keyFields.field(a.field)
		if err != nil {
			return nil, false, fmt.Errorf("the key has no fields: %w", err)
		}
		return v, ok, nil
	case "payload":
		v, ok, err := payload.field(a.field)
		if err != nil {
			return nil, false, fmt.Errorf("the payload has no fields: %w", err)
		}
		return v, ok, nil
	}
	return a.field, true, nil
}

func cut(name string, v any, warn func(error)) any {
	s, ok := v.(string)
	if !ok || utf8.RuneCountInString(s) <= maxAttributeValue {
		return v
	}
	warn(truncatedError{name})
	return string([]rune(s)[:maxAttributeValue])
}
