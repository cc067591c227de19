package openaivs_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/conduitio/conduit-commons/config"
	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// fields are the columns of a row.
type fields = opencdc.StructuredData

// These are the records of a source that sends rows. A nil row before is left out.

func created(key, after opencdc.Data) opencdc.Record {
	return opencdc.Record{Operation: opencdc.OperationCreate, Key: key, Payload: opencdc.Change{After: after}}
}

func updated(key, before, after opencdc.Data) opencdc.Record {
	return opencdc.Record{Operation: opencdc.OperationUpdate, Key: key, Payload: opencdc.Change{Before: before, After: after}}
}

func deleted(key, before opencdc.Data) opencdc.Record {
	return opencdc.Record{Operation: opencdc.OperationDelete, Key: key, Payload: opencdc.Change{Before: before}}
}

func id(n int64) fields { return fields{"id": n} }

// doc is a row with a text.
func doc(n int64, body any) fields { return fields{"id": n, "body": body} }

// moved is the update that moves a row with that text to another key, with the whole row
// before.
func moved(from, to int64, body string) opencdc.Record {
	return updated(id(to), doc(from, body), doc(to, body))
}

// movedBare is such an update with only the old key in the row before.
func movedBare(from, to int64, body string) opencdc.Record {
	return updated(id(to), doc(from, nil), doc(to, body))
}

// large is a text that PostgreSQL leaves out of an update when it has not changed.
var large = strings.Repeat("a large text ", 200)

// from returns the record as one of the table of that name.
func from(collection string, r opencdc.Record) opencdc.Record {
	r.Metadata = opencdc.Metadata{opencdc.MetadataCollection: collection}
	return r
}

// history is a series of records, and the documents that must be in the store at the end.
type history struct {
	name     string
	settings config.Config
	batches  [][]opencdc.Record // each is one write
	restart  bool               // the plugin is restarted before each write
	want     map[string]string  // key to content
	refused  map[int]string     // place among all records to a part of its error
}

