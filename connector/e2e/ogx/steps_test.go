//go:build ogx

package ogx_test

import (
	"strings"
	"testing"

	"github.com/matryer/is"
)

// Each test has a new store, and each process a new client.

// key can be a file name, so that its File has that name.
const key = "travel.md"

var first = document{Key: key, Content: "How to travel by train", Attributes: map[string]any{"id": "one", "n": 3.5, "ok": true}}

func withContent(d document, content string) document {
	d.Content = content
	return d
}

func withAttributes(d document, attributes map[string]any) document {
	d.Attributes = attributes
	return d
}

func TestCheckFindsTheStore(t *testing.T) {
	newOGXStore(t).must(call{Do: "check"})
}

func TestCheckOfAMissingStoreSaysSo(t *testing.T) {
	w := newOGXStore(t)
	is.New(t).Equal(w.missing().once(call{Do: "check"})[0].Kind, kindNoStore)
}

// missing returns an ogxStore that does not exist.
func (w *ogxStore) missing() *ogxStore {
	m := *w
	m.Store = "vs_missing"
	return &m
}

func TestPutOfANewKeyCreates(t *testing.T) {
	w := newOGXStore(t)
	is.New(t).Equal(w.must(call{Do: "put", Document: first}).Outcome, "created")
	w.holds(first)
}

func TestTheSamePutAgainChangesNothing(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	is.New(t).Equal(w.must(call{Do: "put", Document: first}).Outcome, "unchanged")
	w.holds(first)
}

func TestPutOfOtherContentReplaces(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	second := withContent(first, "How to travel by ship")
	is := is.New(t)
	is.Equal(w.must(call{Do: "put", Document: second}).Outcome, "replaced")
	is.True(strings.Contains(w.must(call{Do: "text", Document: second}).Text, "ship"))
	w.holds(second)
}

func TestPutOfOtherAttributesUploadsNothing(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	before := w.storeFiles()[0].ID
	second := withAttributes(first, map[string]any{"id": "two"})
	is := is.New(t)
	is.Equal(w.must(call{Do: "put", Document: second}).Outcome, "attributes updated")
	is.Equal(w.storeFiles()[0].ID, before)
	w.stale[key] = true
	w.holds(second)
}

func TestAttributesAreUpdated(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	second := withAttributes(first, map[string]any{"id": "two"})
	is.New(t).Equal(w.must(call{Do: "update", Document: second}).Outcome, "attributes updated")
	w.holds(second)
}

func TestAttributesOfAnAbsentKeyCannotBeUpdated(t *testing.T) {
	w := newOGXStore(t)
	is.New(t).Equal(w.once(call{Do: "update", Document: first})[0].Kind, kindNotFound)
	w.holds()
}

func TestGetReturnsTheDocument(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	got := w.must(call{Do: "get", Document: first}).Found[0]
	is := is.New(t)
	is.Equal(got.Key, key)
	is.Equal(got.Size, int64(len(first.Content)))
	is.Equal(got.Status, "completed")
	is.Equal(got.Attributes, first.Attributes)
}

func TestGetOfAnAbsentKeyIsNotFound(t *testing.T) {
	is.New(t).Equal(newOGXStore(t).once(call{Do: "get", Document: first})[0].Kind, kindNotFound)
}

func TestGetTakesNoUnattachedFileForTheDocument(t *testing.T) {
	w := newOGXStore(t)
	w.stranger(key)
	is.New(t).Equal(w.once(call{Do: "get", Document: first})[0].Kind, kindNotFound)
	w.holds()
}

func TestPutLeavesAnUnattachedFileOfThatNameAlone(t *testing.T) {
	w := newOGXStore(t)
	w.stranger(key)
	is.New(t).Equal(w.must(call{Do: "put", Document: first}).Outcome, "created")
	w.holds(first)
}

func TestDeleteRemovesTheDocumentAndItsFile(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	is.New(t).Equal(w.must(call{Do: "delete", Document: first}).Outcome, "deleted")
	w.holds()
}

func TestDeleteOfAnAbsentKeySucceeds(t *testing.T) {
	w := newOGXStore(t)
	is.New(t).Equal(w.must(call{Do: "delete", Document: first}).Outcome, "absent")
}

func TestDeleteLeavesAnUnattachedFileOfThatNameAlone(t *testing.T) {
	w := newOGXStore(t)
	w.stranger(key)
	is.New(t).Equal(w.must(call{Do: "delete", Document: first}).Outcome, "absent")
	w.holds()
}

func TestDeleteInAMissingStoreFails(t *testing.T) {
	w := newOGXStore(t)
	is := is.New(t)
	is.Equal(w.missing().once(call{Do: "delete", Document: first})[0].Kind, kindNoStore)
	w.stranger(key)
	is.Equal(w.missing().once(call{Do: "delete", Document: first})[0].Kind, kindNoStore)
	w.holds()
}

func TestTextIsTheDocumentsText(t *testing.T) {
	w := newOGXStore(t)
	w.put(first)
	is.New(t).Equal(strings.TrimSpace(w.must(call{Do: "text", Document: first}).Text), first.Content)
}
