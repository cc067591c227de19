package source

import (
	"cmp"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// keysOf iterates over a source, and returns the keys that can be put and the first error.
func keysOf(t *testing.T, s Source) (keys []string, first error) {
	t.Helper()
	for d, err := range s.Documents(t.Context()) {
		switch {
		case err != nil && first == nil:
			first = err
		case err == nil && s.Refused()[d.Key] == "":
			keys = append(keys, d.Key)
		}
	}
	return keys, first
}

func TestGlobsChooseFiles(t *testing.T) {
	tests := []struct {
		include, exclude string
		want             string
	}{
		{"", "", "a.md b/c.md b/d.md e/f/g.md"},
		{"*.md", "", "a.md b/c.md b/d.md e/f/g.md"},
		{"/*.md", "", "a.md"},
		{"./*.md", "", "a.md"},
		{"b", "", "b/c.md b/d.md"},
		{"b/", "", "b/c.md b/d.md"},
		{"b/*.md", "", "b/c.md b/d.md"},
		{"**/g.md", "", "e/f/g.md"},
		{"e/**", "", "e/f/g.md"},
		{"{a,c}.md", "", "a.md b/c.md"},
		{"", "b", "a.md e/f/g.md"},
		{"", "f", "a.md b/c.md b/d.md"},
		{"", "e/f", "a.md b/c.md b/d.md"},
		{"b", "d.*", "b/c.md"},
		{"*.zz", "", ""},
	}
	path := folder(t)
	for _, tt := range tests {
		o := Options{}
		if tt.include != "" {
			o.Include = []string{tt.include}
		}
		if tt.exclude != "" {
			o.Exclude = []string{tt.exclude}
		}
		got, err := keysOf(t, open(t, path, o))
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("include %q, exclude %q: %v, %v", tt.include, tt.exclude, got, err)
		}
	}
}

