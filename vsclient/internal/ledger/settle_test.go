package ledger_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
)

// states are all states of one version that [ledger.Settle] tells apart.
func states() (all []ledger.Version) {
	for _, status := range []ledger.Status{ledger.Unknown, ledger.Absent, ledger.InProgress, ledger.Completed, ledger.Failed} {
		for _, seen := range []ledger.Seen{ledger.NotSeen, ledger.Listed, ledger.Read} {
			for _, stage := range []string{"known", "open", "going"} {
				all = append(all, ledger.Version{Status: status, Seen: seen, Open: stage == "open", Going: stage == "going"})
			}
		}
	}
	return all
}

// kinds leaves one of the states that the rule has to treat alike, for histories of
// many versions.
func kinds() (all []ledger.Version) {
	return slices.DeleteFunc(states(), func(v ledger.Version) bool { return v.Seen == ledger.NotSeen || v.Status == ledger.Unknown })
}

// each calls f with every history of n versions, the newest first.
func each(n int, of []ledger.Version, f func(ledger.Holdings)) {
	h := ledger.Holdings{Versions: make([]ledger.Version, n)}
	var fill func(i int)
	fill = func(i int) {
		if i == n {
			f(h)
			return
		}
		for _, v := range of {
			v.ID, v.Number = string(rune('a'+i)), int64(n-i)
			h.Versions[i] = v
			fill(i + 1)
		}
	}
	fill(0)
}

// everyHistory covers every combination of up to three versions, and of four
// versions of each kind.
func everyHistory(f func(ledger.Holdings)) {
	for n := range 4 {
		each(n, states(), f)
	}
	each(4, kinds(), f)
}

func proven(v ledger.Version) bool {
	return v.Status == ledger.Completed && v.Seen == ledger.Read && !v.Going
}

func failed(v ledger.Version) bool { return v.Status == ledger.Failed && v.Seen == ledger.Read }

// sentences are the rule, one fact each. Each is checked on every history.
var sentences = []struct {
	sentence string
	holds    func(h ledger.Holdings, keep, remove, wait []ledger.Version) bool
}{
	{"each version is kept, removed or waited for, and only one of these", func(h ledger.Holdings, keep, remove, wait []ledger.Version) bool {
		return len(keep) <= 1 && len(keep)+len(remove)+len(wait) == len(h.Versions)
	}},
	{"the newest version that was seen searchable is kept", func(h ledger.Holdings, keep, _, _ []ledger.Version) bool {
		i := slices.IndexFunc(h.Versions, proven)
		return i < 0 && len(keep) == 0 || i >= 0 && len(keep) == 1 && keep[0].ID == h.Versions[i].ID
	}},
	{"a version that was seen to have failed goes", func(_ ledger.Holdings, _, _, wait []ledger.Version) bool {
		return !slices.ContainsFunc(wait, failed)
	}},
	{"a version older than the kept one goes", func(_ ledger.Holdings, keep, _, wait []ledger.Version) bool {
		return len(keep) == 0 || !slices.ContainsFunc(wait, func(v ledger.Version) bool { return v.Number < keep[0].Number })
	}},
	{"a version that may be searchable goes only when a newer one was seen searchable, or when its removal has begun and one is kept", func(_ ledger.Holdings, keep, remove, _ []ledger.Version) bool {
		return !slices.ContainsFunc(remove, func(v ledger.Version) bool {
			if failed(v) || v.Going && v.Status == ledger.Absent {
				return false
			}
			return len(keep) == 0 || v.Number > keep[0].Number && !v.Going
		})
	}},
	{"a newer version that may yet be searchable stays", func(_ ledger.Holdings, keep, remove, _ []ledger.Version) bool {
		return !slices.ContainsFunc(remove, func(v ledger.Version) bool {
			return len(keep) > 0 && v.Number > keep[0].Number && !failed(v) && !v.Going
		})
	}},
	{"without a version to keep, only versions that cannot be searchable go", func(_ ledger.Holdings, keep, remove, _ []ledger.Version) bool {
		return len(keep) > 0 || !slices.ContainsFunc(remove, func(v ledger.Version) bool {
			return !failed(v) && (!v.Going || v.Status != ledger.Absent)
		})
	}},
	{"the oldest version goes first", func(_ ledger.Holdings, _, remove, _ []ledger.Version) bool {
		return slices.IsSortedFunc(remove, func(a, b ledger.Version) int { return int(a.Number - b.Number) })
	}},
}

