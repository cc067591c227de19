// Package cli holds the commands of vsctl.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/config"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/show"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/source"
)

// The exit codes.
const (
	Done        = 0
	Failed      = 1
	Usage       = 2
	Environment = 3
	Withheld    = 4
	Pending     = 10
)

const exitCodes = `Exit codes: 0 done, 1 something failed, 2 wrong usage, 3 the environment (key, store,
network, settings, a source that cannot be opened), 4 removals were withheld or the source is
incomplete, 10 changes are pending (plan --exit-code).`

// Streams is the surroundings of the program.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// Whether each of them is a terminal.
	InTerminal, OutTerminal, ErrTerminal bool
	ErrWidth                             func() int // columns of the terminal; nil or 0: unknown
	LookupEnv                            func(name string) (string, bool)
	Version                              string // of the linker; "": that of the build
	// Sleep waits so long, or until the context ends.
	Sleep func(ctx context.Context, d time.Duration)
}

// exit is an error with an exit code.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &exit{Usage, fmt.Errorf(format, args...)}
}

func environment(err error) error { return &exit{Environment, err} }

// outcome is the result of a command that ran to its end.
type outcome struct {
	summary string // one sentence
	result  any    // under --json
	code    int    // Failed and Withheld are no success
	err     error  // the reason for such a code
	text    func(w io.Writer)
}

// app is one run of the program.
type app struct {
	Streams
	flags   config.Config
	file    string
	emulate string
	json    bool

	command    string
	begun      bool // the command has been found and its flags read
	completing bool // a shell asks for completions of a line, which may have --json
	out        outcome
	cfg        config.Config
	progress   show.Progress
	gate       gate
	storeID    string          // of the client
	limits     vsclient.Limits // likewise
	texts      strings.Builder // help and completion scripts, under --json
}

// Write takes the output of cobra: help, scripts for completion, and the completions themselves.
func (a *app) Write(p []byte) (int, error) {
	if a.json && !a.completing {
		return a.texts.Write(p)
	}
	return a.Out.Write(p)
}

// Run runs the program and returns its exit code.
func Run(ctx context.Context, args []string, s Streams) int {
	out := &output{w: s.Out}
	s.Out = out
	s.In = until{ctx, s.In}
	a := &app{Streams: s}
	a.completing = len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd)
	a.gate.next = transport()
	a.progress = show.Progress{W: s.Err, Terminal: s.ErrTerminal, Width: s.ErrWidth, Now: time.Now}
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if a.command == "" {
		a.command = strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "vsctl"), " ")
	}
	switch {
	case err == nil && ctx.Err() != nil && a.out.err == nil:
		err = fmt.Errorf("stopped: %w", context.Cause(ctx))
	case err == nil:
		err = a.out.err
	case !a.begun && out.err == nil && codeOf(err) == Failed: // cobra's own errors
		err = &exit{Usage, err}
	}
	code := cmp.Or(a.out.code, codeOf(err))
	for _, arg := range args {
		if a.begun || arg == "--" { // the flags have been read, or end here
			break
		}
		a.json = a.json || arg == "--json" || arg == "--json=true"
	}
	a.progress.End()
	if a.texts.Len() > 0 {
		a.out.result = map[string]string{"text": a.texts.String()}
	}
	if a.json && (a.out.result != nil || err != nil) {
		a.envelope(code, err)
	} else if err != nil && (out.err == nil || !errors.Is(err, out.err)) {
		fmt.Fprintln(s.Err, "vsctl: "+show.Text(message(err)))
	}
	if out.err != nil {
		fmt.Fprintln(s.Err, "vsctl: the output cannot be written: "+message(out.err))
		code = cmp.Or(code, Failed)
	}
	return code
}

// until reads until its context ends, also where no input comes.
type until struct {
	context.Context
	io.Reader
}

func (u until) Read(p []byte) (int, error) {
	var n int
	var err error
	own := make([]byte, len(p)) // a read that is given up may end later
	read := make(chan struct{})
	go func() {
		n, err = u.Reader.Read(own)
		close(read)
	}()
	select {
	case <-read:
		return copy(p, own[:n]), err
	case <-u.Done():
		cause := context.Cause(u)
		return 0, &vsclient.Error{Op: "read the input", Class: vsclient.Stopped, Reason: cause.Error(), Err: cause}
	}
}

// output keeps the first error of its writes.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.err = cmp.Or(o.err, err)
	return n, err
}

func (a *app) envelope(code int, err error) {
	e := show.Envelope{Command: a.command, OK: err == nil, Summary: a.out.summary, Result: a.out.result}
	if err != nil {
		e.Error = &show.Error{Message: message(err), ExitCode: code}
		if class := vsclient.ClassOf(err); errors.As(err, new(*vsclient.Error)) {
			e.Error.Class = class.String()
		}
		if api := (*vsclient.APIError)(nil); errors.As(err, &api) {
			e.Error.Request = api.RequestID
		}
	}
	show.JSON(a.Out, e) //nolint:errcheck // Out keeps the error
}

