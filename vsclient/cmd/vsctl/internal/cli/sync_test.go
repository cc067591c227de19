package cli_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/cli"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func TestAStoreIsMadeEqualToAFolder(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.Equal(w.keys(), []string{"a.md", "sub/b.md", "sub/c.md"})

	w.write("a.md", "alpha, changed")
	w.write("d.md", "delta")
	w.remove("sub/b.md")
	out := w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.True(strings.HasPrefix(out, "~ a.md  (14 B)\n+ d.md  (5 B)\n- sub/b.md\n1 to create, 1 to replace, 1 to remove, 1 unchanged\n2 uploads of 19 B, 7 requests;"))
	is.True(strings.HasSuffix(out, "\n3 changes made\n"))
	is.Equal(w.keys(), []string{"a.md", "d.md", "sub/c.md"})
	is.Equal(w.must(cli.Done, "text", "a.md"), "alpha, changed")
}

func TestASecondSyncWritesNothing(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{IndexRules: []openaitest.IndexRule{{Name: "bad*", Code: "invalid_file", Message: "no text"}}})
	w.write("bad.md", "OpenAI refuses this")
	_, errs, code := w.run("sync", w.dir, "--owner", "hb", "-y")
	is.Equal(code, cli.Failed) // one document was refused
	is.True(strings.Contains(errs, `1 change has failed: put "bad.md"`))
	before := w.writes()
	out := w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.Equal(w.writes(), before) // also not for the document that was refused
	is.True(strings.Contains(out, "? bad.md  (OpenAI has refused this content before"))

	w.write("bad.md", "a new content is tried again")
	w.must(cli.Failed, "sync", w.dir, "--owner", "hb", "-y")
	is.True(w.writes() > before)
}

// TestAChangeThatTheStoreHasAlreadyIsNotTold executes a saved plan twice.
func TestAChangeThatTheStoreHasAlreadyIsNotTold(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	file := filepath.Join(t.TempDir(), "a.plan")
	w.must(cli.Done, "plan", w.dir, "--owner", "hb", "--out", file)
	is.True(strings.Contains(w.must(cli.Done, "apply", file, "-y"), "\n3 changes made\n"))
	is.True(strings.Contains(w.must(cli.Done, "apply", file, "-y"), "\n0 changes made, 3 not needed any more\n"))
}

func TestAPlanOnlyReads(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.write("a.md", "changed")
	w.remove("sub")
	before := w.writes()
	w.must(cli.Pending, "plan", w.dir, "--owner", "hb", "--exit-code")
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-n")
	is.Equal(w.writes(), before)
	is.Equal(len(w.keys()), 3)
}

