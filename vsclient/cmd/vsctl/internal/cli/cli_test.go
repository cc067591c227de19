package cli_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/cli"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheHelpIsAsItWasRead(t *testing.T) {
	w := newWorld(t, openaitest.Config{})
	for _, command := range []string{"", "plan", "sync", "apply", "get", "text", "put", "rm", "ls", "search", "doctor", "sweep", "leftovers", "version"} {
		out := w.must(cli.Done, append(strings.Fields(command), "--help")...)
		file := filepath.Join("testdata", "help"+strings.TrimSuffix("-"+command, "-")+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if out != string(want) {
			t.Errorf("the help of %q is not that of %s; go test -update writes it anew:\n%s", command, file, out)
		}
	}
}

func TestTheExitCodeTellsTheKindOfFailure(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(w *world)
		args    []string
		code    int
		says    string
	}{
		{name: "the version", args: []string{"version"}, code: cli.Done},
		{name: "a document that is not there", args: []string{"get", "nope"}, code: cli.Failed, says: "not found"},
		{name: "a document that cannot be put", args: []string{"put", "k", os.DevNull}, code: cli.Failed, says: "empty"},
		{name: "a pointer in place of a document", prepare: func(w *world) {
			w.write("p.md", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
		}, args: []string{"put", "k", "DIR/p.md"}, code: cli.Failed, says: "git lfs pull"},
		{name: "no such command", args: []string{"frob"}, code: cli.Usage, says: "vsctl --help"},
		{name: "help of no such command", args: []string{"help", "frob"}, code: cli.Usage, says: "vsctl --help"},
		{name: "help of no such command below one", args: []string{"help", "sync", "frob"}, code: cli.Usage, says: `"sync frob"`},
		{name: "an empty folder to emulate", args: []string{"--emulate=", "put", "k", "FILE"}, code: cli.Usage, says: "give --emulate=DIR, or --emulate alone"},
		{name: "no PLAN", args: []string{"apply"}, code: cli.Usage, says: "a PLAN, and a SOURCE where that has moved"},
		{name: "a key with a blank", prepare: func(w *world) { w.env["OPENAI_API_KEY"] = "sk a" }, args: []string{"ls"}, code: cli.Environment, says: "the API key (OPENAI_API_KEY, or api_key in the settings) holds"},
		{name: "content of no type", prepare: func(w *world) { w.write("x.bin", "\xff\xfe\xff") }, args: []string{"put", "x.bin", "DIR/x.bin"}, code: cli.Failed, says: "give the key an extension that OpenAI indexes"},
		{name: "a folder to emulate without =", args: []string{"--emulate", ".", "ls"}, code: cli.Usage, says: "write --emulate=."},
		{name: "no such flag", args: []string{"ls", "--frob"}, code: cli.Usage, says: "vsctl ls --help"},
		{name: "no KEY", args: []string{"get"}, code: cli.Usage, says: "takes a KEY"},
		{name: "no SOURCE", args: []string{"plan"}, code: cli.Usage, says: "no SOURCE"},
		{name: "a file as SOURCE", args: []string{"plan", "FILE"}, code: cli.Usage, says: "vsctl put KEY"},
		{name: "a glob that is none", args: []string{"plan", ".", "--include", "["}, code: cli.Usage, says: "is no glob"},
		{name: "a score that is none", args: []string{"search", "q", "--min-score", "NaN"}, code: cli.Usage, says: "--min-score"},
		{name: "a score above 1", args: []string{"search", "q", "--min-score", "1.5"}, code: cli.Usage, says: "--min-score 1.5: give"},
		{name: "no limit", args: []string{"search", "q", "--limit", "0"}, code: cli.Usage, says: "--limit 0: give"},
		{name: "a query without a word", args: []string{"search", " "}, code: cli.Usage, says: "the QUERY is empty"},
		{name: "no folder to emulate", args: []string{"ls", "--emulate=nowhere"}, code: cli.Environment, says: "nowhere"},
		{name: "a share that is none", args: []string{"plan", ".", "--max-remove", "200%"}, code: cli.Usage, says: "--max-remove"},
		{name: "a negative number of removals", args: []string{"sync", ".", "-n", "--approve-removals", "-5"}, code: cli.Usage, says: "--approve-removals"},
		{name: "a chunking that is none", args: []string{"plan", ".", "--chunking", "1/2/3"}, code: cli.Usage, says: "800/400"},
		{name: "a filter that is none", args: []string{"search", "q", "--filter", "lang"}, code: cli.Usage, says: "NAME=VALUE"},
		{name: "an operator that is none", args: []string{"search", "q", "--filter", "year=>2024"}, code: cli.Usage, says: "no operator"},
		{name: "a folder as a list of keys", args: []string{"plan", "keys:DIR"}, code: cli.Usage, says: "is a folder"},
		{name: "no such shell", args: []string{"completion", "frob"}, code: cli.Usage, says: "bash"},
		{name: "no API key", prepare: func(w *world) { delete(w.env, "OPENAI_API_KEY") }, args: []string{"ls"}, code: cli.Environment, says: "OPENAI_API_KEY"},
		{name: "a wrong API key", prepare: func(w *world) { w.env["OPENAI_API_KEY"] = "sk-wrong-one" }, args: []string{"ls"}, code: cli.Environment, says: "unauthorized"},
		{name: "no store", prepare: func(w *world) { delete(w.env, "OPENAI_VECTOR_STORE_ID") }, args: []string{"ls"}, code: cli.Environment, says: "--store"},
		{name: "a store that is gone", args: []string{"ls", "--store", "vs_gone"}, code: cli.Environment, says: "gone"},
		{name: "a folder that is not there", args: []string{"plan", "nowhere"}, code: cli.Environment, says: "nowhere"},
		{name: "settings that are not there", args: []string{"ls", "--config", "nowhere.yaml"}, code: cli.Environment, says: "nowhere.yaml"},
		{name: "changes that are pending", args: []string{"plan", "DIR", "--exit-code"}, code: cli.Pending},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			w := newWorld(t, openaitest.Config{})
			if tt.prepare != nil {
				tt.prepare(w)
			}
			for i, arg := range tt.args {
				tt.args[i] = strings.NewReplacer("DIR", w.dir, "FILE", filepath.Join(w.dir, "a.md")).Replace(arg)
			}
			out, errs, code := w.run(tt.args...)
			is.Equal(code, tt.code)
			if tt.says == "" {
				is.Equal(errs, "")
				is.True(out != "")
				return
			}
			is.Equal(out, "")
			is.True(strings.Contains(errs, tt.says))
			is.True(strings.HasPrefix(errs, "vsctl: ") && strings.Count(errs, "\n") == 1) // one line

			e := w.envelope(tt.code, tt.args...)
			is.True(!e.OK)
			is.Equal(e.Error.ExitCode, tt.code)
			is.True(strings.Contains(e.Error.Message, tt.says))
		})
	}
}

