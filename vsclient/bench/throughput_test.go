//go:build unix

package bench

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

const documents = 1000

// throughput measures the rows about many documents, in virtual time. The client
// that repeats, updates and deletes is a new one each time, as after a restart: it
// has to find the documents first.
func throughput(t *testing.T) []row {
	plain, waiting := loops(t, false), loops(t, true)
	fastPoll, usualPoll := helper(t, 100), helper(t, 0)
	var rows []row
	synctest.Test(t, func(t *testing.T) {
		w := newMeter(t, openaitest.Config{})
		perDocument := func(c cost) float64 { return float64(c.requests) / documents }
		sinceLast := func() *vsclient.Client {
			time.Sleep(time.Hour)
			return w.Client()
		}

		c := w.apply(w.Client(), puts(documents, first), always(vsclient.Created))
		rows = append(rows,
			atLeast("new documents", "plain loop", ratio(plain.new, c.time), 60, "×", waitingToo(waiting.new, c.time)),
			atLeast("new documents", "`FileBatches.UploadAndPoll` at the same concurrency", ratio(fastPoll, c.time), 0.95, "×",
				"when that polls every 100 ms"),
			atLeast("new documents", "the same, at its default", ratio(usualPoll, c.time), 1.15, "×", "it polls every second"),
			atMost("requests a new document", "1, the upload", perDocument(c), 1.05, "", spread(c)),
		)

		second := func(int) int { return 2 }
		c = w.apply(sinceLast(), puts(documents, second), always(vsclient.Replaced))
		rows = append(rows,
			atLeast("updates", "plain loop", ratio(plain.update, c.time), 40, "×", waitingToo(waiting.update, c.time)),
			atMost("requests an update", "3: upload, detach, delete", perDocument(c), 3.06, "", spread(c)),
		)

		// A new process looks at the first hundred, since a listing may lag behind the
		// changes of the process before it.
		again := sinceLast()
		looked := w.apply(again, puts(100, second), always(vsclient.Unchanged))
		c = w.apply(again, puts(documents, second), always(vsclient.Unchanged))
		rows = append(rows,
			atMost("requests for the first 100 unchanged documents of a process", "a look at each, and the listing", float64(looked.requests), 120, "requests", spread(looked)),
			atMost("requests an unchanged document after these", "—", perDocument(c), 0.02, "", spread(c)),
			atMost("uploads of unchanged documents", "—", float64(c.counts["POST /files"]), 0, "", ""),
		)

		tenth := func(i int) int { return 2 + (i%10)/9 }
		c = w.apply(sinceLast(), puts(documents, tenth), func(i int) vsclient.Outcome {
			if tenth(i) != 2 {
				return vsclient.Replaced
			}
			return vsclient.Unchanged
		})
		rows = append(rows, atLeast("90 % unchanged, 10 % new content", "plain loop", ratio(plain.update, c.time), 100, "×", waitingToo(waiting.update, c.time)))

		c = w.apply(sinceLast(), deletes(documents), always(vsclient.Deleted))
		rows = append(rows,
			atLeast("deletes", "plain loop", ratio(plain.remove, c.time), 28, "×", ""),
			atMost("requests a delete", "2: detach, delete", perDocument(c), 2.05, "", spread(c)),
		)
	})
	return rows
}

func ratio(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }

func waitingToo(loop, ours time.Duration) string {
	return fmt.Sprintf("%.3g × when the loop waits for indexing, as the client does", ratio(loop, ours))
}

// spread names the requests that there were most of.
func spread(c cost) string {
	attach := c.counts["POST /vector_stores/{vector_store_id}/file_batches"] + c.counts["POST /vector_stores/{vector_store_id}/files"]
	return fmt.Sprintf("%d requests, %d uploads, %d attaches; %d more in the background", c.requests, c.counts["POST /files"], attach, c.background)
}

// loopTimes are the times of the plain loop for 1,000 documents.
type loopTimes struct{ new, update, remove time.Duration }