// Each source here has lost documents that the store has. It may be the source that is
// at fault.
func TestNothingIsRemovedForASourceThatCannotBeTrusted(t *testing.T) {
	full := "{\"key\":\"a\",\"text\":\"1\"}\n{\"key\":\"b\",\"text\":\"2\"}\n{\"key\":\"c\",\"text\":\"3\"}\n"
	end := func(n int) string { return fmt.Sprintf("{\"end\":true,\"count\":%d}\n", n) }
	tests := []struct {
		name    string
		in      string // standard input
		prepare func(w *world)
		args    []string
		reason  string
	}{
		{name: "a glob that matches nothing", args: []string{"DIR", "--include", "*.zz"}, reason: "the source is empty"},
		{name: "an empty folder", prepare: func(w *world) { w.remove("a.md"); w.remove("sub") }, args: []string{"DIR"}, reason: "the source is empty"},
		{name: "a folder without any file that can be put", prepare: func(w *world) { w.remove("a.md"); w.remove("sub"); w.write("x.png", "x") }, args: []string{"DIR"}, reason: "has no file that can be put"},
		{name: "the wrong working directory", args: []string{"OTHER"}, reason: "is it the right source?"},
		{name: "a cut manifest", in: full[:len(full)-10], args: []string{"manifest:-"}, reason: "the end line"},
		{name: "a manifest without an end line", in: full[:len(full)/2], args: []string{"manifest:-"}, reason: "the end line"},
		{name: "a manifest with another count", in: full + end(4), args: []string{"manifest:-"}, reason: "counts 4 and 3 have come"},
		{name: "a manifest with a broken line", in: full + "{\"key\":\"d\"}\n" + end(4), args: []string{"manifest:-"}, reason: "give either path or text"},
		{name: "a manifest whose file is missing", in: "{\"key\":\"d\",\"path\":\"nowhere.md\"}\n" + end(1), args: []string{"manifest:-"}, reason: "be read"},
		{name: "a manifest with a pointer of Git LFS", prepare: func(w *world) {
			w.write("p.md", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
			w.write("m.jsonl", `{"key":"p","path":"p.md"}`+"\n"+end(1))
		}, args: []string{"manifest:DIR/m.jsonl"}, reason: "git lfs pull"},
		{name: "a manifest that is empty", in: end(0), args: []string{"manifest:-"}, reason: "the source is empty"},
		{name: "a list of keys without an end line", in: "a.md\n", args: []string{"keys:-"}, reason: "--complete"},
		{name: "a list of keys with another count", in: "a.md\n" + end(2), args: []string{"keys:-"}, reason: "counts 2 and 1 have come"},
		{name: "an empty list of keys", in: "", args: []string{"keys:-", "--complete"}, reason: "the source is empty"},
		{name: "a list of other keys", in: "x\ny\n", args: []string{"keys:-", "--complete"}, reason: "is it the right source?"},
		{name: "removals beyond --max-remove", prepare: func(w *world) { w.remove("sub") }, args: []string{"DIR", "--max-remove", "1"}, reason: "--approve-removals 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
			other := t.TempDir()
			is.NoErr(os.WriteFile(filepath.Join(other, "else.md"), []byte("else"), 0o644))
			if tt.prepare != nil {
				tt.prepare(w)
			}
			w.in = tt.in
			for i, arg := range tt.args {
				tt.args[i] = strings.NewReplacer("DIR", w.dir, "OTHER", other).Replace(arg)
			}
			_, errs, code := w.run(append([]string{"sync", "--owner", "hb", "-y"}, tt.args...)...)
			is.Equal(code, cli.Withheld)
			is.True(strings.Contains(errs, tt.reason)) // it tells why
			is.Equal(strings.Count(errs, "\n"), 1)     // on one line
			there := strings.Join(w.keys(), " ")
			for _, key := range []string{"a.md", "sub/b.md", "sub/c.md"} {
				is.True(strings.Contains(there, key))
			}
			for endpoint := range w.srv.Counts() {
				is.True(!strings.HasPrefix(endpoint, "DELETE ")) // nothing was removed
			}
		})
	}
}

func TestRemovalsGoWhenTheyAreApproved(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.remove("sub")
	w.must(cli.Withheld, "sync", w.dir, "--owner", "hb", "-y", "--max-remove", "0")
	w.must(cli.Withheld, "sync", w.dir, "--owner", "hb", "-y", "--max-remove", "0", "--approve-removals", "1")
	is.Equal(len(w.keys()), 3)
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--max-remove", "0", "--approve-removals", "2")
	is.Equal(w.keys(), []string{"a.md"})

	w.write("z.md", "zeta")
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.remove("a.md")
	w.remove("z.md")
	w.must(cli.Withheld, "sync", w.dir, "--owner", "hb", "-y")
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--allow-empty")
	is.Equal(len(w.keys()), 0)
}

// TestTheWrongFolderChangesNothingHoweverOftenItIsTried has a file in common with the right
// one by its name alone.
func TestTheWrongFolderChangesNothingHoweverOftenItIsTried(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	before := w.keys()
	wrong := t.TempDir()
	for _, name := range []string{"a.md", "x.md", "y.md"} {
		is.NoErr(os.WriteFile(filepath.Join(wrong, name), []byte("the wrong "+name), 0o644))
	}
	for _, more := range [][]string{nil, nil, {"--max-remove", "20%"}, {"--max-remove", "40"}, {"--approve-removals", "1"}} {
		_, errs, code := w.run(append([]string{"sync", wrong, "--owner", "hb", "-y"}, more...)...)
		is.Equal(code, cli.Withheld)
		is.True(strings.Contains(errs, "is it the right source?"))
		is.Equal(w.keys(), before)
	}
	w.must(cli.Done, "sync", wrong, "--owner", "hb", "-y", "--approve-removals", "2")
	is.Equal(w.keys(), []string{"a.md", "x.md", "y.md"})
}

