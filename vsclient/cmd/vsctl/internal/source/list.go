package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/go-git/go-git/v6/plumbing/format/gitignore"
)

// gitFiles lists the files of a folder in a work tree as git does: those that are
// tracked, and those that no .gitignore names. When git opens a .gitignore and cannot read it, git
// goes on without it and says nothing. So each of them is read here too.
type gitFiles struct {
	*dir
	above []string // the folders above it in the work tree
}

func newGitFiles(d *dir) (g gitFiles, err error) {
	g.dir = d
	place, err := filepath.Abs(d.path)
	if err == nil {
		place, err = filepath.EvalSymlinks(place)
	}
	if err != nil {
		return g, err
	}
	prefix, _ := git(context.Background(), d.path, "rev-parse", "--show-prefix") // a complaint comes again with the files
	for range strings.Count(string(prefix), "/") {
		place = filepath.Dir(place)
		g.above = append(g.above, place)
	}
	return g, nil
}

// usable reports whether git can list the folder: it is in a work tree, and not
// ignored itself, as the output of a site generator may be.
func usable(dir string) bool {
	inside, _ := git(context.Background(), dir, "rev-parse", "--is-inside-work-tree")
	ignored, _ := git(context.Background(), dir, "check-ignore", ".")
	return strings.TrimSpace(string(inside)) == "true" && len(ignored) == 0 // a complaint is no answer
}

// git runs git in the folder. Any complaint of it is an error: it lists as much as it
// can, and exits with 0, where it cannot read a folder. It does not trace.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "-c", "core.fsmonitor=false"}, args...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(hookVariables, name) || strings.HasPrefix(name, "GIT_TRACE")
	}), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0")
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if said := strings.TrimSpace(complaint.String()); said != "" {
		err = errors.New("git: " + strings.ReplaceAll(said, "\n", "; "))
	}
	return out.Bytes(), err
}

// SamePlace reports whether two folders, or two files, are at one path of one git repository: in two
// work trees of it, or in two clones with a first commit in common.
func SamePlace(ctx context.Context, one, other string) bool {
	var dirs, paths [2]string
	var shared [2]fs.FileInfo // the folder that all work trees of a clone share
	for i, place := range []string{one, other} {
		name := ""
		if info, err := os.Stat(place); err == nil && !info.IsDir() {
			place, name = filepath.Split(place)
		}
		prefix, err := git(ctx, place, "rev-parse", "--show-prefix")
		common, failed := git(ctx, place, "rev-parse", "--git-common-dir")
		if err != nil || failed != nil {
			return false
		}
		at := strings.TrimSuffix(string(common), "\n")
		if !filepath.IsAbs(at) {
			at = filepath.Join(place, at)
		}
		if shared[i], err = os.Stat(at); err != nil {
			return false
		}
		dirs[i], paths[i] = place, string(prefix)+name
	}
	if paths[0] != paths[1] || os.SameFile(shared[0], shared[1]) {
		return paths[0] == paths[1]
	}
	first, err := git(ctx, dirs[0], "rev-list", "--max-parents=0", "HEAD")
	second, failed := git(ctx, dirs[1], "rev-list", "--max-parents=0", "HEAD")
	commits := strings.Fields(string(second))
	return err == nil && failed == nil && slices.ContainsFunc(strings.Fields(string(first)), func(commit string) bool { return slices.Contains(commits, commit) })
}

// hookVariables lead git to the repository whose hook has started vsctl.
var hookVariables = []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}

func (g gitFiles) ls(ctx context.Context, name string) ([]byte, error) {
	return git(ctx, g.path, "--literal-pathspecs", "ls-files", "-t", "--cached", "--others", "--exclude-standard", "-z", "--", name)
}

