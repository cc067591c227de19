package openaivs_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// suite holds whichever way OpenAI's API goes where its documents leave it open.
var suite = map[string]func(*testing.T){
	"every operation":                       TestEachOperationLeavesTheStoreAsTheSource,
	"two records of one key":                TestTwoRecordsOfOneKeyLeaveOneDocument,
	"unchanged fields":                      TestAnUnchangedFieldChangesTheAttributesAlone,
	"key changes":                           TestAKeyChangeRemovesTheOldDocument,
	"key changes of one write":              TestKeyChangesOfOneWriteLeaveEachRowUnderItsLastKey,
	"key changes that fail":                 TestAKeyChangeThatFailsKeepsTheOldDocument,
	"collections":                           TestCollectionsWithOneKeyDoNotOverwriteEachOther,
	"collections kept apart":                TestCollectionsAreKeptApartByASetting,
	"keys that are free again":              TestAKeyIsFreeAgainOnceItsDocumentIsDeleted,
	"integers":                              TestIntegersBeyond2To53KeepTheirDigits,
	"attributes":                            TestAttributesComeFromWhereTheSettingsSay,
	"settings":                              TestSettingsReachTheRequests,
	"waiting for the attach alone":          TestWaitingForTheAttachAloneAcknowledgesBeforeIndexing,
	"files of the earlier connector":        TestFilesOfTheEarlierConnectorAreAdopted,
	"acknowledgements":                      TestAcknowledgementsComeInOrder,
	"bad records":                           TestABadRecordIsRefusedAlone,
	"a kill":                                TestAKillInMidWriteLosesAndDoublesNothing,
	"redelivery":                            TestRedeliveryChangesNothing,
	"a stop during a write":                 TestAStopWaitsForTheWriteUnderWay,
	"deleting the connector, not documents": TestDeletingTheConnectorLeavesTheDocuments,
}

// answers are all but that of a server which loses the attributes of store files: the
// client refuses it, and vsclient's tests show that.
var answers = func() map[string]openaitest.Quirks {
	all := maps.Collect(openaitest.EachQuirk())
	maps.DeleteFunc(all, func(_ string, q openaitest.Quirks) bool { return q.AttributesDropped })
	return all
}()

// TestTheSuiteHoldsUnderEachAnswer runs the suite under each answer but the default.
func TestTheSuiteHoldsUnderEachAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes; without -short it runs")
	}
	for name := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, test := range suite {
				t.Run(name, test)
			}
		})
	}
}

// answerOf returns the answer that a test runs under.
func answerOf(t testing.TB) openaitest.Quirks {
	path, ok := strings.CutPrefix(t.Name(), "TestTheSuiteHoldsUnderEachAnswer/")
	if !ok {
		return openaitest.Quirks{}
	}
	name, _, _ := strings.Cut(path, "/")
	q, ok := answers[name]
	if !ok {
		t.Fatalf("no answer is named %q", name)
	}
	return q
}