func TestIgnoredFilesAreLeftOutWithGitAndWithout(t *testing.T) {
	git := func(dir string, args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	for _, way := range []string{"a work tree", "a folder"} {
		t.Run(way, func(t *testing.T) {
			is := is.New(t)
			path := folder(t)
			write(t, path, ".gitignore", "# a comment\n*.tmp.md\n/e\n!keep.tmp.md\nbuild/\n")
			write(t, path, "b/.gitignore", "d.md\n")
			for _, name := range []string{"x.tmp.md", "keep.tmp.md", "build/y.md", "b/build/z.md", "b/e/in.md"} {
				write(t, path, name, name)
			}
			if way == "a work tree" {
				git(path, "init", "-q")
				t.Setenv("GIT_DIR", "elsewhere/.git") // as a hook has it
			}
			write(t, path, ".git/inside.md", "no document")
			s := open(t, path, Options{Prefix: "p/"})
			got, err := keysOf(t, s)
			is.NoErr(err)
			is.Equal(got, []string{"p/a.md", "p/b/c.md", "p/b/e/in.md", "p/keep.tmp.md"})
			for _, key := range []string{"p/x.tmp.md", "p/b/d.md", "p/.git/inside.md", "p/build/y.md"} {
				_, ok, err := s.Document(t.Context(), key)
				is.Equal(err != nil, way == "a folder" && key != "p/.git/inside.md") // git may keep it
				is.True(!ok)                                                         // it is ignored
			}
		})
	}
	t.Run("a work tree with a link that git does not follow", func(t *testing.T) {
		is := is.New(t)
		path := folder(t)
		git(path, "init", "-q")
		write(t, path, "rules", "d.md\n")
		is.NoErr(os.Symlink("../rules", filepath.Join(path, "b", ".gitignore")))
		got, err := keysOf(t, open(t, path, Options{}))
		is.True(strings.Contains(err.Error(), "unable to access"))
		is.Equal(len(got), 0) // one of them may be ignored
	})
	t.Run("a work tree whose git is told to trace", func(t *testing.T) {
		is := is.New(t)
		path := folder(t)
		git(path, "init", "-q")
		write(t, path, ".git/info/exclude", "d.md\n")
		t.Setenv("GIT_TRACE", "1")
		got, err := keysOf(t, open(t, path, Options{}))
		is.NoErr(err)
		is.Equal(got, []string{"a.md", "b/c.md", "e/f/g.md"})
	})
	t.Run("a folder that its work tree ignores", func(t *testing.T) {
		is := is.New(t)
		path := folder(t)
		git(path, "init", "-q")
		write(t, path, ".gitignore", "public/\n")
		write(t, path, "public/page.html", "made by a generator")
		got, err := keysOf(t, open(t, filepath.Join(path, "public"), Options{}))
		is.NoErr(err)
		is.Equal(got, []string{"page.html"})
	})
	t.Run("a folder of a work tree that git does not list", func(t *testing.T) {
		is := is.New(t)
		path := folder(t)
		git(path, "init", "-q")
		write(t, path, ".gitignore", "secret.md\n/b/own.md\n/own.md\n")
		for _, name := range []string{"b/secret.md", "b/own.md", "b/in/secret.md", "b/in/own.md"} {
			write(t, path, name, "no document")
		}
		want, err := keysOf(t, open(t, filepath.Join(path, "b"), Options{}))
		is.NoErr(err)
		is.Equal(want, []string{"c.md", "d.md", "in/own.md"})
		t.Setenv("PATH", t.TempDir())
		s := open(t, filepath.Join(path, "b"), Options{})
		got, err := keysOf(t, s)
		is.NoErr(err)
		is.Equal(got, want)
		_, _, err = s.Document(t.Context(), "secret.md")
		is.True(err != nil) // git may keep it, and cannot be asked
	})
	for lines, want := range map[string]string{
		"hidden.md  \n":                           "a.md b/c.md b/d.md e/f/g.md",
		"\ufeffhidden.md\n":                       "a.md b/c.md b/d.md e/f/g.md",
		"[!a-f].md\nhidden.md\n":                  "a.md b/c.md b/d.md",
		"hidden.md\n!/e/\n":                       "a.md b/c.md b/d.md e/f/g.md",
		"/*\n!/e\n!/a.md\nhidden.md\n":            "a.md e/f/g.md",
		"e/*\n!e/f\n/b/**\n!/b/c.md\nhidden.md\n": "a.md b/c.md e/f/g.md",
		"*\n!*/\n!c.md\n":                         "b/c.md",
		"*\n!/e/\n!/e/f/\n!/e/**/g.md\n":          "e/f/g.md",
		"f/*\n!e/**\nhidden.md\n":                 "a.md b/c.md b/d.md e/f/g.md",
		"/**\n!/a.md\n":                           "a.md",
		"/**/\nhidden.md\n":                       "a.md",
		"b/**.md\nhidden.md\n":                    "a.md e/f/g.md",
		"/b**\nhidden.md\n":                       "a.md e/f/g.md",
		"b/[[:alpha:]].md\nhidden.md\n":           "a.md e/f/g.md",
		"[[:digit:][:upper:]c].md\nhidden.md\n":   "a.md b/d.md e/f/g.md",
		"[[:punct:]].md\nhidden.md\n":             "a.md b/c.md b/d.md e/f/g.md",
		"{a,c}.md\n[a\nhidden.md\n":               "a.md b/c.md b/d.md e/f/g.md",
		"[]a].md\n[!]a-c].md\n[]\nhidden.md\n":    "b/c.md",
		"hid****\n[^a]***/c.md\na[/]md\n":         "a.md b/d.md e/f/g.md",
		"**/f/*.md\n**/*/*.md\n!/b/d.md\n":        "a.md b/d.md hidden.md",
		"b/**/\n**/e/**/f/**\n":                   "a.md b/c.md b/d.md hidden.md",
	} {
		t.Run(fmt.Sprintf("the patterns %q", lines), func(t *testing.T) {
			is := is.New(t)
			path := folder(t)
			git(path, "init", "-q")
			write(t, path, ".gitignore", lines)
			write(t, path, "hidden.md", "no document")
			write(t, path, "e/f/hidden.md", "no document")
			got, err := keysOf(t, open(t, path, Options{}))
			is.NoErr(err)
			is.Equal(strings.Join(got, " "), want)
			t.Setenv("PATH", t.TempDir())
			got, err = keysOf(t, open(t, path, Options{}))
			is.NoErr(err)
			is.Equal(strings.Join(got, " "), want)
		})
	}
	t.Run("a tracked file that was deleted", func(t *testing.T) {
		is := is.New(t)
		path := folder(t)
		git(path, "init", "-q")
		git(path, "add", "-A")
		is.NoErr(os.Remove(filepath.Join(path, "a.md")))
		got, err := keysOf(t, open(t, path, Options{}))
		is.NoErr(err) // a deletion is no fault
		is.Equal(got, []string{"b/c.md", "b/d.md", "e/f/g.md"})
	})
}

// lists returns the files that git lists, and those that are listed without git, under the .gitignore.
func lists(t *testing.T, path, ignore string) (git, without []string) {
	t.Helper()
	write(t, path, ".gitignore", ignore)
	s := open(t, path, Options{})
	w, err := newWalked(s.(*dir))
	g, failed := newGitFiles(s.(*dir))
	if err = cmp.Or(err, failed); err != nil {
		t.Fatal(err)
	}
	list := func(l lister) (out []string) {
		for name, err := range l.all(t.Context()) {
			if err != nil {
				t.Fatalf("%q: %v", ignore, err)
			}
			out = append(out, name)
		}
		slices.Sort(out)
		return out
	}
	return list(g), list(w)
}

// TestNoPatternsNameOtherFilesWithoutGit has lines of random parts in a .gitignore.
func TestNoPatternsNameOtherFilesWithoutGit(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	for _, name := range []string{"b/x y.md", "b/{a}.md", "e/A1.md", "e/a/b/c.md", "b/b/!x.md", "b/].md", "e/é.md", "é/c.md", "e/b/a/b/c.md", "#a.md", "e/a ", "e/[a"} {
		write(t, path, name, name)
	}
	write(t, path, "e/a/.gitignore", "c.md\n!/b\n")
	repositories(path)
	for c := rune(1); c < 0x7f; c++ {
		if c != '/' && c != '\v' && c != '\f' { // see the forms below
			write(t, path, "classes/"+string(c)+".md", "one")
		}
	}
	for class := range strings.FieldsSeq("alnum alpha blank cntrl digit graph lower print punct space upper xdigit none") {
		git, without := lists(t, path, fmt.Sprintf("/classes/[[:%s:]].md\n/classes/x[![:%s:]].md\n", class, class))
		if !slices.Equal(git, without) {
			t.Errorf("the class %s is another one than git's", class)
		}
	}
	is.NoErr(os.RemoveAll(filepath.Join(path, "classes")))
	parts := []string{
		"a", "b", "e", "f", "c.md", "x y.md", "*", "**", "***", "?.md", "*.md", "**.md", "[^a]***", "[ab]*", "[!a]", "[!a][!a]*", "[]a].md", "[]a]*", "[!]a]*",
		"[[:upper:]]*", "[b-a]*", "{a}.md", `\{a\}.md`, `\#a.md`, `\a`, `a\ `, `x\ y.md`, "é.md", "?", "#a.md", "!x.md", `\!x.md`,
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		lines := ""
		for range 1 + r.IntN(3) {
			line := parts[r.IntN(len(parts))]
			for range r.IntN(4) {
				line += "/" + parts[r.IntN(len(parts))]
			}
			lines += []string{"", "!"}[r.IntN(2)] + []string{"", "/"}[r.IntN(2)] + line + []string{"", "/", " ", "  ", "/ "}[r.IntN(5)] + []string{"\n", "\r\n"}[r.IntN(2)]
		}
		lines = "*.md\n"[:5*r.IntN(2)] + lines
		if git, without := lists(t, path, lines); !slices.Equal(git, without) {
			t.Errorf("%q: %q, and git has %q", lines, without, git)
		}
	}
}

func TestTheFormsThatTheReadmeExceptsNameOtherFilesWithoutGit(t *testing.T) {
	path := folder(t)
	write(t, path, "bxd.md", "one")
	write(t, path, "\vx.md", "one")
	repositories(path)
	for line, reason := range map[string]string{
		`b\/c.md`:          "a slash has a backslash before it",
		"/b[!y/]d.md":      "a slash is in a class",
		"e**/g.md":         "two stars after letters stand for folders too, which git's manual denies",
		"[![:space:]]x.md": "a vertical tab and a form feed are no space",
	} {
		if git, without := lists(t, path, line+"\n"); len(without) != len(git)+1 {
			t.Errorf("%q, where %s: %q, and git has %q", line, reason, without, git)
		}
	}
}

func TestFilesThatCannotBePutAreRefused(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	write(t, path, "logo.png", "png")
	write(t, path, "lfs.md", "version https://git-lfs.github.com/spec/v1\noid sha256:"+strings.Repeat("0", 64)+"\nsize 12345\n")
	write(t, path, "hawser.md", "version https://hawser.github.com/spec/v1\noid sha256:"+strings.Repeat("0", 64)+"\nsize 12345\n")
	write(t, path, "mark.md", "\ufeffversion https://git-lfs.github.com/spec/v1\noid sha256:"+strings.Repeat("0", 64)+"\nsize 12345\n")
	write(t, path, "guide.md", "version https://git-lfs.github.com/spec/v1\nis the first line of a pointer.\n")
	write(t, path, "annex.md", "/annex/objects/SHA256E-s5--abc.md\n")
	write(t, path, "linked/annex.md", "../../.git/annex/objects/Zz/1F/SHA256E-s5--abc.md/SHA256E-s5--abc.md")
	is.NoErr(os.Symlink("/etc/passwd", filepath.Join(path, "out.md")))
	is.NoErr(os.Symlink("b/c.md", filepath.Join(path, "in.md")))
	is.NoErr(os.Symlink("nowhere", filepath.Join(path, "dangling.md")))
	is.NoErr(os.Symlink("e", filepath.Join(path, "folder.md")))
	s := open(t, path, Options{})
	got, err := keysOf(t, s)
	is.NoErr(err)
	is.Equal(got, []string{"a.md", "b/c.md", "b/d.md", "e/f/g.md", "guide.md", "in.md"})
	is.Equal(s.Refused()["logo.png"], NotIndexed)
	for _, name := range []string{"out.md", "dangling.md", "folder.md", "lfs.md", "hawser.md", "annex.md", "mark.md", "linked/annex.md"} {
		is.True(s.Refused()[name] != "")
	}
}

func TestANameThatIsNotUTF8IsRefusedAndTheFolderIsWhole(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	if err := os.Mkdir(filepath.Join(path, "g\xff"), 0o755); err != nil {
		t.Skip("this file system has no such names:", err)
	}
	write(t, path, "g\xff/h.md", "h")
	write(t, path, "bad\xff.md", "bad")
	s := open(t, path, Options{})
	got, err := keysOf(t, s)
	is.NoErr(err)
	is.Equal(got, []string{"a.md", "b/c.md", "b/d.md", "e/f/g.md"})
	is.Equal(len(s.Refused()), 2)
	is.True(strings.Contains(s.Refused()["bad\xff.md"], "UTF-8"))
}

func TestNoLinkLeavesTheFolderWhenADocumentIsRead(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	write(t, filepath.Dir(path), "secret.md", "a secret")
	s := open(t, path, Options{FrontMatter: []string{"*"}})
	docs := map[string]vsclient.Document{}
	for d, err := range s.Documents(t.Context()) {
		is.NoErr(err)
		docs[d.Key] = d
	}
	is.NoErr(os.Remove(filepath.Join(path, "a.md")))
	is.NoErr(os.Symlink("../secret.md", filepath.Join(path, "a.md")))
	_, _, err := s.Document(t.Context(), "a.md")
	is.True(err != nil && strings.Contains(err.Error(), "escapes"))
}

func TestFrontMatterBecomesAttributes(t *testing.T) {
	tests := []struct {
		name, text string
		fields     []string
		want       vsclient.Attributes
		err        string
	}{
		{name: "none", text: "# title", want: nil},
		{name: "a rule at the beginning", text: "---\nno end", want: nil},
		{name: "longer dashes", text: "----\na: 1\n---\n", want: nil},
		{
			name: "each type", text: "---\ns: text\nn: 3\nf: 1.5\nb: true\nl: [a, 2, x y]\nd: 2024-05-06\nt: 2024-05-06 07:08:09\nz: 2024-05-06T07:08:09Z\nnothing:\n---\nbody",
			want: vsclient.Attributes{"s": "text", "n": uint64(3), "f": 1.5, "b": true, "l": "a, 2, x y", "d": "2024-05-06", "t": "2024-05-06T07:08:09Z", "z": "2024-05-06T07:08:09Z"},
		},
		{name: "some fields", text: "---\na: 1\nb: {x: 1}\n---\n", fields: []string{"a"}, want: vsclient.Attributes{"a": uint64(1)}},
		{name: "CR and LF", text: "---\r\na: b\r\n---\r\n", want: vsclient.Attributes{"a": "b"}},
		{name: "a byte order mark", text: "\ufeff---\na: b\n---\n", want: vsclient.Attributes{"a": "b"}},
		{name: "dots at the end", text: "---\na: b\n...\n", want: vsclient.Attributes{"a": "b"}},
		{name: "a reserved name", text: "---\nvs_key: x\n---\n", err: "reserved"},
		{name: "a mapping", text: "---\nmenu: {main: 1}\n---\n", err: "--front-matter="},
		{name: "a list of lists", text: "---\nl: [[1]]\n---\n", err: "--front-matter="},
		{name: "a hundred lists", text: "---\na: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\nb: c\n---\n", fields: []string{"b"}, want: vsclient.Attributes{"b": "c"}},
		{name: "more than a hundred lists", text: "---\na: " + strings.Repeat("[", 101) + strings.Repeat("]", 101) + "\nb: c\n---\n", fields: []string{"b"}, err: "within each other"},
		{name: "brackets of a text", text: "---\na: '" + strings.Repeat("[", 101) + "'\n---\n", want: vsclient.Attributes{"a": strings.Repeat("[", 101)}},
		{name: "no YAML", text: "---\na: [\n---\n", err: "not YAML"},
	}
	for _, tt := range tests {
		fields := tt.fields
		if fields == nil {
			fields = []string{"*"}
		}
		got, err := frontMatter(strings.NewReader(tt.text), fields)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: the error is %v", tt.name, err)
			}
			continue
		}
		if err != nil || len(got) != len(tt.want) || fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", tt.want) && len(tt.want) > 0 {
			t.Errorf("%s: %#v, %v", tt.name, got, err)
		}
	}
}

