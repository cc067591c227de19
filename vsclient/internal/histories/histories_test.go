//go:debug randseednop=0

package histories_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories"
)

var (
	first   = flag.Uint64("first", 1, "the seed of the first history")
	number  = flag.Int("n", 60, "how many histories")
	verbose = flag.Bool("requests", false, "show steps, logs and requests")
	shrink  = flag.Int("shrink", 0, "cut a red history down, in at most so many runs of it")
	record  = flag.String("record", "", "the record of a history to run again")
	times   = flag.Int("times", 1, "how often to run the record")
)

func TestHistories(t *testing.T) {
	kinds := map[string]int{}
	excused, states := map[string]int{}, map[string]int{}
	red, asked := 0, 0
	for seed := *first; seed < *first+uint64(*number); seed++ {
		plan := histories.Draw(seed)
		out := histories.Run(t, plan, nil, *verbose)
		asked += out.Asked
		for _, line := range out.Log {
			fmt.Println(line)
		}
		for name, n := range out.Excused {
			excused[name] += n
		}
		for name, n := range out.States {
			states[name] += n
		}
		if len(out.Wrong) == 0 {
			continue
		}
		red++
		of := map[string]bool{}
		for _, f := range out.Wrong {
			of[f.Kind] = true
			fmt.Printf("seed %d: %s: %s\n", seed, f.Kind, f.Text)
		}
		for k := range of {
			kinds[k]++
		}
		report(t, plan, out)
	}
	fmt.Println("histories", *number, "red", red, "requests", asked)
	for _, m := range []map[string]int{kinds, excused, states} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			fmt.Printf("  %6d %s\n", m[name], name)
		}
	}
}

// report tells how a red history comes back, and cuts it down where that is asked for.
func report(t *testing.T, plan histories.Plan, out histories.Outcome) {
	path, err := histories.Record{Plan: plan, Order: out.Order}.Save(filepath.Join(os.TempDir(), "vsclient-histories"))
	if err != nil {
		t.Error(err)
	}
	t.Errorf("seed %d is red (%s). To repeat it:\n  go -C vsclient test -count=1 ./internal/histories -run TestARecordedHistory -args -record %s -times 20", plan.Seed, out.Wrong[0].Kind, path)
	shrunk := map[string]bool{}
	for _, f := range out.Wrong {
		if *shrink == 0 || shrunk[f.Kind] {
			continue
		}
		shrunk[f.Kind] = true
		small := histories.Shrink(t, plan, f.Kind, *shrink)
		fmt.Println(small.Test(f.Kind))
		for _, g := range histories.Run(t, small, nil, false).Wrong {
			if g.Kind == f.Kind {
				fmt.Printf("small %d %s: %s\n", plan.Seed, g.Kind, g.Text)
			}
		}
	}
}

func TestARecordedHistory(t *testing.T) {
	if *record == "" {
		t.Skip("give -record the file that a red history has left")
	}
	r, err := histories.Load(*record)
	if err != nil {
		t.Fatal(err)
	}
	red := 0
	for i := range *times {
		out := histories.Run(t, r.Plan, r.Order, *verbose && i == 0)
		for _, line := range out.Log {
			fmt.Println(line)
		}
		if len(out.Wrong) > 0 {
			red++
		}
		if i == 0 {
			for _, f := range out.Wrong {
				fmt.Printf("%s: %s\n", f.Kind, f.Text)
			}
		}
	}
	if red > 0 {
		t.Errorf("red in %d of %d runs", red, *times)
	}
}
