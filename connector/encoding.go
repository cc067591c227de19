package openaivs

import (
	"context"
	"fmt"

	"github.com/conduitio/conduit-commons/opencdc"
)

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
