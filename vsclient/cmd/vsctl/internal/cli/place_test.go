package cli_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/cli"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// tree writes a folder of files, by their paths, and returns its path.
func tree(t *testing.T, texts map[string]string) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "tree")
	fill(t, root, texts)
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

	// An apply to another folder has read only the documents that it puts.
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
	w.must(cli.Withheld, "apply", file, third, "-y")
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

// fill writes files into a folder, by their paths.
func fill(t *testing.T, root string, texts map[string]string) {
	t.Helper()
	for name, text := range texts {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// versions returns ten documents, and those of another version, which has seven of them.
func versions() (v1, v2 map[string]string) {
	v1, v2 = make(map[string]string), make(map[string]string)
	for i := range 10 {
		name := fmt.Sprintf("%d.md", i)
		v1[name], v2[name] = fmt.Sprint("page ", i), fmt.Sprint("page ", i)
	}
	delete(v2, "0.md")
	v2["1.md"], v2["2.md"] = "new", "new too"
	return v1, v2
}

// TestTheWrongWorkingDirectoryRemovesNothing runs the same line in two directories. The source is
// below each of them.
func TestTheWrongWorkingDirectoryRemovesNothing(t *testing.T) {
	v1, v2 := versions()
	list := func(from map[string]string, line func(key, text string) string) map[string]string {
		var b strings.Builder
		for _, key := range slices.Sorted(maps.Keys(from)) {
			b.WriteString(line(key, from[key]) + "\n")
		}
		fmt.Fprintf(&b, `{"end":true,"count":%d}`+"\n", len(from))
		return map[string]string{"list": b.String()}
	}
	manifest := func(key, text string) string { return fmt.Sprintf(`{"key":%q,"text":%q}`, key, text) }
	plain := func(key, _ string) string { return key }
	named := func(files map[string]string) map[string]string {
		out := map[string]string{".vsctl.yaml": "sources:\n  it: {source: docs, owner: hb}\n"}
		for key, text := range files {
			out["docs/"+key] = text
		}
		return out
	}
	inPWD := func(files map[string]string) map[string]string {
		files[".vsctl.yaml"] = strings.Replace(files[".vsctl.yaml"], "docs", `"${PWD}/docs"`, 1)
		return files
	}
	template := map[string]string{"LICENSE.md": "MIT", "README.md": "another project", "a.md": "another a", "c.md": "c"}
	below := func(folder string) map[string]string {
		out := make(map[string]string)
		for key, text := range project {
			if name, ok := strings.CutPrefix(key, folder); ok {
				out[name] = text
			}
		}
		return out
	}
	for _, c := range []struct {
		name         string
		right, wrong map[string]string
		source       string
		unknown      bool // no record is needed
	}{
		{"a folder below", project, below("docs/"), ".", true},
		{"a folder above", below("docs/"), project, ".", true},
		{"a folder of the same template", project, template, ".", true},
		{"a folder of another version", v1, v2, ".", false},
		{"a manifest of the same template", list(project, manifest), list(template, manifest), "manifest:list", true},
		{"a manifest of another version", list(v1, manifest), list(v2, manifest), "manifest:list", false},
		{"a list of keys of another version", list(v1, plain), list(v2, plain), "keys:list", false},
		{"a source of the settings, of the same template", named(project), named(template), "it", true},
		{"a source of the settings, of another version", named(v1), named(v2), "it", false},
		{"a source of the settings, below $PWD", inPWD(named(v1)), inPWD(named(v2)), "it", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			right, wrong := tree(t, c.right), tree(t, c.wrong)
			t.Chdir(right)
			w.env["PWD"] = right
			if strings.HasPrefix(c.source, "keys:") {
				w.remove(".")
				fill(t, w.dir, v1)
				w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
			}
			w.must(cli.Done, "sync", c.source, "--owner", "hb", "-y")
			before, writes := w.keys(), w.writes()
			t.Chdir(wrong)
			w.env["PWD"] = wrong
			same := func() {
				t.Helper()
				for _, more := range [][]string{nil, {"--max-remove", "100%"}, {"--no-remove"}, {"--wait=false"}, {"--approve-removals", "0"}} {
					if strings.HasPrefix(c.source, "keys:") && len(more) > 0 && len(more[0]) > 8 {
						w.run(append([]string{"sync", c.source, "--owner", "hb", "-y"}, more...)...)
					} else {
						w.must(cli.Withheld, append([]string{"sync", c.source, "--owner", "hb", "-y"}, more...)...)
					}
					is.Equal(w.keys(), before)
					is.Equal(w.writes(), writes) // nothing is put either
				}
			}
			same()
			_, errs, _ := w.run("plan", c.source, "--owner", "hb")
			linked, err := filepath.EvalSymlinks(right)
			is.NoErr(err)
			is.True(strings.Contains(errs, "the last whole run has read "+linked))
			is.True(strings.Contains(errs, "run vsctl where that run was, or give the absolute path (--approve-removals "))
			if c.unknown {
				t.Setenv("XDG_CACHE_HOME", t.TempDir()) // another machine
				same()
				_, errs, _ = w.run("plan", c.source, "--owner", "hb")
				is.True(strings.Contains(errs, "no whole run is on record here, and the source has "))
				t.Setenv("XDG_CACHE_HOME", "")
				t.Setenv("HOME", "") // there is no cache
				same()
			}
		})
	}
}

// TestNoRandomWorkingDirectoryRemovesADocument has folders below, above and beside the right one,
// with a record and without, and of other versions. Each pair has a prefix of its own in one store.
func TestNoRandomWorkingDirectoryRemovesADocument(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	top, others := t.TempDir(), t.TempDir()
	known := make([]bool, race.Pick(32, 12))
	for seed := range known {
		r := rand.New(rand.NewPCG(uint64(seed), 16))
		right, wrong := make(map[string]string), make(map[string]string)
		for _, folder := range []string{"", "docs/", "guide/"} {
			for i := range 5 {
				name := fmt.Sprintf("%s%d.md", folder, i)
				if r.IntN(3) > 0 {
					right[name] = "right " + name
				}
				if r.IntN(3) > 0 {
					wrong[name] = "wrong " + name
				}
			}
			right[folder+"LICENSE.md"], wrong[folder+"LICENSE.md"] = "MIT", "MIT"
		}
		below := func(files map[string]string) map[string]string {
			out := make(map[string]string)
			for key, text := range files {
				if name, ok := strings.CutPrefix(key, "docs/"); ok {
					out[name] = text
				}
			}
			return out
		}
		known[seed] = r.IntN(2) == 0
		switch seed % 4 {
		case 0:
			wrong = below(right)
		case 1:
			right, wrong = below(right), right
		case 2: // of another version, which has seven files of ten
			clear(wrong)
			for name, text := range right {
				if n := r.IntN(20); n < 14 {
					wrong[name] = text
				} else if n < 17 {
					wrong[name] = "new " + name
				}
			}
			known[seed] = true
		}
		fill(t, filepath.Join(top, fmt.Sprint(seed)), right)
		fill(t, filepath.Join(others, fmt.Sprint(seed)), wrong)
	}
	w.must(cli.Done, "sync", top, "--owner", "hb", "-y")
	for seed, known := range known {
		line := []string{"sync", ".", "--owner", "hb", "-y", "--prefix", fmt.Sprint(seed, "/"), "--max-remove", "100%"}
		if known {
			t.Chdir(filepath.Join(top, fmt.Sprint(seed)))
			is.Equal(strings.Contains(w.must(cli.Done, line...), "\n0 changes made"), true)
		}
		before := w.keys()
		t.Chdir(filepath.Join(others, fmt.Sprint(seed)))
		for range 2 {
			w.run(line...)
			after := w.keys()
			if gone := slices.DeleteFunc(slices.Clone(before), func(key string) bool { return slices.Contains(after, key) }); len(gone) > 0 {
				t.Errorf("seed %d: %v are gone", seed, gone)
			}
		}
	}
}

// checkouts are ways to check a repository out once more.
var checkouts = map[string][]string{
	"a clone":    {"clone", "-q", ".", "AGAIN"},
	"a worktree": {"worktree", "add", "-q", "AGAIN"},
}

func TestAnotherCheckoutInTheWorkingDirectoryIsTheSameSource(t *testing.T) {
	v1, _ := versions()
	for name, how := range checkouts {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			docs := make(map[string]string)
			for key, text := range v1 {
				docs["docs/"+key] = text
			}
			first, second := tree(t, docs), filepath.Join(t.TempDir(), "again")
			git := func(args ...string) {
				t.Helper()
				for i, arg := range args {
					args[i] = strings.Replace(arg, "AGAIN", second, 1)
				}
				cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", first, "-c", "user.name=a", "-c", "user.email=a@b.c"}, args...)...)
				cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("git %v: %v: %s", args, err, out)
				}
			}
			git("init", "-q")
			git("add", ".")
			git("commit", "-q", "-m", "all")
			git(slices.Clone(how)...)
			t.Chdir(first)
			w.must(cli.Done, "sync", "docs", "--owner", "hb", "-y")
			t.Chdir(second)
			is.NoErr(os.Remove(filepath.Join("docs", "0.md")))
			is.NoErr(os.WriteFile(filepath.Join("docs", "1.md"), []byte("edited"), 0o644))
			out := w.must(cli.Done, "sync", "docs", "--owner", "hb", "-y")
			is.True(strings.Contains(out, "\n1 to replace, 1 to remove, 8 unchanged\n"))
			is.Equal(w.keys(), slices.Sorted(maps.Keys(v1))[1:])

			// Another place of the checkout is another source, and one that has few of the documents too.
			w.must(cli.Withheld, "sync", ".", "--owner", "hb", "-y")
			w.must(cli.Done, "sync", "docs", "--owner", "hb", "-y") // it is the one on record
			t.Chdir(first)
			for i := 2; i < 8; i++ {
				is.NoErr(os.WriteFile(filepath.Join("docs", fmt.Sprint(i, ".md")), []byte("edited"), 0o644))
			}
			is.NoErr(os.Remove(filepath.Join("docs", "9.md")))
			_, errs, code := w.run("sync", "docs", "--owner", "hb", "-y")
			is.Equal(code, cli.Withheld)
			is.True(strings.Contains(errs, "and the source has 1 of its 9 documents unchanged: is it the right source?"))
		})
	}
}

