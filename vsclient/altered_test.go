package vsclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
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

// The tests in this file are about servers that alter names or lose attributes.

// A server may list a File under another name than the one sent. The document is
// found, listed, replaced and deleted all the same, each time by a new process.
func TestADocumentWhoseFileIsListedUnderAnotherNameIsFoundByEveryProcess(t *testing.T) {
	t.Parallel()
	quirks := map[string]openaitest.Quirks{"decoded": {DecodeFilenames: true}, "base": {BaseFilenames: true}}
	for _, how := range []openaitest.AlterFilenames{
		openaitest.LowerCaseFilenames, openaitest.NFCFilenames, openaitest.UnderscoreForSpace, openaitest.UnderscoreForUnsafe,
		openaitest.Latin1Filenames, openaitest.PercentDecodedFilenames,
	} {
		quirks[string(how)] = openaitest.Quirks{AlterFilenames: how}
	}
	for nth, name := range slices.Sorted(maps.Keys(quirks)) {
		for i, key := range []string{
			"README.md", "two words.md", "guides/intro.md", "café.md", "cafe\u0301.md", "100%25.md", "%22", "%0D%0A.md", `say "hi".md`, "日本語.md", "привет", "📄.md", "a\r\nb.md", "  ", `{"id":7}`, "Straße & Söhne (2).md",
		} {
			if race.Enabled && (nth+i)%4 != 0 {
				continue // each way meets a quarter of the keys
			}
			t.Run(fmt.Sprintf("%s/%x", name, key), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := worldtest.New(t, openaitest.Config{Quirks: quirks[name]})
					is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("other.md", "other"))))
					for i, want := range []vsclient.Outcome{vsclient.Created, vsclient.Unchanged, vsclient.Replaced} {
						r, err := w.Client().Put(t.Context(), doc(key, []string{"one", "one", "two"}[i]))
						is.NoErr(err)
						is.Equal(r.Outcome, want)
						time.Sleep(time.Hour)
					}
					w.Expect(map[string]string{key: "two", "other.md": "other"})
					info, err := w.Client().Get(t.Context(), key)
					is.NoErr(err)
					is.Equal(info.Key, key)
					listed := 0
					for i, err := range w.Client().List(t.Context()) {
						is.NoErr(err)
						if i.Key == key {
							listed++
						}
					}
					is.Equal(listed, 1)
					r, err := w.Client().Delete(t.Context(), key)
					is.NoErr(err)
					is.Equal(r.Outcome, vsclient.Deleted)
					_, err = w.Client().Get(t.Context(), key)
					is.True(errors.Is(err, vsclient.ErrNotFound))
					w.Expect(map[string]string{"other.md": "other"})
					is.Equal(w.Files(), 1)
				})
			})
		}
	}
}

// A server that truncates names is noticed by the File that this client has uploaded.
func TestAServerThatAltersNamesBeyondRecognitionIsNoticedWhenOneIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		renamed := over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && resp.Body != nil {
				resp = rewritten(resp, `"filename":"a-long-name.md"`, `"filename":"a-lo.md"`)
			}
			return resp, err
		})
		c := w.Client(renamed)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a-long-name.md", "one"))))
		r, err := c.Put(t.Context(), doc("a-long-name.md", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		w.Expect(map[string]string{"a-long-name.md": "two"})
		// A new process has seen such a File once it has put another key.
		next := w.Client(renamed)
		is.NoErr(onlyErr(next.Put(t.Context(), doc("other.md", "x"))))
		time.Sleep(time.Minute)
		r, err = next.Put(t.Context(), doc("a-long-name.md", "three"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		w.Expect(map[string]string{"a-long-name.md": "three", "other.md": "x"})
	})
}

// A process before this one has attached the document.
func TestADocumentIsReplacedThatIsInNoListingYetOnAServerThatAltersNamesBeyondRecognition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{ListLag: openaitest.Lag{Attach: 2 * time.Minute}})
		truncated := over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && resp.Body != nil {
				resp = rewritten(resp, `"filename":"a-long-name.md"`, `"filename":"a-lo.md"`)
				resp = rewritten(resp, `"filename":"b-long-name.md"`, `"filename":"b-lo.md"`)
			}
			return resp, err
		})
		is.NoErr(onlyErr(w.Client(truncated).Put(t.Context(), doc("a-long-name.md", "one"))))
		c := w.Client(truncated)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("b-long-name.md", "text")))) // it shows that the server alters names
		r, err := c.Put(t.Context(), doc("a-long-name.md", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
	})
}