func (g gitFiles) all(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		out, err := g.ls(ctx, ".")
		if err != nil && (!yield("", err) || !closed(err)) { // git may list files that it ignores
			return
		}
		if err := g.aboveRead(); err != nil {
			yield("", err)
			return
		}
		unread := map[string]bool{} // whether git may list files of a folder that it ignores
		for line := range strings.SplitSeq(string(out), "\x00") {
			tag, name, _ := strings.Cut(strings.TrimSuffix(line, "/"), " ")
			var sparse error
			if tag == "S" { // git calls this skip-worktree
				sparse = errSparse
			}
			more := true
			skip := slices.ContainsFunc(foldersOf(name), func(folder string) bool {
				if _, known := unread[folder]; !known {
					err := readIgnore(g.files, folder)
					if unread[folder] = err != nil; err != nil {
						more = yield("", err)
					}
				}
				return unread[folder]
			})
			if !more {
				return
			}
			if skip {
				continue
			}
			if name != "" && !yield(name, sparse) {
				return
			}
		}
	}
}

// closed reports whether git complains of nothing but folders that it cannot open.
func closed(err error) bool {
	said := strings.TrimPrefix(err.Error(), "git: ")
	return !slices.ContainsFunc(strings.Split(said, "; "), func(line string) bool { return !strings.HasPrefix(line, "warning: could not open directory") })
}

func (g gitFiles) has(ctx context.Context, name string) (bool, error) {
	out, err := g.ls(ctx, name)
	if len(out) > 0 || err != nil {
		return len(out) > 0, err
	}
	err = g.aboveRead()
	for _, folder := range foldersOf(name) {
		err = cmp.Or(err, readIgnore(g.files, folder))
	}
	return false, err
}

// aboveRead returns an error when a .gitignore above the folder cannot be read.
func (g gitFiles) aboveRead() error {
	for _, folder := range g.above {
		if err := readIgnore(os.DirFS(folder), "."); err != nil {
			return err
		}
	}
	return nil
}

// readIgnore returns an error when the folder has a .gitignore that cannot be read.
func readIgnore(files fs.FS, folder string) error {
	if _, err := settings(files, path.Join(folder, ".gitignore")); err != nil && !absent(err) {
		return fmt.Errorf("the files to ignore: %w", err)
	}
	return nil
}

// foldersOf returns the folders on the way to a file, from "." on.
func foldersOf(name string) []string {
	folders := []string{"."}
	for i, r := range name {
		if r == '/' {
			folders = append(folders, name[:i])
		}
	}
	return folders
}

func (g gitFiles) gone(string) error { return nil }

// walked lists the files of a folder that git cannot list: one in no work tree, one
// whose work tree git does not trust, and any where there is no git. It keeps to the
// .gitignore files in it, and to those above it in a work tree.
type walked struct {
	*dir
	tree  bool             // it is in a work tree, or a copy of one, and may have submodules
	subs  []string         // the folders of submodules that .gitmodules names
	part  bool             // a sparse checkout may leave files out
	way   []string         // from the root of the work tree to the folder
	above *gitignore.Scope // the patterns of the folders on the way
}

func newWalked(d *dir) (w walked, err error) {
	w = walked{dir: d, above: gitignore.NewScope(nil)}
	place, err := filepath.Abs(d.path)
	if err == nil {
		place, err = filepath.EvalSymlinks(place)
	}
	if err != nil {
		return w, err
	}
	if w.subs, err = submodules(d.files); err != nil {
		return w, err
	}
	root := place
	for {
		if _, err := os.Lstat(filepath.Join(root, ".git")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			w.tree = len(w.subs) > 0 // a copy, such as git archive makes
			return w, nil
		}
		root = filepath.Dir(root)
	}
	if root == place {
		w.tree = len(w.subs) > 0 || repository(d.files, ".")
		w.part = sparse(root)
		return w, nil
	}
	from, err := filepath.Rel(root, place)
	if err != nil {
		return w, err
	}
	way := strings.Split(filepath.ToSlash(from), "/")
	above := w.above
	for i := range way {
		if above, err = descend(above, os.DirFS(root), path.Join(append([]string{"."}, way[:i]...)...), way[:i]); err != nil {
			return w, err
		}
		if above.Match(way[:i+1], true) {
			return w, nil // the folder is ignored itself, as the output of a site generator may be
		}
	}
	w.tree, w.part, w.way, w.above = true, sparse(root), way, above
	return w, nil
}

