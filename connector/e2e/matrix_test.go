//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// columns are types of PostgreSQL's with a value of each.
type column struct{ name, kind, value string }

var columns = []column{
	{"int", "int", "7"},
	{"bigint", "bigint", "9007199254740993"},
	{"float", "float8", "0.1"},
	{"nan", "float8", "'NaN'"},
	{"numeric", "numeric(10,2)", "19.99"},
	{"bool", "bool", "true"},
	{"text", "text", "'<a> & b'"},
	{"uuid", "uuid", "'0b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60'"},
	{"date", "date", "'2024-03-01'"},
	{"timestamp", "timestamp", "'2024-03-01 12:00:00'"},
	{"timestamptz", "timestamptz", "'2024-03-01 12:00:00.5+00'"},
	{"jsonb", "jsonb", `'{"lang":"en"}'`},
	{"json", "json", `'{"lang":"en"}'`},
	{"bytea", "bytea", `'\xdeadbeef'`},
	{"texts", "text[]", "'{a,b}'"},
	{"interval", "interval", "'1 day'"},
	{"inet", "inet", "'10.0.0.1'"},
}

// columnSettings are ways to have a column sent.
var columnSettings = []struct {
	name    string
	schemas bool
	convert bool
}{
	{"schemas", true, false},
	{"none", false, false},
	{"text", false, true},
}

// TestColumnsArriveAsTheMatrixSays runs one pipeline for each type of column and way
// to send it, and prints what arrives of a snapshot, an insert and a NULL.
func TestColumnsArriveAsTheMatrixSays(t *testing.T) {
	sql := rows(t)
	lines := []string{"| column | with schemas | without | without, field.convert to string |", "|---|---|---|---|"}
	for _, c := range columns {
		cells := arrivals(t, sql, c)
		lines = append(lines, fmt.Sprintf("| %s | %s |", c.name, strings.Join(cells, " | ")))
	}
	t.Log("\n" + strings.Join(lines, "\n"))
}

func arrivals(t *testing.T, sql func(string) string, c column) []string {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	table := func(i int) string { return c.name + "_" + columnSettings[i].name }
	for i, s := range columnSettings {
		sql(fmt.Sprintf(`CREATE TABLE %[1]s (id int PRIMARY KEY, v %[2]s); ALTER TABLE %[1]s REPLICA IDENTITY FULL; INSERT INTO %[1]s VALUES (1, %[3]s)`, table(i), c.kind, c.value))
		is.NoErr(w.engine.Pipeline(table(i), columnPipeline(w, table(i), s.schemas, s.convert)))
	}
	w.start()
	cells := make([]string, len(columnSettings))
	// Each step is awaited in all pipelines at once; one that does not get there has
	// stopped.
	step := func(id int, limit time.Duration, says func(v string) string) {
		deadline := time.Now().Add(limit)
		for i := range cells {
			if strings.Contains(cells[i], "stops") {
				continue
			}
			v, ok := w.value(table(i), id)
			for ; !ok && time.Now().Before(deadline); v, ok = w.value(table(i), id) {
				time.Sleep(50 * time.Millisecond)
			}
			if !ok {
				v = ""
			}
			cells[i] += says(v)
		}
	}
	step(1, 15*time.Second, func(v string) string {
		if v == "" {
			return "stops at once"
		}
		return "`" + v + "`"
	})
	for i := range columnSettings {
		sql(fmt.Sprintf(`INSERT INTO %s VALUES (2, %s)`, table(i), c.value))
	}
	step(2, 8*time.Second, func(v string) string {
		if v == "" {
			return ", stops at an insert"
		}
		return ", `" + v + "`"
	})
	for i := range columnSettings {
		sql(fmt.Sprintf(`INSERT INTO %s VALUES (3, NULL)`, table(i)))
	}
	step(3, 8*time.Second, func(v string) string {
		if v == "" {
			return ", stops at NULL"
		}
		return ", " + v
	})
	w.engine.Kill() //nolint:errcheck // some of its pipelines do not end by themselves
	return cells
}

// value returns the column v of a document that is a whole row.
func (w *world) value(table string, id int) (string, bool) {
	d, ok := w.documents()[fmt.Sprintf(`%s/{"id":%d}`, table, id)]
	var row struct{ V json.RawMessage }
	json.Unmarshal([]byte(d.content), &row) //nolint:errcheck // then it is empty
	return string(row.V), ok
}

func columnPipeline(w *world, table string, schemas, convert bool) string {
	processors := ""
	if convert {
		processors = "        processors:\n"
		for _, side := range []string{"After", "Before"} {
			processors += fmt.Sprintf("          - {id: %[1]s, plugin: field.convert, condition: '{{ with .Payload.%[1]s }}{{ if .v }}true{{ else }}false{{ end }}{{ else }}false{{ end }}', settings: {field: .Payload.%[1]s.v, type: string}}\n", side)
		}
	}
	return fmt.Sprintf(`version: "2.2"
pipelines:
  - id: %[1]s
    status: running
    connectors:
      - id: source
        type: source
        plugin: builtin:postgres
        settings:
          url: ${E2E_POSTGRES}
          tables: %[1]s
          logrepl.slotName: %[1]s
          logrepl.publicationName: %[1]s
          logrepl.withAvroSchema: "%[2]v"
%[3]s      - id: store
        type: destination
        plugin: standalone:openai-vectorstore
        settings:
          api_key: sk-e2e
          vector_store_id: %[4]q
          base_url: %[5]q
          collection_in_key: "true"
          sdk.schema.extract.key.enabled: "%[2]v"
          sdk.schema.extract.payload.enabled: "%[2]v"
`, table, schemas, processors, w.store, w.url)
}
