package ledger_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
)

const page = "../../docs/settle.md"

// cell is a place in the page's table: a row and a column.
type cell struct{ state, begun, others string }

// cells reads the page's table.
func cells(t *testing.T) map[cell]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	table := make(map[cell]string)
	var columns []string
	for line := range strings.Lines(string(text)) {
		row := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		switch {
		case len(row) != 5, strings.HasPrefix(row[0], "--"):
		case columns == nil:
			columns = row
		default:
			for i := 2; i < len(row); i++ {
				at := cell{row[0], row[1], columns[i]}
				if table[at] != "" {
					t.Errorf("%+v is there twice", at)
				}
				table[at] = row[i]
			}
		}
	}
	return table
}

// place returns the cell of one version of a history.
func place(h ledger.Holdings, v ledger.Version) cell {
	at := cell{begun: "no", others: "no other"}
	at.state = map[ledger.Status]string{
		ledger.Unknown: "never looked at", ledger.Absent: "not in the store", ledger.InProgress: "in progress",
		ledger.Completed: "seen searchable", ledger.Failed: "seen failed or cancelled",
	}[v.Status]
	if v.Status == ledger.Completed && v.Seen != ledger.Read {
		at.state = "listed as completed"
	}
	if v.Status == ledger.Failed && v.Seen != ledger.Read {
		at.state = "listed as failed or cancelled"
	}
	if v.Going {
		at.begun = "yes"
	}
	for _, other := range h.Versions {
		if other.ID == v.ID || !proven(other) {
			continue
		}
		if at.others = "only an older one"; other.Number > v.Number {
			at.others = "a newer one"
		}
		break // they are in order
	}
	return at
}

func TestThePageShowsTheRule(t *testing.T) {
	table := cells(t)
	if len(table) != 42 {
		t.Fatalf("the table has %d cells; 14 states in 3 columns are 42", len(table))
	}
	wrong := make(map[cell]string)
	met := make(map[cell]bool)
	everyHistory(func(h ledger.Holdings) {
		keep, remove, _ := ledger.Settle(h)
		for _, v := range h.Versions {
			does := "waits"
			switch {
			case v.ID == keep:
				does = "is kept"
			case slices.Contains(remove, v.ID):
				does = "goes"
			}
			at := place(h, v)
			met[at] = true
			if table[at] != does {
				wrong[at] = does
			}
		}
	})
	for at, does := range wrong {
		t.Errorf("of a version that was %q, removal begun %q, where %q was seen searchable, the page says that it %q; it %s", at.state, at.begun, at.others, table[at], does)
	}
	for at := range table {
		if !met[at] {
			t.Errorf("%+v is on the page, and no history has it", at)
		}
	}
}
