//go:build ogx

package ogx_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/matryer/is"
)

// awkward are keys that OGX alters in file names: it replaces each character except ASCII
// letters, digits and "._-" by an underscore.
var awkward = []string{
	"a/b/c.md",
	"../../etc/passwd",
	`back\slash.md`,
	"with space.md",
	`quo"te.md`,
	"line\nend.md",
	"carriage\r\nreturn.md",
	`{"id":7}`,
	`{"id":"x/y"}`,
	"日本.md",
	"中国.md", // altered, it is the same name as the one before
	"Über.md",
	"U\u0308ber.md", // in the other normal form
	"CASE.md",
	"case.md",
	".hidden.md",
	"50%2F50.md",
	strings.Repeat("long/", 200) + "key.md",
}

// TestKeysThatOGXAltersAreFoundByNewProcesses puts, replaces and reads each key in new
// processes. The names of all keys before are in the store.
func TestKeysThatOGXAltersAreFoundByNewProcesses(t *testing.T) {
	w := newOGXStore(t)
	var docs []document
	for i, k := range awkward {
		d := document{Key: k, Content: fmt.Sprintf("old text %d", i), Attributes: map[string]any{"id": fmt.Sprint("key ", i)}}
		t.Run(fmt.Sprintf("%.24q", k), func(t *testing.T) {
			w := &ogxStore{T: t, settings: w.settings, stale: w.stale}
			is := is.New(t)
			is.Equal(w.must(call{Do: "put", Document: d}).Outcome, "created")
			d.Content = fmt.Sprintf("new text %d", i)
			is.Equal(w.must(call{Do: "put", Document: d}).Outcome, "replaced")
			is.Equal(w.must(call{Do: "put", Document: d}).Outcome, "unchanged")
			got := w.must(call{Do: "get", Document: d}).Found[0]
			is.Equal(got.Key, k)
			is.Equal(got.Size, int64(len(d.Content)))
		})
		docs = append(docs, d)
	}
	w.lists(docs...)
	w.holds(docs...)
	var deletions []change
	for _, d := range docs {
		deletions = append(deletions, change{Do: "delete", Document: d})
	}
	for i, outcome := range w.must(call{Do: "apply", Changes: deletions}).Outcomes {
		if outcome != "deleted" {
			t.Errorf("%.24q: %s", docs[i].Key, outcome)
		}
	}
	w.holds()
}

// lists fails the test unless the client lists each of the documents once.
func (w *ogxStore) lists(docs ...document) {
	w.Helper()
	times := make(map[string]int)
	for _, f := range w.must(call{Do: "list"}).Found {
		times[f.Key]++
	}
	for _, d := range docs {
		if times[d.Key] != 1 {
			w.Errorf("%.24q is listed %d times", d.Key, times[d.Key])
		}
		delete(times, d.Key)
	}
	for k := range times {
		w.Errorf("%.24q is listed, and was not put", k)
	}
}
