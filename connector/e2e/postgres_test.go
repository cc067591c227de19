//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/e2e/rig"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// rows starts a PostgreSQL server for the test, and returns a function that runs SQL.
func rows(t *testing.T) func(sql string) string {
	t.Helper()
	is := is.New(t)
	pg, err := rig.StartPostgres(t.Context())
	is.NoErr(err)
	t.Cleanup(func() { is.NoErr(pg.Close()) })
	t.Setenv("E2E_POSTGRES", pg.URL)
	return func(sql string) string {
		t.Helper()
		out, err := pg.Query(t.Context(), sql)
		is.NoErr(err)
		return out
	}
}

// postgres returns a source for some tables. With Avro it accepts no NULL: columns must be
// NOT NULL, and tables need REPLICA IDENTITY FULL, because otherwise the row before a deletion
// has NULLs. Without Avro, integers beyond 2^53 lose digits.
func postgres(tables string, avro bool) string {
	return fmt.Sprintf(`
        plugin: builtin:postgres
        settings:
          url: ${E2E_POSTGRES}
          tables: %q
          logrepl.slotName: e2e
          logrepl.publicationName: e2e
          logrepl.withAvroSchema: "%v"
`, tables, avro)
}

// extracted returns the settings for a source that attaches schemas.
func extracted(more map[string]string) map[string]string {
	all := map[string]string{
		"sdk.schema.extract.key.enabled":     "true",
		"sdk.schema.extract.payload.enabled": "true",
	}
	maps.Copy(all, more)
	return all
}

func TestEveryOperationOfATableReachesTheStore(t *testing.T) {
	is := is.New(t)
	sql := rows(t)
	sql(`CREATE TABLE docs (id bigint PRIMARY KEY, title text NOT NULL, body text NOT NULL, pages int NOT NULL);
		ALTER TABLE docs REPLICA IDENTITY FULL;
		INSERT INTO docs VALUES (1, 'one', 'first body', 1), (2, 'two', 'second body', 2), (9007199254740993, 'large', 'a large key', 3)`)
	w := newWorld(t, openaitest.Config{IndexTime: 100 * time.Millisecond})
	w.pipeline(postgres("docs", true), extracted(map[string]string{
		"content_field":    "body",
		"attributes.title": "payload:title",
		"attributes.pages": "payload:pages",
		"attributes.id":    "key:id as string",
	}), "")
	w.start()
	w.awaitDocuments(map[string]string{`{"id":1}`: "first body", `{"id":2}`: "second body", `{"id":9007199254740993}`: "a large key"})

	sql(`INSERT INTO docs VALUES (3, 'three', 'third body', 3)`)
	sql(`UPDATE docs SET body = 'second body, changed' WHERE id = 2`)
	sql(`UPDATE docs SET title = 'new title' WHERE id = 1`)
	sql(`DELETE FROM docs WHERE id = 9007199254740993`)
	w.awaitDocuments(map[string]string{`{"id":1}`: "first body", `{"id":2}`: "second body, changed", `{"id":3}`: "third body"})
	w.await("the new title", func() bool { return w.documents()[`{"id":1}`].attributes["title"] == "new title" })

	sql(`UPDATE docs SET id = 4 WHERE id = 3`) // a key change
	w.awaitDocuments(map[string]string{`{"id":1}`: "first body", `{"id":2}`: "second body, changed", `{"id":4}`: "third body"})
	w.stop()
	is.Equal(len(w.openai.Snapshot().Files), 3) // no File is left over
	attrs := w.documents()[`{"id":2}`].attributes
	is.Equal(attrs["collection"], "docs")
	is.Equal(attrs["title"], "two")
	is.Equal(attrs["pages"], 2.0)
	is.Equal(attrs["id"], "2")
}

