//go:build e2e

// Package e2e runs the built plugin in a real Conduit: make e2e. It builds Conduit v0.14. It
// starts a PostgreSQL server, which must be installed.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/e2e/rig"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

var programs struct {
	conduit string // v0.14
	given   string // the newer Conduit that the variable CONDUIT names; "": none
	plugins string // folder
}

// onEachEngine runs a test on Conduit v0.14, and on the one that CONDUIT names.
func onEachEngine(t *testing.T, test func(t *testing.T, conduit string)) {
	t.Helper()
	t.Run("v0.14", func(t *testing.T) { test(t, programs.conduit) })
	t.Run("given", func(t *testing.T) {
		if programs.given == "" {
			t.Skip("the variable CONDUIT names no newer Conduit")
		}
		test(t, programs.given)
	})
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		ctx := context.Background()
		dir, err := os.MkdirTemp("", "plugins")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		programs.plugins = dir
		say := func(s string) { fmt.Println(s) }
		if programs.given, err = rig.GivenConduit(); err == nil {
			programs.conduit, err = rig.PinnedConduit(ctx, say)
		}
		if err == nil {
			err = rig.Plugins(ctx, dir, say)
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
		return m.Run()
	}())
}

// world is an engine and an emulated project with one vector store.
type world struct {
	*testing.T
	engine *rig.Engine
	openai *openaitest.Server
	store  string
	url    string
}

func newWorld(t *testing.T, cfg openaitest.Config) *world {
	t.Helper()
	return newWorldOf(t, programs.conduit, cfg)
}

func newWorldOf(t *testing.T, conduit string, cfg openaitest.Config) *world {
	t.Helper()
	is := is.New(t)
	w := &world{T: t, engine: &rig.Engine{Program: conduit, Dir: t.TempDir()}, openai: openaitest.New(cfg)}
	t.Cleanup(w.openai.Close)
	t.Cleanup(w.engine.Clean)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.engine.Log())
		}
	})
	var err error
	w.url, err = w.openai.Listen("127.0.0.1:0")
	is.NoErr(err)
	w.store = w.openai.NewVectorStore("e2e")
	is.NoErr(os.MkdirAll(w.engine.Connectors(), 0o755))
	// The engine finds processes by their path, so that each world needs its own path.
	is.NoErr(os.Link(filepath.Join(programs.plugins, "openai-vectorstore"), filepath.Join(w.engine.Connectors(), plugin)))
	return w
}

const plugin = "openai-vectorstore"

// pipeline defines a pipeline from a source to the store. source is YAML at the indentation of
// a connector's fields, more is further settings of the destination, and rest further fields
// of the pipeline.
func (w *world) pipeline(source string, more map[string]string, rest string) {
	w.Helper()
	settings := ""
	for name, value := range more {
		settings += fmt.Sprintf("          %s: %q\n", name, value)
	}
	is.New(w.T).NoErr(w.engine.Pipeline("p", fmt.Sprintf(`version: "2.2"
pipelines:
  - id: p
    status: running
    connectors:
      - id: source
        type: source
%s
      - id: store
        type: destination
        plugin: standalone:openai-vectorstore
        settings:
          api_key: sk-e2e
          vector_store_id: %q
          base_url: %q
%s
%s`, strings.Trim(source, "\n"), w.store, w.url, settings, rest)))
}

func (w *world) start() {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	is.New(w.T).NoErr(w.engine.Start(ctx))
}

func (w *world) stop() {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	is.New(w.T).NoErr(w.engine.Stop(ctx))
}

// await waits until holds returns true.
func (w *world) await(state string, holds func() bool) {
	w.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			w.Fatalf("after two minutes still not so: %s; the store holds %d documents", state, len(w.documents()))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (w *world) awaitDocuments(want map[string]string) {
	w.Helper()
	w.await("the store holds the documents", func() bool {
		return w.holds(want)
	})
}

type document struct {
	content    string
	status     string
	attributes map[string]any
	versions   int
}

// documents returns the store's documents by key.
func (w *world) documents() map[string]document {
	docs := make(map[string]document)
	for _, f := range w.openai.Snapshot().Store(w.store).Files {
		key, _ := f.Attributes["vs_key"].(string)
		docs[key] = document{
			content:    string(w.openai.Content(f.FileID)),
			status:     f.Status,
			attributes: f.Attributes,
			versions:   docs[key].versions + 1,
		}
	}
	return docs
}

// once fails the test unless the store holds n documents, each once and indexed.
func (w *world) once(n int) {
	w.Helper()
	docs := w.documents()
	is := is.New(w.T)
	is.Equal(len(docs), n)
	for _, d := range docs {
		is.Equal(d.versions, 1)
		is.Equal(d.status, "completed")
	}
}
