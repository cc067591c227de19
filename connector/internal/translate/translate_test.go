package translate_test

import (
	"context"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-commons/schema"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"
)

type fields = opencdc.StructuredData

// translator returns a translator, and its warnings.
func translator(t *testing.T, cfg translate.Config) (*translate.Translator, *[]string) {
	t.Helper()
	warned := new([]string)
	cfg.MaxAttributes, cfg.MaxBytes, cfg.Extensions = 13, 1<<20, []string{".md", ".txt"}
	cfg.Warn = func(err error) { *warned = append(*warned, err.Error()) }
	cfg.Schema = func(context.Context, string, int) (schema.Schema, error) {
		return schema.Schema{}, errors.New("no schema")
	}
	tr, err := translate.New(cfg)
	is.New(t).NoErr(err)
	return tr, warned
}

func TestAWholeRowIsReadableText(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    any
		want string // as JSON
	}{
		{"markup", "<p>Q&A: 3 > 2</p>", `"<p>Q&A: 3 > 2</p>"`},
		{"a decimal", big.NewRat(1999, 100), "19.99"},
		{"a whole decimal", big.NewRat(20, 1), "20"},
		{"a number of 32 bits", float32(0.1), "0.1"},
		{"a fraction that no decimal is", big.NewRat(1, 3), "0.33333333333333333333"},
		{"jsonb", []byte(`{"lang": "en", "n": 9007199254740993}`), `{"lang":"en","n":9007199254740993}`},
		{"jsonb as base64, as it comes without a schema", "eyJsYW5nIjogImVuIn0=", `{"lang":"en"}`},
		{"text in bytes", []byte("plain"), `"plain"`},
		{"bytes", []byte("\xde\xad\xbe\xef"), `"3q2+7w=="`},
		{"not a number", math.NaN(), `"NaN"`},
		{"infinity", math.Inf(-1), `"-Infinity"`},
		{"positive infinity", math.Inf(1), `"Infinity"`},
		{"a time", time.Date(2024, 3, 1, 12, 0, 0, 123456000, time.FixedZone("", 7200)), `"2024-03-01T12:00:00.123456+02:00"`},
		{"a time beyond the year 9999", time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), `"12000-01-01T00:00:00Z"`},
		{"a time before Christ", []any{time.Date(-43, 3, 15, 0, 0, 0, 0, time.UTC)}, `["-0043-03-15T00:00:00Z"]`},
		{"a time of day", 13*time.Hour + 30*time.Minute + 500*time.Millisecond, `"13:30:00.5"`},
		{"null", nil, "null"},
		{"a list of decimals", []any{big.NewRat(1, 2), "x"}, `[0.5,"x"]`},
		{"an object in an object", map[string]any{"price": big.NewRat(5, 2), "a": map[string]any{"b": []byte("{}")}}, `{"a":{"b":{}},"price":2.5}`},
		{"text that looks like the base64 of JSON", "Work", `"Work"`},
		{"text that holds JSON", `{"a":1}`, `"{\"a\":1}"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			tr, _ := translator(t, translate.Config{})
			s, err := tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("k"), Payload: opencdc.Change{After: fields{"v": tt.v}}})
			is.NoErr(err)
			is.Equal(string(s.Content), `{"v":`+tt.want+`}`)
		})
	}
}

func TestAFieldIsTheDocument(t *testing.T) {
	for _, tt := range []struct {
		name, field string
		after       opencdc.Data
		want        string
	}{
		{"text", "body", fields{"body": "text"}, "text"},
		{"a field of jsonb", "meta.text", fields{"meta": []byte(`{"lang":"en","text":"all about apples"}`)}, "all about apples"},
		{"a field of jsonb in base64", "meta.text", fields{"meta": "eyJ0ZXh0IjoiYXBwbGVzIn0="}, "apples"},
		{"a field of JSON in text", "meta.text", fields{"meta": `{"text":"apples"}`}, "apples"},
		{"a field in a field of jsonb", "meta.a.b", fields{"meta": []byte(`{"a":{"b":"deep"}}`)}, "deep"},
		{"a name with a dot goes first", "meta.text", fields{"meta.text": "flat", "meta": map[string]any{"text": "nested"}}, "flat"},
		{"a field of JSON behind a byte order mark", "body", opencdc.RawData("\uFEFF{\"body\":\"text\"}"), "text"},
		{"a decimal", "price", fields{"price": big.NewRat(1999, 100)}, "19.99"},
		{"jsonb as it is", "meta", fields{"meta": []byte(`{"a": 1}`)}, `{"a": 1}`},
		{"an object", "meta", fields{"meta": map[string]any{"html": "<b>"}}, `{"html":"<b>"}`},
		{"a number", "n", fields{"n": 1.5}, "1.5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			tr, _ := translator(t, translate.Config{ContentField: tt.field})
			s, err := tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("k"), Payload: opencdc.Change{After: tt.after}})
			is.NoErr(err)
			is.Equal(string(s.Content), tt.want)
		})
	}
}

func TestANullOnTheWayToTheFieldMeansUnchangedAndAMissingOneDoesNot(t *testing.T) {
	is := is.New(t)
	tr, _ := translator(t, translate.Config{ContentField: "meta.text"})
	update := func(after fields) (translate.Step, error) {
		return tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationUpdate, Key: opencdc.RawData("k"), Payload: opencdc.Change{After: after}})
	}
	s, err := update(fields{"meta": nil})
	is.NoErr(err)
	is.Equal(s.Op, translate.Update)
	_, err = update(fields{"meta": map[string]any{"lang": "en"}})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), `"meta.text" (content_field)`))

	// The row before shows that the text was there. It is not: the JSON has changed.
	update = func(after fields) (translate.Step, error) {
		before := fields{"meta": map[string]any{"text": "old"}}
		return tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationUpdate, Key: opencdc.RawData("k"), Payload: opencdc.Change{Before: before, After: after}})
	}
	_, err = update(fields{"meta": map[string]any{"lang": "en"}})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), `"meta.text" (content_field)`))
	s, err = update(fields{"n": 1}) // some sources leave out a column that has not changed
	is.NoErr(err)
	is.Equal(string(s.Content), "old")
}

func TestAttributesHaveTheTypeAskedFor(t *testing.T) {
	const ns = "1714555800000000000"
	at := time.Date(2024, 5, 1, 9, 30, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		source string
		v      any // the value of the field v
		want   any
	}{
		{"a time in RFC 3339", "payload:v as number", "2024-05-01T09:30:00Z", 1714555800.0},
		{"a date", "payload:v as number", "2024-05-01", 1714521600.0},
		{"PostgreSQL's time with a zone", "payload:v as number", "2024-05-01 11:30:00.25+02", 1714555800.0},
		{"PostgreSQL's time without one", "payload:v as number", "2024-05-01 09:30:00", 1714555800.0},
		{"Go's time", "payload:v as number", at.String(), 1714555800.0},
		{"a time", "payload:v as number", at, 1714555800.0},
		{"seconds", "payload:v as number", 1714555800, 1714555800.0},
		{"seconds in text", "payload:v as number", "1714555800", 1714555800.0},
		{"OpenCDC's nanoseconds", "metadata:opencdc.createdAt as number", nil, 1714555800.0},
		{"OpenCDC's nanoseconds as they are", "metadata:opencdc.createdAt", nil, ns},
		{"a decimal as field.convert writes it", "payload:v as number", "1999/100", 19.99},
		{"a decimal", "payload:v", big.NewRat(1999, 100), 19.99},
		{"a decimal as text", "payload:v as string", big.NewRat(1999, 100), "19.99"},
		{"a list", "payload:v", []any{"hr", "eu"}, `["hr","eu"]`},
		{"a bool", "payload:v", true, true},
		{"a bool in text", "payload:v", "true", "true"},
		{"digits in text", "payload:v", "0012", "0012"},
		{"an integer that a number cannot hold", "payload:v", int64(9007199254740993), "9007199254740993"},
		{"jsonb", "payload:v", []byte(`{"lang":"en"}`), `{"lang":"en"}`},
		{"a field of jsonb", "payload:v.lang", []byte(`{"lang":"en"}`), "en"},
		{"a space before the field", "payload: v", "x", "x"},
		{"null", "payload:v", nil, nil},
		{"not a number", "payload:v as number", math.NaN(), nil},
		{"not a number, in text", "payload:v as number", "NaN", nil},
		{"infinity in text", "payload:v as number", "-Infinity", nil},
		{"infinity without a type", "payload:v", math.Inf(1), "Infinity"},
		{"a time of day", "payload:v", 90 * time.Minute, "01:30:00"},
		{"a time of day as number", "payload:v as number", 90 * time.Minute, 5400.0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			tr, warned := translator(t, translate.Config{Attributes: map[string]string{"a": tt.source}})
			s, err := tr.Translate(t.Context(), opencdc.Record{
				Operation: opencdc.OperationCreate, Metadata: opencdc.Metadata{opencdc.MetadataCreatedAt: ns},
				Key: opencdc.RawData("k"), Payload: opencdc.Change{After: fields{"v": tt.v, "body": "text"}},
			})
			is.NoErr(err)
			is.Equal(s.Attributes["a"], tt.want)
			is.Equal(len(*warned), 0)
		})
	}
}

func TestAnAttributeWhoseFieldIsMissingWarnsWithOneText(t *testing.T) {
	is := is.New(t)
	tr, warned := translator(t, translate.Config{ContentField: "body", Attributes: map[string]string{
		"b": "payload:.Payload.After.title", "c": "payload:Title", "d": "payload:title",
	}})
	for range 2 {
		s, err := tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationCreate, Key: fields{"id": 1}, Payload: opencdc.Change{After: fields{"id": 1, "title": "t", "body": "A"}}})
		is.NoErr(err)
		is.Equal(s.Attributes, map[string]any{"d": "t"})
	}
	is.Equal(len(*warned), 4) // the destination gives each text once
	is.Equal((*warned)[:2], (*warned)[2:])
	is.True(strings.Contains((*warned)[0], "without .Payload.After"))
	is.True(strings.Contains((*warned)[1], `attributes.c: a record has no field "Title"`))
}

func TestCollectionsThatShareAnOwnerCauseAWarning(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  translate.Config
		told int
	}{
		{"one owner", translate.Config{Owner: "shop"}, 1},
		{"one owner and the collection in the key", translate.Config{Owner: "shop", CollectionInKey: true}, 0},
		{"each its own", translate.Config{}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			tr, warned := translator(t, tt.cfg)
			for _, collection := range []string{"docs", "docs", "posts"} {
				s, err := tr.Translate(t.Context(), opencdc.Record{
					Operation: opencdc.OperationCreate, Metadata: opencdc.Metadata{opencdc.MetadataCollection: collection},
					Key: opencdc.RawData("k"), Payload: opencdc.Change{After: opencdc.RawData("text")},
				})
				is.NoErr(err)
				if tt.cfg.Owner != "" {
					collection = tt.cfg.Owner
				}
				is.Equal(s.Attributes, map[string]any{"collection": collection})
			}
			is.Equal(len(*warned), tt.told)
		})
	}
}

func TestAnUnchangedLargeAttributeIsTakenFromTheRowBefore(t *testing.T) {
	is := is.New(t)
	tr, _ := translator(t, translate.Config{ContentField: "body", Attributes: map[string]string{"a": "payload:a", "b": "payload:b"}})
	long := strings.Repeat("x", 600)
	s, err := tr.Translate(t.Context(), opencdc.Record{
		Operation: opencdc.OperationUpdate, Key: fields{"id": 1},
		Payload: opencdc.Change{Before: fields{"id": 1, "a": long, "b": "short", "body": "t"}, After: fields{"id": 1, "a": nil, "b": nil, "body": "t"}},
	})
	is.NoErr(err)
	is.Equal(s.Attributes, map[string]any{"a": long[:256]}) // the short one has become null
}

func TestAnErrorNamesTheKeyAndItsCauseDoesNot(t *testing.T) {
	is := is.New(t)
	tr, _ := translator(t, translate.Config{ContentField: "body"})
	_, err := tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("secret"), Payload: opencdc.Change{After: fields{"text": "x"}}})
	e, ok := errors.AsType[*translate.Error](err)
	is.True(ok)
	is.True(strings.Contains(e.Error(), "secret"))
	is.True(!strings.Contains(e.Err.Error(), "secret"))
	_, err = tr.Translate(t.Context(), opencdc.Record{Position: opencdc.Position("at 57"), Operation: opencdc.OperationCreate})
	is.True(strings.Contains(err.Error(), `position "at 57"`))
}

func TestValuesThatTheSourceHasLeftOutCauseAWarning(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cfg    translate.Config
		before opencdc.Data
		after  fields
		want   string // part of the only warning; "": there is none
	}{
		{"a whole row with a null and without the row before", translate.Config{}, nil, fields{"id": 1, "body": nil}, "REPLICA IDENTITY FULL"},
		{"a whole row with a null and the row before", translate.Config{}, fields{"id": 1, "body": nil, "n": 7}, fields{"id": 1, "body": nil, "n": 8}, ""},
		{"a whole row without a null", translate.Config{}, nil, fields{"id": 1, "body": "text"}, ""},
		{
			"an attribute that Debezium has left out",
			translate.Config{ContentField: "body", Attributes: map[string]string{"note": "payload:note"}},
			nil,
			fields{"id": 1, "body": "text", "note": "__debezium_unavailable_value"},
			"attributes.note",
		},
		{
			"an attribute that is in the row before",
			translate.Config{ContentField: "body", Attributes: map[string]string{"note": "payload:note"}},
			fields{"id": 1, "note": "n"},
			fields{"id": 1, "body": "text", "note": "__debezium_unavailable_value"},
			"",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			tr, warned := translator(t, tt.cfg)
			_, err := tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationUpdate, Key: fields{"id": 1}, Payload: opencdc.Change{Before: tt.before, After: tt.after}})
			is.NoErr(err)
			if tt.want == "" {
				is.Equal(*warned, nil)
				return
			}
			is.Equal(len(*warned), 1)
			is.True(strings.Contains((*warned)[0], tt.want))
		})
	}
}

func TestAnErrorOfAnAttributeHoldsNoValue(t *testing.T) {
	is := is.New(t)
	for _, v := range []any{"4111 1111", int64(9007199254740993), "9007199254740993"} {
		tr, _ := translator(t, translate.Config{Attributes: map[string]string{"a": "payload:v as number"}})
		_, err := tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("k"), Payload: opencdc.Change{After: fields{"v": v}}})
		is.True(err != nil)
		is.True(!strings.Contains(err.Error(), "1111") && !strings.Contains(err.Error(), "9007199254740993"))
	}
}

// panics is a format that panics, as those of the SDK do on some values.
type panics struct{ on string }

func (p panics) Serialize(rec opencdc.Record) ([]byte, error) {
	if _, ok := rec.Payload.After.(fields)[p.on].(string); ok {
		return []byte("written"), nil
	}
	panic("secret")
}

// quotes is a format whose error is that of a template.
type quotes string

func (q quotes) Serialize(opencdc.Record) ([]byte, error) { return nil, errors.New(string(q)) }

func TestAnErrorOfATemplateHoldsNoValue(t *testing.T) {
	for _, text := range []string{
		`template: :1:3: executing "" at <fail .Payload.After.body>: error calling fail: secret`,
		`template: :1:3: executing "" at <.Payload.After.body>: range can't iterate over secret`,
	} {
		is := is.New(t)
		tr, _ := translator(t, translate.Config{Format: quotes(text)})
		_, err := tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("k"), Payload: opencdc.Change{After: fields{"body": "x"}}})
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), ".Payload.After.body>: "))
		is.True(!strings.Contains(err.Error(), "secret"))
	}
}

