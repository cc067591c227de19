package openaivs_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/conduitio/conduit-commons/config"
	"github.com/conduitio/conduit-commons/opencdc"
	sdk "github.com/conduitio/conduit-connector-sdk"
	"github.com/conduitio/conduit-connector-sdk/schema"
	"github.com/matryer/is"

	openaivs "github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func TestEachOperationLeavesTheStoreAsTheSource(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, nil)
	write(t, d,
		opencdc.Record{Operation: opencdc.OperationSnapshot, Key: opencdc.RawData("a.md"), Payload: opencdc.Change{After: opencdc.RawData("# A")}},
		opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("b.md"), Payload: opencdc.Change{After: opencdc.RawData("# B")}},
		opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("c.md"), Payload: opencdc.Change{After: opencdc.RawData("# C")}},
	)
	write(t, d,
		opencdc.Record{Operation: opencdc.OperationUpdate, Key: opencdc.RawData("b.md"), Payload: opencdc.Change{After: opencdc.RawData("# B, changed")}},
		opencdc.Record{Operation: opencdc.OperationDelete, Key: opencdc.RawData("c.md")},
		opencdc.Record{Operation: opencdc.OperationDelete, Key: opencdc.RawData("never there")},
	)
	is.Equal(contents(e), map[string]string{"a.md": "# A", "b.md": "# B, changed"})
	is.Equal(len(e.Snapshot().Files), 2) // replaced and deleted Files are gone
}

func TestTwoRecordsOfOneKeyLeaveOneDocument(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, nil)
	write(t, d, row("users", 1, "body", "old"), row("users", 1, "body", "new"))
	is.Equal(contents(e), map[string]string{`{"id":1}`: `{"body":"new","id":1}`})
	is.Equal(e.Counts()["POST /files"], 1) // of several in one write the last alone is uploaded
}

func TestTheDocumentIsThePayloadOrAFieldOfIt(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings config.Config
		after    opencdc.Data
		want     string
		err      string
	}{
		{"raw data is the document as it is", nil, opencdc.RawData("plain\r\ntext"), "plain\r\ntext", ""},
		{"structured data is JSON", nil, opencdc.StructuredData{"b": "x", "a": 1}, `{"a":1,"b":"x"}`, ""},
		{"a field is the document", config.Config{"content_field": "body"}, opencdc.StructuredData{"body": "text", "a": 1}, "text", ""},
		{"a nested field is the document", config.Config{"content_field": "doc.body"}, opencdc.StructuredData{"doc": map[string]any{"body": "text"}}, "text", ""},
		{"a field of raw JSON is the document", config.Config{"content_field": "body"}, opencdc.RawData(` {"body":"text"}`), "text", ""},
		{"a field of bytes is the document", config.Config{"content_field": "body"}, opencdc.StructuredData{"body": []byte(`{"j":1}`)}, `{"j":1}`, ""},
		{"a field with fields is JSON", config.Config{"content_field": "body"}, opencdc.StructuredData{"body": map[string]any{"j": 1}}, `{"j":1}`, ""},
		{"a template is the document", config.Config{"sdk.record.format": "template", "sdk.record.format.options": "# {{ .Payload.After.title }}"}, opencdc.StructuredData{"title": "T"}, "# T", ""},
		{"a template that fails is an error", config.Config{"sdk.record.format": "template", "sdk.record.format.options": "{{ .Payload.After.title.name }}"}, opencdc.StructuredData{"title": "T"}, "", "sdk.record.format"},
		{"another format is the document", config.Config{"sdk.record.format": "debezium/json"}, opencdc.StructuredData{"a": 1}, `"op":"c"`, ""},
		{"another format writes a time and a number that JSON lacks", config.Config{"sdk.record.format": "debezium/json"}, opencdc.StructuredData{"a": time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), "b": []any{math.NaN()}}, `"payload":{"before":null,"after":{"a":"2026-08-01T00:00:00Z","b":["NaN"]}`, ""},
		{"a field that is missing is an error", config.Config{"content_field": "body"}, opencdc.StructuredData{"text": "new"}, "", "content_field"},
		{"a field of plain text is an error", config.Config{"content_field": "body"}, opencdc.RawData("text"), "", "content_field"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			e := emulate(t, openaitest.Config{})
			d := open(t, e, tt.settings)
			n, err := d.Write(t.Context(), []opencdc.Record{{Operation: opencdc.OperationCreate, Key: opencdc.RawData("k"), Payload: opencdc.Change{After: tt.after}}})
			if tt.err != "" {
				is.True(err != nil)
				is.Equal(n, 0)
				is.True(strings.Contains(err.Error(), tt.err))
				is.True(strings.Contains(err.Error(), `key "k"`))
				is.Equal(len(e.Snapshot().Files), 0)
				return
			}
			is.NoErr(err)
			is.True(strings.Contains(contents(e)["k"], tt.want))
		})
	}
}

