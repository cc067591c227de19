// Package plan makes a vector store equal to a source of documents, such as a folder,
// a site or a table, and shows the changes before it makes them.
//
//	p, err := plan.Make(ctx, client, documents, plan.Options{Scope: plan.Scope{Owner: "handbook"}})
//	// show p.Entries and p.Totals, and ask
//	report, err := p.Execute(ctx, client, plan.ExecuteOptions{}, nil)
//
// A plan needs no state file. Key, digest, chunking, attributes and version stand in the
// store's own listing, so that [Make] reads a hundred documents a request and writes nothing.
//
// # Removals
//
// A document that the source no longer has is removed when it is within the [Scope], and
// never otherwise. An incomplete source removes nothing: when the iterator yields an error
// the plan goes on with the documents that have come, and withholds its removals. So it
// does when the source is empty, unless [Options.Empty] allows that, and when the [Guard]
// finds too many removals; [ExecuteOptions.Approve] then takes their number. A source that
// seems to be another one changes nothing ([Options.Overlap], [Options.Doubt]). A removal
// whose content the source has under another key is withheld until that key has it.
//
// Puts come first and removals last. A document is removed on condition that its newest version
// is the one that the plan has seen ([vsclient.Change.IfVersion]), and after
// [ExecuteOptions.Exists] was asked once more.
//
// # Owners
//
// With [Scope.Owner], each document that is put has the attribute "owner". A document
// with another owner is a [Conflict] and stays as it is. So is one with a value in the attribute
// "collection", where the Conduit connector keeps the owner, unless the source's document has the
// same value there. A document without an owner becomes the source's when the source has its key.
//
// # Later
//
// A plan can be kept as JSON and executed later. It holds neither content nor attributes,
// so that [ExecuteOptions.Source] has to open the documents again. Entries that no longer
// fit are reported as stale, and the others are executed.
package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Format is the version of the JSON of a [Plan].
const Format = 1

// Action is the change that an [Entry] stands for.
type Action string

// The actions. Those from Create to Duplicate put a document of the source.
const (
	Create     Action = "create"     // the store has no document of the key
	Replace    Action = "replace"    // the content differs, or that of the store is not known
	Rechunk    Action = "rechunk"    // the same content with another chunking
	Attributes Action = "attributes" // the same content with other attributes; nothing is uploaded
	Repair     Action = "repair"     // the stored document failed to be indexed, or is stuck
	Duplicate  Action = "duplicate"  // an older version of a key; it goes with a put of the key
	Remove     Action = "remove"     // the source no longer has the document
	Conflict   Action = "conflict"   // the document is another owner's; nothing is done
	Refused    Action = "refused"    // the document cannot be put; nothing is done
	Unchanged  Action = "unchanged"  // nothing is to be done, but to wait while it is being indexed
)

// Puts reports whether the action puts a document of the source.
func (a Action) Puts() bool {
	return slices.Contains([]Action{Create, Replace, Rechunk, Attributes, Repair, Duplicate}, a)
}

// Uploads reports whether the action uploads content.
func (a Action) Uploads() bool { return a.Puts() && a != Attributes && a != Duplicate }

// Changes reports whether the action changes the store.
func (a Action) Changes() bool { return a.Puts() || a == Remove }

// Indexing reports whether the stored version has the content and the chunking of the source,
// and is not searchable yet. [Plan.Execute] waits for it.
func (e Entry) Indexing() bool { return !e.Action.Uploads() && e.Reason == indexed }

// The reasons of entries whose stored version is being indexed, or has failed.
const (
	indexed   = "it is being indexed"
	unindexed = "OpenAI could not index the stored document: " // and the code
)

// mayPut reports whether [Plan.Execute] may put the document of the entry.
func (e Entry) mayPut() bool { return e.Action.Puts() || e.Indexing() }

// acts reports whether [Plan.Execute] has to do with the entry.
func (e Entry) acts() bool { return e.mayPut() || e.Action == Remove }

// Entry is one step of a [Plan], or a document for which there is none to take.
type Entry struct {
	Action   Action `json:"action"`
	Key      string `json:"key"`
	Reason   string `json:"reason,omitempty"`   // in words, on one line
	Bytes    int64  `json:"bytes,omitempty"`    // of the source's content; of the stored one for Duplicate and Remove
	SHA256   string `json:"sha256,omitempty"`   // of the same content, hex; empty where it is not known
	FileID   string `json:"file_id,omitempty"`  // of the stored version; empty: the store has none
	Version  int64  `json:"version,omitempty"`  // of the stored version
	Unowned  bool   `json:"unowned,omitempty"`  // the stored document has no owner yet, and becomes the source's
	Settings uint32 `json:"settings,omitempty"` // a digest of the source's attributes and chunking
	// Withheld says why the entry is not executed; empty: it is. Approval lifts a reason
	// that is the guard's ([Plan.Guarded]).
	Withheld string `json:"withheld,omitempty"`
	usage    int64  // of the stored version, in bytes
}