func TestARefusalTellsThePersonWhatToDo(t *testing.T) {
	page := "<html><body>Access denied</body></html>"
	for _, c := range []struct {
		fault openaitest.Fault
		says  string
		not   string
	}{
		{openaitest.Fault{Status: 429, RetryAfter: openaitest.Duration(time.Hour), Message: "slow down"}, "; the server asks to wait for 1h0m0s: run the command again after that", "timed out"},
		{openaitest.Fault{Status: 403, Body: &page}, "; the reply has no message of OpenAI: a proxy may have answered", "denied"},
		{openaitest.Fault{Status: 403, Message: "no such right"}, "no such right", "proxy"},
	} {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		c.fault.Kind, c.fault.Times = openaitest.FaultStatus, -1
		w.srv.Inject(c.fault)
		_, errs, code := w.run("plan", w.dir)
		is.Equal(code, cli.Environment)
		if !strings.Contains(errs, c.says) {
			t.Errorf("%q is not in %s", c.says, errs)
		}
		is.True(!strings.Contains(errs, c.not))
	}
}

func TestASignalWhileInputIsReadIsAStop(t *testing.T) {
	for _, args := range [][]string{{"plan", "manifest:-", "--json"}, {"plan", "keys:-", "--json"}, {"put", "k", "--json"}} {
		is := is.New(t)
		w := newWorld(t, openaitest.Config{})
		ctx, stop := context.WithCancelCause(t.Context())
		var out, errs bytes.Buffer
		code := cli.Run(ctx, args, cli.Streams{
			In: reads(func() { stop(errors.New("interrupt signal received")); select {} }), Out: &out, Err: &errs,
			LookupEnv: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
		})
		is.Equal(code, cli.Failed)
		is.True(strings.Contains(out.String(), `"class": "stopped"`))
		is.True(strings.Contains(out.String(), "interrupt signal received"))
	}
}

