//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// tableCase is a series of changes to tables while a pipeline runs, and the documents that
// must be in the store after each.
type tableCase struct {
	name     string
	settings map[string]string // of the destination
	tables   string            // "": docs
	source   string            // further settings of the source, at their indentation
	plain    bool              // without schemas
	before   string            // runs before the pipeline starts
	steps    []tableStep
	status   string // of the pipeline at the end; "": running
}

type tableStep struct {
	sql  string
	want map[string]string // the store's documents afterwards; … at the end stands for any text
	log  string            // part of Conduit's log afterwards; "": any
}

func TestTheStoreHoldsTheTableAfterEachChange(t *testing.T) {
	body := map[string]string{"content_field": "body"}
	for _, c := range []tableCase{
		{
			name:     "all keys go up by one",
			settings: body,
			before: `CREATE TABLE docs (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, body text NOT NULL); ALTER TABLE docs REPLICA IDENTITY FULL;
				INSERT INTO docs VALUES (1,'A'), (2,'B'), (3,'C'), (4,'D'), (5,'E')`,
			steps: []tableStep{
				{want: map[string]string{`{"id":1}`: "A", `{"id":2}`: "B", `{"id":3}`: "C", `{"id":4}`: "D", `{"id":5}`: "E"}},
				{
					sql:  `UPDATE docs SET id = id + 1`,
					want: map[string]string{`{"id":2}`: "A", `{"id":3}`: "B", `{"id":4}`: "C", `{"id":5}`: "D", `{"id":6}`: "E"},
				},
				{
					sql:  `UPDATE docs SET id = 9 - id WHERE id IN (4, 5)`,
					want: map[string]string{`{"id":2}`: "A", `{"id":3}`: "B", `{"id":5}`: "C", `{"id":4}`: "D", `{"id":6}`: "E"},
				},
			},
		},
		{
			name:     "a row from before gets another title and keeps its large text",
			settings: map[string]string{"content_field": "body", "attributes.title": "payload:title"},
			plain:    true,
			source:   "          snapshotMode: never\n",
			before: `CREATE TABLE docs (id uuid PRIMARY KEY, title text, body text); ALTER TABLE docs REPLICA IDENTITY FULL; ALTER TABLE docs ALTER COLUMN body SET STORAGE EXTERNAL;
				INSERT INTO docs SELECT '0b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60', 't', string_agg(md5(i::text), ' ') FROM generate_series(1, 100) i`,
			steps: []tableStep{{
				sql:  `UPDATE docs SET title = 'u'`,
				want: map[string]string{`{"id":"0b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60"}`: "c4ca4238a0b9…"},
			}},
		},
		{
			name:     "whole rows are readable",
			settings: map[string]string{"attributes.lang": "payload:meta.lang", "attributes.at": "payload:at as number"},
			before: `CREATE TABLE docs (id int PRIMARY KEY, price numeric(10,2) NOT NULL, meta jsonb NOT NULL, at timestamptz NOT NULL, pic bytea NOT NULL, r float8 NOT NULL);
				ALTER TABLE docs REPLICA IDENTITY FULL;
				INSERT INTO docs VALUES (1, 19.99, '{"lang":"en","text":"apples & pears"}', '2024-03-01 12:00:00.123456+02', '\xdeadbeef', 'NaN'),
					(2, 0.5, '[1]', '2024-03-01 12:00:00+00', '\x00', '-Infinity')`,
			steps: []tableStep{{want: map[string]string{
				`{"id":1}`: `{"at":"2024-03-01T10:00:00.123456Z","id":1,"meta":{"lang":"en","text":"apples & pears"},"pic":"3q2+7w==","price":19.99,"r":"NaN"}`,
				`{"id":2}`: `{"at":"2024-03-01T12:00:00Z","id":2,"meta":[1],"pic":"\u0000","price":0.5,"r":"-Infinity"}`,
			}}},
		},
		{
			name:     "the text is in a JSON column",
			settings: map[string]string{"content_field": "meta.text", "attributes.lang": "payload:meta.lang"},
			before: `CREATE TABLE docs (id int PRIMARY KEY, meta jsonb NOT NULL); ALTER TABLE docs REPLICA IDENTITY FULL;
				INSERT INTO docs VALUES (1, '{"lang":"en","text":"all about apples"}')`,
			steps: []tableStep{
				{want: map[string]string{`{"id":1}`: "all about apples"}},
				{
					sql:  `INSERT INTO docs VALUES (2, '{"lang":"en","text":"v1"}'); UPDATE docs SET meta = '{"lang":"de","text":"v2"}' WHERE id = 1`,
					want: map[string]string{`{"id":1}`: "v2", `{"id":2}`: "v1"},
				},
			},
		},
		{
			name:     "the column with the text gets another name",
			settings: body,
			before:   `CREATE TABLE docs (id int PRIMARY KEY, body text NOT NULL); ALTER TABLE docs REPLICA IDENTITY FULL; INSERT INTO docs VALUES (1, 'old text')`,
			steps: []tableStep{
				{want: map[string]string{`{"id":1}`: "old text"}},
				{
					sql:  `ALTER TABLE docs RENAME COLUMN body TO text; UPDATE docs SET text = 'new text' WHERE id = 1`,
					want: map[string]string{`{"id":1}`: "old text"},
					log:  "(content_field), it has id, text",
				},
			},
			status: "STATUS_RECOVERING", // there is no dead-letter queue
		},
		{
			name:     "a text of 5 MiB is among others",
			settings: body,
			before: `CREATE TABLE docs (id int PRIMARY KEY, body text NOT NULL); ALTER TABLE docs REPLICA IDENTITY FULL;
				INSERT INTO docs VALUES (1, 'small'), (2, repeat('large ', 5 * 1024 * 1024 / 6)), (3, 'small')`,
			steps: []tableStep{
				{want: map[string]string{`{"id":1}`: "small", `{"id":2}`: "large large…", `{"id":3}`: "small"}},
				{
					sql:  `INSERT INTO docs VALUES (4, 'small'), (5, repeat('huge ', 5 * 1024 * 1024 / 5)), (6, 'small')`,
					want: map[string]string{`{"id":1}`: "small", `{"id":2}`: "large large…", `{"id":3}`: "small", `{"id":4}`: "small", `{"id":5}`: "huge huge…", `{"id":6}`: "small"},
				},
			},
		},
		{
			name:     "keys are uuids",
			settings: map[string]string{"content_field": "body", "attributes.id": "key:id"},
			source:   "          snapshotMode: never\n",
			before:   `CREATE TABLE docs (id uuid PRIMARY KEY, body text NOT NULL); ALTER TABLE docs REPLICA IDENTITY FULL`,
			steps: []tableStep{
				{sql: `INSERT INTO docs VALUES ('0b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60', 'A')`, want: map[string]string{`{"id":"0b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60"}`: "A"}},
				{sql: `UPDATE docs SET id = '1b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60'`, want: map[string]string{`{"id":"1b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60"}`: "A"}},
				{sql: `DELETE FROM docs`, want: map[string]string{}},
			},
		},
		{
			name:     "a deletion lacks the key, which is a uuid",
			settings: body,
			plain:    true,
			source:   "          snapshotMode: never\n",
			before: `CREATE TABLE docs (id uuid PRIMARY KEY, slug text NOT NULL UNIQUE, body text);
				ALTER TABLE docs REPLICA IDENTITY USING INDEX docs_slug_key`,
			steps: []tableStep{
				{sql: `INSERT INTO docs VALUES ('0b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60', 's', 'A')`, want: map[string]string{`{"id":"0b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60"}`: "A"}},
				{
					sql:  `DELETE FROM docs`,
					want: map[string]string{`{"id":"0b6f9a1e-54e4-4a5e-9a0e-1d2c3b4a5f60"}`: "A"},
					log:  "every field of the record's key is empty",
				},
			},
			status: "STATUS_RECOVERING", // there is no dead-letter queue
		},
		{
			name:     "keys are decimals and times",
			settings: map[string]string{"content_field": "body", "collection_in_key": "true"},
			tables:   "docs,logs",
			source:   "          snapshotMode: never\n",
			before: `CREATE TABLE docs (id numeric(8,2) PRIMARY KEY, body text NOT NULL); ALTER TABLE docs REPLICA IDENTITY FULL;
				CREATE TABLE logs (at timestamptz PRIMARY KEY, body text NOT NULL); ALTER TABLE logs REPLICA IDENTITY FULL`,
			steps: []tableStep{
				{
					sql: `INSERT INTO docs VALUES (1.50, 'A'), (2, 'B'); INSERT INTO logs VALUES ('2024-03-01 12:00:00.123456+02', 'L')`,
					// A document's key is the bytes of the record's key.
					want: map[string]string{`docs/{"id":"3/2"}`: "A", `docs/{"id":"2"}`: "B", `logs/{"at":"2024-03-01T10:00:00.123456Z"}`: "L"},
				},
				{
					sql:  `UPDATE docs SET id = 2.25 WHERE id = 1.5; UPDATE logs SET at = '2024-03-02 00:00:00+00'`,
					want: map[string]string{`docs/{"id":"9/4"}`: "A", `docs/{"id":"2"}`: "B", `logs/{"at":"2024-03-02T00:00:00Z"}`: "L"},
				},
				{sql: `DELETE FROM docs; DELETE FROM logs`, want: map[string]string{}},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t) })
	}
}

