package upgrade_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
)

// ofBytes is a key of so many bytes that ends in an extension.
func ofBytes(n int, letters string) string {
	const ext = ".md"
	key := strings.Repeat(letters, n/len(letters)+1)[:n-len(ext)]
	for !utf8.ValidString(key) {
		key = key[:len(key)-1] + "x"
	}
	return strings.ReplaceAll(key, "\uFFFD", "x") + ext
}

// kinds are documents with keys of every kind for which both releases have names that
// lead the other one to it.
var kinds = []doc{
	{key: "a.md"},
	{key: "b.md", attrs: worldtest.AttributesOf(3), maxTokens: 200},
	{key: "thirteen.md", attrs: worldtest.AttributesOf(13)},
	{key: "page.html", maxTokens: 200},
	{key: "Report of MAY.md", attrs: worldtest.AttributesOf(1)},
	{key: "handbook/travel.md", attrs: worldtest.AttributesOf(3), maxTokens: 200},
	{key: "handbook_travel.md"},
	{key: "handbook/Travel.md"},
	{key: "one/two/three/four/five.json", attrs: worldtest.AttributesOf(2)},
	{key: "/absolute/path/"},
	{key: "Привет, мир.md", attrs: worldtest.AttributesOf(2)},
	{key: "日本語"},
	{key: "日本語/文書.md", maxTokens: 200},
	{key: "🙂"},
	{key: "caf\u00e9.md"},
	{key: "cafe\u0301.md", attrs: worldtest.AttributesOf(1)},
	// These have Files of one name.
	{key: "notes"},
	{key: "notes.txt", attrs: worldtest.AttributesOf(1)},
	// Its content turns into JSON and back, and with it the extension of its File.
	{key: "settings", attrs: worldtest.AttributesOf(1), maxTokens: 200},
	{key: `{"id":1,"table":"docs"}`, attrs: worldtest.AttributesOf(4)},
	{key: "two\r\nlines"},
	{key: `a "quoted" name.md`, attrs: worldtest.AttributesOf(1)},
	{key: "100%.md"},
	{key: "..."},
	{key: ofBytes(256, "x")},
	{key: ofBytes(257, "docs/"), attrs: worldtest.AttributesOf(12), maxTokens: 200},
	{key: ofBytes(1024, "x"), attrs: worldtest.AttributesOf(10), maxTokens: 200},
	{key: ofBytes(1024, "path/of/many/parts/"), attrs: worldtest.AttributesOf(2)},
	{key: ofBytes(1024, "д"), attrs: worldtest.AttributesOf(9)},
}

// change gives a document that a release puts in a turn: another text, or for some keys
// other chunking alone, with or without other attributes.
func change(d doc, turn int) doc {
	switch {
	case d.key == "b.md" && d.text != "":
		d.maxTokens = 600 - d.maxTokens
	case d.key == "settings" && turn%2 == 0:
		d.text = fmt.Sprintf(`{"turn":%d}`, turn)
	default:
		d.text = fmt.Sprintf("the document %s as of turn %d", d.key, turn)
	}
	return attributed(d, turn)
}

// attributed gives a document other attributes where it has some.
func attributed(d doc, turn int) doc {
	attrs := make(map[string]any, len(d.attrs))
	for name, v := range d.attrs {
		attrs[name] = v
	}
	if len(attrs) > 0 {
		attrs["a00"] = fmt.Sprintf("turn %d", turn)
	}
	d.attrs = attrs
	return d
}

// TestTwoReleasesTakeTurnsOnOneStore has each release create, find, list, leave unchanged,
// sweep, replace, update and delete documents that the other one has left. Each turn is a
// process of its own.
func TestTwoReleasesTakeTurnsOnOneStore(t *testing.T) {
	for _, order := range [][2]release{{theOlder, theNewest}, {theNewest, theOlder}} {
		for _, c := range []struct {
			sentence string
			rest     time.Duration // between turns, by OpenAI's clock
			ahead    time.Duration
		}{
			{"each turn at once", 0, 0},
			{"an hour between turns, so that OpenAI's clock is ahead", time.Hour, 0},
			{"the machine's clock a month ahead", 0, 30 * 24 * time.Hour},
		} {
			t.Run(order[0].name+" first, "+c.sentence, func(t *testing.T) {
				t.Parallel()
				takeTurns(newProject(t, c.ahead), order, c.rest)
			})
		}
	}
}

func takeTurns(w *project, order [2]release, rest time.Duration) {
	turn := 0
	next := func(steps func(p process)) {
		w.t.Helper()
		r := order[turn%2]
		turn++
		w.turn(r, rest, steps)
	}
	create := func(p process) {
		w.t.Helper()
		for _, d := range kinds {
			w.docs[d.key] = change(d, turn)
			w.lives[d.key]++
		}
		w.each(p, "created", doc.put)
	}
	replace := func(p process) {
		w.t.Helper()
		for key, d := range w.docs {
			w.docs[key] = change(d, turn)
		}
		w.each(p, "replaced", doc.put)
	}
	update := func(p process) {
		w.t.Helper()
		for key, d := range w.docs {
			if len(d.attrs) == 0 {
				d.attrs = worldtest.AttributesOf(1)
			}
			w.docs[key] = attributed(d, turn)
		}
		w.each(p, "attributes updated", doc.update)
	}
	remove := func(p process) {
		w.t.Helper()
		w.each(p, "deleted", doc.remove)
		clear(w.docs)
	}

	next(create)
	w.addNamesakes()
	next(func(p process) { w.reads(p); replace(p) })
	next(func(p process) { w.reads(p); update(p) })
	next(func(p process) { w.reads(p); update(p) })
	next(func(p process) { w.reads(p); replace(p) })
	next(func(p process) { w.reads(p); remove(p) })
	next(func(p process) { w.absent(p); create(p) })
	next(func(p process) { w.reads(p); update(p); replace(p); w.settles(order[1]); w.reads(p) })
	next(func(p process) { w.reads(p); remove(p); w.absent(p) })
	next(func(p process) { w.absent(p); create(p) })
	next(func(p process) { w.reads(p); remove(p) })
	next(w.absent)
	for _, wrong := range w.gaps() {
		w.t.Error(wrong)
	}
	w.t.Logf("requests: %v", w.asked)
}

// absent has a process find none of the documents, and delete each all the same.
func (w *project) absent(p process) {
	w.t.Helper()
	w.reads(p) // nothing
	w.beside(kinds, func(d doc) {
		if a := p.do(context.Background(), command{Do: "get", Key: d.key}); !a.NotFound {
			w.t.Errorf("get %s: %+v", trail.Shown(d.key), a)
		}
		if a := p.do(context.Background(), d.remove()); a.Error != "" || a.Outcome != "absent" && a.Outcome != "" {
			w.t.Errorf("delete %s: %+v", trail.Shown(d.key), a)
		}
	})
}