// packages are the names before the errors of packages, at the beginning or after a colon, a
// comma or a line feed.
var packages = regexp.MustCompile(`(^|: |, |\n)(vsclient: new|vsclient|plan): `)

// words puts the names of vsctl in place of those of the packages.
var words = strings.NewReplacer(
	"Config.APIKey holds", "the API key (OPENAI_API_KEY, or api_key in the settings) holds",
	", or set the document's Extension", "",
	"cannot be read: content cannot be read: ", "cannot be read: ",
)

// longWait is a wait of which a person should know.
const longWait = time.Minute

// message is the error on one line.
func message(err error) string {
	text := words.Replace(packages.ReplaceAllString(err.Error(), "$1"))
	if e, ok := errors.AsType[*vsclient.Error](err); ok && e.RetryAfter >= longWait && errors.Is(e, vsclient.ErrTimeout) { // the client has not waited for so long
		text = strings.Replace(text, vsclient.ErrTimeout.Error()+": ", "", 1) +
			fmt.Sprintf("; the server asks to wait for %v: run the command again after that", e.RetryAfter.Round(time.Second))
	}
	if api, ok := errors.AsType[*vsclient.APIError](err); ok && api.Code == "" && api.Message == "" && slices.Contains(guarded, api.Status) {
		text += "; the reply has no message of OpenAI: a proxy may have answered; check the base URL and the proxy"
	}
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// guarded are the statuses with which a proxy keeps a request from the API.
var guarded = []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired}

func codeOf(err error) int {
	var known *exit
	var bad *source.UsageError
	switch {
	case err == nil:
		return Done
	case errors.As(err, &known):
		return known.code
	case errors.As(err, &bad):
		return Usage
	case errors.Is(err, vsclient.ErrIndexing):
		return Failed // the document's, whatever its class
	case errors.As(err, new(*vsclient.Error)):
		switch vsclient.ClassOf(err) {
		case vsclient.Fatal, vsclient.Transient:
			return Environment
		case vsclient.BadDocument, vsclient.Stopped:
		}
		return Failed
	}
	return Failed
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "vsctl",
		Short: "Keep an OpenAI vector store equal to a folder, a manifest or a list of keys",
		Long: `vsctl keeps an OpenAI vector store equal to a source of documents. It shows the
changes, makes them, and removes nothing that it is not sure of.

A SOURCE is
  DIR            a folder: each file is a document, and its path below DIR is its key
  manifest:FILE  lines of JSON, a document each, and an end line
  keys:FILE      a list of keys: documents that it does not have are removed, nothing is put
  NAME           a source that .vsctl.yaml describes
with - in place of FILE for standard input.

The store and the key come from flags, then from OPENAI_VECTOR_STORE_ID, OPENAI_API_KEY,
OPENAI_BASE_URL, OPENAI_ORG_ID and OPENAI_PROJECT_ID, then from .vsctl.yaml.

` + exitCodes,
		Example: `  vsctl --emulate sync ./docs                    try it: no key, no account
  vsctl --emulate=./docs search "travel costs"   search a folder in the same way
  vsctl plan ./docs --owner handbook             show the changes
  vsctl sync ./docs --owner handbook             show it, ask, and do it
  vsctl sync keys:ids.txt --owner pages          remove the documents whose keys a list lacks`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, given []string) error {
			switch {
			case len(given) > 0 && a.emulate == nothing && isFolder(given[0]):
				return usagef("there is no command %q; for a folder to emulate, write --emulate=%s", given[0], given[0])
			case len(given) > 0:
				return usagef("there is no command %q; vsctl --help lists them", given[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.In)
	root.SetOut(a) // the command completion keeps it from here on
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w; %s --help lists the flags", err, cmd.CommandPath())
	})
	f := root.PersistentFlags()
	f.SortFlags, root.Flags().SortFlags = false, false
	f.StringVar(&a.flags.Store, "store", "", "`ID` of the vector store, such as vs_…")
	f.StringVar(&a.flags.BaseURL, "base-url", "", "`URL` of an OpenAI-compatible endpoint")
	f.StringVar(&a.flags.Organization, "organization", "", "OpenAI `ID` of the organization")
	f.StringVar(&a.flags.Project, "project", "", "OpenAI `ID` of the project")
	f.StringVar(&a.file, "config", "", "`FILE` of settings (default .vsctl.yaml, if there is one)")
	f.Var((*folder)(&a.emulate), "emulate", "use an emulated store in this process; with =DIR one that holds the files of DIR")
	f.Lookup("emulate").NoOptDefVal = nothing
	f.BoolVar(&a.json, "json", false, "write one JSON object: command, ok, summary, result, error")
	root.AddCommand(a.planCommand(), a.syncCommand(), a.applyCommand(),
		a.getCommand(), a.textCommand(), a.putCommand(), a.rmCommand(), a.lsCommand(), a.searchCommand(),
		a.doctorCommand(), a.sweepCommand(), a.leftoversCommand(), a.versionCommand())
	groups(root)
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if kind := f.Value.Type(); kind == "int" || kind == "uint" || kind == "float64" {
				f.Value = decimal{f.Value}
			}
		})
	}
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.RunE = func(*cobra.Command, []string) error {
			return usagef("vsctl completion takes a SHELL: bash, fish, powershell or zsh")
		}
		completion.Args = cobra.ArbitraryArgs
	}
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Args = func(_ *cobra.Command, given []string) error {
			if _, rest, err := root.Find(given); err != nil || len(rest) > 0 {
				return usagef("there is no command %q; vsctl --help lists them", strings.Join(given, " "))
			}
			return nil
		}
	}
	return root
}

