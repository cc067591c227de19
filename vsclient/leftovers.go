package vsclient

import (
	"context"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// DefaultLeftoverAge is how old a File must be to be a leftover, so that none is
// taken whose attach is still to come.
const DefaultLeftoverAge = time.Hour

// LeftoverOptions say how old a File must be and what to accept as proof.
type LeftoverOptions struct {
	// OlderThan is the least age; 0 means DefaultLeftoverAge.
	OlderThan time.Duration
	// Keys are keys that the caller vouches for: an unattached File that bears the
	// name of one of them, and is not older than Since, was made by this client.
	Keys []string
	// Since is when the caller's word for Keys begins, as the start of the run
	// that was cut off; the zero time means always.
	Since time.Time
}

// Evidence is why a File is taken for a leftover of this client.
type Evidence string

const (
	// EvidenceRecorded: a document of this store says that it has replaced this File.
	EvidenceRecorded Evidence = "recorded"
	// EvidenceVouched: the caller vouches for the key that the File is named for.
	EvidenceVouched Evidence = "vouched for"
	// EvidenceName: it is named like a document of this store, which anybody's File
	// may be. RemoveLeftovers does not take it.
	EvidenceName Evidence = "name only"
)

// Leftover is a File of this project that is attached to no vector store.
type Leftover struct {
	FileID    string
	Name      string
	Size      int64
	CreatedAt time.Time
	Evidence  Evidence
}

// Leftovers lists Files that a process which was cut off may have left behind:
// of purpose "assistants", old enough, attached to no store of the project, and
// either named for a document of this store or for one of the keys that are
// vouched for, or recorded as replaced. It changes nothing.
//
// OpenAI keeps no owner and no attributes with a File, so that a name proves
// nothing: what has nothing but its name is listed as [EvidenceName], to be seen by a
// person, and is not removed by [Client.RemoveLeftovers]. It asks for one page a
// 10,000 Files, one a hundred documents, and once a candidate and store.
func (c *Client) Leftovers(ctx context.Context, o LeftoverOptions) ([]Leftover, error) {
	ctx, over := c.begin(ctx)
	defer over()
	found, err := c.leftovers(ctx, o)
	return found, wrap("list leftovers", "", err)
}

func (c *Client) leftovers(ctx context.Context, o LeftoverOptions) ([]Leftover, error) {
	if o.OlderThan == 0 {
		o.OlderThan = DefaultLeftoverAge
	}
	names := make(map[string]Evidence) // by file name, or without extension where the key has none
	recorded := make(map[string]bool)
	inStore := make(map[string]bool)
	for d, err := range c.storeFiles(ctx) {
		if err != nil {
			return nil, err
		}
		inStore[d.FileID] = true
		if d.Key != "" {
			names[nameOrBase(d.Key)] = EvidenceName
		}
		for _, id := range d.replaces {
			recorded[id] = true
		}
	}
	for _, key := range o.Keys {
		names[nameOrBase(key)] = EvidenceVouched
	}
	latest := time.Now().Add(-o.OlderThan)
	var candidates []Leftover
	for data, err := range c.wire.Files(ctx, wire.FilesPage) {
		if err != nil {
			return nil, err
		}
		for _, f := range data {
			l := Leftover{FileID: f.ID, Name: f.Filename, CreatedAt: time.Unix(f.CreatedAt, 0), Evidence: names[f.Filename]}
			if l.Evidence == "" {
				l.Evidence = names[naming.Stem(f.Filename)]
			}
			if f.Bytes != nil {
				l.Size = *f.Bytes
			}
			if l.Evidence == EvidenceVouched && l.CreatedAt.Before(o.Since.Truncate(time.Second)) {
				l.Evidence = EvidenceName
			}
			if recorded[f.ID] {
				l.Evidence = EvidenceRecorded
			}
			if f.Purpose == wire.Purpose && l.Evidence != "" && !inStore[f.ID] && !l.CreatedAt.After(latest) {
				candidates = append(candidates, l)
			}
		}
	}
	stores, err := c.storeIDs(ctx)
	if err != nil {
		return nil, err
	}
	var found []Leftover
	for _, l := range candidates {
		there, err := c.attachedAnywhere(ctx, stores, l.FileID)
		if err != nil {
			return nil, err
		}
		if !there {
			found = append(found, l)
		}
	}
	return found, nil
}

// nameOrBase is the File's name for a key, without the extension where that follows
// from the content.
func nameOrBase(key string) string {
	base, ext := naming.FileName(key)
	return base + ext
}

// RemoveLeftovers deletes those of the Files that have more than their name for
// evidence and, asked again, are attached to no store. It returns how many are
// gone by its doing. Show a person what [Client.Leftovers] lists first.
func (c *Client) RemoveLeftovers(ctx context.Context, found []Leftover) (removed int, err error) {
	ctx, over := c.begin(ctx)
	defer over()
	stores, err := c.storeIDs(ctx)
	if err != nil {
		return 0, wrap("remove leftovers", "", err)
	}
	for _, l := range found {
		if l.Evidence != EvidenceRecorded && l.Evidence != EvidenceVouched {
			continue
		}
		there, err := c.attachedAnywhere(ctx, stores, l.FileID)
		if err == nil && !there {
			err = c.deleteFile(ctx, l.FileID)
		}
		if err != nil {
			return removed, wrap("remove leftovers", "", err)
		}
		if !there {
			removed++
		}
	}
	return removed, nil
}
