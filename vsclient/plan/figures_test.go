package plan_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// numbered is the ith of many documents.
func numbered(i int) vsclient.Document {
	return doc(fmt.Sprintf("handbook/chapter-%06d.md", i), fmt.Sprintf("# Chapter %d\nAll work and no play makes a dull day.\n", i))
}

// many yields n documents.
func many(n int) iter.Seq2[vsclient.Document, error] {
	return func(yield func(vsclient.Document, error) bool) {
		for i := range n {
			if !yield(numbered(i), nil) {
				return
			}
		}
	}
}

// plant gives the store n documents as a client would have put them.
func plant(w *worldtest.World, n int) {
	for i := range n {
		d := numbered(i)
		text := fmt.Sprintf("# Chapter %d\nAll work and no play makes a dull day.\n", i)
		id := w.Server.AddFile(openaitest.NewFile{Name: strings.ReplaceAll(d.Key, "/", "_"), Content: []byte(text)})
		w.Server.AddStoreFile(w.Store, id, map[string]any{
			"vs_key": d.Key, "vs_version": fmt.Sprintf("%016d", 1_700_000_000_000_000+i), "owner": "us",
			"vs_content": fmt.Sprintf("sha256=%x;size=%d;chunking=auto", sha256.Sum256([]byte(text)), len(text)),
		})
	}
}

// requests counts the requests that plan.Make makes, less those of the client's own look at
// the newest store files.
func requests(w *worldtest.World, do func()) (all, writes int) {
	before := len(w.Server.Requests())
	do()
	for _, r := range w.Server.Requests()[before:] {
		if !strings.Contains(r.Query, "order=desc") || !strings.Contains(r.Path, "/vector_stores/") {
			all++
		}
		if r.Method != http.MethodGet {
			writes++
		}
	}
	return all, writes
}

func TestAPlanOfTenThousandUnchangedDocumentsTakesAboutAHundredRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is, n := is.New(t), race.Pick(10_000, 3000)
		w := worldtest.New(t, openaitest.Config{})
		plant(w, n)
		time.Sleep(time.Hour)
		var p *plan.Plan
		all, writes := requests(w, func() {
			p = makePlan(w, w.Client(), many(n), plan.Options{Scope: plan.Scope{Owner: "us"}})
		})
		is.Equal(p.Counts(), map[plan.Action]int{plan.Unchanged: n})
		is.True(all <= n/100+2) // those of the listing, the store, and the list of Files
		is.Equal(writes, 0)
	})
}

// TestTheFirstSyncIsAsFastAsApply compares a thousand puts in virtual time. The plan takes one
// round trip more, and two where the latency is great. With the race detector the latency is the
// least and the greatest alone.
func TestTheFirstSyncIsAsFastAsApply(t *testing.T) {
	const least = 0.95
	latencies := []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond, time.Second}
	if race.Enabled {
		latencies = []time.Duration{latencies[0], latencies[4]}
	}
	for _, latency := range latencies {
		t.Run(latency.String(), func(t *testing.T) {
			slow := openaitest.Config{Latency: latency, IndexTime: 500 * time.Millisecond}
			var apply, sync time.Duration
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				changes := make([]vsclient.Change, 1000)
				for i := range changes {
					changes[i] = vsclient.Put(numbered(i))
				}
				c, began := w.Client(), time.Now()
				for _, r := range c.Apply(context.Background(), changes, nil) {
					is.NoErr(r.Err)
				}
				apply = time.Since(began)
			})
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c, began := w.Client(), time.Now()
				r := run(w, c, makePlan(w, c, many(1000), plan.Options{}), plan.ExecuteOptions{})
				sync = time.Since(began)
				is.Equal(r.Done, 1000)
			})
			ratio := apply.Seconds() / sync.Seconds()
			t.Logf("Apply takes %v, plan and execution take %v: %.3f ×", apply, sync, ratio)
			if ratio < least {
				t.Errorf("%.4f × the speed of Apply; at least %v is asked for", ratio, least)
			}
		})
	}
}

// TestAFirstSyncIntoASecondStoreEnds has another store of the project with documents of the same
// keys, whose Files are the newest of the project and a month old.
func TestAFirstSyncIntoASecondStoreEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is, n := is.New(t), 1000
		if race.EnabledOrShort() {
			n = 100
		}
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond})
		first := w.Client()
		run(w, first, makePlan(w, first, many(n), us), plan.ExecuteOptions{})
		is.NoErr(first.Close())
		time.Sleep(30 * 24 * time.Hour)
		w.Store = w.Server.NewVectorStore("second")
		before, began := w.Server.RequestCount(), time.Now()
		c := w.Client()
		is.Equal(run(w, c, makePlan(w, c, many(n), us), plan.ExecuteOptions{}).Done, n)
		t.Logf("%v and %d requests", time.Since(began), w.Server.RequestCount()-before)
		is.True(time.Since(began) < time.Minute)
	})
}

