// Package view knows which versions of a document the store holds: it reads the list
// of Files and the store's listing, looks at single store files, and enters every reply
// in the ledger. It removes nothing.
package view

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Config is the configuration of a View. All of it but Extension is required.
type Config struct {
	Wire       *wire.Client
	Extension  string                           // for keys without an extension that OpenAI indexes; "": by content
	AttachTime time.Duration                    // how long after its upload a File may still be attached
	Life       context.Context                  // ends all reading
	Go         func(func(context.Context)) bool // runs a function in a goroutine that ends with Life; false: it has ended
	Calls      *semaphore.Weighted              // bounds the requests that are made side by side
	Logger     *slog.Logger
}

// View is safe for concurrent use.
type View struct {
	cfg    Config
	born   time.Time
	ledger *ledger.Ledger
	lists  lists
	kept   atomic.Bool // a store file with marks was seen
}

// Kept reports whether the store was seen to hold a document with marks.
func (v *View) Kept() bool { return v.kept.Load() }

// New returns a View that enters replies in the ledger. It makes no request.
func New(l *ledger.Ledger, cfg Config) *View { return &View{cfg: cfg, born: time.Now(), ledger: l} }

// Doc is a key with the ways that lead to its document.
type Doc struct {
	Key   string // empty: longer than attributes can hold
	ID    ledger.Key
	Names naming.Names
}

func (v *View) Doc(key string) Doc {
	return Doc{key, ledger.KeyOf(naming.DigestOf(key)), naming.NamesOf(key, v.cfg.Extension)}
}

// Tick is the time in the ledger's grain, tenths of a second; never zero.
func (v *View) Tick() uint32 { return v.tickAt(time.Now()) }

func (v *View) tickAt(t time.Time) uint32 {
	return uint32(max(0, t.Sub(v.born)/(100*time.Millisecond))) + 1 //nolint:gosec // 13 years
}

// Since returns how long ago a tick was.
func (v *View) Since(tick uint32) time.Duration {
	return time.Duration(v.Tick()-tick) * 100 * time.Millisecond
}

// Look asks for one store file.
func (v *View) Look(ctx context.Context, id string) error {
	if err := v.cfg.Calls.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer v.cfg.Calls.Release(1)
	return v.LookWith(ctx, v.cfg.Wire, id)
}

func (v *View) LookWith(ctx context.Context, w *wire.Client, id string) error {
	s, _, err := w.StoreFile(ctx, id)
	switch {
	case errors.Is(err, fail.NotFound):
		_ = v.Absent(id)
		return nil
	case err != nil:
		return err
	}
	if there, err := v.fileThere(ctx, w, id); !there {
		return err
	}
	v.Read(s)
	return nil
}

// See asks for a store file until it is shown, for a while after its attach.
func (v *View) See(ctx context.Context, id string) error {
	err := v.Shows(ctx, id, func() error {
		if err := v.Look(ctx, id); err != nil {
			return err
		}
		if file, known := v.ledger.Find(id); known && file.Seen == ledger.NotSeen {
			return errUnseen
		}
		return nil
	})
	if errors.Is(err, errUnseen) {
		v.ledger.Absent(id, v.Tick())
		return nil
	}
	return err
}

// fileThere reports whether the File of a store file exists. A store file is shown for a
// while after its File is gone.
func (v *View) fileThere(ctx context.Context, w *wire.Client, id string) (bool, error) {
	if file, _ := v.ledger.Find(id); file.Made || v.ledger.Named(id) {
		return true, nil
	}
	f, there, err := File(ctx, w, id)
	switch {
	case err != nil:
	case there:
		v.ledger.Listed([]ledger.File{FileOf(f)})
	default:
		v.ledger.Gone(id, v.Tick())
	}
	return there, err
}

// File asks for a File, and reports whether it exists.
func File(ctx context.Context, w *wire.Client, id string) (f wire.File, there bool, err error) {
	f, err = w.File(ctx, id)
	if errors.Is(err, fail.NotFound) {
		return f, false, nil
	}
	return f, err == nil, err
}

// Read records a GET of a store file.
func (v *View) Read(s wire.StoreFile) naming.Identity {
	return v.observe(s, ledger.Read, v.tickAt(s.Asked))
}

// Listed records an entry of a listing that was asked for at that tick.
func (v *View) Listed(s wire.StoreFile, at uint32) naming.Identity {
	return v.observe(s, ledger.Listed, at)
}

