package plan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// theirs makes every version of the key theirs, as another program does: without the
// attributes that are left out.
func theirs(w *worldtest.World, key string, but ...string) {
	w.T.Helper()
	for _, f := range w.Server.Snapshot().Store(w.Store).Files {
		if at, _ := vsclient.KeyOf(f.Attributes); at != key {
			continue
		}
		a := maps.Clone(f.Attributes)
		maps.DeleteFunc(a, func(name string, _ any) bool { return slices.Contains(but, name) })
		a["owner"] = "them"
		body, err := json.Marshal(map[string]any{"attributes": a})
		if err != nil {
			w.T.Fatal(err)
		}
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.Server.URL()+"/vector_stores/"+w.Store+"/files/"+f.FileID, bytes.NewReader(body))
		if err != nil {
			w.T.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer sk-test")
		r.Header.Set("Content-Type", "application/json")
		reply, err := w.Server.Client().Do(r)
		if err != nil || reply.StatusCode != http.StatusOK {
			w.T.Fatal(reply, err)
		}
		_ = reply.Body.Close()
	}
}

// owners are the owners of the versions of the store.
func owners(w *worldtest.World) (out []any) {
	for _, f := range w.Server.Snapshot().Store(w.Store).Files {
		out = append(out, f.Attributes["owner"])
	}
	return out
}

// TestADocumentThatHasGotAnotherOwnerIsStale has somebody make the document theirs between plan
// and execution, with the content that it has.
func TestADocumentThatHasGotAnotherOwnerIsStale(t *testing.T) {
	tagged := func(d vsclient.Document) vsclient.Document { return with(d, vsclient.Attributes{"n": 1}) }
	chunked := doc("a.md", "a")
	chunked.Chunking = vsclient.Chunking{MaxTokens: 200}
	none, prefix := plan.Options{}, plan.Options{Scope: plan.Scope{Prefix: "a"}, Empty: true}
	for _, c := range []struct {
		want   plan.Action
		o      plan.Options
		cfg    openaitest.Config
		stored []vsclient.Document
		older  bool
		source []vsclient.Document
	}{
		{plan.Create, none, openaitest.Config{}, nil, false, []vsclient.Document{doc("a.md", "a")}},
		{plan.Replace, none, openaitest.Config{}, []vsclient.Document{doc("a.md", "old")}, false, []vsclient.Document{doc("a.md", "a")}},
		{plan.Replace, us, openaitest.Config{}, []vsclient.Document{doc("a.md", "old")}, false, []vsclient.Document{doc("a.md", "a")}},
		{plan.Rechunk, none, openaitest.Config{}, []vsclient.Document{doc("a.md", "a")}, false, []vsclient.Document{chunked}},
		{plan.Attributes, none, openaitest.Config{}, []vsclient.Document{tagged(doc("a.md", "a"))}, false, []vsclient.Document{doc("a.md", "a")}},
		{plan.Attributes, us, openaitest.Config{}, []vsclient.Document{doc("a.md", "a")}, false, []vsclient.Document{doc("a.md", "a")}},
		{plan.Attributes, none, openaitest.Config{}, []vsclient.Document{with(doc("a.md", "a"), vsclient.Attributes{"owner": "us", "n": 1})}, false, []vsclient.Document{ofUs(doc("a.md", "a"))}},
		{plan.Repair, none, openaitest.Config{IndexTime: 24 * time.Hour}, []vsclient.Document{doc("a.md", "a")}, false, []vsclient.Document{doc("a.md", "a")}},
		{plan.Duplicate, none, openaitest.Config{}, []vsclient.Document{doc("a.md", "a")}, true, []vsclient.Document{doc("a.md", "a")}},
		{plan.Remove, prefix, openaitest.Config{}, []vsclient.Document{doc("a.md", "a")}, false, nil},
	} {
		for _, old := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, owner %q, kept as JSON: %v", c.want, c.o.Scope.Owner, old), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					w := worldtest.New(t, c.cfg)
					writer := w.Client(func(cfg *vsclient.Config) { cfg.Async = true })
					for _, d := range c.stored {
						_, err := writer.Put(context.Background(), d)
						is.NoErr(err)
					}
					_ = writer.Close()
					if c.older {
						id := w.Server.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("old")})
						w.Server.AddStoreFile(w.Store, id, map[string]any{"vs_key": "a.md", "vs_version": fmt.Sprintf("%016d", 1000)})
					}
					time.Sleep(time.Hour)
					p := makePlan(w, w.Client(), source(c.source...), c.o)
					is.Equal(p.Counts()[c.want], 1)
					if old {
						p = again(t, p)
					}
					if len(c.stored) == 0 {
						putAll(w, ofThem(c.source[0]))
					}
					theirs(w, "a.md")
					before := owners(w)
					r := run(w, w.Client(), p, plan.ExecuteOptions{Source: opener(c.source...)})
					is.Equal(r.Done+r.Idle+len(r.Failed)+len(r.Withheld), 0)
					is.Equal(len(r.Stale), 1)
					is.True(strings.Contains(r.Stale[0].Withheld, `has the owner "them" by now`))
					is.Equal(owners(w), before)
				})
			})
		}
	}
}

// TestADocumentThatGetsAnotherOwnerMeanwhileStays has the owner come just before the client looks
// at the document.
func TestADocumentThatGetsAnotherOwnerMeanwhileStays(t *testing.T) {
	stored := with(doc("a.md", "a"), vsclient.Attributes{"n": 1})
	for sentence, d := range map[string]vsclient.Document{
		"attributes": with(doc("a.md", "a"), vsclient.Attributes{"n": 2}),
		"content":    with(doc("a.md", "new"), vsclient.Attributes{"n": 2}),
		"chunking":   {Key: "a.md", Content: vsclient.Bytes([]byte("a")), Attributes: vsclient.Attributes{"n": 1}, Chunking: vsclient.Chunking{MaxTokens: 200}},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				putAll(w, stored)
				time.Sleep(time.Hour)
				c := w.Client()
				p := makePlan(w, c, source(d), plan.Options{})
				w.Server.OnRequest(func(_ int, r *http.Request) {
					if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/files/file-") {
						w.Server.OnRequest(nil)
						theirs(w, "a.md", "n")
					}
				})
				is.Equal(len(run(w, c, p, plan.ExecuteOptions{}).Stale), 1)
				is.Equal(owners(w), []any{"them"})
			})
		})
	}
}
