package vsclient_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// TestASweepLeavesEachKeyItsNewestVersion makes second versions as a crash or a
// second writer would: two clients that do not know of each other's files.
func TestASweepLeavesEachKeyItsNewestVersion(t *testing.T) {
	for name, key := range map[string]string{
		"a file name":              "a.md",
		"a key that is no name":    `{"id":7}`,
		"a key of many attributes": strings.Repeat("long ", 200),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, openaitest.Config{IndexTime: time.Second})
				a, b := w.client(), w.client()
				for _, c := range []*vsclient.Client{a, b} { // both look before either writes
					is.NoErr(c.Delete(t.Context(), key))
				}
				_, err := a.Put(t.Context(), doc(key, "older"))
				is.NoErr(err)
				newest, err := b.Put(t.Context(), doc(key, "newer"))
				is.NoErr(err)
				is.Equal(len(w.srv.Snapshot().Store(w.store).Files), 2)

				r, err := w.client().Sweep(t.Context())
				is.NoErr(err)
				is.Equal(r, vsclient.SweepResult{Documents: 1, Removed: 1})
				left := w.srv.Snapshot()
				is.Equal(len(left.Files), 1)
				is.Equal(left.Store(w.store).Files[0].FileID, newest.FileID)
			})
		})
	}
}

func TestASweepFinishesTheReplacementOfAnEarlierConnectorsFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		r, err := w.client().Put(t.Context(), doc("a.md", "new"))
		is.NoErr(err)
		id := w.srv.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("old")})
		w.srv.AddStoreFile(w.store, id, nil)
		_, err = w.client().Sweep(t.Context())
		is.NoErr(err)
		left := w.srv.Snapshot()
		is.Equal(len(left.Files), 1)
		is.Equal(left.Files[0].ID, r.FileID)
	})
}