// TestARelativePathIsTrustedWhenAPersonSaysSo has a folder of another version.
func TestARelativePathIsTrustedWhenAPersonSaysSo(t *testing.T) {
	v1, v2 := versions()
	for _, c := range []struct {
		name   string
		args   []string
		before func(right string)
	}{
		{"an approval", []string{".", "--approve-removals", "1"}, nil},
		{"an absolute path", []string{"WRONG"}, nil},
		{"the other folder is gone", []string{"."}, func(right string) { _ = os.RemoveAll(right) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			right, wrong := tree(t, v1), tree(t, v2)
			t.Chdir(right)
			w.must(cli.Done, "sync", ".", "--owner", "hb", "-y")
			t.Chdir(wrong)
			w.must(cli.Withheld, "sync", ".", "--owner", "hb", "-y")
			if c.before != nil {
				c.before(right)
			}
			for i, arg := range c.args {
				c.args[i] = strings.Replace(arg, "WRONG", wrong, 1)
			}
			w.must(cli.Done, append([]string{"sync", "--owner", "hb", "-y"}, c.args...)...)
			is.Equal(w.keys(), slices.Sorted(maps.Keys(v2)))
			w.must(cli.Done, "sync", ".", "--owner", "hb", "-y") // it is the one on record
			is.NoErr(os.Remove("9.md"))
			w.must(cli.Done, "sync", ".", "--owner", "hb", "-y")
		})
	}
}

