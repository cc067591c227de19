package histories_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// undrawn are the switches that no history has, with the reason.
var undrawn = map[string]string{
	"search_keeps_attributes": "the judge compares a search with the attributes that a store file has now",
	"unequal_passes_absent":   "no history searches with a filter of type ne or nin",
	"content_not_found":       "a reader is to find the text of each document",
	"store_files_max=10000":   "a store of a history has a few hundred files",
	"octet_stream_uploads":    "no content of a history is large enough to be uploaded in parts",
	"complete_twice_ok":       "no content of a history is large enough to be uploaded in parts",
}

func TestEachSwitchIsDrawnOrHasAReason(t *testing.T) {
	drawn := make(map[string]bool)
	for seed := range uint64(3000) {
		for _, name := range plan.Draw(seed).API.Quirks {
			drawn[name] = true
		}
	}
	for name := range openaitest.EachQuirk() {
		switch _, reason := undrawn[name]; {
		case drawn[name] && reason:
			t.Errorf("%s is drawn, and has a reason not to be", name)
		case !drawn[name] && !reason:
			t.Errorf("%s is never drawn", name)
		}
		delete(drawn, name)
	}
	for _, name := range slices.Sorted(maps.Keys(drawn)) {
		t.Errorf("%s is drawn, and no switch", name)
	}
}
