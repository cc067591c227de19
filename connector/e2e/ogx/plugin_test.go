//go:build ogx

package ogx_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
	"github.com/conduitio/conduit-connector-protocol/pconnector/client"
	"github.com/conduitio/conduit-connector-protocol/pconnutils"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/matryer/is"
)

func TestThePluginWrites60Records(t *testing.T) {
	w := newWorld(t)
	records, docs := sixty()
	p := w.plugin()
	p.send(records)
	p.acknowledged(len(records))
	p.stop(records[len(records)-1].Position)
	w.holdsRows(docs)
}

func TestAKilledPluginLosesAndDoublesNothing(t *testing.T) {
	w := newWorld(t)
	w.twice = true // the killed plugin and its successor may each attach a document
	records, docs := sixty()
	p := w.plugin()
	p.send(records)
	p.acknowledged(20)
	began := time.Now().Add(-time.Minute)
	p.kill()

	p = w.plugin()
	p.send(records) // Conduit delivers again from the last acknowledged position or earlier
	p.acknowledged(len(records))
	p.stop(records[len(records)-1].Position)
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
func (w *world) holdsRows(docs []document) {
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

// destination is the gRPC client of the plugin. The protocol's interface lacks NewStream.
type destination interface {
	pconnector.DestinationPlugin
	NewStream() pconnector.DestinationRunStream
}

// pluginProcess is the built plugin, run as Conduit runs it.
type pluginProcess struct {
	testing.TB
	process *plugin.Client
	destination
	stream pconnector.DestinationRunStream
	end    context.CancelFunc
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

// pluginTime is how long a plugin may take for its records.
const pluginTime = 5 * time.Minute

func (w *world) plugin() *pluginProcess {
	w.Helper()
	is := is.New(w.T)
	path, err := pluginProgram()
	is.NoErr(err)
	process, err := client.New(logger{hclog.NewNullLogger()}, path,
		// It must be set, and is dialled only for a record with a schema.
		client.WithEnvVar(pconnutils.EnvConduitConnectorUtilitiesGRPCTarget, "127.0.0.1:1"),
		client.WithEnvVar(pconnutils.EnvConduitConnectorToken, "token"),
		client.WithEnvVar(pconnector.EnvConduitConnectorID, "pipeline:destination"),
		client.WithEnvVar(pconnector.EnvConduitConnectorLogLevel, "warn"),
		client.WithEnvVar(pconnector.EnvConduitConnectorMaxReceiveRecordSize, "20000000"))
	is.NoErr(err)
	w.Cleanup(process.Kill)
	rpc, err := process.Client()
	is.NoErr(err)
	raw, err := rpc.Dispense("destination")
	is.NoErr(err)
	ctx, cancel := context.WithTimeout(context.Background(), pluginTime)
	w.Cleanup(cancel)
	p := &pluginProcess{TB: w.T, process: process, destination: raw.(destination), end: cancel}
	cfg := map[string]string{
		"api_key": "sk-ogx", "vector_store_id": w.Store, "base_url": w.URL,
		"file_extension": ".md", // for JSON, which OGX does not read by default
		"attributes.id":  "key",
		"retry_timeout":  "30s",
	}
	_, err = p.Configure(ctx, pconnector.DestinationConfigureRequest{Config: cfg})
	is.NoErr(err)
	_, err = p.LifecycleOnCreated(ctx, pconnector.DestinationLifecycleOnCreatedRequest{Config: cfg})
	is.NoErr(err)
	_, err = p.Open(ctx, pconnector.DestinationOpenRequest{})
	is.NoErr(err)
	p.stream = p.NewStream()
	is.NoErr(p.Run(ctx, p.stream))
	return p
}

// send sends one message for each record, as Conduit does.
func (p *pluginProcess) send(records []opencdc.Record) {
	p.Helper()
	for _, r := range records {
		is.New(p.TB).NoErr(p.stream.Client().Send(pconnector.DestinationRunRequest{Records: []opencdc.Record{r}}))
	}
}

// acknowledged waits until n records are acknowledged, none with an error.
func (p *pluginProcess) acknowledged(n int) {
	p.Helper()
	is := is.New(p.TB)
	for n > 0 {
		resp, err := p.stream.Client().Recv()
		is.NoErr(err)
		for _, a := range resp.Acks {
			is.Equal(a.Error, "")
			n--
		}
	}
}

// stop ends the plugin as Conduit does when a pipeline stops.
func (p *pluginProcess) stop(last opencdc.Position) {
	p.Helper()
	is := is.New(p.TB)
	_, err := p.Stop(context.Background(), pconnector.DestinationStopRequest{LastPosition: last})
	is.NoErr(err)
	p.end()
	_, err = p.Teardown(context.Background(), pconnector.DestinationTeardownRequest{})
	is.NoErr(err)
	p.process.Kill()
}

// kill kills the process.
func (p *pluginProcess) kill() {
	p.Helper()
	is := is.New(p.TB)
	process, err := os.FindProcess(p.process.ReattachConfig().Pid)
	is.NoErr(err)
	is.NoErr(process.Kill())
}

// logger has a StandardWriter for the client, which calls it with nil.
type logger struct{ hclog.Logger }

func (logger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return io.Discard }
