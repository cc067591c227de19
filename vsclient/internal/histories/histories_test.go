//go:debug randseednop=0

package histories_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories"
)

var (
	first   = flag.Uint64("first", 1, "the seed of the first history")
	number  = flag.Int("n", 60, "how many histories")
	verbose = flag.Bool("requests", false, "show steps, logs and requests")
)

func TestHistories(t *testing.T) {
	kinds := map[string]int{}
	excused, states := map[string]int{}, map[string]int{}
	red, asked := 0, 0
	for seed := *first; seed < *first+uint64(*number); seed++ {
		plan := histories.Draw(seed)
		out := histories.Run(t, plan, nil, *verbose)
		asked += out.Asked
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
		t.Errorf("seed %d is red", seed)
	}
	fmt.Println("histories", *number, "red", red, "requests", asked)
	for _, m := range []map[string]int{kinds, excused, states} {
		for _, name := range slices.Sorted(maps.Keys(m)) {
			fmt.Printf("  %6d %s\n", m[name], name)
		}
	}
}
