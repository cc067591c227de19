//go:build unix

package bench

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// serveAs is set for a process that is to be an emulator which answers at once.
const serveAs = "BENCH_EMULATOR"

func TestMain(m *testing.M) {
	if os.Getenv(serveAs) == "" {
		os.Exit(m.Run())
	}
	srv := openaitest.New(openaitest.Config{LogSize: 1, KeepBytes: 1})
	url, err := srv.Listen("127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(url, srv.NewVectorStore("docs"))
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
}

// clientWork compares the CPU time that this process spends: on new documents
// through the client, and on raw calls of openai-go that make the same requests.
// The emulator runs in a process of its own, whose time does not count. The two
// take turns, and the median of their ratios counts.
func clientWork(t *testing.T) row {
	const n, rounds = 4000, 9
	var ratios []float64
	var ours, raw int64
	for range rounds {
		a, requests := cpu(t, n, throughClient)
		b, rawRequests := cpu(t, n, throughSDK)
		ratios = append(ratios, ratio(a, b))
		ours, raw = requests, rawRequests
	}
	slices.Sort(ratios)
	return atMost("client work, the server answers at once", "raw openai-go calls, same requests", ratios[rounds/2], 1.2, "× CPU",
		fmt.Sprintf("%d documents, %d requests against %d; median of %d, from %.3g to %.3g", n, ours, raw, rounds, ratios[0], ratios[rounds-1]))
}

// emulated is an emulator in another process.
type emulated struct {
	t          *testing.T
	url, store string
	http       *http.Client
	requests   atomic.Int64
}

func (e *emulated) RoundTrip(r *http.Request) (*http.Response, error) {
	e.requests.Add(1)
	return transport.RoundTrip(r)
}

// transport keeps as many connections as are in use, for both.
var transport = func() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 100
	return t
}()

// cpu returns the CPU time of this process for work on n documents, and the number of
// requests.
func cpu(t *testing.T, n int, work func(e *emulated, n int)) (time.Duration, int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), serveAs+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		_ = cmd.Wait()
	}()
	e := &emulated{t: t}
	if _, err := fmt.Fscan(bufio.NewReader(out), &e.url, &e.store); err != nil {
		t.Fatal(err)
	}
	e.http = &http.Client{Transport: e}
	runtime.GC()
	before := used()
	work(e, n)
	return used() - before, e.requests.Load()
}

// used is the CPU time of this process, its own and the kernel's for it.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func throughClient(e *emulated, n int) {
	c, err := vsclient.New(vsclient.Config{
		APIKey: "sk-bench", VectorStoreID: e.store, BaseURL: e.url, HTTPClient: e.http, Limits: worldtest.Unlimited,
	})
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for _, r := range c.Apply(context.Background(), puts(n, first), nil) {
		if r.Err != nil {
			e.t.Fatal(r.Err)
		}
	}
}

// throughSDK makes the requests that the client makes: one list, the uploads, and
// for each batch the attach with as many attributes, a look at the batch
// and the pages of its listing.
func throughSDK(e *emulated, n int) {
	ctx := context.Background()
	api := openai.NewClient(option.WithAPIKey("sk-bench"), option.WithBaseURL(e.url), option.WithHTTPClient(e.http), option.WithMaxRetries(0))
	must := func(err error) {
		if err != nil {
			e.t.Fatal(err)
		}
	}
	_, err := api.Files.List(ctx, openai.FileListParams{Purpose: openai.String("assistants")})
	must(err)
	ids := make([]string, n)
	next := make(chan int)
	var workers sync.WaitGroup
	for range vsclient.DefaultConcurrency {
		workers.Go(func() {
			for i := range next {
				f, err := api.Files.New(ctx, openai.FileNewParams{
					File: openai.File(strings.NewReader(content(i, 1)), path.Base(key(i)), "text/markdown"), Purpose: openai.FilePurposeAssistants,
				})
				if err != nil {
					e.t.Error(err)
					return
				}
				ids[i] = f.ID
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	for start := 0; start < n; start += vsclient.DefaultBatchSize {
		end := min(start+vsclient.DefaultBatchSize, n)
		files := make([]openai.VectorStoreFileBatchNewParamsFile, end-start)
		for i := range files {
			text := func(s string) openai.VectorStoreFileBatchNewParamsFileAttributeUnion {
				return openai.VectorStoreFileBatchNewParamsFileAttributeUnion{OfString: openai.String(s)}
			}
			c := content(start+i, 1)
			files[i] = openai.VectorStoreFileBatchNewParamsFile{
				FileID: ids[start+i],
				Attributes: map[string]openai.VectorStoreFileBatchNewParamsFileAttributeUnion{
					"key": text(key(start + i)), "version": text("0001700000000000"), "content": text(fmt.Sprintf("sha256=%x;size=%d;chunking=auto", sha256.Sum256([]byte(c)), len(c))),
				},
			}
		}
		b, err := api.VectorStores.FileBatches.New(ctx, e.store, openai.VectorStoreFileBatchNewParams{Files: files})
		must(err)
		_, err = api.VectorStores.FileBatches.Get(ctx, e.store, b.ID)
		must(err)
		pages := api.VectorStores.FileBatches.ListFilesAutoPaging(ctx, e.store, b.ID, openai.VectorStoreFileBatchListFilesParams{
			Limit: openai.Int(100), Filter: openai.VectorStoreFileBatchListFilesParamsFilterCompleted,
		})
		done := 0
		for pages.Next() {
			done++
		}
		must(pages.Err())
		if done != len(files) {
			e.t.Fatalf("%d of %d files are completed", done, len(files))
		}
	}
}