func TestSettleKeepsEachSentenceOnEveryHistory(t *testing.T) {
	broken := make(map[string]string)
	n := 0
	everyHistory(func(h ledger.Holdings) {
		n++
		k, r, w := ledger.Settle(h)
		var keep []ledger.Version
		if k != "" {
			keep = versions(h, []string{k})
		}
		remove, wait := versions(h, r), versions(h, w)
		for _, s := range sentences {
			if broken[s.sentence] == "" && !s.holds(h, keep, remove, wait) {
				broken[s.sentence] = fmt.Sprintf("%+v: keep %q, remove %q, wait %q", h.Versions, k, r, w)
			}
		}
	})
	t.Logf("%d histories", n)
	for sentence, history := range broken {
		t.Errorf("%s: not so of %s", sentence, history)
	}
}

// versions are those of the ids, in their order.
func versions(h ledger.Holdings, ids []string) (all []ledger.Version) {
	for _, id := range ids {
		i := slices.IndexFunc(h.Versions, func(v ledger.Version) bool { return v.ID == id })
		all = append(all, h.Versions[i])
	}
	return all
}

func TestCarryingOutTheVerdictLeavesNothingToRemove(t *testing.T) {
	is := is.New(t)
	again := 0
	everyHistory(func(h ledger.Holdings) {
		_, remove, _ := ledger.Settle(h)
		rest := ledger.Holdings{}
		for _, v := range h.Versions {
			if !slices.Contains(remove, v.ID) {
				rest.Versions = append(rest.Versions, v)
			}
		}
		if _, remove, _ := ledger.Settle(rest); len(remove) > 0 {
			again++
		}
	})
	is.Equal(again, 0)
}

// A listing lags: it takes back no attributes that this client has set.
func TestAListingTakesBackNoNewerAttributes(t *testing.T) {
	is := is.New(t)
	l := ledger.New()
	key := ledger.Key{1}
	l.Observe("file-a", ledger.Marks{Key: key, Number: 1, Own: "old"}, true, ledger.Completed, ledger.Read, 1)
	l.Updated("file-a", ledger.Marks{Key: key, Number: 2, Own: "new"}, false, 1)
	l.Doubt("file-a")
	l.Observe("file-a", ledger.Marks{Key: key, Number: 1, Own: "old"}, true, ledger.Completed, ledger.Listed, 2)
	v, known := l.Find("file-a")
	is.True(known)
	is.Equal(v.Number, int64(2))
	is.Equal(v.Own, "new")
}

// A reply to an update may show that the version is not searchable yet.
func TestAnUpdateShowsAVersionInProgress(t *testing.T) {
	is := is.New(t)
	l := ledger.New()
	l.Observe("file-a", ledger.Marks{Key: ledger.Key{1}, Number: 1}, true, ledger.Completed, ledger.Listed, 1)
	l.Updated("file-a", ledger.Marks{Key: ledger.Key{1}, Number: 2}, true, 2)
	v, _ := l.Find("file-a")
	is.Equal(v.Status, ledger.InProgress)
}

// A listing may say completed before a GET does, and after it has said failed.
func TestAListingTakesBackNoEnd(t *testing.T) {
	for _, end := range []ledger.Status{ledger.Completed, ledger.Failed} {
		is := is.New(t)
		l := ledger.New()
		l.Observe("file-a", ledger.Marks{Key: ledger.Key{1}, Number: 1}, true, end, ledger.Read, 1)
		for _, listed := range []ledger.Status{ledger.InProgress, ledger.Completed} {
			l.Observe("file-a", ledger.Marks{Key: ledger.Key{1}, Number: 1}, true, listed, ledger.Listed, 2)
			v, _ := l.Find("file-a")
			is.Equal(v.Status, end)
		}
	}
}

