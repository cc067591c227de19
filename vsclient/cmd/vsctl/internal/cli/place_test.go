package cli_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/cli"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// tree writes a folder of files, by their paths, and returns its path.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "tree")
	for name, text := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// project is a folder with another one in it, and names that are in both.
var project = map[string]string{
	"LICENSE.md": "MIT", "README.md": "the project", "a.md": "a", "b.md": "b",
	"docs/README.md": "its docs", "docs/d.md": "d", "docs/e.md": "e",
}

// records are the files that tell the folder of the last whole run.
func records(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "vsctl", "*.source.json"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestAnotherFolderThanThatOfTheLastRunRemovesNothing(t *testing.T) {
	sibling := map[string]string{"LICENSE.md": "MIT", "README.md": "another project", "a.md": "another a", "c.md": "c"}
	for _, c := range []struct {
		name        string
		right       map[string]string
		from, wrong string // folders below the right one; "sibling" is beside it
	}{
		{"a folder below the right one", project, ".", "docs"},
		{"a folder above the right one", project, "docs", "."},
		{"a folder of the same template", project, ".", "sibling"},
		{"a folder of the same template, and a store of two", map[string]string{"LICENSE.md": "MIT", "z.md": "z"}, ".", "sibling"},
		{"a folder below a store of one", map[string]string{"a.md": "a", "docs/b.md": "b"}, ".", "docs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			root := tree(t, c.right)
			right, wrong := filepath.Join(root, c.from), filepath.Join(root, c.wrong)
			if c.wrong == "sibling" {
				wrong = tree(t, sibling)
			}
			w.must(cli.Done, "sync", right, "--owner", "hb", "-y")
			before, writes := w.keys(), w.writes()
			linked, err := filepath.EvalSymlinks(right)
			is.NoErr(err)
			for _, more := range [][]string{nil, nil, {"--max-remove", "100%"}, {"--approve-removals", "0"}} {
				_, errs, code := w.run(append([]string{"sync", wrong, "--owner", "hb", "-y"}, more...)...)
				is.Equal(code, cli.Withheld)
				is.True(strings.Contains(errs, "the last whole run has read "+linked+", and the source has "))
				is.True(strings.Contains(errs, "is it the right source? (--approve-removals "))
				is.Equal(w.keys(), before)
				is.Equal(w.writes(), writes) // nothing is put either
			}
			w.must(cli.Withheld, "plan", wrong, "--owner", "hb")
			w.must(cli.Withheld, "sync", wrong, "--owner", "hb", "-n")
			w.must(cli.Done, "sync", right, "--owner", "hb", "-y")
			is.Equal(w.writes(), writes)

			w.must(cli.Done, "sync", wrong, "--owner", "hb", "-y", "--approve-removals", "9")
			w.must(cli.Withheld, "sync", right, "--owner", "hb", "-y") // the wrong one is the right one now
			w.must(cli.Done, "sync", wrong, "--owner", "hb", "-y")
		})
	}
}

func TestAnotherCheckoutIsTheSameSource(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	copied := tree(t, map[string]string{"a.md": "alpha", "sub/b.md": "beta"}) // and sub/c.md was deleted
	w.must(cli.Done, "sync", copied, "--owner", "hb", "-y")
	is.Equal(w.keys(), []string{"a.md", "sub/b.md"})

	w.must(cli.Done, "sync", copied, "--owner", "hb", "-y")
	third := tree(t, map[string]string{"a.md": "alpha, edited", "sub/b.md": "beta", "d.md": "delta", "e.md": "epsilon"})
	w.must(cli.Done, "sync", third, "--owner", "hb", "-y")
	fourth := tree(t, map[string]string{"a.md": "alpha, edited again", "sub/b.md": "beta", "e.md": "epsilon", "f.md": "phi"})
	w.must(cli.Withheld, "sync", fourth, "--owner", "hb", "-y") // half of four have stayed
	w.must(cli.Done, "sync", fourth, "--owner", "hb", "-y", "--approve-removals", "1")
	is.Equal(w.keys(), []string{"a.md", "e.md", "f.md", "sub/b.md"})
}

// TestTheSameFolderIsJudgedByItsContentsAlone has ways to name one folder.
func TestTheSameFolderIsJudgedByItsContentsAlone(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	link := filepath.Join(t.TempDir(), "link")
	is.NoErr(os.Symlink(w.dir, link))
	w.write("../settings.yaml", "sources:\n  all: {source: docs, owner: hb}\n")
	t.Chdir(filepath.Dir(w.dir))
	w.must(cli.Done, "sync", "docs", "--owner", "hb", "-y")
	for i, args := range [][]string{
		{"docs/", "--owner", "hb"},
		{"./docs/../docs", "--owner", "hb"},
		{w.dir, "--owner", "hb"},
		{link, "--owner", "hb"},
		{link + "/", "--owner", "hb"},
		{"all", "--config", "settings.yaml"},
	} { // each time one of three stays
		w.write("a.md", fmt.Sprint("new ", i))
		w.remove("sub")
		w.write(fmt.Sprintf("sub/%d.md", i), fmt.Sprint("new ", i, " too"))
		w.must(cli.Done, append([]string{"sync", "-y"}, args...)...)
		is.Equal(w.keys()[0], "a.md")
		is.Equal(w.keys()[1:], []string{fmt.Sprintf("sub/%d.md", i)})
	}
	is.Equal(len(records(t)), 1)
}

