// Package translate translates Conduit's records to changes of documents. It knows neither
// the store nor Conduit's services.
package translate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"runtime"
	"slices"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-commons/schema"
)

// Config is the settings of a Translator.
type Config struct {
	ContentField    string            // the field that is the document; "": the whole payload
	KeepEmpty       bool              // refuse a record without content; false: remove its document
	CollectionInKey bool              // keys begin with the collection
	Owner           string            // of the documents; "": the record's collection
	Attributes      map[string]string // the attributes.NAME settings
	MaxAttributes   int               // most attributes of a document, including the collection
	Extensions      []string          // the extensions that OpenAI indexes, with their dots
	Format          Format            // makes the document from the record; nil: ContentField does
	DecodeKey       bool              // decode keys with the schema that the metadata names
	DecodePayload   bool              // decode payloads likewise
	MaxBytes        int               // most bytes of a payload

	// Schema returns a schema of Conduit.
	Schema func(ctx context.Context, subject string, version int) (schema.Schema, error)
	// Warn is called for each value that is altered or left out, with each record.
	Warn func(error)
}

// Format makes a document from a whole record.
type Format interface {
	Serialize(opencdc.Record) ([]byte, error)
}

// Op is the effect of a step on the document of its key.
type Op int

// Update keeps the content.
const (
	Put Op = iota + 1
	Update
	Delete
)

// Step is the change of one record.
type Step struct {
	Op         Op
	Key        string
	Content    []byte
	Attributes map[string]any
	// OldKey is the key that the row had before; "" when the key is unchanged. Its document
	// is removed once the document of Key is in the store.
	OldKey string
	// Missing is the error of a record that gives a row another key and lacks the row's
	// text. It applies only when there is a document under OldKey.
	Missing error

	Created   bool // the row is new to the source
	Changed   bool // the row has changed
	Gone      bool // the source has deleted the row
	Tombstone bool // the record has a key and nothing else

	key, before, after *object
	whole              bool // the row before is certainly the whole row
	rowless            bool // the source does not send rows before the change, as far as is known
	noText             bool // the row before has no text in ContentField
}

// Translator translates records. It is not safe for concurrent use.
type Translator struct {
	Config
	attributes []attribute
	collection string          // of the first record
	rowless    map[string]bool // the collections whose last update had no row before
}

// New returns a translator, or the errors in the settings of the attributes.
func New(cfg Config) (*Translator, error) {
	attrs, err := parseAttributes(cfg.Attributes, cfg.MaxAttributes)
	if err != nil {
		return nil, err
	}
	return &Translator{Config: cfg, attributes: attrs, rowless: make(map[string]bool)}, nil
}

// Error is the error of a record that cannot be translated. Err does not contain the key.
type Error struct {
	Key string // of the document; "" when it is not known
	At  string // the position of the record
	Err error
}

