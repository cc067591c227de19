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
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// gitFiles lists the files of a folder in a work tree as git does: those that are
// tracked, and those that no .gitignore names.
type gitFiles struct{ dir string }

// usable reports whether git can list the folder: it is in a work tree, and not
// ignored itself, as the output of a site generator may be.
func usable(dir string) bool {
	inside, err := git(context.Background(), dir, "rev-parse", "--is-inside-work-tree")
	if err != nil || strings.TrimSpace(string(inside)) != "true" {
		return false
	}
	_, err = git(context.Background(), dir, "check-ignore", "-q", ".")
	return err != nil
}

// git runs git in the folder. All that it complains of is an error: it lists what it
// can, and exits with 0, where it cannot read a folder.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir, "-c", "core.fsmonitor=false"}, args...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(hookVariables, name)
	}), "LC_ALL=C", "GIT_OPTIONAL_LOCKS=0")
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if said := strings.TrimSpace(complaint.String()); said != "" {
		err = errors.New("git: " + strings.ReplaceAll(said, "\n", "; "))
	}
	return out.Bytes(), err
}

// hookVariables lead git to the repository whose hook has started vsctl.
var hookVariables = []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}

func (g gitFiles) ls(ctx context.Context, name string) ([]byte, error) {
	return git(ctx, g.dir, "--literal-pathspecs", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", name)
}

func (g gitFiles) all(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		out, err := g.ls(ctx, ".")
		if err != nil && !yield("", err) {
			return
		}
		for name := range strings.SplitSeq(string(out), "\x00") {
			if name = strings.TrimSuffix(name, "/"); name != "" && !yield(name, nil) {
				return
			}
		}
	}
}

func (g gitFiles) has(ctx context.Context, name string) (bool, error) {
	out, err := g.ls(ctx, name)
	return len(out) > 0, err
}

// walked lists the files of a folder that is in no work tree. It keeps to the
// .gitignore files in it.
type walked struct{ *dir }

func (w walked) all(context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var patterns []gitignore.Pattern
		err := fs.WalkDir(w.files, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				if !yield("", err) {
					return fs.SkipAll
				}
				return nil
			}
			if name != "." && (entry.Name() == ".git" || gitignore.NewMatcher(patterns).Match(strings.Split(name, "/"), entry.IsDir())) {
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			}
			if entry.IsDir() {
				more, err := ignores(w.files, name)
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

// has reports whether no .gitignore on the way to the file names it.
func (w walked) has(_ context.Context, name string) (bool, error) {
	var patterns []gitignore.Pattern
	parts := strings.Split(name, "/")
	for i, part := range parts {
		more, err := ignores(w.files, path.Join(append([]string{"."}, parts[:i]...)...))
		if err != nil {
			return false, err
		}
		patterns = append(patterns, more...)
		if part == ".git" || gitignore.NewMatcher(patterns).Match(parts[:i+1], i+1 < len(parts)) {
			return false, nil
		}
	}
	return true, nil
}

// ignores returns the patterns of the folder's .gitignore.
func ignores(files fs.FS, folder string) ([]gitignore.Pattern, error) {
	data, err := fs.ReadFile(files, path.Join(folder, ".gitignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the files to ignore: %w", err)
	}
	var domain []string
	if folder != "." {
		domain = strings.Split(folder, "/")
	}
	var patterns []gitignore.Pattern
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, gitignore.ParsePattern(line, domain))
		}
	}
	return patterns, nil
}