// An update that was given up may have had no effect: its number removes no other version.
func TestAnUpdateWhoseFateIsNotKnownOutranksNothing(t *testing.T) {
	is := is.New(t)
	key := ledger.KeyOf([32]byte{1})
	l := ledger.New()
	l.Observe("file-a", ledger.Marks{Key: key, Number: 1}, true, ledger.Completed, ledger.Read, 1)
	l.Observe("file-b", ledger.Marks{Key: key, Number: 2}, true, ledger.InProgress, ledger.Read, 1)
	l.DoubtAttributes("file-a", 3)
	keep, remove, _ := ledger.Settle(l.Holdings(key, naming.Names{}))
	is.Equal(keep, "")
	is.Equal(len(remove), 0)
	l.Observe("file-a", ledger.Marks{Key: key, Number: 1}, true, ledger.Completed, ledger.Read, 2)
	keep, remove, _ = ledger.Settle(l.Holdings(key, naming.Names{}))
	is.Equal(keep, "file-a")
	is.Equal(len(remove), 0)
	is.Equal(l.Holdings(key, naming.Names{}).Highest(), int64(3)) // it may take effect yet
}

// An update whose reply was lost may take effect after a reply that does not show it.
func TestAttributesAreDoubtedUntilAReplyShowsTheUpdate(t *testing.T) {
	is := is.New(t)
	old := ledger.Marks{Key: ledger.Key{1}, Number: 1, Own: "old"}
	updated := ledger.Marks{Key: old.Key, Number: 2, Own: "new"}
	for _, seen := range []ledger.Seen{ledger.Listed, ledger.Read} {
		l := ledger.New()
		own := func() string {
			v, _ := l.Find("file-a")
			return v.Own
		}
		l.Observe("file-a", old, true, ledger.Completed, ledger.Read, 1)
		l.DoubtAttributes("file-a", updated.Number)
		l.Observe("file-a", old, true, ledger.Completed, seen, 2)
		is.True(own() != "old")
		l.Observe("file-a", updated, true, ledger.Completed, seen, 3)
		is.Equal(own(), "new")
	}
}

// A GET that was asked for before this client has seen something newer may be answered after it.
func TestALateReplyTakesNothingBack(t *testing.T) {
	is := is.New(t)
	key := ledger.Key{1}
	old, updated := ledger.Marks{Key: key, Number: 1, Own: "old"}, ledger.Marks{Key: key, Number: 2, Own: "new"}
	made := func() *ledger.Ledger {
		l := ledger.New()
		l.Uploaded(ledger.File{ID: "file-a"}, old, 0, 1)
		l.Observe("file-a", old, true, ledger.Completed, ledger.Read, 2)
		return l
	}
	l := made()
	l.Updated("file-a", updated, false, 4)
	l.Observe("file-a", old, true, ledger.Completed, ledger.Read, 3)
	v, _ := l.Find("file-a")
	is.Equal(v.Own, "new")
	l.Observe("file-a", old, true, ledger.Completed, ledger.Read, 4) // of the same tick
	v, _ = l.Find("file-a")
	is.Equal(v.Number, int64(2))
	is.True(v.Own != "old") // nor "new": a tool may have set the old ones, so that the next change sets its own

	l = made()
	l.Observe("file-a", old, true, ledger.InProgress, ledger.Read, 1)
	v, _ = l.Find("file-a")
	is.Equal(v.Status, ledger.Completed)
	l.Observe("file-a", old, true, ledger.InProgress, ledger.Read, 2)
	v, _ = l.Find("file-a")
	is.Equal(v.Status, ledger.Completed)
	l.Observe("file-a", old, true, ledger.InProgress, ledger.Read, 3) // another client's update
	v, _ = l.Find("file-a")
	is.Equal(v.Status, ledger.InProgress)

	l = made()
	l.Absent("file-a", 5)
	l.Observe("file-a", old, true, ledger.Completed, ledger.Read, 4)
	v, _ = l.Find("file-a")
	is.Equal(v.Status, ledger.Absent)
}

