package vsclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
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

// The tests in this file are about outages, lost replies and other failures that may pass.

func TestAnOutageOfAllIsReportedAfterTheTimeForOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		is, n := is.New(t), race.Pick(300, 100)
		w := worldtest.New(t, openaitest.Config{})
		w.Strike(http.MethodPost, "", openaitest.Fault{Times: -1, Kind: openaitest.FaultStatus, Status: 503})
		c := w.Client()
		began := time.Now()
		for _, r := range c.Apply(t.Context(), many("doc", n), nil) {
			is.Equal(vsclient.ClassOf(r.Err), vsclient.Transient)
			is.True(errors.Is(r.Err, vsclient.ErrTimeout) && errors.Is(r.Err, vsclient.ErrUnavailable)) // the limit and the last cause
		}
		is.True(time.Since(began) < 2*vsclient.DefaultRetryTimeout)
		w.Server.ClearFaults()
		for _, r := range c.Apply(t.Context(), many("doc", n), nil) {
			is.NoErr(r.Err)
		}
	})
}

// An outage may come at each kind of request, and last longer than the retry time. The
// documents are there once they are delivered again, and nothing is left behind.
func TestAnOutageLongerThanTheRetryTimeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for sentence, at := range map[string]struct{ method, path string }{
		"uploads":        {http.MethodPost, pathFiles},
		"attaches":       {http.MethodPost, "/vector_stores/**"},
		"looks":          {http.MethodGet, "/vector_stores/**"},
		"removals":       {http.MethodDelete, ""},
		"lists of Files": {http.MethodGet, pathFiles},
		"every request":  {"", ""},
	} {
		for effect, f := range map[string]openaitest.Fault{"": {}, ", after the effect": {AfterEffect: true}} {
			if effect != "" && (at.path == pathFiles || at.path == "") {
				continue // a lost upload reply leaves a File, as twostores_test.go tells
			}
			if race.Enabled && (effect != "") != (at.method == http.MethodPost) {
				continue // half of them
			}
			t.Run(sentence+effect, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := worldtest.New(t, slow)
					c := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = time.Minute })
					changes := many("d", 3)
					for _, r := range c.Apply(t.Context(), changes, nil) {
						is.NoErr(r.Err)
					}
					for i, ch := range changes {
						changes[i] = put(ch.Key(), "another")
					}
					f.Times, f.Kind, f.Status = -1, openaitest.FaultStatus, 503
					w.Strike(at.method, at.path, f)
					go func() {
						time.Sleep(10 * time.Minute)
						w.Server.ClearFaults()
					}()
					for _, r := range c.Apply(t.Context(), changes, nil) {
						if r.Err != nil && vsclient.ClassOf(r.Err) != vsclient.Transient {
							t.Error(r.Err)
						}
					}
					time.Sleep(15 * time.Minute)
					for _, r := range c.Apply(t.Context(), changes, nil) {
						is.NoErr(r.Err)
					}
					time.Sleep(30 * time.Minute)
					held := w.Holds()
					for _, ch := range changes {
						if got := held[ch.Key()]; got != "another" {
							t.Fatalf("%s holds %q", ch.Key(), got)
						}
						w.NoGap(ch.Key())
					}
					is.Equal(w.Files(), len(changes))
				})
			})
		}
	}
}

// The document is searchable by then, and accepted versions go forward.
func TestALookThatFailsAfterIndexingTakesNothingBack(t *testing.T) {
	for sentence, f := range map[string]openaitest.Fault{
		"503": {Kind: openaitest.FaultStatus, Status: 503}, "404": {Kind: openaitest.FaultStatus, Status: 404}, "hangs": {Kind: openaitest.FaultHang},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				f.Times = -1
				w.Strike(http.MethodGet, pathAttached, f)
				c := w.Client(func(cfg *vsclient.Config) { cfg.RetryTimeout = 10 * time.Second })
				_, err := c.Put(t.Context(), doc("a.md", "text"))
				is.True(err == nil || vsclient.ClassOf(err) == vsclient.Transient)
				time.Sleep(time.Minute)
				w.Expect(map[string]string{"a.md": "text"})
				w.Server.ClearFaults()
				time.Sleep(time.Hour)
				w.Expect(map[string]string{"a.md": "text"})
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "text"))))
				is.Equal(w.Files(), 1)
				w.NoGap("a.md")
			})
		})
	}
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

func TestASlowButSteadyReplyIsASignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		plant(w, 500) // a list of 100 KB
		c := w.Client(over(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(req)
			if err == nil {
				resp.Body = slowly{resp.Body, req.Context()}
			}
			return resp, err
		}))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		is.Equal(w.Server.Counts()[filesList], 1)
	})
}

func TestAReplyThatNamesNoObjectIsALostReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		// bare takes the content of the first reply to each endpoint but the upload.
		bare := func() func(*vsclient.Config) {
			var had sync.Map
			return over(func(next http.RoundTripper, req *http.Request) (*http.Response, error) {
				resp, err := next.RoundTrip(req)
				if err != nil || resp.StatusCode != http.StatusOK || req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/v1/files") {
					return resp, err
				}
				if _, again := had.LoadOrStore(req.Method+strings.Split(req.URL.Path, "/file-")[0], true); !again {
					resp.Body = io.NopCloser(strings.NewReader("{}"))
					resp.ContentLength = 2
				}
				return resp, err
			})
		}
		r, err := w.Client(bare()).Put(t.Context(), doc("a.md", "one"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Created)
		r, err = w.Client(bare()).Put(t.Context(), doc("a.md", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		is.Equal(w.Files(), 1)
	})
}