// TestAMovedFolderNeedsMostDocumentsUnchanged has a relative path, and its record names a folder
// that is gone.
func TestAMovedFolderNeedsMostDocumentsUnchanged(t *testing.T) {
	is := is.New(t)
	v1, v2 := versions()
	w := newWorld(t, openaitest.Config{})
	right := tree(t, v1)
	t.Chdir(right)
	w.must(cli.Done, "sync", ".", "--owner", "hb", "-y")
	for i := 3; i < 6; i++ {
		v2[fmt.Sprint(i, ".md")] = "new"
	}
	t.Chdir(tree(t, v2))
	is.NoErr(os.RemoveAll(right))
	_, errs, code := w.run("sync", ".", "--owner", "hb", "-y")
	is.Equal(code, cli.Withheld)
	is.True(strings.Contains(errs, "which is gone, and the source has 4 of its 10 documents unchanged: is it the right source?"))
	is.Equal(w.keys(), slices.Sorted(maps.Keys(v1)))
}

// TestAWrongFolderThatRemovesNothingIsNotRemembered has all names of the right one.
func TestAWrongFolderThatRemovesNothingIsNotRemembered(t *testing.T) {
	v1, v2 := versions()
	superset := maps.Clone(v2) // has most documents unchanged
	superset["0.md"] = "new"
	others := make(map[string]string)
	for name := range v1 {
		others[name] = "another " + name
	}
	for _, c := range []struct {
		name, source string
		wrong        map[string]string
	}{
		{"an absolute path", "WRONG", others},
		{"a relative path", ".", others},
		{"a relative path to another version", ".", superset},
	} {
		t.Run(c.name, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			right, wrong := tree(t, v1), tree(t, c.wrong)
			t.Chdir(right)
			w.must(cli.Done, "sync", ".", "--owner", "hb", "-y")
			t.Chdir(wrong)
			w.must(cli.Done, "sync", strings.Replace(c.source, "WRONG", wrong, 1), "--owner", "hb", "-y")
			t.Chdir(right)
			is.NoErr(os.Remove("9.md"))
			w.must(cli.Done, "sync", ".", "--owner", "hb", "-y")
			is.Equal(w.keys(), slices.Sorted(maps.Keys(v1))[:9])
		})
	}
}

