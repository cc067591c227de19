package openaivs_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/conduitio/conduit-connector-protocol/pconnector/server"
	schemaserver "github.com/conduitio/conduit-connector-protocol/pconnutils/v1/server"
	connutilsv1 "github.com/conduitio/conduit-connector-protocol/proto/connutils/v1"
	"github.com/conduitio/conduit-connector-sdk/schema"
	"github.com/matryer/is"
	"google.golang.org/grpc"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/plugintest"
)

// program is a process of the built plugin, with its log.
type program struct {
	*plugintest.Process
	log *lines
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
	path, err := build()
	is.New(t).NoErr(err)
	log := new(lines)
	return &program{plugintest.Start(context.Background(), t, path, schemaService(t), maxRecordSize, log), log}
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

// start takes the plugin through configuration up to an open stream.
func start(t testing.TB, cfg map[string]string) *program {
	t.Helper()
	p := newProgram(t)
	p.Begin(cfg)
	return p
}

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
