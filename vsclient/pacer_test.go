package vsclient_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about rate limits: Pacer and Limits.

// busiestMinute returns how many of the moments lie in the fullest 60 seconds.
func busiestMinute(at []time.Time) (most int) {
	at = slices.SortedFunc(slices.Values(at), time.Time.Compare)
	for first, last := 0, 0; last < len(at); last++ {
		for at[last].Sub(at[first]) >= time.Minute {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// within counts the moments in the first minutes.
func within(at []time.Time, began time.Time, minutes int) (n int) {
	for _, t := range at {
		if t.Sub(began) < time.Duration(minutes)*time.Minute {
			n++
		}
	}
	return n
}

// Each limit is filled for more than ten minutes, or four with the race detector, against a
// server that counts it in one of three ways and begins somewhere in the middle of its minute.
func TestARunThatFillsALimitSeesNo429AndReachesIt(t *testing.T) {
	t.Parallel()
	minutes := race.Pick(10, 4)
	unlimited := vsclient.Limits{UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit}
	for nth, row := range []struct {
		sentence string
		limit    int // of the one that is filled
		batch    int
		set      func(*vsclient.Limits, *openaitest.Limits)
		counted  func(*worldtest.World) []time.Time
	}{
		{
			"uploads", 30, 0,
			func(c *vsclient.Limits, s *openaitest.Limits) { c.UploadsPerMinute, s.UploadsPerMinute = 30, 30 },
			func(w *worldtest.World) []time.Time { return w.Times(filesCreate) },
		},
		{
			"attach requests of a store", 30, 1,
			func(c *vsclient.Limits, s *openaitest.Limits) {
				c.AttachRequestsPerMinute, s.AttachRequestsPerMinute = 30, 30
			},
			func(w *worldtest.World) []time.Time { return append(w.Times(singleAttach), w.Times(batchAttach)...) },
		},
		{
			"attached files, in batches", 60, 10,
			func(c *vsclient.Limits, s *openaitest.Limits) {
				c.AttachedFilesPerMinute, s.AttachedFilesPerMinute = 60, 60
			},
			func(w *worldtest.World) (at []time.Time) {
				for _, f := range w.Server.Snapshot().Store(w.Store).Files {
					at = append(at, f.AttachedAt)
				}
				return at
			},
		},
		{
			"attached files, fewer than a batch may hold", 30, 500,
			func(c *vsclient.Limits, s *openaitest.Limits) {
				c.AttachedFilesPerMinute, s.AttachedFilesPerMinute = 30, 30
			},
			func(w *worldtest.World) (at []time.Time) {
				for _, f := range w.Server.Snapshot().Store(w.Store).Files {
					at = append(at, f.AttachedAt)
				}
				return at
			},
		},
	} {
		for i, kind := range []openaitest.LimitKind{openaitest.Bucket, openaitest.FixedWindow, openaitest.SlidingWindow} {
			if race.Enabled && (nth+i)%3 != 0 {
				continue // each limit is counted in one way
			}
			t.Run(row.sentence+"/"+string(kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					documents := (minutes + 2) * row.limit
					limits, server := unlimited, openaitest.Limits{Kind: kind}
					row.set(&limits, &server)
					w := worldtest.New(t, openaitest.Config{Latency: 200 * time.Millisecond, IndexTime: time.Second, Limits: server})
					c := w.Client(func(cfg *vsclient.Config) { cfg.Limits, cfg.BatchSize = limits, row.batch })
					time.Sleep(37 * time.Second)
					began := time.Now()
					for _, r := range c.Apply(t.Context(), many("d", documents), nil) {
						is.NoErr(r.Err)
					}
					at := row.counted(w)
					is.Equal(len(at), documents)
					is.Equal(w.Answered(429), 0)
					is.True(busiestMinute(at) <= row.limit) // in any 60 seconds
					is.True(within(at, began, minutes) >= minutes*row.limit*95/100)
					is.True(time.Since(began) > time.Duration(minutes)*time.Minute) // it was the limit that it waited for
				})
			})
		}
	}
}

func TestClientsThatShareAPacerShareTheLimitOnUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 100 * time.Millisecond, Limits: openaitest.Limits{UploadsPerMinute: 50, Kind: openaitest.SlidingWindow}})
		pacer := vsclient.NewPacer(vsclient.Limits{UploadsPerMinute: 50})
		var writers sync.WaitGroup
		for i := range 3 {
			store := w.Server.NewVectorStore(fmt.Sprint(i))
			c := w.Client(func(cfg *vsclient.Config) { cfg.Pacer, cfg.VectorStoreID = pacer, store })
			writers.Go(func() {
				for _, r := range c.Apply(t.Context(), many(fmt.Sprint(i), 60), nil) {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
			})
		}
		writers.Wait()
		is.Equal(w.Answered(429), 0)
		is.Equal(busiestMinute(w.Times(filesCreate)), 50)
	})
}

