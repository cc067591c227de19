// Openaitest serves an emulator of OpenAI's Files, Uploads and Vector Stores
// API, with a page for people at /. See package
// github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest
// for its behaviour. Each field of its Config is a flag, except the functions:
// -index-rules and -faults do the same as data.
//
//	openaitest -addr 127.0.0.1:8080 -store docs -latency 50ms -index-time 2s
//	OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=any your-program
//
// While it runs, tests in any language can read and change its state:
//
//	curl localhost:8080/-/snapshot                      # the current true state
//	curl localhost:8080/-/history/vs_…                  # when each file was searchable
//	curl localhost:8080/-/requests                      # the log of requests
//	curl localhost:8080/-/counts                        # the number of requests by endpoint
//	curl localhost:8080/-/advance --json '{"by":"24h"}' # moves the clock on
//	curl localhost:8080/-/expire --json '{"vector_store_id":"vs_…","after":"5m"}'
//	curl localhost:8080/-/faults --json '[{"path":"/files","kind":"cut","effect_after":"30s"}]'
//	curl -X DELETE localhost:8080/-/faults
//
// It ends at SIGINT or SIGTERM and cuts off requests under way.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "openaitest:", err)
		os.Exit(2)
	}
}

// run serves until ctx is done. It writes to stdout the base URL, then a line with id and
// name for each -store.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parseFlags(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err == nil {
		err = opts.cfg.Check()
	}
	if err != nil {
		return err
	}
	if opts.strict {
		opts.cfg.Strict = func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) }
	}
	if opts.record != "" {
		f, err := os.OpenFile(opts.record, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		opts.cfg.Record = f
	}
	s := openaitest.New(opts.cfg)
	var stores []string
	for _, name := range opts.stores {
		stores = append(stores, s.NewVectorStore(name))
	}
	if err := load(s, stores, opts.load); err != nil {
		return err
	}
	url, err := s.Listen(opts.addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, url)
	for i, id := range stores {
		fmt.Fprintln(stdout, id, opts.stores[i])
	}
	<-ctx.Done()
	// Requests under way end at once. Connections that a browser opened and never used
	// may outlast the grace period.
	grace, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// load attaches every file below a directory to the first store.
func load(s *openaitest.Server, stores []string, dir string) error {
	if dir == "" {
		return nil
	}
	if len(stores) == 0 {
		return errors.New("-load needs a -store")
	}
	dir, err := filepath.EvalSymlinks(dir) // WalkDir does not follow a link
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return cmp.Or(err, fmt.Errorf("-load: %s is no directory", dir))
	}
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return err // skip a link to a directory, or a socket
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		s.AddStoreFile(stores[0], s.AddFile(openaitest.NewFile{Name: filepath.ToSlash(name), Content: content}), nil)
		return nil
	})
}
