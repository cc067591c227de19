package histories

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// Record is a history with the order in which things happened in one run of it.
type Record struct {
	Plan  plan.Plan
	Order []trail.Pass
}

// Save writes the record into a directory and returns the file's name.
func (r Record) Save(dir string) (string, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("history-%d.json", r.Plan.Seed))
	return path, os.WriteFile(path, data, 0o644)
}

// Load reads a record.
func Load(path string) (r Record, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}
