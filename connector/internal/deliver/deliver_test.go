package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-commons/schema"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/deliver"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// store keeps documents in memory, and counts the calls of Apply.
type store struct {
	docs  map[string]bool
	calls int
	fail  map[string]error // of a key
}

func (s *store) Apply(_ context.Context, changes []vsclient.Change, _ func(int, vsclient.Result)) []vsclient.Result {
	s.calls++
	results := make([]vsclient.Result, len(changes))
	for i, c := range changes {
		key := c.Key()
		results[i].Key = key
		switch err := s.fail[key]; {
		case err != nil && !strings.HasPrefix(c.String(), "delete"):
			results[i].Err = err
		case strings.HasPrefix(c.String(), "delete"):
			results[i].Outcome = vsclient.Deleted
			delete(s.docs, key)
		case s.docs[key]:
			results[i].Outcome = vsclient.Replaced
		default:
			results[i].Outcome = vsclient.Created
			s.docs[key] = true
		}
	}
	return results
}

func (s *store) Get(_ context.Context, key string) (vsclient.Info, error) {
	if !s.docs[key] {
		return vsclient.Info{}, vsclient.ErrNotFound
	}
	return vsclient.Info{Key: key}, nil
}

func newDeliverer(t *testing.T, s *store) *deliver.Deliverer {
	t.Helper()
	tr, err := translate.New(translate.Config{
		ContentField: "body", MaxAttributes: 13, MaxBytes: 1 << 20, Warn: func(error) {},
		Schema: func(context.Context, string, int) (schema.Schema, error) { panic("no schema is attached") },
	})
	is.New(t).NoErr(err)
	return deliver.New(s, tr.Translate, vsclient.Chunking{}, func(error) {})
}

func row(id int, body any) opencdc.StructuredData {
	return opencdc.StructuredData{"id": id, "body": body}
}

func move(from, to int, body string) opencdc.Record {
	return opencdc.Record{
		Operation: opencdc.OperationUpdate, Key: opencdc.StructuredData{"id": to},
		Payload: opencdc.Change{Before: row(from, body), After: row(to, body)},
	}
}

func key(id int) string { return fmt.Sprintf(`{"id":%d}`, id) }

func TestAShiftOfManyKeysTakesTwoCalls(t *testing.T) {
	for _, down := range []bool{false, true} {
		t.Run(fmt.Sprintf("the highest first: %v", down), func(t *testing.T) {
			is := is.New(t)
			s := &store{docs: make(map[string]bool)}
			recs := make([]opencdc.Record, 500)
			for i := range recs {
				s.docs[key(i)] = true
				recs[i] = move(i, i+1, fmt.Sprint("row ", i))
				if down {
					recs[i] = move(499-i, 500-i, fmt.Sprint("row ", 499-i))
				}
			}
			r := newDeliverer(t, s).Write(t.Context(), recs, nil)
			for _, err := range r.Verdicts {
				is.NoErr(err)
			}
			is.Equal(len(s.docs), 500)
			is.True(!s.docs[key(0)])
			is.Equal(s.calls, 2) // the documents, then the one key that is free
		})
	}
}

func TestAMoveOntoAKeyThatIsRefusedDoesNotTakeItOver(t *testing.T) {
	is := is.New(t)
	s := &store{docs: map[string]bool{key(1): true, key(2): true}, fail: map[string]error{
		key(2): &vsclient.Error{Op: "put", Class: vsclient.BadDocument, Kind: vsclient.ErrIndexing},
	}}
	r := newDeliverer(t, s).Write(t.Context(), []opencdc.Record{move(1, 2, "one"), move(2, 3, "two")}, nil)
	is.True(r.Verdicts[0] != nil)
	is.NoErr(r.Verdicts[1])
	is.Equal(s.docs, map[string]bool{key(1): true, key(3): true}) // the second row has left its key
}