// observe records a reply that shows a store file.
func (v *View) observe(s wire.StoreFile, seen ledger.Seen, at uint32) naming.Identity {
	id := naming.Decode(s.Attributes)
	marks, marked := v.Marks(id), naming.Marked(s.Attributes)
	before, _ := v.ledger.Find(s.ID)
	v.kept.CompareAndSwap(false, marked)
	v.ledger.Observe(s.ID, marks, marked, StatusOf(s.Status), seen, at)
	if seen == ledger.Listed && before.Status == ledger.Absent && v.Since(before.At) < ShowTime {
		v.ledger.Doubt(s.ID) // the listing may be behind, or the GET
	}
	if id.Key != "" && marks.Content != (ledger.Print{}) && !v.ledger.Altered() {
		stems := naming.NamesOf(id.Key, v.cfg.Extension).Stems
		if known, among := v.ledger.Stem(s.ID, stems); known && !among {
			v.altered(s.ID)
		}
	}
	return id
}

// altered records that the server lists a File under a name that leads nowhere.
func (v *View) altered(id string) {
	v.cfg.Logger.Warn("the server alters file names; documents are looked for in the store's listing from now on", "file_id", id)
	v.ledger.Alter()
}

func (v *View) Marks(id naming.Identity) ledger.Marks {
	return ledger.Marks{Key: ledger.KeyOf(id.Digest), Number: id.Version, Content: id.Source.Fingerprint(), Own: v.Prints(id.Own)}
}

// Prints packs attributes for comparison.
func (v *View) Prints(own map[string]any) string {
	return v.ledger.Prints(func(yield func(name, value string)) {
		for name, value := range own {
			yield(name, fmt.Sprintf("%T:%v", value, value))
		}
	})
}

// StatusOf is the state that a reply shows.
func StatusOf(s wire.Status) ledger.Status {
	switch s {
	case wire.Completed:
		return ledger.Completed
	case wire.Failed, wire.Cancelled:
		return ledger.Failed
	}
	return ledger.InProgress
}

// Files returns how many Files are known, for [View.Uploaded].
func (v *View) Files() uint32 { return v.ledger.Files() }

// Uploaded records a File that the client has made as a version of a key. It reports false
// for one that is not new: so many Files were known when the upload began.
func (v *View) Uploaded(f wire.File, next naming.Identity, known uint32) bool {
	file := FileOf(f)
	if stems := naming.NamesOf(next.Key, v.cfg.Extension).Stems; !slices.Contains(stems, file.Stem) {
		v.altered(f.ID)
		file.Stem = stems[0]
	}
	v.lists.mu.Lock()
	v.lists.clock.Show(f.CreatedAt)
	v.lists.mu.Unlock()
	return v.ledger.Uploaded(file, v.Marks(next), known, v.Tick())
}

// Ended records how the attach of a File that the client has made has ended.
func (v *View) Ended(id string, s ledger.Status, seen ledger.Seen) {
	file, _ := v.ledger.Find(id)
	v.ledger.Observe(id, file.Marks, true, s, seen, v.Tick())
	v.kept.CompareAndSwap(false, s == ledger.Completed)
}

// Over records that the client's attempt to index a File has ended.
func (v *View) Over(id string) { v.ledger.Over(id, v.Tick()) }

// Known returns the versions of a key without a request.
func (v *View) Known(d Doc) ledger.Holdings { return v.ledger.Holdings(d.ID, d.Names) }

// Now is OpenAI's time, in Unix seconds, and never ahead.
func (v *View) Now() int64 {
	v.lists.mu.Lock()
	defer v.lists.mu.Unlock()
	return v.lists.clock.Now()
}

// Age returns how long ago, at least, a File was made.
func (v *View) Age(created int64) time.Duration {
	return time.Duration(v.Now()-created) * time.Second
}

// Renew returns when a list of Files has been read that is no older than age.
func (v *View) Renew(ctx context.Context, age time.Duration) error { return v.listFiles(ctx, age) }

// Absent records that the store was seen without the File. Just after an attach this proves
// nothing about a version that a reply has shown. It is an error when this client made the File.
func (v *View) Absent(id string) error {
	file, _ := v.ledger.Find(id)
	shown := file.Status == ledger.Completed || file.Status == ledger.InProgress && file.Key != (ledger.Key{})
	if !shown || !v.young(file.Created) || v.Since(file.At) >= ShowTime {
		v.ledger.Absent(id, v.Tick())
		return nil
	}
	v.ledger.Doubt(id)
	if !file.Made {
		return nil
	}
	return fail.New(fail.Unavailable, "File %s was seen in the store, and cannot be seen now", id)
}

// Above returns a number above those of all versions among the Files: the second in which
// a File was made, in millionths, and an order. A process that sees more comes later.
func (v *View) Above(ids []string) int64 {
	newest := int64(0)
	for _, id := range ids {
		if file, known := v.ledger.Find(id); known {
			newest = max(newest, file.Created)
		}
	}
	if newest == 0 {
		return 0
	}
	return (newest+apart+1)*1e6 + 1000*int64(len(ids))
}
