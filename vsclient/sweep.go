package vsclient

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// DefaultMinAge is how old an unattached File must be to be a stray, so that none is
// taken whose attach is still to come.
const DefaultMinAge = time.Hour

// SweepOptions say which strays a sweep removes.
type SweepOptions struct {
	// DryRun lists the strays and removes nothing.
	DryRun bool
	// Files limits the removal of unattached Files to these, as a person has chosen
	// them from a dry run, whatever the evidence. nil: all but those [NamedAlike].
	Files []string
	// MinAge is the least age of an unattached File, by OpenAI's clock; 0:
	// [DefaultMinAge].
	MinAge time.Duration
	// Keys are keys that the caller vouches for: an unattached File that bears the name
	// of one of them, and was made at or after Since, is this caller's.
	Keys  []string
	Since time.Time // the zero time: always
}

// Why is the evidence by which a File is a stray.
type Why string

// The kinds of evidence.
const (
	Superseded Why = "superseded" // an older version of a key
	Unindexed  Why = "unindexed"  // a version that OpenAI could not index
	Recorded   Why = "recorded"   // unattached, and a document records it as replaced
	Vouched    Why = "vouched for"
	NamedAlike Why = "name only" // unattached, and named like a document or a lost upload; it may be anybody's
)

// Stray is a File that no key needs.
type Stray struct {
	FileID    string
	Name      string // of an unattached File
	Key       string // of a version
	Size      int64  // in bytes; 0: not known
	CreatedAt time.Time
	Why       Why
	Removed   bool
}

// Sweep goes over the whole store and the project's Files, and removes what no key
// needs, or lists it: older versions where a newer one was seen searchable, versions
// that OpenAI could not index, and Files of this package's kind that are attached to
// no vector store. It leaves alone every store file that has no attributes of this
// package, and every version that may yet become searchable.
//
// A File carries no owner and no attributes, so that a name proves nothing: a File
// that has nothing but its name is listed as [NamedAlike] and removed only when
// SweepOptions.Files names it. The strays found so far are returned with an error.
func (c *Client) Sweep(ctx context.Context, o SweepOptions) ([]Stray, error) {
	ctx, over, err := c.begin(ctx)
	if err != nil {
		return nil, wrap("sweep", "", err)
	}
	defer over()
	if o.MinAge == 0 {
		o.MinAge = DefaultMinAge
	}
	s := sweep{c: c, o: o, names: make(map[string]Why), recorded: make(map[string]bool), attached: make(map[string]bool)}
	err = s.run(ctx)
	return s.found, wrap("sweep", "", err)
}

type sweep struct {
	c        *Client
	o        SweepOptions
	found    []Stray
	names    map[string]Why  // folded stems
	recorded map[string]bool // Files that documents record as replaced
	attached map[string]bool // Files that the store's listing has shown
}

func (s *sweep) run(ctx context.Context) error {
	if _, err := s.c.store(ctx, s.c.wire); err != nil {
		return err
	}
	keys := make(map[ledger.Key]doc)
	count := make(map[ledger.Key]int)
	for e, err := range s.c.entries(ctx) {
		if err != nil {
			return err
		}
		s.attached[e.ID] = true
		if !e.id.Ours {
			continue
		}
		d := doc{id: ledger.Key(e.id.Digest[:16])}
		if e.key != "" {
			d = s.c.doc(e.key)
			s.name(d, NamedAlike)
		}
		count[d.id]++
		if count[d.id] > 1 || statusOf(e.Status) == ledger.Failed {
			keys[d.id] = d
		}
		for _, id := range e.id.Source.Replaces {
			s.recorded[id] = true
		}
	}
	for _, d := range keys {
		if err := s.settle(ctx, d); err != nil {
			return err
		}
	}
	for _, key := range s.o.Keys {
		s.name(s.c.doc(key), Vouched)
	}
	return s.unattached(ctx)
}

func (s *sweep) name(d doc, why Why) {
	for _, stem := range d.names.Stems {
		if stem != "" {
			s.names[stem] = why
		}
	}
}

// settle removes the versions of one key that may go.
func (s *sweep) settle(ctx context.Context, d doc) error {
	c := s.c
	return c.atTurn(ctx, d, func() error {
		for _, v := range c.ledger.Holdings(d.id, d.names).Versions {
			if err := c.look(ctx, v.ID); err != nil {
				return err
			}
		}
		h := c.ledger.Holdings(d.id, d.names)
		_, remove, _ := ledger.Settle(h)
		at := len(s.found)
		for _, v := range h.Versions {
			if !slices.Contains(remove, v.ID) || v.Key == (ledger.Key{}) {
				continue
			}
			why := Superseded
			if v.Status == ledger.Failed {
				why = Unindexed
			}
			s.found = append(s.found, Stray{FileID: v.ID, Key: d.key, Size: v.Size, CreatedAt: time.Unix(v.Created, 0), Why: why})
		}
		if s.o.DryRun {
			return nil
		}
		err := c.settle(ctx, d)
		for i := range s.found[at:] {
			s.found[at+i].Removed = c.ledger.IsGone(s.found[at+i].FileID)
		}
		return err
	})
}

// unattached finds Files that are attached to no store of the project.
func (s *sweep) unattached(ctx context.Context) error {
	c := s.c
	var candidates []Stray
	for page, err := range c.wire.Files(ctx, wire.FilesPage) {
		if err != nil {
			return err
		}
		for _, f := range page {
			file := fileOf(f)
			stray := Stray{FileID: f.ID, Name: f.Filename, Size: file.Size, CreatedAt: time.Unix(f.CreatedAt, 0), Why: s.names[file.Stem]}
			if stray.Why == Vouched && stray.CreatedAt.Before(s.o.Since.Truncate(time.Second)) {
				stray.Why = NamedAlike
			}
			if s.recorded[f.ID] {
				stray.Why = Recorded
			}
			if v, known := c.ledger.Find(f.ID); known && v.Open {
				continue
			}
			if stray.Why != "" && !s.attached[f.ID] && c.view.age(f.CreatedAt) >= s.o.MinAge {
				candidates = append(candidates, stray)
			}
		}
	}
	if len(candidates) == 0 {
		return nil
	}
	for _, stray := range candidates {
		there, err := c.attachedAnywhere(ctx, stray.FileID)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if s.removes(stray) {
			if _, err := c.wire.DeleteFile(ctx, stray.FileID); err != nil {
				return err
			}
			c.ledger.Gone(stray.FileID, c.tick())
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
func (c *Client) attachedAnywhere(ctx context.Context, id string) (bool, error) {
	_, _, err := c.wire.StoreFile(ctx, id)
	if err == nil || !errors.Is(err, fail.NotFound) {
		return err == nil, err
	}
	return c.attachedElsewhere(ctx, id)
}