func TestAnUnchangedFieldChangesTheAttributesAlone(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, config.Config{"content_field": "body", "attributes.title": "payload:title"})
	write(t, d, row("docs", 1, "body", "text", "title", "old"))
	update := row("docs", 1, "body", nil, "title", "new")
	update.Operation = opencdc.OperationUpdate
	write(t, d, update)
	doc := e.documents()[`{"id":1}`]
	is.Equal(doc.content, "text")
	is.Equal(doc.attributes["title"], "new")
	is.Equal(e.Counts()["POST /files"], 1)
}

func TestAKeyChangeRemovesTheOldDocument(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, config.Config{"content_field": "body"})
	write(t, d, row("docs", 2, "body", "text"), row("docs", 9, "body", "other"))
	moved := row("docs", 3, "body", "text")
	moved.Operation = opencdc.OperationUpdate
	moved.Payload.Before = opencdc.StructuredData{"id": 2, "body": nil}
	again := row("docs", 2, "body", "a new row under the old key")
	write(t, d, moved, again)
	is.Equal(contents(e), map[string]string{`{"id":3}`: "text", `{"id":2}`: "a new row under the old key", `{"id":9}`: "other"})
}

// breaking is an API that cannot index the text "broken".
var breaking = openaitest.Config{FailIndexing: func(f openaitest.FileInfo) (code, message string) {
	if f.Bytes == int64(len("broken")) {
		return "invalid_file", "it is broken"
	}
	return "", ""
}}

// With wait_for "attached", a write ends when its documents are accepted for indexing.
func TestAKeyChangeKeepsTheOldDocumentUntilTheNewOneIsSearchable(t *testing.T) {
	is := is.New(t)
	e := emulate(t, breaking)
	d := open(t, e, config.Config{"content_field": "body", "wait_for": "attached"})
	write(t, d, row("docs", 1, "body", "one"), row("docs", 2, "body", "two"))
	n, err := d.Write(t.Context(), []opencdc.Record{move(1, 11, "new"), move(2, 12, "broken")})
	is.Equal(n, 1)
	is.True(strings.Contains(err.Error(), "it is broken"))
	is.True(strings.Contains(err.Error(), `{\"id\":12}`))
	is.NoErr(d.Teardown(t.Context()))
	is.Equal(contents(e), map[string]string{`{"id":11}`: "new", `{"id":2}`: "two"})
}

func TestAKeyChangeIsJudgedByItsOwnDocumentAlone(t *testing.T) {
	is := is.New(t)
	e := emulate(t, breaking)
	d := open(t, e, config.Config{"content_field": "body", "wait_for": "attached"})
	write(t, d, row("docs", 1, "body", "one"), row("docs", 2, "body", "broken"))
	gone := row("docs", 2, "body", "broken")
	gone.Operation = opencdc.OperationDelete
	write(t, d, gone)
	write(t, d, move(1, 2, "one"))
	is.Equal(contents(e), map[string]string{`{"id":2}`: "one"})
}

