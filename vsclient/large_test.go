package vsclient_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// plant fills the project with n Files of other people's that are all in the
// store, made one a second until an hour ago.
func (w *world) plant(n int) {
	ago := time.Now().Add(-time.Hour)
	for i := range n {
		made := ago.Add(time.Duration(i-n) * time.Second)
		id := w.srv.AddFile(openaitest.NewFile{Name: fmt.Sprintf("other-%06d.md", i), Bytes: 100, CreatedAt: made})
		w.srv.AddStoreFile(w.store, id, map[string]any{"source": "another tool"})
	}
}

func TestTheFirstPutInALargeProjectReadsNoStorePageAndTheSecondListsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		cfg := slow
		cfg.KeepBytes = 1
		w := newWorld(t, cfg)
		w.plant(100_000)
		c := w.client()

		_, err := c.Put(t.Context(), doc("new.md", "text"))
		is.NoErr(err)
		is.True(w.srv.RequestCount() <= 15)
		counts := w.srv.Counts()
		is.Equal(counts["GET /files"], 10)
		is.Equal(counts["GET /vector_stores/{vector_store_id}/files"], 0)

		before := w.srv.RequestCount()
		_, err = c.Put(t.Context(), doc("newer.md", "text"))
		is.NoErr(err)
		is.Equal(w.srv.Counts()["GET /files"], 10)
		is.True(w.srv.RequestCount()-before <= 5)

		// Nor does a replacement, by a client that has just started, read the store.
		before = w.srv.RequestCount()
		_, err = w.client().Put(t.Context(), doc("new.md", "another"))
		is.NoErr(err)
		is.Equal(w.srv.Counts()["GET /vector_stores/{vector_store_id}/files"], 0)
		is.True(w.srv.RequestCount()-before <= 19) // in addition: the count, a look, detach and delete
	})
}

func TestAgingKnowledgeIsRefreshedByOnePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := newWorld(t, slow)
		w.plant(12_000)
		c := w.client()
		for i := range 5 {
			_, err := c.Put(t.Context(), doc(fmt.Sprintf("%d.md", i), "text"))
			is.NoErr(err)
			time.Sleep(time.Hour)
		}
		is.Equal(w.srv.Counts()["GET /files"], 2+4) // two pages once, and one small one an hour
	})
}

func TestDeliveringASnapshotAgainAsksOnceForAHundredDocuments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		const n = 2000
		w := newWorld(t, slow)
		for _, r := range w.client().Apply(t.Context(), many("d", n), nil) {
			is.NoErr(r.Err)
		}
		time.Sleep(time.Hour)
		before := w.srv.RequestCount()
		c := w.client()
		for _, r := range c.Apply(t.Context(), many("d", n), nil) {
			is.NoErr(r.Err)
			is.Equal(r.Outcome, vsclient.Unchanged)
		}
		is.True(w.srv.RequestCount()-before <= 2*n/100)
		before = w.srv.RequestCount()
		for _, r := range c.Apply(t.Context(), many("d", n), nil) {
			is.Equal(r.Outcome, vsclient.Unchanged)
		}
		is.Equal(w.srv.RequestCount(), before) // what is known need not be asked for
	})
}

// endless is content of that many bytes which takes no memory.
func endless(size int64, opened *atomic.Int64) vsclient.Content {
	return vsclient.Reopen(func() (io.ReadCloser, error) {
		if opened != nil {
			opened.Add(1)
		}
		return io.NopCloser(io.LimitReader(letters{}, size)), nil
	})
}

type letters struct{}

var page = bytes.Repeat([]byte("a"), 1<<20)

func (letters) Read(p []byte) (int, error) { return copy(p, page), nil }

func TestLargeFilesSideBySideStayWithinTheBytesInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		const size, room = 3 << 20, 10 << 20
		w := newWorld(t, openaitest.Config{Latency: time.Second, KeepBytes: 1})
		c := w.client(func(cfg *vsclient.Config) { cfg.BytesInFlight = room })
		var changes []vsclient.Change
		for i := range 20 {
			changes = append(changes, vsclient.Change{Document: vsclient.Document{Key: fmt.Sprintf("%d.txt", i), Content: endless(size, nil)}})
		}
		for _, r := range c.Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
		}
		is.Equal(w.mostAtOnce("POST", "/v1/files"), room/size)

		// One that is larger than the room goes alone, and small ones are not starved.
		var calls sync.WaitGroup
		for i, size := range []int64{12 << 20, 100, 11 << 20, 100, 100} {
			calls.Go(func() {
				if _, err := c.Put(t.Context(), vsclient.Document{Key: fmt.Sprintf("more-%d.txt", i), Content: endless(size, nil)}); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	})
}

