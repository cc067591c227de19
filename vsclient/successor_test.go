package vsclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file are about a process that takes over from an earlier one.

// newHiddenVersion is a store that serves "one" under a.md. A process that was killed just
// now had attached "two", which nothing shows yet.
func newHiddenVersion(t *testing.T) *worldtest.World {
	t.Helper()
	is := is.New(t)
	w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
	first, kill := w.Process(async)
	is.NoErr(onlyErr(first.Put(t.Context(), doc("a.md", "one"))))
	is.NoErr(first.Flush(t.Context()))
	time.Sleep(30 * time.Minute)
	is.NoErr(onlyErr(first.Put(t.Context(), doc("a.md", "two"))))
	kill()
	return w
}

// An attach may answer 404 for a while. A process that sets attributes then waits for the
// version that the process before it was told is attached.
func TestAttributesAreSetOfTheVersionThatAnEarlierProcessHasAttached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newHiddenVersion(t)
		time.Sleep(5 * time.Second)
		second := w.Client()
		is.NoErr(onlyErr(second.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"public": true})))
		info, err := second.Get(t.Context(), "a.md")
		is.NoErr(err)
		is.Equal(info.Attributes, vsclient.Attributes{"public": true})
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "two"})
	})
}

// A listing may be behind the changes of an earlier process, however old the File is.
func TestANewProcessReadsADocumentThatOnlyAListingHasShown(t *testing.T) {
	changes := map[string]func(context.Context, *vsclient.Client) error{
		"put": func(ctx context.Context, c *vsclient.Client) error {
			return onlyErr(c.Put(ctx, with(doc("a.md", "text"), vsclient.Attributes{"public": true})))
		},
		"put with a condition": func(ctx context.Context, c *vsclient.Client) error {
			put := vsclient.Put(with(doc("a.md", "text"), vsclient.Attributes{"public": true})).If(vsclient.Attributes{"public": false})
			return c.Apply(ctx, []vsclient.Change{put}, nil)[0].Err
		},
		"set attributes": func(ctx context.Context, c *vsclient.Client) error {
			return onlyErr(c.SetAttributes(ctx, "a.md", vsclient.Attributes{"public": true}))
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{ListLag: openaitest.Lag{Update: 90 * time.Second}})
				first := w.Client()
				is.NoErr(onlyErr(first.Put(t.Context(), with(doc("a.md", "text"), vsclient.Attributes{"public": true}))))
				time.Sleep(30 * time.Minute)
				is.NoErr(onlyErr(first.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"public": false})))
				is.NoErr(first.Close())
				w.File("other.md", "of somebody") // shows OpenAI's time
				second := w.Client()
				is.True(errors.Is(onlyErr(second.Get(t.Context(), "b.md")), vsclient.ErrNotFound))
				time.Sleep(5 * time.Second)
				is.NoErr(change(t.Context(), second))
				info, err := second.Get(t.Context(), "a.md")
				is.NoErr(err)
				is.Equal(info.Attributes, vsclient.Attributes{"public": true})
			})
		})
	}
}

// A file that somebody has uploaded and attached just now need not show yet.
func TestAFileAttachedByHandJustNowIsReplacedOrDeletedWithItsKey(t *testing.T) {
	for name, want := range map[string]map[string]string{"delete": {}, "put": {"a.md": "new"}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
				w.Attached("a.md", "by hand", nil)
				time.Sleep(2 * time.Second)
				c := w.Client()
				if name == "put" {
					is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "new"))))
				} else {
					is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
				}
				time.Sleep(time.Hour)
				w.Expect(want)
			})
		})
	}
}

// A server may drop every character outside ASCII, so that of a name its extension is left.
func TestADocumentWhoseNameIsListedAsItsExtensionIsFoundByTheNextProcess(t *testing.T) {
	for _, key := range []string{"🙂", "文档.md"} {
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{ListLag: openaitest.Lag{Attach: time.Minute}})
				ascii := over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err != nil || !strings.Contains(r.URL.Path, "/files") {
						return resp, err
					}
					b, err := io.ReadAll(resp.Body)
					if err != nil {
						return nil, err
					}
					for _, name := range []string{"🙂", "文档"} {
						b = bytes.ReplaceAll(b, []byte(`"filename":"`+name), []byte(`"filename":"`))
					}
					resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
					return resp, nil
				})
				first := w.Client(ascii)
				is.NoErr(onlyErr(first.Put(t.Context(), doc(key, "text"))))
				is.NoErr(first.Close())
				time.Sleep(5 * time.Second)
				r, err := w.Client(ascii).Delete(t.Context(), key)
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Deleted)
				time.Sleep(time.Hour)
				is.Equal(w.Files(), 0)
			})
		})
	}
}