// repository reports whether a folder has a repository. A .git that is a file leads to one.
func repository(files fs.FS, folder string) bool {
	_, err := fs.Stat(files, path.Join(folder, ".git", "HEAD"))
	return err == nil || errors.Is(err, syscall.ENOTDIR)
}

var submodule = regexp.MustCompile(`(?m)^\s*path\s*=\s*"?(.+?)"?\s*$`)

// submodules returns the folders that .gitmodules names.
func submodules(files fs.FS) (folders []string, err error) {
	data, err := settings(files, ".gitmodules")
	if err != nil {
		return nil, fmt.Errorf("the submodules: %w", err)
	}
	for _, found := range submodule.FindAllSubmatch(data, -1) {
		folders = append(folders, path.Clean(string(found[1])))
	}
	return folders, nil
}

// sparse reports whether git may leave files of the work tree out.
func sparse(root string) bool {
	place := filepath.Join(root, ".git")
	if text, err := os.ReadFile(place); err == nil { // it leads to the repository
		place = strings.TrimSpace(strings.TrimPrefix(string(text), "gitdir:"))
		if !filepath.IsAbs(place) {
			place = filepath.Join(root, place)
		}
	}
	_, err := os.Stat(filepath.Join(place, "info", "sparse-checkout"))
	return err == nil
}

// gone returns an error where git may keep the file, and cannot be asked: in a sparse
// checkout, and in the empty folder of a submodule that is not checked out.
func (w walked) gone(name string) error {
	if w.part {
		return fmt.Errorf("the work tree is a sparse checkout, and git cannot tell whether it keeps %s", name)
	}
	for above := path.Dir(name); w.tree && above != "."; above = path.Dir(above) {
		if entries, err := fs.ReadDir(w.files, above); err == nil && len(entries) == 0 {
			return fmt.Errorf("%s is empty, and git cannot tell whether a submodule belongs there; remove the folder if it is gone", above)
		}
	}
	return nil
}

// descend returns the patterns that hold in a folder. above are those that hold in the folder
// above it, and parts its path below the root of the work tree.
func descend(above *gitignore.Scope, files fs.FS, folder string, parts []string) (*gitignore.Scope, error) {
	return above.Descend(parts, func() ([]gitignore.Pattern, error) { return ignores(files, folder, len(parts)) })
}

// parts returns the path of a file or folder below the root of the work tree.
func (w walked) parts(name string) []string {
	if name == "." {
		return w.way
	}
	return slices.Concat(w.way, strings.Split(name, "/"))
}

func (w walked) all(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		scopes := map[string]*gitignore.Scope{} // of the folders
		err := fs.WalkDir(w.files, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				if !yield("", err) {
					return fs.SkipAll
				}
				return nil
			}
			scope, parts := w.above, w.parts(name)
			if name != "." {
				scope = scopes[path.Dir(name)]
			}
			if entry.Name() == ".git" || scope.Match(parts, entry.IsDir()) {
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if entry.IsDir() && w.other(name) { // nothing is put of another repository
				if !yield(name, nil) {
					return fs.SkipAll
				}
				return fs.SkipDir
			}
			if entry.IsDir() {
				inner, err := descend(scope, w.files, name, parts)
				scopes[name] = inner
				switch {
				case err == nil:
					return nil
				case !yield("", err):
					return fs.SkipAll
				}
				return fs.SkipDir // nobody can tell which of its files are ignored
			}
			if !yield(name, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield("", err)
		}
	}
}

