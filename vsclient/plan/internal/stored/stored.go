// Package stored holds the documents of a vector store as its listing shows them, in little memory.
package stored

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"unique"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan/internal/digest"
)

// The attributes that usually hold the owner of a document: package plan's, and that of the
// Conduit connector.
const (
	OwnerAttribute   = "owner"
	conduitAttribute = "collection"
)

// Document is a version of a key. The zero Document is stored nowhere. There is one for each
// document of the store, so that it keeps no more than is compared, in 128 bytes.
type Document struct {
	FileID       string
	Content      digest.Digest
	Size, Usage  int64
	Version      int64
	Chunking     unique.Handle[vsclient.Chunking]
	Attributes   [16]byte           // their digest
	owner        unique.Handle[any] // of nil: none; the zero handle: likewise
	Unsearchable *vsclient.Info     // status and reason; nil: it is searchable
	Seen         bool               // the source has the key
}

// Store is the documents of a store.
type Store struct {
	Newest map[string]*Document   // by key
	Older  map[string][]*Document // the other versions of a key, the newest first

	Size, Usage int64 // of the documents whose size is known

	attribute, owner string
}

// List reads the store's listing. attribute holds the owner of a document. Where owner is not empty,
// the other usual attribute can hold another owner. A file of another tool goes with the document of
// its name: its owner counts.
func List(ctx context.Context, c *vsclient.Client, attribute, owner string) (*Store, error) {
	s := &Store{Newest: make(map[string]*Document), Older: make(map[string][]*Document), attribute: attribute, owner: owner}
	for info, err := range c.List(ctx) {
		if err != nil {
			return nil, err
		}
		if info.Key != "" {
			s.add(info)
		}
	}
	for key, older := range s.Older {
		slices.SortFunc(older, newestFirst)
		for _, old := range older {
			if other := old.Owner(); old.Version == 0 && other != nil && other != owner {
				s.Newest[key].owner = old.owner
			}
		}
	}
	return s, nil
}

func (s *Store) add(info vsclient.Info) {
	d := &Document{
		FileID: info.FileID, Content: digest.Of(info.SHA256), Size: info.Size, Usage: info.UsageBytes, Version: info.Version,
		Chunking: unique.Make(info.Chunking), Attributes: digest.Attributes(info.Attributes), owner: unique.Make(s.ownerOf(info.Attributes)),
	}
	if info.Status != vsclient.Completed {
		d.Unsearchable = &info
	} else if d.Size > 0 {
		s.Size, s.Usage = s.Size+d.Size, s.Usage+d.Usage
	}
	other := s.Newest[info.Key]
	if other != nil && other.FileID == d.FileID {
		return // a listing that began anew shows it twice
	}
	if other != nil {
		if newestFirst(other, d) < 0 {
			d, other = other, d
		}
		s.Older[info.Key] = append(s.Older[info.Key], other)
	}
	s.Newest[info.Key] = d
}

// newestFirst is the order of the versions of a key, as the client has it.
func newestFirst(a, b *Document) int {
	return cmp.Or(cmp.Compare(b.Version, a.Version), cmp.Compare(b.FileID, a.FileID))
}

// elsewhere is an owner that the other usual attribute holds.
type elsewhere struct {
	attribute string
	owner     any
}

func (s *Store) ownerOf(a vsclient.Attributes) any {
	for _, name := range []string{OwnerAttribute, conduitAttribute} {
		if s.owner != "" && a[s.attribute] == nil && a[name] != nil {
			return elsewhere{name, a[name]}
		}
	}
	return a[s.attribute]
}

// Owner returns the owner; nil: the document has none.
func (d *Document) Owner() any {
	if d.owner == (unique.Handle[any]{}) {
		return nil
	}
	return d.owner.Value()
}

// OwnerBeside returns the owner. Where the source's document has the same value in the other usual
// attribute, that is an attribute as any other.
func (d *Document) OwnerBeside(want vsclient.Attributes) any {
	if other, is := d.Owner().(elsewhere); is && want[other.attribute] == other.owner {
		return nil
	}
	return d.Owner()
}

// Named names the owner of a document and the attribute that holds it.
func (s *Store) Named(d *Document) string {
	other, is := d.Owner().(elsewhere)
	if !is {
		other = elsewhere{s.attribute, d.Owner()}
	}
	return fmt.Sprintf("%s %q", other.attribute, fmt.Sprint(other.owner))
}
