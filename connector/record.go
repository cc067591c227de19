package openaivs

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

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

	key, before, after *object
	created            bool // the row is new
	overwrote          bool // known once it is written: there was another document
	whole              bool // the row before is the whole row
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
	maxSize         int                  // of key and payload, in bytes

	decodeKey, decodePayload bool

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
		maxSize:         maxRecordSize,
		decodeKey:       *cfg.KeyEnabled,
		decodePayload:   *cfg.PayloadEnabled,
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
	var err error
	if rec.Key, err = t.decoded(ctx, rec.Key, rec.Metadata, ofKey, t.decodeKey); err != nil {
		return s, err
	}
	key, err := keyText(rec.Key)
	if err != nil {
		return s, err
	}
	doc := &s.change.Document
	doc.Key = t.documentKey(collection, key)
	if err := t.decodePayloads(ctx, &rec); err != nil {
		return s, err
	}
	s.key, s.before, s.after = &object{data: rec.Key}, &object{data: rec.Payload.Before}, &object{data: rec.Payload.After}
	s.created = rec.Operation == opencdc.OperationCreate
	s.whole = t.holdsContent(s.before)

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
	doc.Attributes, err = attributesOf(t.attributes, collection, rec.Metadata, key, s.key, s.after, t.warn)
	if err != nil {
		return s, err
	}
	content, unchanged, err := t.content(rec, &s)
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

// decodePayloads decodes the payload before and after.
func (t *translator) decodePayloads(ctx context.Context, rec *opencdc.Record) error {
	p := &rec.Payload
	var err error
	if t.decodePayload && p.Before != nil {
		if p.Before, err = t.decoded(ctx, p.Before, rec.Metadata, ofPayload, true); err != nil {
			return fmt.Errorf("before the change, %w", err)
		}
	}
	if rec.Operation != opencdc.OperationDelete {
		p.After, err = t.decoded(ctx, p.After, rec.Metadata, ofPayload, t.decodePayload)
	}
	return err
}

// content returns the document, or that it has not changed.
func (t *translator) content(rec opencdc.Record, s *step) (content []byte, unchanged bool, err error) {
	switch {
	case t.serializer != nil:
		content, err = t.serializer.Serialize(rec)
		if err != nil {
			return nil, false, fmt.Errorf("sdk.record.format cannot be applied to this record: %w", err)
		}
	case t.contentField != "":
		v, ok, err := s.after.field(t.contentField)
		if err != nil {
			return nil, false, fmt.Errorf("content_field is %q, but the payload has no fields: %w", t.contentField, err)
		}
		if !ok && rec.Operation != opencdc.OperationUpdate {
			return nil, false, fmt.Errorf("the content is empty: the field %q (content_field) is null or missing; give the row content, or leave it out with a filter", t.contentField)
		}
		if !ok {
			// A large text that has not changed is null here, and in the row before when
			// the source sends that whole.
			if v, ok, err = s.before.field(t.contentField); err != nil {
				ok = false // the row before may be anything
			}
		}
		if !ok && s.oldKey != "" {
			// There is no document under the new key whose content could stay.
			return nil, false, fmt.Errorf("the key has changed and the field %q (content_field) is not in the record, so that there is no content for the new key; with PostgreSQL, set REPLICA IDENTITY FULL on the table", t.contentField)
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
	if len(content) > t.maxSize {
		return nil, false, errTooLarge(len(content), t.maxSize)
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

// shorten keeps what an error quotes readable.
func shorten(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