func TestATextCannotWriteToTheTerminal(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.in = "a\tb\r\n\x1b[2J\u202e\x07ä\n"
	w.must(cli.Done, "put", "k.md")
	is.Equal(w.must(cli.Done, "text", "k.md"), w.in) // a pipe gets the text as it is
	w.tty = true
	is.Equal(w.must(cli.Done, "text", "k.md"), "a\tb\n"+`\x1b[2J\u202e\aä`+"\n")
}

func TestAKeyThatLooksLikeAFlagIsAKey(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "put", "--", "--json", filepath.Join(w.dir, "a.md"))
	is.Equal(w.must(cli.Done, "text", "--", "--json"), "alpha")
	out, _, code := w.run("plan", "--bogus", "--json=true")
	is.Equal(code, cli.Usage)
	is.True(strings.HasPrefix(out, "{"))
	out, _, code = w.run("plan", "--bogus", "--", "--json")
	is.Equal(code, cli.Usage)
	is.Equal(out, "")
}

func TestANumberIsDecimal(t *testing.T) {
	w := newWorld(t, openaitest.Config{})
	for _, line := range [][]string{
		{"sync", w.dir, "-n", "--approve-removals"}, {"plan", w.dir, "--max-remove"}, {"search", "alpha", "--limit"}, {"search", "alpha", "--min-score"},
	} {
		for _, number := range []string{"010", "0x10", "0b1", "1_0", "1e1", "+1", "-1", "01.0", "0x1p-1", " 1", ""} {
			if number == "" && line[2] == "--max-remove" { // as without the flag
				continue
			}
			_, errs, code := w.run(append(line, number)...)
			if code != cli.Usage || !strings.Contains(errs, line[len(line)-1]) {
				t.Errorf("%q %q ends with %d: %s", line, number, code, errs)
			}
		}
		w.must(cli.Done, append(line, "1")...)
	}
}

func TestHelpAndCompletionWriteOneEnvelope(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	for _, args := range [][]string{{}, {"help"}, {"help", "sync"}, {"sync", "--help"}, {"completion", "bash"}, {"completion", "zsh"}, {"completion", "bash", "-h"}} {
		text := w.must(cli.Done, args...)
		e := w.envelope(cli.Done, args...)
		is.True(e.OK && text != "")
		is.Equal(e.Result, map[string]any{"text": text})
	}
	out := w.must(cli.Done, "__complete", "plan", "--json", "--own") // a shell asks
	is.True(strings.HasPrefix(out, "--owner\t"))
}

