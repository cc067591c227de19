package worldtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// Exists reports whether a File is there.
func (w *World) Exists(id string) bool { return w.Server.Content(id) != nil }

// Files returns how many Files the project has.
func (w *World) Files() int { return len(w.Server.Snapshot().Files) }

// Searchable are the names of the Files that the store holds and has indexed.
func (w *World) Searchable() map[string]bool {
	names := make(map[string]bool)
	for _, f := range w.Server.Snapshot().Store(w.Store).Files {
		if f.Status == "completed" && !f.FileGone {
			names[f.Filename] = true
		}
	}
	return names
}

// Holds is the text that a search finds of each key, or of each name where a store
// file has no key. Several versions of a key are joined by " and ".
func (w *World) Holds() map[string]string { return w.HoldsIn(w.Store) }

// HoldsIn is the same of another store.
func (w *World) HoldsIn(store string) map[string]string {
	texts := make(map[string]string)
	for _, f := range w.Server.Snapshot().Store(store).Files {
		if f.Status != "completed" || f.FileGone {
			continue
		}
		key, ok := vsclient.KeyOf(f.Attributes)
		if !ok {
			key = f.Filename
		}
		if before := texts[key]; before != "" {
			texts[key] = before + " and "
		}
		texts[key] += string(w.Server.Content(f.FileID))
	}
	return texts
}

// Expect fails the test unless the store serves these texts, by key.
func (w *World) Expect(want map[string]string) {
	w.T.Helper()
	if got := w.Holds(); !maps.Equal(got, want) {
		w.T.Errorf("the store serves %q; want %q", got, want)
	}
}

// NoGap fails the test when at some moment, since one of the keys was searchable first,
// none was.
func (w *World) NoGap(keys ...string) {
	w.T.Helper()
	intervals := w.Intervals(keys...)
	if len(intervals) == 0 {
		w.T.Errorf("%v was never searchable", keys)
	}
	for _, gap := range Gaps(intervals) {
		w.T.Errorf("%v was missing %v", keys, gap)
	}
}

// Gap is a time without a searchable version.
type Gap struct {
	From, To time.Time // To: zero, until now
}

func (g Gap) String() string {
	if g.To.IsZero() {
		return fmt.Sprintf("from %v on", g.From)
	}
	return fmt.Sprintf("from %v for %v", g.From, g.To.Sub(g.From))
}

// Gaps returns the times that none of the intervals covers, from the first one on. They
// are in order of beginning, as [openaitest.Server.History] returns them.
func Gaps(intervals []openaitest.Interval) (gaps []Gap) {
	var until time.Time
	for i, in := range intervals {
		if i > 0 && in.From.After(until) {
			gaps = append(gaps, Gap{until, in.From})
		}
		if in.To.IsZero() {
			return gaps
		}
		if in.To.After(until) {
			until = in.To
		}
	}
	if len(intervals) > 0 {
		gaps = append(gaps, Gap{From: until})
	}
	return gaps
}

// Intervals are those of the keys, or of store files of those names without a key.
func (w *World) Intervals(keys ...string) []openaitest.Interval {
	return slices.DeleteFunc(w.Server.History(w.Store), func(in openaitest.Interval) bool {
		key, ok := vsclient.KeyOf(in.Attributes)
		if !ok {
			key = in.Filename
		}
		return !slices.Contains(keys, key)
	})
}

// Times are when the server received the requests of an endpoint.
func (w *World) Times(endpoint string) (at []time.Time) {
	for _, r := range w.Server.Requests() {
		if r.Endpoint == endpoint {
			at = append(at, r.Time)
		}
	}
	return at
}

// Answered is how many requests were answered with the status.
func (w *World) Answered(status int) (n int) {
	for _, r := range w.Server.Requests() {
		if r.Status == status {
			n++
		}
	}
	return n
}

// MostAtOnce is how many requests of that method, with that in their path, were
// under way at the same time.
func (w *World) MostAtOnce(method, path string) (most int) {
	var same []openaitest.Request
	for _, r := range w.Server.Requests() {
		if r.Method == method && strings.Contains(r.Path, path) {
			same = append(same, r)
		}
	}
	for _, a := range same {
		n := 0
		for _, b := range same {
			if !b.Time.After(a.Time) && b.Time.Add(b.Took).After(a.Time) {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}
