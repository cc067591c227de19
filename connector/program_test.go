package openaivs_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
	"github.com/conduitio/conduit-connector-protocol/pconnector/client"
	"github.com/conduitio/conduit-connector-protocol/pconnector/server"
	"github.com/conduitio/conduit-connector-protocol/pconnutils"
	schemaserver "github.com/conduitio/conduit-connector-protocol/pconnutils/v1/server"
	connutilsv1 "github.com/conduitio/conduit-connector-protocol/proto/connutils/v1"
	"github.com/conduitio/conduit-connector-sdk/schema"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/matryer/is"
	"google.golang.org/grpc"
)

// program is the built plugin, run as Conduit runs it.
type program struct {
	testing.TB
	process *plugin.Client
	destination
	stream pconnector.DestinationRunStream
	ctx    context.Context // of the stream, while the engine keeps it open
	cancel context.CancelFunc
	log    *lines
}

// destination is the interface of the gRPC client; the protocol's lacks NewStream.
type destination interface {
	pconnector.DestinationPlugin
	NewStream() pconnector.DestinationRunStream
}

// programs is the folder of the built program, if a test has had it built.
var programs string

// build builds the program once for all tests.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "plugin")
	if err != nil {
		return "", err
	}
	programs = dir
	path := filepath.Join(dir, "plugin")
	if runtime.GOOS == "windows" {
		path += ".exe" // or Windows would not run it
	}
	out, err := exec.Command("go", "build", "-o", path, "./cmd/conduit-connector-openai-vectorstore").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	if os.Getenv(engineVariable) != "" {
		beEngine()
	}
	code := m.Run()
	if programs != "" {
		os.RemoveAll(programs)
	}
	os.Exit(code)
}

// newProgram starts the plugin.
func newProgram(t testing.TB) *program { return newProgramOf(t, server.DefaultMaxReceiveRecordSize) }

// newProgramOf starts the plugin as an engine does that allows records of that many bytes.
func newProgramOf(t testing.TB, maxRecordSize int) *program {
	t.Helper()
	is := is.New(t)
	path, err := build()
	is.NoErr(err)
	p := &program{TB: t, log: new(lines)}
	p.process, err = launch(path, schemaService(t), maxRecordSize, p.log)
	is.NoErr(err)
	t.Cleanup(p.process.Kill)
	p.destination, err = dispense(p.process)
	is.NoErr(err)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	t.Cleanup(p.cancel)
	return p
}

// launch prepares the start of the plugin's process.
func launch(path, utilities string, maxRecordSize int, log io.Writer) (*plugin.Client, error) {
	return client.New(hcLogger{hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Trace, JSONFormat: true})}, path,
		client.WithEnvVar(pconnutils.EnvConduitConnectorUtilitiesGRPCTarget, utilities),
		client.WithEnvVar(pconnutils.EnvConduitConnectorToken, "token"),
		client.WithEnvVar(pconnector.EnvConduitConnectorID, "pipeline:destination"),
		client.WithEnvVar(pconnector.EnvConduitConnectorLogLevel, "debug"),
		client.WithEnvVar(pconnector.EnvConduitConnectorMaxReceiveRecordSize, strconv.Itoa(maxRecordSize)))
}

// schemaService serves the schemas of this process, and returns its address.
func schemaService(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	is.New(t).NoErr(err)
	s := grpc.NewServer()
	connutilsv1.RegisterSchemaServiceServer(s, schemaserver.NewSchemaServiceServer(schema.Service))
	go s.Serve(l) //nolint:errcheck // it ends with the test
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// dispense starts the process and returns its destination.
func dispense(process *plugin.Client) (destination, error) {
	rpc, err := process.Client()
	if err != nil {
		return nil, err
	}
	raw, err := rpc.Dispense("destination")
	if err != nil {
		return nil, err
	}
	return raw.(destination), nil
}

// start takes the plugin through configuration up to an open stream.
func start(t testing.TB, cfg map[string]string) *program {
	t.Helper()
	p := newProgram(t)
	p.run(cfg)
	return p
}

func (p *program) run(cfg map[string]string) {
	p.Helper()
	is := is.New(p.TB)
	_, err := p.Configure(p.ctx, pconnector.DestinationConfigureRequest{Config: cfg})
	is.NoErr(err)
	_, err = p.LifecycleOnCreated(p.ctx, pconnector.DestinationLifecycleOnCreatedRequest{Config: cfg})
	is.NoErr(err)
	_, err = p.Open(p.ctx, pconnector.DestinationOpenRequest{})
	is.NoErr(err)
	p.stream = p.NewStream()
	is.NoErr(p.Run(p.ctx, p.stream))
}

// send sends one message for each record, as Conduit does.
func (p *program) send(recs ...opencdc.Record) {
	p.Helper()
	for _, r := range recs {
		is.New(p.TB).NoErr(p.stream.Client().Send(pconnector.DestinationRunRequest{Records: []opencdc.Record{r}}))
	}
}

// acks receives n acknowledgements.
func (p *program) acks(n int) []pconnector.DestinationRunResponseAck {
	p.Helper()
	var acks []pconnector.DestinationRunResponseAck
	for len(acks) < n {
		resp, err := p.stream.Client().Recv()
		is.New(p.TB).NoErr(err)
		acks = append(acks, resp.Acks...)
	}
	is.New(p.TB).Equal(len(acks), n)
	return acks
}

// stop ends the plugin as Conduit does when a pipeline stops.
func (p *program) stop(last opencdc.Position) {
	p.Helper()
	is := is.New(p.TB)
	_, err := p.Stop(p.ctx, pconnector.DestinationStopRequest{LastPosition: last})
	is.NoErr(err)
	p.teardown()
}

func (p *program) teardown() {
	p.Helper()
	p.cancel()
	_, err := p.Teardown(context.Background(), pconnector.DestinationTeardownRequest{})
	is.New(p.TB).NoErr(err)
	p.process.Kill()
}

// kill kills the process.
func (p *program) kill() {
	p.Helper()
	pid := p.process.ReattachConfig().Pid
	proc, err := os.FindProcess(pid)
	is.New(p.TB).NoErr(err)
	is.New(p.TB).NoErr(proc.Kill())
}

// hcLogger has a StandardWriter for the client, which calls it with nil.
type hcLogger struct{ hclog.Logger }

func (hcLogger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return io.Discard }

// lines collects the plugin's log.
type lines struct {
	mu  sync.Mutex
	all []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, b...)
	return len(b), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.all)
}