func TestBadFrontMatterRefusesOneDocument(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	write(t, path, "bad.md", "---\nvs_x: 1\n---\n")
	s := open(t, path, Options{FrontMatter: []string{"*"}})
	got, err := keysOf(t, s)
	is.NoErr(err)
	is.Equal(len(got), 4)
	is.True(strings.Contains(s.Refused()["bad.md"], "reserved"))
}

// TestNestedFrontMatterTakesLittleMemory fills front matter with all that a line can begin.
func TestNestedFrontMatterTakesLittleMemory(t *testing.T) {
	deeper := ""
	for i := 0; len(deeper) < maxFrontMatter; i++ {
		deeper += strings.Repeat(" ", i) + "a:\n"
	}
	texts := []string{deeper[:maxFrontMatter-8]}
	for _, unit := range []string{"[", "{a: ", "{", "- ", "[a, ", "- [", "k: [", "[\n", "[{a: ", "- - [\n", "? ", "? - ", "- a\n", "&a ", "a: b\n", "'"} {
		text := strings.Repeat(unit, (maxFrontMatter-16)/len(unit))
		texts = append(texts, text, "a: "+text)
	}
	for _, text := range texts {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := frontMatter(strings.NewReader("---\n"+text+"\n---\n"), []string{"*"})
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 100<<20 {
			t.Errorf("%.20q takes %d MB: %v", text, took>>20, err)
		}
	}
}