func TestARequestWithoutASignOfLifeIsTriedAgainAfterTheRequestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		w.Strike("", pathFiles, openaitest.Fault{Kind: openaitest.FaultHang})
		began := time.Now()
		is.NoErr(onlyErr(w.Client(func(cfg *vsclient.Config) { cfg.RequestTimeout = 5 * time.Second }).Put(t.Context(), doc("a.md", "text"))))
		is.True(time.Since(began) > 5*time.Second && time.Since(began) < 10*time.Second)
	})
}

func TestA404ThatNamesFileAndStoreIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		w.Strike(http.MethodPost, pathAttach, openaitest.Fault{
			Times: 3, Kind: openaitest.FaultStatus, Status: 404, Message: "No file 'file-abc' to attach to vector store '" + w.Store + "'.",
		})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "text"))))
	})
}

// A File is attached once. One that is stuck, or that OpenAI fails to index by its own
// fault, is followed by a fresh upload, a few times.
func TestADocumentThatOpenAIFailsToIndexByItsOwnFaultIsUploadedAnew(t *testing.T) {
	for sentence, broken := range map[string]func(cfg *openaitest.Config, first func() bool){
		"server_error": func(cfg *openaitest.Config, first func() bool) {
			cfg.FailIndexing = func(openaitest.FileInfo) (code, message string) {
				if first() {
					return "server_error", "An internal error occurred."
				}
				return "", ""
			}
		},
		"stuck": func(cfg *openaitest.Config, first func() bool) {
			cfg.StickIndexing = func(openaitest.FileInfo) bool { return first() }
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				failing := false
				once := func() bool {
					was := failing
					failing = false
					return was
				}
				cfg := slow
				broken(&cfg, once)
				w := worldtest.New(t, cfg)
				c := w.Client()
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "old"))))
				failing = true
				r, err := c.Put(t.Context(), doc("a.md", "new"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Replaced)
				is.Equal(len(w.Times(filesCreate)), 3)
				is.Equal(len(w.Times(singleAttach)), 3) // none is attached twice
				time.Sleep(time.Hour)
				w.Expect(map[string]string{"a.md": "new"})
				w.NoGap("a.md")
				is.Equal(w.Files(), 1)
			})
		})
	}
}

func TestADocumentThatOpenAINeverIndexesLeavesTheOlderVersionAndAnErrorThatTellsWhy(t *testing.T) {
	for sentence, row := range map[string]struct {
		rule  openaitest.IndexRule
		class vsclient.Class
		kind  error
	}{
		"server_error for good": {openaitest.IndexRule{Name: "a.md", Code: "server_error", Message: "An internal error occurred."}, vsclient.Transient, vsclient.ErrIndexing},
		"stuck for good":        {openaitest.IndexRule{Name: "a.md", Stuck: true}, vsclient.Transient, vsclient.ErrTimeout},
		"unreadable":            {openaitest.IndexRule{Name: "a.md", Code: "invalid_file", Message: "It cannot be read."}, vsclient.BadDocument, vsclient.ErrIndexing},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.IndexRules = []openaitest.IndexRule{row.rule}
				w := worldtest.New(t, cfg)
				old := w.Attached("a.md", "old", nil)
				c := w.Client()
				_, err := c.Put(t.Context(), doc("a.md", "new"))
				is.True(errors.Is(err, row.kind))
				is.Equal(vsclient.ClassOf(err), row.class)
				is.True(strings.Contains(err.Error(), `"a.md"`))
				is.True(strings.Contains(err.Error(), row.rule.Message))
				time.Sleep(time.Hour)
				w.Expect(map[string]string{"a.md": "old"})
				is.True(w.Exists(old))
				w.NoGap("a.md")
				is.True(len(w.Times(filesCreate)) <= 5)
				is.NoErr(onlyErr(w.Client().Delete(t.Context(), "a.md")))
				is.Equal(w.Files(), 0) // a stuck one is found and goes as well
			})
		})
	}
}

// Indexing fails by a server_error, and the removal of that File times out and arrives
// a minute later: the version that follows it is another File.
func TestARemovalThatArrivesLateHitsNoLaterVersion(t *testing.T) {
	for sentence, path := range map[string]string{"the detach": pathAttached, "the deletion of the File": pathFile} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				fails := true
				cfg := slow
				cfg.FailIndexing = func(openaitest.FileInfo) (code, message string) {
					if fails {
						fails = false
						return "server_error", "An internal error occurred."
					}
					return "", ""
				}
				w := worldtest.New(t, cfg)
				w.Strike(http.MethodDelete, path, openaitest.Fault{Kind: openaitest.FaultStatus, Status: 504, EffectAfter: seconds(60)})
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("a.md", "text"))))
				time.Sleep(10 * time.Minute)
				w.Expect(map[string]string{"a.md": "text"})
				w.NoGap("a.md")
				is.Equal(w.Files(), 1)
			})
		})
	}
}
