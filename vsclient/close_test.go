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
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// Close is called at each of many moments, while documents are listed, uploaded,
// gathered, attached, indexed, replaced and deleted.
func TestCloseEndsWhatIsUnderWayAndLeavesNoGoroutine(t *testing.T) {
	for moment := 25 * time.Millisecond; moment < 3*time.Second; moment += 350 * time.Millisecond {
		for _, waits := range []vsclient.WaitFor{vsclient.WaitIndexed, vsclient.WaitAttached} {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, slow)
				first := w.client()
				for _, r := range first.Apply(t.Context(), many("d", 80), nil) {
					is.NoErr(r.Err)
				}
				is.NoErr(first.Close())

				c := w.client(func(cfg *vsclient.Config) { cfg.WaitFor = waits })
				changes := append(many("new", 40), many("d", 80)...)
				for i := range changes {
					changes[i].Document.Content = vsclient.String("another")
					if i%3 == 0 {
						changes[i].Op = vsclient.OpDelete
					}
				}
				var calls sync.WaitGroup
				calls.Go(func() {
					for _, r := range c.Apply(context.Background(), changes, nil) {
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
				is.NoErr(c.Close())
				is.True(time.Since(began) < 30*time.Second)
				calls.Wait()
				synctest.Wait()
				if stack := running("/vsclient."); stack != "" {
					t.Fatalf("closed after %v, this still runs: %s", moment, stack)
				}

				// What was half done has been taken back: no File is attached nowhere,
				// and each key that was not deleted has a version that can be found.
				is.NoErr(c.Close())
				_, err := c.Put(t.Context(), doc("late.md", "text"))
				is.True(errors.Is(err, vsclient.ErrClosed))
				snapshot := w.srv.Snapshot()
				if a, b := len(snapshot.Files), len(snapshot.Store(w.store).Files); a != b {
					t.Fatalf("closed after %v waits=%v, there are %d Files and %d store files", moment, waits, a, b)
				}
				found := w.searchable()
				for i := range 80 {
					if name := changes[40+i].Document.Key; (40+i)%3 != 0 && !found[name] {
						t.Errorf("closed after %v, %s is missing", moment, name)
					}
				}
			})
		}
	}
}

func TestCloseWaitsForARemovalThatASweepHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		c := w.client()
		for i := range 2 { // two versions of one key, as two writers leave them
			id := w.srv.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("text")})
			w.srv.AddStoreFile(w.store, id, map[string]any{"vs_key": "a.md", "vs_version": fmt.Sprintf("%016d", i+1)})
		}
		w.srv.Inject(openaitest.Fault{Method: http.MethodDelete, Times: -1, Kind: openaitest.FaultDelay, Delay: openaitest.Duration(10 * time.Second)})
		swept := make(chan struct{})
		go func() {
			defer close(swept)
			_, _ = c.Sweep(t.Context())
		}()
		time.Sleep(time.Second)
		is.NoErr(c.Close())
		is.Equal(len(w.srv.Snapshot().Files), 1)
		<-swept
		_, err := c.Sweep(t.Context())
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