func TestNullsAndLargeUnchangedTextsAreKept(t *testing.T) {
	is := is.New(t)
	sql := rows(t)
	sql(`CREATE TABLE docs (id int PRIMARY KEY, title text, body text);
		ALTER TABLE docs REPLICA IDENTITY FULL;
		ALTER TABLE docs ALTER COLUMN body SET STORAGE EXTERNAL`)
	w := newWorld(t, openaitest.Config{})
	w.pipeline(postgres("docs", false), extracted(map[string]string{"content_field": "body", "attributes.title": "payload:title"}), "")
	w.start()
	w.await("the pipeline runs", func() bool { s, _ := w.engine.Status("p"); return s == "STATUS_RUNNING" })
	large := strings.Repeat("a large text ", 1000)
	sql(fmt.Sprintf(`INSERT INTO docs VALUES (1, NULL, '%s')`, large))
	w.awaitDocuments(map[string]string{`{"id":1}`: large})
	_, titled := w.documents()[`{"id":1}`].attributes["title"]
	is.True(!titled) // a NULL is no attribute

	sql(`UPDATE docs SET title = 'titled' WHERE id = 1`) // PostgreSQL does not send the unchanged body
	w.await("the title", func() bool { return w.documents()[`{"id":1}`].attributes["title"] == "titled" })
	w.awaitDocuments(map[string]string{`{"id":1}`: large})

	sql(`UPDATE docs SET id = 2 WHERE id = 1`) // again it does not, but the row before has the body
	w.awaitDocuments(map[string]string{`{"id":2}`: large})
	w.stop()
	is.Equal(w.openai.Counts()["POST /files"], 2)
}

const twoTables = `CREATE TABLE users (id int PRIMARY KEY, body text NOT NULL);
	CREATE TABLE orders (id int PRIMARY KEY, body text NOT NULL);
	ALTER TABLE users REPLICA IDENTITY FULL;
	INSERT INTO users VALUES (7, 'a user');
	INSERT INTO orders VALUES (7, 'an order')`

func TestTwoTablesWithOneKeyAreRefused(t *testing.T) {
	sql := rows(t)
	sql(twoTables)
	w := newWorld(t, openaitest.Config{})
	w.pipeline(postgres("users,orders", true), extracted(map[string]string{"content_field": "body"}), "")
	w.start()
	w.await("the error names the way out", func() bool { return strings.Contains(w.engine.Log(), "collection_in_key") })
	w.once(1)
}

func TestTwoTablesAreKeptApart(t *testing.T) {
	sql := rows(t)
	sql(twoTables)
	w := newWorld(t, openaitest.Config{})
	w.pipeline(postgres("users,orders", true), extracted(map[string]string{"content_field": "body", "collection_in_key": "true"}), "")
	w.start()
	w.awaitDocuments(map[string]string{`users/{"id":7}`: "a user", `orders/{"id":7}`: "an order"})
	sql(`DELETE FROM users`)
	w.awaitDocuments(map[string]string{`orders/{"id":7}`: "an order"})
	w.stop()
}

func TestASnapshotOf5000RowsIsWrittenWhole(t *testing.T) {
	sql := rows(t)
	sql(`CREATE TABLE docs (id int PRIMARY KEY, body text NOT NULL);
		INSERT INTO docs SELECT i, repeat('row ' || i || ' ', 100) FROM generate_series(1, 5000) i`)
	w := newWorld(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond})
	// OpenAI's limits allow 1,000 uploads a minute.
	w.pipeline(postgres("docs", true), extracted(map[string]string{
		"content_field": "body", "uploads_per_minute": "0", "attach_requests_per_minute": "0", "attached_files_per_minute": "0",
	}), "")
	began := time.Now()
	w.start()
	w.await("5000 documents", func() bool { return len(w.openai.Snapshot().Store(w.store).Files) == 5000 })
	took := time.Since(began)
	memory, err := w.engine.PluginMemory(plugin)
	is.New(t).NoErr(err)
	w.stop()
	w.once(5000)
	t.Logf("5000 rows in %.1f s: %.0f rows a second, %.2f requests a row, %d MB of memory in the plugin",
		took.Seconds(), 5000/took.Seconds(), float64(w.openai.RequestCount())/5000, memory>>20)
}
