package vsclient_test

import (
	"cmp"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTheLibraryPullsInNothingButItsOwn guards the dependencies of everyone who imports the
// package: OpenAI's SDK with its own, cenkalti/backoff, and golang.org/x/sync.
func TestTheLibraryPullsInNothingButItsOwn(t *testing.T) {
	for pkg, allowed := range map[string][]string{
		".": {
			module,
			"github.com/cenkalti/backoff/v4",
			"github.com/openai/openai-go/v3",
			"github.com/coder/websocket", // of openai-go
			"github.com/tidwall",         // of openai-go
			"golang.org/x/sync",
		},
		"./openaitest": {module},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			if !slices.ContainsFunc(allowed, func(p string) bool { return dep == p || strings.HasPrefix(dep, p+"/") }) {
				t.Errorf("%s imports %s", pkg, dep)
			}
		}
	}
}

const module = "github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"

// libraries are the packages of others that rooms import, by the names that the table has for them.
var libraries = map[string]string{
	"github.com/openai/openai-go/v3":        "openai-go",
	"github.com/openai/openai-go/v3/option": "openai-go",
	"github.com/cenkalti/backoff/v4":        "backoff",
	"golang.org/x/sync/semaphore":           "semaphore",
	"golang.org/x/sync/errgroup":            "errgroup",
	module:                                  "vsclient",
	module + "/filter":                      "filter",
	module + "/plan/internal/digest":        "plan/internal/digest",
	module + "/plan/internal/stored":        "plan/internal/stored",
	module + "/openaitest":                  "openaitest",
}

// room is a package, with its imports and the most lines that it may have.
type room struct {
	name    string
	imports []string
	lines   int // the most, with comments, without tests
}

// rooms are the packages that make up the client, from the bottom up. Each imports the
// ones that are named beside it, which come before it, and nothing else that is not in
// the standard library. docs/architecture.md draws them.
var rooms = []room{
	{"internal/fail", nil, 1000},
	{"internal/pace", nil, 1000},
	{"internal/life", []string{"fail"}, 1000},
	{"internal/words", nil, 1000},
	{"internal/reply", []string{"fail", "words", "openai-go"}, 1000},
	{"internal/exchange", []string{"fail", "pace", "reply", "openai-go", "backoff"}, 1000},
	{"internal/naming", []string{"fail"}, 1000},
	{"filter", []string{"naming"}, 1000},
	{"internal/wire", []string{"fail", "reply", "exchange", "filter", "openai-go"}, 1000},
	{"internal/gather", []string{"pace", "semaphore"}, 1000},
	{"internal/index", []string{"fail", "naming", "pace", "reply", "wire", "gather", "semaphore"}, 1000},
	{"internal/content", []string{"fail", "naming"}, 1000},
	{"internal/ledger", []string{"naming"}, 1000},
	{"internal/lists", []string{"fail", "pace", "wire", "naming", "ledger"}, 1000},
	{"internal/view", []string{"fail", "pace", "reply", "wire", "naming", "ledger", "lists", "semaphore", "errgroup"}, 1000},
	{"internal/keep", []string{"fail", "pace", "life", "wire", "naming", "ledger", "lists", "view", "semaphore"}, 1000},
	{".", []string{"fail", "pace", "life", "reply", "exchange", "wire", "filter", "index", "naming", "content", "ledger", "lists", "view", "keep", "semaphore"}, 2000},
}

// proof are the packages that make up the random histories, from the bottom up, in the
// same way. They stand on the emulator and on the packages that any program can import.
var proof = []room{
	{"internal/histories/plan", nil, 1000},
	{"internal/histories/trail", []string{"histories/plan", "openaitest"}, 1000},
	{"internal/histories/gate", []string{"histories/plan", "histories/trail"}, 1000},
	{"internal/histories/client", []string{"histories/plan", "vsclient"}, 1000},
	{"internal/histories/model", []string{"histories/plan", "histories/trail"}, 1000},
	{"internal/histories/course", []string{"histories/plan", "histories/trail", "histories/client", "histories/model"}, 1000},
	{"internal/histories/deeds", []string{"histories/plan", "histories/trail", "histories/client", "histories/model", "histories/course", "openaitest"}, 1000},
	{"internal/histories/rare", []string{"histories/trail", "histories/model", "histories/course"}, 1000},
	{"internal/histories/judge", []string{"histories/plan", "histories/trail", "histories/client", "histories/model", "histories/course", "histories/rare", "openaitest"}, 1000},
	{"internal/histories/readers", []string{"histories/trail", "histories/client", "histories/model", "histories/course", "histories/judge", "openaitest"}, 1000},
	{"internal/histories/people", []string{"histories/plan", "histories/trail", "histories/client", "histories/rare", "histories/judge", "openaitest"}, 1000},
	{"internal/histories", []string{"histories/plan", "histories/trail", "histories/gate", "histories/client", "histories/model", "histories/course", "histories/deeds", "histories/people", "histories/readers", "histories/rare", "histories/judge", "openaitest", "page"}, 1000},
}

// above are packages that stand on the public face, and on the emulator, alone.
var above = []room{
	{"plan/internal/digest", nil, 100},
	{"plan/internal/stored", []string{"vsclient", "plan/internal/digest"}, 200},
	{"plan", []string{"vsclient", "plan/internal/digest", "plan/internal/stored"}, 1450},
	{"internal/worldtest", []string{"vsclient", "openaitest"}, 1000},
}

// TestEachRoomIsSmallAndLeadsDown keeps the rooms apart: no arrow leads up or around, and
// the tables above have none that the code does not.
func TestEachRoomIsSmallAndLeadsDown(t *testing.T) {
	leadsDown(t, rooms, []string{"openai-go", "backoff", "semaphore", "errgroup"})
	leadsDown(t, above, []string{"vsclient", "openaitest"})
	leadsDown(t, proof, []string{"vsclient", "openaitest", "page"})
}

// leadsDown compares the rooms of a table with the code. They may stand on the others.
func leadsDown(t *testing.T, rooms []room, others []string) {
	t.Helper()
	below := make(map[string]bool)
	for _, other := range others {
		below[other] = true
	}
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join(room.name, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", room.name, files, err)
		}
		found, lines := make(map[string]bool), 0
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			lines += strings.Count(string(text), "\n")
			parsed, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range parsed.Imports {
				if path := strings.Trim(spec.Path.Value, `"`); strings.Contains(path, ".") {
					found[cmp.Or(libraries[path], strings.TrimPrefix(path, module+"/internal/"))] = true
				}
			}
		}
		if lines > room.lines {
			t.Errorf("%s has %d lines; %d are allowed", room.name, lines, room.lines)
		}
		got, want := slices.Sorted(maps.Keys(found)), slices.Sorted(slices.Values(room.imports))
		if !slices.Equal(got, want) {
			t.Errorf("%s imports\n%v, and the table says\n%v", room.name, got, want)
		}
		for _, path := range room.imports {
			if !below[path] {
				t.Errorf("%s imports %s, which is not below it", room.name, path)
			}
		}
		below[strings.TrimPrefix(room.name, "internal/")] = true
	}
}

// TestOnlyRoomsImportRooms keeps packages of the module that are not rooms off the
// rooms, so that they can do no more than any program.
func TestOnlyRoomsImportRooms(t *testing.T) {
	private := make(map[string]bool)
	for _, room := range rooms {
		if room.name != "." {
			private[module+"/"+room.name] = true
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if fields[0] == module || private[fields[0]] {
			continue
		}
		for _, path := range fields[1:] {
			if private[path] {
				t.Errorf("%s imports %s", fields[0], path)
			}
		}
	}
}
