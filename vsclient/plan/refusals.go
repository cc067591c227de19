package plan

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Refusals remember documents that OpenAI has refused, so that another run over the same
// source does not upload them again. A document is tried again once its content or its
// chunking has changed. It is tried again after a day when OpenAI has refused a request rather
// than to index it, and when nobody has waited for its last upload ([ExecuteOptions.Attached]).
// The zero value is empty and ready. It is safe for concurrent use.
type Refusals struct {
	mu    sync.Mutex
	byKey map[string]refusal
}

type refusal struct {
	SHA256   string    `json:"sha256"`
	Chunking string    `json:"chunking"`
	Reason   string    `json:"reason"`
	Until    time.Time `json:"until,omitzero"` // when it is tried again, in UTC; zero: never
}

// again is the wait when the reason need not have been the content.
const again = 24 * time.Hour

// LoadRefusals reads the file that [Refusals.Save] has written. A file that is missing holds none.
func LoadRefusals(path string) (*Refusals, error) {
	r := new(Refusals)
	data, err := os.ReadFile(path) //nolint:gosec // the caller names it
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r.byKey)
	}
	if err != nil {
		return nil, fmt.Errorf("plan: the record of refusals %s cannot be read: %w", path, err)
	}
	return r, nil
}

// Save writes the refusals into a file, which is replaced as a whole.
func (r *Refusals) Save(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	written := path + "." + rand.Text() + ".new" // another run may save beside this one
	defer func() { _ = os.Remove(written) }()
	data, err := json.MarshalIndent(r.byKey, "", "\t")
	if err == nil {
		err = os.WriteFile(written, append(data, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(written, path)
	}
	if err != nil {
		return fmt.Errorf("plan: the record of refusals cannot be written: %w", err)
	}
	return nil
}

// Len returns the number of documents.
func (r *Refusals) Len() int {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.byKey)
}

// reason says why this content of the key was refused; empty: it was not.
func (r *Refusals) reason(key, sha256, chunking string) string {
	if r == nil {
		return ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if one := r.byKey[key]; one.SHA256 == sha256 && one.Chunking == chunking && (one.Until.IsZero() || time.Now().Before(one.Until)) {
		return one.Reason
	}
	return ""
}

// refusedBefore begins the reason of an entry whose content was refused.
const refusedBefore = "OpenAI has refused this content before: "

// record takes in how a put has ended.
func (r *Refusals) record(key, sha256, chunking string, err error) {
	if r == nil {
		return
	}
	// Faults of the content, which another upload of it would meet again.
	faults := []error{vsclient.ErrIndexing, vsclient.ErrUnsupportedType, vsclient.ErrTooLarge}
	switch {
	case err == nil:
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.byKey, key)
	case vsclient.ClassOf(err) != vsclient.BadDocument:
	case errors.Is(err, vsclient.ErrRejected):
		r.suspect(key, sha256, chunking, reasonOf(err))
	case slices.ContainsFunc(faults, func(kind error) bool { return errors.Is(err, kind) }):
		r.add(key, refusal{SHA256: sha256, Chunking: chunking, Reason: reasonOf(err)})
	}
}

// suspect records a refusal that need not be the content's, so that it is tried again after a day.
func (r *Refusals) suspect(key, sha256, chunking, reason string) {
	if r != nil {
		r.add(key, refusal{SHA256: sha256, Chunking: chunking, Reason: reason, Until: time.Now().UTC().Add(again).Truncate(time.Second)})
	}
}

func (r *Refusals) add(key string, one refusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey == nil {
		r.byKey = make(map[string]refusal)
	}
	r.byKey[key] = one
}