// other reports whether a folder of a work tree is another repository, which git lists as
// one name.
func (w walked) other(folder string) bool {
	return w.tree && folder != "." && (slices.Contains(w.subs, folder) || repository(w.files, folder))
}

// has reports whether no .gitignore on the way to the file names it. Git may keep such a
// file all the same, also where the folder is a copy of a work tree, and cannot be asked
// here: it is an error.
func (w walked) has(_ context.Context, name string) (bool, error) {
	names := strings.Split(name, "/")
	if slices.Contains(names, ".git") {
		return false, nil
	}
	scope, folder := w.above, "."
	for _, one := range names {
		var err error
		if scope, err = descend(scope, w.files, folder, w.parts(folder)); err != nil {
			return false, err
		}
		folder = path.Join(folder, one)
		if scope.Match(w.parts(folder), folder != name) {
			return false, fmt.Errorf("a .gitignore names %s, and git cannot tell whether it keeps it; --exclude it to have its document removed", name)
		}
	}
	return true, nil
}

// settings returns the content of a file that git reads; nil: there is none.
func settings(files fs.FS, name string) ([]byte, error) {
	if info, err := fs.Stat(files, name); err == nil && !info.Mode().IsRegular() { // a pipe may never end
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	data, err := fs.ReadFile(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// pattern is a line of a .gitignore. It names a file or a folder, and not the contents of the folder.
type pattern struct {
	names  []gitignore.Pattern   // of a path below the folder of the .gitignore; nil: any number of names
	depth  int                   // of that folder
	folder bool                  // it names folders alone
	result gitignore.MatchResult // for a path that it names
}

// newPattern reads a line of a .gitignore. go-git's matcher gets one name of a path at a time. With a
// whole path it differs from git: it never goes back to a later place for "**", and a line that
// takes a folder back takes back all that is below it.
func newPattern(line string, depth int) pattern {
	p := pattern{depth: depth, result: gitignore.Exclude}
	if rest, ok := strings.CutPrefix(line, "!"); ok {
		line, p.result = rest, gitignore.Include
	}
	line, p.folder = strings.CutSuffix(line, "/")
	if !strings.Contains(line, "/") {
		line = "**/" + line
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(line, "/"), "/") {
		if len(name) > 1 && strings.Trim(name, "*") == "" {
			p.names = append(p.names, nil)
		} else {
			p.names = append(p.names, gitignore.ParsePattern("/"+name+"/", nil))
		}
	}
	if p.names[len(p.names)-1] == nil {
		p.names = append(p.names, gitignore.ParsePattern("*", nil))
	}
	return p
}

// Match returns NoMatch for a path that the pattern does not name.
func (p pattern) Match(parts []string, folder bool) gitignore.MatchResult {
	if p.folder && !folder || !match(p.names, parts[p.depth:]) {
		return gitignore.NoMatch
	}
	return p.result
}

// match reports whether the parts are those that the names stand for.
func match(names []gitignore.Pattern, parts []string) bool {
	switch {
	case len(names) == 0:
		return len(parts) == 0
	case names[0] == nil:
		return match(names[1:], parts) || len(parts) > 0 && match(names, parts[1:])
	}
	return len(parts) > 0 && names[0].Match(parts[:1], true) != gitignore.NoMatch && match(names[1:], parts[1:])
}

// ignores returns the patterns of the folder's .gitignore.
func ignores(files fs.FS, folder string, depth int) (patterns []gitignore.Pattern, err error) {
	data, err := settings(files, path.Join(folder, ".gitignore"))
	if err != nil {
		return nil, fmt.Errorf("the files to ignore: %w", err)
	}
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		if !strings.HasPrefix(line, "#") {
			patterns = append(patterns, newPattern(meant.FindString(line), depth))
		}
	}
	return patterns, nil
}

// meant is a line without the blanks and the line feed at its end. A blank after a backslash is meant.
var meant = regexp.MustCompile(`^(\\.|[^\\\r\n])*(\\.|[^\\\r\n ])`)