func TestTheFirstFaultOfFrontMatterIsTheSameAtEachRun(t *testing.T) {
	is := is.New(t)
	for range 20 {
		_, err := frontMatter(strings.NewReader("---\nc: {x: 1}\nb: {x: 1}\na: {x: 1}\nvs_x: 1\n---\n"), []string{"*"})
		is.True(strings.Contains(err.Error(), `"a" is a mapping`))
	}
}

func TestFrontMatterThatIsTooLongIsToldOf(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	long := strings.Repeat("a line of it: x\n", 8<<10)
	write(t, path, "a.md", "---\ntitle: x\n"+long+"---\ntext")
	write(t, path, "b/c.md", "---\none: "+strings.Repeat("x", 200<<10)+"\n---\ntext")
	write(t, path, "b/d.md", "---\n"+long) // a rule at the beginning of a text
	s := open(t, path, Options{FrontMatter: []string{"title"}})
	got, err := keysOf(t, s)
	is.NoErr(err)
	is.Equal(got, []string{"b/d.md", "e/f/g.md"})
	is.True(strings.Contains(s.Refused()["a.md"], "more than 64 KiB"))
	is.True(strings.Contains(s.Refused()["b/c.md"], "more than 64 KiB"))
}

func TestAManifestTextIsReadAgain(t *testing.T) {
	is := is.New(t)
	in := "{\"key\":\"a\",\"text\":\"one\"}\n \n{\"key\":\"b\",\"text\":\"zwei \\u00e4\"}\n{\"end\":true,\"count\":2}\n"
	s := open(t, "manifest:-", Options{Stdin: strings.NewReader(in), Prefix: "p/"})
	got, err := keysOf(t, s)
	is.NoErr(err)
	is.Equal(got, []string{"p/a", "p/b"})
	_, ok, err := s.Document(t.Context(), "p/b")
	is.NoErr(err)
	is.True(ok)
	r, err := s.(*manifest).read(s.(*manifest).at["p/b"])
	is.NoErr(err)
	is.Equal(*r.Text, "zwei ä")
	_, ok, err = s.Document(t.Context(), "a")
	is.NoErr(err)
	is.True(!ok)
}

