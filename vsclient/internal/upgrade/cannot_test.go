package upgrade_test

import (
	"strings"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
)

// renamed are keys to which the newest client gives a name that the older release does not
// know, with the reason. The newest client knows both names.
var renamed = []struct {
	why string
	doc
}{
	{"an extension in capitals is sent in lower case", doc{key: "REPORT.MD", attrs: worldtest.AttributesOf(2)}},
	{"an extension with one capital is sent in lower case", doc{key: "notes/today.Txt"}},
	{"two dots are taken for a path", doc{key: "v1..v2.md", maxTokens: 200}},
	{"two dots are taken for a path, within a path", doc{key: "docs/../a.md"}},
	{"a slash that is escaped is taken for a path", doc{key: "a%2Fb.md"}},
	{"a character that looks like a slash is taken for a path", doc{key: "a\uFF0Fb.md", attrs: worldtest.AttributesOf(1)}},
}

// TestTheNewestClientFindsADocumentUnderTheNameOfTheOlderRelease has the newest client take
// over documents to which it would give another name.
func TestTheNewestClientFindsADocumentUnderTheNameOfTheOlderRelease(t *testing.T) {
	t.Parallel()
	w := newProject(t, 0)
	asOf := func(turn int) {
		for _, r := range renamed {
			w.docs[r.key] = change(r.doc, turn)
		}
	}
	remove := func(p process) {
		w.each(p, "deleted", doc.remove)
		clear(w.docs)
	}
	asOf(1)
	w.turn(theOlder, 0, func(p process) { w.each(p, "created", doc.put) })
	w.addNamesakes()
	w.turn(theNewest, 0, func(p process) {
		w.reads(p)
		for key, d := range w.docs {
			d.attrs = worldtest.AttributesOf(3)
			w.docs[key] = attributed(d, 2)
		}
		w.each(p, "attributes updated", doc.update)
	})
	w.turn(theOlder, 0, w.reads) // an update leaves the name as it is
	w.turn(theNewest, 0, func(p process) {
		asOf(3)
		w.each(p, "replaced", doc.put)
		w.settles(theNewest)
		w.reads(p)
	})
	w.turn(theNewest, 0, remove)
	asOf(4)
	w.turn(theOlder, 0, func(p process) { w.each(p, "created", doc.put) })
	w.turn(theNewest, 0, func(p process) { w.reads(p); remove(p) })
}

// TestTheOlderReleaseMissesADocumentUnderANewerName shows a fault of the older release: it
// does not find, list or delete a document whose name it would give otherwise, and puts a
// second version beside it. The newest client leaves one of each key, the later.
func TestTheOlderReleaseMissesADocumentUnderANewerName(t *testing.T) {
	for _, r := range renamed {
		t.Run(r.why, func(t *testing.T) {
			t.Parallel()
			w := newProject(t, 0)
			w.docs[r.key] = change(r.doc, 1)
			w.turn(theNewest, 0, func(p process) { w.each(p, "created", doc.put) })
			w.turn(theOlder, 0, func(p process) {
				if a := p.do(t.Context(), command{Do: "list"}); a.Error != "" || len(a.Documents) != 0 {
					t.Errorf("list: %+v", a)
				}
				if a := p.do(t.Context(), command{Do: "get", Key: r.key}); !a.NotFound {
					t.Errorf("get: %+v", a)
				}
				if a := p.do(t.Context(), r.remove()); a.Error != "" {
					t.Errorf("delete: %+v", a)
				}
				if a := p.do(t.Context(), command{Do: "sweep"}); a.Error != "" {
					t.Errorf("sweep: %+v", a)
				}
			}) // the document is as it was
			w.turn(theNewest, 0, w.reads)

			older := theOlder.start(t, w.url, w.store)
			later := change(r.doc, 2)
			if a := older.do(t.Context(), later.put()); a.Outcome != "created" {
				t.Errorf("put: %+v", a)
			}
			if err := older.close(); err != nil {
				t.Fatal(err)
			}
			if wrong := w.wrong(); !strings.Contains(strings.Join(wrong, "\n"), "2 versions of") {
				t.Errorf("after a put of the older release: %q", wrong)
			}
			w.srv.Advance(lag)
			w.docs[r.key] = later
			w.turn(theNewest, 0, func(p process) {
				if a := p.do(t.Context(), command{Do: "get", Key: r.key}); a.Error != "" || a.Documents[0].SHA256 != trail.Digest(later.text) {
					t.Errorf("get: %+v", a)
				}
				w.each(p, "unchanged", doc.put)
			})
			w.turn(theNewest, 0, func(p process) {
				w.reads(p)
				w.each(p, "deleted", doc.remove)
				clear(w.docs)
			})
			w.turn(theOlder, 0, w.reads) // nothing
		})
	}
}

