package lists

import (
	"fmt"
	"slices"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Read records a GET of a store file.
func (l *Lists) Read(s wire.StoreFile) naming.Identity {
	return l.observe(s, ledger.Read, l.TickAt(s.Asked))
}

// Listed records an entry of a listing that was asked for at that tick.
func (l *Lists) Listed(s wire.StoreFile, at uint32) naming.Identity {
	return l.observe(s, ledger.Listed, at)
}

// observe records a reply that shows a store file.
func (l *Lists) observe(s wire.StoreFile, seen ledger.Seen, at uint32) naming.Identity {
	id := naming.Decode(s.Attributes)
	marks, marked := l.Marks(id), naming.Marked(s.Attributes)
	before, _ := l.ledger.Find(s.ID)
	l.keeps.CompareAndSwap(false, marked)
	l.ledger.Observe(s.ID, marks, marked, StatusOf(s.Status), seen, at)
	if seen == ledger.Listed && before.Status == ledger.Absent && l.Since(before.At) < ShowTime {
		l.ledger.Doubt(s.ID) // the listing may be behind, or the GET
	}
	if id.Key != "" && marks.Content != (ledger.Print{}) && !l.ledger.Altered() {
		stems := naming.NamesOf(id.Key, l.cfg.Extension).Stems
		if known, among := l.ledger.HasStem(s.ID, stems); known && !among {
			l.altered(s.ID)
		}
	}
	return id
}

// altered records that the server lists a File under a name that leads nowhere.
func (l *Lists) altered(id string) {
	l.cfg.Logger.Warn("the server alters file names; documents are looked for in the store's listing from now on", "file_id", id)
	l.ledger.Alter()
}

// Marks returns the ledger's form of the attributes.
func (l *Lists) Marks(id naming.Identity) ledger.Marks {
	return ledger.Marks{Key: ledger.KeyOf(id.Digest), Number: id.Version, Content: id.Source.Fingerprint(), Own: l.Prints(id.Own)}
}

// Prints packs attributes for comparison.
func (l *Lists) Prints(own map[string]any) string {
	return l.ledger.Prints(func(yield func(name, value string)) {
		for name, value := range own {
			yield(name, fmt.Sprintf("%T:%v", value, value))
		}
	})
}

// StatusOf returns the ledger's status for that of a reply.
func StatusOf(s wire.Status) ledger.Status {
	switch s {
	case wire.Completed:
		return ledger.Completed
	case wire.Failed, wire.Cancelled:
		return ledger.Failed
	}
	return ledger.InProgress
}

// FileOf returns the ledger's form of a File.
func FileOf(f wire.File) ledger.File {
	stem, ext := naming.Listed(f.Filename)
	file := ledger.File{ID: f.ID, Name: f.Filename, Stem: naming.Fold(stem), Ext: ext, Created: f.CreatedAt}
	if f.Bytes != nil {
		file.Size = *f.Bytes
	}
	return file
}

// Uploaded records a File that the client has made as a version of a key. known is the number
// of Files when the upload began (View.Files). It reports false for a File that is not new.
func (l *Lists) Uploaded(f wire.File, next naming.Identity, known uint32) bool {
	file := FileOf(f)
	if stems := naming.NamesOf(next.Key, l.cfg.Extension).Stems; !slices.Contains(stems, file.Stem) {
		l.altered(f.ID)
		file.Stem = stems[0]
	}
	l.mu.Lock()
	l.clock.Show(f.CreatedAt)
	l.mu.Unlock()
	return l.ledger.Uploaded(file, l.Marks(next), known, l.Tick())
}

// Ended records how the attach of a File that the client has made has ended.
func (l *Lists) Ended(id string, s ledger.Status, seen ledger.Seen) {
	file, _ := l.ledger.Find(id)
	l.ledger.Observe(id, file.Marks, true, s, seen, l.Tick())
	l.keeps.CompareAndSwap(false, s == ledger.Completed)
}