func TestAnErrorNamesTheFlagAndTheTypeOfJSON(t *testing.T) {
	w := newWorld(t, openaitest.Config{})
	w.write("m.jsonl", `{"key":"n","text":"t","attributes":{"a":null}}`+"\n"+`{"key":"l","text":"t","attributes":{"b":[1]}}`+"\n"+`{"key":"o","text":"t","attributes":{"c":{}}}`+"\n"+`{"end":true,"count":3}`+"\n")
	manifest := "manifest:" + filepath.Join(w.dir, "m.jsonl")
	w.write("out.jsonl", `{"key":"k","path":"../x"}{"end":true,"count":1}`)
	w.write("a.plan", `{"plan":{"format":99}}`)
	w.write("bin", "\xff\xfe\xff")
	w.write("bin.jsonl", `{"key":"x.bin","path":"bin"}{"end":true,"count":1}`)
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"plan", w.dir, "--owner", strings.Repeat("o", 600)}, cli.Usage, []string{"--owner or --owner-attribute: ", "600"}},
		{[]string{"plan", w.dir, "--chunking", "1/0"}, cli.Usage, []string{"vsctl: --chunking: "}},
		{[]string{"plan", "manifest:" + filepath.Join(w.dir, "out.jsonl")}, cli.Withheld, []string{`vsctl: the content of "k" cannot be read: stat`}},
		{[]string{"apply", filepath.Join(w.dir, "a.plan"), "-y"}, cli.Environment, []string{"make the plan again"}},
		{[]string{"plan", "manifest:" + filepath.Join(w.dir, "bin.jsonl")}, cli.Done, []string{"give the key an extension that OpenAI indexes)"}},
		{[]string{"plan", manifest}, cli.Done, []string{"? n ", `"a": null is not allowed`, `"b": an array is not allowed`, `"c": an object is not allowed`}},
	} {
		out, errs, code := w.run(c.args...)
		for _, part := range c.says {
			if code != c.code || !strings.Contains(out+errs, part) {
				t.Errorf("%.60q ends with %d and does not say %q:\n%s%s", c.args, code, part, out, errs)
			}
		}
		for _, part := range []string{"any.md", "<nil>", "interface", "Extension", "cannot be read: content", "again; make it"} {
			if strings.Contains(out+errs, part) {
				t.Errorf("%.60q says %q:\n%s%s", c.args, part, out, errs)
			}
		}
	}
}

func TestAFileThatDoesNotShowYetIsNoTryAgain(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{IndexTime: 3 * time.Second, NotFoundWindow: 2 * time.Second})
	w.tty = true
	_, errs, code := w.run("put", "k.md", filepath.Join(w.dir, "a.md"))
	is.Equal(code, cli.Done)
	is.True(strings.Contains(errs, "waiting for OpenAI to index"))
	is.True(!strings.Contains(errs, "trying again"))
}

func TestEachCommandWritesOneEnvelope(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	for _, args := range [][]string{
		{"plan", w.dir},
		{"sync", w.dir, "-y"},
		{"ls"},
		{"get", "a.md"},
		{"text", "a.md"},
		{"search", "alpha"},
		{"put", "k.md", filepath.Join(w.dir, "a.md")},
		{"rm", "k.md", "-y"},
		{"doctor"},
		{"sweep"},
		{"leftovers"},
		{"version"},
	} {
		e := w.envelope(cli.Done, args...)
		is.Equal(e.Command, args[0])
		is.True(e.OK && e.Summary != "" && e.Result != nil && e.Error == nil) // its fields
	}
	is.Equal(len(w.keys()), 3)
}

func TestADocumentIsPutFromAFileAndFromStandardInput(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	is.Equal(w.must(cli.Done, "put", "k", filepath.Join(w.dir, "a.md"), "--attribute", "n=1", "--attribute", `s="1"`, "--attribute", "b=true"), "k: created\n")
	w.in = "from a pipe"
	is.Equal(w.must(cli.Done, "put", "k"), "k: replaced\n")
	is.Equal(w.must(cli.Done, "text", "k"), "from a pipe")
	is.Equal(w.must(cli.Done, "rm", "k", "-y"), "k: deleted\n")
	is.Equal(w.must(cli.Done, "rm", "k", "-y"), "k: absent\n")
}

// TestNoIntegerLosesDigits has an integer that no float64 can hold.
func TestNoIntegerLosesDigits(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	const lost, kept = "9007199254740993", "9007199254740992"
	a := filepath.Join(w.dir, "a.md")
	refused := func(code int, args ...string) {
		_, said, got := w.run(args...)
		is.Equal(got, code)
		is.True(strings.Contains(said, "give it as a string"))
	}
	refused(cli.Failed, "put", "k", a, "--attribute", "id="+lost)
	refused(cli.Failed, "put", "k", a, "--attribute", "id="+lost+".0")
	w.must(cli.Done, "put", "k", a, "--attribute", "commit=12e4567") // text
	for _, operator := range []string{"=", "!=", ">", "<="} {
		refused(cli.Usage, "search", "x", "--filter", "id"+operator+lost)
	}
	w.must(cli.Done, "put", "k", a, "--attribute", "id="+kept, "--attribute", `text="`+lost+`"`)
	got := w.must(cli.Done, "get", "k")
	is.True(strings.Contains(got, kept))
	is.True(strings.Contains(got, lost))
	w.write("m.jsonl", `{"key":"m","text":"a text","attributes":{"id":`+lost+`}}`+"\n"+`{"end":true,"count":1}`+"\n")
	is.True(strings.Contains(w.must(cli.Done, "sync", "manifest:"+filepath.Join(w.dir, "m.jsonl"), "-y"), "give it as a string"))
}

