package openaivs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/conduitio/conduit-commons/opencdc"
	sdk "github.com/conduitio/conduit-connector-sdk"
	"github.com/conduitio/conduit-connector-sdk/schema"
	gojson "github.com/goccy/go-json"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// defaultRecordFormat is the SDK's default of sdk.record.format. It would make
// the document out of the whole record; here it stands for "the payload".
const defaultRecordFormat = "opencdc/json"

// step is what one record asks of the store.
type step struct {
	change vsclient.Change
	// oldKey is the key that the document had before this change, when that is
	// another one; its document goes once this one is in the store.
	oldKey string
}

// translator makes steps of records.
type translator struct {
	contentField    string
	collectionInKey bool
	attributes      []attribute
	chunking        vsclient.Chunking
	serializer      sdk.RecordSerializer // nil: the document is the payload
	indexed         []string             // extensions
	warn            func(error)          // of what is not kept as it came

	schema func(ctx context.Context, subject string, version int) (schema.Schema, error)
}

func newTranslator(cfg *Config, warn func(error)) (*translator, error) {
	attrs, err := parseAttributes(cfg.Attributes)
	if err != nil {
		return nil, err
	}
	t := &translator{
		contentField:    cfg.ContentField,
		collectionInKey: cfg.CollectionInKey,
		attributes:      attrs,
		chunking:        vsclient.Chunking{MaxTokens: cfg.ChunkMaxTokens, OverlapTokens: cfg.ChunkOverlapTokens},
		indexed:         vsclient.SupportedExtensions(),
		warn:            warn,
		schema:          schema.Get,
	}
	if !cfg.hasRecordFormat() {
		return t, nil
	}
	// Record.Bytes falls back to JSON without a word when a template fails on a
	// record, so the serializer is called directly.
	for _, s := range cfg.DefaultRecordSerializers() {
		if s.Name() == *cfg.RecordFormat {
			t.serializer, err = s.Configure(cfg.RecordFormatOptions)
			return t, err
		}
	}
	return nil, fmt.Errorf("sdk.record.format: %q is not a format that the SDK knows", *cfg.RecordFormat)
}

// translate says what the record asks for, or what is wrong with it.
func (t *translator) translate(ctx context.Context, rec opencdc.Record) (step, error) {
	s, err := t.step(ctx, rec)
	if err == nil {
		return s, nil
	}
	if s.change.Document.Key != "" {
		return s, fmt.Errorf("key %q: %w", shorten(s.change.Document.Key), err)
	}
	return s, fmt.Errorf("record at position %q: %w", shorten(string(rec.Position)), err)
}

func (t *translator) step(ctx context.Context, rec opencdc.Record) (step, error) {
	var s step
	collection, _ := rec.Metadata.GetCollection()
	if err := t.checkEncoding(ctx, rec); err != nil {
		return s, err
	}
	key, err := keyText(rec.Key)
	if err != nil {
		return s, err
	}
	doc := &s.change.Document
	doc.Key = t.documentKey(collection, key)

	switch rec.Operation {
	case opencdc.OperationCreate, opencdc.OperationSnapshot, opencdc.OperationUpdate:
	case opencdc.OperationDelete:
		s.change.Op = vsclient.OpDelete
		doc.Attributes, err = attributesOf(nil, collection, nil, key, nil, nil, t.warn) // whose document may go
		return s, err
	default:
		return s, fmt.Errorf("the operation %v is unknown; create, snapshot, update and delete are known", rec.Operation)
	}
	if chunked(rec.Metadata) {
		return s, errors.New("the record is one chunk of a bigger file, and would be taken for the whole; have the source send whole files, or leave this one out")
	}

	if rec.Operation == opencdc.OperationUpdate {
		if old := oldKey(rec); old != "" && old != key {
			s.oldKey = t.documentKey(collection, old)
		}
	}
	after := &object{data: rec.Payload.After}
	doc.Attributes, err = attributesOf(t.attributes, collection, rec.Metadata, key, &object{data: rec.Key}, after, t.warn)
	if err != nil {
		return s, err
	}
	content, unchanged, err := t.content(rec, after, s.oldKey != "")
	if err != nil {
		return s, err
	}
	if unchanged {
		s.change.Op = vsclient.OpUpdateAttributes
		return s, nil
	}
	t.warnOfExtension(doc.Key)
	s.change.Op = vsclient.OpPut
	doc.Content = vsclient.Bytes(content)
	doc.Chunking = t.chunking
	return s, nil
}

// documentKey puts the collection before the key when that is asked for. What is
// before the first slash is always the collection, so no two pairs meet.
func (t *translator) documentKey(collection, key string) string {
	if !t.collectionInKey || collection == "" {
		return key
	}
	return strings.NewReplacer("%", "%25", "/", "%2F").Replace(collection) + "/" + key
}

