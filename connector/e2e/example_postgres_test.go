//go:build e2e

package e2e_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// TestThePostgresExampleKeepsATableInStep runs the unchanged examples/postgres.yaml over many
// kinds of changes of a table.
func TestThePostgresExampleKeepsATableInStep(t *testing.T) {
	onEachEngine(t, postgresExample)
}

func postgresExample(t *testing.T, conduit string) {
	is := is.New(t)
	sql := rows(t)
	sql(`CREATE TABLE articles (id bigint PRIMARY KEY, title text, body text, author_id int,
			price numeric(10,2), published_at timestamptz, meta jsonb);
		ALTER TABLE articles REPLICA IDENTITY FULL;
		INSERT INTO articles VALUES (1, 'one', 'first body', 7, 19.99, '2024-05-01 11:30:00+02', '{"lang":"en"}');
		INSERT INTO articles (id, body) VALUES (2, 'second body')`)
	w := newWorldOf(t, conduit, openaitest.Config{IndexTime: 100 * time.Millisecond})
	w.example("postgres.yaml")
	w.start()
	w.awaitDocuments(map[string]string{`{"id":1}`: "first body", `{"id":2}`: "second body"})

	large := strings.Repeat("a large text that PostgreSQL stores apart ", 300)
	sql(`ALTER TABLE articles ALTER COLUMN body SET STORAGE EXTERNAL`)
	sql(`INSERT INTO articles VALUES (3, 'three', '` + large + `', 8, 0.5, '2024-05-02 00:00:00+00', '{"lang":"de"}')`)
	sql(`INSERT INTO articles (id) VALUES (4)`)                                          // no text, no document
	sql(`UPDATE articles SET title = 'drei', price = 0.75 WHERE id = 3`)                 // PostgreSQL does not send the unchanged text
	sql(`UPDATE articles SET published_at = NULL, meta = NULL WHERE id = 1`)             // values become NULL
	sql(`UPDATE articles SET body = 'second body, changed', author_id = 9 WHERE id = 2`) // NULLs become values
	want := map[string]string{`{"id":1}`: "first body", `{"id":2}`: "second body, changed", `{"id":3}`: large}
	w.awaitDocuments(want)
	w.await("the attributes", func() bool {
		docs := w.documents()
		three, one, two := docs[`{"id":3}`].attributes, docs[`{"id":1}`].attributes, docs[`{"id":2}`].attributes
		return three["title"] == "drei" && three["price"] == 0.75 && three["lang"] == "de" && three["published"] == 1714608000.0 &&
			one["published"] == nil && one["lang"] == nil && one["price"] == 19.99 && two["author"] == "9" && two["title"] == nil
	})

	sql(`UPDATE articles SET id = 30 WHERE id = 3`) // a key change, without the text
	sql(`DELETE FROM articles WHERE id = 1`)
	w.awaitDocuments(map[string]string{`{"id":2}`: "second body, changed", `{"id":30}`: large})

	sql(`INSERT INTO articles SELECT i, 'title ' || i, 'body ' || i, 7, 1, now(), '{"lang":"en"}' FROM generate_series(100, 199) i`)
	w.await("some are written", func() bool { return len(w.documents()) > 20 })
	w.engine.Kill() //nolint:errcheck // it was killed
	sql(`UPDATE articles SET body = body || '!' WHERE id >= 100`)
	sql(`DELETE FROM articles WHERE id >= 190`)
	w.start()
	w.await("every change has arrived", func() bool {
		docs := w.documents()
		for _, d := range docs {
			if d.versions != 1 || d.status != "completed" || strings.HasPrefix(d.content, "body ") && !strings.HasSuffix(d.content, "!") {
				return false
			}
		}
		return len(docs) == 92
	})
	status, err := w.engine.Status("postgres-to-openai")
	is.NoErr(err)
	is.Equal(status, "STATUS_RUNNING")
	w.stop()
	letters, err := os.ReadFile(w.engine.Dir + "/dead-letters.jsonl")
	is.True(err != nil || len(letters) == 0) // no record was refused
	is.Equal(len(w.openai.Snapshot().Files), 92)
}

// example defines one of the examples as the world's pipeline, unchanged.
func (w *world) example(name string) {
	w.Helper()
	is := is.New(w.T)
	text, err := os.ReadFile("../examples/" + name)
	is.NoErr(err)
	w.Setenv("DATABASE_URL", os.Getenv("E2E_POSTGRES"))
	w.Setenv("OPENAI_API_KEY", "sk-e2e")
	w.Setenv("OPENAI_VECTOR_STORE_ID", w.store)
	w.Setenv("OPENAI_BASE_URL", w.url)
	is.NoErr(w.engine.Pipeline("p", string(text)))
}
