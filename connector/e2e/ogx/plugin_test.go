//go:build ogx

package ogx_test

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/plugintest"
)

func TestThePluginWrites60Records(t *testing.T) {
	w := newOGXStore(t)
	records, docs := sixty()
	p := w.plugin()
	p.Send(records...)
	p.Accepted(len(records))
	p.Finish(records[len(records)-1].Position)
	w.holdsRows(docs)
}

func TestAKilledPluginLosesAndDoublesNothing(t *testing.T) {
	w := newOGXStore(t)
	w.twice = true // the killed plugin and its successor may each attach a document
	records, docs := sixty()
	p := w.plugin()
	p.Send(records...)
	for acked := 0; acked < 20; {
		resp, err := p.Stream.Client().Recv()
		is.New(t).NoErr(err)
		acked += len(resp.Acks)
	}
	began := time.Now().Add(-time.Minute)
	p.Kill()

	p = w.plugin()
	p.Send(records...) // Conduit delivers again from the last acknowledged position or earlier
	p.Accepted(len(records))
	p.Finish(records[len(records)-1].Position)
	w.must(call{Do: "sweep"})
	w.removeLeftovers(began, rowKeys())
	w.holdsRows(docs)
}

// sixty returns 60 records of 40 rows, of which ten are updated and ten deleted, and the
// documents after them.
func sixty() (records []opencdc.Record, docs []document) {
	for i := range 40 {
		records = append(records, record(opencdc.OperationSnapshot, i, "old"))
	}
	for i := range 10 {
		records = append(records, record(opencdc.OperationUpdate, i, "new"))
	}
	for i := 30; i < 40; i++ {
		records = append(records, record(opencdc.OperationDelete, i, ""))
	}
	for i := range records {
		records[i].Position = opencdc.Position(fmt.Sprint(i))
	}
	for i := range 30 {
		content := records[i].Payload.After
		if i < 10 {
			content = records[40+i].Payload.After
		}
		docs = append(docs, document{Key: rowKey(i), Content: string(content.Bytes()), Attributes: map[string]any{"id": rowKey(i)}})
	}
	return records, docs
}

// holdsRows fails the test unless the store holds these documents, each with its text.
func (w *ogxStore) holdsRows(docs []document) {
	w.Helper()
	w.lists(docs...)
	calls := make([]call, len(docs))
	for i, d := range docs {
		calls[i] = call{Do: "text", Document: d}
	}
	for i, a := range w.once(calls...) {
		if a.Text != docs[i].Content {
			w.Errorf("%q has the text %q, want %q", docs[i].Key, a.Text, docs[i].Content)
		}
	}
	w.holds(docs...)
}

func rowKeys() []string {
	keys := make([]string, 40)
	for i := range keys {
		keys[i] = rowKey(i)
	}
	return keys
}

func rowKey(i int) string { return fmt.Sprint("row/", i) }

// record returns a change of row i, whose document is JSON.
func record(op opencdc.Operation, i int, body string) opencdc.Record {
	r := opencdc.Record{Operation: op, Key: opencdc.RawData(rowKey(i))}
	if op != opencdc.OperationDelete {
		r.Payload.After = opencdc.StructuredData{"id": i, "body": body + " words"}
	}
	return r
}

// pluginProgram builds the plugin.
var pluginProgram = sync.OnceValues(func() (string, error) {
	path := filepath.Join(ogx.dir, "plugin")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", path, "../../cmd/conduit-connector-openai-vectorstore").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the plugin: %w\n%s", err, out)
	}
	return path, nil
})

const (
	// pluginTime is how long a plugin may take for its records.
	pluginTime = 5 * time.Minute
	// maxRecordSize is Conduit's limit in bytes.
	maxRecordSize = 4 << 20
)

func (w *ogxStore) plugin() *plugintest.Process {
	w.Helper()
	path, err := pluginProgram()
	is.New(w.T).NoErr(err)
	ctx, cancel := context.WithTimeout(context.Background(), pluginTime)
	w.Cleanup(cancel)
	p := plugintest.Start(ctx, w.T, path, plugintest.NoSchemas, maxRecordSize, io.Discard)
	p.Begin(map[string]string{
		"api_key": "sk-ogx", "vector_store_id": w.Store, "base_url": w.URL,
		"file_extension": ".md", // for JSON, which OGX does not read by default
		"attributes.id":  "key",
		"retry_timeout":  "30s",
	})
	return p
}