// No name leads to the document, since its fold is empty, and no listing shows its key.
func TestADocumentIsReplacedThatOnlyALookShowsToBeTheKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		bare := over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, w.Store+"/files") {
				return resp, err
			}
			return reshown(resp, func(a map[string]any) { clear(a) })
		})
		is.NoErr(onlyErr(w.Client(bare).Put(t.Context(), doc("日本語", "one"))))
		time.Sleep(time.Hour)
		w.File("new.md", "tells the time")
		r, err := w.Client(bare).Put(t.Context(), doc("日本語", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
	})
}

// A store file without attributes is the key's document, once the key is touched, when
// its File has the key as its name, as the earlier connector named it, or a name that this
// client gives no other key.
func TestAFileWithoutAttributesUnderTheKeysOwnNameIsTheKeysDocument(t *testing.T) {
	for _, key := range []string{"a.md", "docs/a.md", "docs/notes", `{"id":7}`, "two words.md"} {
		t.Run(fmt.Sprintf("%x", key), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				is.NoErr(onlyErr(w.Client().Put(t.Context(), doc(key, "old"))))
				f := w.Server.Snapshot().Files[0]
				// Another tool attaches it again, without any attribute.
				w.Server.AddStoreFile(w.Store, f.ID, map[string]any{})
				time.Sleep(time.Hour)
				info, err := w.Client().Get(t.Context(), key)
				is.NoErr(err)
				is.Equal(info.FileID, f.ID)
				r, err := w.Client().Put(t.Context(), doc(key, "new"))
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Replaced)
				w.Expect(map[string]string{key: "new"})
				is.NoErr(onlyErr(w.Client().Delete(t.Context(), key)))
				w.Expect(map[string]string{})
			})
		})
	}
}

// Two keys can have one file name. A store file without attributes under it is left to
// the key that is the name.
func TestAFileWithoutAttributesUnderANameOfTwoKeysIsTheKeysThatIsTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("notes.txt", "theirs"))))
		f := w.Server.Snapshot().Files[0]
		w.Server.AddStoreFile(w.Store, f.ID, map[string]any{})
		time.Sleep(time.Hour)
		r, err := w.Client().Put(t.Context(), doc("notes", "ours"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Created)
		info, err := w.Client().Get(t.Context(), "notes.txt")
		is.NoErr(err)
		is.Equal(info.FileID, f.ID)
	})
}

// A server that loses the attributes by which documents are found again is refused
// with one clear error, and nothing is left on it.
func TestAServerThatLosesAttributesIsRefused(t *testing.T) {
	t.Parallel()
	dropped := openaitest.Quirks{AttributesDropped: true}
	tests := map[string]struct {
		quirks openaitest.Quirks
		opts   []func(*vsclient.Config)
		first  bool // a document goes before, alone
		listed bool // the store is listed all the while
	}{
		"all of them":                        {quirks: dropped},
		"and is listed meanwhile":            {quirks: dropped, listed: true},
		"in batches":                         {opts: []func(*vsclient.Config){over(dropInBatches)}},
		"in batches, not in the file before": {opts: []func(*vsclient.Config){over(dropInBatches)}, first: true},
		"asynchronously":                     {quirks: dropped, opts: []func(*vsclient.Config){async}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Second, Quirks: tt.quirks})
				c := w.Client(tt.opts...)
				kept := 0
				if tt.first {
					is.NoErr(onlyErr(c.Put(t.Context(), doc("before.md", "text"))))
					kept = 1
				}
				ctx, end := context.WithCancel(t.Context())
				var lists sync.WaitGroup
				if tt.listed {
					lists.Go(func() {
						for ctx.Err() == nil {
							for _, err := range c.List(ctx) {
								is.True(err == nil || ctx.Err() != nil)
							}
							time.Sleep(race.Pick(0, 100*time.Millisecond))
						}
					})
				}
				var refused []error
				for _, r := range c.Apply(t.Context(), many("d", 40), nil) {
					refused = append(refused, r.Err)
				}
				err := c.Flush(t.Context())
				end()
				lists.Wait()
				if err != nil {
					refused = []error{err} // of all that were attached
				}
				for _, err := range refused {
					is.True(errors.Is(err, vsclient.ErrIncompatible))
					is.Equal(vsclient.ClassOf(err), vsclient.Fatal)
				}
				time.Sleep(20 * time.Minute)
				is.Equal(w.Files(), kept)
			})
		})
	}
}

