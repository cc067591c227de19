package vsclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
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

// The tests in this file are about the end of a client: Close and Shutdown.

// Close is called at each of many moments, while documents are listed, uploaded,
// gathered, attached, indexed, replaced and deleted.
func TestCloseEndsEverythingWithinTenSecondsAndLosesNothing(t *testing.T) {
	step := 350 * time.Millisecond
	if race.Enabled {
		step = 900 * time.Millisecond
	}
	for moment := 25 * time.Millisecond; moment < 3*time.Second; moment += step {
		for _, waits := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				first := w.Client()
				for _, r := range first.Apply(t.Context(), many("d", 40), nil) {
					is.NoErr(r.Err)
				}
				is.NoErr(first.Close())

				c := w.Client(func(cfg *vsclient.Config) { cfg.Async = waits })
				changes := append(many("new", 20), many("d", 40)...)
				for i, ch := range changes {
					changes[i] = put(ch.Key(), "another")
					if i%3 == 0 {
						changes[i] = vsclient.Delete(ch.Key())
					}
				}
				var results []vsclient.Result
				var calls sync.WaitGroup
				calls.Go(func() {
					results = c.Apply(context.Background(), changes, nil)
					for _, r := range results {
						if r.Err != nil && !errors.Is(r.Err, vsclient.ErrClosed) {
							t.Error(r.Err)
						}
					}
				})
				calls.Go(func() {
					if _, err := c.Get(context.Background(), "d-0001.md"); err != nil && !errors.Is(err, vsclient.ErrClosed) && !errors.Is(err, vsclient.ErrNotFound) {
						t.Error(err)
					}
				})
				time.Sleep(moment)
				began := time.Now()
				_ = c.Close() // its error names Files that may be left
				is.True(time.Since(began) <= 10*time.Second)
				calls.Wait()
				synctest.Wait()
				if stack := running("/vsclient."); stack != "" {
					t.Fatalf("closed after %v, this still runs: %s", moment, stack)
				}
				requests := w.Server.RequestCount()
				is.NoErr(c.Close())
				_, err := c.Put(t.Context(), doc("late.md", "text"))
				is.True(errors.Is(err, vsclient.ErrClosed))
				time.Sleep(time.Minute)
				is.Equal(w.Server.RequestCount(), requests) // a closed client makes no request

				// Each key that was not deleted is served, and everything that was acknowledged.
				held := w.Holds()
				for i, r := range results {
					switch {
					case i%3 == 0:
						is.True(r.Err != nil || held[r.Key] == "")
					case r.Err == nil:
						is.True(strings.Contains(held[r.Key], "another"))
					case i >= 20:
						is.True(held[r.Key] != "")
					}
				}
				// The next process finishes it.
				for _, r := range w.Client().Apply(t.Context(), changes, nil) {
					is.NoErr(r.Err)
				}
				held = w.Holds()
				for i, ch := range changes {
					want := "another"
					if i%3 == 0 {
						want = ""
					}
					if got := held[ch.Key()]; got != want {
						t.Errorf("closed after %v, %s holds %q", moment, ch.Key(), got)
					}
				}
			})
		}
	}
}

func TestCloseReturnsWithinTenSecondsWhateverTheServerDoes(t *testing.T) {
	for sentence, f := range map[string]openaitest.Fault{
		"hangs": {Kind: openaitest.FaultHang}, "refuses": {Kind: openaitest.FaultStatus, Status: 503}, "asks to wait": {Kind: openaitest.FaultStatus, Status: 429, RetryAfter: seconds(60)}, "cuts": {Kind: openaitest.FaultCut},
	} {
		for moment := 10 * time.Millisecond; moment < 900*time.Millisecond; moment += race.Pick(120*time.Millisecond, 240*time.Millisecond) {
			t.Run(fmt.Sprint("it ", sentence, " after ", moment), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := worldtest.New(t, slow)
					is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("d-0000.md", "old"))))
					c := w.Client()
					var calls sync.WaitGroup
					calls.Go(func() { c.Apply(context.Background(), many("d", 10), nil) })
					time.Sleep(moment)
					f.Times = -1
					w.Server.Inject(f)
					began := time.Now()
					_ = c.Close()
					is.True(time.Since(began) <= 10*time.Second)
					calls.Wait()
					is.True(time.Since(began) <= 10*time.Second)
					is.True(w.Holds()["d-0000.md"] != "")
				})
			})
		}
	}
}

// A second File may only be left where Close says so.
func TestCloseSaysWhichFilesItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Minute})
		c := w.Client()
		var calls sync.WaitGroup
		calls.Go(func() { _, _ = c.Put(context.Background(), doc("a.md", "text")) })
		time.Sleep(time.Second)
		err := c.Close()
		calls.Wait()
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), w.Server.Snapshot().Files[0].ID))
		is.Equal(vsclient.ClassOf(err), vsclient.Stopped)
		is.NoErr(c.Close())
	})
}

func TestShutdownLetsCallsUnderWayEndFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		var calls sync.WaitGroup
		calls.Go(func() {
			for _, r := range c.Apply(context.Background(), many("d", 200), nil) {
				if r.Err != nil {
					t.Error(r.Err)
				}
			}
		})
		time.Sleep(100 * time.Millisecond)
		is.NoErr(c.Shutdown(t.Context()))
		calls.Wait()
		is.Equal(len(w.Searchable()), 200)
	})
}

func TestShutdownEndsWithItsContextWhateverTheServerDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		w.Strike("", "", openaitest.Fault{Times: -1, Kind: openaitest.FaultHang})
		var calls sync.WaitGroup
		calls.Go(func() { c.Apply(context.Background(), many("d", 10), nil) })
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		_ = c.Shutdown(ctx)
		is.True(time.Since(began) <= 4*time.Second)
		calls.Wait()
	})
}

