// Package view knows which versions of a document the store holds: it has the lists read,
// looks at single store files, and enters every reply in the ledger. It removes nothing.
package view

import (
	"context"
	"errors"
	"iter"
	"slices"

	"golang.org/x/sync/semaphore"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/lists"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Config is the configuration of a View. All of it but Extension is required.
type Config struct {
	Wire      *wire.Client
	Extension string              // for keys without an extension that OpenAI indexes; "": by content
	Calls     *semaphore.Weighted // bounds the requests that are made side by side
}

// View adds the single looks to the lists. It is safe for concurrent use.
type View struct {
	*lists.Lists
	cfg    Config
	ledger *ledger.Ledger
}

// New returns a View that enters replies in the ledger of the lists. It makes no request.
func New(l *ledger.Ledger, of *lists.Lists, cfg Config) *View {
	return &View{Lists: of, cfg: cfg, ledger: l}
}

// Doc is a key with the ways that lead to its document.
type Doc struct {
	Key   string // empty: longer than attributes can hold
	ID    ledger.Key
	Names naming.Names
}

// Doc returns the key with its digest and its names.
func (v *View) Doc(key string) Doc {
	return Doc{key, ledger.KeyOf(naming.DigestOf(key)), naming.NamesOf(key, v.cfg.Extension)}
}

// Look asks for one store file.
func (v *View) Look(ctx context.Context, id string) error {
	if err := v.cfg.Calls.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer v.cfg.Calls.Release(1)
	return v.LookWith(ctx, v.cfg.Wire, id)
}

// LookWith is Look by another wire client, which bounds the tries.
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
	err := v.shows(ctx, id, func() error {
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
	if file, _ := v.ledger.Find(id); file.Made || v.ledger.InFileList(id) {
		return true, nil
	}
	f, there, err := File(ctx, w, id)
	switch {
	case err != nil:
	case there:
		v.ledger.Listed([]ledger.File{lists.FileOf(f)})
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

// Files returns how many Files are known, for [View.Uploaded].
func (v *View) Files() uint32 { return v.ledger.Files() }

// Over records that the client's attempt to index a File has ended.
func (v *View) Over(id string) { v.ledger.Over(id, v.Tick()) }

// Known returns the versions of a key without a request.
func (v *View) Known(d Doc) ledger.Holdings { return v.ledger.Holdings(d.ID, d.Names) }

// Doubled returns those of the keys that have more than one known version.
func (v *View) Doubled(keys []string) iter.Seq[Doc] {
	return func(yield func(Doc) bool) {
		for _, key := range keys {
			if d := v.Doc(key); key != "" && len(v.Known(d).Versions) > 1 && !yield(d) {
				return
			}
		}
	}
}

// Among reports whether the File is a known version of the key.
func (v *View) Among(d Doc, id string) bool {
	return slices.ContainsFunc(v.Known(d).Versions, func(f ledger.Version) bool { return f.ID == id })
}

// Absent records that the store was seen without the File. Just after an attach this proves
// nothing about a version that a reply has shown. It is an error when this client made the File.
func (v *View) Absent(id string) error {
	file, _ := v.ledger.Find(id)
	shown := file.Status == ledger.Completed || file.Status == ledger.InProgress && file.Key != (ledger.Key{})
	if !shown || !v.Young(file.Created) || v.Since(file.At) >= lists.ShowTime {
		v.ledger.Absent(id, v.Tick())
		return nil
	}
	v.ledger.Doubt(id)
	if !file.Made {
		return nil
	}
	return fail.New(fail.Unavailable, "File %s was seen in the store, and cannot be seen now", id)
}

// Above returns a number above those of all versions among the Files: the created_at of the newest
// in microseconds, apart and one second more, and 1,000 more for each File, so that a process that
// sees more Files gets a higher number. Without a File it is 0.
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
