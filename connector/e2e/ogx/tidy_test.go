//go:build ogx

package ogx_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/matryer/is"
)

func TestSweepRemovesAnOlderVersionThatCameLate(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	older := w.storeFiles()[0].Attributes
	second := withContent(first, "How to travel by ship")
	w.put(second)
	// The attach of the older version lands once more.
	id := w.upload(key, first.Content)
	w.request(http.MethodPost, "/vector_stores/"+w.Store+"/files", map[string]any{"file_id": id, "attributes": older}, nil)
	is := is.New(t)
	is.Equal(len(w.storeFiles()), 2)
	w.must(call{Do: "sweep"})
	is.Equal(w.must(call{Do: "get", Document: first}).Found[0].Size, int64(len(second.Content)))
	w.holds(second)
}

func TestSweepKeepsFilesThatWereNotPutByKey(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	w.stranger(key) // it is seconds old, and its attach could be under way
	w.stranger("other-client.md")
	is.New(t).Equal(w.must(call{Do: "sweep"}).Removed, 0)
	w.holds(first)
}

func TestListAnswersWithAYoungFileOfAnotherClient(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	w.stranger("other-client.md")
	w.lists(first)
	w.holds(first)
}

// OGX refuses a listing while one of its files is being detached.
func TestListAnswersDuringRemovals(t *testing.T) {
	w := newOGXStore(t)
	p := newProcess(t, w.settings)
	var docs []document
	var deletions []change
	for i := range 5 {
		docs = append(docs, numbered(i))
		deletions = append(deletions, change{"delete", docs[i]})
	}
	p.create(docs...)
	over := make(chan error, 1)
	go func() {
		_, err := p.try(call{Do: "apply", Changes: deletions})
		over <- err
	}()
	reader := newProcess(t, w.settings)
	is := is.New(t)
	for {
		is.Equal(reader.do(call{Do: "list"}).Err, "")
		select {
		case err := <-over:
			is.NoErr(err)
			w.holds()
			return
		default:
		}
	}
}

// Two attaches of one File at the same time break a store of OGX: a detach then leaves an
// entry that can be neither listed nor removed. No request shows an attach under way.
func TestALostReplyOfAnAttachLeavesTheStoreWhole(t *testing.T) {
	w := newOGXStore(t)
	w.twice = true // the client may upload the text again
	began := time.Now()
	var lost atomic.Bool
	w.through(func(_ http.ResponseWriter, r *http.Request) bool {
		if isAttach(r) && lost.CompareAndSwap(false, true) {
			during.forward(r)
			panic(http.ErrAbortHandler)
		}
		return false
	})
	w.put(first)
	second := withContent(first, "How to travel by ship")
	w.put(second)
	w.must(call{Do: "sweep"})
	w.removeLeftovers(began, []string{key})
	w.lists(second)
	w.holds(second)
}

func TestALeftoverIsListedAndRemovedOnlyWhenVouchedFor(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	id := w.upload(key, first.Content)
	is := is.New(t)
	is.Equal(w.must(call{Do: "leftovers"}).Orphans, []orphan{{id, key, nameOnly}})

	list := call{Do: "leftovers", Vouched: []string{key}, Since: time.Now().Add(-time.Hour)}
	vouched := w.must(list).Orphans
	is.Equal(len(vouched), 1)
	is.Equal(vouched[0].FileID, id)
	is.True(vouched[0].Evidence != nameOnly)
	list.Do, list.Files = "remove", vouched
	is.Equal(w.must(list).Removed, 1)
	w.holds(first)
}

func TestAServerThatLosesAttributesIsRefusedAndNothingIsLeft(t *testing.T) {
	w := newOGXStore(t)
	w.through(func(_ http.ResponseWriter, r *http.Request) bool {
		if isAttach(r) {
			dropAttributes(r)
		}
		return false
	})
	for range 3 { // to each new process the key is new
		a := w.once(call{Do: "put", Document: first})[0]
		is.New(t).True(a.Err != "")
	}
	w.holds()
}

// dropAttributes removes the attributes from a request to attach.
func dropAttributes(r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return
	}
	delete(body, "attributes")
	text, err := json.Marshal(body)
	if err != nil {
		return
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
}

func TestJSONThatTheServerCannotReadIsAnErrorThatLeavesNothing(t *testing.T) {
	w := newOGXStore(t)
	var uploads atomic.Int32
	w.through(func(_ http.ResponseWriter, r *http.Request) bool {
		if isUpload(r) {
			uploads.Add(1)
		}
		return false
	})
	a := w.once(call{Do: "put", Document: document{Key: `{"id":7}`, Content: `{"name":"seven"}`}})[0]
	is := is.New(t)
	is.Equal(a.Kind, kindIndexing)
	is.True(strings.Contains(a.Err, "'application/json' is not supported"))
	is.Equal(uploads.Load(), int32(1)) // under any code this reason is final
	w.holds()
}

func TestJSONIsIndexedUnderAnExtensionThatTheServerReads(t *testing.T) {
	w := newOGXStore(t)
	w.Extension = ".md"
	d := document{Key: `{"id":7}`, Content: `{"name":"seven"}`}
	is.New(t).Equal(w.must(call{Do: "put", Document: d}).Outcome, "created")
	w.holds(d)
}