// nothing is the value of --emulate without a folder. The help shows it as [=DIR].
const nothing = "DIR"

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// folder is the value of --emulate. Its type is one whose default the help leaves out.
type folder string

func (f *folder) String() string { return string(*f) }
func (f *folder) Type() string   { return "bool" }

// Set refuses an empty value, such as a variable that is not set: without --emulate the command
// would work on the store of the settings.
func (f *folder) Set(value string) error {
	if value == "" {
		return errors.New("the folder is empty: give --emulate=DIR, or --emulate alone for an empty store")
	}
	*f = folder(value)
	return nil
}

// decimal is the value of a flag for a number. Without it, 010 is 8 and 0x10 is 16.
type decimal struct{ pflag.Value }

// digits are a decimal number.
var digits = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)

func (d decimal) Set(text string) error {
	if !digits.MatchString(text) {
		return errors.New("give a decimal number, such as 40")
	}
	return d.Value.Set(text)
}

func groups(root *cobra.Command) {
	root.AddGroup(&cobra.Group{ID: "source", Title: "A store and its source:"},
		&cobra.Group{ID: "documents", Title: "Documents:"}, &cobra.Group{ID: "health", Title: "Health:"})
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "plan", "sync", "apply":
			cmd.GroupID = "source"
		case "get", "text", "put", "rm", "ls", "search":
			cmd.GroupID = "documents"
		case "doctor", "sweep", "leftovers":
			cmd.GroupID = "health"
		}
	}
}

// runs makes the RunE of a command: its result goes to standard output in the one
// form or the other.
func (a *app) runs(run func(ctx context.Context, args []string) (outcome, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.command, a.begun = cmd.Name(), true
		out, err := run(cmd.Context(), args)
		if err != nil {
			return err
		}
		a.out = out
		if !a.json && out.text != nil {
			a.progress.End()
			out.text(a.Out)
		}
		return nil
	}
}

// args makes the Args of a command: between least and most of these names.
func args(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if len(given) < least || len(given) > most {
			return usagef("%s takes %s, and %s given; %s --help shows examples", cmd.CommandPath(), names,
				show.Count(len(given), "argument is", "arguments are"), cmd.CommandPath())
		}
		return nil
	}
}

// settings reads the settings once.
func (a *app) settings() error {
	if a.cfg.Sources != nil {
		return nil
	}
	cfg, err := config.Load(a.file)
	if err != nil {
		return environment(err)
	}
	if cfg.Sources == nil {
		cfg.Sources = map[string]config.Source{}
	}
	a.cfg = cfg
	return nil
}

// note writes a line beside the result.
func (a *app) note(format string, args ...any) { fmt.Fprintf(a.Err, format+"\n", args...) }

func (a *app) colour() bool {
	no, _ := a.LookupEnv("NO_COLOR")
	kind, _ := a.LookupEnv("TERM")
	return a.OutTerminal && no == "" && kind != "dumb"
}

// ask asks on the terminal, unless yes was given beforehand. No answer is no.
func (a *app) ask(yes bool, question string) bool {
	if yes || a.emulate != "" {
		return true
	}
	a.progress.End()
	fmt.Fprintf(a.Err, "%s [y/N] ", question)
	var answer string
	if _, err := fmt.Fscanln(a.In, &answer); err != nil {
		return false
	}
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes")
}

// mayAsk is an error when nobody can be asked and yes was not given. look is the way to see
// the changes first.
func (a *app) mayAsk(yes bool, look string) error {
	if yes || a.emulate != "" || a.InTerminal && a.ErrTerminal && !a.json {
		return nil
	}
	return usagef("%s asks before it changes anything, and nobody can answer here: give -y to go ahead; %s", a.command, look)
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: args(0, 0, "no argument"),
		RunE: a.runs(func(context.Context, []string) (outcome, error) {
			version := a.Version
			if info, ok := debug.ReadBuildInfo(); ok {
				version = cmp.Or(version, info.Main.Version)
			}
			version = cmp.Or(version, "(devel)")
			return outcome{
				summary: "vsctl " + version, result: map[string]string{"version": version},
				text: func(w io.Writer) { fmt.Fprintln(w, "vsctl "+version) },
			}, nil
		}),
	}
}
