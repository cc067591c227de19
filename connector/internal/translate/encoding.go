package translate

import (
	"context"
	"fmt"

	"github.com/conduitio/conduit-commons/opencdc"
)

// extraction describes a part of a record that may be encoded with a schema.
type extraction struct {
	part, setting string
	subject       func(opencdc.Metadata) (string, error)
	version       func(opencdc.Metadata) (int, error)
}

var (
	ofKey = extraction{
		"key", "sdk.schema.extract.key.enabled",
		opencdc.Metadata.GetKeySchemaSubject, opencdc.Metadata.GetKeySchemaVersion,
	}
	ofPayload = extraction{
		"payload", "sdk.schema.extract.payload.enabled",
		opencdc.Metadata.GetPayloadSchemaSubject, opencdc.Metadata.GetPayloadSchemaVersion,
	}
)

// decoded returns the fields of data when the metadata names the schema of its encoding. The
// SDK could decode, too, but it refuses a whole write for one record that cannot be decoded,
// and does not name the record.
//
// When enabled is false, decoded returns data unchanged, and refuses encoded data: its bytes
// would make an unreadable name and a document that no search finds.
func (t *Translator) decoded(ctx context.Context, data opencdc.Data, metadata opencdc.Metadata, e extraction, enabled bool) (opencdc.Data, error) {
	subject, _ := e.subject(metadata)
	if subject == "" || !isRaw(data) {
		return data, nil
	}
	version, _ := e.version(metadata)
	if !enabled {
		if t.encoded(ctx, subject, version, data) {
			return nil, fmt.Errorf("the %s is still encoded with the schema %q; set %s to true", e.part, subject, e.setting)
		}
		return data, nil
	}
	if n := len(data.Bytes()); n > t.MaxBytes {
		return nil, errTooLarge(n, t.MaxBytes)
	}
	sch, err := t.Schema(ctx, subject, version)
	if err != nil {
		return nil, fmt.Errorf("version %d of the schema %q, which the %s is encoded with, is not available from Conduit: %w", version, subject, e.part, err)
	}
	var fields opencdc.StructuredData
	if err := sch.Unmarshal(data.Bytes(), &fields); err != nil {
		return nil, fmt.Errorf("the %s cannot be decoded with version %d of the schema %q; set %s to false if a processor has put text in its place: %w", e.part, version, subject, e.setting, err)
	}
	return fields, nil
}

func errTooLarge(n, most int) error {
	return fmt.Errorf("the record has %d bytes, and at most %d are allowed; start Conduit with --connectors.max-receive-record-size to allow more, or leave the record out with a filter (package vsclient writes documents of up to 512 MB)", n, most)
}

// encoded reports whether the data is encoded with the schema. The metadata alone does not
// show it: a processor that replaces a row by text leaves the name of the row's schema there.
// When the schema is not available, encoded trusts the metadata.
func (t *Translator) encoded(ctx context.Context, subject string, version int, data opencdc.Data) bool {
	sch, err := t.Schema(ctx, subject, version)
	if err != nil {
		return true
	}
	var fields opencdc.StructuredData
	if err := sch.Unmarshal(data.Bytes(), &fields); err != nil {
		return false
	}
	// A text may begin like an encoded record. Then it is longer than that record.
	again, err := sch.Marshal(fields)
	return err != nil || len(again) == len(data.Bytes())
}

func isRaw(data opencdc.Data) bool {
	raw, ok := data.(opencdc.RawData)
	return ok && len(raw) > 0
}

// chunked reports whether the record is a part of a file, by the mark of OpenCDC or of the
// SFTP source.
func chunked(metadata opencdc.Metadata) bool {
	for _, name := range []string{opencdc.MetadataFileChunked, "is_chunked"} {
		if v := metadata[name]; v != "" && v != "false" {
			return true
		}
	}
	return false
}