// A File that was uploaded before a Delete may be attached by a person after it. It is a
// document of that person's.
func TestAFileThatAPersonAttachesAfterADeleteStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		c := w.Client()
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
		byHand := w.File("a.md", "by hand")
		time.Sleep(time.Minute)
		is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
		time.Sleep(2 * time.Minute)
		w.Server.AddStoreFile(w.Store, byHand, nil)
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "by hand"})
	})
}

// A program that has started, and is given nothing to do, settles the process before it.
func TestACheckedClientSettlesAnAcknowledgedVersionOfAProcessThatWasKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c, kill := w.Process(async)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "old"))))
		is.NoErr(c.Flush(t.Context()))
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "new"))))
		kill()
		_, err := w.Client().Check(t.Context())
		is.NoErr(err)
		time.Sleep(10 * time.Minute)
		w.Expect(map[string]string{"a.md": "new"})
		is.Equal(w.Files(), 1)
	})
}

func TestAClientWhoseCheckHasFailedMakesNoMoreRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		_, err := w.Client(inStore("vs_none")).Check(t.Context())
		is.True(errors.Is(err, vsclient.ErrStoreGone))
		before := w.Server.RequestCount()
		time.Sleep(2 * time.Hour)
		is.Equal(w.Server.RequestCount(), before)
	})
}

// A store file may lose its attributes. The name tells whose it is, whatever its extension.
func TestADocumentWithoutAttributesIsFoundByEachNameThatItsContentGives(t *testing.T) {
	for key, content := range map[string]string{
		"invoice 17/a": "%PDF-1.4 a", "fa q/.htm": "<p>a</p>", "row 17/a": `{"a":1}`, "text 17/a": "a",
	} {
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				first := w.Client()
				r, err := first.Put(t.Context(), doc(key, content))
				is.NoErr(err)
				is.NoErr(first.Close())
				is.Equal(w.Request(http.MethodPost, "/vector_stores/"+w.Store+"/files/"+r.FileID, `{"attributes":{"tag":"x"}}`), http.StatusOK)
				time.Sleep(time.Hour)
				c := w.Client()
				r, err = c.Put(t.Context(), doc(key, content+" new"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Replaced)
				is.Equal(w.Files(), 1)
			})
		})
	}
}

// The attach of a put that was given up lands after a later put has been acknowledged, and
// the listing shows both late.
func TestAnOlderVersionThatShowsLateDoesNotTakeTheAcknowledgedOneAway(t *testing.T) {
	for _, key := range []string{"b.md", "日本"} { // a name without a fold leads to no document
		t.Run(key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				cfg := slow
				cfg.ListLag.Attach = 25 * time.Second
				w := worldtest.New(t, cfg)
				c, kill := w.Process(async)
				w.Server.Inject(openaitest.Fault{Method: http.MethodPost, Path: pathAttach, Kind: openaitest.FaultHang, EffectAfter: openaitest.Duration(10 * time.Second)})
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				_, err := c.Put(ctx, doc(key, "old"))
				cancel()
				is.True(err != nil)
				is.NoErr(onlyErr(c.Put(t.Context(), doc(key, "new"))))
				kill()
				time.Sleep(time.Second)
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc(key, "new"))))
				time.Sleep(20 * time.Minute)
				w.Expect(map[string]string{key: "new"})
				is.Equal(w.Files(), 1)
			})
		})
	}
}

// A File of the same name in another store holds no update up for long.
func TestAttributesAreSetAtOnceBesideAMirror(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		other := w.Server.NewVectorStore("other")
		for _, store := range []string{w.Store, other} {
			for _, r := range w.Client(inStore(store)).Apply(t.Context(), many("d", 20), nil) {
				is.NoErr(r.Err)
			}
		}
		time.Sleep(time.Hour)
		c := w.Client()
		began := time.Now()
		for _, key := range []string{"d-0001.md", "d-0002.md", "d-0003.md"} {
			is.NoErr(onlyErr(c.SetAttributes(t.Context(), key, vsclient.Attributes{"public": true})))
		}
		is.True(time.Since(began) < time.Minute) // of virtual time: one wait for all
	})
}

// The older content is put again while a newer version of a killed process cannot be seen
// yet. It is the latest change, also when this process ends before the other one shows.
func TestOlderContentThatIsPutAgainOutranksAHiddenVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newHiddenVersion(t)
		time.Sleep(3 * time.Second)
		second := w.Client()
		r, err := second.Put(t.Context(), doc("a.md", "one"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Unchanged)
		is.NoErr(second.Close())
		time.Sleep(time.Hour)
		third := w.Client()
		is.NoErr(onlyErr(third.Put(t.Context(), doc("b.md", "text"))))
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "one", "b.md": "text"})
	})
}