// The documents of one key in one write are merged; the one at fault alone is refused.
func TestAChangeBehindAKeyChangeThatCannotBeIndexedIsRefusedAlone(t *testing.T) {
	for _, wait := range []string{"indexed", "attached"} {
		t.Run(wait, func(t *testing.T) {
			is := is.New(t)
			e := emulate(t, breaking)
			d := open(t, e, config.Config{"content_field": "body", "wait_for": wait})
			write(t, d, row("docs", 1, "body", "one"))
			update := row("docs", 2, "body", "broken")
			update.Operation = opencdc.OperationUpdate
			n, err := d.Write(t.Context(), []opencdc.Record{move(1, 2, "good"), update})
			is.Equal(n, 1)
			is.True(strings.Contains(err.Error(), "it is broken"))
			is.Equal(contents(e), map[string]string{`{"id":2}`: "good"})
		})
	}
}

// OpenAI may answer 404 for a document whose attach it has just accepted.
func TestAKeyChangeWithoutItsTextIsRefusedAlsoWhileTheDocumentCannotBeSeen(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{NotFoundWindow: 300 * time.Millisecond})
	d := open(t, e, config.Config{"content_field": "body", "wait_for": "attached"})
	write(t, d, row("docs", 1, "body", "a large text"))
	moved := move(1, 2)
	moved.Payload = opencdc.Change{Before: opencdc.StructuredData{"id": 1, "body": nil}, After: opencdc.StructuredData{"id": 2, "body": nil}}
	_, err := d.Write(t.Context(), []opencdc.Record{moved})
	is.True(err != nil && strings.Contains(err.Error(), "the key has changed"))
}

func TestKeyChangesOfDifferentRowsGoOutTogether(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, nil)
	var rows, moves []opencdc.Record
	want := make(map[string]string)
	for i := range int64(30) {
		rows = append(rows, row("docs", i, "body", "text"))
		moves = append(moves, move(i, 1000+i))
		want[fmt.Sprintf(`{"id":%d}`, 1000+i)] = fmt.Sprintf(`{"body":"text","id":%d}`, 1000+i)
	}
	write(t, d, rows...)
	attached := e.attaches()
	write(t, d, moves...)
	is.Equal(contents(e), want)
	is.True(len(attached) < len(moves)) // not one each; how many depends on the machine
}

