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
// chunking has changed, and after a day when OpenAI has refused a request rather than to
// index it. The zero value is empty and ready. It is safe for concurrent use.
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

// again is the wait after a refused request: the reason need not have been the content.
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

// record takes in how a put has ended.
func (r *Refusals) record(key, sha256, chunking string, err error) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.byKey, key)
	}
	// Faults of the content, which another upload of it would meet again.
	faults := []error{vsclient.ErrIndexing, vsclient.ErrRejected, vsclient.ErrUnsupportedType, vsclient.ErrTooLarge}
	if vsclient.ClassOf(err) == vsclient.BadDocument && slices.ContainsFunc(faults, func(kind error) bool { return errors.Is(err, kind) }) {
		if r.byKey == nil {
			r.byKey = make(map[string]refusal)
		}
		one := refusal{SHA256: sha256, Chunking: chunking, Reason: reasonOf(err)}
		if errors.Is(err, vsclient.ErrRejected) {
			one.Until = time.Now().UTC().Add(again).Truncate(time.Second)
		}
		r.byKey[key] = one
	}
}
