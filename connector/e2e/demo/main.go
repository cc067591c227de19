//go:build unix

// Command demo shows the connector at work. A real Conduit writes the documents of this
// repository to a vector store, then a change, a new document and a deletion. The store
// is emulated. With OPENAI_API_KEY and OPENAI_VECTOR_STORE_ID it is a real one, in which the
// demo changes only the documents that it has written, and removes them at the end.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/e2e/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "conduit-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	step("Building the plugin, vsctl, and Conduit unless there is one")
	tell := func(s string) { say("%s", s) }
	conduit, err := rig.Conduit(ctx, tell)
	if err != nil {
		return err
	}
	engine := &rig.Engine{Program: conduit, Dir: dir}
	if err := rig.Plugins(ctx, engine.Connectors(), tell); err != nil {
		return err
	}

	vsctl, err := rig.Vsctl(ctx, tell)
	if err != nil {
		return err
	}

	target, err := newTarget(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	step(target.introduction)

	folder := filepath.Join(dir, "documents")
	docs := filepath.Join(folder, filepath.FromSlash(target.prefix))
	n, err := copyDocuments(docs)
	if err != nil {
		return err
	}
	step(fmt.Sprintf("Starting Conduit with a pipeline: folder of %d documents -> openai-vectorstore", n))
	engine.Env = []string{"OPENAI_API_KEY=" + target.apiKey}
	engine.OnLog = showLog
	if err := engine.Pipeline("demo", fmt.Sprintf(pipeline, folder, target.storeID, target.baseURL)); err != nil {
		return err
	}
	defer engine.Clean()
	began := time.Now()
	if err := engine.Start(ctx); err != nil {
		return err
	}
	if err := target.await(ctx, folder); err != nil {
		return fmt.Errorf("%w\n%s", err, problems(engine.Log()))
	}
	say("All %d documents are searchable after %.1f s.", n, time.Since(began).Seconds())
	if err := target.table(ctx); err != nil {
		return err
	}

	step("Changing README.md, adding NEW.md and deleting LICENSE in the folder")
	if err := changeDocuments(docs); err != nil {
		return err
	}
	began = time.Now()
	if err := target.await(ctx, folder); err != nil {
		return fmt.Errorf("%w\n%s", err, problems(engine.Log()))
	}
	say("The store has followed after %.1f s.", time.Since(began).Seconds())
	if err := target.table(ctx); err != nil {
		return err
	}

	step("Stopping Conduit")
	if err := engine.Stop(ctx); err != nil {
		return err
	}
	step("Looking at the store with vsctl")
	for _, args := range [][]string{{"ls", target.prefix}, {"search", "--limit", "3", "a put that OpenAI fails to index"}, {"doctor"}} {
		if err := target.show(ctx, vsctl, args...); err != nil {
			return err
		}
	}
	return nil
}

// pipeline is Conduit's configuration. Conduit expands ${OPENAI_API_KEY}.
const pipeline = `version: "2.2"
pipelines:
  - id: demo
    status: running
    connectors:
      - id: documents
        type: source
        plugin: standalone:folder
        settings:
          path: %q
      - id: store
        type: destination
        plugin: standalone:openai-vectorstore
        settings:
          api_key: ${OPENAI_API_KEY}
          vector_store_id: %q
          base_url: %q
          attributes.file: metadata:opencdc.file.name
          attributes.made_by: constant:conduit-demo
`