func TestKeyChangesOfOneWriteLeaveEachRowUnderItsLastKey(t *testing.T) {
	for _, tt := range []struct {
		name string
		recs []opencdc.Record
		want map[string]string
	}{
		{"one after the other", []opencdc.Record{move(1, 3), move(3, 4)}, map[string]string{`{"id":4}`: `{"body":"text","id":4}`, `{"id":2}`: `{"body":"two","id":2}`}},
		{"there and back", []opencdc.Record{move(1, 3), move(3, 1)}, map[string]string{`{"id":1}`: `{"body":"text","id":1}`, `{"id":2}`: `{"body":"two","id":2}`}},
		{"to a key that has just become free", []opencdc.Record{move(2, 3), move(1, 2)}, map[string]string{`{"id":3}`: `{"body":"text","id":3}`, `{"id":2}`: `{"body":"text","id":2}`}},
		{"a swap by way of a third key", []opencdc.Record{move(1, 9, "one"), move(2, 1, "two"), move(9, 2, "one")}, map[string]string{`{"id":1}`: `{"body":"two","id":1}`, `{"id":2}`: `{"body":"one","id":2}`}},
		{"and is deleted", []opencdc.Record{move(1, 3), gone(3)}, map[string]string{`{"id":2}`: `{"body":"two","id":2}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			e := emulate(t, openaitest.Config{})
			d := open(t, e, nil)
			write(t, d, row("docs", 1, "body", "one"), row("docs", 2, "body", "two"))
			write(t, d, tt.recs...)
			is.Equal(contents(e), tt.want)
			is.Equal(len(e.Snapshot().Files), len(tt.want))
		})
	}
}

func TestAKeyChangeIsSeenInRawJSONToo(t *testing.T) {
	const digits = "9007199254740993"
	for _, tt := range []struct {
		name        string
		first       opencdc.Data // the key that the document is put under
		key, before opencdc.Data
		stays       bool
	}{
		{"the key is raw", opencdc.RawData(`{"id":7}`), opencdc.RawData(`{"id":8}`), opencdc.StructuredData{"id": int64(7), "body": "x"}, false},
		{"the row before is raw", opencdc.StructuredData{"id": int64(7)}, opencdc.StructuredData{"id": int64(8)}, opencdc.RawData(`{"body": "x", "id": 7}`), false},
		{"both are raw", opencdc.RawData(`{"id":7}`), opencdc.RawData(`{"id":8}`), opencdc.RawData(`{"body": "x", "id": 7}`), false},
		{"an integer beyond 2^53", opencdc.RawData(`{"id":` + digits + `}`), opencdc.RawData(`{"id":8}`), opencdc.RawData(`{"id":` + digits + `}`), false},
		{"a structured key with an integer beyond 2^53", opencdc.StructuredData{"id": int64(9007199254740993)}, opencdc.StructuredData{"id": int64(8)}, opencdc.RawData(`{"id":` + digits + `}`), false},
		{"markup in a raw key", opencdc.RawData(`{"id":"R&D <1>"}`), opencdc.RawData(`{"id":"<2>"}`), opencdc.RawData(`{"id":"R&D <1>"}`), false},
		{"markup in a raw key, with escapes", opencdc.RawData(`{"id":"R\u0026D"}`), opencdc.RawData(`{"id":"\u003c2"}`), opencdc.RawData(`{"id":"R&D"}`), false},
		{"a key with spaces is not told how to write", opencdc.RawData(`{"id": 7}`), opencdc.RawData(`{"id": 8}`), opencdc.RawData(`{"id":7}`), true},
		{"a key in another order neither", opencdc.RawData(`{"id":7,"a":1}`), opencdc.RawData(`{"id":8,"a":1}`), opencdc.RawData(`{"id":7,"a":1}`), true},
		{"a row before that is not an object shows no old key", opencdc.RawData(`{"id":7}`), opencdc.RawData(`{"id":8}`), opencdc.RawData("x"), true},
		{"a row before without the key shows no old key", opencdc.RawData(`{"id":7}`), opencdc.RawData(`{"id":8}`), opencdc.RawData(`{"body":"x"}`), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			e := emulate(t, openaitest.Config{})
			d := open(t, e, nil)
			write(t, d, opencdc.Record{Operation: opencdc.OperationCreate, Key: tt.first, Payload: opencdc.Change{After: opencdc.RawData("old")}})
			write(t, d, opencdc.Record{Operation: opencdc.OperationUpdate, Key: tt.key, Payload: opencdc.Change{Before: tt.before, After: opencdc.RawData("new")}})
			want := map[string]string{string(tt.key.Bytes()): "new"}
			if tt.stays {
				want[string(tt.first.Bytes())] = "old"
			}
			is.Equal(contents(e), want)
		})
	}
}

func TestAKeyChangeIsSeenWhenAProcessorHasConvertedTheKey(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 8, n, 0, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		name         string
		first, key   opencdc.StructuredData
		before, then any // the field in the row before and after the change
		stays        bool
		in           bool // in place
	}{
		{"to text", fields{"id": "1"}, fields{"id": "2"}, 1, 2, false, false},
		{"a decimal to text", fields{"id": "1.5"}, fields{"id": "2.5"}, big.NewRat(3, 2), big.NewRat(5, 2), false, false},
		{"to a form that is not known", fields{"id": "1 Aug"}, fields{"id": "2 Aug"}, day(1), day(2), true, false},
		{"in the rows alone", fields{"id": 1}, fields{"id": 2}, "1", "2", true, false},
		{"and the key has not changed", fields{"id": 1}, fields{"id": 1}, "1", "1", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			e := emulate(t, openaitest.Config{})
			d := open(t, e, config.Config{"content_field": "body", "attributes.title": "payload:title"})
			write(t, d, created(tt.first, fields{"id": tt.before, "body": "old"}))
			after := fields{"id": tt.then, "body": "new", "title": "T"}
			if tt.in {
				after["body"] = nil
			}
			write(t, d, updated(tt.key, fields{"id": tt.before, "body": nil}, after))
			want := map[string]string{string(tt.key.Bytes()): "new"}
			if tt.stays {
				want[string(tt.first.Bytes())] = "old"
			}
			if tt.in {
				want[string(tt.key.Bytes())] = "old"
			}
			is.Equal(contents(e), want)
			is.Equal(e.documents()[string(tt.key.Bytes())].attributes["title"], "T")
		})
	}
}

// A source may write an unchanged key as one JSON in text and as another as a value.
func TestAKeyInAnotherFormIsNoKeyChange(t *testing.T) {
	day := time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name        string
		key, before opencdc.Data
	}{
		{"a time", opencdc.StructuredData{"id": day}, opencdc.RawData(`{"id":"2026-08-01T00:00:00+00:00"}`)},
		{"a time in a raw key", opencdc.RawData(`{"id":"2026-08-01T00:00:00+00:00"}`), opencdc.StructuredData{"id": day}},
		{"a number", opencdc.StructuredData{"id": int64(7)}, opencdc.RawData(`{"id":7.0}`)},
		{"a number in raw data alone", opencdc.RawData(`{"id":7}`), opencdc.RawData(`{"id":7.0}`)},
		{"bytes", opencdc.StructuredData{"id": []byte("ab")}, opencdc.RawData(`{"id":"ab"}`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			e := emulate(t, openaitest.Config{})
			d := open(t, e, config.Config{"content_field": "body", "attributes.title": "payload:title"})
			write(t, d, opencdc.Record{Operation: opencdc.OperationCreate, Key: tt.key, Payload: opencdc.Change{After: opencdc.RawData(`{"body":"text"}`)}})
			// A key that had changed would need content.
			write(t, d, opencdc.Record{Operation: opencdc.OperationUpdate, Key: tt.key, Payload: opencdc.Change{Before: tt.before, After: opencdc.RawData(`{"body":null,"title":"new"}`)}})
			is.Equal(contents(e), map[string]string{string(tt.key.Bytes()): "text"})
		})
	}
}

func TestAKeyChangeWithUnchangedContentNeedsTheRowBefore(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, config.Config{"content_field": "body"})
	write(t, d, row("docs", 2, "body", "large text"))
	moved := row("docs", 3, "body", nil)
	moved.Operation = opencdc.OperationUpdate
	moved.Payload.Before = opencdc.StructuredData{"id": 2, "body": nil}
	_, err := d.Write(t.Context(), []opencdc.Record{moved})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "REPLICA IDENTITY FULL"))
	is.Equal(contents(e), map[string]string{`{"id":2}`: "large text"}) // nothing is lost

	moved.Payload.Before = opencdc.StructuredData{"id": 2, "body": "large text"}
	write(t, d, moved)
	is.Equal(contents(e), map[string]string{`{"id":3}`: "large text"})
}

func TestAKeyChangeThatFailsKeepsTheOldDocument(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{IndexRules: []openaitest.IndexRule{{Name: "id_3*", Code: "invalid_file", Message: "no"}, {Name: "*_3-*", Code: "invalid_file", Message: "no"}}})
	d := open(t, e, nil)
	write(t, d, row("docs", 2, "body", "text"))
	moved := row("docs", 3, "body", "text")
	moved.Operation = opencdc.OperationUpdate
	moved.Payload.Before = opencdc.StructuredData{"id": 2}
	_, err := d.Write(t.Context(), []opencdc.Record{moved})
	is.True(err != nil)
	is.Equal(len(e.documents()), 1)
	is.Equal(e.documents()[`{"id":2}`].versions, 1)
}

func TestCollectionsWithOneKeyDoNotOverwriteEachOther(t *testing.T) {
	for _, restart := range []bool{false, true} {
		name := map[bool]string{false: "in one run", true: "in another run"}[restart]
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			e := emulate(t, openaitest.Config{})
			d := open(t, e, nil)
			write(t, d, row("users", 7, "body", "a user"))
			if restart {
				d = open(t, e, nil)
			}
			_, err := d.Write(t.Context(), []opencdc.Record{row("orders", 7, "body", "an order")})
			is.True(err != nil)
			for _, s := range []string{`{\"id\":7}`, `"users"`, `"orders"`, "collection_in_key"} {
				is.True(strings.Contains(err.Error(), s))
			}
			gone := row("orders", 7)
			gone.Operation = opencdc.OperationDelete
			_, err = d.Write(t.Context(), []opencdc.Record{gone})
			is.True(err != nil) // nor do they delete each other's
			is.Equal(contents(e), map[string]string{`{"id":7}`: `{"body":"a user","id":7}`})
			is.Equal(e.documents()[`{"id":7}`].attributes["collection"], "users")
		})
	}
}