func TestAValueOnWhichALibraryPanicsRefusesItsRecordAlone(t *testing.T) {
	is := is.New(t)
	tr, _ := translator(t, translate.Config{Format: panics{"text"}})
	record := func(after fields) opencdc.Record {
		return opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("k"), Payload: opencdc.Change{After: after}}
	}
	_, err := tr.Translate(t.Context(), record(fields{"text": 1}))
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), `key "k": sdk.record.format cannot be applied`))
	is.True(!strings.Contains(err.Error(), "secret"))

	tr.Schema = func(context.Context, string, int) (schema.Schema, error) { panic(errors.New("secret")) }
	rec := record(nil)
	rec.Payload.After = opencdc.RawData("\x02")
	rec.Metadata = opencdc.Metadata{opencdc.MetadataPayloadSchemaSubject: "s", opencdc.MetadataPayloadSchemaVersion: "1"}
	_, err = tr.Translate(t.Context(), rec)
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), `key "k": the record has a value that a library cannot read`))
	is.True(!strings.Contains(err.Error(), "secret"))
}

// A processor's template writes "<no value>" for a null. The null may be a large text that has
// not changed, or the name that rows share.
func TestTextThatAProcessorHasWrittenForANullIsRefused(t *testing.T) {
	const noValue = "<no value>"
	for _, tt := range []struct {
		name       string
		field      string
		key, after opencdc.Data
		says       string
	}{
		{"a key", "", opencdc.RawData(noValue), opencdc.RawData("text"), "the key"},
		{"a part of a key", "", opencdc.RawData("guides/" + noValue + ".md"), opencdc.RawData("text"), "the key"},
		{"a field of a key", "", fields{"slug": noValue}, opencdc.RawData("text"), "the key"},
		{"the payload", "", opencdc.RawData("k"), opencdc.RawData(noValue + "\n"), "the content"},
		{"the field of the document", "body", opencdc.RawData("k"), fields{"body": noValue}, "the content"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			tr, _ := translator(t, translate.Config{ContentField: tt.field})
			_, err := tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationUpdate, Key: tt.key, Payload: opencdc.Change{After: tt.after}})
			is.True(err != nil)
			is.True(strings.Contains(err.Error(), tt.says+` `) && strings.Contains(err.Error(), noValue))
		})
	}
	is := is.New(t)
	tr, warned := translator(t, translate.Config{Attributes: map[string]string{"lang": "payload:lang"}})
	s, err := tr.Translate(t.Context(), opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.RawData("k"), Payload: opencdc.Change{After: fields{"body": "Go prints " + noValue, "lang": noValue}}})
	is.NoErr(err) // prose may have the words
	is.Equal(len(*warned), 1)
	_, there := s.Attributes["lang"]
	is.True(!there) // as for a null
}