// TestAWrongFolderMayHaveTheLicenceOfTheRightOne has a file in common with the right one, as
// repositories of one organization have.
func TestAWrongFolderMayHaveTheLicenceOfTheRightOne(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.write("LICENSE.md", "MIT")
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	before := w.keys()
	wrong := t.TempDir()
	for name, text := range map[string]string{"LICENSE.md": "MIT", "x.md": "x", "y.md": "y"} {
		is.NoErr(os.WriteFile(filepath.Join(wrong, name), []byte(text), 0o644))
	}
	for range 2 {
		_, errs, code := w.run("sync", wrong, "--owner", "hb", "-y")
		is.Equal(code, cli.Withheld)
		is.True(strings.Contains(errs, "is it the right source?"))
		is.Equal(w.keys(), before)
	}
}

// TestAWrongFolderOfManyFilesIsNotPutEither might otherwise have its own files make up most
// of the owner's, so that the next run finds few removals among them.
func TestAWrongFolderOfManyFilesIsNotPutEither(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	for i := range 20 {
		w.write(fmt.Sprintf("%d.md", i), fmt.Sprint(i))
	}
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	before := w.keys()
	wrong := t.TempDir()
	for i := range 60 {
		is.NoErr(os.WriteFile(filepath.Join(wrong, fmt.Sprintf("wrong-%d.md", i)), fmt.Append(nil, "wrong ", i), 0o644))
	}
	for range 2 {
		w.must(cli.Withheld, "sync", wrong, "--owner", "hb", "-y")
		is.Equal(w.keys(), before)
	}
}

func TestAFolderWhoseFilesWereAllRenamedIsTheRightOne(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.NoErr(os.Rename(filepath.Join(w.dir, "sub"), filepath.Join(w.dir, "other")))
	is.NoErr(os.Rename(filepath.Join(w.dir, "a.md"), filepath.Join(w.dir, "z.md")))
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.Equal(w.keys(), []string{"other/b.md", "other/c.md", "z.md"})
}

func TestOnlyDocumentsOfTheOwnerAreRemoved(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.must(cli.Done, "put", "theirs.md", filepath.Join(w.dir, "a.md"), "--owner", "them")
	w.must(cli.Done, "put", "nobodys.md", filepath.Join(w.dir, "a.md"))
	w.write("theirs.md", "mine")
	w.remove("sub")

	out := w.must(cli.Done, "sync", w.dir, "-y") // without an owner
	is.True(strings.Contains(out, `? theirs.md  (`))
	is.Equal(len(w.keys()), 5)

	out = w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.True(strings.Contains(out, `? theirs.md  (the stored document has the owner "them")`))
	is.Equal(w.keys(), []string{"a.md", "nobodys.md", "theirs.md"})
	is.Equal(w.must(cli.Done, "text", "theirs.md"), "alpha")
}

func TestEachSignStandsForItsChange(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	for _, name := range []string{"d.md", "e.md", "f.md"} {
		w.write(name, name)
	}
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	doubled, _ := w.srv.Snapshot().Store(w.store).Files[0].Attributes["vs_key"].(string)
	w.must(cli.Done, "put", "theirs.md", filepath.Join(w.dir, "a.md"), "--owner", "them")
	w.write("theirs.md", "not theirs")
	w.write("new.md", "new")
	names := slices.DeleteFunc([]string{"a.md", "d.md", "e.md", "f.md"}, func(name string) bool { return name == doubled })
	w.write(names[0], "another text")
	w.must(cli.Done, "put", names[1], filepath.Join(w.dir, names[1]), "--owner", "hb", "--attribute", "old=1")
	w.remove(names[2])
	is.Equal(w.double(), doubled)
	before := w.writes()
	out := w.must(cli.Done, "plan", w.dir, "--owner", "hb")
	for _, line := range []string{
		"+ new.md  (3 B)", "~ " + names[0] + "  (12 B)", "@ " + names[1] + "  (attributes)",
		"! " + doubled + "  (a newer version of the key is searchable)", "- " + names[2],
		`? theirs.md  (the stored document has the owner "them")`,
	} {
		if !strings.Contains(out, line+"\n") {
			t.Errorf("%q is not in the plan:\n%s", line, out)
		}
	}
	is.True(strings.Contains(out, "\n1 to create, 1 to replace, 1 to give other attributes, 1 to remove, 1 older version to remove, 1 left alone, 3 unchanged\n"))
	is.Equal(w.writes(), before)
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.Equal(len(w.keys()), 7) // a document each: the older version has gone
	is.True(strings.Contains(w.must(cli.Done, "plan", w.dir, "--owner", "hb"), "1 left alone, 6 unchanged"))
}

