package translate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/conduitio/conduit-commons/opencdc"
)

// CollectionAttribute names the owner of a document: the record's collection or Config.Owner.
const CollectionAttribute = "collection"

const (
	maxAttributeName = 64
	// MaxAttributeValue is the limit in OpenAI's retrieval guide, in characters. The API
	// reference says 512. A longer value is cut, because a filter can still use it.
	MaxAttributeValue = 256
)

// attribute is one configured attribute of every document.
type attribute struct {
	name  string
	from  string // metadata, key, payload or constant
	field string // the field or the constant; "" with key: the whole key
	as    string // string, number or bool; "": the value's own type
}

const attributeSyntax = "give metadata:FIELD, key, key:FIELD, payload:FIELD or constant:VALUE, followed by \" as string\", \" as number\" or \" as bool\" for a value of that type"

// CheckAttributes returns the errors in the attributes.NAME settings. most is the number of
// attributes of a document, including the collection.
func CheckAttributes(settings map[string]string, most int) error {
	_, err := parseAttributes(settings, most)
	return err
}

func parseAttributes(settings map[string]string, most int) ([]attribute, error) {
	var attrs []attribute
	var errs []error
	// Sorted, so that the messages of each run are equal.
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		a, err := parseAttribute(name, settings[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("attributes.%s: %w", name, err))
		}
		attrs = append(attrs, a)
	}
	if room := most - 1; len(attrs) > room {
		errs = append(errs, fmt.Errorf("attributes.*: %d of them are too many; %d are allowed besides %q", len(attrs), room, CollectionAttribute))
	}
	return attrs, errors.Join(errs...)
}

// parseAttribute reads one attributes.NAME setting. It repeats the client's rules about names, so
// that an unfit name is an error of this setting, and not of each record.
func parseAttribute(name, value string) (attribute, error) {
	a := attribute{name: name}
	source := value
	if i := strings.LastIndex(value, " as "); i >= 0 {
		source, a.as = strings.TrimSpace(value[:i]), strings.TrimSpace(value[i+len(" as "):])
	}
	from, field, given := strings.Cut(source, ":")
	a.from, a.field = strings.TrimSpace(from), field
	if a.from != "constant" {
		a.field = strings.TrimSpace(field)
	}
	switch {
	case name == "":
		return a, errors.New("the name is empty; give attributes.NAME")
	case name == CollectionAttribute:
		return a, fmt.Errorf("%q is not allowed; the attribute %q is always set to the record's collection, choose another name", value, name)
	case strings.HasPrefix(name, "vs_"):
		return a, fmt.Errorf("%q is not allowed; names that begin with vs_ are reserved, choose another name", value)
	case utf8.RuneCountInString(name) > maxAttributeName:
		return a, fmt.Errorf("%q is not allowed; a name has at most %d characters", value, maxAttributeName)
	case a.as != "" && a.as != "string" && a.as != "number" && a.as != "bool":
		return a, fmt.Errorf("%q is not allowed; %s", value, attributeSyntax)
	case a.from == "key" && !given:
	case (a.from == "metadata" || a.from == "payload" || a.from == "key") && a.field != "":
	case a.from == "constant" && given:
		v, err := convert(field, a.as)
		if err == nil && v == nil {
			err = errNoNumber
		}
		if err != nil {
			return a, fmt.Errorf("%q is not allowed; %w", value, err)
		}
	default:
		return a, fmt.Errorf("%q is not allowed; %s", value, attributeSyntax)
	}
	return a, nil
}

// truncatedError is the warning that a value was cut.
type truncatedError struct{ name string }

func (e truncatedError) Error() string {
	return fmt.Sprintf("values of the attribute %q are cut to %d characters, OpenAI's limit", e.name, MaxAttributeValue)
}

// addAttributes adds the configured attributes to the step, which has its owner's already. A
// field that is null has no attribute. A field that is missing causes a warning.
func (t *Translator) addAttributes(metadata opencdc.Metadata, key string, s *Step) error {
	for _, a := range t.attributes {
		v, there, err := a.read(metadata, key, s)
		if err != nil {
			return fmt.Errorf("attribute %q: %w", a.name, err)
		}
		if !there {
			t.Warn(missingError(a))
		}
		if v == nil && a.from == "payload" && s.after.lacks(a.field) {
			t.Warn(leftOutError(a))
		}
		if v == nil || v == any(noValue) {
			continue
		}
		if v, err = convert(v, a.as); err != nil {
			return fmt.Errorf("attribute %q: %w", a.name, err)
		}
		if v == nil {
			continue // not a number
		}
		s.Attributes[a.name] = t.cut(a.name, v)
	}
	return nil
}

// ownerOf returns the attributes that name the owner of a document: one, or none without an
// owner.
func (t *Translator) ownerOf(collection string) map[string]any {
	owner := t.Owner
	if owner == "" {
		owner = collection
	}
	if owner == "" {
		return map[string]any{}
	}
	return map[string]any{CollectionAttribute: t.cut(CollectionAttribute, owner)}
}

// missingError is the warning that a record lacks the field of an attribute.
type missingError attribute

// Error returns the same text for each record, so that it is logged once.
func (e missingError) Error() string {
	text := fmt.Sprintf("attributes.%s: a record has no field %q in its %s, and its document no such attribute", e.name, e.field, e.from)
	if e.from == "payload" && strings.HasPrefix(e.field, ".") {
		text += "; a path begins with the name of a field, without .Payload.After"
	}
	return text
}

// leftOutError is the warning that a record lacks the value of an attribute, which has not
// changed.
type leftOutError attribute

func (e leftOutError) Error() string {
	return fmt.Sprintf("attributes.%s: a record holds %s in place of the field %q, and its document has no such attribute now; with PostgreSQL, set REPLICA IDENTITY FULL on the table", e.name, placeholder, e.field)
}

// read returns the attribute's value, nil when it is null, and whether the record
// has the field.
func (a attribute) read(metadata opencdc.Metadata, key string, s *Step) (v any, there bool, err error) {
	switch a.from {
	case "metadata":
		v, there := metadata[a.field]
		if !there {
			return nil, false, nil
		}
		if a.as == "number" && (a.field == opencdc.MetadataCreatedAt || a.field == opencdc.MetadataReadAt) {
			// OpenCDC writes nanoseconds.
			if ns, err := strconv.ParseInt(v, 10, 64); err == nil {
				return time.Unix(0, ns), true, nil
			}
		}
		return v, true, nil
	case "key":
		if a.field == "" {
			return key, true, nil
		}
		if v, there, err = s.key.field(a.field); err != nil {
			err = fmt.Errorf("the key has no fields: %w", err)
		}
		return v, there, err
	case "payload":
		if v, there, err = s.after.field(a.field); err != nil {
			return nil, false, fmt.Errorf("the payload has no fields: %w", err)
		}
		if v == nil && s.unchanged(a.field) {
			v, _, _ = s.before.field(a.field)
		}
		return v, there, nil
	}
	return a.field, true, nil
}

func (t *Translator) cut(name string, v any) any {
	s, ok := v.(string)
	if !ok || utf8.RuneCountInString(s) <= MaxAttributeValue {
		return v
	}
	t.Warn(truncatedError{name})
	return string([]rune(s)[:MaxAttributeValue])
}