// A file that somebody attached by hand has no attributes, so that nothing has shown before
// whether the server keeps any.
func TestAttributesThatAServerDoesNotKeepAreNeverSaidToBeSet(t *testing.T) {
	for name, quirks := range map[string]openaitest.Quirks{
		"its reply shows none":   {AttributesDropped: true},
		"its reply repeats them": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexTime: time.Second, Quirks: quirks})
				file := w.Attached("a.md", "by hand", nil)
				time.Sleep(time.Hour)
				c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err != nil || r.Method != http.MethodGet || !strings.Contains(r.URL.Path, w.Store+"/files") {
						return resp, err
					}
					return reshown(resp, func(a map[string]any) { clear(a) })
				}))
				for range 2 {
					_, err := c.SetAttributes(t.Context(), "a.md", vsclient.Attributes{"n": 1})
					is.True(errors.Is(err, vsclient.ErrIncompatible))
				}
				is.True(w.Exists(file))
			})
		})
	}
}

// Its reply to the attach may repeat the attributes.
func TestAServerThatRepeatsAttributesAndKeepsNoneIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil || r.Method != http.MethodGet || !strings.Contains(r.URL.Path, w.Store+"/files") {
				return resp, err
			}
			return reshown(resp, func(a map[string]any) { clear(a) })
		}))
		for i := range 3 {
			_, err := c.Put(t.Context(), doc(fmt.Sprint(i), "text"))
			is.True(errors.Is(err, vsclient.ErrIncompatible))
		}
	})
}

// A server that keeps only some of these attributes, or alters them, is refused likewise.
func TestAServerThatKeepsAttributesInPartIsRefused(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(attributes map[string]any){
		"no key":              func(a map[string]any) { delete(a, "vs_key") },
		"half of the key":     func(a map[string]any) { delete(a, "vs_key_2") },
		"the key in capitals": func(a map[string]any) { a["vs_key"] = strings.ToUpper(fmt.Sprint(a["vs_key"])) },
		"no content":          func(a map[string]any) { delete(a, "vs_content") },
		"no version":          func(a map[string]any) { delete(a, "vs_version") },
		"none, and one of the server's": func(a map[string]any) {
			clear(a)
			a["indexed_at"] = "now"
		},
		"dashes in names": func(a map[string]any) {
			for name, value := range maps.Clone(a) {
				delete(a, name)
				a[strings.ReplaceAll(name, "_", "-")] = value
			}
		},
		"names in capitals": func(a map[string]any) {
			for name, value := range maps.Clone(a) {
				delete(a, name)
				a[strings.ToUpper(name)] = value
			}
		},
	} {
		if race.Enabled && strings.HasPrefix(name, "no") {
			continue // the others lose as much
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client(over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err != nil || !strings.HasSuffix(r.URL.Path, "/files") && !strings.Contains(r.URL.Path, w.Store+"/files/") {
						return resp, err
					}
					return reshown(resp, spoil)
				}))
				ctx, end := context.WithCancel(t.Context())
				var lists sync.WaitGroup
				lists.Go(func() { // a listing shows each document before the put has seen its end
					for ctx.Err() == nil {
						for _, err := range c.List(ctx) {
							is.True(err == nil || ctx.Err() != nil)
						}
						time.Sleep(race.Pick(0, 100*time.Millisecond))
					}
				})
				for i := range 3 {
					_, err := c.Put(t.Context(), doc(fmt.Sprint(strings.Repeat("long/", 60), i), "text"))
					is.True(errors.Is(err, vsclient.ErrIncompatible))
				}
				end()
				lists.Wait()
				time.Sleep(20 * time.Minute)
				is.Equal(w.Files(), 0)
			})
		})
	}
}