// TestAContentBehindAPointerIsNotGone renames a file of Git LFS, and has its pointer alone.
func TestAContentBehindAPointerIsNotGone(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
	}{
		{"other.md", nil},
		{"other.md", []string{"--approve-removals", "1"}},
		{"other.bin", nil}, // OpenAI does not index it
		{"\xe4.md", nil},
	} {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		w.write("sub/large.md", "large")
		w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
		w.remove("sub/large.md")
		w.write(c.name, fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%x\nsize 5\n", sha256.Sum256([]byte("large"))))
		out, errs, code := w.run(append([]string{"sync", w.dir, "--owner", "hb", "-y"}, c.args...)...)
		is.Equal(code, cli.Withheld)
		is.True(strings.Contains(out, "- sub/large.md  (withheld: "))
		is.True(strings.Contains(errs, fmt.Sprintf("the source has its content under %q, which is a pointer of Git LFS", c.name)))
		is.Equal(w.keys(), []string{"a.md", "sub/b.md", "sub/c.md", "sub/large.md"})
	}
}

func TestADocumentThatIsPutKeepsTheOwnerThatConduitHasGivenIt(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "put", "page.md", filepath.Join(w.dir, "a.md"), "--attribute", "collection=pages")
	w.must(cli.Done, "put", "page.md", filepath.Join(w.dir, "sub/b.md"))
	is.True(strings.Contains(w.must(cli.Done, "get", "page.md"), "pages"))
}

func TestAListOfKeysRemovesAndPutsNothing(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.in = "a.md\n\"sub/c.md\"\nnew.md\n"
	out := w.must(cli.Done, "sync", "keys:-", "--complete", "--owner", "hb", "-y")
	is.True(strings.Contains(out, "- sub/b.md\n"))
	is.True(strings.Contains(out, "? new.md  (the store has no document of the key"))
	is.Equal(w.keys(), []string{"a.md", "sub/c.md"})
}

func TestAListOfKeysIsJudgedByTheNumberOfRemovals(t *testing.T) {
	w := newWorld(t, openaitest.Config{})
	for i := range 7 {
		w.write(fmt.Sprint(i, ".md"), fmt.Sprint("text ", i))
	}
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.must(cli.Done, "put", "theirs.md", filepath.Join(w.dir, "a.md"), "--owner", "them")
	keys := slices.DeleteFunc(w.keys(), func(key string) bool { return key == "theirs.md" })
	for _, c := range []struct {
		sentence string
		list     []string
		code     int
	}{
		{"seven of ten go", keys[7:], cli.Done},
		{"eight of ten go", keys[8:], cli.Withheld},
		{"no document stays", []string{"new.md"}, cli.Withheld},
		{"one of another owner stays", []string{"theirs.md"}, cli.Withheld},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			w.in = strings.Join(c.list, "\n") + "\n"
			w.must(c.code, "plan", "keys:-", "--complete", "--owner", "hb")
		})
	}
}

func TestAManifestGivesTextsFilesAttributesAndChunking(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.write("m.jsonl", `{"key":"t","text":"a text","attributes":{"year":2024,"lang":"en"},"chunking":{"max_tokens":400,"overlap_tokens":100}}
{"key":"f.md","path":"sub/b.md"}
{"end":true,"count":2}
`)
	manifest := "manifest:" + filepath.Join(w.dir, "m.jsonl")
	w.must(cli.Done, "sync", manifest, "--owner", "m", "--prefix", "p/", "-y")
	is.Equal(w.keys(), []string{"p/f.md", "p/t"})
	is.Equal(w.must(cli.Done, "text", "p/f.md"), "beta")
	e := w.envelope(cli.Done, "get", "p/t")
	got := e.Result.(map[string]any)
	is.Equal(got["chunking"], "400/100")
	is.Equal(got["attributes"], map[string]any{"year": 2024.0, "lang": "en", "owner": "m"})
	is.True(strings.Contains(w.must(cli.Done, "plan", manifest, "--owner", "m", "--prefix", "p/"), "2 unchanged"))
}

