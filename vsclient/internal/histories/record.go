package histories

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Record is a history with the order in which things happened in one run of it.
type Record struct {
	Plan  Plan
	Order []Pass
}

// Pass is one thing that the gate let through.
type Pass struct {
	Name string
	At   time.Duration // since the history began
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

// ParsePlan reads a plan as [Plan.Test] writes it.
func ParsePlan(text string) (p Plan, err error) { return p, json.Unmarshal([]byte(text), &p) }

// Test is the plan as a test that can be pasted.
func (p Plan) Test(kind string) string {
	data, err := json.MarshalIndent(p, "\t\t", "\t")
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("func TestHistory%d(t *testing.T) { // %s\n\tstaysRight(t, `%s`)\n}\n", p.Seed, kind, data)
}