func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("record at position %q: %v", shorten(e.At), e.Err)
	}
	return fmt.Sprintf("key %q: %v", shorten(e.Key), e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Translate returns the step of a record. Its error is an *Error. A library that panics on a
// value of the record would end the plugin, with all records in flight: Translate refuses that
// record alone.
func (t *Translator) Translate(ctx context.Context, rec opencdc.Record) (s Step, err error) {
	s = Step{Created: rec.Operation == opencdc.OperationCreate, Changed: rec.Operation == opencdc.OperationUpdate}
	defer func() {
		if p := recover(); p != nil {
			err = &Error{Key: s.Key, At: string(rec.Position), Err: fmt.Errorf("the record has a value that a library cannot read or write (%s); correct it with a processor, or leave the record out with a filter", causeOf(p))}
		}
	}()
	if err := t.translate(ctx, rec, &s); err != nil {
		return s, &Error{Key: s.Key, At: string(rec.Position), Err: err}
	}
	return s, nil
}

// causeOf describes a panic without the value that caused it.
func causeOf(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", p)
}

func (t *Translator) translate(ctx context.Context, rec opencdc.Record, s *Step) error {
	var err error
	if rec.Key, err = t.decoded(ctx, rec.Key, rec.Metadata, ofKey, t.DecodeKey); err != nil {
		return err
	}
	key, err := keyText(rec.Key)
	if err != nil {
		return err
	}
	collection, _ := rec.Metadata.GetCollection()
	s.Key, s.Attributes = t.documentKey(collection, key), t.ownerOf(collection)
	t.warnOfSharing(collection)
	if err := t.decodePayloads(ctx, &rec); err != nil {
		return err
	}
	s.key, s.before, s.after = &object{data: rec.Key}, &object{data: rec.Payload.Before}, &object{data: rec.Payload.After}
	if t.ContentField != "" {
		text, _, _ := s.before.field(t.ContentField)
		s.whole, s.noText = text != nil, text == nil || len(contentOf(text)) == 0
	}
	t.learn(collection, s)

	switch rec.Operation {
	case opencdc.OperationCreate, opencdc.OperationSnapshot, opencdc.OperationUpdate:
	case opencdc.OperationDelete:
		s.Op, s.Gone = Delete, true
		return s.checkDeletion()
	default:
		return fmt.Errorf("the operation %v is unknown; create, snapshot, update and delete are known", rec.Operation)
	}
	if chunked(rec.Metadata) {
		return errors.New("the record is one chunk of a bigger file, and would be stored as the whole file; let the source send whole files, or leave this one out")
	}
	if s.Changed {
		if old := t.oldKey(rec); old != "" && old != key {
			s.OldKey = t.documentKey(collection, old)
		}
	}

	content, unchanged, err := t.content(rec, s)
	switch {
	case err != nil:
		return err
	case unchanged:
		s.Op = Update
	case len(content) > 0:
		s.Op, s.Content = Put, content
		t.warnOfExtension(s.Key)
	case t.KeepEmpty:
		return errors.New("the content is empty, which OpenAI refuses, and empty_content is \"refuse\"; delete the record in the source, or leave it out with a filter")
	default:
		s.Op = Delete
		s.Tombstone = isEmpty(rec.Payload.After) && isEmpty(rec.Payload.Before)
		return nil
	}
	return t.addAttributes(rec.Metadata, key, s)
}

// decodePayloads decodes the payload before and after.
func (t *Translator) decodePayloads(ctx context.Context, rec *opencdc.Record) error {
	p := &rec.Payload
	var err error
	if t.DecodePayload {
		if p.Before, err = t.decoded(ctx, p.Before, rec.Metadata, ofPayload, true); err != nil {
			return fmt.Errorf("before the change, %w", err)
		}
	}
	if rec.Operation != opencdc.OperationDelete {
		p.After, err = t.decoded(ctx, p.After, rec.Metadata, ofPayload, t.DecodePayload)
	}
	return err
}

// content returns the content of the document, or reports that it has not changed.
func (t *Translator) content(rec opencdc.Record, s *Step) (content []byte, unchanged bool, err error) {
	switch {
	case isEmpty(rec.Payload.After):
	case t.Format != nil:
		content, err = t.formatted(rec, s)
	case t.ContentField != "":
		content, unchanged, err = t.field(s)
	default:
		content, err = t.wholePayload(rec.Payload.After, s)
	}
	if err == nil && len(content) > t.MaxBytes {
		err = errTooLarge(len(content), t.MaxBytes)
	}
	if err == nil {
		err = t.checkNoValue(content)
	}
	return content, unchanged, err
}

// field returns the content in ContentField, or reports that it has not changed.
func (t *Translator) field(s *Step) (content []byte, unchanged bool, err error) {
	v, there, err := s.after.field(t.ContentField)
	if err != nil {
		return nil, false, fmt.Errorf("content_field is %q, but the payload has no fields: %w", t.ContentField, err)
	}
	lacks := s.after.lacks(t.ContentField)
	if v == nil && (s.Changed || lacks) && (there || !s.after.hasColumn(t.ContentField)) {
		// A large text that has not changed is null or left out here. The row before has it
		// if the source sends the whole row. Otherwise Debezium may have an empty text there.
		v, _, _ = s.before.field(t.ContentField)
		if lacks && s.noText {
			v = nil
		}
	}
	switch {
	case v != nil:
		return contentOf(v), false, nil
	case !there:
		return nil, false, fmt.Errorf("the payload has no field %q (content_field), it has %s; correct content_field if the column was renamed", t.ContentField, s.after.names())
	case !s.Changed && !lacks:
		return nil, false, nil
	}
	if s.OldKey != "" {
		if s.noText && s.wholeBefore() {
			return nil, false, nil
		}
		// The new key has no document whose content could stay.
		s.Missing = &Error{Key: s.Key, Err: fmt.Errorf("the key has changed, and the record lacks the field %q (content_field), so the document under the old key cannot be moved; with PostgreSQL, set REPLICA IDENTITY FULL on the table; if the text has become null, set it to the empty text", t.ContentField)}
	}
	return nil, true, nil
}

// serialize applies Format. The formats of the SDK panic on some values.
func (t *Translator) serialize(rec opencdc.Record) (content []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it cannot write a value (%s)", causeOf(p))
		}
	}()
	content, err = t.Format.Serialize(rec)
	if err != nil && valueInError.MatchString(err.Error()) {
		err = errors.New(valueInError.ReplaceAllString(err.Error(), "$1"))
	}
	return content, err
}

// valueInError matches the end of a template's error, which may contain a value of the record:
// the log has no content.
var valueInError = regexp.MustCompile(`(?s)(error calling \w+|range can't iterate over).*`)

// noValue is the output of a template for a field that is null. In the JSON of a key it has
// escapes.
const (
	noValue       = "<no value>"
	noValueInJSON = `\u003cno value\u003e`
)

var errWrittenForNull = errors.New("which the template of a processor writes for a field that is null, perhaps a large text that has not changed; set content_field in place of the processor")

