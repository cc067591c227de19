//go:build ogx

package ogx_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matryer/is"
)

func numbered(i int) document {
	return document{Key: fmt.Sprintf("doc-%02d.md", i), Content: fmt.Sprintf("text of number%d", i), Attributes: map[string]any{"id": fmt.Sprint("doc ", i)}}
}

func TestApplyMakes100ChangesInOneCall(t *testing.T) {
	w := newOGXStore(t)
	var there []document
	for i := range 80 {
		there = append(there, numbered(i))
	}
	newProcess(t, w.settings).create(there...)

	var changes []change
	var want []string
	var docs []document
	for i := range 100 {
		d, do, outcome := numbered(i), "put", "created"
		switch {
		case i < 40:
			outcome = "unchanged"
		case i < 60:
			d.Content += ", changed"
			outcome = "replaced"
		case i < 70:
			d.Attributes = map[string]any{"id": fmt.Sprint("other ", i), "more": true}
			outcome = "attributes updated"
			w.stale[d.Key] = true
		case i < 80:
			do, outcome = "delete", "deleted"
		}
		changes, want = append(changes, change{do, d}), append(want, outcome)
		if do == "put" {
			docs = append(docs, d)
		}
	}
	for i, outcome := range w.must(call{Do: "apply", Changes: changes}).Outcomes {
		if outcome != want[i] {
			t.Errorf("document %d: %s, want %s", i, outcome, want[i])
		}
	}
	w.lists(docs...)
	w.lost = 4
	w.holds(docs...)
}

// Without batches that carry attributes, the client attaches files singly and at the same
// time. The alternative is a loop of uploads and attaches, each of which waits until the
// document is indexed.
func TestTwentyDocumentsTakeLessThanHalfOfALoop(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(http.ResponseWriter, *http.Request) bool
	}{
		{"when a batch attaches nothing", nil},
		{"when there are no batches", noBatches},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newOGXStore(t)
			began := time.Now()
			for i := range 20 {
				id := w.upload(fmt.Sprintf("loop-%d.md", i), numbered(i).Content)
				w.request(http.MethodPost, "/vector_stores/"+w.Store+"/files", map[string]any{"file_id": id}, nil)
			}
			loop := time.Since(began)

			w = newOGXStore(t)
			var batches atomic.Int32
			w.through(func(rw http.ResponseWriter, r *http.Request) bool {
				if isBatch(r) && r.Method == http.MethodPost {
					batches.Add(1)
				}
				return tt.before != nil && tt.before(rw, r)
			})
			p := newProcess(t, w.settings)
			var docs []document
			for i := range 40 {
				docs = append(docs, numbered(i))
			}
			is := is.New(t)
			p.create(docs[:20]...) // the client learns it
			tried := batches.Load()
			is.True(tried > 0)
			began = time.Now()
			p.create(docs[20:]...)
			took := time.Since(began)
			p.end()
			t.Logf("20 documents: %.1f s; a loop: %.1f s", took.Seconds(), loop.Seconds())
			is.True(took < loop/2)
			is.Equal(batches.Load(), tried) // the client remembers
		})
	}
}

// create puts new documents together.
func (p *process) create(docs ...document) {
	p.Helper()
	var changes []change
	for _, d := range docs {
		changes = append(changes, change{"put", d})
	}
	for i, outcome := range p.do(call{Do: "apply", Changes: changes}).Outcomes {
		if outcome != "created" {
			p.Fatalf("document %d: %s", i, outcome)
		}
	}
}

// noBatches answers requests for batches like a server without them.
func noBatches(rw http.ResponseWriter, r *http.Request) bool {
	if isBatch(r) {
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusNotFound)
		rw.Write([]byte(`{"detail":"Not Found"}`))
		return true
	}
	return false
}