// content returns the document, or that it has not changed.
func (t *translator) content(rec opencdc.Record, after *object, moved bool) (content []byte, unchanged bool, err error) {
	switch {
	case t.serializer != nil:
		content, err = t.serializer.Serialize(rec)
		if err != nil {
			return nil, false, fmt.Errorf("sdk.record.format cannot be applied to this record: %w", err)
		}
	case t.contentField != "":
		v, ok, err := after.field(t.contentField)
		if err != nil {
			return nil, false, fmt.Errorf("content_field is %q, but the payload has no fields: %w", t.contentField, err)
		}
		if !ok && rec.Operation != opencdc.OperationUpdate {
			return nil, false, fmt.Errorf("the content is empty: the field %q (content_field) is null or missing; give the row content, or leave it out with a filter", t.contentField)
		}
		if !ok && moved {
			// Under the new key there is nothing yet that could stay.
			before := &object{data: rec.Payload.Before}
			if v, ok, err = before.field(t.contentField); err != nil || !ok {
				return nil, false, fmt.Errorf("the key has changed and the field %q (content_field) is not in the record, so that there is no content for the new key; with PostgreSQL, set REPLICA IDENTITY FULL on the table", t.contentField)
			}
		}
		if !ok {
			return nil, true, nil
		}
		content, err = contentOf(v)
		if err != nil {
			return nil, false, fmt.Errorf("the field %q (content_field): %w", t.contentField, err)
		}
	default:
		content, err = dataBytes(rec.Payload.After)
		if err != nil {
			return nil, false, fmt.Errorf("the payload: %w", err)
		}
	}
	if len(content) == 0 {
		return nil, false, errors.New("the content is empty, which OpenAI refuses; delete the record in the source, or leave it out with a filter")
	}
	return content, false, nil
}

// contentOf makes a document of the value of a field.
func contentOf(v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return []byte(v), nil
	case []byte:
		return v, nil
	}
	b, err := gojson.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("it cannot be written as JSON: %w", err)
	}
	return b, nil
}

// warnOfExtension tells of keys that look like names of files that OpenAI does
// not index; their files get another extension behind that one.
func (t *translator) warnOfExtension(key string) {
	ext := path.Ext(key)
	if len(ext) < 2 || len(ext) > 6 || slices.Contains(t.indexed, ext) {
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
		t.warn(fmt.Errorf("OpenAI does not index files with the extension %q; text in them is stored with an extension that it does (see file_extension), anything else is refused", ext))
	}
}

// keyText is the key as the bytes of Record.Key.
func keyText(data opencdc.Data) (string, error) {
	if fields, ok := data.(opencdc.StructuredData); ok {
		for name, v := range fields {
			// Between Conduit and its plugins, numbers of structured data are float64
			// unless a schema is attached, and two rows would become one document.
			if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) >= maxExact {
				return "", fmt.Errorf("the field %q of the key is an integer beyond 2^53 that has lost digits on its way; have the source attach a schema to keys, or send the key as text", name)
			}
		}
	}
	b, err := dataBytes(data)
	if err != nil {
		return "", fmt.Errorf("the key: %w", err)
	}
	if len(b) == 0 {
		return "", errors.New("the record has no key, so that its document cannot be found again; give it one in the source, or with the processor field.set on .Key")
	}
	return string(b), nil
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

// oldKey is the key that the row of an update had before, "" when the record does
// not tell.
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
	// A raw key is its bytes as they are. Only where this key is written as its
	// fields are written here can it be told how the source has written the old one.
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
		// A time, say, is one text in a source's JSON and may be another in ours: what
		// looks like another key may be the same.
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

// kindOf is the kind of a value that JSON has one way to write, "" for any other.
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

// checkEncoding refuses a key or payload that is still encoded: its bytes would
// make a name that nobody can read and a document that nobody can find.
func (t *translator) checkEncoding(ctx context.Context, rec opencdc.Record) error {
	if subject, err := rec.Metadata.GetKeySchemaSubject(); err == nil && isRaw(rec.Key) {
		version, _ := rec.Metadata.GetKeySchemaVersion()
		if t.encoded(ctx, subject, version, rec.Key) {
			return fmt.Errorf("the key is still encoded with the schema %q; set sdk.schema.extract.key.enabled to true", subject)
		}
	}
	if subject, err := rec.Metadata.GetPayloadSchemaSubject(); err == nil && rec.Operation != opencdc.OperationDelete && isRaw(rec.Payload.After) {
		version, _ := rec.Metadata.GetPayloadSchemaVersion()
		if t.encoded(ctx, subject, version, rec.Payload.After) {
			return fmt.Errorf("the payload is still encoded with the schema %q; set sdk.schema.extract.payload.enabled to true", subject)
		}
	}
	return nil
}

// encoded reports whether the data is what the schema makes of some record. The
// metadata alone does not tell: a processor that puts text in place of a row leaves
// the name of the row's schema there. When the schema cannot be had, the metadata
// is believed.
func (t *translator) encoded(ctx context.Context, subject string, version int, data opencdc.Data) bool {
	sch, err := t.schema(ctx, subject, version)
	if err != nil {
		return true
	}
	var fields opencdc.StructuredData
	if err := sch.Unmarshal(data.Bytes(), &fields); err != nil {
		return false
	}
	// A text may begin like an encoded record; it does not end like one.
	again, err := sch.Marshal(fields)
	return err != nil || len(again) == len(data.Bytes())
}

func isRaw(data opencdc.Data) bool {
	raw, ok := data.(opencdc.RawData)
	return ok && len(raw) > 0
}

// chunked reports whether the record is a part of a file: as OpenCDC marks it, or
// as the SFTP source does.
func chunked(metadata opencdc.Metadata) bool {
	for _, name := range []string{opencdc.MetadataFileChunked, "is_chunked"} {
		if v := metadata[name]; v != "" && v != "false" {
			return true
		}
	}
	return false
}

// shorten keeps what an error quotes readable.
func shorten(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
