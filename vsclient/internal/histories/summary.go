package histories

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/judge"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/rare"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/page"
)

// Summary adds up the outcomes of many histories.
type Summary struct {
	Histories int
	Red       int
	Requests  int
	Virtual   time.Duration
	Healthy   time.Duration  // the longest that a history took to be healthy once nothing failed any more
	Never     int            // histories that were not healthy within the time for which that was looked at
	Kinds     map[string]int // red histories, by kind of finding
	Excused   map[string]int // histories, by the name of the excuse
	States    map[string]int // histories, by the name of a rare state
}

// Add adds one outcome.
func (s *Summary) Add(o course.Outcome) {
	one := Summary{Histories: 1, Requests: o.Asked, Virtual: o.Took, Healthy: o.Healthy, Kinds: map[string]int{}, Excused: map[string]int{}, States: map[string]int{}}
	if o.Never {
		one.Never = 1
	}
	for _, f := range o.Wrong {
		one.Red = 1
		one.Kinds[f.Kind] = 1
	}
	for name := range o.Excused {
		one.Excused[name] = 1
	}
	for name := range o.States {
		one.States[name] = 1
	}
	s.Merge(one)
}

// Merge adds another summary.
func (s *Summary) Merge(o Summary) {
	s.Histories += o.Histories
	s.Red += o.Red
	s.Requests += o.Requests
	s.Virtual += o.Virtual
	s.Healthy = max(s.Healthy, o.Healthy)
	s.Never += o.Never
	for _, pair := range []struct {
		to   *map[string]int
		from map[string]int
	}{{&s.Kinds, o.Kinds}, {&s.Excused, o.Excused}, {&s.States, o.States}} {
		if *pair.to == nil {
			*pair.to = make(map[string]int)
		}
		for name, n := range pair.from {
			(*pair.to)[name] += n
		}
	}
}

// NeverReached lists the rare states that no history has reached.
func (s *Summary) NeverReached() (names []string) {
	for _, name := range rare.EveryState() {
		if s.States[name] == 0 {
			names = append(names, name)
		}
	}
	return names
}

// Table is the summary for a page.
func (s *Summary) Table() string {
	var b strings.Builder
	row := func(name string, n any) { fmt.Fprintf(&b, "| %s | %v |\n", name, n) }
	b.WriteString("| | histories |\n|---|--:|\n")
	row("carried out", s.Histories)
	row("**wrong**", fmt.Sprintf("**%d**", s.Red))
	for _, name := range slices.Sorted(maps.Keys(s.Kinds)) {
		row("wrong: "+name, s.Kinds[name])
	}
	for _, name := range judge.EveryExcuse() {
		row("cannot be promised: "+name, s.Excused[name])
	}
	for _, name := range rare.EveryState() {
		row("reached: "+name, s.States[name])
	}
	fmt.Fprintf(&b, "\n%d requests in %v of virtual time. Once nothing failed any more, %d histories were healthy within %v, and %d more only after a sweep.\n",
		s.Requests, s.Virtual.Round(time.Hour), s.Histories-s.Never, s.Healthy, s.Never)
	return b.String()
}

// WriteInto writes the table into a page, between its comment lines. first is the seed of the first
// history.
func (s *Summary) WriteInto(ctx context.Context, path string, first uint64) error {
	return page.Publish(ctx, path, "histories", fmt.Sprintf("make histories FIRST=%d", first), s.Table())
}