func TestASavedPlanIsApplied(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.write("a.md", "changed")
	w.write("new.md", "new")
	w.remove("sub/b.md")
	w.remove("sub/c.md")
	file := filepath.Join(t.TempDir(), "a.plan")
	w.must(cli.Done, "plan", w.dir, "--owner", "hb", "--out", file)
	data, err := os.ReadFile(file)
	is.NoErr(err)
	is.True(!strings.Contains(string(data), secret))
	is.True(!strings.Contains(string(data), "changed\"")) // no content

	w.write("sub/c.md", "back again")
	out, errs, code := w.run("apply", file, "-y")
	is.Equal(code, cli.Failed)
	is.True(strings.Contains(out, "? sub/c.md  (not done: the source has the document)"))
	is.True(strings.Contains(out, "3 changes made, 1 no longer fit"))
	is.True(strings.Contains(errs, "plan again"))
	is.Equal(w.keys(), []string{"a.md", "new.md", "sub/c.md"})
	is.Equal(w.must(cli.Done, "text", "a.md"), "changed")

	another := w.srv.NewVectorStore("another")
	w.must(cli.Usage, "apply", file, "-y", "--store", another)
	w.env["OPENAI_VECTOR_STORE_ID"] = another
	before := w.writes()
	_, errs, code = w.run("apply", file, "-y")
	is.Equal(code, cli.Usage)
	is.True(strings.Contains(errs, "OPENAI_VECTOR_STORE_ID names "+another+": give --store "+w.store+", or plan again"))
	is.Equal(w.writes(), before)
	_, _, code = w.run("apply", file, "-y", "--store", w.store) // its steps no longer fit
	is.Equal(code, cli.Failed)
	delete(w.env, "OPENAI_VECTOR_STORE_ID")

	moved := filepath.Join(t.TempDir(), "moved")
	w.write("a.md", "changed once more")
	w.must(cli.Done, "plan", w.dir, "--owner", "hb", "--out", file, "--store", w.store)
	is.NoErr(os.Rename(w.dir, moved))
	w.must(cli.Environment, "apply", file, "-y")
	w.must(cli.Done, "apply", file, moved, "-y")
	is.Equal(w.must(cli.Done, "text", "a.md", "--store", w.store), "changed once more")
}

// TestASavedPlanHasTheScopeOfItsSource has a plan that somebody has changed.
func TestASavedPlanHasTheScopeOfItsSource(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.write("a.md", "changed")
	file := filepath.Join(t.TempDir(), "a.plan")
	w.must(cli.Done, "plan", w.dir, "--owner", "hb", "--out", file)
	data, err := os.ReadFile(file)
	is.NoErr(err)
	for _, scope := range []string{`{}`, `{"owner":"else"}`, `{"owner":"hb","prefix":"x/"}`} {
		changed := regexp.MustCompile(`"scope": \{[^}]*\}`).ReplaceAllString(string(data), `"scope": `+scope)
		is.True(changed != string(data))
		is.NoErr(os.WriteFile(file, []byte(changed), 0o600))
		_, errs, code := w.run("apply", file, "-y")
		is.Equal(code, cli.Environment)
		is.True(strings.Contains(errs, "make it again"))
	}
	is.True(strings.Contains(w.must(cli.Done, "get", "a.md"), "@owner    hb"))
}

func TestSyncAsksOnATerminal(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	_, errs, code := w.run("sync", w.dir)
	is.Equal(code, cli.Usage) // nobody can answer
	is.True(strings.Contains(errs, "give -y"))
	is.Equal(w.srv.RequestCount(), 0)

	w.tty, w.in = true, "n\n"
	out, errs, code := w.run("sync", w.dir)
	is.Equal(code, cli.Done)
	is.True(strings.Contains(errs, "Make 3 changes? [y/N]"))
	is.True(strings.Contains(out, "nothing was changed"))
	is.Equal(len(w.keys()), 0)

	w.in = "y\n"
	w.must(cli.Done, "sync", w.dir)
	is.Equal(len(w.keys()), 3)

	w.in = "n\n"
	is.Equal(w.must(cli.Done, "rm", "a.md"), "nothing was removed\n")
	is.Equal(len(w.keys()), 3)
}

