//go:build ogx

package ogx_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
	"github.com/conduitio/conduit-connector-protocol/pconnector/client"
	"github.com/conduitio/conduit-connector-protocol/pconnutils"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/matryer/is"
)

// The built plugin writes 60 records. It is killed among them, and all are
// delivered again.
func TestThePluginWrites60Records(t *testing.T) {
	w := newWorld(t)
	is := is.New(t)
	path := filepath.Join(t.TempDir(), "plugin")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../../cmd/conduit-connector-openai-vectorstore")
	out, err := build.CombinedOutput()
	is.Equal(string(out), "")
	is.NoErr(err)

	var records []opencdc.Record
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
	var docs []document
	for i := range 30 {
		docs = append(docs, document{Key: rowKey(i), Attributes: map[string]any{"id": rowKey(i)}})
	}

	p := w.plugin(path)
	p.send(records)
	p.acknowledged(20)
	p.kill()

	p = w.plugin(path)
	p.send(records)
	p.acknowledged(len(records))
	p.stop(records[len(records)-1].Position)
	w.must(call{Do: "sweep"})
	w.lists(docs...)
	for i, d := range docs[:12] {
		want := record(opencdc.OperationCreate, i, map[bool]string{true: "new", false: "old"}[i < 10]).Payload.After.Bytes()
		is.Equal(w.must(call{Do: "get", Document: d}).Found[0].Size, int64(len(want)))
	}
	w.holds(docs...)
}

func rowKey(i int) string { return fmt.Sprint("row/", i) }

// record is a change of row i, whose document is JSON.
func record(op opencdc.Operation, i int, body string) opencdc.Record {
	r := opencdc.Record{Operation: op, Key: opencdc.RawData(rowKey(i))}
	if op != opencdc.OperationDelete {
		r.Payload.After = opencdc.StructuredData{"id": i, "body": body}
	}
	return r
}

// destination is the gRPC client of the plugin; NewStream is not in the interface
// of the protocol.
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

func (w *world) plugin(path string) *pluginProcess {
	w.Helper()
	is := is.New(w.T)
	process, err := client.New(logger{hclog.NewNullLogger()}, path,
		// It has to be there, and is dialled only for a record that bears a schema.
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
	ctx, cancel := context.WithCancel(context.Background())
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

// send sends each record in a message of its own, as Conduit does.
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

// kill ends the process without a word.
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
