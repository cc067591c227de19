package openaitest

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Config is the behaviour of a [Server]. The zero value is an API that answers at
// once, indexes at once, limits nothing and never fails. Each field makes it
// more awkward in one way.
type Config struct {
	// APIKey is the only bearer key that is accepted. Empty: any key that is not
	// empty is accepted.
	APIKey string

	// Seed determines ids and every random decision. Two servers with one seed
	// that see the same requests in the same order answer alike.
	Seed uint64

	// Now is the clock; nil is time.Now, which is virtual inside a
	// testing/synctest bubble. [Server.Advance] moves the clock on.
	Now func() time.Time

	// Latency is the transmission time of a request and its reply: half of it
	// passes before the request takes effect, half after.
	Latency time.Duration

	// IndexTime is how long an attached file stays in_progress. Each file takes
	// longer by a random time of up to IndexJitter.
	IndexTime, IndexJitter time.Duration

	// PollAfter, when positive, is sent as openai-poll-after-ms with every
	// store file and file batch that is in progress.
	PollAfter time.Duration

	// ListLag is the delay with which the listings of a store's and of a batch's
	// files show changes. GET /files never lags.
	ListLag Lag

	// CountsLag is how far behind file_counts, usage_bytes and status of a
	// vector store are.
	CountsLag time.Duration

	// NotFoundWindow is how long after an attach GET on the store file answers
	// 404. GhostWindow is how long after a detach it still answers 200.
	NotFoundWindow, GhostWindow time.Duration

	// SearchLag is how long a completed file stays out of search results
	// (Attach) and a detached one stays in them (Detach); Update is not used.
	SearchLag Lag

	// FreshFileWindow is how long after its upload the attach of a File is still
	// refused with "Cannot find file …".
	FreshFileWindow time.Duration

	// StoresExpireAfter is how long after its creation every vector store expires,
	// even if it is used; 0: never. [Server.ExpireVectorStore] does so for one store.
	StoresExpireAfter time.Duration

	// KeepBytes is how many bytes of a file's content are kept; 0 is 16 MiB. Of a
	// larger file the server keeps the size, the SHA-256 and the first KeepBytes
	// bytes: search and the parsed content see no more. The parts of an upload are
	// kept whole until it ends.
	KeepBytes int64

	// StorageQuota is how many bytes all Files may hold; 0 is any number. An
	// upload beyond it is answered 400 with code null, as the live API does.
	StorageQuota int64

	// MaxFileTokens is how many tokens, of four bytes each, a file may have to be
	// indexed; 0 is any number. OpenAI documents 5,000,000.
	MaxFileTokens int64

	Limits Limits
	Quirks Quirks

	// FailIndexing, when it returns a code, makes indexing fail with it:
	// server_error, unsupported_file or invalid_file. FileInfo.Attaches is
	// the number of this attach, from 1. It must not call the server.
	FailIndexing func(FileInfo) (code, message string)

	// StickIndexing, when it returns true, leaves the file in_progress until it
	// is attached again. It must not call the server.
	StickIndexing func(FileInfo) bool

	// IndexRules do the same as FailIndexing and StickIndexing, as data. The first
	// rule that matches a file decides. Rules come before the two functions.
	IndexRules []IndexRule

	// Faults are injected as by [Server.Inject].
	Faults []Fault

	// Strict, when set, is called for each request that is legal but unwise, such
	// as one with a parameter that the API ignores. In a test, set it to t.Errorf.
	Strict func(format string, args ...any)

	// LogSize is how many requests [Server.Requests] remembers; 0: all.
	LogSize int

	// Record, when set, receives each exchange as one line of JSON, see
	// [Exchange]. The environment variable OPENAITEST_RECORD names a directory in
	// which every server of the process records to one new file.
	Record io.Writer
}

// Lag is the delay with which a view of the state follows it.
type Lag struct {
	Attach time.Duration // from the attach until the view shows the file
	Detach time.Duration // from the detach until the view no longer shows it
	Update time.Duration // from a change of status or attributes until the view shows it
}

// LimitKind is how a limit per minute is counted.
type LimitKind string

const (
	Bucket        LimitKind = "bucket"  // a bucket that refills evenly; the default
	FixedWindow   LimitKind = "fixed"   // the limit holds for each minute of the clock
	SlidingWindow LimitKind = "sliding" // the limit holds for any 60 seconds
)

// Limits are rate limits per minute; 0 is no limit. A request over a limit is
// answered 429 with Retry-After and does not count. [PublishedLimits] returns the
// limits that OpenAI documents.
type Limits struct {
	UploadsPerMinute        int // POST /files
	AttachRequestsPerMinute int // POST …/files and …/file_batches, for each store
	AttachedFilesPerMinute  int // files attached by them, over all stores
	ReadsPerMinute          int // GET under /vector_stores
	DeletesPerMinute        int // DELETE under /vector_stores and /files

	Kind  LimitKind
	Burst int // the size of a full bucket; 0: the limit of a minute
}

// PublishedLimits returns the limits in the descriptions of createFile and
// createVectorStoreFileBatch in OpenAI's OpenAPI document.
func PublishedLimits() Limits {
	return Limits{UploadsPerMinute: 1000, AttachRequestsPerMinute: 300, AttachedFilesPerMinute: 2000}
}

