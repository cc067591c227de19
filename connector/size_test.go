package openaivs_test

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"
	"testing"

	"github.com/conduitio/conduit-commons/config"
	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector/server"
	"github.com/conduitio/conduit-connector-sdk/schema"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// encodedRows returns rows with schemas, as the PostgreSQL source sends them. The caller gives
// the text of the row in the middle.
func encodedRows(t *testing.T, n int, text string) []opencdc.Record {
	t.Helper()
	is := is.New(t)
	key, err := schema.Create(t.Context(), schema.TypeAvro, "rows.key", []byte(`{"type":"record","name":"record","fields":[{"name":"id","type":"int"}]}`))
	is.NoErr(err)
	payload, err := schema.Create(t.Context(), schema.TypeAvro, "rows.payload", []byte(`{"type":"record","name":"record","fields":[{"name":"id","type":"int"},{"name":"body","type":"string"}]}`))
	is.NoErr(err)
	recs := make([]opencdc.Record, n)
	for i := range recs {
		row := map[string]any{"id": i, "body": "text " + strconv.Itoa(i)}
		if i == n/2 {
			row["body"] = text
		}
		k, err := key.Marshal(map[string]any{"id": i})
		is.NoErr(err)
		after, err := payload.Marshal(row)
		is.NoErr(err)
		recs[i] = opencdc.Record{
			Position: opencdc.Position(strconv.Itoa(i)), Operation: opencdc.OperationCreate, Metadata: opencdc.Metadata{},
			Key: opencdc.RawData(k), Payload: opencdc.Change{After: opencdc.RawData(after)},
		}
		schema.AttachKeySchemaToRecord(recs[i], key)
		schema.AttachPayloadSchemaToRecord(recs[i], payload)
	}
	return recs
}

func TestOneLargeOrBrokenRecordLeavesItsNeighboursTogether(t *testing.T) {
	const n = 200
	for _, tt := range []struct {
		name   string
		max    int // Conduit's limit in bytes
		size   int // of the text in the middle
		spoil  func(*opencdc.Record)
		refuse string // part of the error; "": it is written
	}{
		{"a text above 1 MiB", server.DefaultMaxReceiveRecordSize, 3 << 19, nil, ""},
		{"a record above 4 MiB", server.DefaultMaxReceiveRecordSize, 5 << 20, nil, ""},
		{"a record above the size that Conduit allows", 1 << 20, 2 << 20, nil, "connectors.max-receive-record-size"},
		{
			"a row that its schema cannot decode", server.DefaultMaxReceiveRecordSize, 1,
			func(r *opencdc.Record) { r.Payload.After = opencdc.RawData("\x02\x07") }, "cannot be decoded",
		},
		{
			"a row that announces a list longer than any", server.DefaultMaxReceiveRecordSize, 1,
			func(r *opencdc.Record) {
				list, err := schema.Create(context.Background(), schema.TypeAvro, "lists.payload", []byte(`{"type":"record","name":"record","fields":[{"name":"tags","type":{"type":"array","items":"string"}}]}`))
				if err == nil {
					schema.AttachPayloadSchemaToRecord(*r, list)
				}
				r.Payload.After = opencdc.RawData(binary.AppendVarint(nil, 1<<40))
			}, "cannot be decoded",
		},
		{
			"a row whose schema is unknown", server.DefaultMaxReceiveRecordSize, 1,
			func(r *opencdc.Record) { r.Metadata[opencdc.MetadataPayloadSchemaVersion] = "99" }, "is not available",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			e := emulate(t, openaitest.Config{})
			p := newProgramOf(t, tt.max)
			cfg := e.settings()
			for k, v := range (config.Config{"content_field": "body", "sdk.schema.extract.key.enabled": "true", "sdk.schema.extract.payload.enabled": "true"}) {
				cfg[k] = v
			}
			p.Begin(cfg)
			recs := encodedRows(t, n, strings.Repeat("x", tt.size))
			if tt.spoil != nil {
				tt.spoil(&recs[n/2])
			}
			go p.Send(recs...)
			for i, a := range p.Acks(n) {
				is.Equal(a.Position, recs[i].Position)
				if i != n/2 || tt.refuse == "" {
					is.Equal(a.Error, "")
					continue
				}
				is.True(strings.Contains(a.Error, tt.refuse))
				is.True(strings.Contains(a.Error, `{\"id\":100}`)) // the key
			}
			p.Finish(recs[n-1].Position)
			want := n
			if tt.refuse != "" {
				want--
			}
			is.Equal(len(e.documents()), want)
			is.True(e.Counts()["POST /vector_stores/{vector_store_id}/file_batches"] < 20) // they were written together
		})
	}
}
