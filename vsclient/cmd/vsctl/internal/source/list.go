package source

import (
	"bytes"
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
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

// gitFiles lists the files of a folder in a work tree as git does: those that are
// tracked, and those that no .gitignore names.
type gitFiles struct{ dir string }

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
	return git(ctx, g.dir, "--literal-pathspecs", "ls-files", "-t", "--cached", "--others", "--exclude-standard", "-z", "--", name)
}

func (g gitFiles) all(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		out, err := g.ls(ctx, ".")
		if err != nil && !yield("", err) {
			return
		}
		for line := range strings.SplitSeq(string(out), "\x00") {
			tag, name, _ := strings.Cut(strings.TrimSuffix(line, "/"), " ")
			var sparse error
			if tag == "S" { // git calls this skip-worktree
				sparse = errSparse
			}
			if name != "" && !yield(name, sparse) {
				return
			}
		}
	}
}

func (g gitFiles) has(ctx context.Context, name string) (bool, error) {
	out, err := g.ls(ctx, name)
	return len(out) > 0, err
}

func (g gitFiles) gone(string) error { return nil }

// walked lists the files of a folder that git cannot list: one in no work tree, one
// whose work tree git does not trust, and any where there is no git. It keeps to the
// .gitignore files in it, and to those above it in a work tree.
type walked struct {
	*dir
	tree  bool      // it is in a work tree, or a copy of one, and may have submodules
	subs  []string  // the folders of submodules that .gitmodules names
	part  bool      // a sparse checkout may leave files out
	way   []string  // from the root of the work tree to the folder
	above []pattern // of the folders on the way
}

func newWalked(d *dir) (w walked, err error) {
	w = walked{dir: d}
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
			w.tree = len(w.subs) > 0 // a copy, as git archive makes one
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
	var above []pattern
	for i := range way {
		more, err := ignores(os.DirFS(root), path.Join(append([]string{"."}, way[:i]...)...), way[:i])
		if err != nil {
			return w, err
		}
		above = append(above, more...)
		if names(above, way[:i+1], true) {
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

// ignored reports whether the patterns name a file or folder.
func (w walked) ignored(patterns []pattern, parts []string, folder bool) bool {
	return parts[len(parts)-1] == ".git" || names(patterns, slices.Concat(w.way, parts), folder)
}

// ignores returns the patterns of a folder's .gitignore.
func (w walked) ignores(folder string) ([]pattern, error) {
	domain := w.way
	if folder != "." {
		domain = slices.Concat(w.way, strings.Split(folder, "/"))
	}
	return ignores(w.files, folder, domain)
}

func (w walked) all(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		patterns := slices.Clone(w.above)
		err := fs.WalkDir(w.files, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				if !yield("", err) {
					return fs.SkipAll
				}
				return nil
			}
			if name != "." && w.ignored(patterns, strings.Split(name, "/"), entry.IsDir()) {
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			// Nothing is put of another repository, nor of a folder that os.Root does not open.
			if entry.IsDir() && (!utf8.ValidString(name) || w.other(name)) {
				if !yield(name, nil) {
					return fs.SkipAll
				}
				return fs.SkipDir
			}
			if entry.IsDir() {
				more, err := w.ignores(name)
				patterns = append(patterns, more...)
				if err != nil && !yield("", err) {
					return fs.SkipAll
				}
				return nil
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
	patterns := slices.Clone(w.above)
	parts := strings.Split(name, "/")
	for i := range parts {
		more, err := w.ignores(path.Join(append([]string{"."}, parts[:i]...)...))
		if err != nil {
			return false, err
		}
		patterns = append(patterns, more...)
		if w.ignored(patterns, parts[:i+1], i+1 < len(parts)) {
			if slices.Contains(parts, ".git") {
				return false, nil
			}
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

// pattern is a line of a .gitignore.
type pattern struct {
	glob   string
	domain []string
	keep   bool // it begins with "!", and takes back a match of an earlier line
	folder bool // it ends in "/", and names folders alone
	name   bool // it has no other slash, and names a file or folder in any folder
}

// names reports whether the last pattern that matches the path names it.
func names(patterns []pattern, parts []string, folder bool) bool {
	for _, p := range slices.Backward(patterns) {
		if len(parts) <= len(p.domain) || !slices.Equal(parts[:len(p.domain)], p.domain) || p.folder && !folder {
			continue
		}
		at := strings.Join(parts[len(p.domain):], "/")
		if p.name {
			at = path.Base(at)
		}
		if match, _ := doublestar.Match(p.glob, at); match { // as in git, a bad pattern matches nothing
			return !p.keep
		}
	}
	return false
}

// literal are the signs of a pattern that git and doublestar read in two ways: git has no
// braces, and has names of classes of characters.
var literal = strings.NewReplacer(`\{`, `\{`, `\}`, `\}`, `{`, `\{`, `}`, `\}`,
	"[:alnum:]", "a-zA-Z0-9", "[:alpha:]", "a-zA-Z", "[:blank:]", " \t", "[:digit:]", "0-9", "[:lower:]", "a-z",
	"[:space:]", " \t\n\r", "[:upper:]", "A-Z", "[:xdigit:]", "0-9a-fA-F",
	"[:punct:]", ":-@!-/\\[-`\\{-~", "[:graph:]", `"-~!`, "[:print:]", " -~", "[:cntrl:]", "\x01-\x1f\x7f")

// newPattern reads a line of a .gitignore in the domain.
func newPattern(line string, domain []string) pattern {
	p := pattern{domain: domain}
	line, p.keep = strings.CutPrefix(line, "!")
	line, p.folder = strings.CutSuffix(line, "/")
	p.name = !strings.Contains(line, "/")
	p.glob = literal.Replace(strings.TrimPrefix(line, "/"))
	if p.glob == "**" && !p.name || strings.HasSuffix(p.glob, "/**") {
		p.glob += "/*" // it names the contents of a folder, and not the folder
	}
	return p
}

// ignores returns the patterns of the folder's .gitignore, which hold below the domain.
func ignores(files fs.FS, folder string, domain []string) ([]pattern, error) {
	data, err := settings(files, path.Join(folder, ".gitignore"))
	if err != nil {
		return nil, fmt.Errorf("the files to ignore: %w", err)
	}
	var patterns []pattern
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line = strings.TrimRight(line, "\r\n")
		if text := strings.TrimRight(line, " "); strings.HasSuffix(text, `\`) && text != line {
			line = text + " " // a space that is meant
		} else {
			line = text
		}
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, newPattern(line, domain))
		}
	}
	return patterns, nil
}