// IndexRule determines the result of indexing the files that it matches.
type IndexRule struct {
	Name    string  `json:"name,omitempty"`    // pattern for the file name as in path.Match; empty: every file
	Rate    float64 `json:"rate,omitempty"`    // the share of matching files; 0: all of them
	Times   int     `json:"times,omitempty"`   // how many attaches of a file, from its first, match; 0: every attach
	Stuck   bool    `json:"stuck,omitempty"`   // stays in_progress
	Code    string  `json:"code,omitempty"`    // otherwise fails with this code …
	Message string  `json:"message,omitempty"` // … and this message
}

// ParseIndexRules reads a JSON array of index rules.
func ParseIndexRules(data []byte) ([]IndexRule, error) {
	var rules []IndexRule
	if err := decodeStrictly(data, &rules); err != nil {
		return nil, fmt.Errorf("openaitest: index rules: %w", err)
	}
	return rules, nil
}

// Check returns an error when the Config contradicts itself. [New] panics with it.
func (cfg *Config) Check() error {
	counts := map[string]int64{
		"Latency": int64(cfg.Latency), "IndexTime": int64(cfg.IndexTime), "IndexJitter": int64(cfg.IndexJitter), "PollAfter": int64(cfg.PollAfter),
		"ListLag.Attach": int64(cfg.ListLag.Attach), "ListLag.Detach": int64(cfg.ListLag.Detach), "ListLag.Update": int64(cfg.ListLag.Update),
		"CountsLag": int64(cfg.CountsLag), "NotFoundWindow": int64(cfg.NotFoundWindow), "GhostWindow": int64(cfg.GhostWindow),
		"SearchLag.Attach": int64(cfg.SearchLag.Attach), "SearchLag.Detach": int64(cfg.SearchLag.Detach), "FreshFileWindow": int64(cfg.FreshFileWindow),
		"StoresExpireAfter": int64(cfg.StoresExpireAfter),
		"KeepBytes":         cfg.KeepBytes, "StorageQuota": cfg.StorageQuota, "MaxFileTokens": cfg.MaxFileTokens, "LogSize": int64(cfg.LogSize),
		"Limits.UploadsPerMinute": int64(cfg.Limits.UploadsPerMinute), "Limits.AttachRequestsPerMinute": int64(cfg.Limits.AttachRequestsPerMinute),
		"Limits.AttachedFilesPerMinute": int64(cfg.Limits.AttachedFilesPerMinute), "Limits.ReadsPerMinute": int64(cfg.Limits.ReadsPerMinute),
		"Limits.DeletesPerMinute": int64(cfg.Limits.DeletesPerMinute), "Limits.Burst": int64(cfg.Limits.Burst),
		"max_filename": int64(cfg.Quirks.MaxFilename), "attribute_value_max": int64(cfg.Quirks.AttributeValueMax),
		"content_page_size": int64(cfg.Quirks.ContentPageSize), "batch_max": int64(cfg.Quirks.BatchMax), "store_files_max": int64(cfg.Quirks.StoreFilesMax),
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if counts[name] < 0 {
			return fmt.Errorf("%s is negative", name)
		}
	}
	if dir := os.Getenv("OPENAITEST_RECORD"); dir != "" {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() { //nolint:gosec // whoever runs the tests names the directory
			return fmt.Errorf("OPENAITEST_RECORD: %q is no directory; make it, or unset the variable", dir)
		}
	}
	q := &cfg.Quirks
	if err := cmp.Or(
		checkChoice("limit kind", cfg.Limits.Kind, Bucket, FixedWindow, SlidingWindow),
		checkChoice("missing_extension", q.MissingExtension, MissingRefused, MissingFails, MissingAccepted),
		checkChoice("bad_file_in_batch", q.BadFileInBatch, BadFileRefusesBatch, BadFileFails, BadFileSkipped),
		checkChoice("batches_not_taken", q.BatchesNotTaken, BatchesNotFound, BatchesFail, BatchesEmpty),
		checkChoice("alter_filenames", q.AlterFilenames, slices.Sorted(maps.Keys(alterations))...),
	); err != nil {
		return err
	}
	for i, f := range cfg.Faults {
		if err := f.check(); err != nil {
			return fmt.Errorf("faults[%d]: %w", i, err)
		}
	}
	for i, r := range cfg.IndexRules {
		if _, err := path.Match(r.Name, ""); err != nil {
			return fmt.Errorf("index rules[%d]: name %q: %w", i, r.Name, err)
		}
		if r.Rate < 0 || r.Rate > 1 || r.Times < 0 {
			return fmt.Errorf("index rules[%d]: rate must be between 0 and 1, and times must not be negative", i)
		}
		if r.Message != "" && r.Code == "" {
			return fmt.Errorf("index rules[%d]: a message without a code has no effect; give the code that indexing fails with", i)
		}
		if r.Stuck {
			continue
		}
		if err := checkChoice(fmt.Sprintf("index rules[%d]: code", i), r.Code, "server_error", "unsupported_file", "invalid_file"); err != nil {
			return err
		}
	}
	return nil
}

// checkChoice returns an error unless value is empty or one of allowed.
func checkChoice[T ~string](name string, value T, allowed ...T) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s %q is none of %s", name, value, strings.Join(strings.Fields(strings.Trim(fmt.Sprint(allowed), "[]")), ", "))
}
