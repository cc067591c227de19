package vsclient_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
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

// The tests in this file are about content: how it is read, streamed and refused.

// endless is content of that many bytes which takes no memory.
func endless(size int64, opened *atomic.Int64) vsclient.Content {
	return vsclient.Open(func() (io.ReadCloser, error) {
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
		const size, room = 300 << 10, 1000 << 10
		w := worldtest.New(t, openaitest.Config{Latency: time.Second, KeepBytes: 1})
		c := w.Client(func(cfg *vsclient.Config) { cfg.BytesInFlight = room })
		var changes []vsclient.Change
		for i := range 20 {
			changes = append(changes, of(fmt.Sprintf("%d.txt", i), endless(size, nil)))
		}
		for _, r := range c.Apply(t.Context(), changes, nil) {
			is.NoErr(r.Err)
		}
		is.Equal(w.MostAtOnce("POST", "/v1/files"), room/size)

		// One that is larger than the room goes alone, and small ones are not starved.
		var calls sync.WaitGroup
		for i, size := range []int64{1200 << 10, 100, 1100 << 10, 100, 100} {
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
	t.Parallel()
	const size = 5 << 20
	sum := sha256.Sum256(bytes.Repeat([]byte("a"), size))
	digest := hex.EncodeToString(sum[:])
	for name, fault := range map[string]openaitest.Fault{
		"refused before it is read":    {Kind: openaitest.FaultStatus, Status: 503},
		"the connection breaks":        {Kind: openaitest.FaultCut},
		"the server does not answer":   {Kind: openaitest.FaultHang},
		"the answer says to come back": {Kind: openaitest.FaultStatus, Status: 429, RetryAfter: seconds(5)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				w.Strike(http.MethodPost, pathFiles, fault)
				var opened atomic.Int64
				_, err := w.Client().Put(t.Context(), vsclient.Document{Key: "large.txt", Content: endless(size, &opened)})
				is.NoErr(err)
				is.True(opened.Load() >= 2) // for the digest and for the upload, at least
				files := w.Server.Snapshot().Files
				is.Equal(len(files), 1) // and no second File
				is.Equal(files[0].Bytes, int64(size))
				is.Equal(files[0].SHA256, digest)
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
				w := worldtest.New(t, slow)
				c := w.Client()
				_, err := c.Put(t.Context(), doc("f.txt", "old"))
				is.NoErr(err)
				opened := 0
				content := vsclient.Open(func() (io.ReadCloser, error) {
					opened++
					if opened == 1 {
						return io.NopCloser(bytes.NewReader(bytes.Repeat([]byte("a"), 1000))), nil
					}
					r, err := second()
					return io.NopCloser(r), err
				})
				_, err = c.Put(t.Context(), vsclient.Document{Key: "f.txt", Content: content})
				is.True(errors.Is(err, vsclient.ErrContent))
				is.Equal(vsclient.ClassOf(err), vsclient.BadDocument)
				is.Equal(opened, 2) // trying again would not help
				is.Equal(len(w.Server.Snapshot().Files), 1)
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
	w := worldtest.New(t, openaitest.Config{})
	r, err := w.Client().Put(t.Context(), vsclient.Document{Key: "notes", Content: vsclient.Path(name)})
	is.NoErr(err)
	is.True(bytes.Equal(w.Server.Content(r.FileID), content))
	is.Equal(w.Server.Snapshot().Files[0].Name, "notes.txt") // it was recognized as text
}

func TestContentAboveTheLimitIsReadNoFurtherAndRefusedWithoutARequest(t *testing.T) {
	if race.Enabled {
		t.Skip("a gigabyte takes the race detector long, and twice as much memory of its own")
	}
	is := is.New(t)
	w := worldtest.New(t, openaitest.Config{})
	var read int64
	big := vsclient.Open(func() (io.ReadCloser, error) {
		return io.NopCloser(io.TeeReader(letters{}, counter{&read})), nil
	})
	_, err := w.Client().Put(t.Context(), vsclient.Document{Key: "big.txt", Content: big})
	is.True(errors.Is(err, vsclient.ErrTooLarge))
	is.True(read <= vsclient.MaxFileSize+1<<20)
	_, err = w.Client().Put(t.Context(), vsclient.Document{Key: "big.txt", Content: vsclient.Bytes(bytes.Repeat([]byte{'x'}, vsclient.MaxFileSize+1))})
	is.True(errors.Is(err, vsclient.ErrTooLarge))
	is.Equal(w.Server.RequestCount(), 0)
}

type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return len(p), nil
}

// unsound is a reader that says that it has read n bytes and has read none.
type unsound int

func (n unsound) Read([]byte) (int, error) { return int(n), nil }

func TestAReaderThatBreaksItsContractIsAnErrorAndIsNotReadForEver(t *testing.T) {
	for sentence, n := range map[string]unsound{"no byte and no error": 0, "fewer than none": -1, "more than there is room for": 1 << 20} {
		for _, sound := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s, after %d sound openings", sentence, sound), func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, openaitest.Config{})
				openings := 0
				_, err := w.Client().Put(t.Context(), vsclient.Document{Key: "a.md", Content: vsclient.Open(func() (io.ReadCloser, error) {
					if openings++; openings > sound {
						return io.NopCloser(n), nil
					}
					return io.NopCloser(strings.NewReader("text")), nil
				})})
				is.True(errors.Is(err, vsclient.ErrContent))
				is.Equal(vsclient.ClassOf(err), vsclient.BadDocument)
				is.Equal(len(w.Server.Snapshot().Files), 0)
			})
		}
	}
}

func TestContentThatOpensToNothingIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		_, err := w.Client().Put(t.Context(), vsclient.Document{Key: "a.md", Content: vsclient.Open(func() (io.ReadCloser, error) { return nil, nil })})
		is.True(errors.Is(err, vsclient.ErrContent))
	})
}

