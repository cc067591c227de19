package vsclient

import (
	"cmp"
	"context"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/keep"
)

// DefaultMinAge is how old an unattached File must be to be a stray, so that none is
// taken whose attach is still to come.
const DefaultMinAge = time.Hour

// SweepOptions say which strays a sweep removes.
type SweepOptions struct {
	// DryRun lists the strays and removes nothing.
	DryRun bool
	// Files names the unattached Files to remove, whatever the evidence: those that a person
	// has chosen from a dry run. nil: all except those that are [NamedAlike].
	Files []string
	// MinAge is the least age of an unattached File, by OpenAI's clock; 0: [DefaultMinAge]. A
	// negative MinAge is none. Then no program may have uploaded or attached a file in the last
	// three minutes.
	MinAge time.Duration
	// Keys are keys that the caller vouches for: an unattached File that has the name of one
	// of them, and was made at or after Since, is this caller's.
	Keys  []string
	Since time.Time // the zero time: always
}

// Why is the evidence by which a File is a stray.
type Why string

// The kinds of evidence.
const (
	Superseded Why = keep.Superseded // an older version of a key
	Unindexed  Why = keep.Unindexed  // a version that OpenAI could not index
	Recorded   Why = keep.Recorded   // unattached, and a document records it as replaced
	Vouched    Why = keep.Vouched    // unattached, named like a key of SweepOptions.Keys, and made at or after Since
	NamedAlike Why = keep.NamedAlike // unattached, and named like a document or a lost upload; it may be anybody's
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

// Sweep goes over the whole store and the project's Files, and removes Files that no key
// needs, or lists them: older versions where a newer one was seen searchable, versions that
// OpenAI could not index, and Files of this package's kind that are attached to no vector
// store. It leaves every version that may yet become searchable. It leaves a store file
// without attributes of this package, unless its key has a newer document.
//
// A File carries no owner and no attributes, so that a name proves nothing: a File
// that has nothing but its name is listed as [NamedAlike] and removed only when
// SweepOptions.Files names it. The strays found so far are returned with an error.
func (c *Client) Sweep(ctx context.Context, o SweepOptions) ([]Stray, error) {
	ctx, over, err := c.life.Begin(ctx)
	if err != nil {
		return nil, wrap("sweep", "", err)
	}
	defer over()
	o.MinAge = cmp.Or(o.MinAge, DefaultMinAge)
	if _, err := c.store(ctx, c.wire); err != nil {
		return nil, wrap("sweep", "", err)
	}
	strays, err := c.keep.Sweep(ctx, keep.SweepOptions(o))
	found := make([]Stray, len(strays))
	for i, s := range strays {
		found[i] = Stray{s.FileID, s.Name, s.Key, s.Size, s.CreatedAt, Why(s.Why), s.Removed}
	}
	return found, wrap("sweep", "", err)
}