// TestHistoriesEndAsTheSource plays each history, in its batches and record by
// record.
func TestHistoriesEndAsTheSource(t *testing.T) {
	one, two := created(id(1), doc(1, "about apples")), created(id(2), doc(2, "about bears"))
	swapped := map[string]string{`{"id":1}`: "about bears", `{"id":2}`: "about apples"}
	histories := []history{
		{
			name: "two rows swap their keys in one write",
			batches: [][]opencdc.Record{
				{one, two},
				{moved(1, 2, "about apples"), moved(2, 1, "about bears")},
			},
			want: swapped,
		},
		{
			name: "two rows swap their keys and get new texts",
			batches: [][]opencdc.Record{
				{one, two},
				{updated(id(2), doc(1, "about apples"), doc(2, "new 1")), updated(id(1), doc(2, "about bears"), doc(1, "new 2"))},
			},
			want: map[string]string{`{"id":1}`: "new 2", `{"id":2}`: "new 1"},
		},
		{
			name: "two rows swap their keys and the large texts are not sent",
			batches: [][]opencdc.Record{
				{one, two},
				{updated(id(2), doc(1, "about apples"), doc(2, nil)), updated(id(1), doc(2, "about bears"), doc(1, nil))},
			},
			want: swapped,
		},
		{
			name: "two rows swap their keys twice",
			batches: [][]opencdc.Record{
				{one, two},
				{
					moved(1, 2, "about apples"), moved(2, 1, "about bears"),
					moved(2, 1, "about apples"), moved(1, 2, "about bears"),
				},
			},
			want: map[string]string{`{"id":1}`: "about apples", `{"id":2}`: "about bears"},
		},
		{
			name: "a row that has taken a key over is changed and deleted",
			batches: [][]opencdc.Record{
				{one, two},
				{moved(1, 2, "about apples"), moved(2, 1, "about bears")},
				{updated(id(2), doc(2, "about apples"), doc(2, "about pears")), updated(id(1), nil, doc(1, nil))},
				{deleted(id(2), doc(2, "about pears")), deleted(id(1), doc(1, "about bears"))},
			},
			want: map[string]string{},
		},
		{
			name: "a row takes the key of one that is deleted afterwards",
			batches: [][]opencdc.Record{
				{one, two},
				{moved(1, 2, "about apples"), deleted(id(2), doc(2, "about bears"))},
			},
			want: map[string]string{`{"id":2}`: "about apples"},
		},
		{
			name: "a new row takes the key of one that is deleted afterwards",
			batches: [][]opencdc.Record{
				{one, created(id(2), fields{"id": 2, "body": "same", "note": "old"})},
				{created(id(1), doc(1, "new")), created(id(2), fields{"id": 2, "body": "same", "note": "new"})},
				{deleted(id(1), doc(1, "about apples")), deleted(id(2), fields{"id": 2, "body": "same", "note": "old"})},
			},
			want: map[string]string{`{"id":1}`: "new", `{"id":2}`: "same"},
		},
		{
			name: "a row is created, replaced by a row with its key and then deleted in one write",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "old")), created(id(1), doc(1, "new")), deleted(id(1), doc(1, "old"))},
				{created(id(2), doc(2, "old")), deleted(id(2), doc(2, "old")), created(id(2), doc(2, "new")), deleted(id(2), doc(2, "new"))},
			},
			want: map[string]string{`{"id":1}`: "new"},
		},
		{
			name: "two swaps of rows that are new, as Debezium writes them, come in one write",
			batches: [][]opencdc.Record{{
				one, two,
				deleted(id(1), doc(1, "about apples")), created(id(2), doc(2, "about apples")),
				deleted(id(2), doc(2, "about bears")), created(id(1), doc(1, "about bears")),
				deleted(id(1), doc(1, "about bears")), created(id(2), doc(2, "about bears")),
				deleted(id(2), doc(2, "about apples")), created(id(1), doc(1, "about apples")),
			}},
			want: map[string]string{`{"id":1}`: "about apples", `{"id":2}`: "about bears"},
		},
		{
			name: "a processor changes the text in the row after the change alone",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "APPLES"))},
				{updated(id(2), doc(1, "apples"), doc(2, "APPLES"))},
				{updated(id(2), doc(2, "apples"), doc(2, "PEARS")), created(id(3), doc(3, "BEARS")), updated(id(3), doc(3, "bears"), doc(3, "WOLVES"))},
				{updated(id(2), doc(2, "pears"), doc(2, "PLUMS"))},
				{deleted(id(3), doc(3, "wolves"))},
			},
			want: map[string]string{`{"id":2}`: "PLUMS"},
		},
		{
			name: "three rows change their keys in a ring",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "A")), created(id(2), doc(2, "B")), created(id(3), doc(3, "C"))},
				{moved(1, 2, "A"), moved(2, 3, "B"), moved(3, 1, "C")},
			},
			want: map[string]string{`{"id":1}`: "C", `{"id":2}`: "A", `{"id":3}`: "B"},
		},
		{
			name: "all keys go up by one, the lowest first",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "A")), created(id(2), doc(2, "B")), created(id(3), doc(3, "C"))},
				{moved(1, 2, "A"), moved(2, 3, "B"), moved(3, 4, "C")},
			},
			want: map[string]string{`{"id":2}`: "A", `{"id":3}`: "B", `{"id":4}`: "C"},
		},
		{
			name: "all keys go up by one, the highest first",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "A")), created(id(2), doc(2, "B")), created(id(3), doc(3, "C"))},
				{movedBare(3, 4, "C"), movedBare(2, 3, "B"), movedBare(1, 2, "A")},
			},
			want: map[string]string{`{"id":2}`: "A", `{"id":3}`: "B", `{"id":4}`: "C"},
		},
		{
			name: "a swap as Debezium writes it, each row deleted and created",
			batches: [][]opencdc.Record{
				{one, two},
				{
					deleted(id(1), doc(1, "about apples")), created(id(2), doc(2, "about apples")),
					deleted(id(2), doc(2, "about bears")), created(id(1), doc(1, "about bears")),
				},
			},
			want: swapped,
		},
		{
			name: "a swap through a third key",
			batches: [][]opencdc.Record{
				{one, two},
				{movedBare(1, -1, "about apples"), movedBare(2, 1, "about bears"), movedBare(-1, 2, "about apples")},
			},
			want: swapped,
		},
		{
			name: "a row moves twice, another there and back",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "A")), created(id(7), doc(7, "S"))},
				{moved(1, 2, "A"), moved(2, 3, "A"), moved(7, 8, "S"), moved(8, 7, "S")},
			},
			want: map[string]string{`{"id":3}`: "A", `{"id":7}`: "S"},
		},
		{
			name: "rows are deleted and inserted again",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "v1"))},
				{
					deleted(id(1), nil), created(id(1), doc(1, "v2")), created(id(2), doc(2, "x")),
					deleted(id(2), doc(2, "x")), created(id(2), doc(2, "y")), deleted(id(2), doc(2, "y")),
				},
			},
			want: map[string]string{`{"id":1}`: "v2"},
		},
		{
			name: "a part of a composite key changes to that of another row",
			batches: [][]opencdc.Record{
				{
					created(fields{"tenant": "a", "no": 1}, fields{"tenant": "a", "no": 1, "body": "A1"}),
					created(fields{"tenant": "b", "no": 1}, fields{"tenant": "b", "no": 1, "body": "B1"}),
				},
				{
					updated(fields{"tenant": "c", "no": 1}, fields{"tenant": "a", "no": 1, "body": nil}, fields{"tenant": "c", "no": 1, "body": "A1"}),
					updated(fields{"tenant": "a", "no": 1}, fields{"tenant": "b", "no": 1, "body": nil}, fields{"tenant": "a", "no": 1, "body": "B1"}),
				},
			},
			want: map[string]string{`{"no":1,"tenant":"c"}`: "A1", `{"no":1,"tenant":"a"}`: "B1"},
		},
		{
			name: "a move and the new row under the old key are delivered again",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "A"))},
				{movedBare(1, 2, "A"), created(id(1), doc(1, "C"))},
				{movedBare(1, 2, "A")},
				{created(id(1), doc(1, "C"))},
			},
			restart: true,
			want:    map[string]string{`{"id":1}`: "C", `{"id":2}`: "A"},
		},
		{
			name: "an update whose large text is in the row before alone finds no document",
			batches: [][]opencdc.Record{
				{updated(id(1), doc(1, "A"), doc(1, nil))},
			},
			want: map[string]string{`{"id":1}`: "A"},
		},
		{
			name: "an update of a row that has moved on is delivered again",
			batches: [][]opencdc.Record{
				{
					created(id(1), doc(1, "A")), updated(id(1), doc(1, "A"), doc(1, nil)),
					updated(id(2), doc(1, "A"), doc(2, nil)),
				},
				{updated(id(1), doc(1, "A"), doc(1, nil))},
				{updated(id(2), doc(1, "A"), doc(2, nil))},
			},
			restart: true,
			want:    map[string]string{`{"id":2}`: "A"},
		},
		{
			name: "an update of a row that is deleted by now is delivered again without its text",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "A")), updated(id(1), nil, doc(1, nil)), deleted(id(1), nil)},
				{updated(id(1), nil, doc(1, nil))},
				{deleted(id(1), nil)},
			},
			restart: true,
			want:    map[string]string{},
		},
		{
			name: "Debezium's placeholder for an unchanged text leaves the text",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "a long handbook text"))},
				{updated(id(1), nil, doc(1, "__debezium_unavailable_value"))},
				{updated(id(1), doc(1, "a long handbook text"), doc(1, []byte("__debezium_unavailable_value")))},
			},
			want: map[string]string{`{"id":1}`: "a long handbook text"},
		},
		{
			name:     "Debezium's placeholder in a whole row is taken from the row before",
			settings: config.Config{"attributes.id": "payload:id"},
			batches: [][]opencdc.Record{
				{created(opencdc.RawData("k"), opencdc.RawData(`{"id":1,"body":"text"}`))},
				{updated(opencdc.RawData("k"), opencdc.RawData(`{"id":1,"body":"text"}`), opencdc.RawData(`{"id":2,"body":"__debezium_unavailable_value"}`))},
			},
			want: map[string]string{"k": `{"body":"text","id":2}`},
		},
		{
			name:     "Debezium's placeholder in a whole row without the row before is refused",
			settings: config.Config{"attributes.id": "payload:id"},
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "text"))},
				{updated(id(1), nil, doc(1, "__debezium_unavailable_value"))},
			},
			want:    map[string]string{`{"id":1}`: `{"body":"text","id":1}`},
			refused: map[int]string{1: `"body"`},
		},
		{
			name:     "an unchanged large text of a whole row is taken from the row before",
			settings: config.Config{"attributes.id": "payload:id"},
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "note": "n", "body": large})},
				{updated(id(1), fields{"id": 1, "note": "n", "body": large}, fields{"id": 1, "note": nil, "body": nil})},
			},
			want: map[string]string{`{"id":1}`: `{"body":"` + large + `","id":1,"note":null}`},
		},
		{
			name:     "an unchanged large text of a row in raw JSON is taken from the row before",
			settings: config.Config{"attributes.id": "payload:id"},
			batches: [][]opencdc.Record{
				{created(opencdc.RawData("k"), opencdc.RawData(`{"id":1,"body":"`+large+`"}`)), created(opencdc.RawData("l"), opencdc.RawData(`{"id": 2, "body": "short"}`))},
				{
					updated(opencdc.RawData("k"), opencdc.RawData(`{"id":1,"body":"`+large+`"}`), opencdc.RawData(`{"id":3,"body":null}`)),
					updated(opencdc.RawData("l"), opencdc.RawData(`{"id": 2, "body": "short"}`), opencdc.RawData(`{"id": 4, "body": null}`)),
				},
			},
			want: map[string]string{"k": `{"body":"` + large + `","id":3}`, "l": `{"id": 4, "body": null}`},
		},
		{
			name: "a row without a text gets another key",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, nil)), updated(id(2), doc(1, nil), doc(2, nil)), created(id(3), doc(3, "bears"))},
				{moved(3, 4, "bears"), updated(id(3), doc(2, nil), doc(3, nil))},
				{updated(id(4), doc(3, nil), doc(4, nil)), moved(4, 3, "bears")}, // a swap
			},
			want: map[string]string{`{"id":3}`: "bears"},
		},
		{
			name: "a row whose text is not sent gets another key",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "apples")), updated(id(2), doc(1, nil), doc(2, nil)), created(id(3), doc(3, "bears"))},
			},
			want:    map[string]string{`{"id":1}`: "apples", `{"id":3}`: "bears"},
			refused: map[int]string{1: "REPLICA IDENTITY FULL"},
		},
		{
			name: "keys of nulls alone are refused",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "text"))},
				{deleted(fields{"id": nil}, fields{"id": nil, "slug": "a", "body": nil})},
				{created(fields{"id": nil}, fields{"id": nil, "body": "x"})},
				{created(opencdc.RawData(`{"id":null}`), doc(1, "x"))},
				{created(fields{}, fields{"id": nil, "body": "x"})},
				{created(fields{"id": nil, "tenant": "a"}, doc(1, "a part of a key"))},
				{created(opencdc.RawData(`{}`), doc(1, "x"))},
				{created(fields{"id": map[string]any{"oid": nil}}, doc(1, "x"))},
				{deleted(fields{"id": ""}, fields{"id": "", "slug": "a", "body": nil})}, // a UUID that is null
				{created(fields{"id": ""}, fields{"id": "", "body": "x"}), deleted(fields{"id": ""}, fields{"id": "", "body": "x"})},
				{created(opencdc.RawData("null"), doc(1, "x"))},
			},
			want: map[string]string{`{"id":1}`: "text", `{"id":null,"tenant":"a"}`: "a part of a key"},
			refused: map[int]string{
				1: "every field of the record's key is null", 2: "every field of the record's key is null",
				3: "every field of the record's key is null", 4: "has no key",
				6: "every field of the record's key is null", 7: "every field of the record's key is null",
				8: "every field of the record's key is empty", 11: "key is null",
			},
		},
		{
			name: "a content field that was renamed is refused",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "old text"))},
				{updated(id(1), fields{"id": 1, "text": "old text"}, fields{"id": 1, "text": "new text"})},
				{updated(id(1), doc(1, "old text"), fields{"id": 1})}, // left out, and in the row before
			},
			want:    map[string]string{`{"id":1}`: "old text"},
			refused: map[int]string{1: `no field "body" (content_field), it has id, text`},
		},
		{
			name: "a tombstone deletes",
			batches: [][]opencdc.Record{
				{created(opencdc.RawData("user-7"), opencdc.RawData(`{"body":"Ada"}`))},
				{created(opencdc.RawData("user-7"), nil)},
				{created(opencdc.RawData("user-8"), opencdc.RawData(nil))},
			},
			want: map[string]string{},
		},
		{
			name: "a new row takes the key of a row without a text that is deleted afterwards",
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "body": "", "note": "old"}), created(id(2), fields{"id": 2, "body": nil, "note": "old"})},
				{created(id(1), fields{"id": 1, "body": "A", "note": "new"}), deleted(id(1), fields{"id": 1, "body": "", "note": "old"})},
				{
					created(id(2), fields{"id": 2, "body": "B", "note": "new"}),
					updated(id(3), fields{"id": 2, "body": nil, "note": "old"}, fields{"id": 3, "body": nil, "note": "old"}),
				},
			},
			want: map[string]string{`{"id":1}`: "A", `{"id":2}`: "B"},
		},
		{
			name: "a row without a text moves, and the move is delivered again when another row has its key",
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "body": nil, "note": "old"}), created(id(2), fields{"id": 2, "body": "B", "note": "b"})},
				{
					updated(id(3), fields{"id": 1, "body": nil, "note": "old"}, fields{"id": 3, "body": nil, "note": "old"}),
					updated(id(1), fields{"id": 2, "body": "B", "note": "b"}, fields{"id": 1, "body": "B", "note": "b"}),
				},
				{
					updated(id(3), fields{"id": 1, "body": nil, "note": "old"}, fields{"id": 3, "body": nil, "note": "old"}),
					updated(id(1), fields{"id": 2, "body": "B", "note": "b"}, fields{"id": 1, "body": "B", "note": "b"}),
				},
			},
			restart: true,
			want:    map[string]string{`{"id":1}`: "B"},
		},
		{
			name: "Debezium deletes a row that was created again, and fills in the columns that it does not know",
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "body": "A", "live": true, "count": 3, "at": "2026-11-27T10:00:00Z"})},
				{created(id(1), fields{"id": 1, "body": "B", "live": true, "count": 4, "at": "2026-11-27T11:00:00Z"})},
				{deleted(id(1), fields{"id": 1, "body": "", "live": false, "count": 0, "at": "1970-01-01T00:00:00Z"})},
			},
			want: map[string]string{},
		},
		{
			name: "Debezium fills in decimals, lists, times and points as well",
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "body": "A", "price": "B88=", "tags": []any{"x"}, "at": "10:00:00Z", "place": map[string]any{"x": 1, "y": 2}})},
				{created(id(1), fields{"id": 1, "body": "A", "price": "B88=", "tags": []any{"x"}, "at": "10:00:00Z", "place": map[string]any{"x": 1, "y": 2}})}, // delivered again
				{deleted(id(1), fields{"id": 1, "body": "", "price": "AA==", "tags": []any{}, "at": "00:00:00Z", "place": map[string]any{"x": 0, "y": 0}})},
			},
			want: map[string]string{},
		},
		{
			name: "Debezium fills in a column's default",
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "body": "A", "status": "archived"}), created(id(2), fields{"id": 2, "body": "B", "status": "active"})},
				{created(id(1), fields{"id": 1, "body": "A", "status": "archived"})}, // delivered again
				{updated(id(2), nil, fields{"id": 2, "body": "B", "status": "archived"})},
				{deleted(id(1), fields{"id": 1, "body": "", "status": "active", "span": "P0Y0M0DT0H0M0S"})},
			},
			want: map[string]string{`{"id":2}`: "B"},
		},
		{
			name: "a table that has REPLICA IDENTITY FULL by now sends whole rows",
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "body": "", "note": "old"}), created(id(2), fields{"id": 2, "body": "B", "note": "b"})},
				{updated(id(2), nil, fields{"id": 2, "body": "C", "note": "b"})},
				{updated(id(2), fields{"id": 2, "body": "C", "note": "b"}, fields{"id": 2, "body": "D", "note": "b"})},
				{created(id(1), fields{"id": 1, "body": "A", "note": "new"}), deleted(id(1), fields{"id": 1, "body": "", "note": "old"})},
			},
			want: map[string]string{`{"id":1}`: "A", `{"id":2}`: "D"},
		},
		{
			name:     "whole rows that differ in a null alone swap their keys",
			settings: config.Config{"attributes.id": "payload:id"},
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "note": nil, "body": "same"}), created(id(2), fields{"id": 2, "note": "n", "body": "same"})},
				{
					updated(id(2), fields{"id": 1, "note": nil, "body": "same"}, fields{"id": 2, "note": nil, "body": "same"}),
					updated(id(1), fields{"id": 2, "note": "n", "body": "same"}, fields{"id": 1, "note": "n", "body": "same"}),
				},
				{ // and back, in the other order
					updated(id(2), fields{"id": 1, "note": "n", "body": "same"}, fields{"id": 2, "note": "n", "body": "same"}),
					updated(id(1), fields{"id": 2, "note": nil, "body": "same"}, fields{"id": 1, "note": nil, "body": "same"}),
				},
			},
			want: map[string]string{`{"id":1}`: `{"body":"same","id":1,"note":null}`, `{"id":2}`: `{"body":"same","id":2,"note":"n"}`},
		},
		{
			name:     "a JSON file that mentions Debezium's placeholder stays unchanged",
			settings: config.Config{"attributes.key": "key"},
			batches: [][]opencdc.Record{
				{created(opencdc.RawData("a.json"), opencdc.RawData(`{ "text": "It writes __debezium_unavailable_value", "n": 1.0 }`))},
			},
			want: map[string]string{"a.json": `{ "text": "It writes __debezium_unavailable_value", "n": 1.0 }`},
		},
		{
			name: "Debezium's placeholder leaves the text also in a record that a topic makes a creation of",
			batches: [][]opencdc.Record{
				{created(opencdc.RawData(`{"id":1}`), opencdc.RawData(`{"id":1,"body":"text","pic":"A"}`))},
				{created(opencdc.RawData(`{"id":1}`), opencdc.RawData(`{"id":1,"body":"__debezium_unavailable_value","pic":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="}`))},
				{updated(id(1), fields{"id": 1, "body": "", "note": "n"}, doc(1, "__debezium_unavailable_value"))}, // filled in
			},
			want: map[string]string{`{"id":1}`: "text"},
		},
		{
			name:     "Debezium's placeholder gets into no template's output and no whole row, in any place",
			settings: config.Config{"sdk.record.format": "template", "sdk.record.format.options": "{{ .Payload.After.title }}: {{ .Payload.After.body }}"},
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "title": "T", "body": "text"})},
				{updated(id(1), nil, fields{"id": 1, "title": "U", "body": "__debezium_unavailable_value"})},
				{updated(id(1), nil, fields{"id": 1, "title": "U", "body": []any{"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="}})},
				{updated(id(1), fields{"id": 1, "title": "T", "body": "text"}, fields{"id": 1, "title": "V", "body": "__debezium_unavailable_value"})},
			},
			want:    map[string]string{`{"id":1}`: "V: text"},
			refused: map[int]string{1: `"body" is unchanged`, 2: `"body" is unchanged`},
		},
		{
			name: "a key change of Debezium's is a deletion, a tombstone and a creation",
			batches: [][]opencdc.Record{
				{created(opencdc.RawData(`{"tenant":"a","no":1}`), opencdc.RawData(`{"tenant":"a","no":1,"body":"A1"}`))},
				{
					deleted(opencdc.RawData(`{"tenant":"a","no":1}`), nil), created(opencdc.RawData(`{"tenant":"a","no":1}`), nil),
					created(opencdc.RawData(`{"tenant":"b","no":1}`), opencdc.RawData(`{"tenant":"b","no":1,"body":"A1"}`)),
				},
			},
			want: map[string]string{`{"tenant":"b","no":1}`: "A1"},
		},
		{
			name: "a swap as Debezium writes it, with tombstones",
			batches: [][]opencdc.Record{
				{one, two},
				{
					deleted(id(1), doc(1, "about apples")), created(id(1), nil), created(id(2), doc(2, "about apples")),
					deleted(id(2), doc(2, "about bears")), created(id(2), nil), created(id(1), doc(1, "about bears")),
				},
			},
			want: swapped,
		},
		{
			name: "a text that is emptied takes its document along",
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "private text")), created(id(2), doc(2, ""))},
				{updated(id(1), nil, doc(1, ""))},
				{created(id(3), doc(3, nil))},
			},
			want: map[string]string{},
		},
		{
			name:     "a text that is emptied is refused when that is asked for",
			settings: config.Config{"content_field": "body", "empty_content": "refuse"},
			batches: [][]opencdc.Record{
				{created(id(1), doc(1, "private text"))},
				{updated(id(1), nil, doc(1, ""))},
				{created(id(3), doc(3, nil))},
			},
			want:    map[string]string{`{"id":1}`: "private text"},
			refused: map[int]string{1: "the content is empty", 2: "the content is empty"},
		},
		{
			name:     "a template writes no value that is not there",
			settings: config.Config{"sdk.record.format": "template", "sdk.record.format.options": "{{ .Payload.After.title }}: {{ .Payload.After.body }}"},
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "title": "R&D", "body": "<p>x</p>"})},
				{created(id(2), fields{"id": 2, "title": "R&D", "body": nil})},
				{created(id(3), fields{"id": 3, "title": "R&D"})},
				{updated(id(1), nil, fields{"id": 1, "title": "R&D", "body": nil})},
				{updated(id(2), fields{"id": 2, "title": "R&D", "body": nil}, fields{"id": 2, "title": "new", "body": nil})},
				{created(id(4), fields{"id": 4, "title": "<no value>", "body": "is what templates write"})},
			},
			want: map[string]string{
				`{"id":1}`: "R&D: <p>x</p>", `{"id":2}`: "new: ", `{"id":4}`: "<no value>: is what templates write",
			},
			refused: map[int]string{2: "no entry for key", 3: "REPLICA IDENTITY FULL"},
		},
		{
			name: "a renamed table is told apart from a second one",
			batches: [][]opencdc.Record{
				{from("articles", created(id(1), doc(1, "A")))},
				{from("posts", updated(id(1), nil, doc(1, "AA")))},
				{from("posts", deleted(id(1), nil))},
			},
			want:    map[string]string{`{"id":1}`: "A"},
			refused: map[int]string{1: "set owner to the old name", 2: "set owner to the old name"},
		},
		{
			name:     "a row whose change was refused is deleted",
			settings: config.Config{"content_field": "body", "attributes.n": "payload:n as number"},
			batches: [][]opencdc.Record{
				{created(id(1), fields{"id": 1, "body": "A", "n": 1})},
				{created(id(1), fields{"id": 1, "body": "A", "n": 1})}, // delivered again
				{updated(id(1), nil, fields{"id": 1, "body": "B", "n": "x"})},
				{deleted(id(1), fields{"id": 1, "body": "B", "n": "x"})},
			},
			want:    map[string]string{},
			refused: map[int]string{2: "neither a number nor a time"},
		},
		{
			name: "rows of two tables leave one key, and one of them comes back",
			batches: [][]opencdc.Record{
				{from("articles", created(id(3), doc(3, "A"))), from("posts", created(id(4), doc(4, "P")))},
				{from("articles", moved(3, 5, "A")), from("posts", moved(3, 4, "P")), from("posts", moved(4, 3, "P"))},
			},
			want: map[string]string{`{"id":3}`: "P", `{"id":5}`: "A"},
		},
		{
			name: "a refused row of another table changes nothing of whose the key is",
			batches: [][]opencdc.Record{
				{from("articles", created(id(1), doc(1, "A"))), from("articles", created(id(2), doc(2, "B")))},
				{from("articles", created(id(1), doc(1, "A"))), from("articles", created(id(2), doc(2, "B")))}, // delivered again
				{from("posts", created(id(1), doc(1, "C"))), from("posts", created(id(2), doc(2, "D")))},
				{from("posts", deleted(id(1), doc(1, "C")))},
				{from("articles", deleted(id(1), doc(1, "A"))), from("articles", updated(id(3), doc(2, "B"), doc(3, "B")))},
			},
			want:    map[string]string{`{"id":3}`: "B"},
			refused: map[int]string{4: "conflict", 5: "conflict", 6: "conflict"},
		},
		{
			name:     "a renamed table keeps its documents under its old name",
			settings: config.Config{"content_field": "body", "owner": "articles"},
			batches: [][]opencdc.Record{
				{from("articles", created(id(1), doc(1, "A")))},
				{from("posts", updated(id(1), nil, doc(1, "AA"))), from("posts", created(id(2), doc(2, "B")))},
				{from("posts", deleted(id(1), nil))},
			},
			want: map[string]string{`{"id":2}`: "B"},
		},
	}
	for _, h := range histories {
		if h.settings == nil {
			h.settings = config.Config{"content_field": "body"}
		}
		singly := h
		singly.name += ", record by record"
		singly.batches = nil
		for _, b := range h.batches {
			for _, r := range b {
				singly.batches = append(singly.batches, []opencdc.Record{r})
			}
		}
		singly.restart = false
		for _, h := range []history{h, singly} {
			t.Run(h.name, func(t *testing.T) { h.play(t) })
		}
	}
}

func (h *history) play(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, h.settings)
	n := 0
	for _, batch := range h.batches {
		if h.restart && n > 0 {
			d = open(t, e, h.settings)
		}
		// Records after a refused one are written, as with the wrapped stream.
		for len(batch) > 0 {
			recs := make([]opencdc.Record, len(batch))
			for i, r := range batch {
				recs[i] = r.Clone()
				if recs[i].Metadata == nil {
					recs[i].Metadata = opencdc.Metadata{opencdc.MetadataCollection: "docs"}
				}
			}
			done, err := d.Write(t.Context(), recs)
			if err != nil {
				says, ok := h.refused[n+done]
				if !ok || !strings.Contains(err.Error(), says) {
					t.Fatalf("record %d: %v", n+done, err)
				}
				done++
			}
			n += done
			batch = batch[done:]
		}
	}
	is.Equal(contents(e), maps.Clone(h.want))
	is.Equal(len(e.Snapshot().Files), len(h.want)) // no File is left over
}