// A caller that gives up has its answer at once, whichever request hangs.
func TestACallReturnsWhenItsContextEndsWhateverHangs(t *testing.T) {
	for sentence, at := range map[string]struct{ method, path string }{
		"the list of Files": {http.MethodGet, pathFiles}, "the upload": {http.MethodPost, pathFiles}, "the attach": {http.MethodPost, pathAttach},
		"a look": {http.MethodGet, "/vector_stores/**"}, "the detach": {http.MethodDelete, pathAttached}, "the deletion": {http.MethodDelete, pathFile}, "everything": {"", ""},
	} {
		for _, slots := range []int{0, 1} {
			t.Run(fmt.Sprint(sentence, ", slots ", slots), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := worldtest.New(t, slow)
					is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "old"))))
					c := w.Client(func(cfg *vsclient.Config) { cfg.Concurrency = slots })
					w.Strike(at.method, at.path, openaitest.Fault{Times: -1, Kind: openaitest.FaultHang, EffectAfter: seconds(60)})
					ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
					defer cancel()
					began := time.Now()
					_, err := c.Put(ctx, doc("a.md", "new"))
					is.Equal(time.Since(began), 2*time.Second)
					is.True(errors.Is(err, context.DeadlineExceeded))
					w.Server.ClearFaults()
					is.True(w.Holds()["a.md"] != "")
					time.Sleep(30 * time.Minute)
					// The version that was given up is taken forward, or is gone; never are there two.
					is.True(!strings.Contains(w.Holds()["a.md"], " and "))
					w.NoGap("a.md")
					is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "new"))))
					w.Expect(map[string]string{"a.md": "new"})
				})
			})
		}
	}
}

func TestCloseWaitsForARemovalThatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		for i := range 2 { // two versions of one key, as two writers leave them
			w.Attached("a.md", "text", map[string]any{"vs_key": "a.md", "vs_version": fmt.Sprintf("%016d", i+1)})
		}
		w.Strike(http.MethodDelete, "", openaitest.Fault{Times: -1, Kind: openaitest.FaultDelay, Delay: seconds(4)})
		swept := make(chan struct{})
		go func() {
			defer close(swept)
			_, _ = c.Sweep(t.Context(), vsclient.SweepOptions{})
		}()
		time.Sleep(time.Second)
		is.NoErr(c.Close())
		is.Equal(w.Files(), 1)
		<-swept
		_, err := c.Sweep(t.Context(), vsclient.SweepOptions{})
		is.True(errors.Is(err, vsclient.ErrClosed))
	})
}

func TestCloseLeavesNoConnectionOfTheClientsOwn(t *testing.T) {
	is := is.New(t)
	srv := openaitest.New(openaitest.Config{})
	defer srv.Close()
	store := srv.NewVectorStore("docs")
	var open sync.WaitGroup // until the server has seen each end
	hs := httptest.NewUnstartedServer(srv)
	hs.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Done()
		}
	}
	hs.Start()
	c, err := vsclient.New(vsclient.Config{APIKey: "sk-test", VectorStoreID: store, BaseURL: hs.URL + "/v1"})
	is.NoErr(err)
	for _, r := range c.Apply(t.Context(), many("d", 100), nil) {
		is.NoErr(r.Err)
	}
	is.NoErr(c.Close())
	open.Wait() // would not return if one were kept
	hs.Close()
}

// running returns the stack of a goroutine that is in a function whose full name
// contains that; "" when there is none.
func running(name string) string {
	buf := make([]byte, 4<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, name) {
			return stack
		}
	}
	return ""
}

func TestCloseWaitsShortlyForItsCallersOwnCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "a"))))
		began := time.Now()
		for _, err := range c.List(t.Context()) {
			is.NoErr(err)
			is.NoErr(c.Close())
			break
		}
		c = w.Client()
		c.Apply(t.Context(), []vsclient.Change{vsclient.Put(doc("b.md", "b"))}, func(int, vsclient.Result) { is.NoErr(c.Close()) })
		is.True(time.Since(began) < 10*time.Second)
	})
}

func TestShutdownTellsOfDocumentsThatCameToNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 5 * time.Second, FailIndexing: func(openaitest.FileInfo) (string, string) { return "invalid_file", "bad" }})
		c := w.Client(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "a"))))
		err := c.Shutdown(t.Context())
		is.True(errors.Is(err, vsclient.ErrIndexing))
	})
}

func TestShutdownNamesAFileThatWasRefusedAndNotRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{FreshFileWindow: time.Hour})
		c := w.Client()
		short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		is.True(onlyErr(c.Put(short, doc("a.md", "one"))) != nil)
		refused := w.Server.Snapshot().Files[0].ID
		w.Strike(http.MethodDelete, "", openaitest.Fault{Times: -1, Kind: openaitest.FaultDelay, Delay: seconds(5)})
		var second sync.WaitGroup
		second.Go(func() { _, _ = c.Put(t.Context(), doc("a.md", "two")) }) // it has the key's turn
		time.Sleep(3 * time.Second)
		now, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		err := c.Shutdown(now)
		second.Wait()
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), refused))
	})
}

func TestShutdownDoesNotWaitForARemovalThatIsForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "one"))))
		w.Server.Inject(openaitest.Fault{Method: http.MethodDelete, Kind: openaitest.FaultStatus, Status: http.StatusForbidden, Times: -1})
		is.True(errors.Is(onlyErr(c.Put(t.Context(), doc("a.md", "two"))), vsclient.ErrUnauthorized))
		before := w.Server.RequestCount()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		is.True(c.Shutdown(ctx) != nil) // it names the File
		is.NoErr(ctx.Err())
		is.True(w.Server.RequestCount()-before < 20)
	})
}