// repeated is an API whose reply to the first upload answers all of the content.
func repeated(content string) func(*vsclient.Config) {
	var first []byte
	return over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/files") || strings.Contains(r.URL.Path, "vector_stores") {
			return next.RoundTrip(r)
		}
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
		if first != nil && bytes.Contains(sent, []byte(content)) {
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(first)), Request: r}, nil
		}
		resp, err := next.RoundTrip(r)
		if err == nil {
			first, err = io.ReadAll(resp.Body)
			resp.Body = io.NopCloser(bytes.NewReader(first))
		}
		return resp, err
	})
}

// A cache, or a server that keeps equal contents once, may answer an upload with a File that
// is no new one.
func TestAnUploadThatMakesNoFileOfItsOwnIsRefused(t *testing.T) {
	for name, second := range map[string]string{"of another key": "text", "of another size": "another text"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client(repeated(second))
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
				_, err := c.Put(t.Context(), doc("b.md", second))
				is.True(errors.Is(err, vsclient.ErrIncompatible))
				r, err := c.Delete(t.Context(), "b.md")
				is.NoErr(err)
				is.Equal(r.Outcome, vsclient.Absent)
				time.Sleep(20 * time.Minute)
				w.Expect(map[string]string{"a.md": "text"})
				is.Equal(w.Files(), 1)
			})
		})
	}
	t.Run("of a key that was deleted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			w := worldtest.New(t, slow)
			c := w.Client(repeated("text"))
			is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
			is.NoErr(onlyErr(c.Delete(t.Context(), "a.md")))
			_, err := c.Put(t.Context(), doc("a.md", "text"))
			is.True(errors.Is(err, vsclient.ErrIncompatible))
		})
	})
}

// Another process, of another store as well, knows of the File by the list of Files alone.
func TestAnUploadThatIsAnsweredWithTheFileOfAnotherProcessIsRefused(t *testing.T) {
	for name, second := range map[string]bool{"on one store": false, "on another store": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				alike := repeated("text")
				c := w.Client(alike)
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
				is.NoErr(c.Close())
				time.Sleep(10 * time.Minute)
				opts := []func(*vsclient.Config){alike}
				if second {
					opts = append(opts, inStore(w.Server.NewVectorStore("second")))
				}
				_, err := w.Client(opts...).Put(t.Context(), doc("b.md", "text"))
				is.True(errors.Is(err, vsclient.ErrIncompatible))
				time.Sleep(20 * time.Minute)
				w.Expect(map[string]string{"a.md": "text"})
			})
		})
	}
}

// On a server that was seen to keep attributes, a tool has taken them off.
func TestAToolMayTagABatchThatIsTheFirstOfItsProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{IndexTime: 20 * time.Second})
		is.NoErr(onlyErr(w.Client().Put(t.Context(), doc("x-0000.md", "old"))))
		c := w.Client()
		var apply sync.WaitGroup
		apply.Go(func() {
			for _, r := range c.Apply(t.Context(), many("x", 3), nil) {
				is.NoErr(r.Err)
			}
		})
		time.Sleep(5 * time.Second)
		for _, f := range w.Server.Snapshot().Store(w.Store).Files {
			if f.Status == "in_progress" {
				w.Request(http.MethodPost, "/vector_stores/"+w.Store+"/files/"+f.FileID, `{"attributes":{"source":"x"}}`)
			}
		}
		apply.Wait()
	})
}