func TestASearchIsNarrowedByTypedFilters(t *testing.T) {
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "put", "en.md", filepath.Join(w.dir, "a.md"), "--attribute", "lang=en", "--attribute", "year=2024", "--attribute", "draft=false")
	w.must(cli.Done, "put", "de.md", filepath.Join(w.dir, "a.md"), "--attribute", "lang=de", "--attribute", `year="2024"`, "--attribute", "draft=true")
	for filters, want := range map[string]string{
		"":                   "de.md en.md",
		"lang=en":            "en.md",
		"lang!=en":           "de.md",
		"year=2024":          "en.md",
		`year="2024"`:        "de.md",
		"year>=2024":         "en.md",
		"year>2024":          "",
		"year<=2024":         "en.md",
		"year<2024":          "",
		"draft=true":         "de.md",
		"lang=en draft=true": "",
	} {
		args := []string{"search", "alpha"}
		for _, f := range strings.Fields(filters) {
			args = append(args, "--filter", f)
		}
		var got []string
		for _, h := range w.envelope(cli.Done, args...).Result.([]any) {
			got = append(got, h.(map[string]any)["key"].(string))
		}
		if len(got) == 2 && got[0] > got[1] {
			got[0], got[1] = got[1], got[0]
		}
		if strings.Join(got, " ") != want {
			t.Errorf("the filters %q find %v, not %q", filters, got, want)
		}
	}
}

func TestDoctorFindsEachKindOfFault(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	is.True(strings.HasPrefix(w.must(cli.Done, "doctor"), "healthy: 3 documents"))

	w.double()
	w.srv.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("lost"), CreatedAt: time.Now().Add(-2 * time.Hour)})
	w.request(http.MethodPost, "/vector_stores/"+w.store, `{"expires_after":{"anchor":"last_active_at","days":1}}`)

	kinds := map[string]int{}
	e := w.envelope(cli.Failed, "doctor")
	for _, f := range e.Result.(map[string]any)["findings"].([]any) {
		kinds[f.(map[string]any)["kind"].(string)]++
	}
	is.Equal(kinds, map[string]int{"doubled": 1, "leftover": 1, "expiry": 1})
	is.True(!e.OK)
}

func TestDoctorFindsDocumentsThatAreNotIndexed(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{
		Now:        func() time.Time { return time.Now().Add(-time.Hour) },
		IndexRules: []openaitest.IndexRule{{Name: "stuck*", Stuck: true}, {Name: "failed*", Code: "invalid_file", Message: "no text"}},
	})
	for _, name := range []string{"stuck.md", "failed.md"} {
		file := w.srv.AddFile(openaitest.NewFile{Name: name, Content: []byte("alpha")})
		w.request(http.MethodPost, "/vector_stores/"+w.store+"/files", `{"file_id":"`+file+`"}`)
	}
	out := w.must(cli.Failed, "doctor")
	is.True(strings.Contains(out, "!  stuck"))
	is.True(strings.Contains(out, "invalid_file: no text"))
}

// TestDoctorWaitsForAListingThatIsLate has a listing that shows an attach after a minute.
func TestDoctorWaitsForAListingThatIsLate(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{ListLag: openaitest.Lag{Attach: time.Minute}})
	for i := range 150 { // more than a look at the newest files shows
		w.srv.AddStoreFile(w.store, w.srv.AddFile(openaitest.NewFile{Name: fmt.Sprintf("%d.md", i), Content: []byte("alpha")}), nil)
	}
	w.must(cli.Done, "doctor")
	is.Equal(w.slept, time.Minute)
}