func loops(t *testing.T, waits bool) (times loopTimes) {
	synctest.Test(t, func(t *testing.T) {
		w := newMeter(t, openaitest.Config{})
		l := loop{t, w.sdk(), w.Store, waits}
		each := func(do func(i int)) time.Duration {
			c := w.measure(func() {
				for i := range *looped {
					do(i)
				}
			})
			return c.time * documents / time.Duration(*looped)
		}
		ctx := context.Background()
		times.new = each(func(i int) { l.put(ctx, key(i), content(i, 1)) })
		times.update = each(func(i int) { l.put(ctx, key(i), content(i, 2)) })
		times.remove = each(func(i int) { l.remove(ctx, key(i)) })
	})
	return times
}

// helper is the time of openai-go's helper for 1,000 new documents.
func helper(t *testing.T, pollMillis int) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		w := newMeter(t, openaitest.Config{})
		took = w.measure(func() { uploadAndPoll(t, w.sdk(), w.Store, documents, vsclient.DefaultConcurrency, pollMillis) }).time
	})
	return took
}

// idlePut measures one Put of a client that has not been used for a minute, so
// that it lists the project's Files again.
func idlePut(t *testing.T) (r row) {
	synctest.Test(t, func(t *testing.T) {
		w := newMeter(t, openaitest.Config{})
		c := w.Client()
		put := func(i int) time.Duration {
			return w.measure(func() {
				if _, err := c.Put(context.Background(), vsclient.Document{Key: key(i), Content: vsclient.Bytes([]byte(content(i, 1)))}); err != nil {
					t.Fatal(err)
				}
			}).time
		}
		before := put(0)
		time.Sleep(time.Minute)
		sum := latency + latency + indexTime
		r = atMost("one Put, idle client", "upload + attach + index time", ratio(put(1), sum), 1.084, "× their sum",
			fmt.Sprintf("of it one request to list; the first Put of all: %.3g ×", ratio(before, sum)))
	})
	return r
}

// withinLimits measures 3,000 documents under the published limits, for each way
// in which a server may count them. The best that a limit of so many in any 60
// seconds allows is to start the last upload with the third minute.
func withinLimits(t *testing.T) row {
	const n = 3000
	limit := openaitest.PublishedLimits().UploadsPerMinute
	worst, refused := 1.0, 0
	for _, kind := range []openaitest.LimitKind{openaitest.SlidingWindow, openaitest.FixedWindow, openaitest.Bucket} {
		synctest.Test(t, func(t *testing.T) {
			limits := openaitest.PublishedLimits()
			limits.Kind = kind
			w := newMeter(t, openaitest.Config{Limits: limits})
			began := time.Now()
			w.apply(w.Client(func(cfg *vsclient.Config) { cfg.Limits = vsclient.Limits{} }), puts(n, first), always(vsclient.Created))
			var last time.Time
			for _, r := range w.Server.Requests() {
				if r.Endpoint == "POST /files" {
					last = r.Time
				}
				if r.Status == 429 {
					refused++
				}
			}
			best := time.Duration((n-1)/limit) * time.Minute
			worst = min(worst, ratio(best, last.Sub(began)))
		})
	}
	r := atLeast("3,000 documents, limits on", "the published limits", 100*worst, 98, "% of the limit", fmt.Sprintf("%d answers 429", refused))
	r.missed = r.missed || refused > 0
	return r
}

// deletesWithinLimit measures 700 deletes on a server that allows 300 DELETE requests a
// minute and says so by a 429 alone.
func deletesWithinLimit(t *testing.T) (r row) {
	synctest.Test(t, func(t *testing.T) {
		const n, limit = 700, 300
		w := newMeter(t, openaitest.Config{Limits: openaitest.Limits{DeletesPerMinute: limit}})
		c := w.Client()
		w.apply(c, puts(n, first), always(vsclient.Created))
		took := w.apply(c, deletes(n), always(vsclient.Deleted))
		refused := 0
		for _, r := range w.Server.Requests() {
			if r.Status == 429 {
				refused++
			}
		}
		best := time.Duration(2*n-limit) * time.Minute / limit // the first minute's worth goes at once
		r = atMost("700 deletes, 300 requests a minute", "the requests under way when the limit is met", float64(refused), vsclient.DefaultConcurrency, "answers 429",
			fmt.Sprintf("%.3g %% of the limit", 100*ratio(best, took.time)))
	})
	return r
}
