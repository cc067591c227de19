package vsclient_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about what another writer does at the same moment, or
// has left half done.

func TestTwoWritersOfOneKeyAtOnceLeaveAVersion(t *testing.T) {
	for name, attrs := range map[string]vsclient.Attributes{
		"the one with what is there":          nil,
		"the one with attributes in addition": {"lang": "en"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, openaitest.Config{NotFoundWindow: 20 * time.Second, IndexTime: time.Second})
				one, other := w.client(), w.client()
				_, err := one.Put(t.Context(), doc("a.md", "old"))
				is.NoErr(err)
				time.Sleep(10 * time.Minute)
				done := make(chan error)
				go func() {
					_, err := other.Put(t.Context(), doc("a.md", "new!!"))
					done <- err
				}()
				time.Sleep(5 * time.Second) // attached, and not to be seen yet
				again := doc("a.md", "old")
				again.Attributes = attrs
				_, err = one.Put(t.Context(), again)
				is.NoErr(err)
				is.NoErr(<-done)
				time.Sleep(10 * time.Minute)
				is.True(w.searchable()["a.md"])
				_, err = one.Sweep(t.Context())
				is.NoErr(err)
				is.Equal(len(w.srv.Snapshot().Store(w.store).Files), 1)
			})
		})
	}
}

func TestADeletionFollowsWhatAnotherWriterHasReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		one, other := w.client(), w.client()
		_, err := one.Put(t.Context(), doc("a.md", "old"))
		is.NoErr(err)
		_, err = other.Put(t.Context(), doc("a.md", "new"))
		is.NoErr(err)
		is.NoErr(one.Delete(t.Context(), "a.md"))
		is.Equal(len(w.srv.Snapshot().Files), 0)
	})
}

func TestAReaderThatLookedTooEarlyFindsTheDocumentWhenItShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{NotFoundWindow: 20 * time.Second})
		reader := w.client()
		_, err := w.client(func(cfg *vsclient.Config) { cfg.WaitFor = vsclient.WaitAttached }).Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		_, err = reader.Get(t.Context(), "a.md")
		is.True(errors.Is(err, vsclient.ErrNotFound))
		time.Sleep(25 * time.Second)
		_, err = reader.Get(t.Context(), "a.md")
		is.NoErr(err)
	})
}

func TestAnUpdateWaitsForADocumentThatMayShowYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{NotFoundWindow: 20 * time.Second})
		_, err := w.client(func(cfg *vsclient.Config) { cfg.WaitFor = vsclient.WaitAttached }).Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		_, err = w.client().UpdateAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})
		is.NoErr(err)
		is.Equal(w.srv.Snapshot().Store(w.store).Files[0].Attributes["lang"], "en")
	})
}

func TestAnUpdateGoesToTheVersionThatReadersFind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{FailIndexing: func(f openaitest.FileInfo) (code, message string) {
			if f.Bytes == int64(len("broken")) {
				return "invalid_file", "broken"
			}
			return "", ""
		}})
		_, err := w.client().Put(t.Context(), doc("a.md", "fine"))
		is.NoErr(err)
		// What a process has left that was killed before it could take it back.
		broken := w.srv.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("broken")})
		body := fmt.Sprintf(`{"file_id":%q,"attributes":{"vs_key":"a.md","vs_version":"%016d"}}`, broken, time.Now().Add(time.Second).UnixMicro())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL()+"/vector_stores/"+w.store+"/files", strings.NewReader(body))
		is.NoErr(err)
		req.Header.Set("Authorization", "Bearer sk-test")
		req.Header.Set("Content-Type", "application/json")
		resp, err := w.srv.Client().Do(req)
		is.NoErr(err)
		is.Equal(resp.StatusCode, http.StatusOK)
		resp.Body.Close()
		time.Sleep(time.Hour)

		c := w.client()
		_, err = c.UpdateAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})
		is.NoErr(err)
		info, err := c.Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Status, vsclient.StatusCompleted)
		is.Equal(info.Attributes["lang"], "en")
		is.Equal(len(w.srv.Snapshot().Files), 1) // the other has gone
	})
}