func TestTwoPipelinesOverEquallyNamedTablesAreTwoOwners(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	one := open(t, e, config.Config{"owner": "shop"})
	two := open(t, e, config.Config{"owner": "archive"})
	write(t, one, row("docs", 7, "body", "of the shop"))
	_, err := two.Write(t.Context(), []opencdc.Record{row("docs", 7, "body", "of the archive")})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), `"shop"`))
	is.Equal(contents(e), map[string]string{`{"id":7}`: `{"body":"of the shop","id":7}`})
	is.Equal(e.documents()[`{"id":7}`].attributes["collection"], "shop")
}

func TestAKeyIsFreeAgainOnceItsDocumentIsDeleted(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, nil)
	gone := row("users", 7)
	gone.Operation = opencdc.OperationDelete
	write(t, d, row("users", 7, "body", "a user"), gone, row("orders", 7, "body", "an order"))
	is.Equal(contents(e), map[string]string{`{"id":7}`: `{"body":"an order","id":7}`})
}

func TestCollectionsAreKeptApartByASetting(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, config.Config{"collection_in_key": "true"})
	write(t, d, row("users", 7, "body", "a user"), row("orders", 7, "body", "an order"), row("a/b", 7, "body", "a slash"))
	is.Equal(contents(e), map[string]string{
		`users/{"id":7}`:  `{"body":"a user","id":7}`,
		`orders/{"id":7}`: `{"body":"an order","id":7}`,
		`a%2Fb/{"id":7}`:  `{"body":"a slash","id":7}`,
	})
	gone := row("users", 7)
	gone.Operation = opencdc.OperationDelete
	write(t, d, gone)
	is.Equal(len(e.documents()), 2)
}

