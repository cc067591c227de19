package vsclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about what other processes, tools and clocks do.

func TestAReaderInAnotherProcessMissesNothingThatIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{Latency: 20 * time.Millisecond, IndexTime: time.Second})
		writer, reader := w.client(), w.client()
		_, err := writer.Put(t.Context(), doc("a.md", "0"))
		is.NoErr(err)
		_, err = reader.Put(t.Context(), doc("b.md", "x")) // it has read the list of Files
		is.NoErr(err)
		var writes sync.WaitGroup
		writes.Go(func() {
			for i := range 3 {
				_, err := writer.Put(t.Context(), doc("a.md", fmt.Sprint(i+1)))
				is.NoErr(err)
				time.Sleep(2 * time.Second)
			}
		})
		for range 60 {
			began := time.Now()
			_, err := reader.Get(t.Context(), "a.md")
			is.NoErr(err)
			is.True(time.Since(began) < 5*time.Second)
			listed := false
			for i, err := range reader.List(t.Context()) {
				is.NoErr(err)
				listed = listed || i.Key == "a.md"
			}
			is.True(listed)
			time.Sleep(100 * time.Millisecond)
		}
		writes.Wait()
	})
}

func TestADeletionFindsWhatAnotherProcessHasJustPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		a, b := w.client(), w.client()
		_, err := b.Put(t.Context(), doc("b.md", "x")) // it has read the list of Files
		is.NoErr(err)
		time.Sleep(time.Second)
		_, err = a.Put(t.Context(), doc("a.md", "x"))
		is.NoErr(err)
		r, err := b.UpdateAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.AttributesUpdated)
		is.NoErr(w.client().Delete(t.Context(), "a.md"))
		is.Equal(len(w.srv.Snapshot().Files), 1)
	})
}

func TestSomebodyElsesFileIsNotTakenForAnUploadWhoseReplyWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		c := w.client()
		_, err := c.Put(t.Context(), doc("x.md", "x"))
		is.NoErr(err)
		time.Sleep(5 * time.Second)
		theirs := w.srv.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("theirs")})
		time.Sleep(20 * time.Second) // the client's list of Files does not have it yet
		w.srv.Inject(openaitest.Fault{Method: http.MethodPost, Path: "/files", Kind: openaitest.FaultCut})
		_, err = c.Put(t.Context(), doc("a.md", "mine!!"))
		is.NoErr(err)
		text, err := c.Text(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(text, "mine!!")
		is.NoErr(c.Delete(t.Context(), "a.md"))
		is.Equal(string(w.srv.Content(theirs)), "theirs")
	})
}

func TestAFileOfTheEarlierConnectorThatAnotherStoreHasStaysThere(t *testing.T) {
	for _, op := range []vsclient.Op{vsclient.OpPut, vsclient.OpDelete} {
		t.Run(op.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, openaitest.Config{})
				other := w.srv.NewVectorStore("other")
				id := w.srv.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("old")})
				w.srv.AddStoreFile(w.store, id, nil)
				w.srv.AddStoreFile(other, id, nil)
				for range 2 { // the second time by one that knows nothing of the first
					r := w.client().Apply(t.Context(), []vsclient.Change{{Op: op, Document: doc("a.md", "new")}}, nil)
					is.NoErr(r[0].Err)
				}
				is.Equal(string(w.srv.Content(id)), "old")
				is.Equal(len(w.srv.Snapshot().Store(other).Files), 1)
				is.True(!w.searchable()["a.md"] == (op == vsclient.OpDelete))
			})
		})
	}
}

func TestAVouchedKeyStandsForItsOwnFileNameAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		theirs := w.srv.AddFile(openaitest.NewFile{Name: "report.pdf", Content: []byte("%PDF")})
		ours := w.srv.AddFile(openaitest.NewFile{Name: "report.md", Content: []byte("ours")})
		time.Sleep(2 * time.Hour)
		c := w.client()
		found, err := c.Leftovers(t.Context(), vsclient.LeftoverOptions{Keys: []string{"report.md"}})
		is.NoErr(err)
		n, err := c.RemoveLeftovers(t.Context(), found)
		is.NoErr(err)
		is.Equal(n, 1)
		is.True(w.srv.Content(theirs) != nil)
		is.True(w.srv.Content(ours) == nil)
	})
}

// dates gives everything another date of creation.
type dates struct {
	next http.RoundTripper
	date int64
}

func (d dates) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	var b strings.Builder
	for i, part := range strings.Split(string(body), `"created_at":`) {
		if i > 0 {
			fmt.Fprintf(&b, `"created_at":%d`, d.date)
			part = strings.TrimLeft(part, "0123456789 ")
		}
		b.WriteString(part)
	}
	resp.Body = io.NopCloser(strings.NewReader(b.String()))
	resp.ContentLength = int64(b.Len())
	resp.Header.Del("Content-Length")
	return resp, err
}

func TestARestartDoublesNothingWhateverOpenAIsClockSays(t *testing.T) {
	for name, date := range map[string]int64{"no date": 0, "long ago": 1_000_000, "ahead": 4_000_000_000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, openaitest.Config{IndexTime: time.Second, NotFoundWindow: 5 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
				dated := func(cfg *vsclient.Config) {
					cfg.HTTPClient = &http.Client{Transport: dates{w.srv.Client().Transport, date}}
				}
				ctx, cut := context.WithCancel(t.Context())
				gone := w.client(dated, func(cfg *vsclient.Config) { cfg.HTTPClient.Transport = untilCut{cfg.HTTPClient.Transport, ctx} })
				go func() { _, _ = gone.Put(t.Context(), doc("a.md", "text")) }()
				time.Sleep(100 * time.Millisecond)
				is.Equal(len(w.srv.Snapshot().Store(w.store).Files), 1)
				cut() // the process is gone

				_, err := w.client(dated).Put(t.Context(), doc("a.md", "text"))
				is.NoErr(err)
				time.Sleep(5 * time.Minute)
				is.Equal(len(w.srv.Snapshot().Files), 1)
			})
		})
	}
}