func TestDoctorFindsFilesThatAreGone(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{CountsLag: time.Hour})
	w.must(cli.Done, "sync", w.dir, "-y")
	w.srv.Advance(2 * time.Hour)
	w.request(http.MethodDelete, "/files/"+w.srv.Snapshot().Store(w.store).Files[0].FileID, "")
	out := w.must(cli.Failed, "doctor")
	is.True(strings.Contains(out, "!  gone"))
	is.True(strings.Contains(out, "its listing or its count")) // may be the cause
	is.Equal(w.slept, 2*time.Minute)
	is.True(strings.Contains(w.must(cli.Done, "plan", w.dir), "1 to create")) // and a sync repairs it
}

func TestALeftoverGoesWhenItIsNamed(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	lost := w.srv.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("lost"), CreatedAt: time.Now().Add(-2 * time.Hour)})
	is.True(strings.Contains(w.must(cli.Done, "leftovers"), lost))
	w.must(cli.Usage, "leftovers", "--remove")
	_, errs, code := w.run("leftovers", "--remove", "-y", "file-unknown", lost, "file-another")
	is.Equal(code, cli.Usage)
	is.True(strings.Contains(errs, "file-unknown, file-another"))
	is.True(!strings.Contains(errs, lost)) // it is a leftover
	w.must(cli.Done, "sweep")
	w.must(cli.Done, "leftovers", "--remove", "-y") // its name alone proves nothing
	is.Equal(len(w.srv.Snapshot().Files), 4)
	w.must(cli.Done, "leftovers", "--remove", "-y", lost, lost) // an id may come twice
	is.Equal(len(w.srv.Snapshot().Files), 3)
}

func TestALeftoverOfJustNowIsListedOnDemand(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	lost := w.srv.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("lost")})
	out := w.must(cli.Done, "leftovers")
	is.True(!strings.Contains(out, lost))
	is.True(strings.Contains(out, "see --young"))
	is.True(strings.Contains(w.must(cli.Done, "leftovers", "--young"), lost))
	is.Equal(w.slept, 3*time.Minute)
	w.must(cli.Usage, "leftovers", "--remove", "-y", lost)
	w.must(cli.Done, "leftovers", "--young", "--remove", "-y", lost)
	is.Equal(len(w.srv.Snapshot().Files), 3)
}

func TestADocumentWhoseAttachDoesNotShowYetIsNoLeftover(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{NotFoundWindow: 20 * time.Second, ListLag: openaitest.Lag{Attach: 2 * time.Minute}})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--wait=false")
	w.srv.Advance(time.Hour)
	w.write("-a.md", "another") // its name is like that of a.md
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y", "--wait=false")
	files := len(w.srv.Snapshot().Files)
	is.Equal(w.must(cli.Done, "leftovers", "--young", "--remove", "-y"), "0 leftovers, 0 removed\n")
	is.Equal(w.slept, 3*time.Minute)
	is.Equal(len(w.srv.Snapshot().Files), files)
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	for _, args := range [][]string{{"ls"}, {"ls", "--json"}, {"doctor"}, {"plan", w.dir}} {
		var errs bytes.Buffer
		code := cli.Run(t.Context(), args, cli.Streams{
			In: strings.NewReader(""), Out: full{}, Err: &errs,
			LookupEnv: func(name string) (string, bool) { v, ok := w.env[name]; return v, ok },
		})
		is.Equal(code, cli.Failed)
		is.True(strings.Contains(errs.String(), "no space left on device"))
	}
}

func TestAPutKeepsTheOwner(t *testing.T) {
	is := is.New(t)
	w := newWorld(t, openaitest.Config{})
	w.must(cli.Done, "sync", w.dir, "--owner", "hb", "-y")
	w.in = "another text"
	w.must(cli.Done, "put", "a.md", "--attribute", "lang=en")
	is.True(strings.Contains(w.must(cli.Done, "get", "a.md"), "@owner    hb"))
	w.must(cli.Done, "put", "a.md", "--owner", "else")
	is.True(strings.Contains(w.must(cli.Done, "get", "a.md"), "@owner    else"))
	w.must(cli.Done, "put", "a.md", "--owner", "")
	is.True(!strings.Contains(w.must(cli.Done, "get", "a.md"), "@owner"))
}