func TestStandardInputLeavesNoFile(t *testing.T) {
	is := is.New(t)
	t.Setenv("TMPDIR", t.TempDir())
	for _, spec := range []string{"manifest:-", "keys:-"} {
		s, err := Open(spec, Options{Stdin: strings.NewReader("{}")})
		is.NoErr(err)
		is.NoErr(s.Close())
	}
	left, err := os.ReadDir(os.TempDir())
	is.NoErr(err)
	is.Equal(len(left), 0)
	_, err = Open("keys:-", Options{Stdin: io.MultiReader(strings.NewReader("a\n"), broken{})})
	is.True(err != nil)
	left, err = os.ReadDir(os.TempDir())
	is.NoErr(err)
	is.Equal(len(left), 0)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAByteOrderMarkIsNoPartOfTheFirstLine(t *testing.T) {
	for kind, text := range map[string]string{
		"keys":     "\ufeffa.md\n{\"end\":true,\"count\":1}\n",
		"manifest": "\ufeff{\"key\":\"a.md\",\"text\":\"x\"}\n{\"end\":true,\"count\":1}\n",
	} {
		t.Run(kind, func(t *testing.T) {
			is := is.New(t)
			s := open(t, kind+":-", Options{Stdin: strings.NewReader(text)})
			for doc, err := range s.Documents(t.Context()) {
				is.NoErr(err)
				is.Equal(doc.Key, "a.md")
			}
			doc, ok, err := s.Document(t.Context(), "a.md")
			is.NoErr(err)
			is.True(ok)
			if kind == "manifest" {
				r, err := s.(*manifest).read(s.(*manifest).at[doc.Key])
				is.NoErr(err)
				is.Equal(*r.Text, "x")
			}
		})
	}
}

func TestOfTwoDocumentsOfAKeyInAManifestTheFirstIsOpened(t *testing.T) {
	is := is.New(t)
	s := open(t, "manifest:-", Options{Stdin: strings.NewReader("{\"key\":\"a\",\"text\":\"1\"}\n{\"key\":\"a\",\"text\":\"2\"}\n{\"end\":true,\"count\":2}\n")})
	_, err := keysOf(t, s)
	is.NoErr(err)
	r, err := s.(*manifest).read(s.(*manifest).at["a"])
	is.NoErr(err)
	is.Equal(*r.Text, "1")
}

// TestALineOfTwoMeaningsMakesAManifestIncomplete has lines of which a part would be dropped.
func TestALineOfTwoMeaningsMakesAManifestIncomplete(t *testing.T) {
	for line, reason := range map[string]string{ //nolint:gosec // "key" is that of a document
		`{"key":"a","key":"b","text":"x"}`:                                      `has "key" twice`,
		`{"key":"a","Key":"b","text":"x"}`:                                      `has "Key" twice`,
		`{"key":"a","text":"x","attributes":{"n":1,"n":2}}`:                     `has "n" twice`,
		`{"key":"a","text":"x","chunking":{"max_tokens":400,"max_tokens":800}}`: `has "max_tokens" twice`,
		`{"key":"a","text":"x","chunking":{"max_tokens":400,"MAX_TOKENS":800}}`: `has "MAX_TOKENS" twice`,
		`{"key":"a","text":"x","attributes":{"n":1},"attributeſ":{"n":2}}`:      `twice`,
		`{"key":"a","text":"x","attributes":{"chunking":1,"Chunking":2}}`:       "",
		`{"key":"a","text":"x","attributes":{"s":1,"ſ":2}}`:                     "",
		`{"end":true,"count":0,"text":"x"}`:                                     "the end line is",
		`{"end":true,"count":0,"attributes":{"n":1}}`:                           "the end line is",
		`{"key":"a","text":"x","attributes":{"n":1,"N":2}}`:                     "", // two attributes
		`{"key":"a","text":"{\"key\":1,\"key\":2}","attributes":{"key":"x"}}`:   "",
	} {
		t.Run(line, func(t *testing.T) {
			_, err := keysOf(t, open(t, "manifest:-", Options{Stdin: strings.NewReader(line + `{"end":true,"count":1}`)}))
			if (err == nil) != (reason == "") || err != nil && !strings.Contains(err.Error(), reason) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestKeysAreLinesOrJSONStrings(t *testing.T) {
	is := is.New(t)
	in := "plain key\n{\"id\":1}\n\"a\\nb\"\n\"broken\n{\"end\":true,\"count\":4}\n"
	s := open(t, "keys:-", Options{Stdin: strings.NewReader(in)})
	var errs []error
	for _, err := range s.Documents(t.Context()) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	is.Equal(len(errs), 1) // the broken line
	var got []string
	for key := range s.Refused() {
		got = append(got, key)
	}
	slices.Sort(got)
	is.Equal(got, []string{"a\nb", "plain key", `{"id":1}`})
}

// TestAnEndLineOfAListHasEachNameOnce has two counts, of which the last would count.
func TestAnEndLineOfAListHasEachNameOnce(t *testing.T) {
	for _, end := range []string{
		`{"end":true,"count":7,"count":1}`, `{"end":true,"count":7,"COUNT":1}`, `{"end":false,"end":true,"count":1}`,
		`{"end":true,"end":false,"count":1}`, `{"end":true,"count":1,"count":null}`, `{"end":true,"count":1,"x":1,"x":2}`,
	} {
		for _, complete := range []bool{false, true} {
			is := is.New(t)
			_, err := keysOf(t, open(t, "keys:-", Options{Stdin: strings.NewReader("a\n" + end + "\n"), Complete: complete}))
			is.True(err != nil && strings.Contains(err.Error(), "twice"))
		}
	}
	is := is.New(t)
	s := open(t, "keys:-", Options{Stdin: strings.NewReader(`{"id":1,"id":2}` + "\n" + `{"end":true,"count":1}`)})
	_, err := keysOf(t, s)
	is.NoErr(err) // a key may have any form
	is.Equal(len(s.Refused()), 1)
}

func TestAnEndLineOfAListHasNoOtherName(t *testing.T) {
	for _, complete := range []bool{false, true} {
		is := is.New(t)
		_, err := keysOf(t, open(t, "keys:-", Options{Stdin: strings.NewReader("a\n" + `{"end":true,"x":1,"count":1}` + "\n"), Complete: complete}))
		is.True(err != nil && strings.Contains(err.Error(), `the end line is {"end":true,"count":N}`))
	}
}

// TestTheSamePlaceOfARepositoryIsInItsWorkTreesAndClones has folders and files.
func TestTheSamePlaceOfARepositoryIsInItsWorkTreesAndClones(t *testing.T) {
	is := is.New(t)
	top := t.TempDir()
	git := func(dir string, args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", filepath.Join(top, dir), "-c", "user.name=a", "-c", "user.email=a@b.c"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	begin := func(dir string) {
		write(t, top, dir+"/docs/a.md", "a")
		write(t, top, dir+"/docs/v2/a.md", "a")
		write(t, top, dir+"/m.jsonl", dir)
		git(dir, "init", "-q")
	}
	for _, dir := range []string{"r", "other"} {
		begin(dir)
		git(dir, "add", ".")
		git(dir, "commit", "-q", "-m", "the first of "+dir)
	}
	begin("unborn")
	begin("unborn2")
	write(t, top, "plain/docs/a.md", "a")
	git("r", "worktree", "add", "-q", "../tree")
	git(".", "clone", "-q", "r", "clone")
	for _, c := range []struct {
		one, other string
		same       bool
	}{
		{"r", "tree", true},
		{"r/docs", "tree/docs", true},
		{"r/docs", "clone/docs", true},
		{"tree/docs", "clone/docs", true},
		{"r/m.jsonl", "clone/m.jsonl", true},
		{"r/m.jsonl", "clone/docs/a.md", false},
		{"r/docs", "clone", false},
		{"r/docs", "r/docs/v2", false},
		{"r/docs", "clone/docs/v2", false},
		{"r", "other", false},
		{"r/docs", "other/docs", false},
		{"r", "unborn", false},
		{"unborn", "unborn2", false},
		{"r/docs", "plain/docs", false},
		{"plain/docs", "plain/docs", false},
		{"r/docs", "nowhere/docs", false},
	} {
		one, other := filepath.Join(top, c.one), filepath.Join(top, c.other)
		is.Equal(SamePlace(t.Context(), one, other), c.same) // c.one and c.other
		is.Equal(SamePlace(t.Context(), other, one), c.same)
	}
}

// TestASourceInAnotherEncodingIsIncomplete has a key that the store may have in UTF-8.
func TestASourceInAnotherEncodingIsIncomplete(t *testing.T) {
	for _, key := range []string{"caf\xe9", `"caf` + "\xe9" + `"`, `"caf\ud800"`, `"caf\udfff\ud800"`, `"\\\ud83d"`, "c\x00a\x00f\x00"} {
		is := is.New(t)
		_, err := keysOf(t, open(t, "keys:-", Options{Stdin: strings.NewReader(key + "\nb\n"), Complete: true}))
		is.True(err != nil)
		if strings.HasPrefix(key, `"`) {
			_, err = keysOf(t, open(t, "manifest:-", Options{Stdin: strings.NewReader(`{"key":` + key + `,"text":"x"}` + "\n" + `{"end":true,"count":1}`)}))
			is.True(err != nil)
			_, err = keysOf(t, open(t, "manifest:-", Options{Stdin: strings.NewReader(`{"key":"a","text":` + key + `}` + "\n" + `{"end":true,"count":1}`)}))
			is.True(err != nil)
		}
	}
	for _, key := range []string{`"caf\u00e9"`, `"\ud83d\ude00"`, `"\\ud800"`, `"\ufffd"`, "caf\ufffd", "\\ud800"} {
		is := is.New(t)
		_, err := keysOf(t, open(t, "keys:-", Options{Stdin: strings.NewReader(key + "\n"), Complete: true}))
		is.True(err == nil || key == `\ud800`)
	}
}