func TestAStreamedUploadThatFailsIsRetriedByOpeningTheContentAgain(t *testing.T) {
	for name, fault := range map[string]openaitest.Fault{
		"refused before it is read":    {Kind: openaitest.FaultStatus, Status: 503},
		"the connection breaks":        {Kind: openaitest.FaultCut},
		"the reply is lost":            {Kind: openaitest.FaultCut, AfterEffect: true},
		"the reply breaks off":         {Kind: openaitest.FaultCutReply},
		"the effect is denied":         {Kind: openaitest.FaultStatus, Status: 500, AfterEffect: true},
		"the server does not answer":   {Kind: openaitest.FaultHang},
		"the answer says to come back": {Kind: openaitest.FaultStatus, Status: 429, RetryAfter: openaitest.Duration(5 * time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, slow)
				fault.Method, fault.Path = "POST", "/files"
				w.srv.Inject(fault)
				var opened atomic.Int64
				const size = 5 << 20
				_, err := w.client().Put(t.Context(), vsclient.Document{Key: "large.txt", Content: endless(size, &opened)})
				is.NoErr(err)
				is.True(opened.Load() >= 2) // for the digest and for the upload, at least
				files := w.srv.Snapshot().Files
				is.Equal(len(files), 1) // and no second File
				is.Equal(files[0].Bytes, int64(size))
				sum := sha256.Sum256(bytes.Repeat([]byte("a"), size))
				is.Equal(files[0].SHA256, hex.EncodeToString(sum[:]))
			})
		})
	}
}

func TestContentThatIsNotTheSameEachTimeIsRefusedAndLeavesNoFile(t *testing.T) {
	for name, second := range map[string]func() (io.Reader, error){
		"shorter": func() (io.Reader, error) { return bytes.NewReader(make([]byte, 999)), nil },
		"longer":  func() (io.Reader, error) { return bytes.NewReader(make([]byte, 1001)), nil },
		"other":   func() (io.Reader, error) { return bytes.NewReader(bytes.Repeat([]byte("b"), 1000)), nil },
		"gone":    func() (io.Reader, error) { return nil, os.ErrNotExist },
		"broken off": func() (io.Reader, error) {
			return io.MultiReader(bytes.NewReader(bytes.Repeat([]byte("a"), 500)), broken{}), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := newWorld(t, slow)
				c := w.client()
				_, err := c.Put(t.Context(), doc("f.txt", "old"))
				is.NoErr(err)
				opened := 0
				content := vsclient.Reopen(func() (io.ReadCloser, error) {
					opened++
					if opened == 1 {
						return io.NopCloser(bytes.NewReader(bytes.Repeat([]byte("a"), 1000))), nil
					}
					r, err := second()
					return io.NopCloser(r), err
				})
				_, err = c.Put(t.Context(), vsclient.Document{Key: "f.txt", Content: content})
				is.True(errors.Is(err, vsclient.ErrContent))
				is.True(vsclient.IsDocumentError(err))
				is.Equal(opened, 2) // trying again would not help
				is.Equal(len(w.srv.Snapshot().Files), 1)
				text, err := c.Text(t.Context(), "f.txt")
				is.NoErr(err)
				is.Equal(text, "old")
			})
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

func TestAFileOnDiskIsUploadedAsItIs(t *testing.T) {
	is := is.New(t)
	name := filepath.Join(t.TempDir(), "x.txt")
	content := bytes.Repeat([]byte("line é\n"), 1<<17)
	is.NoErr(os.WriteFile(name, content, 0o600))
	w := newWorld(t, openaitest.Config{})
	r, err := w.client().Put(t.Context(), vsclient.Document{Key: "notes", Content: vsclient.File(name)})
	is.NoErr(err)
	is.True(bytes.Equal(w.srv.Content(r.FileID), content))
	is.Equal(w.srv.Snapshot().Files[0].Name, "notes.txt") // it was recognized as text
}

func TestAFileAboveTheLimitIsRefusedWithoutARequest(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	_, err := w.client().Put(t.Context(), vsclient.Document{Key: "huge.pdf", Content: endless(vsclient.MaxFileSize+1, nil)})
	is.True(errors.Is(err, vsclient.ErrTooLarge))
	is.Equal(w.srv.RequestCount(), 0)
}
