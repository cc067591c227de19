package faulttest_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// TestNothingIsLostUnderAnyQuirk runs the workload, and faults and kills at every
// seventh place at the most, against each way in which the API may differ from its
// documents; when sparing, each fifth of them.
func TestNothingIsLostUnderAnyQuirk(t *testing.T) {
	quirks := map[string]openaitest.Config{
		"a second detach is answered 200":            {Quirks: openaitest.Quirks{SecondDetachOK: true}},
		"a second attach keeps the attributes":       {Quirks: openaitest.Quirks{ReattachKeepsAttributes: true}},
		"a second attach indexes anew":               {Quirks: openaitest.Quirks{ReattachReindexes: true}},
		"a bad file fails alone in its batch":        {Quirks: openaitest.Quirks{BadFileInBatch: openaitest.BadFileFails}, FreshFileWindow: 2 * time.Second},
		"a bad file is left out of its batch":        {Quirks: openaitest.Quirks{BadFileInBatch: openaitest.BadFileSkipped}, FreshFileWindow: 2 * time.Second},
		"a bad file refuses its batch":               {FreshFileWindow: 2 * time.Second},
		"an unknown file is answered 400":            {Quirks: openaitest.Quirks{UnknownFile400: true}, FreshFileWindow: time.Second},
		"file names lose their directories":          {Quirks: openaitest.Quirks{BaseFilenames: true}},
		"file names are decoded":                     {Quirks: openaitest.Quirks{DecodeFilenames: true}},
		"file names have 255 characters":             {Quirks: openaitest.Quirks{MaxFilename: 255}},
		"extensions are checked at upload":           {Quirks: openaitest.Quirks{CheckUploadExtension: true}},
		"a deleted cursor is refused":                {Quirks: openaitest.Quirks{DeletedCursorRefused: true}},
		"listings are filtered page by page":         {Quirks: openaitest.Quirks{FilterAfterPage: true}},
		"ties are in any order":                      {Quirks: openaitest.Quirks{ShuffledTies: true}},
		"GET of a batch returns the store":           {Quirks: openaitest.Quirks{BatchGetReturnsStore: true}},
		"an unknown batch is answered 500":           {Quirks: openaitest.Quirks{UnknownBatch500: true, CancelBatch500: true}},
		"attributes are counted in bytes":            {Quirks: openaitest.Quirks{AttributeBytes: true, AttributeValueMax: 256}},
		"the size of an upload is null":              {Quirks: openaitest.Quirks{NullBytes: true}},
		"a store is completed too early":             {Quirks: openaitest.Quirks{EarlyCompleted: true}, CountsLag: time.Minute},
		"a listing says completed too early":         {Quirks: openaitest.Quirks{EarlyListed: true}},
		"no update while indexing":                   {Quirks: openaitest.Quirks{UpdateWhileIndexingRefused: true}},
		"a file is unknown for 10 s after attach":    {NotFoundWindow: 10 * time.Second, Quirks: openaitest.Quirks{WritesNotFound: true}},
		"a deleted File leaves its store file":       {Quirks: openaitest.Quirks{DeleteLeavesStoreFile: true, DeleteLeavesCounts: true}},
		"batches of 100":                             {Quirks: openaitest.Quirks{BatchMax: 100}},
		"the batch's object is named as in the spec": {Quirks: openaitest.Quirks{SpecBatchObject: true}},
		"detached files are ghosts for a while":      {GhostWindow: 30 * time.Second, ListLag: lags},
		"a file is unknown for 10 s after upload":    {FreshFileWindow: 10 * time.Second},
		"limits as published":                        {Limits: openaitest.PublishedLimits()},
		"limits in fixed windows, reads too":         {Limits: openaitest.Limits{ReadsPerMinute: 60, DeletesPerMinute: 20, Kind: openaitest.FixedWindow}},
	}
	for i, name := range slices.Sorted(maps.Keys(quirks)) {
		if sparing() && i%5 != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quirks[name]
			cfg.Latency, cfg.IndexTime = calm.cfg.Latency, calm.cfg.IndexTime
			stride := every(67, 7)
			for j, mode := range []mode{modes[0], modes[2]} {
				if sparing() && i/5%2 != j {
					continue
				}
				trial{api: api{name: name, cfg: cfg, stride: stride}, mode: mode}.spread(t, stride)
			}
		})
	}
}

// spread runs the trial without a fault, with faults here and there, and with
// kills.
func (tr trial) spread(t *testing.T, stride int) {
	steps := compact()
	bad, boundaries := tr.run(t, steps)
	if bad.any() {
		t.Errorf("%v:%v", tr, bad)
		return
	}
	faults := report{t: t, name: "a fault, under each quirk", boundaries: boundaries, kinds: len(kinds)}
	for i := 1; i <= boundaries*len(kinds); i += stride {
		tr.kind, tr.n = kinds[i%len(kinds)], 1+i/len(kinds)
		// A client that may not try again does not get past a limit on reads, with
		// which it would have to clean up.
		tr.frail = i%2 == 0 && tr.api.cfg.Limits.ReadsPerMinute == 0
		bad, _ := tr.run(t, steps)
		faults.add(tr, bad, 0)
	}
	kills := report{t: t, name: "a kill, under each quirk", boundaries: boundaries, kinds: 4}
	for i := 1; i <= 4*boundaries; i += stride / 3 {
		k := killing{api: tr.api, mode: tr.mode, at: []moment{{1 + i/4, i%2 == 0}}, drops: i%4 < 2, redo: i % 3}
		bad, bounded, _ := k.run(t, steps)
		kills.add(k, bad, bounded)
	}
}