func TestTheLimitOnAttachRequestsIsOneOfEachStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Limits: openaitest.Limits{AttachRequestsPerMinute: 10}})
		pacer := vsclient.NewPacer(vsclient.Limits{AttachRequestsPerMinute: 10})
		began := time.Now()
		var writers sync.WaitGroup
		for i := range 3 {
			store := w.Server.NewVectorStore(fmt.Sprint(i))
			c := w.Client(func(cfg *vsclient.Config) { cfg.Pacer, cfg.VectorStoreID, cfg.BatchSize = pacer, store, 1 })
			writers.Go(func() {
				for _, r := range c.Apply(t.Context(), many(fmt.Sprint(i), 10), nil) {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
			})
		}
		writers.Wait()
		is.Equal(len(w.Times(singleAttach)), 30)
		is.True(time.Since(began) < time.Minute) // nobody waited for another store's minute
		is.Equal(w.Answered(429), 0)
	})
}

func TestAfterA429EverythingUnderTheLimitWaitsOnceForAllOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Second})
		c := w.Client()
		// Several that are under way at once are refused, as happens when a limit is
		// hit: each says to wait, and one wait is enough.
		w.Server.Inject(openaitest.Fault{Path: "/files", Method: "POST", Nth: 40, Times: 5, Kind: openaitest.FaultStatus, Status: 429, RetryAfter: seconds(20)})
		began := time.Now()
		for _, r := range c.Apply(t.Context(), many("d", 200), nil) {
			is.NoErr(r.Err)
		}
		is.True(time.Since(began) >= 20*time.Second)
		is.True(time.Since(began) < 30*time.Second) // not 20 seconds for each

		var refused time.Time
		for _, r := range w.Server.Requests() {
			if r.Status == 429 {
				refused = r.Time.Add(r.Took)
			}
		}
		for _, at := range w.Times(filesCreate) {
			wait := at.Sub(refused)
			is.True(wait <= 0 || wait >= 20*time.Second) // an upload began although the server had said to wait
		}
		is.Equal(w.Answered(429), 5)
		is.Equal(len(w.Times(filesCreate)), 205)
	})
}

func TestA429IsWaitedForByTheOtherClientsOfThePacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond})
		pacer := vsclient.NewPacer(vsclient.Limits{UploadsPerMinute: vsclient.NoLimit})
		shared := func(cfg *vsclient.Config) { cfg.Pacer = pacer }
		a, b := w.Client(shared), w.Client(shared)
		w.Server.Inject(openaitest.Fault{Path: "/files", Method: "POST", Kind: openaitest.FaultStatus, Status: 429, RetryAfter: seconds(30)})
		var writers sync.WaitGroup
		began := time.Now()
		writers.Go(func() {
			if _, err := a.Put(t.Context(), doc("a.md", "text")); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Second)
		_, err := b.Put(t.Context(), doc("b.md", "text"))
		is.NoErr(err)
		is.True(time.Since(began) >= 30*time.Second)
		writers.Wait()
		is.True(time.Since(began) < 32*time.Second)
		is.Equal(w.Answered(429), 1)
	})
}

// A bucket that holds less than a minute's worth cannot be known beforehand.
func TestALimitThatTheServerCountsMoreStrictlyCostsNoDocument(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		is, n := is.New(t), race.Pick(600, 300)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, Limits: openaitest.Limits{UploadsPerMinute: 120, Burst: 10}})
		c := w.Client(func(cfg *vsclient.Config) { cfg.Limits.UploadsPerMinute = 120 })
		began := time.Now()
		for _, r := range c.Apply(t.Context(), many("d", n), nil) {
			is.NoErr(r.Err)
		}
		best := time.Duration(n) * time.Minute / 120
		is.True(time.Since(began) < best*7/5)
		is.True(w.Answered(429) < n/3)
	})
}

func TestNoLimitTurnsEachLimitOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 10 * time.Millisecond})
		c := w.Client(func(cfg *vsclient.Config) { cfg.BatchSize = 1 })
		began := time.Now()
		documents := race.Pick(2050, 1050) // beyond all three published limits, or two of them
		for _, r := range c.Apply(t.Context(), many("d", documents), nil) {
			is.NoErr(r.Err)
		}
		is.True(time.Since(began) < time.Minute)
	})
}

func TestACallerThatGivesUpWhileItWaitsForALimitHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 10 * time.Millisecond})
		c := w.Client(func(cfg *vsclient.Config) { cfg.Limits.UploadsPerMinute = 1 })
		_, err := c.Put(t.Context(), doc("first.md", "text"))
		is.NoErr(err)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Put(ctx, doc("second.md", "text"))
		is.True(err != nil)
		is.Equal(time.Since(began), time.Second)
		_, err = c.Put(t.Context(), doc("third.md", "text"))
		is.NoErr(err)
		is.True(time.Since(began) < 62*time.Second) // the place of the second was not counted
	})
}

// DELETE and attribute updates have no published limit. A server that answers 429 to
// them is obeyed: everything under its limit waits, and the documents are all removed.
func TestALimitOnDeletesIsLearntFromA429AndCostsNoDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, Limits: openaitest.Limits{DeletesPerMinute: 300}})
		c := w.Client()
		changes := many("d", 350)
		for _, r := range c.Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
		}
		for i, ch := range changes {
			changes[i] = vsclient.Delete(ch.Key())
		}
		began := time.Now()
		for _, r := range c.Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
		}
		is.Equal(w.Files(), 0)
		is.True(w.Answered(429) <= vsclient.DefaultConcurrency) // those under way when the first was refused
		is.True(time.Since(began) < 3*time.Minute)              // 700 requests at 300 a minute
	})
}
