package faulttest_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/page"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
)

// figures are the results of the runs of one kind.
type figures struct {
	boundaries int // requests at which something was made to happen, the most of one workload
	kinds      int
	runs       int
	wrong      int // runs that ended with a version missing, doubled, or not the right one
	gaps       int // runs in which a reader missed a key
	harmed     int // runs that changed a File of somebody else's
	leftovers  int // Files left over where none may be
	bounded    int // Files that a kill left, before the sweep
}

var (
	tallyMu sync.Mutex
	tally   = map[string]*figures{}
	order   []string
)

// report counts the runs of one kind, and tells of those that went wrong.
type report struct {
	t          *testing.T
	name       string
	boundaries int // requests at which something is made to happen
	kinds      int
	told       int
}

// add counts a run. The test ends after a few that went wrong.
func (r *report) add(run fmt.Stringer, found findings, bounded int) {
	r.t.Helper()
	r.count(found, bounded)
	if !found.any() {
		return
	}
	if r.told++; r.told > 5 || *verbose {
		r.t.Fatalf("%v:%v", run, found)
	}
	r.t.Errorf("%v:%v", run, found)
}

func (r *report) count(found findings, bounded int) {
	tallyMu.Lock()
	defer tallyMu.Unlock()
	f := tally[r.name]
	if f == nil {
		f = &figures{}
		tally[r.name] = f
		order = append(order, r.name)
	}
	f.boundaries, f.kinds = max(f.boundaries, r.boundaries), r.kinds
	f.bounded += bounded
	f.runs++
	if len(found.wrong) > 0 {
		f.wrong++
	}
	if len(found.gaps) > 0 {
		f.gaps++
	}
	if len(found.harmed) > 0 {
		f.harmed++
	}
	f.leftovers += len(found.leftovers)
}

func table() string {
	var b strings.Builder
	b.WriteString("| event | requests | kinds | runs | wrong states | gaps | Files of others harmed | left over | after a kill, before the sweep |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	slices.Sort(order)
	for _, name := range order {
		f := tally[name]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", name, f.boundaries, f.kinds, f.runs, f.wrong, f.gaps, f.harmed, f.leftovers, f.bounded)
	}
	return b.String()
}

var all = flag.Bool("all", false, "try everything everywhere; otherwise a share of it, spread evenly")

var share = flag.Int("share", 20, "without -all: strike every Nth request, times a factor of the kind of run")

// sparing reports whether a twentieth of the share is enough. The race detector makes each
// run many times as long, and looks for something that a twentieth shows as well, as do
// runs that are -short.
func sparing() bool { return !*all && race.EnabledOrShort() }

// every is how many requests lie between two that are struck: whole with -all.
func every(sparse, whole int) int {
	switch {
	case *all:
		return whole
	case sparing():
		return 20 * *share * sparse
	}
	return *share * sparse
}

// modesOf are the modes in which the nth of several APIs is tried: all, or when sparing
// the one whose turn it is.
func modesOf(nth int) []mode {
	if sparing() {
		nth %= len(modes)
		return modes[nth : nth+1]
	}
	return modes
}

var verbose = flag.Bool("requests", false, "show the logs of the clients, and the requests of a run that went wrong")

var into = flag.String("page", "", "write the table of figures into this page, between its comment lines")

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	code := m.Run()
	if len(order) > 0 {
		fmt.Printf("\n%s\n", table())
	}
	if *into != "" && code == 0 {
		if err := publish(*into); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func publish(name string) error {
	command := fmt.Sprintf("go test ./internal/faulttest -args -share %d", *share)
	if *all {
		command = "go test ./internal/faulttest -args -all"
	}
	return page.Publish(context.Background(), name, "figures", command, table())
}