// hanging is a reader that does not return before it is over.
type hanging chan struct{}

func (h hanging) Read([]byte) (int, error) {
	<-h
	return 0, io.EOF
}

// A file system may not answer, and closing the file may not end the read.
func TestAReadThatDoesNotReturnHoldsNoCallUp(t *testing.T) {
	for name, hangs := range map[string]struct {
		nth  int64 // the opening of the content
		open bool  // it hangs in place of the read
	}{
		"the first opening": {1, true}, "the first read": {nth: 1}, "the opening for the upload": {2, true}, "the read for the upload": {nth: 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client()
				over := make(chan struct{})
				var opened atomic.Int64
				content := vsclient.Open(func() (io.ReadCloser, error) {
					if opened.Add(1) != hangs.nth {
						return io.NopCloser(strings.NewReader("text")), nil
					}
					if hangs.open {
						<-over
					}
					return io.NopCloser(hanging(over)), nil
				})
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				began := time.Now()
				_, err := c.Put(ctx, vsclient.Document{Key: "a.md", Content: content})
				is.True(errors.Is(err, context.DeadlineExceeded))
				is.True(time.Since(began) < 15*time.Second)
				is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text")))) // nor the next change
				is.NoErr(c.Close())
				close(over)
			})
		})
	}
}

// The service is well, and other documents do not pay for one that cannot be read.
func TestContentThatHangsDuringTheUploadIsItsDocumentsFaultAlone(t *testing.T) {
	for name, open := range map[string]func(over chan struct{}) io.ReadCloser{
		"in the opening": func(over chan struct{}) io.ReadCloser { <-over; return io.NopCloser(strings.NewReader("text")) },
		"in a read":      func(over chan struct{}) io.ReadCloser { return io.NopCloser(hanging(over)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client(func(cfg *vsclient.Config) { cfg.Concurrency = 1 })
				over := make(chan struct{})
				var opened atomic.Int64
				hangs := make(chan error)
				go func() {
					hangs <- onlyErr(c.Put(t.Context(), vsclient.Document{Key: "a.md", Content: vsclient.Open(func() (io.ReadCloser, error) {
						if opened.Add(1) > 1 {
							return open(over), nil
						}
						return io.NopCloser(strings.NewReader("text")), nil
					})}))
				}()
				synctest.Wait()
				began := time.Now()
				is.NoErr(onlyErr(c.Put(t.Context(), doc("b.md", "other")))) // there is one slot
				is.True(time.Since(began) < 2*time.Minute)
				err := <-hangs
				is.True(errors.Is(err, vsclient.ErrContent))
				is.Equal(vsclient.ClassOf(err), vsclient.BadDocument)
				is.Equal(opened.Load(), int64(2))
				w.Strike(http.MethodPost, pathFiles, openaitest.Fault{Kind: openaitest.FaultStatus, Status: 503})
				is.NoErr(onlyErr(c.Put(t.Context(), doc("c.md", "third")))) // as the service is not down, it is tried again
				close(over)
			})
		})
	}
}

// stuckClose is content whose Close does not return before it is over.
type stuckClose struct {
	io.Reader
	over chan struct{}
}

func (s stuckClose) Close() error {
	<-s.over
	return nil
}

func TestACloseThatDoesNotReturnHoldsNoCallUp(t *testing.T) {
	for nth, name := range map[int64]string{1: "after the digest", 2: "after the upload"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				w := worldtest.New(t, slow)
				c := w.Client()
				over := make(chan struct{})
				defer close(over)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				began := time.Now()
				var opened atomic.Int64
				err := onlyErr(c.Put(ctx, vsclient.Document{Key: "a.md", Content: vsclient.Open(func() (io.ReadCloser, error) {
					if opened.Add(1) == nth {
						return stuckClose{strings.NewReader("text"), over}, nil
					}
					return io.NopCloser(strings.NewReader("text")), nil
				})}))
				is.True(time.Since(began) < time.Minute)
				is.Equal(err != nil, nth == 1) // its digest could not be taken
				is.NoErr(c.Close())
			})
		})
	}
}

// The caller's own functions may panic, and its goroutine may recover.
func TestAPanicOfTheContentIsTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		c := worldtest.New(t, openaitest.Config{}).Client(func(cfg *vsclient.Config) { cfg.Limits.UploadsPerMinute = 3 })
		for nth := range 6 { // at the first opening, for the digest, and at the second
			opened := 0
			func() {
				defer func() { is.Equal(recover(), "mine") }()
				_, _ = c.Put(t.Context(), vsclient.Document{Key: "a.md", Content: vsclient.Open(func() (io.ReadCloser, error) {
					if opened++; opened > nth%2 {
						panic("mine")
					}
					return io.NopCloser(strings.NewReader("text")), nil
				})})
			}()
		}
		is.NoErr(onlyErr(c.Put(t.Context(), doc("a.md", "text")))) // no upload holds its place
	})
}
