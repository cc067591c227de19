package source

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// faulty is a file system that fails.
type faulty struct {
	fs.FS
	fail map[string]error // by the method and the name, such as "open a/b.md"
}

func (f faulty) Open(name string) (fs.File, error) {
	if err := f.fail["open "+name]; err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return f.FS.Open(name)
}

func (f faulty) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	if fault := f.fail["list "+name]; fault != nil {
		return entries[:len(entries)/2], &fs.PathError{Op: "readdirent", Path: name, Err: fault}
	}
	return entries, err
}

func (f faulty) Stat(name string) (fs.FileInfo, error) { return fs.Stat(f.FS, name) }

func (f faulty) Lstat(name string) (fs.FileInfo, error) {
	if err := f.fail["lstat "+name]; err != nil {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return fs.Lstat(f.FS, name)
}

func (f faulty) ReadLink(name string) (string, error) { return fs.ReadLink(f.FS, name) }

// folder makes a folder with documents.
func folder(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "docs")
	for _, name := range []string{"a.md", "b/c.md", "b/d.md", "e/f/g.md"} {
		write(t, path, name, name)
	}
	return path
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, spec string, o Options) Source {
	t.Helper()
	s, err := Open(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// store is a client of a store that holds the documents of a folder, as the owner's.
func store(t *testing.T, s Source) *vsclient.Client {
	t.Helper()
	srv := openaitest.New(openaitest.Config{})
	t.Cleanup(srv.Close)
	c, err := vsclient.New(vsclient.Config{APIKey: "k", BaseURL: srv.URL(), HTTPClient: srv.Client(), VectorStoreID: srv.NewVectorStore("docs")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := compare(t, c, s.Documents(t.Context()))
	if report, err := p.Execute(t.Context(), c, plan.ExecuteOptions{}, nil); err != nil || report.Err() != nil || report.Done != 4 {
		t.Fatalf("the first sync: %+v, %v", report, err)
	}
	return c
}

func compare(t *testing.T, c *vsclient.Client, docs iter.Seq2[vsclient.Document, error]) *plan.Plan {
	t.Helper()
	p, err := plan.Make(t.Context(), c, docs, plan.Options{Scope: plan.Scope{Owner: "docs"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// execute carries out a plan, and asks the source before each removal, as sync does.
func execute(t *testing.T, c *vsclient.Client, s Source, p *plan.Plan) plan.Report {
	t.Helper()
	report, err := p.Execute(t.Context(), c, plan.ExecuteOptions{Approve: 100, Exists: func(ctx context.Context, key string) (bool, error) {
		_, ok, err := s.Document(ctx, key)
		return ok, err
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Each fault hides documents from the walk, or lets them change under it.
func TestAFolderThatCannotBeReadWholeRemovesNothing(t *testing.T) {
	tests := []struct {
		name  string
		fail  map[string]error
		after int              // this many documents …
		then  func(dir string) // … this happens
	}{
		{name: "a folder that may not be read", fail: map[string]error{"list b": fs.ErrPermission}},
		{name: "EIO in the middle of a folder", fail: map[string]error{"list b": syscall.EIO}},
		{name: "EIO in the middle of the root", fail: map[string]error{"list .": syscall.EIO}},
		{name: "EIO at a file's entry", fail: map[string]error{"lstat b/d.md": syscall.EIO}},
		{name: "a file that may not be read", fail: map[string]error{"open b/c.md": fs.ErrPermission}},
		{name: "EIO in a file", fail: map[string]error{"open a.md": syscall.EIO}},
		{name: "a .gitignore that may not be read", fail: map[string]error{"open b/.gitignore": fs.ErrPermission}},
		{name: "the folder replaced by an empty one", after: 1, then: func(dir string) {
			must(os.Rename(dir, dir+".old"))
			must(os.Mkdir(dir, 0o755))
		}},
		{name: "a folder in it replaced by an empty one", after: 1, then: func(dir string) {
			must(os.Rename(filepath.Join(dir, "b"), dir+".old"))
			must(os.Mkdir(filepath.Join(dir, "b"), 0o755))
		}},
		{name: "a folder in it replaced by a link to another", after: 1, then: func(dir string) {
			must(os.Rename(filepath.Join(dir, "e"), dir+".old"))
			must(os.Symlink(os.TempDir(), filepath.Join(dir, "e")))
		}},
		{name: "a folder that goes after it was read", after: 3, then: func(dir string) { must(os.RemoveAll(filepath.Join(dir, "b"))) }},
		{name: "a file that comes to a part that was read", after: 3, then: func(dir string) { must(os.Rename(filepath.Join(dir, "e/f/g.md"), filepath.Join(dir, "a2.md"))) }},
		{name: "the root that goes", after: 1, then: func(dir string) { must(os.RemoveAll(dir)) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			path := folder(t)
			s := open(t, path, Options{})
			c := store(t, s)
			d := s.(*dir)
			d.files = faulty{d.root.FS(), tt.fail}
			p := compare(t, c, func(yield func(vsclient.Document, error) bool) {
				n := 0
				for doc, err := range s.Documents(t.Context()) {
					if n++; tt.then != nil && n == tt.after+1 {
						tt.then(path)
					}
					if !yield(doc, err) {
						return
					}
				}
			})
			is.True(p.Incomplete != "")
			for _, e := range p.Entries {
				is.True(e.Action != plan.Remove || e.Withheld != "") // removals are withheld
			}
			d.files = d.root.FS()
			is.Equal(execute(t, c, s, p).Counts[plan.Remove], 0)
		})
	}
}

// TestADocumentThatMovesToANameThatIsNotPutStays renames a file so that it is refused.
func TestADocumentThatMovesToANameThatIsNotPutStays(t *testing.T) {
	for name, content := range map[string]string{"a.exe": "a.md", "a.md.bak": "a.md", "z.md": "---\na: [\n---\n", "\xe4.md": "a.md", "b\xe4/a.md": "a.md"} {
		for _, way := range []string{"with git", "without git"} {
			t.Run(name+" "+way, func(t *testing.T) {
				is := is.New(t)
				path := folder(t)
				if way == "with git" {
					repositories(path)
				}
				write(t, path, "a.md", content)
				c := store(t, open(t, path, Options{}))
				is.NoErr(os.MkdirAll(filepath.Join(path, filepath.Dir(name)), 0o755))
				if err := os.Rename(filepath.Join(path, "a.md"), filepath.Join(path, name)); err != nil {
					t.Skip("this file system has no such names:", err)
				}
				p := compare(t, c, open(t, path, Options{FrontMatter: []string{"*"}}).Documents(t.Context()))
				is.Equal(p.Incomplete, "")
				is.Equal(p.Removals, 1)
				for _, e := range p.Entries {
					is.True(e.Action != plan.Remove || strings.Contains(e.Withheld, strings.Trim(strconv.Quote(name), `"`)))
				}
			})
		}
	}
}

// TestAGitignoreThatCannotBeReadMakesTheFolderIncomplete has a work tree. Git complains of some
// faults, and goes on without the file after others.
func TestAGitignoreThatCannotBeReadMakesTheFolderIncomplete(t *testing.T) {
	eio := func(name string) func(*dir) {
		return func(d *dir) { d.files = faulty{d.files, map[string]error{"open " + name: syscall.EIO}} }
	}
	replaced := func(name string, by func(path string) error) func(*dir) {
		return func(d *dir) {
			path := filepath.Join(d.path, name)
			must(os.RemoveAll(path))
			must(by(path))
		}
	}
	mkdir := func(path string) error { return os.Mkdir(path, 0o755) }
	for name, change := range map[string]func(d *dir){
		"EIO in the root":                          eio(".gitignore"),
		"EIO in a folder":                          eio("b/.gitignore"),
		"a folder in the root, and git is silent":  replaced(".gitignore", mkdir),
		"a folder in a folder, and git is silent":  replaced("b/.gitignore", mkdir),
		"a folder above the root, and so is git":   replaced("../.gitignore", mkdir),
		"a link in a folder, and git complains":    replaced("b/.gitignore", func(path string) error { return os.Symlink("c.md", path) }),
		"a link above the root, and git complains": replaced("../.gitignore", func(path string) error { return os.Symlink("docs/a.md", path) }),
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			path := folder(t)
			repositories(filepath.Dir(path))
			write(t, path, ".gitignore", "b/*.md\nignored.md\n")
			write(t, path, "b/other.txt", "other")
			write(t, path, "b/.gitignore", "!c.md\n!d.md\n")
			write(t, path, "ignored.md", "ignored")
			s := open(t, path, Options{Include: []string{"*.md"}})
			c := store(t, s)
			change(s.(*dir))
			p := compare(t, c, s.Documents(t.Context()))
			is.True(strings.Contains(p.Incomplete, ".gitignore"))
			for _, e := range p.Entries {
				is.True(e.Action != plan.Remove || e.Withheld != "")
				is.True(e.Key != "ignored.md")
			}
		})
	}
}

func TestARemovalReadsTheGitignoreOnceMore(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	repositories(path)
	write(t, path, ".gitignore", "b/*\n")
	s := open(t, path, Options{})
	_, ok, err := s.Document(t.Context(), "b/c.md")
	is.NoErr(err)
	is.True(!ok) // it is ignored
	is.NoErr(os.Mkdir(filepath.Join(path, "b/.gitignore"), 0o755))
	_, _, err = s.Document(t.Context(), "b/c.md")
	is.True(err != nil && strings.Contains(err.Error(), "b/.gitignore"))
}

// TestOrdinaryRunsOfGitAreComplete has a repository with much in it of which git could tell.
func TestOrdinaryRunsOfGitAreComplete(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	repositories(path, "e")
	submoduleOf(path, "sub")
	write(t, path, ".gitignore", "\ufeff*.log\n\\\n[\n/b/**/x/\n")
	write(t, path, ".gitattributes", "*.md text=auto eol=crlf\n[attr]\n")
	write(t, path, "x.log", "x")
	write(t, path, "crlf.md", "a\r\nb\n")
	write(t, path, "gone.md", "gone")
	run(path, "config", "core.autocrlf", "true")
	_, _ = git(t.Context(), path, "add", "gone.md", "b") // it tells of line ends
	must(os.Remove(filepath.Join(path, "gone.md")))
	must(os.Mkdir(filepath.Join(path, "empty"), 0o755))
	keys, err := keysOf(t, open(t, path, Options{Include: []string{"*.md"}}))
	is.NoErr(err)
	is.Equal(keys, []string{"a.md", "b/c.md", "b/d.md", "crlf.md"})
	keys, err = keysOf(t, open(t, filepath.Join(path, "b"), Options{}))
	is.NoErr(err)
	is.Equal(keys, []string{"c.md", "d.md"})
}

func TestAPointerOfGitLFSTellsItsContent(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	sum := strings.Repeat("0a", 32)
	write(t, path, "b/c.md", "version https://git-lfs.github.com/spec/v1\noid sha256:"+sum+"\nsize 12345\n")
	write(t, path, "b/d.md", "version https://git-lfs.github.com/spec/v1\noid sha256:short\nsize 12345\n")
	s := open(t, path, Options{Prefix: "p/"})
	_, err := keysOf(t, s)
	is.NoErr(err)
	is.Equal(s.Elsewhere(), map[string]string{sum: "p/b/c.md"})
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func TestARemovalAsksTheFolderOnceMore(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	s := open(t, path, Options{Exclude: []string{"e"}})
	ok := func(key string) bool {
		_, ok, err := s.Document(t.Context(), key)
		is.NoErr(err)
		return ok
	}
	for _, err := range s.Documents(t.Context()) {
		is.NoErr(err)
	}
	is.True(ok("a.md"))
	is.True(!ok("nope.md"))
	is.True(!ok("e/f/g.md")) // it is excluded
	is.True(!ok("../docs/a.md"))
	is.True(!ok("b"))
	write(t, path, "late.md", "late")
	is.True(ok("late.md"))
	write(t, path, "b/.gitignore", "ignored.md\n")
	write(t, path, "b/ignored.md", "x")
	_, _, err := s.Document(t.Context(), "b/ignored.md")
	is.True(err != nil) // nobody can tell whether git keeps it
	is.NoErr(os.Symlink("/etc/passwd", filepath.Join(path, "link.md")))
	is.True(ok("link.md")) // it is refused, and there

	is.True(!ok("a.md/below.md")) // a file has nothing below it
	is.True(!ok(strings.Repeat("long", 100) + ".md"))

	is.NoErr(os.Rename(path, path+".old"))
	is.NoErr(os.Mkdir(path, 0o755))
	_, _, err = s.Document(t.Context(), "a.md")
	is.True(err != nil && strings.Contains(err.Error(), "replaced by another folder"))
}

// repositories makes repositories of a folder and of folders in it.
func repositories(dir string, folders ...string) {
	for _, folder := range append(folders, ".") {
		_, err := git(context.Background(), filepath.Join(dir, folder), "init", "-q")
		must(err)
	}
}

// submoduleOf makes a folder one that git keeps as a submodule, and that is not there.
func submoduleOf(dir, folder string) {
	must(os.RemoveAll(filepath.Join(dir, folder)))
	run(dir, "update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+","+folder)
}

// run runs git in a folder.
func run(dir string, args ...string) {
	_, err := git(context.Background(), dir, append([]string{"-c", "user.name=n", "-c", "user.email=e"}, args...)...)
	must(err)
}

// TestFilesBelowAFolderThatIsNotListedAreNotGone makes a folder another repository, and a link.
func TestFilesBelowAFolderThatIsNotListedAreNotGone(t *testing.T) {
	for sentence, change := range map[string]func(dir string){
		"a link to a folder": func(dir string) {
			must(os.Rename(filepath.Join(dir, "b"), dir+".elsewhere"))
			must(os.Symlink(dir+".elsewhere", filepath.Join(dir, "b")))
		},
		"a link to nothing": func(dir string) {
			must(os.Rename(filepath.Join(dir, "b"), dir+".elsewhere"))
			must(os.Symlink("gone", filepath.Join(dir, "b")))
		},
		"a link within": func(dir string) {
			must(os.Rename(filepath.Join(dir, "b"), filepath.Join(dir, "real")))
			must(os.Symlink("real", filepath.Join(dir, "b")))
		},
		"a link within a work tree": func(dir string) {
			must(os.Rename(filepath.Join(dir, "b"), filepath.Join(dir, "real")))
			must(os.Symlink("real", filepath.Join(dir, "b")))
			repositories(dir)
		},
		"a submodule that is not checked out": func(dir string) {
			repositories(dir)
			submoduleOf(dir, "b")
			must(os.Mkdir(filepath.Join(dir, "b"), 0o755))
		},
		"a submodule that a sparse checkout leaves out": func(dir string) {
			repositories(dir)
			submoduleOf(dir, "b")
			run(dir, "update-index", "--skip-worktree", "b")
		},
		"another repository":             func(dir string) { repositories(dir, "b") },
		"another repository without git": func(dir string) { repositories(dir, "b") },
		"a submodule without git": func(dir string) {
			repositories(dir)
			write(t, dir, "b/.git", "gitdir: ../.git/modules/b\n")
		},
		"a submodule in a copy without .git": func(dir string) {
			write(t, dir, ".gitmodules", "[submodule \"b\"]\n\tpath = b\n\turl = ../b\n")
		},
	} {
		for _, include := range [][]string{nil, {"*.md"}, {"b/*"}} {
			t.Run(sentence+", the globs "+strings.Join(include, " "), func(t *testing.T) {
				is := is.New(t)
				path := folder(t)
				c := store(t, open(t, path, Options{}))
				change(path)
				if strings.HasSuffix(sentence, "without git") {
					t.Setenv("PATH", t.TempDir())
				}
				s := open(t, path, Options{Include: include, AllowEmpty: true})
				p := compare(t, c, s.Documents(t.Context()))
				is.Equal(s.Refused()["b"] != "", include == nil) // its files are not put
				report := execute(t, c, s, p)
				is.Equal(len(report.Failed), 0)
				for _, key := range []string{"b/c.md", "b/d.md"} {
					_, err := c.Get(t.Context(), key)
					is.NoErr(err)
				}
			})
		}
	}
}

// TestAFileThatICloudHasPutAwayIsNotGone has the file that stands for the other.
func TestAFileThatICloudHasPutAwayIsNotGone(t *testing.T) {
	is := is.New(t)
	path := folder(t)
	c := store(t, open(t, path, Options{}))
	must(os.Remove(filepath.Join(path, "b/c.md")))
	write(t, path, "b/.c.md.icloud", "bplist00")
	s := open(t, path, Options{})
	report := execute(t, c, s, compare(t, c, s.Documents(t.Context())))
	is.Equal(report.Counts[plan.Remove], 0)
	is.True(strings.Contains(report.Withheld[0].Withheld, "iCloud has put b/c.md away"))
}

func TestACutListSaysOfNoKeyThatItIsAbsent(t *testing.T) {
	for name, in := range map[string]string{
		"manifest:-": "{\"key\":\"a\",\"text\":\"1\"}\n",
		"keys:-":     "a\n",
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			s := open(t, name, Options{Stdin: strings.NewReader(in)})
			for range 3 { // the first call reads the list, and the others remember that it was cut
				_, _, err := s.Document(t.Context(), "b")
				is.True(err != nil)
			}
			_, ok, err := s.Document(t.Context(), "a")
			is.NoErr(err)
			is.True(ok)
		})
	}
}

func TestTheErrorOfAReadIsTheCause(t *testing.T) {
	is := is.New(t)
	s := open(t, folder(t), Options{})
	d := s.(*dir)
	d.files = faulty{d.root.FS(), map[string]error{"list b": syscall.EIO}}
	var got error
	n := 0
	for _, err := range s.Documents(t.Context()) {
		if err != nil {
			got = errors.Join(got, err)
			continue
		}
		n++
	}
	is.True(errors.Is(got, syscall.EIO))
	is.Equal(n, 3) // the others have come: half of the folder was read
}

// TestFilesThatGitKeepsAreNotGone has files that a listing of the folder leaves out.
func TestFilesThatGitKeepsAreNotGone(t *testing.T) {
	commit := func(dir string) {
		run(dir, "init", "-q")
		run(dir, "add", ".")
		run(dir, "commit", "-qm", "all")
	}
	for sentence, tt := range map[string]struct {
		change func(dir string)
		git    bool
	}{
		"a sparse checkout": {git: true, change: func(dir string) {
			commit(dir)
			run(dir, "sparse-checkout", "set", "e")
		}},
		"one file": {git: true, change: func(dir string) {
			commit(dir)
			run(dir, "update-index", "--skip-worktree", "b/c.md", "b/d.md")
			must(os.RemoveAll(filepath.Join(dir, "b")))
		}},
		"a sparse checkout without git": {change: func(dir string) {
			commit(dir)
			run(dir, "sparse-checkout", "set", "e")
		}},
		"a copy without .git of a file that is ignored and kept": {change: func(dir string) {
			write(t, dir, ".gitignore", "c.md\n")
		}},
		"a copy without .git of a submodule": {change: func(dir string) {
			write(t, dir, ".gitmodules", "[submodule \"b\"]\n\tpath = b\n")
			must(os.RemoveAll(filepath.Join(dir, "b")))
			must(os.Mkdir(filepath.Join(dir, "b"), 0o755))
		}},
		"a submodule without git": {change: func(dir string) {
			run(dir, "init", "-q")
			must(os.RemoveAll(filepath.Join(dir, "b")))
			must(os.Mkdir(filepath.Join(dir, "b"), 0o755))
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			is := is.New(t)
			path := folder(t)
			c := store(t, open(t, path, Options{}))
			tt.change(path)
			if !tt.git {
				t.Setenv("PATH", t.TempDir())
			}
			s := open(t, path, Options{})
			is.Equal(execute(t, c, s, compare(t, c, s.Documents(t.Context()))).Counts[plan.Remove], 0)
			_, _, err := s.Document(t.Context(), "b/c.md")
			is.True(err != nil) // nobody can tell
		})
	}
}