// documents is how many the test of memory plants. The memory grows in proportion.
var documents = flag.Int("documents", 20_000, "documents of which a plan's memory is measured")

// TestAPlanTakesLessThanAKilobyteADocument allows 100 MB for 100,000 documents, also where each is
// put anew and the store has as many others. A program of 150 MB has to allow for its garbage.
func TestAPlanTakesLessThanAKilobyteADocument(t *testing.T) {
	for sentence, alter := range map[string]func(*vsclient.Document){
		"unchanged":    func(*vsclient.Document) {},
		"chunked anew": func(d *vsclient.Document) { d.Chunking = vsclient.Chunking{MaxTokens: 400, OverlapTokens: 100} },
		"new":          func(d *vsclient.Document) { d.Key = "new/" + d.Key },
		"given attributes": func(d *vsclient.Document) {
			d.Attributes = vsclient.Attributes{"title": "The title of " + d.Key, "lang": "en", "path": d.Key}
		},
	} {
		t.Run(sentence, func(t *testing.T) { takesLessThanAKilobyte(t, openaitest.Config{LogSize: 10}, alter, func(func()) {}) })
	}
	t.Run("unchanged, in more than three minutes", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			slow := openaitest.Config{LogSize: 10, Latency: 10 * time.Millisecond}
			takesLessThanAKilobyte(t, slow, func(*vsclient.Document) {}, func(measure func()) {
				time.Sleep(3*time.Minute - 5*time.Second)
				for range 20 { // meanwhile the client looks at the newest in the store: here all is new
					time.Sleep(500 * time.Millisecond)
					measure()
				}
			})
		})
	})
}

// takesLessThanAKilobyte makes a plan of documents, and halts it after half of them.
func takesLessThanAKilobyte(t *testing.T, cfg openaitest.Config, alter func(*vsclient.Document), halt func(measure func())) {
	is := is.New(t)
	n := race.Pick(*documents, *documents/5)
	w := worldtest.New(t, cfg)
	plant(w, n)
	c := w.Client()
	before := worldtest.Heap()
	var most uint64
	measure := func() { most = max(most, worldtest.Heap()) }
	sampled := func(yield func(vsclient.Document, error) bool) {
		for i := range n {
			if i%(n/4) == n/4-1 {
				measure()
			}
			if i == n/2 {
				halt(measure)
			}
			d := numbered(i)
			alter(&d)
			if !yield(d, nil) {
				return
			}
		}
	}
	p := makePlan(w, c, sampled, plan.Options{Scope: plan.Scope{Owner: "us"}, Reopen: true})
	measure()
	used := most - before
	t.Logf("%d MB for %d documents, with the client's own books", used>>20, len(p.Entries))
	is.True(len(p.Entries) >= n)
	is.True(used < uint64(1000*n))
	runtime.KeepAlive(p)
}

// random is content of a size.
type random struct {
	*rand.ChaCha8
	left int64
}

func (r *random) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.ChaCha8.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

func (r *random) Close() error { return nil }

func TestAFileOfTheLargestSizeIsStreamed(t *testing.T) {
	is, size := is.New(t), int64(vsclient.MaxFileSize)
	if race.EnabledOrShort() {
		size = 32 << 20 // above the memory that is allowed, too
	}
	opened := 0
	var before, after runtime.MemStats
	w := worldtest.New(t, openaitest.Config{KeepBytes: 1 << 20})
	c := w.Client()
	big := vsclient.Document{Key: "big.pdf", Content: vsclient.Open(func() (io.ReadCloser, error) {
		opened++
		return &random{rand.NewChaCha8([32]byte{}), size}, nil
	})}
	runtime.ReadMemStats(&before)
	p := makePlan(w, c, source(big), plan.Options{})
	runtime.ReadMemStats(&after)
	t.Logf("%d MB allocated, opened %d times", (after.TotalAlloc-before.TotalAlloc)>>20, opened)
	is.Equal(p.Totals.Bytes, size)
	is.True(after.TotalAlloc-before.TotalAlloc < 16<<20)
}