func TestEachOwnerAndPrefixHasAFolderOfItsOwn(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	other := tree(t, project)
	scopes := [][]string{
		{w.dir, "--owner", "hb"},
		{other, "--owner", "other", "--prefix", "p/"},
		{other, "--owner", "hb", "--owner-attribute", "team", "--prefix", "q/"},
		{filepath.Join(other, "docs"), "--owner", "docs", "--prefix", "r/"},
	}
	for range 2 {
		for _, scope := range scopes {
			w.must(cli.Done, append([]string{"sync", "-y"}, scope...)...)
		}
	}
	is.Equal(len(records(t)), len(scopes))
	w.must(cli.Done, "sync", other, "--prefix", "z/", "-y") // without an owner nothing is removed
	is.Equal(len(records(t)), len(scopes))
	w.must(cli.Withheld, "sync", filepath.Join(other, "docs"), "--owner", "other", "--prefix", "p/", "-y")
	is.Equal(len(records(t)), len(scopes))
}

// TestARunThatIsNotWholeLeavesTheRecord runs the wrong folder in ways that remove nothing.
func TestARunThatIsNotWholeLeavesTheRecord(t *testing.T) {
	end := func(n int) string { return fmt.Sprintf("{\"end\":true,\"count\":%d}\n", n) }
	for _, c := range []struct {
		name string
		code int
		args []string
	}{
		{"a plan", cli.Withheld, []string{"plan", "WRONG", "--owner", "hb"}},
		{"a dry run", cli.Withheld, []string{"sync", "WRONG", "--owner", "hb", "-n"}},
		{"a run that is refused", cli.Withheld, []string{"sync", "WRONG", "--owner", "hb", "-y"}},
		{"a run without removals", cli.Withheld, []string{"sync", "WRONG", "--owner", "hb", "-y", "--no-remove"}},
		{"a run that does not wait", cli.Withheld, []string{"sync", "WRONG", "--owner", "hb", "-y", "--wait=false"}},
		{"an empty folder", cli.Withheld, []string{"sync", "WRONG", "--owner", "hb", "-y", "--include", "*.none"}},
		{"a manifest", cli.Withheld, []string{"sync", "manifest:-", "--owner", "hb", "-y"}},
		{"a list of keys", cli.Done, []string{"sync", "keys:-", "--owner", "hb", "-y", "--complete"}},
		{"an answer that is no", cli.Done, []string{"sync", "WRONG", "--owner", "hb", "--approve-removals", "9"}},
		{"the saved plan of a run without removals", cli.Withheld, []string{"apply", "PLAN", "-y"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			wrong, file := tree(t, project), filepath.Join(t.TempDir(), "a.plan")
			w.must(cli.Done, "plan", w.dir, "--owner", "hb")
			is.Equal(len(records(t)), 0)
			w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
			is.Equal(len(records(t)), 1)
			before, err := os.ReadFile(records(t)[0])
			is.NoErr(err)
			w.must(cli.Withheld, "plan", wrong, "--owner", "hb", "--no-remove", "--out", file)
			w.tty, w.in = c.name == "an answer that is no", "n\n"
			switch c.name {
			case "a manifest":
				w.in = `{"key":"k","text":"t"}` + "\n" + end(1)
			case "a list of keys":
				w.in = "a.md\nsub/b.md\n"
			}
			for i, arg := range c.args {
				c.args[i] = strings.NewReplacer("WRONG", wrong, "PLAN", file).Replace(arg)
			}
			w.must(c.code, c.args...)
			is.Equal(len(records(t)), 1)
			after, err := os.ReadFile(records(t)[0])
			is.NoErr(err)
			is.Equal(string(after), string(before))
		})
	}
}