// TestAListOfKeysHasARecordOfItsOwn stands beside the folder that puts its documents.
func TestAListOfKeysHasARecordOfItsOwn(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	list := func(keys ...string) map[string]string {
		return map[string]string{"list": fmt.Sprintf("%s\n{\"end\":true,\"count\":%d}\n", strings.Join(keys, "\n"), len(keys))}
	}
	right, wrong := tree(t, list("a.md", "sub/b.md", "sub/c.md")), tree(t, list("a.md", "sub/c.md"))
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	t.Chdir(right)
	w.must(cli.Done, "sync", "keys:list", "--owner", "hb", "-y")
	is.Equal(len(records(t)), 2)
	t.Chdir(wrong)
	w.must(cli.Withheld, "sync", "keys:list", "--owner", "hb", "-y")
	is.Equal(len(w.keys()), 3)
	t.Chdir(right)
	w.must(cli.Done, "sync", "keys:list", "--owner", "hb", "-y")
	fill(t, right, list("a.md", "sub/b.md"))
	w.must(cli.Done, "sync", "keys:list", "--owner", "hb", "-y") // one of three goes
	is.Equal(w.keys(), []string{"a.md", "sub/b.md"})
	fill(t, wrong, list("sub/b.md"))
	w.must(cli.Done, "sync", "keys:"+filepath.Join(wrong, "list"), "--owner", "hb", "-y") // a list says nothing of contents
	is.Equal(w.keys(), []string{"sub/b.md"})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.Equal(len(records(t)), 2)
}

// TestTheRecordIsOfTheFolderThatWasRead has a link lead to another folder while vsctl asks.
func TestTheRecordIsOfTheFolderThatWasRead(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	other, link := tree(t, project), filepath.Join(t.TempDir(), "current")
	lead := func(to string) {
		_ = os.Remove(link)
		is.NoErr(os.Symlink(to, link))
	}
	lead(w.dir)
	w.tty, w.in = true, "y\n"
	w.asked = func() { lead(other) }
	w.must(cli.Done, "sync", link, "--owner", "hb")
	record, err := os.ReadFile(records(t)[0])
	is.NoErr(err)
	read, err := filepath.EvalSymlinks(w.dir)
	is.NoErr(err)
	is.True(strings.Contains(string(record), read))
}

// TestASavedPlanIsJudgedByTheRecordWhereItIsApplied makes a plan in the wrong directory, where no
// record is known.
func TestASavedPlanIsJudgedByTheRecordWhereItIsApplied(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	v1, v2 := versions()
	right, wrong, file := tree(t, v1), tree(t, v2), filepath.Join(t.TempDir(), "a.plan")
	t.Chdir(right)
	w.must(cli.Done, "sync", ".", "--owner", "hb", "-y")
	writes, cache := w.writes(), os.Getenv("XDG_CACHE_HOME")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Chdir(wrong)
	w.must(cli.Done, "plan", ".", "--owner", "hb", "--out", file) // most documents are unchanged
	t.Setenv("XDG_CACHE_HOME", cache)
	for _, more := range [][]string{nil, {"."}} {
		w.must(cli.Withheld, append([]string{"apply", file, "-y"}, more...)...)
		is.Equal(w.writes(), writes)
	}
	knows := file + ".2"
	w.must(cli.Withheld, "plan", ".", "--owner", "hb", "--out", knows)
	w.must(cli.Withheld, "apply", knows, "-y")
	is.Equal(w.writes(), writes)
	w.must(cli.Done, "apply", file, "-y", "--approve-removals", "1")
	is.Equal(w.keys(), slices.Sorted(maps.Keys(v2)))
	is.NoErr(os.Remove("9.md"))
	w.must(cli.Done, "sync", ".", "--owner", "hb", "-y") // it is the one on record
}

