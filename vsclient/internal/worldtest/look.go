package worldtest

import (
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

// NoGap fails the test when at some moment, since the key was searchable first, it
// was not.
func (w *World) NoGap(key string) {
	w.T.Helper()
	var until time.Time
	for i, in := range w.Intervals(key) {
		if i > 0 && until.Before(in.From) {
			w.T.Errorf("%s was missing for %v", key, in.From.Sub(until))
		}
		if in.To.IsZero() {
			return
		}
		if in.To.After(until) {
			until = in.To
		}
	}
	w.T.Errorf("%s is missing since %v", key, until)
}

// Intervals are those of a key, or of a store file of that name without a key.
func (w *World) Intervals(key string) []openaitest.Interval {
	return slices.DeleteFunc(w.Server.History(w.Store), func(in openaitest.Interval) bool {
		k, ok := vsclient.KeyOf(in.Attributes)
		return k != key && (ok || in.Filename != key)
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