// A redelivered creation makes the row the holder of its key.
func TestARowIsTheSameOnceItsNumbersHaveMoreDigits(t *testing.T) {
	is := is.New(t)
	s := &store{docs: make(map[string]bool)}
	priced := func(price any) opencdc.StructuredData {
		return opencdc.StructuredData{"id": 1, "body": "text", "price": price}
	}
	created := opencdc.Record{Operation: opencdc.OperationCreate, Key: opencdc.StructuredData{"id": 1}, Payload: opencdc.Change{After: priced("7")}}
	deleted := opencdc.Record{Operation: opencdc.OperationDelete, Key: created.Key, Payload: opencdc.Change{Before: priced("7.00")}}
	d := newDeliverer(t, s)
	d.Write(t.Context(), []opencdc.Record{created, created}, nil)
	d.Write(t.Context(), []opencdc.Record{deleted}, nil)
	is.Equal(len(s.docs), 0)
}

// A later removal is taken at its word.
func TestATakeoverIsForgottenAfterTenThousandRecords(t *testing.T) {
	is := is.New(t)
	s := &store{docs: make(map[string]bool)}
	d := newDeliverer(t, s)
	var recs []opencdc.Record
	for i := range 10_001 {
		recs = append(recs, move(1_000_000+i, i, "new"))
	}
	d.Write(t.Context(), recs, nil)
	gone := func(id int) opencdc.Record {
		return opencdc.Record{Operation: opencdc.OperationDelete, Key: opencdc.StructuredData{"id": id}, Payload: opencdc.Change{Before: row(id, "old")}}
	}
	d.Write(t.Context(), []opencdc.Record{gone(0), gone(5), gone(10_000)}, nil)
	is.True(!s.docs[key(0)]) // 10,001 records ago
	is.True(s.docs[key(5)])
	is.True(s.docs[key(10_000)])
}

func TestADocumentThatCannotBeIndexedDoesNotHoldUpOthers(t *testing.T) {
	is := is.New(t)
	s := &store{docs: map[string]bool{key(2): true}, fail: map[string]error{
		key(1): &vsclient.Error{Op: "put", Class: vsclient.Transient, Kind: vsclient.ErrIndexing, Reason: "server_error"},
	}}
	r := newDeliverer(t, s).Write(t.Context(), []opencdc.Record{move(8, 1, "bad"), move(2, 3, "two")}, nil)
	is.True(r.Verdicts[0] != nil)
	is.NoErr(r.Verdicts[1])
	is.Equal(s.docs, map[string]bool{key(3): true})
}

func TestAnErrorOfTheServiceNamesTheKeyOfEachRecord(t *testing.T) {
	is := is.New(t)
	s := &store{docs: map[string]bool{key(2): true}, fail: map[string]error{
		key(1): &vsclient.Error{Op: "put", Key: key(1), Class: vsclient.Transient, Kind: vsclient.ErrTimeout, Tries: 9},
	}}
	r := newDeliverer(t, s).Write(t.Context(), []opencdc.Record{move(8, 1, "new"), move(2, 3, "two")}, nil)
	is.Equal(s.docs, map[string]bool{key(2): true, key(3): true}) // nothing was removed
	for i, k := range []string{key(1), key(2)} {
		e, ok := errors.AsType[*vsclient.Error](r.Verdicts[i])
		is.True(ok)
		is.Equal(e.Key, k)
	}
}

func TestWideRowsAreForgottenSooner(t *testing.T) {
	is := is.New(t)
	s := &store{docs: make(map[string]bool)}
	d := newDeliverer(t, s)
	var recs []opencdc.Record
	for i := range 600 {
		rec := move(1_000_000+i, i, "new")
		for _, data := range []opencdc.Data{rec.Payload.Before, rec.Payload.After} {
			for n := range 998 {
				data.(opencdc.StructuredData)[fmt.Sprint("c", n)] = "v"
			}
		}
		recs = append(recs, rec)
	}
	for _, rec := range recs { // one write each: holders are forgotten between records
		d.Write(t.Context(), []opencdc.Record{rec}, nil)
	}
	gone := func(id int) opencdc.Record {
		return opencdc.Record{Operation: opencdc.OperationDelete, Key: opencdc.StructuredData{"id": id}, Payload: opencdc.Change{Before: row(id, "old")}}
	}
	d.Write(t.Context(), []opencdc.Record{gone(0), gone(599)}, nil)
	is.True(!s.docs[key(0)]) // 600,000 fields ago
	is.True(s.docs[key(599)])
}
