//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/e2e/rig"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

type column struct {
	name, kind, value string
	stops             string // the settings with which the source stops at this column
}

// table returns a table name that is not a keyword of SQL.
func (c column) table() string { return "t_" + c.name }

// columns are types of PostgreSQL, with a value of each.
var columns = []column{
	{"int", "int", "7", ""},
	{"bigint", "bigint", "9007199254740993", ""},
	{"float", "float8", "0.1", ""},
	{"nan", "float8", "'NaN'", "plain"}, // it ends Conduit v0.14 itself
	{"numeric", "numeric(10,2)", "19.99", "plain"},
	{"bool", "bool", "true", ""},
	{"text", "text", "'<a> & b'", ""},
	{"uuid", "uuid", "'0b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60'", ""},
	{"date", "date", "'2024-03-01'", "plain"},
	{"timestamp", "timestamp", "'2024-03-01 12:00:00'", "plain"},
	{"timestamptz", "timestamptz", "'2024-03-01 12:00:00.5+00'", "plain"},
	{"jsonb", "jsonb", `'{"lang":"en"}'`, ""},
	{"json", "json", `'{"lang":"en"}'`, ""},
	{"bytea", "bytea", `'\xdeadbeef'`, "text"},
	{"texts", "text[]", "'{a,b}'", "schemas"},
	{"interval", "interval", "'1 day'", "schemas plain"},
	{"inet", "inet", "'10.0.0.1'", "schemas plain"},
}

// columnSettings are the ways to send a column: with schemas, without, and without but as
// text by a processor.
var columnSettings = []string{"schemas", "plain", "text"}

// TestColumnsArriveAsTheMatrixSays runs a pipeline for each type of column and each way to
// send it. It prints how a snapshot, an insert and a NULL arrive. Columns at which the source
// stops run apart, because a pipeline that restarts again and again slows the others down.
func TestColumnsArriveAsTheMatrixSays(t *testing.T) {
	cells := make(map[pair]string)
	var stopping []pair
	for _, setting := range columnSettings {
		var good []pair
		for _, c := range columns {
			if p := (pair{c, setting}); strings.Contains(c.stops, setting) {
				stopping = append(stopping, p)
			} else {
				good = append(good, p)
			}
		}
		maps.Copy(cells, arrivals(t, good, time.Minute))
	}
	for p := range cells {
		if strings.HasPrefix(cells[p], stopped) {
			t.Errorf("%s, %s: no row has arrived", p.column.name, p.setting)
		}
	}
	alone := func(p pair) bool { return p.column.name == "nan" }
	maps.Copy(cells, arrivals(t, slices.DeleteFunc(slices.Clone(stopping), alone), 10*time.Second))
	maps.Copy(cells, arrivals(t, slices.DeleteFunc(stopping, func(p pair) bool { return !alone(p) }), 10*time.Second))
	table := "| column | with schemas | without | without, field.convert to string |\n|---|---|---|---|\n"
	for _, c := range columns {
		table += "| " + strings.TrimSuffix(c.kind+" "+map[string]string{"nan": "NaN"}[c.name], " ")
		for _, setting := range columnSettings {
			table += " | " + cells[pair{c, setting}]
		}
		table += " |\n"
	}
	t.Log("\n" + table)
}

type pair struct {
	column  column
	setting string
}

const stopped = "stops"

// arrivals returns the cell of each pair.
func arrivals(t *testing.T, pairs []pair, patience time.Duration) map[pair]string {
	is := is.New(t)
	sql := rows(t)
	w := newWorld(t, openaitest.Config{})
	table := func(p pair) string { return p.column.table() + "_" + p.setting }
	for _, p := range pairs {
		sql(fmt.Sprintf(`CREATE TABLE %[1]s (id int PRIMARY KEY, v %[2]s); ALTER TABLE %[1]s REPLICA IDENTITY FULL; INSERT INTO %[1]s VALUES (1, %[3]s)`, table(p), p.column.kind, p.column.value))
		is.NoErr(w.engine.Pipeline(table(p), w.columnPipeline(table(p), p.setting)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := w.engine.Start(ctx); patience == time.Minute || !errors.Is(err, rig.ErrEnded) { // one ends Conduit at once
		is.NoErr(err)
	}
	cells := make(map[pair]string)
	step := func(id int, patience time.Duration) {
		deadline := time.Now().Add(patience)
		for _, p := range pairs {
			v, ok := w.value(table(p), id)
			for ; !ok && time.Now().Before(deadline) && !strings.Contains(cells[p], stopped); v, ok = w.value(table(p), id) {
				time.Sleep(50 * time.Millisecond)
			}
			switch {
			case ok && id == 1:
				cells[p] = "`" + v + "`"
			case ok && cells[p] != "`"+v+"`":
				cells[p] += ", `" + v + "`"
			case strings.HasPrefix(cells[p], stopped):
			case !ok && id == 3:
				cells[p] += ", stops at NULL"
			case !ok:
				cells[p] = stopped
			}
		}
	}
	step(1, patience)
	for _, p := range pairs {
		sql(fmt.Sprintf(`INSERT INTO %s VALUES (2, %s)`, table(p), p.column.value))
	}
	step(2, patience)
	if patience < time.Minute {
		return cells
	}
	for _, p := range pairs {
		sql(fmt.Sprintf(`INSERT INTO %s VALUES (3, NULL)`, table(p)))
	}
	null := patience
	if pairs[0].setting == "schemas" {
		null = 10 * time.Second // most stop here
	}
	step(3, null)
	w.engine.Kill() //nolint:errcheck // some of its pipelines never end
	return cells
}

// value returns the column v of a document that is a whole row.
func (w *world) value(table string, id int) (string, bool) {
	d, ok := w.documents()[fmt.Sprintf(`%s/{"id":%d}`, table, id)]
	var row struct {
		V json.RawMessage `json:"v"`
	}
	json.Unmarshal([]byte(d.content), &row) //nolint:errcheck // then it is empty
	return string(row.V), ok
}

func (w *world) columnPipeline(table, setting string) string {
	processors := ""
	if setting == "text" {
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
`, table, setting == "schemas", processors, w.store, w.url)
}
