//go:build e2e

package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

const generator = `
        plugin: builtin:generator
        settings:
          recordCount: 100
          format.type: structured
          format.options.id: int
          format.options.name: string
        processors:
          - id: key
            plugin: field.set
            settings: {field: .Key, value: '{{ .Payload.After.id }}'}
`

func TestTheGeneratorsRecordsBecomeDocuments(t *testing.T) {
	w := newWorld(t, openaitest.Config{IndexTime: 200 * time.Millisecond})
	w.pipeline(generator, extracted(nil), "")
	w.start()
	w.await("100 documents", func() bool { return len(w.documents()) == 100 })
	w.stop()
	w.once(100)
}

func TestTheGeneratorsFilesBecomeDocuments(t *testing.T) {
	is := is.New(t)
	path := filepath.Join(t.TempDir(), "guide.md")
	is.NoErr(os.WriteFile(path, []byte("# A guide\n\nWith $ signs and {{ braces }}.\n"), 0o644))
	w := newWorld(t, openaitest.Config{})
	w.pipeline(`
        plugin: builtin:generator
        settings:
          recordCount: 3
          format.type: file
          format.options.path: `+path, nil, "")
	w.start()
	w.await("3 documents", func() bool { return len(w.documents()) == 3 })
	w.stop()
	for _, d := range w.documents() {
		is.Equal(d.content, "# A guide\n\nWith $ signs and {{ braces }}.\n")
	}
}

func TestABadRecordGoesToTheDeadLetterQueueAlone(t *testing.T) {
	is := is.New(t)
	letters := filepath.Join(t.TempDir(), "letters")
	spoiled := 0
	w := newWorld(t, openaitest.Config{FailIndexing: func(openaitest.FileInfo) (string, string) {
		if spoiled++; spoiled == 57 {
			return "invalid_file", "The file could not be parsed."
		}
		return "", ""
	}})
	w.pipeline(generator, extracted(nil), `    dead-letter-queue:
      plugin: builtin:file
      settings: {path: `+letters+`}
      window-size: 200
      window-nack-threshold: 100
`)
	w.start()
	w.await("99 documents and a dead letter", func() bool {
		text, _ := os.ReadFile(letters)
		return len(w.documents()) >= 99 && len(text) > 0
	})
	w.stop()
	text, err := os.ReadFile(letters)
	is.NoErr(err)
	is.Equal(strings.Count(strings.TrimSpace(string(text)), "\n")+1, 1) // exactly one record
	// docs/recovery.md reads a dead letter by these names.
	var letter struct {
		Metadata map[string]string `json:"metadata"`
		Payload  struct {
			After struct {
				Key any `json:"key"`
			} `json:"after"`
		} `json:"payload"`
	}
	is.NoErr(json.Unmarshal(text, &letter))
	is.True(strings.Contains(letter.Metadata["conduit.dlq.nack.error"], "could not be parsed"))
	is.True(letter.Payload.After.Key != nil)
	w.once(99)
}
