package openaivs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/conduitio/conduit-connector-protocol/pconnector"
	"github.com/conduitio/conduit-connector-protocol/pconnector/server"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/plugintest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// engineVariable makes the test's program an engine. It contains the order.
const engineVariable = "OPENAIVS_TEST_ENGINE"

// order is the task of an engine.
type order struct {
	Plugin   string            `json:"plugin"`
	Settings map[string]string `json:"settings"`
	Records  int               `json:"records"`
}

// beEngine runs the plugin as Conduit does, sends it the records, and waits to
// be killed.
func beEngine() {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var o order
	must(json.Unmarshal([]byte(os.Getenv(engineVariable)), &o))
	_, d, err := plugintest.Launch(o.Plugin, plugintest.NoSchemas, server.DefaultMaxReceiveRecordSize, io.Discard)
	must(err)
	ctx := context.Background()
	_, err = d.Configure(ctx, pconnector.DestinationConfigureRequest{Config: o.Settings})
	must(err)
	_, err = d.Open(ctx, pconnector.DestinationOpenRequest{})
	must(err)
	stream := d.NewStream()
	must(d.Run(ctx, stream))
	if o.Records > 0 {
		must(stream.Client().Send(pconnector.DestinationRunRequest{Records: numbered(o.Records)}))
	}
	fmt.Println("ready")
	select {}
}

// engine is a process that has started the plugin as its own child.
type engine struct {
	*testing.T
	process *exec.Cmd
	alive   *os.File // ends when both engine and plugin have ended
}

func startEngine(t *testing.T, settings map[string]string, records int) *engine {
	t.Helper()
	is := is.New(t)
	path, err := build()
	is.NoErr(err)
	text, err := json.Marshal(order{path, settings, records})
	is.NoErr(err)
	// The plugin inherits its engine's standard input, which is the end of a pipe. The pipe
	// stays open while one of the two lives.
	alive, held, err := os.Pipe()
	is.NoErr(err)
	t.Cleanup(func() { alive.Close() })
	e := &engine{T: t, process: exec.CommandContext(t.Context(), os.Args[0]), alive: alive}
	e.process.Env = append(os.Environ(), engineVariable+"="+string(text))
	e.process.Stdin, e.process.Stderr = held, os.Stderr
	out, err := e.process.StdoutPipe()
	is.NoErr(err)
	is.NoErr(e.process.Start())
	is.NoErr(held.Close())
	t.Cleanup(func() { e.process.Process.Kill() }) //nolint:errcheck // it may have ended by now
	_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	is.NoErr(err)
	return e
}

// kill kills the engine, and returns when the plugin has ended.
func (e *engine) kill() {
	e.Helper()
	is := is.New(e.T)
	is.NoErr(e.process.Process.Kill())
	e.process.Wait() //nolint:errcheck // it was killed
	ended := make(chan error, 1)
	go func() {
		_, err := e.alive.Read(make([]byte, 1))
		ended <- err
	}()
	select {
	case err := <-ended:
		is.Equal(err, io.EOF)
	case <-time.After(30 * time.Second):
		e.Fatal("the plugin outlives its engine")
	}
}

func TestAPluginWhoseEngineIsKilledUndoesNothing(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{IndexTime: 2 * time.Second})
	attached := e.attaches()
	engine := startEngine(t, e.settings(), 50)
	<-attached // documents are being attached
	engine.kill()
	counts := e.Counts()
	is.Equal(counts["DELETE /files/{file_id}"], 0)
	is.Equal(counts["DELETE /vector_stores/{vector_store_id}/files/{file_id}"], 0)

	e.deliverToASuccessor(t, 50)
}

func TestAnIdlePluginEndsWithItsEngine(t *testing.T) {
	e := emulate(t, openaitest.Config{})
	startEngine(t, e.settings(), 0).kill()
}