// untilCut is the connection of a process that is gone from some time on.
type untilCut struct {
	next http.RoundTripper
	cut  context.Context
}

func (u untilCut) RoundTrip(req *http.Request) (*http.Response, error) {
	if u.cut.Err() != nil {
		return nil, errors.New("cut")
	}
	return u.next.RoundTrip(req)
}

func TestAnOutageOfAllIsReportedAfterTheTimeForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		w.srv.Inject(openaitest.Fault{Method: http.MethodPost, Times: -1, Kind: openaitest.FaultStatus, Status: 503})
		c := w.client()
		began := time.Now()
		for _, r := range c.Apply(t.Context(), many("doc", 1000), nil) {
			is.True(vsclient.Retryable(r.Err))
		}
		is.True(time.Since(began) < 2*vsclient.DefaultRetryTimeout)
		w.srv.ClearFaults()
		for _, r := range c.Apply(t.Context(), many("doc", 1000), nil) {
			is.NoErr(r.Err)
		}
	})
}

// slowly hands out a body a piece a second.
type slowly struct {
	io.ReadCloser
	ctx context.Context
}

func (s slowly) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
	return s.ReadCloser.Read(p[:min(len(p), 1000)])
}

type slowReplies struct{ next http.RoundTripper }

func (s slowReplies) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err == nil {
		resp.Body = slowly{resp.Body, req.Context()}
	}
	return resp, err
}

func TestASlowButSteadyReplyIsASignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		w.plant(500) // a list of 100 KB
		c := w.client(func(cfg *vsclient.Config) {
			cfg.HTTPClient = &http.Client{Transport: slowReplies{cfg.HTTPClient.Transport}}
		})
		_, err := c.Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		is.Equal(w.srv.Counts()["GET /files"], 1)
	})
}

func TestACallThatIsGivenUpReturnsSoonThoughTheAttachHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		w.srv.Inject(openaitest.Fault{Method: http.MethodPost, Path: "/vector_stores/*/files", Times: -1, Kind: openaitest.FaultHang})
		c := w.client()
		ctx, giveUp := context.WithCancel(t.Context())
		w.onFirst(http.MethodPost, "/files", func() { time.AfterFunc(time.Second, giveUp) })
		began := time.Now()
		_, err := c.Put(ctx, doc("a.md", "text"))
		is.True(errors.Is(err, context.Canceled))
		is.True(time.Since(began) < time.Minute)
		is.Equal(len(w.srv.Snapshot().Files), 0)
	})
}

// bare takes the content of the first reply to each endpoint.
type bare struct {
	next http.RoundTripper
	had  *sync.Map
}

func (b bare) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	if _, had := b.had.LoadOrStore(req.Method+strings.Split(req.URL.Path, "/file-")[0], true); !had {
		resp.Body = io.NopCloser(strings.NewReader("{}"))
		resp.ContentLength = 2
	}
	return resp, err
}

func TestAReplyThatNamesNoObjectIsALostReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		c := w.client(func(cfg *vsclient.Config) {
			cfg.HTTPClient = &http.Client{Transport: bare{cfg.HTTPClient.Transport, new(sync.Map)}}
		})
		r, err := c.Put(t.Context(), doc("a.md", "one"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Created)
		is.Equal(w.srv.Counts()["POST /files"], 1) // it was found
		c = w.client(func(cfg *vsclient.Config) {
			cfg.HTTPClient = &http.Client{Transport: bare{cfg.HTTPClient.Transport, new(sync.Map)}}
		})
		r, err = c.Put(t.Context(), doc("a.md", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		is.Equal(len(w.srv.Snapshot().Files), 1)
	})
}

func TestARequestWithoutASignOfLifeIsTriedAgainAfterTheRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		w.srv.Inject(openaitest.Fault{Path: "/files", Kind: openaitest.FaultHang})
		began := time.Now()
		_, err := w.client(func(cfg *vsclient.Config) { cfg.RequestTimeout = 5 * time.Second }).Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		is.True(time.Since(began) > 5*time.Second && time.Since(began) < 10*time.Second)
	})
}

func TestNamesakesInAnotherStoreCostAReplayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		changes := many("d", 500)
		for _, r := range w.client().Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
		}
		other := w.srv.NewVectorStore("other")
		for _, c := range changes {
			w.srv.AddStoreFile(other, w.srv.AddFile(openaitest.NewFile{Name: c.Document.Key, Content: []byte("theirs")}), nil)
		}
		earlier := w.srv.AddFile(openaitest.NewFile{Name: changes[7].Document.Key, Content: []byte("earlier")})
		w.srv.AddStoreFile(w.store, earlier, nil) // an older version, in this store
		time.Sleep(time.Hour)
		w.srv.AddFile(openaitest.NewFile{Name: "new.md", Content: []byte("new")}) // tells how late it is
		before := w.srv.RequestCount()
		for _, r := range w.client().Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Unchanged)
		}
		is.True(w.srv.RequestCount()-before < 40)
		is.True(w.srv.Content(earlier) == nil)
		is.Equal(len(w.srv.Snapshot().Store(other).Files), 500)
	})
}
