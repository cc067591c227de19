// Mutants applies small wrong edits to a copy of the module, one at a time, and
// runs tests on each. Tests that stay green do not see the clause that the edit breaks.
//
// Each edit is a patch. Its first lines name the clause, the edit and the tests that must
// fail, as arguments of go test:
//
//	Clause: 6
//	Edit: an older version goes before the newer one is searchable
//	Tests: ./internal/ledger -run TestSettle
//
// The table of results goes into a page between its comment lines.
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
	"sync/atomic"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/page"
)

func main() {
	module := flag.String("module", ".", "the folder of the module vsclient")
	only := flag.String("only", "", "the mutants whose name contains this")
	into := flag.String("page", "", "write the table into this page")
	some := flag.Int("some", 0, "how many mutants to try; 0: all")
	turn := flag.Int("turn", 0, "which of them: turn N begins at mutant N times -some, and wraps around")
	flag.Parse()
	mutants, err := load(filepath.Join(*module, "internal/mutants/patches"), *only)
	if *some > 0 && *some < len(mutants) {
		from := *turn * *some % len(mutants)
		mutants = slices.Concat(mutants, mutants)[from : from+*some]
	}
	if err == nil {
		err = run(*module, mutants, *into)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

type mutant struct {
	name, path   string
	clause, edit string
	tests        []string
	killed       bool
	err          error
}

// workers are copies of the module on which go test runs side by side.
const workers = 2

func run(module string, mutants []mutant, into string) error {
	if len(mutants) == 0 {
		return errors.New("there are no patches")
	}
	dirs := make(chan string, workers)
	for range workers {
		dir, err := os.MkdirTemp("", "mutants")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := copyModule(module, dir); err != nil {
			return err
		}
		dirs <- dir
	}
	each := func(n int, f func(dir string, i int)) {
		var wait sync.WaitGroup
		for i := range n {
			dir := <-dirs
			wait.Go(func() {
				f(dir, i)
				dirs <- dir
			})
		}
		wait.Wait()
	}
	// Tests that are red without an edit find nothing.
	all := distinct(mutants)
	red := make([]error, len(all))
	each(len(all), func(dir string, i int) {
		if out, err := test(dir, all[i]); err != nil {
			red[i] = fmt.Errorf("without any edit, go test %s fails: %w\n%s", strings.Join(all[i], " "), err, out)
		}
	})
	if err := errors.Join(red...); err != nil {
		return err
	}
	each(len(mutants), func(dir string, i int) {
		m, began := &mutants[i], time.Now()
		m.killed, m.err = try(dir, m.path, m.tests)
		fmt.Printf("%-40s %s in %d s\n", m.name, m.fate(), int(time.Since(began).Seconds()))
	})
	commit, err := page.Commit(context.Background(), module)
	if err != nil {
		commit = "no commit"
	}
	text := table(mutants, commit, time.Duration(cpu.Load()))
	fmt.Print("\n", text)
	for _, m := range mutants {
		if m.err != nil || !m.killed {
			return fmt.Errorf("%s: %s", m.name, m.fate())
		}
	}
	if into == "" {
		return nil
	}
	return page.Write(into, "mutants", text)
}

func (m *mutant) fate() string {
	switch {
	case m.err != nil:
		return m.err.Error()
	case !m.killed:
		return "SURVIVES"
	}
	return "killed"
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
			if v, ok := strings.CutPrefix(line, "Tests: "); ok {
				m.tests = strings.Fields(v)
			}
		}
		if m.clause == "" || m.edit == "" || len(m.tests) == 0 {
			return nil, fmt.Errorf("%s does not say its clause, its edit and its tests", path)
		}
		mutants = append(mutants, m)
	}
	slices.SortStableFunc(mutants, func(a, b mutant) int {
		return cmp.Or(cmp.Compare(len(a.clause), len(b.clause)), cmp.Compare(a.clause, b.clause))
	})
	return mutants, nil
}

// distinct are the tests that the mutants name, each once.
func distinct(mutants []mutant) (all [][]string) {
	for _, m := range mutants {
		if !slices.ContainsFunc(all, func(tests []string) bool { return slices.Equal(tests, m.tests) }) {
			all = append(all, m.tests)
		}
	}
	return all
}

// try runs tests on the copy in dir with a patch, and reports whether they are red.
func try(dir, patch string, tests []string) (red bool, err error) {
	if out, err := command(dir, "git", "apply", "-p2", patch).CombinedOutput(); err != nil {
		return false, fmt.Errorf("the patch does not apply: %s", out)
	}
	out, failed := test(dir, tests)
	if strings.Contains(string(out), "[build failed]") {
		err = fmt.Errorf("the edit does not compile: %s", out)
	}
	if back, undone := command(dir, "git", "apply", "-R", "-p2", patch).CombinedOutput(); undone != nil {
		err = fmt.Errorf("the patch cannot be taken back: %s", back)
	}
	return failed != nil, err
}

// cpu is the CPU time of all runs of tests, with their compilation, in nanoseconds.
var cpu atomic.Int64

func test(dir string, tests []string) ([]byte, error) {
	cmd := command(dir, "go", append([]string{"test", "-count=1", "-failfast", "-timeout=5m", "-vet=off", "-ldflags=-s -w"}, tests...)...)
	out, err := cmd.CombinedOutput()
	if s := cmd.ProcessState; s != nil {
		cpu.Add(int64(s.UserTime() + s.SystemTime()))
	}
	return out, err
}

func command(dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-trimpath")
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

func table(mutants []mutant, commit string, cpu time.Duration) string {
	var b strings.Builder
	b.WriteString("| clause | edit | found by | result |\n|---|---|---|---|\n")
	for _, m := range mutants {
		found := strings.ReplaceAll(strings.Join(m.tests, " "), "|", "\\|")
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", m.clause, m.edit, found, m.fate())
	}
	fmt.Fprintf(&b, "\n%d patches in %.0f minutes of CPU, on %s at commit %s.\n", len(mutants), cpu.Minutes(), time.Now().Format(time.DateOnly), commit)
	return b.String()
}