func TestColourIsForTerminalsWithoutNO_COLOR(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	is.True(!strings.Contains(w.must(cli.Done, "plan", w.dir), "\x1b["))
	w.tty = true
	is.True(strings.Contains(w.must(cli.Done, "plan", w.dir), "\x1b[32m+ a.md"))
	w.env["NO_COLOR"] = "1"
	is.True(!strings.Contains(w.must(cli.Done, "plan", w.dir), "\x1b["))
}

func TestAKeyCannotWriteToTheTerminal(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.write("\x1b[2Jevil\n.md", "x")
	out := w.must(cli.Done, "plan", w.dir)
	is.True(strings.Contains(out, `+ "\x1b[2Jevil\n.md"`))
}

func TestWithoutWaitingRemovalsAreLeft(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.remove("sub/b.md")
	w.write("a.md", "changed")
	out := w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--wait=false")
	is.True(strings.Contains(out, "- sub/b.md  (withheld: removals are turned off)"))
	is.True(strings.Contains(strings.Join(w.keys(), " "), "sub/b.md"))
}

func TestWithoutWaitingDocumentsThatAreBeingIndexedAreLeft(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{IndexTime: 5 * time.Minute})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--wait=false")
	is.True(strings.Contains(w.must(cli.Done, "plan", w.dir, "--owner", "hb", "--exit-code"), "3 unchanged, 3 of these not searchable yet"))
	w.srv.Advance(6 * time.Minute)
	w.write("a.md", "changed")
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--wait=false")
	uploads := w.srv.Counts()["POST /files"]
	out := w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--wait=false")
	is.True(strings.Contains(out, "! a.md  (a newer version of the key is being indexed)"))
	w.must(cli.Pending, "plan", w.dir, "--owner", "hb", "--exit-code")
	w.srv.Advance(6 * time.Minute)
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.Equal(w.srv.Counts()["POST /files"], uploads)
	is.Equal(w.keys(), []string{"a.md", "sub/b.md", "sub/c.md"})
}

func TestARunAsksBeforeItMayPutDocumentsAnewThatAreBeingIndexed(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{IndexTime: 5 * time.Minute})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--wait=false")
	w.tty, w.in = true, "n\n"
	out, errs, code := w.run("sync", w.dir, "--owner", "hb")
	is.Equal(code, cli.Done)
	is.True(strings.Contains(errs, "Put 3 documents anew if OpenAI does not index them? [y/N]"))
	is.True(strings.Contains(out, "nothing was changed"))
}

func TestTheEmulatedStoreNeedsNoKey(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.env = nil
	out := w.must(cli.Done, "--emulate", "sync", w.dir)
	is.True(strings.Contains(out, "3 changes made"))
	is.True(strings.Contains(out, "sub/c.md\n3 documents\n")) // since it ends with the process
	out = w.must(cli.Done, "--emulate="+w.dir, "search", "gamma")
	is.True(strings.Contains(strings.SplitN(out, "\n", 2)[0], "sub/c.md"))
	is.True(strings.Contains(w.must(cli.Done, "--emulate="+w.dir, "plan", w.dir), "3 unchanged"))
	is.Equal(w.srv.RequestCount(), 0)
}

func TestTheFileOfSettingsNamesSources(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	second := w.srv.NewVectorStore("second")
	w.env["SECOND"] = second
	delete(w.env, "OPENAI_VECTOR_STORE_ID")
	w.write("../settings.yaml", "store: "+w.store+"\nsources:\n  all:\n    source: docs\n    owner: hb\n    prefix: x/\n    exclude: [sub]\n  some:\n    source: docs\n    store: ${SECOND}\n    include: [\"b.md\"]\n")
	settings := filepath.Join(filepath.Dir(w.dir), "settings.yaml")
	w.must(cli.Done, "sync", "all", "--config", settings, "-y")
	is.Equal(w.keys(), []string{"x/a.md"})
	w.must(cli.Done, "sync", "some", "--config", settings, "-y")
	is.Equal(len(w.srv.Snapshot().Store(second).Files), 1)
	_, errs, code := w.run("sync", "--config", settings, "-y")
	is.Equal(code, cli.Usage)
	is.True(strings.Contains(errs, "settings.yaml describes several sources: name one of all, some"))
}