// A listing may be behind, and an older update may have taken effect late.
func TestOlderAttributesInAListingTakeNothingBackAndRenewNoBelief(t *testing.T) {
	is := is.New(t)
	key := ledger.Key{1}
	l := ledger.New()
	l.Uploaded(ledger.File{ID: "file-a"}, ledger.Marks{Key: key, Number: 1, Own: "old"}, 0, 1)
	l.Updated("file-a", ledger.Marks{Key: key, Number: 2, Own: "new"}, false, 2)
	l.Observe("file-a", ledger.Marks{Key: key, Number: 1, Own: "old"}, true, ledger.Completed, ledger.Listed, 3)
	v, _ := l.Find("file-a")
	is.Equal(v.Own, "new")
	is.Equal(v.At, uint32(2))
	l.Observe("file-a", ledger.Marks{Key: key, Number: 2, Own: "new"}, true, ledger.Completed, ledger.Listed, 4)
	v, _ = l.Find("file-a")
	is.Equal(v.At, uint32(4))
}

// A reader may look at a version between the decision that it is stuck and its removal.
func TestAVersionThatWasGivenUpStaysSoWhileItIsInProgress(t *testing.T) {
	is := is.New(t)
	l := ledger.New()
	m := ledger.Marks{Key: ledger.Key{1}, Number: 1}
	l.Uploaded(ledger.File{ID: "file-a"}, m, 0, 1)
	status := func(s ledger.Status) ledger.Status {
		l.Observe("file-a", m, true, s, ledger.Read, 2)
		v, _ := l.Find("file-a")
		return v.Status
	}
	is.Equal(status(ledger.InProgress), ledger.InProgress)
	is.Equal(status(ledger.Failed), ledger.Failed)
	is.Equal(status(ledger.InProgress), ledger.Failed)
	is.Equal(status(ledger.Completed), ledger.Completed)
}

func TestAnUploadIsANewFile(t *testing.T) {
	key, other := ledger.Key{1}, ledger.Key{2}
	listed := func(l *ledger.Ledger) { l.Listed([]ledger.File{{ID: "file-a"}}) }
	for sentence, tt := range map[string]struct {
		before func(l *ledger.Ledger)
		known  uint32 // how many Files were known when the upload began
		is     bool
	}{
		"nothing is known of it":                              {before: func(*ledger.Ledger) {}, is: true},
		"a list of Files has shown it since the upload began": {before: listed, is: true},
		"a list of Files had shown it when the upload began":  {before: listed, known: 1},
		"a tool has attached it meanwhile": {is: true, before: func(l *ledger.Ledger) {
			l.Observe("file-a", ledger.Marks{}, false, ledger.Completed, ledger.Listed, 1)
		}},
		"it is a version of another key": {before: func(l *ledger.Ledger) {
			l.Observe("file-a", ledger.Marks{Key: other}, true, ledger.Completed, ledger.Listed, 1)
		}},
		"it is a version of the key": {before: func(l *ledger.Ledger) {
			l.Observe("file-a", ledger.Marks{Key: key}, true, ledger.Completed, ledger.Listed, 1)
		}},
		"an earlier upload has made it": {before: func(l *ledger.Ledger) { l.Uploaded(ledger.File{ID: "file-a"}, ledger.Marks{Key: key}, 0, 1) }},
		"it was made before, and is gone since": {before: func(l *ledger.Ledger) {
			l.Uploaded(ledger.File{ID: "file-a"}, ledger.Marks{Key: key}, 0, 1)
			l.Gone("file-a", 2)
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			l := ledger.New()
			tt.before(l)
			is.New(t).Equal(l.Uploaded(ledger.File{ID: "file-a"}, ledger.Marks{Key: key}, tt.known, 3), tt.is)
		})
	}
}