// TestADocumentOfWhichTheOlderReleaseKeepsTheDigestIsTakenOver has both releases change a
// document whose key has no room beside its attributes. The older release writes a digest
// in place of the key, and the newest client refuses so many attributes.
func TestADocumentOfWhichTheOlderReleaseKeepsTheDigestIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newProject(t, 0)
	d := change(doc{key: ofBytes(1024, "long/"), attrs: worldtest.AttributesOf(13)}, 1)
	digest := trail.DigestOf(d.key)
	w.docs[digest] = d
	w.turn(theOlder, 0, func(p process) { w.each(p, "created", doc.put) })
	w.turn(theNewest, 0, func(p process) {
		before := w.writes()
		if a := p.do(t.Context(), command{Do: "get", Key: d.key}); a.Error != "" || a.Documents[0].SHA256 != trail.Digest(d.text) {
			t.Errorf("get: %+v", a)
		}
		a := p.do(t.Context(), command{Do: "list"})
		if a.Error != "" || len(a.Documents) != 1 || a.Documents[0].Key != "" || a.Documents[0].SHA256 != trail.Digest(d.text) {
			t.Errorf("list: %+v", a)
		}
		if a := p.do(t.Context(), d.put()); !strings.Contains(a.Error, "13 attributes") {
			t.Errorf("put: %+v", a)
		}
		if a := p.do(t.Context(), command{Do: "sweep"}); a.Error != "" {
			t.Errorf("sweep: %+v", a)
		}
		if after := w.writes(); after != before {
			t.Errorf("writes: %s; before: %s", after, before)
		}
		few := d
		few.attrs = worldtest.AttributesOf(10)
		delete(w.docs, digest)
		w.docs[d.key] = few
		w.each(p, "attributes updated", doc.update)
	})
	w.turn(theOlder, 0, func(p process) {
		w.reads(p)
		delete(w.docs, d.key)
		d.text = "with thirteen attributes once more"
		w.docs[digest] = d
		if a := p.do(t.Context(), d.put()); a.Outcome != "replaced" {
			t.Errorf("put: %+v", a)
		}
	})
	w.turn(theNewest, 0, func(p process) {
		few := d
		few.text, few.attrs = "with ten attributes", worldtest.AttributesOf(10)
		delete(w.docs, digest)
		w.docs[d.key] = few
		w.each(p, "replaced", doc.put)
		w.settles(theNewest)
		w.reads(p)
	})
	w.turn(theOlder, 0, func(p process) {
		w.reads(p)
		delete(w.docs, d.key)
		w.docs[digest] = d
		if a := p.do(t.Context(), d.put()); a.Outcome != "replaced" {
			t.Errorf("put: %+v", a)
		}
	})
	w.turn(theNewest, 0, func(p process) {
		w.each(p, "deleted", doc.remove)
		clear(w.docs)
	})
}

// TestADocumentWhoseKeyIsTooLongForTheNewestClientStays has the newest client leave a
// document alone whose key it refuses.
func TestADocumentWhoseKeyIsTooLongForTheNewestClientStays(t *testing.T) {
	t.Parallel()
	w := newProject(t, 0)
	d := change(doc{key: ofBytes(1500, "longer/"), attrs: worldtest.AttributesOf(2)}, 1)
	w.docs[trail.DigestOf(d.key)] = d
	w.turn(theOlder, 0, func(p process) { w.each(p, "created", doc.put) })
	w.turn(theNewest, 0, func(p process) {
		before := w.writes()
		for _, cmd := range []command{{Do: "get", Key: d.key}, d.put(), d.update(), d.remove()} {
			if a := p.do(t.Context(), cmd); !strings.Contains(a.Error, "1500 bytes") {
				t.Errorf("%s: %+v", cmd.Do, a)
			}
		}
		if a := p.do(t.Context(), command{Do: "list"}); a.Error != "" || len(a.Documents) != 1 || a.Documents[0].SHA256 != trail.Digest(d.text) {
			t.Errorf("list: %+v", a)
		}
		if a := p.do(t.Context(), command{Do: "sweep"}); a.Error != "" {
			t.Errorf("sweep: %+v", a)
		}
		if after := w.writes(); after != before {
			t.Errorf("writes: %s; before: %s", after, before)
		}
	})
	w.turn(theOlder, 0, func(p process) {
		w.each(p, "unchanged", doc.put)
		w.each(p, "deleted", doc.remove)
		clear(w.docs)
	})
}