func TestAnUpdateThatIsRefusedWhileIndexingIsMadeAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{IndexTime: 2 * time.Minute})
		w.srv.Inject(openaitest.Fault{
			Method: http.MethodPost, Path: "/vector_stores/*/files/*", Kind: openaitest.FaultStatus, Status: 400, Message: "The file is being processed.",
		})
		c := w.client(func(cfg *vsclient.Config) { cfg.WaitFor = vsclient.WaitAttached })
		_, err := c.Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		_, err = w.client().UpdateAttributes(t.Context(), "a.md", vsclient.Attributes{"lang": "en"})
		is.NoErr(err)
		is.NoErr(c.Flush(t.Context()))
	})
}

func TestAListingShowsWhatThisClientHasJustAttached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: 2 * time.Minute}})
		c := w.client(func(cfg *vsclient.Config) { cfg.WaitFor = vsclient.WaitAttached })
		_, err := c.Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
		var keys []string
		for i, err := range c.List(t.Context()) {
			is.NoErr(err)
			keys = append(keys, i.Key)
		}
		is.Equal(keys, []string{"a.md"})
	})
}

func TestAListingDoesNotShowWhatThisClientHasDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{ListLag: openaitest.Lag{Detach: 2 * time.Minute}})
		c := w.client()
		for _, key := range []string{"short.md", strings.Repeat("long/", 200) + ".md"} {
			_, err := c.Put(t.Context(), doc(key, "text"))
			is.NoErr(err)
			is.NoErr(c.Delete(t.Context(), key))
		}
		for i, err := range c.List(t.Context()) {
			is.NoErr(err)
			t.Errorf("%s is listed", i.FileID)
		}
	})
}

func TestDocumentsCanBeDeletedAsTheyAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{Quirks: openaitest.Quirks{DeletedCursorRefused: true}})
		c := w.client()
		for _, r := range c.Apply(t.Context(), many("d", 250), nil) {
			is.NoErr(r.Err)
		}
		for i, err := range c.List(t.Context()) {
			is.NoErr(err)
			is.NoErr(c.Delete(t.Context(), i.Key))
		}
		is.Equal(len(w.srv.Snapshot().Files), 0)
	})
}

func TestFlushWaitsForWhatWasThereAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{IndexTime: 10 * time.Second})
		c := w.client(func(cfg *vsclient.Config) { cfg.WaitFor = vsclient.WaitAttached })
		stop := make(chan struct{})
		go func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
					_, _ = c.Put(t.Context(), doc(fmt.Sprintf("%d.md", i), "text"))
				}
			}
		}()
		time.Sleep(5 * time.Second)
		began := time.Now()
		is.NoErr(c.Flush(t.Context()))
		is.True(time.Since(began) < 30*time.Second)
		close(stop)
		is.NoErr(c.Close())
	})
}

func TestA404ThatNamesFileAndStoreIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		w.srv.Inject(openaitest.Fault{
			Method: http.MethodPost, Path: "/vector_stores/*/files", Times: 3, Kind: openaitest.FaultStatus, Status: 404,
			Message: "No file 'file-abc' to attach to vector store '" + w.store + "'.",
		})
		_, err := w.client().Put(t.Context(), doc("a.md", "text"))
		is.NoErr(err)
	})
}

// sameReply answers each request with the same.
type sameReply struct {
	status int
	body   string
}

func (r sameReply) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: r.status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader([]byte(r.body)))}, nil
}

func TestAQuotaThatIsNamedByTypeIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		began := time.Now()
		_, err := w.client(func(cfg *vsclient.Config) {
			cfg.HTTPClient = &http.Client{Transport: sameReply{429, `{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","code":null,"param":null}}`}}
		}).Put(t.Context(), doc("a.md", "text"))
		is.True(errors.Is(err, vsclient.ErrQuota))
		is.Equal(time.Since(began), time.Duration(0))
	})
}

func TestAKeyThatTheReplyEscapesIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		for _, escaped := range []string{`k/very&secret`, `k\/very&secret`, `k/very\u0026secret`, `k\/very\u0026secret`} {
			_, err := w.client(func(cfg *vsclient.Config) {
				cfg.APIKey = "k/very&secret"
				cfg.HTTPClient = &http.Client{Transport: sameReply{401, `{"error":{"message":"Incorrect API key: ` + escaped + `","type":"x","code":null,"param":null}}`}}
			}).Put(t.Context(), doc("a.md", "text"))
			is.True(errors.Is(err, vsclient.ErrUnauthorized))
			is.True(!strings.Contains(show(t, err), "secret"))
		}
	})
}
