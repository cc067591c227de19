package keep

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/lists"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/view"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// SweepOptions are those of the public face.
type SweepOptions struct {
	DryRun bool
	Files  []string
	MinAge time.Duration
	Keys   []string
	Since  time.Time
}

// The kinds of evidence by which a File is a stray.
const (
	Superseded = "superseded"
	Unindexed  = "unindexed"
	Recorded   = "recorded"
	Vouched    = "vouched for"
	NamedAlike = "name only"
)

// Stray is a File that no key needs.
type Stray struct {
	FileID, Name, Key string
	Size              int64
	CreatedAt         time.Time
	Why               string
	Removed           bool
}

// Sweep goes over the whole store and the project's Files. It returns the strays that
// it has found, also with an error.
func (k *Keeper) Sweep(ctx context.Context, o SweepOptions) ([]Stray, error) {
	s := sweep{Keeper: k, o: o, stems: make(map[string]bool), names: make(map[string]bool), vouched: make(map[string]bool), recorded: make(map[string]bool), attached: make(map[string]bool)}
	err := s.run(ctx)
	return s.found, err
}

type sweep struct {
	*Keeper
	o        SweepOptions
	found    []Stray
	stems    map[string]bool // folded, of keys in the store and of the caller's
	names    map[string]bool // of those keys whose names have an empty fold
	vouched  map[string]bool // names that the caller vouches for
	recorded map[string]bool // Files that documents record as replaced
	attached map[string]bool // Files that the store's listing has shown
}

func (s *sweep) run(ctx context.Context) error {
	keys := make(map[ledger.Key]string) // of the documents that the store's listing has shown
	for e, err := range s.view.Entries(ctx) {
		if err != nil {
			return err
		}
		s.attached[e.ID] = true
		if !e.Identity.Ours {
			continue
		}
		keys[ledger.KeyOf(e.Identity.Digest)] = e.Key
		for _, id := range e.Identity.Source.Replaces {
			s.recorded[id] = true
		}
	}
	for id, key := range keys {
		d := view.Doc{ID: id}
		if key != "" {
			d = s.view.Doc(key)
			s.name(d)
		}
		h := s.ledger.Holdings(d.ID, d.Names).Written()
		if len(h.Versions) > 1 || slices.ContainsFunc(h.Versions, func(v ledger.Version) bool { return v.Status == ledger.Failed }) {
			if err := s.versions(ctx, d); err != nil {
				return err
			}
		}
	}
	for _, key := range s.o.Keys {
		d := s.view.Doc(key)
		s.name(d)
		note(s.vouched, d.Names.Sent, d.Names.Whole)
	}
	return s.unattached(ctx)
}

// name notes the stems of a key's names, or the names, where a stem tells nothing.
func (s *sweep) name(d view.Doc) {
	for _, stem := range d.Names.Stems {
		if stem != "" {
			s.stems[stem] = true
		} else {
			note(s.names, d.Names.Sent)
		}
	}
}

// note adds the forms in which the names may be listed.
func note(listed map[string]bool, names ...[]string) {
	for _, name := range slices.Concat(names...) {
		for _, form := range naming.Altered(name) {
			listed[form] = true
		}
	}
}

// versions removes the versions of one key that may go, and adds them to the strays.
func (s *sweep) versions(ctx context.Context, d view.Doc) error {
	return s.AtTurn(ctx, d, func() error {
		for _, v := range s.ledger.Holdings(d.ID, d.Names).Versions {
			if err := s.view.Look(ctx, v.ID); err != nil {
				return err
			}
		}
		h := s.ledger.Holdings(d.ID, d.Names).Written()
		_, remove, _ := ledger.Settle(h)
		at := len(s.found)
		for _, v := range h.Versions {
			if !slices.Contains(remove, v.ID) {
				continue
			}
			why := Superseded
			if v.Status == ledger.Failed {
				why = Unindexed
			}
			s.found = append(s.found, Stray{FileID: v.ID, Key: d.Key, Size: v.Size, CreatedAt: time.Unix(v.Created, 0), Why: why})
		}
		if s.o.DryRun {
			return nil
		}
		err := s.settleKey(ctx, d, false)
		for i := range s.found[at:] {
			s.found[at+i].Removed = s.ledger.IsGone(s.found[at+i].FileID)
		}
		return err
	})
}

// unattached finds Files that are attached to no store of the project.
func (s *sweep) unattached(ctx context.Context) error {
	var candidates []Stray
	for page, err := range s.wire.Files(ctx, wire.FilesPage, nil) {
		if err != nil {
			return err
		}
		for _, f := range page {
			file := lists.FileOf(f)
			stray := Stray{FileID: f.ID, Name: f.Filename, Size: file.Size, CreatedAt: time.Unix(f.CreatedAt, 0)}
			switch {
			case s.recorded[f.ID]:
				stray.Why = Recorded
			case s.vouched[f.Filename] && !stray.CreatedAt.Before(s.o.Since.Truncate(time.Second)):
				stray.Why = Vouched
			case s.vouched[f.Filename], s.stems[file.Stem], s.names[f.Filename]:
				stray.Why = NamedAlike
			}
			if v, known := s.ledger.Find(f.ID); known && v.Open {
				continue
			}
			if stray.Why != "" && !s.attached[f.ID] && s.view.Age(f.CreatedAt) >= s.o.MinAge {
				candidates = append(candidates, stray)
			}
		}
	}
	for _, stray := range candidates {
		there, err := s.attachedAnywhere(ctx, stray.FileID)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if s.removes(stray) {
			if err := s.deleteFile(ctx, stray.FileID); err != nil {
				return err
			}
			stray.Removed = true
		}
		s.found = append(s.found, stray)
	}
	return nil
}

func (s *sweep) removes(stray Stray) bool {
	switch {
	case s.o.DryRun:
		return false
	case s.o.Files != nil:
		return slices.Contains(s.o.Files, stray.FileID)
	}
	return stray.Why != NamedAlike
}

// attachedAnywhere reports whether a store of the project has the File.
func (k *Keeper) attachedAnywhere(ctx context.Context, id string) (bool, error) {
	_, _, err := k.wire.StoreFile(ctx, id)
	if err == nil || !errors.Is(err, fail.NotFound) {
		return err == nil, err
	}
	return k.wire.Elsewhere(ctx, id)
}
