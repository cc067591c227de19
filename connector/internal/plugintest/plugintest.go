// Package plugintest runs the built plugin as Conduit runs it, for tests.
package plugintest

import (
	"context"
	"io"
	"os"
	"strconv"
	"testing"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
	"github.com/conduitio/conduit-connector-protocol/pconnector/client"
	"github.com/conduitio/conduit-connector-protocol/pconnutils"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/matryer/is"
)

// NoSchemas is an address without a schema service. The plugin dials the address of its schema
// service only for a record with a schema.
const NoSchemas = "127.0.0.1:1"

// Destination is the gRPC client of the plugin. The protocol's interface lacks NewStream.
type Destination interface {
	pconnector.DestinationPlugin
	NewStream() pconnector.DestinationRunStream
}

// Launch starts a process of the plugin at path, and returns its destination. schemas is the
// address of the schema service, maxRecordSize Conduit's limit in bytes. The plugin logs JSON
// to log. Kill of the returned client ends the process.
func Launch(path, schemas string, maxRecordSize int, log io.Writer) (*plugin.Client, Destination, error) {
	process, err := client.New(logger{hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Trace, JSONFormat: true})}, path,
		client.WithEnvVar(pconnutils.EnvConduitConnectorUtilitiesGRPCTarget, schemas),
		client.WithEnvVar(pconnutils.EnvConduitConnectorToken, "token"),
		client.WithEnvVar(pconnector.EnvConduitConnectorID, "pipeline:destination"),
		client.WithEnvVar(pconnector.EnvConduitConnectorLogLevel, "debug"),
		client.WithEnvVar(pconnector.EnvConduitConnectorMaxReceiveRecordSize, strconv.Itoa(maxRecordSize)))
	if err != nil {
		return nil, nil, err
	}
	rpc, err := process.Client()
	if err != nil {
		return nil, nil, err
	}
	raw, err := rpc.Dispense("destination")
	if err != nil {
		process.Kill()
		return nil, nil, err
	}
	return process, raw.(Destination), nil
}

// Process is a process of the plugin.
type Process struct {
	testing.TB
	Destination
	Ctx    context.Context // of the stream, while the engine keeps it open
	Cancel context.CancelFunc
	Stream pconnector.DestinationRunStream // after Begin

	process *plugin.Client
}

// Start starts a process with Launch, which ends with the test at the latest. The context of
// the stream is derived from ctx.
func Start(ctx context.Context, t testing.TB, path, schemas string, maxRecordSize int, log io.Writer) *Process {
	t.Helper()
	p := &Process{TB: t}
	var err error
	p.process, p.Destination, err = Launch(path, schemas, maxRecordSize, log)
	is.New(t).NoErr(err)
	t.Cleanup(p.process.Kill)
	p.Ctx, p.Cancel = context.WithCancel(ctx)
	t.Cleanup(p.Cancel)
	return p
}

// Begin configures and opens the plugin, and opens the stream.
func (p *Process) Begin(settings map[string]string) {
	p.Helper()
	is := is.New(p.TB)
	_, err := p.Configure(p.Ctx, pconnector.DestinationConfigureRequest{Config: settings})
	is.NoErr(err)
	_, err = p.LifecycleOnCreated(p.Ctx, pconnector.DestinationLifecycleOnCreatedRequest{Config: settings})
	is.NoErr(err)
	_, err = p.Open(p.Ctx, pconnector.DestinationOpenRequest{})
	is.NoErr(err)
	p.Stream = p.NewStream()
	is.NoErr(p.Run(p.Ctx, p.Stream))
}

// Send sends one message for each record, as Conduit does.
func (p *Process) Send(recs ...opencdc.Record) {
	p.Helper()
	for _, r := range recs {
		is.New(p.TB).NoErr(p.Stream.Client().Send(pconnector.DestinationRunRequest{Records: []opencdc.Record{r}}))
	}
}

// Acks receives n acknowledgements.
func (p *Process) Acks(n int) []pconnector.DestinationRunResponseAck {
	p.Helper()
	var acks []pconnector.DestinationRunResponseAck
	for len(acks) < n {
		resp, err := p.Stream.Client().Recv()
		is.New(p.TB).NoErr(err)
		acks = append(acks, resp.Acks...)
	}
	is.New(p.TB).Equal(len(acks), n)
	return acks
}

// Accepted receives n acknowledgements without an error.
func (p *Process) Accepted(n int) {
	p.Helper()
	for _, a := range p.Acks(n) {
		is.New(p.TB).Equal(a.Error, "")
	}
}

// Finish ends the plugin as Conduit does when a pipeline stops after the record at last.
func (p *Process) Finish(last opencdc.Position) {
	p.Helper()
	_, err := p.Stop(p.Ctx, pconnector.DestinationStopRequest{LastPosition: last})
	is.New(p.TB).NoErr(err)
	p.End()
}

// End closes the stream, tears the plugin down and ends its process.
func (p *Process) End() {
	p.Helper()
	p.Cancel()
	_, err := p.Teardown(context.Background(), pconnector.DestinationTeardownRequest{})
	is.New(p.TB).NoErr(err)
	p.process.Kill()
}

// Kill kills the process.
func (p *Process) Kill() {
	p.Helper()
	is := is.New(p.TB)
	process, err := os.FindProcess(p.process.ReattachConfig().Pid)
	is.NoErr(err)
	is.NoErr(process.Kill())
}

// logger has a StandardWriter for the client, which calls it with nil.
type logger struct{ hclog.Logger }

func (logger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return io.Discard }