func TestAToolMayReplaceTheAttributesWhileADocumentIsIndexed(t *testing.T) {
	for name, attributes := range map[string]string{"by none": `{}`, "by the key": `{"source":"a.md"}`, "by another": `{"source":"x"}`} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{IndexTime: 20 * time.Second})
				c := w.Client()
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "old"))))
				var put sync.WaitGroup
				put.Go(func() { is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "new")))) })
				time.Sleep(5 * time.Second)
				for _, f := range w.Server.Snapshot().Store(w.Store).Files {
					if f.Status == "in_progress" {
						w.Request(http.MethodPost, "/vector_stores/"+w.Store+"/files/"+f.FileID, `{"attributes":`+attributes+`}`)
					}
				}
				put.Wait()
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "new"))))
				time.Sleep(time.Hour)
				w.Expect(map[string]string{"a.md": "new"})
			})
		})
	}
}

// A server that adds attributes of its own keeps the client's.
func TestAServerThatAddsAttributesIsTaken(t *testing.T) {
	for name, opts := range map[string][]func(*vsclient.Config){"put": nil, "acknowledged": {async}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client(append(opts, over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if err != nil || !strings.Contains(r.URL.Path, w.Store+"/files") {
						return resp, err
					}
					return reshown(resp, func(a map[string]any) { a["filename"] = "a.md" }) // the value of vs_key
				}))...)
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text"))))
				is.NoErr(c.Flush(t.Context()))
				time.Sleep(20 * time.Minute)
				w.Expect(map[string]string{"a.md": "text"})
			})
		})
	}
}

// reshown returns the reply with the attributes of each store file in it changed.
func reshown(resp *http.Response, change func(attributes map[string]any)) (*http.Response, error) {
	var body map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return nil, err
	}
	files, page := body["data"].([]any)
	if !page {
		files = []any{body}
	}
	for _, f := range files {
		if shown, ok := f.(map[string]any)["attributes"].(map[string]any); ok { //nolint:forcetypeassert // the emulator sends them so
			change(shown)
		}
	}
	b, err := json.Marshal(body)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	return resp, err
}

// dropInBatches takes the attributes out of each batch of files.
func dropInBatches(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/file_batches") {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			return nil, err
		}
		for _, f := range body["files"].([]any) { //nolint:forcetypeassert // the client sends them so
			delete(f.(map[string]any), "attributes") //nolint:forcetypeassert // likewise
		}
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
	}
	return next.RoundTrip(r)
}

// A listing may show a store file without its attributes. The document is its key's all
// the same.
func TestAListingThatShowsNoAttributesTakesNoDocumentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, slow)
		bare := bareListing(w)
		c := w.Client(bare)
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a: b", "one"))))
		for _, err := range c.List(t.Context()) {
			is.NoErr(err)
		}
		r, err := c.Put(t.Context(), doc("a: b", "two"))
		is.NoErr(err)
		is.Equal(r.Outcome, vsclient.Replaced)
		is.Equal(w.Files(), 1)
	})
}

// A new process that reads such a listing finds its documents all the same.
func TestAListingThatShowsNoAttributesDoublesNothingForANewProcess(t *testing.T) {
	for name, quirks := range map[string]openaitest.Quirks{"names are kept": {}, "names are altered": {AlterFilenames: openaitest.UnderscoreForUnsafe}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{Quirks: quirks})
				for _, want := range []vsclient.Outcome{vsclient.Created, vsclient.Unchanged, vsclient.Unchanged} {
					for _, r := range w.Client(bareListing(w)).Apply(t.Context(), many("a document ", 40), nil) {
						is.NoErr(r.Err)
						is.Equal(r.Outcome, want)
					}
					is.Equal(w.Files(), 40)
					time.Sleep(time.Hour)
				}
			})
		})
	}
}

// bareListing shows no attributes in the store's listing.
func bareListing(w *worldtest.World) func(*vsclient.Config) {
	return over(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, w.Store+"/files") {
			return resp, err
		}
		return reshown(resp, func(a map[string]any) { clear(a) })
	})
}