func TestTwoSourcesOfTheFileDoNotRemoveEachOthersDocuments(t *testing.T) {
	for _, tt := range []struct {
		one, two string // lines of YAML
		code     int
	}{
		{"owner: hb, prefix: p/", "owner: hb, prefix: p/q/", cli.Environment},
		{"owner: hb, prefix: p/q/", "owner: hb, prefix: p/", cli.Environment},
		{"owner: hb", "owner: hb", cli.Environment},
		{"owner: hb, store: vs_one", "owner: hb, store: vs_two", cli.Environment}, // the environment names one store
		{`owner: hb, store: "${SAME}"`, "owner: hb, store: vs_same", cli.Environment},
		{"owner: hb, owner_attribute: owner", "owner: hb", cli.Environment},
		{"owner: hb, prefix: p/", "owner: hb, prefix: q/", cli.Done},
		{"owner: hb", "owner: other", cli.Done},
		{"owner: hb", "owner: hb, owner_attribute: team", cli.Done},
		{"prefix: p/", "prefix: p/", cli.Done}, // without an owner nothing is removed
	} {
		t.Run(tt.one+" and "+tt.two, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			w.write("../settings.yaml", "sources:\n  one: {source: docs, "+tt.one+"}\n  two: {source: docs/sub, "+tt.two+"}\n")
			if strings.Contains(tt.one, "SAME") {
				delete(w.env, "OPENAI_VECTOR_STORE_ID")
				w.env["SAME"] = "vs_same"
			}
			_, errs, code := w.run("plan", "one", "--config", filepath.Join(filepath.Dir(w.dir), "settings.yaml"))
			is.Equal(code, tt.code)
			is.True(code == cli.Done || strings.Contains(errs, `"one" and "two"`))
		})
	}
}

// TestAPlanWithholdsAsTheSyncDoes has a link in place of a folder.
func TestAPlanWithholdsAsTheSyncDoes(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.NoErr(os.Rename(filepath.Join(w.dir, "sub"), w.dir+".elsewhere"))
	is.NoErr(os.Symlink(w.dir+".elsewhere", filepath.Join(w.dir, "sub")))
	is.True(strings.Contains(w.must(cli.Withheld, "plan", w.dir, "--owner", "hb"), "2 not removed"))
	is.True(strings.Contains(w.must(cli.Withheld, "sync", w.dir, "--owner", "hb", "-y"), "2 not removed"))
	is.Equal(len(w.keys()), 3)
}

func TestARecordOfRefusalsThatCannotBeReadStopsNoRun(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{FailIndexing: func(f openaitest.FileInfo) (code, message string) {
		if f.Name == "a.md" {
			return "invalid_file", "it is broken"
		}
		return "", ""
	}})
	w.must(cli.Failed, "sync", w.dir, "--owner", "hb", "-y")
	files, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "vsctl", "*.refusals.json"))
	is.NoErr(err)
	is.Equal(len(files), 1)
	is.NoErr(os.WriteFile(files[0], []byte("no JSON"), 0o600))
	out, errs, code := w.run("plan", w.dir, "--owner", "hb")
	is.Equal(code, cli.Done)
	is.True(strings.Contains(out, "+ a.md"))
	is.True(strings.Contains(errs, "the refused documents are tried again"))
	w.must(cli.Failed, "sync", w.dir, "--owner", "hb", "-y") // it writes the record anew
	is.True(strings.Contains(w.must(cli.Done, "plan", w.dir, "--owner", "hb"), "? a.md  (OpenAI has refused this content before"))
}

func TestAManifestThatIsRewrittenWhileSyncAsksGivesNoKeyTheAttributesOfAnother(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	line := func(key, reader string) string {
		return fmt.Sprintf(`{"key":%q,"text":"same","attributes":{"reader":%q}}`, key, reader) + "\n"
	}
	end := `{"end":true,"count":2}` + "\n"
	w.write("m.jsonl", line("p1", "alice")+line("p2", "bobby")+end)
	w.tty, w.in = true, "y\n"
	w.asked = func() { w.write("m.jsonl", line("p2", "bobby")+line("p1", "alice")+end) }
	_, errs, code := w.run("sync", "manifest:"+filepath.Join(w.dir, "m.jsonl"), "--owner", "us")
	is.Equal(code, cli.Failed)
	is.True(strings.Contains(errs, "the manifest has changed since it was read"))
	is.Equal(len(w.srv.Snapshot().Files), 0)
}
