// Mutants applies small wrong edits to a copy of the module, one at a time, and
// runs the tests on each. A test suite that stays green on one does not see the
// clause that the edit breaks. Each edit is a patch whose first lines say which
// clause it breaks and how:
//
//	Clause: 6
//	Edit: an older version goes before the newer one is searchable
//
// The table of results goes into a page between its marks.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// suites are tried in this order until one is red. The first has all packages but
// those of the others.
var suites = []struct {
	name string
	args []string
}{
	{"the tests of the client", []string{"-short"}},
	{"an older release's store", []string{"./internal/histories", "-run", "Release"}},
	{"histories", []string{"./internal/histories", "-run", "^TestHistories$", "-args", "-n", "600", "-shrink", "0"}},
	{"faults at each request", []string{"./internal/faulttest"}},
}

func main() {
	module := flag.String("module", ".", "the folder of the module vsclient")
	only := flag.String("only", "", "the mutants whose name contains this")
	page := flag.String("page", "", "write the table into this page")
	side := flag.Int("parallel", 1, "mutants side by side")
	flag.Parse()
	if err := run(*module, *only, *page, *side); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

type mutant struct {
	name, path   string
	clause, edit string
	killedBy     string
	err          error
}

func run(module, only, page string, side int) error {
	mutants, err := load(filepath.Join(module, "internal/mutants/patches"), only)
	if err != nil {
		return err
	}
	if len(mutants) == 0 {
		return errors.New("there are no patches")
	}
	// A suite that is red without an edit kills nothing.
	if by, err := try(module, ""); err != nil || by != "" {
		return cmp.Or(err, fmt.Errorf("without any edit, %s fail", by))
	}
	var wait sync.WaitGroup
	room := make(chan struct{}, side)
	for i := range mutants {
		wait.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			m := &mutants[i]
			m.killedBy, m.err = try(module, m.path)
			fmt.Printf("%-40s %s\n", m.name, m.fate())
		})
	}
	wait.Wait()
	text := table(mutants, commit(module))
	fmt.Print("\n", text)
	for _, m := range mutants {
		if m.err != nil || m.killedBy == "" {
			return fmt.Errorf("%s: %s", m.name, m.fate())
		}
	}
	if page == "" {
		return nil
	}
	return writeInto(page, text)
}

func (m *mutant) fate() string {
	switch {
	case m.err != nil:
		return m.err.Error()
	case m.killedBy == "":
		return "SURVIVES"
	}
	return "killed by " + m.killedBy
}

// load reads the patches, in order of their clauses.
func load(dir, only string) (mutants []mutant, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		m := mutant{name: strings.TrimSuffix(filepath.Base(path), ".patch")}
		if !strings.Contains(m.name, only) {
			continue
		}
		if m.path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		head, _, _ := strings.Cut(string(text), "\n---")
		for line := range strings.Lines(head) {
			if v, ok := strings.CutPrefix(line, "Clause: "); ok {
				m.clause = strings.TrimSpace(v)
			}
			if v, ok := strings.CutPrefix(line, "Edit: "); ok {
				m.edit = strings.TrimSpace(v)
			}
		}
		if m.clause == "" || m.edit == "" {
			return nil, fmt.Errorf("%s does not say its clause and its edit", path)
		}
		mutants = append(mutants, m)
	}
	slices.SortStableFunc(mutants, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(len(a.clause), len(b.clause)), cmp.Compare(a.clause, b.clause))
	})
	return mutants, nil
}

// try runs the suites on a copy of the module with a patch, and returns the name
// of the first that is red; "": none is.
func try(module, patch string) (by string, err error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := copyModule(module, dir); err != nil {
		return "", err
	}
	if patch != "" {
		if out, err := command(dir, "git", "apply", "-p2", patch).CombinedOutput(); err != nil {
			return "", fmt.Errorf("the patch does not apply: %s", out)
		}
		if out, err := command(dir, "go", "vet", ".", "./internal/...").CombinedOutput(); err != nil {
			return "", fmt.Errorf("the edit does not compile: %s", out)
		}
	}
	packages, err := plainPackages(dir)
	if err != nil {
		return "", err
	}
	for i, s := range suites {
		args := append([]string{"test", "-count=1", "-failfast", "-timeout=20m"}, s.args...)
		if i == 0 {
			args = append(args, packages...)
		}
		if out, err := command(dir, "go", args...).CombinedOutput(); err != nil {
			if patch == "" {
				fmt.Printf("%s\n", out)
			}
			return s.name, nil
		}
	}
	return "", nil
}

// plainPackages are those that belong to no suite of its own.
func plainPackages(dir string) ([]string, error) {
	out, err := command(dir, "go", "list", "./...").Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(p string) bool {
		return strings.HasSuffix(p, "/histories") || strings.HasSuffix(p, "/faulttest") || strings.HasSuffix(p, "/mutants") || strings.Contains(p, "/bench")
	}), nil
}

func command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	return cmd
}

// copyModule copies the files of the module, without the modules below it.
func copyModule(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); rel != "." && err == nil {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), data, 0o644)
	})
}

func commit(module string) string {
	out, err := command(module, "git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "no commit"
	}
	return strings.TrimSpace(string(out))
}

const beginMark, endMark = "<!-- mutants -->\n", "<!-- end of mutants -->"

func table(mutants []mutant, commit string) string {
	var b strings.Builder
	b.WriteString("| clause | edit | result |\n|---|---|---|\n")
	for _, m := range mutants {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", m.clause, m.edit, m.fate())
	}
	fmt.Fprintf(&b, "\nOf %s, at commit %s.\n", time.Now().Format(time.DateOnly), commit)
	return b.String()
}

func writeInto(path, table string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), beginMark)
	_, tail, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no marks for the table of mutants", path)
	}
	return os.WriteFile(path, []byte(head+beginMark+table+endMark+tail), 0o644)
}