// checkNoValue refuses content that a processor has written for a null, which may be a large
// text that has not changed.
func (t *Translator) checkNoValue(content []byte) error {
	switch {
	case string(bytes.TrimSpace(content)) == noValue:
		return fmt.Errorf("the content is %q, %w", noValue, errWrittenForNull)
	case bytes.Contains(content, []byte(noValue)):
		t.Warn(fmt.Errorf("a document contains %q, %w", noValue, errWrittenForNull))
	}
	return nil
}

// formatted returns the content that Format makes.
func (t *Translator) formatted(rec opencdc.Record, s *Step) ([]byte, error) {
	if fields, ok := rec.Payload.After.(opencdc.StructuredData); ok {
		filled := opencdc.StructuredData(s.filled(fields))
		for name, v := range filled {
			// In an update without the row before, null may mean "unchanged".
			if v == nil && (!s.Changed || s.carriesRow()) {
				filled[name] = ""
			}
		}
		rec.Payload.After = filled
	}
	content, err := t.serialize(rec)
	if err != nil {
		// A format for JSON can write no infinite number, and that of Debezium no time.
		rec.Payload.Before, rec.Payload.After = worded(rec.Payload.Before), worded(rec.Payload.After)
		var failed error
		if content, failed = t.serialize(rec); failed != nil {
			return nil, fmt.Errorf("sdk.record.format cannot be applied to this record: %w", err)
		}
	}
	fields, _ := s.after.all()
	if name := leftOut(s.filled(fields)); name != "" && (bytes.Contains(content, []byte(placeholder)) || bytes.Contains(content, []byte(placeholderInBase64))) {
		return nil, errLeftOut(name)
	}
	if bytes.Contains(content, []byte(noValue)) && !bytes.Contains(readableJSON(rec.Payload.After), []byte(noValue)) {
		return nil, fmt.Errorf("the template in sdk.record.format.options writes %q, since a field is null, and perhaps a large text that has not changed; with PostgreSQL, set REPLICA IDENTITY FULL on the table, or write {{ or .Payload.After.FIELD \"\" }}", noValue)
	}
	return content, nil
}

// wholePayload returns the payload as content.
func (t *Translator) wholePayload(after opencdc.Data, s *Step) ([]byte, error) {
	raw, isRaw := after.(opencdc.RawData)
	lacks := bytes.Contains(raw, []byte(placeholder)) || bytes.Contains(raw, []byte(placeholderInBase64))
	if isRaw && !lacks && (!s.Changed || isEmpty(s.before.data)) {
		return raw, nil
	}
	fields, err := s.after.all()
	if err != nil {
		return raw, nil //nolint:nilerr // raw data that is not an object is text
	}
	if isRaw && leftOut(fields) == "" && !slices.ContainsFunc(slices.Collect(maps.Keys(fields)), s.unchanged) {
		return raw, nil
	}
	fields = s.filled(fields)
	if name := leftOut(fields); name != "" {
		return nil, errLeftOut(name)
	}
	if s.Changed && !s.carriesRow() && slices.Contains(slices.Collect(maps.Values(fields)), nil) {
		t.Warn(errPerhapsLeftOut)
	}
	return readableJSON(fields), nil
}

// errPerhapsLeftOut is a warning.
var errPerhapsLeftOut = errors.New("an update has a field that is null, and lacks the row before: if PostgreSQL has left out a large text that has not changed, the document now lacks that text; set REPLICA IDENTITY FULL on the table, or set content_field")

func errLeftOut(name string) error {
	return fmt.Errorf("the field %q is unchanged and not in the record (which has %s), so that the row is not whole; with PostgreSQL, set REPLICA IDENTITY FULL on the table, or set content_field", name, placeholder)
}

// warnOfSharing warns when two collections have one owner.
func (t *Translator) warnOfSharing(collection string) {
	switch {
	case t.Owner == "" || t.CollectionInKey || collection == "":
	case t.collection == "":
		t.collection = collection
	case t.collection != collection:
		t.Warn(fmt.Errorf("records of the collections %q and %q have one owner: where their keys are equal they replace each other's documents; set collection_in_key to true, unless these are two names of one table", t.collection, collection))
	}
}

// warnOfExtension warns of a key that looks like the name of a file that OpenAI does not
// index. Its file gets a second extension.
func (t *Translator) warnOfExtension(key string) {
	ext := path.Ext(key)
	if len(ext) < 2 || len(ext) > 6 || slices.Contains(t.Extensions, ext) {
		return
	}
	letters := 0
	for _, r := range ext[1:] {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			letters++
		case r < '0' || r > '9':
			return
		}
	}
	if letters > 0 {
		t.Warn(fmt.Errorf("OpenAI does not index files with the extension %q; text in them is stored under another extension (see file_extension), anything else is refused", ext))
	}
}

// shorten cuts a quotation in an error to a readable length.
func shorten(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
