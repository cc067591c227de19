//go:build unix

package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// largeStore measures a project of 100,000 Files that are all in the store: first
// some of them put by this client, so that the others are as it makes them.
func largeStore(t *testing.T) (rows []row) {
	const n = 100_000
	synctest.Test(t, func(t *testing.T) {
		w := newMeter(t, openaitest.Config{LogSize: 1, KeepBytes: 1})
		w.apply(w.Client(), puts(n, first), always(vsclient.Created))
		time.Sleep(time.Hour)

		c := w.Client()
		put := func(key string) cost {
			return w.measure(func() {
				if _, err := c.Put(context.Background(), vsclient.Document{Key: key, Content: vsclient.Bytes([]byte("new"))}); err != nil {
					t.Fatal(err)
				}
			})
		}
		one := put("new.md")
		rows = append(rows, atMost("first Put of a new key, 100,000 files", "—", float64(one.requests), 15, "requests",
			fmt.Sprintf("%d of them list", one.counts["GET /files"])))
		one = put("newer.md")
		rows = append(rows, atMost("second Put, 100,000 files", "—", float64(one.counts["GET /files"]), 0, "requests that list", ""))

		// Names that fold to nothing lead nowhere: the store's listing decides.
		one = put("日本語")
		rows = append(rows, atMost("first Put of a name with an empty fold, 100,000 files", "a reading of the listing, 100 at a time", float64(one.requests), n/100+15, "requests",
			fmt.Sprintf("%.3g s of 50 ms each", one.time.Seconds())))
		one = put("русский")
		rows = append(rows, atMost("second such Put", "—", float64(one.requests), 5, "requests", ""))

		again := w.apply(w.Client(), puts(n, first), always(vsclient.Unchanged))
		rows = append(rows, atMost("100,000 documents again, unchanged", "a request a hundred documents", 100*float64(again.requests)/n, 2, "requests a hundred", ""))
	})
	return rows
}

// knownDocument measures the memory that the client keeps of each File of a project
// of 100,000. The server is a function, which keeps nothing.
func knownDocument(t *testing.T) row {
	const n, page = 100_000, 10_000
	listed := 0
	list := func(r *http.Request) (*http.Response, error) {
		var b bytes.Buffer
		if !strings.HasSuffix(r.URL.Path, "/v1/files") {
			b.WriteString(`{"object":"vector_store","id":"vs_1","status":"completed"}`)
			return &http.Response{
				StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(&b), Request: r,
			}, nil
		}
		b.WriteString(`{"object":"list","data":[`)
		for i := range min(page, n-listed) {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"id":"file-%022d","object":"file","bytes":1024,"created_at":1700000000,"filename":"chapter-%06d.md","purpose":"assistants"}`, listed+i, listed+i)
		}
		listed += min(page, n-listed)
		fmt.Fprintf(&b, `],"has_more":%v}`, listed < n)
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(&b), Request: r,
		}, nil
	}
	c, err := vsclient.New(vsclient.Config{APIKey: "sk-bench", VectorStoreID: "vs_1", HTTPClient: &http.Client{Transport: roundTripper(list)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	before := worldtest.Heap()
	if _, err := c.Get(context.Background(), "none.md"); !errors.Is(err, vsclient.ErrNotFound) || listed != n {
		t.Fatal(listed, err)
	}
	r := atMost("memory a known document", "—", (float64(worldtest.Heap())-float64(before))/n, 450, "bytes", "the key is not kept")
	runtime.KeepAlive(c)
	return r
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