// TestASavedPlanIsOfTheRecordThatItKnew has another run between the plan and its execution.
func TestASavedPlanIsOfTheRecordThatItKnew(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	v1, v2 := versions()
	v3 := maps.Clone(v1)
	delete(v3, "0.md")
	file := filepath.Join(t.TempDir(), "a.plan")
	w.must(cli.Done, "sync", tree(t, v1), "--owner", "hb", "-y")
	w.must(cli.Done, "plan", tree(t, v2), "--owner", "hb", "--out", file)
	w.must(cli.Done, "sync", tree(t, v3), "--owner", "hb", "-y")
	w.must(cli.Withheld, "apply", file, "-y")
	is.Equal(w.keys(), slices.Sorted(maps.Keys(v3)))
}

// TestAFolderThatCannotBeLookedAtIsNotGone has one whose path goes in circles.
func TestAFolderThatCannotBeLookedAtIsNotGone(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	v1, _ := versions()
	right := tree(t, v1)
	w.must(cli.Done, "sync", right, "--owner", "hb", "-y")
	is.NoErr(os.RemoveAll(right))
	is.NoErr(os.Symlink(right, right))
	w.must(cli.Withheld, "sync", tree(t, map[string]string{"0.md": "another", "1.md": "another", "2.md": "another", "3.md": "another", "4.md": "another", "5.md": "another", "6.md": "another", "7.md": "another", "8.md": "another"}), "--owner", "hb", "-y")
	is.Equal(w.keys(), slices.Sorted(maps.Keys(v1)))
}

// TestARecordThatCannotBeReadOrWrittenStopsNoRunThatRemovesNothing tells of it on a line.
func TestARecordThatCannotBeReadOrWrittenStopsNoRunThatRemovesNothing(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	record := records(t)[0]
	for _, damaged := range []string{"", "{", "{}", `{"folder":7}`} {
		is.NoErr(os.WriteFile(record, []byte(damaged), 0o600))
		_, errs, code := w.run("plan", w.dir, "--owner", "hb")
		is.Equal(code, cli.Done)
		is.True(strings.Contains(errs, "a run that is approved writes it anew"))
		w.write("a.md", "alpha of "+damaged)
		w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y") // no document goes
	}

	is.NoErr(os.Remove(record))
	is.NoErr(os.MkdirAll(filepath.Join(record, "a folder in its place"), 0o700))
	w.remove("sub/c.md")
	_, errs, code := w.run("sync", w.dir, "--owner", "hb", "-y", "--approve-removals", "1")
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

// TestARecordThatCannotBeReadIsAReasonToRemoveNothing has somebody's file damaged.
func TestARecordThatCannotBeReadIsAReasonToRemoveNothing(t *testing.T) {
	for sentence, left := range map[string]string{
		"it is cut":          `{"owner":"h`,
		"it is empty":        "",
		"it names no folder": `{"owner":"hb"}`,
	} {
		t.Run(sentence, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
			w.remove("sub/c.md")
			file := filepath.Join(t.TempDir(), "a.plan")
			w.must(cli.Done, "plan", w.dir, "--owner", "hb", "--out", file)
			is.NoErr(os.WriteFile(records(t)[0], []byte(left), 0o600))
			w.must(cli.Withheld, "apply", file, "-y")
			_, errs, code := w.run("sync", w.dir, "--owner", "hb", "-y")
			is.Equal(code, cli.Withheld)
			is.True(strings.Contains(errs, "the folder of the last whole run is not known"))
			is.Equal(len(w.keys()), 3)

			w.write("sub/c.md", "gamma")
			w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y") // nothing goes, and the record stays as it is
			w.remove("sub/c.md")
			w.must(cli.Withheld, "sync", w.dir, "--owner", "hb", "-y")

			w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--approve-removals", "1")
			is.Equal(len(w.keys()), 2)

			w.remove("sub/b.md")
			w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y") // the record is whole
			is.Equal(w.keys(), []string{"a.md"})
		})
	}
}