func TestIntegersBeyond2To53KeepTheirDigits(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, config.Config{"attributes.id": "key:id"})
	write(t, d, row("t", 9007199254740993, "body", "a"), row("t", 9007199254740992, "body", "b"))
	raw := opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData(`{"id":9007199254740995}`), Payload: opencdc.Change{After: opencdc.RawData("c")}}
	write(t, d, raw)
	docs := e.documents()
	is.Equal(len(docs), 3)
	is.Equal(docs[`{"id":9007199254740993}`].attributes["id"], "9007199254740993")
	is.Equal(docs[`{"id":9007199254740995}`].attributes["id"], "9007199254740995")

	for _, id := range []any{float64(1 << 53), map[string]any{"n": float64(1 << 53)}, []any{"a", float64(1 << 60)}} {
		lost := opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.StructuredData{"id": id}, Payload: opencdc.Change{After: opencdc.RawData("d")}}
		_, err := d.Write(t.Context(), []opencdc.Record{lost})
		is.True(err != nil) // the digits went before the record came here
	}
}

func TestAttributesComeFromWhereTheSettingsSay(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, config.Config{
		"attributes.source":  "metadata:conduit.source.connector.id",
		"attributes.id":      "key:id",
		"attributes.id_text": "key:id as string",
		"attributes.title":   "payload:title",
		"attributes.price":   "payload:price as number",
		"attributes.numeric": "payload:numeric",
		"attributes.live":    "payload:live as bool",
		"attributes.day":     "payload:day",
		"attributes.seconds": "payload:day as number",
		"attributes.absent":  "payload:absent",
		"attributes.env":     "constant:prod",
		"attributes.year":    "constant:2026 as number",
	})
	rec := row("docs", 7,
		"title", strings.Repeat("é", 300), "price", "12.50", "numeric", big.NewRat(25, 2), "live", "true",
		"day", time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC), "absent", nil)
	rec.Metadata["conduit.source.connector.id"] = "p:src"
	write(t, d, rec)
	is.Equal(e.documents()[`{"id":7}`].attributes, map[string]any{
		"collection": "docs",
		"source":     "p:src",
		"id":         7.0,
		"id_text":    "7",
		"title":      strings.Repeat("é", 256), // cut to OpenAI's limit
		"price":      12.5,
		"numeric":    12.5,
		"live":       true,
		"day":        "2026-08-01T00:00:00Z",
		"seconds":    1785542400.0,
		"env":        "prod",
		"year":       2026.0,
	})
}