func TestALargeListThatHasNotChangedIsTakenFromTheRowBefore(t *testing.T) {
	const placeholder = "__debezium_unavailable_value"
	tags := make([]any, 100)
	for i := range tags {
		tags[i] = "a tag"
	}
	list := `["a tag"` + strings.Repeat(`,"a tag"`, 99) + `]`
	for _, tt := range []struct {
		name          string
		before, after any
		want          string // as JSON
	}{
		{"PostgreSQL's null", tags, nil, list},
		{"Debezium's placeholder in a list", tags, []any{placeholder}, list},
		{"Debezium's placeholder in an hstore", map[string]any{"a": "b"}, map[string]any{placeholder: placeholder}, `{"a":"b"}`},
		{"a short list that became null", []any{"a"}, nil, "null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			rec := opencdc.Record{Operation: opencdc.OperationUpdate, Key: fields{"id": 1}, Payload: opencdc.Change{
				Before: fields{"id": 1, "v": tt.before}, After: fields{"id": 1, "v": tt.after},
			}}
			tr, _ := translator(t, translate.Config{})
			s, err := tr.Translate(t.Context(), rec)
			is.NoErr(err)
			is.Equal(string(s.Content), `{"id":1,"v":`+tt.want+`}`)
			if tt.want == "null" {
				return
			}
			tr, _ = translator(t, translate.Config{ContentField: "v", Attributes: map[string]string{"a": "payload:v"}})
			s, err = tr.Translate(t.Context(), rec)
			is.NoErr(err)
			is.Equal(string(s.Content), tt.want)
			is.Equal(s.Attributes["a"], tt.want[:min(len(tt.want), 256)])
			rec.Payload.Before = nil
			s, err = tr.Translate(t.Context(), rec)
			is.NoErr(err)
			is.Equal(s.Op, translate.Update) // the stored content stays
			is.Equal(s.Attributes["a"], nil)
		})
	}
}