func (c *tableCase) run(t *testing.T) {
	is := is.New(t)
	sql := rows(t)
	sql(c.before)
	w := newWorld(t, openaitest.Config{})
	settings := maps.Clone(c.settings)
	if !c.plain {
		settings = extracted(settings)
	}
	tables := c.tables
	if tables == "" {
		tables = "docs"
	}
	w.pipeline(postgres(tables, !c.plain)+c.source, settings, "")
	w.start()
	if strings.Contains(c.source, "never") {
		// No document shows that the source listens.
		w.await("the pipeline runs", func() bool { return sql(`SELECT count(*) FROM pg_replication_slots WHERE active`) == "1" })
	}
	for _, s := range c.steps {
		if s.sql != "" {
			sql(s.sql)
		}
		w.await(fmt.Sprintf("after %q the store holds %v; it holds %v", s.sql, s.want, w.documents()), func() bool { return w.holds(s.want) && strings.Contains(w.engine.Log(), s.log) })
	}
	want := c.status
	if want == "" {
		want = "STATUS_RUNNING"
	}
	w.await("the pipeline's status is "+want, func() bool { got, err := w.engine.Status("p"); return err == nil && got == want })
	if want == "STATUS_RUNNING" {
		w.stop()
		is.True(w.holds(c.steps[len(c.steps)-1].want))
		is.Equal(len(w.openai.Snapshot().Files), len(c.steps[len(c.steps)-1].want)) // no File is left over
	}
}

// holds reports whether the store holds exactly these documents, each once and indexed.
func (w *world) holds(want map[string]string) bool {
	docs := w.documents()
	for key, content := range want {
		d := docs[key]
		begin, open := strings.CutSuffix(content, "…")
		if d.status != "completed" || d.versions != 1 || d.content != content && !(open && strings.HasPrefix(d.content, begin)) {
			return false
		}
	}
	return len(docs) == len(want)
}
