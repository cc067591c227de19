//go:debug randseednop=0

package histories_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
)

var (
	first   = flag.Uint64("first", 1, "the seed of the first history")
	number  = flag.Int("n", 0, "how many histories; 0: a few")
	workers = flag.Int("workers", 1, "processes that share the histories")
	sum     = flag.String("sum", "", "write the summary into this file, as JSON")
	page    = flag.String("page", "", "write the table into this page, between its comment lines, when all is right")
	verbose = flag.Bool("requests", false, "show steps, logs and requests")
	shrink  = flag.Int("shrink", 200, "cut a red history down, in at most so many runs of it")
	folder  = flag.String("records", "", "the folder for the records of red histories; empty: a new one")
	record  = flag.String("record", "", "the record of a history to run again")
	times   = flag.Int("times", 1, "how often to repeat the record")
	tries   = flag.Int("tries", 40, "in how many runs, at the most, to find one that keeps to the record, for each repeat")
)

// whole is from how many histories on each rare state has to be reached.
const whole = 10_000

// TestHistories carries out histories from a seed on. The race detector makes each
// several times as long.
func TestHistories(t *testing.T) {
	n := *number
	if *page != "" && n < whole {
		t.Fatalf("-page needs %d histories or more, from which on each rare state has to be reached; -n is %d", whole, n)
	}
	if n == 0 {
		n = race.Pick(150, 12)
		if testing.Short() {
			n /= 10
		}
	}
	var s histories.Summary
	if *workers > 1 {
		s = shared(t, n)
	} else {
		s = run(t, n)
	}
	fmt.Printf("\n%s\n", s.Table())
	if n >= whole {
		for _, state := range s.NeverReached() {
			t.Errorf("never reached: %s", state)
		}
	}
	if s.Red > 0 {
		t.Errorf("%d of %d histories are red", s.Red, s.Histories)
	}
	if *sum != "" {
		data, err := json.Marshal(s)
		if err == nil {
			err = os.WriteFile(*sum, data, 0o644)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if *page != "" && !t.Failed() {
		if err := s.WriteInto(t.Context(), *page, *first); err != nil {
			t.Error(err)
		}
	}
}

func run(t *testing.T, n int) (s histories.Summary) {
	for seed := *first; seed < *first+uint64(n); seed++ {
		drawn := plan.Draw(seed)
		out := histories.Run(t, drawn, nil, *verbose)
		s.Add(out)
		for _, line := range out.Log {
			fmt.Println(line)
		}
		if len(out.Wrong) > 0 {
			report(t, drawn, out)
		}
	}
	return s
}

// shared has several processes carry the histories out, since one takes only one
// goroutine further at a time.
func shared(t *testing.T, n int) (s histories.Summary) {
	dir := t.TempDir()
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
	)
	share := (n + *workers - 1) / *workers
	for w := range *workers {
		wait.Go(func() {
			from, size := w*share, min(share, n-w*share)
			if size <= 0 {
				return
			}
			result := filepath.Join(dir, strconv.Itoa(w)+".json")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHistories$", "-test.timeout=0", "-first", strconv.FormatUint(*first+uint64(from), 10),
				"-n", strconv.Itoa(size), "-shrink", strconv.Itoa(*shrink), "-records", *folder, "-sum", result)
			output, runErr := cmd.CombinedOutput()
			data, err := os.ReadFile(result)
			var part histories.Summary
			if err == nil {
				err = json.Unmarshal(data, &part)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("%v\n%s", runErr, output)
				return
			}
			if part.Red > 0 {
				fmt.Printf("%s\n", output)
			}
			s.Merge(part)
		})
	}
	wait.Wait()
	return s
}

// records is the folder that -records names, or one of this process's own, which outlives it.
var records = sync.OnceValues(func() (string, error) {
	if *folder != "" {
		return filepath.Abs(*folder)
	}
	return os.MkdirTemp("", "histories-")
})

// report tells the faults of a red history and how it comes back, and cuts it
// down.
func report(t *testing.T, drawn plan.Plan, out course.Outcome) {
	for _, f := range out.Wrong {
		fmt.Printf("seed %d: %s: %s\n", drawn.Seed, f.Kind, f.Text)
	}
	dir, err := records()
	if err != nil {
		t.Fatal(err)
	}
	path, err := histories.Record{Plan: drawn, Order: out.Order}.Save(dir)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("seed %d is red. To repeat it:\n  go -C vsclient test -count=1 ./internal/histories -run TestARedHistoryIsRedAgain -args -record %s -times 20\n", drawn.Seed, path)
	printed := map[string]bool{}
	for _, f := range out.Wrong {
		if *shrink == 0 || printed[f.Kind] {
			continue
		}
		printed[f.Kind] = true
		ofKind := func(g course.Finding) bool { return g.Kind == f.Kind }
		small := plan.Shrink(drawn, func(p plan.Plan) bool {
			return slices.ContainsFunc(histories.Run(t, p, nil, false).Wrong, ofKind)
		}, *shrink)
		fmt.Println(small.Test(f.Kind))
		for _, g := range histories.Run(t, small, nil, false).Wrong {
			if ofKind(g) {
				fmt.Printf("small %d %s: %s\n", drawn.Seed, g.Kind, g.Text)
			}
		}
	}
}

// TestARedHistoryIsRedAgain repeats a red history. Go's runtime draws lots about timers of one
// instant, ready cases of a select and the order of a map. So a run may leave the record,
// and is then begun anew; of several that all leave it, the one that kept to it longest
// counts, and the repeats after that are one run each.
func TestARedHistoryIsRedAgain(t *testing.T) {
	if *record == "" {
		t.Skip("give -record the file that a red history has left")
	}
	r, err := histories.Load(*record)
	if err != nil {
		t.Fatal(err)
	}
	red, whole, runs, most := 0, 0, 0, *tries
	for i := range *times {
		var best course.Outcome
		for try := 0; try < most && !best.Whole; try++ {
			out := histories.Run(t, r.Plan, r.Order, *verbose && i == 0)
			if runs++; try == 0 || out.Whole || out.Kept > best.Kept {
				best = out
			}
		}
		if best.Whole {
			whole++
		}
		if whole == 0 {
			most = 1
		}
		if len(best.Wrong) > 0 {
			red++
		}
		if i == 0 {
			for _, line := range best.Log {
				fmt.Println(line)
			}
			for _, f := range best.Wrong {
				fmt.Printf("%s: %s\n", f.Kind, f.Text)
			}
		}
	}
	fmt.Printf("red in %d of %d repeats; %d kept to the whole record; %d runs\n", red, *times, whole, runs)
	if red > 0 {
		t.Errorf("red in %d of %d repeats", red, *times)
	}
}

// staysRight runs a plan that was once red.
func staysRight(t *testing.T, text string) { //nolint:unused // for the plan that a red run prints
	t.Helper()
	p, err := plan.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range histories.Run(t, p, nil, *verbose).Wrong {
		t.Errorf("%s: %s", f.Kind, f.Text)
	}
}
