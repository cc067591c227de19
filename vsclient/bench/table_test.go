//go:build unix

package bench

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/page"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
)

var (
	full   = flag.Bool("full", false, "measure the machine's own CPU and memory as well")
	looped = flag.Int("loop", 100, "documents that the plain loop goes over; its time is scaled to the 1,000 of the others")
	write  = flag.String("write", "", "Markdown `file` whose table is replaced by this run's")
)

// row is one line of the table.
type row struct {
	work, comparedWith string
	target, reached    string
	missed             bool
	note               string
}

// atLeast and atMost are rows of a figure with a bound.
func atLeast(work, comparedWith string, got, bound float64, unit, note string) row {
	return row{work, comparedWith, figure("≥ %v %s", bound, unit), figure("%.4g %s", got, unit), got < bound, note}
}

func atMost(work, comparedWith string, got, bound float64, unit, note string) row {
	return row{work, comparedWith, figure("≤ %v %s", bound, unit), figure("%.4g %s", got, unit), got > bound, note}
}

func figure(format string, v float64, unit string) string {
	return strings.TrimSpace(fmt.Sprintf(format, v, unit))
}

// TestTheTableHoldsItsFigures measures each row and fails for each figure that is missed. Without
// -full it keeps to the rows that are measured in virtual time, which come out the
// same on every machine.
func TestTheTableHoldsItsFigures(t *testing.T) {
	if race.Enabled {
		t.Skip("make test-whole runs it; with the race detector it takes long, and the tests of vsclient have as many calls side by side")
	}
	var rows []row
	rows = append(rows, throughput(t)...)
	rows = append(rows, idlePut(t), withinLimits(t), deletesWithinLimit(t))
	if *full {
		rows = append(rows, largeStore(t)...)
		rows = append(rows, knownDocument(t), largeFile(t), clientWork(t))
	}
	table := markdown(rows)
	fmt.Println(table)
	for _, r := range rows {
		if r.missed {
			t.Errorf("%s, compared with %s: %s; to reach: %s", r.work, r.comparedWith, r.reached, r.target)
		}
	}
	if *write != "" {
		machine := fmt.Sprintf("The machine: %s, %d cores, %s of memory.\n\n", runtime.Version(), runtime.NumCPU(), memory())
		if err := page.Publish(t.Context(), *write, "table", "make bench", machine+table); err != nil {
			t.Fatal(err)
		}
	}
}

func markdown(rows []row) string {
	var b strings.Builder
	b.WriteString("| work | compared with | to reach | reached | met | notes |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		verdict := "yes"
		if r.missed {
			verdict = "**missed**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.work, r.comparedWith, r.target, r.reached, verdict, r.note)
	}
	return b.String()
}

// memory is how much the machine has.
func memory() string {
	info, _ := os.ReadFile("/proc/meminfo")
	var kB int
	if _, err := fmt.Sscanf(string(info), "MemTotal: %d kB", &kB); err != nil {
		return "an unknown amount"
	}
	return fmt.Sprintf("%d GiB", (kB+1<<19)>>20)
}