func TestARecordWithAnUnfitAttributeIsRefused(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, config.Config{"attributes.price": "payload:price as number"})
	_, err := d.Write(t.Context(), []opencdc.Record{row("docs", 8, "price", "cheap")})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), `attribute "price"`))
	is.Equal(len(e.Snapshot().Files), 0)
}

func TestEncodedRecordsAreRefused(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, nil)
	rec := opencdc.Record{
		Operation: opencdc.OperationCreate,
		Metadata:  opencdc.Metadata{opencdc.MetadataKeySchemaSubject: "docs.key", opencdc.MetadataKeySchemaVersion: "1"},
		Key:       opencdc.RawData("\x02"),
		Payload:   opencdc.Change{After: opencdc.RawData("text")},
	}
	_, err := d.Write(t.Context(), []opencdc.Record{rec})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "sdk.schema.extract.key.enabled"))

	rec.Key = opencdc.RawData("k")
	rec.Metadata = opencdc.Metadata{opencdc.MetadataPayloadSchemaSubject: "docs.payload", opencdc.MetadataPayloadSchemaVersion: "1"}
	_, err = d.Write(t.Context(), []opencdc.Record{rec})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "sdk.schema.extract.payload.enabled"))
	is.Equal(len(e.Snapshot().Files), 0)
}

// A processor that puts text in place of a row leaves the names of the row's schemas
// in the metadata.
func TestTextInPlaceOfAnEncodedRowIsADocument(t *testing.T) {
	is := is.New(t)
	key, err := schema.Create(t.Context(), schema.TypeAvro, "articles.key", []byte(`{"type":"record","name":"record","fields":[{"name":"id","type":"int"}]}`))
	is.NoErr(err)
	payload, err := schema.Create(t.Context(), schema.TypeAvro, "articles.payload", []byte(`{"type":"record","name":"record","fields":[{"name":"body","type":"string"}]}`))
	is.NoErr(err)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, nil)
	record := func(k, after []byte) opencdc.Record {
		rec := opencdc.Record{Operation: opencdc.OperationCreate, Metadata: opencdc.Metadata{}, Key: opencdc.RawData(k), Payload: opencdc.Change{After: opencdc.RawData(after)}}
		schema.AttachKeySchemaToRecord(rec, key)
		schema.AttachPayloadSchemaToRecord(rec, payload)
		return rec
	}
	write(t, d, record([]byte("intro.md"), []byte("# Introduction")))
	is.Equal(contents(e), map[string]string{"intro.md": "# Introduction"})

	encodedKey, err := key.Marshal(map[string]any{"id": 42}) // one printable letter
	is.NoErr(err)
	encodedRow, err := payload.Marshal(map[string]any{"body": "text"})
	is.NoErr(err)
	_, err = d.Write(t.Context(), []opencdc.Record{record(encodedKey, []byte("# Introduction"))})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "sdk.schema.extract.key.enabled"))
	_, err = d.Write(t.Context(), []opencdc.Record{record([]byte("intro.md"), encodedRow)})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "sdk.schema.extract.payload.enabled"))
	is.Equal(len(e.documents()), 1)
}

