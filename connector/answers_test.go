package openaivs_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// suite must pass under each answer to the questions that OpenAI's documents leave open.
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

// answers returns all answers except that of a server which loses the attributes of store
// files: the client refuses it, as vsclient's tests show.
var answers = func() map[string]openaitest.Quirks {
	all := maps.Collect(openaitest.EachQuirk())
	maps.DeleteFunc(all, func(_ string, q openaitest.Quirks) bool { return q.AttributesDropped })
	return all
}()

// few are two of the answers that affect most of the connector's work: names and attaches.
var few = []string{"alter_filenames=underscore_unsafe", "batches_not_taken=not_found"}

// TestTheSuiteHoldsUnderEachAnswer runs the suite under each answer except the default. With
// -short or the race detector, which makes it much slower, it runs only few of them.
func TestTheSuiteHoldsUnderEachAnswer(t *testing.T) {
	names := slices.Sorted(maps.Keys(answers))
	if underRace || testing.Short() {
		names = few
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, test := range suite {
				t.Run(name, func(t *testing.T) {
					t.Parallel() // they mostly wait
					test(t)
				})
			}
		})
	}
}

// answerOf returns the answer under which a test runs.
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