// behind gives the Files that are uploaded while on holds the time of a host whose clock is late.
func behind(late time.Duration, on *atomic.Bool) func(*vsclient.Config) {
	seconds := func(match string) int64 { n, _ := strconv.ParseInt(match, 10, 64); return n }
	created := regexp.MustCompile(`"created_at": ?(\d+)`)
	files := regexp.MustCompile(`\{"id": ?"(file-\w+)"[^{}]*\}`)
	var ids sync.Map
	return over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil || strings.Contains(r.URL.Path, "/vector_stores/") || !strings.Contains(r.URL.Path, "/files") {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		body = files.ReplaceAllFunc(body, func(file []byte) []byte {
			id := string(files.FindSubmatch(file)[1])
			if r.Method == http.MethodPost && on.Load() {
				ids.Store(id, true)
			}
			if _, slow := ids.Load(id); !slow {
				return file
			}
			return created.ReplaceAllFunc(file, func(at []byte) []byte {
				return fmt.Appendf(nil, `"created_at":%d`, seconds(string(created.FindSubmatch(at)[1]))-int64(late.Seconds()))
			})
		})
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return resp, nil
	})
}

// TestTheNextProcessOutranksAVersionOfAHostWhoseClockIsLate gives the newest version an
// earlier time than the one before it, and hides it for a while.
func TestTheNextProcessOutranksAVersionOfAHostWhoseClockIsLate(t *testing.T) {
	t.Parallel()
	hosts := []time.Duration{0, 2 * time.Second, 4 * time.Second}
	if race.Enabled {
		hosts = hosts[2:]
	}
	for _, late := range hosts {
		for sentence, next := range map[string]struct {
			change vsclient.Change
			text   string
		}{
			"an update waits for it":                {vsclient.SetAttributes("a.md", vsclient.Attributes{"n": 2}), "two"},
			"a put of the older content is above":   {put("a.md", "one"), "one"},
			"a put of newer content is above it":    {put("a.md", "three"), "three"},
			"a deletion does not leave it for long": {vsclient.Delete("a.md"), ""},
		} {
			t.Run(fmt.Sprintf("%v, %s", late, sentence), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
					slowHost := new(atomic.Bool)
					host := behind(late, slowHost)
					a, kill := w.Process(async, host)
					is.NoErr(onlyErr(a.Put(t.Context(), doc("a.md", "one"))))
					time.Sleep(time.Second)
					slowHost.Store(true)
					is.NoErr(onlyErr(a.Put(t.Context(), doc("a.md", "two"))))
					kill()
					time.Sleep(2 * time.Second)
					b := w.Client(host)
					r := b.Apply(t.Context(), []vsclient.Change{next.change}, nil)
					is.NoErr(r[0].Err)
					time.Sleep(time.Hour)
					if next.text == "" {
						is.Equal(w.Files(), 0)
						return
					}
					w.Expect(map[string]string{"a.md": next.text})
				})
			})
		}
	}
}

// Nothing shows the versions yet that a process which was killed has attached. A put of this
// process is the latest change all the same.
func TestOlderContentThatIsPutAgainOutranksSeveralVersionsOfAHostWhoseClockIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
		slowHost := new(atomic.Bool)
		host := behind(4*time.Second, slowHost)
		a, kill := w.Process(async, host)
		is.NoErr(onlyErr(a.Put(t.Context(), doc("a.md", "one"))))
		time.Sleep(time.Second)
		slowHost.Store(true)
		is.NoErr(onlyErr(a.Put(t.Context(), doc("a.md", "two"))))
		is.NoErr(onlyErr(a.Put(t.Context(), doc("a.md", "three"))))
		kill()
		time.Sleep(2 * time.Second)
		is.NoErr(onlyErr(w.Client(host).Put(t.Context(), doc("a.md", "one"))))
		time.Sleep(time.Hour)
		w.Expect(map[string]string{"a.md": "one"})
	})
}

// The listing hides the last change of a process that was killed while the next process
// begins, and many documents of others. Later it shows more of them than the newest 200.
func TestTheNextProcessSettlesAVersionThatShowsLateBehindManyOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 20 * time.Second, ListLag: openaitest.Lag{Attach: time.Minute}})
		first, kill := w.Process(async)
		is.NoErr(onlyErr(first.Put(t.Context(), doc("a.md", "old"))))
		is.NoErr(first.Flush(t.Context()))
		time.Sleep(time.Hour)
		is.NoErr(onlyErr(first.Put(t.Context(), doc("a.md", "new"))))
		kill()
		time.Sleep(2 * time.Second)
		for i := range 300 {
			w.Attached(fmt.Sprintf("other-%d.md", i), "of somebody", nil)
		}
		time.Sleep(5 * time.Second)
		w.File("other.md", "of somebody") // shows OpenAI's time
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("b.md", "text"))))
		time.Sleep(time.Hour)
		is.Equal(w.Holds()["a.md"], "new")
	})
}