func TestSettingsReachTheRequests(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, config.Config{"file_extension": ".md", "chunk_max_tokens": "200", "chunk_overlap_tokens": "50"})
	write(t, d, opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("notes"), Payload: opencdc.Change{After: opencdc.RawData("text")}})
	files := e.Snapshot().Store(e.store).Files
	is.Equal(len(files), 1)
	is.Equal(files[0].Filename, "notes.md")
	is.Equal(files[0].MaxTokens, 200)
	is.Equal(files[0].Overlap, 50)
}

func TestWaitingForTheAttachAloneAcknowledgesBeforeIndexing(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{StickIndexing: func(openaitest.FileInfo) bool { return true }})
	d := open(t, e, config.Config{"wait_for": "attached"})
	write(t, d, opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("k"), Payload: opencdc.Change{After: opencdc.RawData("text")}})
	is.Equal(e.documents()["k"].status, "in_progress")
}

func TestFilesOfTheEarlierConnectorAreAdopted(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	old := e.AddFile(openaitest.NewFile{Name: "guide.md", Content: []byte("old")})
	e.AddStoreFile(e.store, old, nil)
	d := open(t, e, nil)
	write(t, d, opencdc.Record{Operation: opencdc.OperationUpdate, Key: opencdc.RawData("guide.md"), Payload: opencdc.Change{After: opencdc.RawData("new")}})
	is.Equal(contents(e), map[string]string{"guide.md": "new"})
	is.Equal(len(e.Snapshot().Files), 1)
}

// open opens a destination as the SDK does for a built-in plugin, without the
// wrapped stream.
func open(t *testing.T, e *emulator, settings config.Config) sdk.Destination {
	t.Helper()
	is := is.New(t)
	cfg := e.settings()
	maps.Copy(cfg, settings)
	d := openaivs.NewDestination()
	is.NoErr(configure(t, d, cfg))
	ctx, cancel := context.WithCancel(t.Context())
	is.NoErr(d.Open(ctx))
	cancel() // nothing may hold on to the context of Open
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		is.NoErr(d.Teardown(ctx))
	})
	return d
}

func write(t *testing.T, d sdk.Destination, recs ...opencdc.Record) {
	t.Helper()
	is := is.New(t)
	n, err := d.Write(t.Context(), recs)
	is.NoErr(err)
	is.Equal(n, len(recs))
}

// row is a row of a table as the PostgreSQL source sends it, decoded.
func row(table string, id int64, columns ...any) opencdc.Record {
	after := opencdc.StructuredData{"id": id}
	for i := 0; i+1 < len(columns); i += 2 {
		after[columns[i].(string)] = columns[i+1]
	}
	return opencdc.Record{
		Operation: opencdc.OperationCreate,
		Metadata:  opencdc.Metadata{opencdc.MetadataCollection: table},
		Key:       opencdc.StructuredData{"id": id},
		Payload:   opencdc.Change{After: after},
	}
}

// move is the update that gives a row another key, with the text "text" or another.
func move(from, to int64, text ...string) opencdc.Record {
	rec := row("docs", to, "body", append(text, "text")[0])
	rec.Operation = opencdc.OperationUpdate
	rec.Payload.Before = opencdc.StructuredData{"id": from}
	return rec
}

func gone(id int64) opencdc.Record {
	rec := row("docs", id)
	rec.Operation = opencdc.OperationDelete
	return rec
}

func contents(e *emulator) map[string]string {
	all := make(map[string]string)
	for key, d := range e.documents() {
		all[key] = d.content
	}
	return all
}