// TestASavedPlanIsOfTheFolderThatItIsAppliedTo applies a plan, and then one of another folder.
func TestASavedPlanIsOfTheFolderThatItIsAppliedTo(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	file := filepath.Join(t.TempDir(), "a.plan")
	wrong := tree(t, project)
	w.must(cli.Done, "plan", w.dir, "--owner", "hb", "--out", file)
	is.Equal(len(records(t)), 0)
	w.must(cli.Done, "apply", file, "-y")
	is.Equal(len(records(t)), 1)
	before := w.keys()

	w.must(cli.Withheld, "plan", wrong, "--owner", "hb", "--out", file)
	w.must(cli.Withheld, "apply", file, "-y")
	is.Equal(w.keys(), before)
	w.must(cli.Withheld, "apply", file, "-y", "--approve-removals", "1")
	is.Equal(w.keys(), before)
	w.must(cli.Done, "apply", file, "-y", "--approve-removals", "2")
	is.Equal(w.keys(), slices.Sorted(maps.Keys(project)))
	w.must(cli.Withheld, "sync", w.dir, "--owner", "hb", "-y")

	// Of another folder that it is pointed at, an apply has read what it puts alone.
	other := tree(t, map[string]string{"new.md": "new"})
	is.NoErr(os.WriteFile(filepath.Join(wrong, "new.md"), []byte("new"), 0o644))
	w.must(cli.Done, "plan", wrong, "--owner", "hb", "--out", file)
	w.must(cli.Done, "apply", file, other, "-y")
	w.must(cli.Withheld, "sync", other, "--owner", "hb", "-y")

	// A plan that was made where the record was not known is made again.
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	edited := maps.Clone(project)
	for _, key := range slices.Sorted(maps.Keys(project))[:4] {
		edited[key] += ", edited"
	}
	third := tree(t, edited)
	w.must(cli.Done, "plan", third, "--owner", "hb", "--out", file)
	w.must(cli.Done, "sync", wrong, "--owner", "hb", "-y")
	writes := w.writes()
	w.must(cli.Withheld, "apply", file, "-y")
	w.must(cli.Withheld, "sync", third, "--owner", "hb", "-y") // it is not written down either
	is.Equal(w.writes(), writes)
	w.must(cli.Done, "apply", file, "-y", "--approve-removals", "1")
}

func TestAWrongFolderIsNotPutEitherWhereRemovalsAreTurnedOff(t *testing.T) {
	for _, flag := range []string{"--no-remove", "--wait=false"} {
		t.Run(flag, func(t *testing.T) {
			w := newWorld(t, openaitest.Config{})
			wrong := tree(t, project)
			w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
			before := w.keys()
			w.must(cli.Withheld, "sync", wrong, "--owner", "hb", "-y", flag)
			w.must(cli.Withheld, "sync", wrong, "--owner", "hb", "-y")
			is.New(t).Equal(w.keys(), before)
		})
	}
}

func TestAFolderThatWasMovedIsTheSame(t *testing.T) {
	w := newWorld(t, openaitest.Config{})
	first := tree(t, map[string]string{"a.md": "a", "b.md": "b", "c.md": "c", "d.md": "d"})
	w.must(cli.Done, "sync", first, "--owner", "hb", "-y")
	second := tree(t, map[string]string{"a.md": "a, edited", "b.md": "b, edited", "c.md": "c"})
	is.New(t).NoErr(os.RemoveAll(first))
	w.must(cli.Done, "sync", second, "--owner", "hb", "-y")
}

func TestAManifestOfAnotherFolderRemovesNothing(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	lines := func(dir string, keys ...string) {
		var b strings.Builder
		for i, key := range keys {
			fmt.Fprintf(&b, `{"key":%q,"text":%q}`+"\n", key, dir+strings.Repeat("x", i+1))
		}
		fmt.Fprintf(&b, `{"end":true,"count":%d}`+"\n", len(keys))
		is.NoErr(os.WriteFile(filepath.Join(dir, "m.jsonl"), []byte(b.String()), 0o644))
	}
	right, wrong := t.TempDir(), t.TempDir()
	lines(right, "1.md", "2.md", "3.md", "4.md")
	lines(wrong, "1.md", "2.md", "3.md", "5.md")
	t.Chdir(right)
	w.must(cli.Done, "sync", "manifest:m.jsonl", "--owner", "hb", "-y")
	before := w.keys()
	t.Chdir(wrong)
	w.must(cli.Withheld, "sync", "manifest:m.jsonl", "--owner", "hb", "-y")
	is.Equal(w.keys(), before)
}

// TestARecordThatCannotBeReadOrWrittenStopsNothing tells of it on a line.
func TestARecordThatCannotBeReadOrWrittenStopsNothing(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	record := records(t)[0]
	for _, damaged := range []string{"", "{", "{}", `{"folder":7}`} {
		is.NoErr(os.WriteFile(record, []byte(damaged), 0o600))
		_, errs, code := w.run("plan", w.dir, "--owner", "hb")
		is.Equal(code, cli.Done)
		is.True(strings.Contains(errs, "a run that is whole writes it anew"))
		_, _, code = w.run("sync", w.dir, "--owner", "hb", "-y")
		is.Equal(code, cli.Done)
		_, errs, _ = w.run("plan", w.dir, "--owner", "hb")
		is.Equal(errs, "") // it was written anew
	}

	is.NoErr(os.Remove(record))
	is.NoErr(os.MkdirAll(filepath.Join(record, "a folder in its place"), 0o700))
	_, errs, code := w.run("sync", w.dir, "--owner", "hb", "-y")
	is.Equal(code, cli.Done)
	is.True(strings.Contains(errs, "cannot be written down"))
	left, err := filepath.Glob(filepath.Join(filepath.Dir(record), "*.new"))
	is.NoErr(err)
	is.Equal(len(left), 0)

	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "") // there is no cache
	_, errs, code = w.run("sync", w.dir, "--owner", "third", "--prefix", "q/", "-y")
	is.Equal(code, cli.Done)
	is.Equal(errs, "")
}