// Totals sum up the entries that are not withheld.
type Totals struct {
	Uploads  int   `json:"uploads"`
	Bytes    int64 `json:"bytes"`    // that are uploaded
	Requests int   `json:"requests"` // that change the store: uploads, attaches of a hundred, updates, removals
	// Minutes is the least time that [Options.Limits] impose, in whole minutes: a minute's
	// worth of requests may go at once.
	Minutes int `json:"minutes"`
	// Storage is the change in bytes that OpenAI counts. New content is counted as the
	// store counts the documents that it has, and by its size in a store that has none.
	Storage int64 `json:"storage"`
	// PricePerDay is the change of the price for the store in US dollars, at 0.10 a
	// gigabyte and day with the first gigabyte free (OpenAI's guide "Retrieval"). Other
	// stores of the organization share that gigabyte.
	PricePerDay float64 `json:"price_per_day"`
}

// Plan is the difference between a source and a vector store. It can be encoded as JSON,
// and holds no content and no secret.
type Plan struct {
	Format         int       `json:"format"`
	StoreID        string    `json:"store_id"`
	MadeAt         time.Time `json:"made_at"`
	Scope          Scope     `json:"scope"`
	Guard          Guard     `json:"guard"`
	OwnerAttribute string    `json:"owner_attribute"`
	Incomplete     string    `json:"incomplete,omitempty"` // why the source may have more documents than it has shown
	Guarded        string    `json:"guarded,omitempty"`    // why entries need an approval; empty: none does
	Owned          int       `json:"owned"`                // documents of the store that are within the scope
	Same           int       `json:"same"`                 // of those, the ones that the source has with their content
	Removals       int       `json:"removals"`             // entries to remove, whether withheld or not
	Entries        []Entry   `json:"entries"`              // the source's in its order, then those of the store alone by key
	Totals         Totals    `json:"totals"`

	documents map[string]vsclient.Document // of entries that put; none: the source opens them again
	client    *vsclient.Client             // that made it; nil in a plan that was read from JSON
}

// Counts returns the number of entries of each action.
func (p *Plan) Counts() map[Action]int {
	counts := make(map[Action]int)
	for _, e := range p.Entries {
		counts[e.Action]++
	}
	return counts
}

// Pending returns the number of entries that Execute would carry out without an approval.
func (p *Plan) Pending() (n int) {
	for _, e := range p.Entries {
		if e.Action.Changes() && e.Withheld == "" {
			n++
		}
	}
	return n
}

// UnmarshalJSON reads a plan. Another [Format] is an error, and so is an unknown action.
func (p *Plan) UnmarshalJSON(data []byte) error {
	type plain Plan
	var read plain
	if err := json.Unmarshal(data, &read); err != nil {
		return fmt.Errorf("plan: it does not have the form of a plan: %w", err)
	}
	if read.Format != Format {
		return fmt.Errorf("plan: the format is %d, and this release reads %d; make the plan again", read.Format, Format)
	}
	for i, e := range read.Entries {
		if !e.Action.Changes() && e.Action != Conflict && e.Action != Refused && e.Action != Unchanged {
			return fmt.Errorf("plan: entry %d has the action %q, which this release does not know; make the plan again", i, e.Action)
		}
	}
	*p = Plan(read)
	return nil
}

const (
	filesPerAttach  = vsclient.DefaultBatchSize
	gigabyte        = 1 << 30
	pricePerDayOfGB = 0.10 // US dollars, as OpenAI publishes it
)

// sum adds up the entries.
func (p *Plan) sum(m *maker, store vsclient.Store) {
	t := Totals{}
	usage := 1.0 // bytes that OpenAI counts for a byte of content
	if m.store.Size > 0 {
		usage = float64(m.store.Usage) / float64(m.store.Size)
	}
	var changes int // removals, two requests each, and updates
	for _, e := range p.Entries {
		switch {
		case e.Withheld != "":
		case e.Action.Uploads():
			t.Uploads++
			t.Bytes += e.Bytes
			t.Storage += int64(usage * float64(e.Bytes))
			if e.FileID != "" {
				changes += 2
				t.Storage -= e.usage
			}
		case e.Action == Attributes:
			changes++
		case e.Action == Duplicate:
			changes += 2
			t.Storage -= int64(usage * float64(e.Bytes))
		case e.Action == Remove:
			for _, version := range append(m.store.Older[e.Key], m.store.Newest[e.Key]) {
				changes += 2
				t.Storage -= version.Usage
			}
		}
	}
	attaches := (t.Uploads + filesPerAttach - 1) / filesPerAttach
	t.Requests = t.Uploads + attaches + changes
	published := vsclient.PublishedLimits()
	for _, l := range [][3]int{
		{t.Uploads, m.o.Limits.UploadsPerMinute, published.UploadsPerMinute},
		{attaches, m.o.Limits.AttachRequestsPerMinute, published.AttachRequestsPerMinute},
		{t.Uploads, m.o.Limits.AttachedFilesPerMinute, published.AttachedFilesPerMinute},
	} {
		if n, limit := l[0], cmp.Or(l[1], l[2]); n > 0 && limit > 0 {
			t.Minutes = max(t.Minutes, (n-1)/limit) // a minute's worth goes at once
		}
	}
	t.PricePerDay = price(store.UsageBytes+t.Storage) - price(store.UsageBytes)
	p.Totals = t
}

// price is the price a day of a store that holds so many bytes.
func price(bytes int64) float64 {
	return pricePerDayOfGB * float64(max(0, bytes-gigabyte)) / gigabyte
}
