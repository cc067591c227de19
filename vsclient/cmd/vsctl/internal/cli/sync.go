package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/config"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/show"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/source"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// spec is a source with all that decides its documents. A saved plan keeps it.
type spec struct {
	Source         string   `json:"source"`
	Relative       bool     `json:"relative,omitempty"` // the working directory of the plan has decided where it is
	Prefix         string   `json:"prefix,omitempty"`
	Include        []string `json:"include,omitempty"`
	Exclude        []string `json:"exclude,omitempty"`
	FrontMatter    []string `json:"front_matter,omitempty"`
	Chunking       string   `json:"chunking,omitempty"`
	Complete       bool     `json:"complete,omitempty"`
	AllowEmpty     bool     `json:"allow_empty,omitempty"`
	Owner          string   `json:"owner,omitempty"`
	OwnerAttribute string   `json:"owner_attribute,omitempty"`
}

// sourceFlags are the flags of commands that read a source.
type sourceFlags struct {
	spec
	maxRemove string
	noRemove  bool
	flags     *pflag.FlagSet
}

func (s *sourceFlags) add(f *pflag.FlagSet) {
	f.SortFlags = false
	s.flags = f
	f.StringVar(&s.Owner, "owner", "", "`NAME` of the source, written to its documents; documents with it that the\nsource no longer has are removed (default: none, and nothing is removed)")
	f.StringVar(&s.OwnerAttribute, "owner-attribute", plan.DefaultOwnerAttribute, "`NAME` of the attribute that holds the owner; the Conduit connector's is collection")
	f.StringVar(&s.Prefix, "prefix", "", "`TEXT` before each key of the source")
	f.StringArrayVar(&s.Include, "include", nil, "`GLOB` of files to take (repeatable); without a slash it matches in any folder")
	f.StringArrayVar(&s.Exclude, "exclude", nil, "`GLOB` of files and folders to leave out (repeatable)")
	f.StringSliceVar(&s.FrontMatter, "front-matter", nil, "make attributes of the front matter of Markdown: of all fields, or of `FIELD,...` alone")
	f.Lookup("front-matter").NoOptDefVal = "*"
	f.StringVar(&s.Chunking, "chunking", "auto", "auto, or `MAX/OVERLAP` tokens")
	f.BoolVar(&s.Complete, "complete", false, "a list of keys is complete although it has no end line")
	f.BoolVar(&s.AllowEmpty, "allow-empty", false, "allow removals when the source is empty")
	f.StringVar(&s.maxRemove, "max-remove", "", "withhold all removals when they exceed `N|P%` of the owner's documents (default 10%,\nat most 1000). A P above 0 lets up to 10 removals pass, unless more than three quarters\nof the documents would go. A source that may be another one still changes nothing")
	f.BoolVar(&s.noRemove, "no-remove", false, "withhold all removals")
}

// named takes the settings of a source in the file, where no flag gives another.
func (s *sourceFlags) named(n config.Source) {
	text := func(flag string, to *string, from string) {
		if from != "" && !s.flags.Changed(flag) {
			*to = from
		}
	}
	list := func(flag string, to *[]string, from []string) {
		if len(from) > 0 && !s.flags.Changed(flag) {
			*to = from
		}
	}
	text("owner", &s.Owner, n.Owner)
	text("owner-attribute", &s.OwnerAttribute, n.Attribute)
	text("prefix", &s.Prefix, n.Prefix)
	text("chunking", &s.Chunking, n.Chunking)
	text("max-remove", &s.maxRemove, n.MaxRemove)
	list("include", &s.Include, n.Include)
	list("exclude", &s.Exclude, n.Exclude)
	list("front-matter", &s.FrontMatter, n.FrontMatter)
}

// guard reads N or P%.
func guard(text string) (plan.Guard, error) {
	if text == "" {
		return plan.Guard{}, nil
	}
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || !digits.MatchString(number) || n > math.MaxInt32 || percent && n > 100 || !percent && n != math.Trunc(n):
		return plan.Guard{}, usagef("--max-remove %q: give a number, such as 40, or a share, such as 10%%", text)
	case n == 0: // a zero of a guard is its default
		return plan.Guard{Free: -1, Share: -1}, nil
	case percent:
		return plan.Guard{Share: n / 100, Most: math.MaxInt32}, nil
	}
	return plan.Guard{Free: int(n), Share: -1}, nil
}

func (s spec) open(a *app) (source.Source, error) {
	chunking, err := parseChunking(s.Chunking)
	if err != nil {
		return nil, err
	}
	opened, err := source.Open(s.Source, source.Options{
		Prefix: s.Prefix, Include: s.Include, Exclude: s.Exclude, FrontMatter: s.FrontMatter, Complete: s.Complete,
		AllowEmpty: s.AllowEmpty, Chunking: chunking, Stdin: a.In,
	})
	if stopped, ok := errors.AsType[*vsclient.Error](err); ok {
		return nil, stopped
	}
	if err != nil && codeOf(err) != Usage {
		return nil, environment(fmt.Errorf("the source cannot be read: %w", err))
	}
	return opened, err
}

// scope returns the documents of the store that are the source's. Without an owner, none is.
func (s spec) scope() plan.Scope {
	if s.Owner == "" {
		return plan.Scope{}
	}
	return plan.Scope{Owner: s.Owner, Prefix: s.Prefix}
}

// made is a plan with its source, in JSON and in the file of a saved plan.
type made struct {
	Spec spec       `json:"source"`
	Plan *plan.Plan `json:"plan"`
	// Folder is the folder that the plan has read, without links.
	Folder string `json:"folder,omitempty"`
	Doubt  doubt  `json:"doubt,omitzero"`

	refusals *plan.Refusals
	moved    bool // the source is not where the plan has read it
}

// make makes the plan.
func (a *app) make(ctx context.Context, c *vsclient.Client, opened source.Source, s *sourceFlags, g plan.Guard) (_ made, err error) {
	m := made{Spec: s.spec}
	kind, place := source.Split(s.Source)
	if place != "-" {
		if place, err = filepath.Abs(place); err != nil {
			return made{}, environment(err)
		}
		if m.Spec.Source = place; kind != "dir" {
			m.Spec.Source = kind + ":" + place
		}
		m.Spec.Relative = relative(s.Source)
	}
	if err := s.check(ctx, c); err != nil {
		return made{}, err
	}
	m.refusals = a.refusals(a.storeID, m.Spec)
	m.Folder = m.Spec.folder()
	m.Doubt = m.Spec.doubt(ctx, a.last(a.storeID, m.Spec), m.Folder)
	o := plan.Options{
		Scope: s.scope(), Guard: g, Empty: s.AllowEmpty, NoRemove: s.noRemove, Exists: exists(opened), Limits: a.limits,
		Refusals: m.refusals, OwnerAttribute: s.OwnerAttribute, Overlap: true,
		Doubt: m.Doubt.why, Strict: m.Doubt.Level == strict, Reopen: true,
	}
	if m.Plan, err = plan.Make(ctx, c, a.counted(opened.Documents(ctx)), o); err != nil {
		return made{}, err
	}
	refused := opened.Refused()
	m.Plan.Entries = slices.DeleteFunc(m.Plan.Entries, func(e plan.Entry) bool { // a list of keys says nothing of these
		return e.Action == plan.Refused && refused[e.Key] == source.PutsNothing && e.FileID != ""
	})
	for i, e := range m.Plan.Entries {
		if reason := refused[e.Key]; reason != "" && e.Action == plan.Refused {
			if reason == source.PutsNothing {
				reason = "the store has no document of the key, and " + reason
			}
			m.Plan.Entries[i].Reason = reason
		}
	}
	m.phrase()
	m.point(opened.Elsewhere())
	return m, nil
}

// phrase puts the reasons of the plan in vsctl's words.
func (m made) phrase() {
	m.Plan.Incomplete = words.Replace(m.Plan.Incomplete)
	for i, e := range m.Plan.Entries {
		m.Plan.Entries[i].Reason, m.Plan.Entries[i].Withheld = words.Replace(e.Reason), words.Replace(e.Withheld)
	}
}

// point withholds removals of contents that the source has behind a pointer, under another key.
func (m made) point(elsewhere map[string]string) {
	for i, e := range m.Plan.Entries {
		key := elsewhere[e.SHA256]
		if key != "" && e.Action == plan.Remove && (e.Withheld == "" || e.Withheld == m.Plan.Guarded) {
			m.Plan.Entries[i].Withheld = fmt.Sprintf("the source has its content under %q, which is a pointer of Git LFS", key)
		}
	}
}

// check returns an error when no document can be put with the owner or the chunking.
func (s spec) check(ctx context.Context, c *vsclient.Client) error {
	chunking, err := parseChunking(s.Chunking)
	if err != nil {
		return err
	}
	sample := vsclient.Document{Key: "any.md", Content: vsclient.Bytes([]byte("text"))}
	chunked, owned := sample, sample
	chunked.Chunking = chunking
	if s.Owner != "" {
		owned.Attributes = vsclient.Attributes{s.OwnerAttribute: s.Owner}
	}
	for flags, d := range map[string]vsclient.Document{"--chunking": chunked, "--owner or --owner-attribute": owned} {
		_, err := c.Describe(ctx, d)
		if bad, ok := errors.AsType[*vsclient.Error](err); ok && bad.Class == vsclient.BadDocument {
			return usagef("%s: %s", flags, bad.Reason)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// exists asks the source for a key.
func exists(s source.Source) func(context.Context, string) (bool, error) {
	return func(ctx context.Context, key string) (bool, error) {
		_, ok, err := s.Document(ctx, key)
		return ok, err
	}
}

// counted tells the progress line of each document that is compared.
func (a *app) counted(docs iter.Seq2[vsclient.Document, error]) iter.Seq2[vsclient.Document, error] {
	return func(yield func(vsclient.Document, error) bool) {
		n := 0
		for d, err := range docs {
			n++
			a.progress.Waiting(fmt.Sprintf("comparing, %d", n))
			if !yield(d, err) {
				return
			}
		}
	}
}

// refusalsFile returns the file for the documents of the source that OpenAI has refused. Each
// owner and prefix has one, so that two runs side by side do not write the same. It is "" when
// there is none.
func (a *app) refusalsFile(store string, s spec) string {
	return a.cached(store, fmt.Sprintf(".%x.refusals.json", s.digest()))
}

// refusals returns the documents that OpenAI has refused in earlier runs: none, when the file
// cannot be read.
func (a *app) refusals(store string, s spec) *plan.Refusals {
	file := a.refusalsFile(store, s)
	if file == "" {
		return new(plan.Refusals)
	}
	r, err := plan.LoadRefusals(file)
	if err != nil {
		a.note("vsctl: %s; the refused documents are tried again", message(err))
		return new(plan.Refusals)
	}
	return r
}

func (a *app) saveRefusals(store string, s spec, r *plan.Refusals) {
	file := a.refusalsFile(store, s)
	if file == "" {
		return
	}
	if _, err := os.Stat(file); err != nil && r.Len() == 0 {
		return
	}
	err := os.MkdirAll(filepath.Dir(file), 0o700)
	if err == nil {
		err = r.Save(file)
	}
	if err != nil {
		a.note("vsctl: %s; the next run tries the refused documents again", message(err))
	}
}

var signs = map[plan.Action]rune{
	plan.Create: '+', plan.Replace: '~', plan.Rechunk: '~', plan.Attributes: '@', plan.Repair: '!', plan.Duplicate: '!',
	plan.Remove: '-', plan.Conflict: '?', plan.Refused: '?',
}

const legend = `  + create   ~ replace, rechunk   @ attributes   ! repair, duplicate   - remove   ? left alone`

// lines writes the plan: a line an entry, but one for all files of an extension that
// OpenAI does not index, and one for all that git does not check out.
func (a *app) lines(out io.Writer, p *plan.Plan) {
	w := bufio.NewWriter(out)
	defer w.Flush() //nolint:errcheck // no caller is left to receive this error
	unindexed, sparse := map[string]int{}, 0
	for _, e := range p.Entries {
		if e.Action == plan.Unchanged {
			continue
		}
		if e.Action == plan.Refused && e.Reason == source.NotIndexed {
			unindexed[path.Ext(e.Key)]++
			continue
		}
		if e.Action == plan.Refused && e.Reason == source.NotCheckedOut {
			sparse++
			continue
		}
		note := e.Reason
		switch {
		case e.Withheld != "":
			note = "withheld: " + e.Withheld
		case note == "" && e.Action.Uploads():
			note = show.Bytes(e.Bytes)
		case e.Action == plan.Attributes:
			note = "attributes"
		}
		fmt.Fprintln(w, show.Entry(signs[e.Action], e.Key, show.Text(note), a.colour()))
	}
	if sparse > 0 {
		fmt.Fprintf(w, "? %s that git does not check out here\n", show.Count(sparse, "file", "files"))
	}
	if len(unindexed) == 0 {
		return
	}
	var kinds []string
	n := 0
	for kind, count := range unindexed {
		n += count
		if kind == "" {
			kind = "without extension"
		}
		kinds = append(kinds, fmt.Sprintf("%d %s", count, show.Text(kind)))
	}
	slices.Sort(kinds)
	fmt.Fprintf(w, "? %s that OpenAI does not index (%s)\n", show.Count(n, "file", "files"), strings.Join(kinds, ", "))
}

// summary is the plan in one sentence.
func summary(p *plan.Plan) string {
	counts, unput, indexing := map[plan.Action]int{}, 0, 0
	for _, e := range p.Entries {
		if e.Withheld == "" {
			counts[e.Action]++
		} else if e.Action.Puts() {
			unput++
		}
		if e.Indexing() && e.Withheld == "" {
			indexing++
		}
	}
	older := "older versions"
	if counts[plan.Duplicate] == 1 {
		older = "older version"
	}
	parts := []string{}
	for _, one := range []struct {
		n    int
		verb string
	}{
		{counts[plan.Create], "to create"},
		{counts[plan.Replace] + counts[plan.Rechunk], "to replace"},
		{counts[plan.Attributes], "to give other attributes"},
		{counts[plan.Repair], "to repair"},
		{counts[plan.Remove], "to remove"},
		{counts[plan.Duplicate], older + " to remove"},
		{unput, "not put"},
		{len(withheld(p)), "not removed"},
		{counts[plan.Conflict] + counts[plan.Refused], "left alone"},
		{counts[plan.Unchanged], "unchanged"},
		{indexing, "of these not searchable yet"},
	} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", one.n, one.verb))
		}
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}

func (a *app) totals(w io.Writer, p *plan.Plan) {
	t := p.Totals
	fmt.Fprintln(w, summary(p))
	if t.Requests == 0 {
		return
	}
	line := show.Count(t.Requests, "request", "requests")
	if t.Uploads > 0 {
		line = show.Count(t.Uploads, "upload", "uploads") + " of " + show.Bytes(t.Bytes) + ", " + line
	}
	if t.Minutes > 0 {
		line += ", at least " + show.Count(t.Minutes, "minute", "minutes")
	}
	fmt.Fprintf(w, "%s; storage changes by %s, its price by %.2f USD a day\n", line, show.Bytes(t.Storage), t.PricePerDay)
}

// warned returns the outcome with the code of removals that were withheld, and of an
// incomplete source.
func warned(out outcome, p *plan.Plan, withheld []plan.Entry) outcome {
	reason := p.Incomplete
	for _, e := range withheld {
		if reason = e.Withheld; e.Action == plan.Remove {
			break
		}
	}
	if slices.ContainsFunc(withheld, func(e plan.Entry) bool { return e.Withheld == p.Guarded }) {
		reason = p.Guarded // a number lifts it
	}
	switch {
	case out.code != Done && out.code != Pending || reason == "":
		return out
	case reason == p.Guarded:
		reason += fmt.Sprintf(" (--approve-removals %d if that is meant)", p.Removals)
	case reason == plan.SourceEmpty:
		reason += " (--allow-empty if that is meant)"
	}
	out.code, out.err = Withheld, errors.New(reason)
	if n := removals(withheld); n > 0 {
		out.err = fmt.Errorf("%s withheld: %s", show.Count(n, "removal was", "removals were"), reason)
	}
	return out
}

func removals(entries []plan.Entry) (n int) {
	for _, e := range entries {
		if e.Action == plan.Remove {
			n++
		}
	}
	return n
}

// unasked returns the changes that are withheld although nobody has asked for that. asked
// tells that removals, those of older versions too, are turned off.
func unasked(entries []plan.Entry, asked bool) (kept []plan.Entry) {
	for _, e := range entries {
		removes := e.Action == plan.Remove || e.Action == plan.Duplicate
		if e.Withheld != "" && e.Action.Changes() && !(asked && removes) {
			kept = append(kept, e)
		}
	}
	return kept
}

// withheld returns the removals that the plan withholds.
func withheld(p *plan.Plan) (kept []plan.Entry) {
	for _, e := range p.Entries {
		if e.Action == plan.Remove && e.Withheld != "" {
			kept = append(kept, e)
		}
	}
	return kept
}

func (a *app) planCommand() *cobra.Command {
	var s sourceFlags
	var file string
	var exitCode bool
	cmd := &cobra.Command{
		Use: "plan [SOURCE]", Short: "Show the changes, and make none", Args: args(0, 1, "one SOURCE"),
		Long:    "Plan compares the source with the store and shows the difference. It only reads.\n\n" + legend + "\n\n" + exitCodes,
		Example: "  vsctl plan ./docs --owner handbook\n  vsctl plan ./docs --owner handbook --out today.plan && vsctl apply today.plan\n  vsctl plan ./docs --owner handbook --exit-code >/dev/null || echo \"the store is behind\"",
	}
	s.add(cmd.Flags())
	cmd.Flags().StringVar(&file, "out", "", "save the plan in `FILE`, for vsctl apply")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 10 when changes are pending")
	cmd.RunE = a.runs(func(ctx context.Context, args []string) (outcome, error) {
		_, _, m, end, err := a.begin(ctx, args, &s, true)
		if err != nil {
			return outcome{}, err
		}
		defer end()
		if file != "" {
			if err := save(file, m); err != nil {
				return outcome{}, environment(err)
			}
		}
		out := outcome{summary: summary(m.Plan), result: m, text: func(w io.Writer) {
			a.lines(w, m.Plan)
			a.totals(w, m.Plan)
		}}
		if m.Plan.Pending() > 0 && exitCode {
			out.code = Pending
		}
		return warned(out, m.Plan, unasked(m.Plan.Entries, s.noRemove)), nil
	})
	return cmd
}

// begin opens the source and the store, and makes the plan. end closes both.
func (a *app) begin(ctx context.Context, args []string, s *sourceFlags, wait bool) (c *vsclient.Client, opened source.Source, m made, end func(), err error) {
	place, named, err := a.chosen(args)
	if err != nil {
		return nil, nil, m, nil, err
	}
	s.Source = place
	s.named(named)
	g, err := guard(s.maxRemove)
	if err != nil {
		return nil, nil, m, nil, err
	}
	if opened, err = s.open(a); err != nil {
		return nil, nil, m, nil, err
	}
	c, closed, err := a.client(ctx, named.Store, !wait)
	if err != nil {
		return nil, nil, m, nil, errors.Join(err, opened.Close())
	}
	end = func() { closed(); opened.Close() } //nolint:errcheck // it was read alone
	if m, err = a.make(ctx, c, opened, s, g); err != nil {
		end()
		return nil, nil, m, nil, err
	}
	return c, opened, m, end, nil
}

// save writes the plan into a file.
func save(file string, m made) error {
	f, err := os.OpenFile(filepath.Clean(file), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(m.write(f), f.Close())
}

// write writes the plan as JSON. Each entry has a line.
func (m made) write(to io.Writer) error {
	bare, lists := m.Lists()
	return show.Indented(to, bare, "\t", lists)
}

// Lists returns the entries apart from the rest.
func (m made) Lists() (bare any, lists []show.List) {
	m, entries := m.bare()
	return m, []show.List{entries}
}

func (m made) bare() (made, show.List) {
	p, entries := *m.Plan, m.Plan.Entries
	p.Entries, m.Plan = []plan.Entry{}, &p
	return m, show.Of("entries", entries)
}

func (a *app) syncCommand() *cobra.Command {
	var s sourceFlags
	var x executeFlags
	var dry bool
	cmd := &cobra.Command{
		Use: "sync [SOURCE]", Short: "Make the store equal to the source: plan, ask, apply", Args: args(0, 1, "one SOURCE"),
		Long: `Sync makes the store equal to the source. It shows the plan, asks, puts first and removes
last. Without --owner it removes nothing. It withholds removals, and exits with 4, when the
source is incomplete or empty, and when there are too many of them.

It changes nothing, and exits with 4, when documents would go and the source may be another
one: it has few of them; or a relative SOURCE leads to another folder than the last run has
read. Run vsctl there, or give the absolute path. More than half of the documents must be
unchanged for an absolute path to another folder, for another checkout of one git repository,
and for a relative path when no run is on record here or its folder is gone.

` + legend + "\n\n" + exitCodes,
		Example: "  vsctl sync ./docs --owner handbook\n  vsctl sync ./docs --owner handbook -y --include '*.md' --exclude drafts --front-matter\n  export-pages | vsctl sync manifest:- --owner pages -y\n  vsctl sync ./docs --owner handbook --approve-removals 40",
	}
	s.add(cmd.Flags())
	x.add(cmd.Flags())
	cmd.Flags().BoolVarP(&dry, "dry-run", "n", false, "show the plan and change nothing")
	cmd.RunE = a.runs(func(ctx context.Context, args []string) (outcome, error) {
		if !dry {
			if err := a.mayAsk(x.yes, "-n shows the changes"); err != nil {
				return outcome{}, err
			}
		}
		if !x.wait {
			s.noRemove = true
		}
		c, opened, m, end, err := a.begin(ctx, args, &s, x.wait)
		if err != nil {
			return outcome{}, err
		}
		defer end()
		if !a.json {
			a.progress.End()
			a.lines(a.Out, m.Plan)
			a.totals(a.Out, m.Plan)
		}
		if dry {
			kept := unasked(m.Plan.Entries, s.noRemove)
			if x.approves(m.Plan) {
				kept = nil
			}
			return warned(outcome{summary: summary(m.Plan), result: m}, m.Plan, kept), nil
		}
		out, err := a.execute(ctx, c, m, opened, x, false, s.noRemove)
		if err == nil && a.emulate != "" && !a.json {
			documents, err := a.list(ctx, c, "")
			if err != nil {
				return out, err
			}
			done := out.text
			out.text = func(w io.Writer) {
				done(w)
				fmt.Fprintln(w)
				documents.text(w)
			}
		}
		return out, err
	})
	return cmd
}

// executeFlags are the flags of commands that execute a plan.
type executeFlags struct {
	approve   uint
	yes, wait bool
}

// most is the number of removals that are approved.
func (x *executeFlags) most() int { return int(min(x.approve, math.MaxInt32)) }

// approves reports whether the approval lifts the guard's reason.
func (x *executeFlags) approves(p *plan.Plan) bool {
	return p.Guarded != "" && p.Removals <= x.most()
}

func (x *executeFlags) add(f *pflag.FlagSet) {
	f.SortFlags = false
	f.UintVar(&x.approve, "approve-removals", 0, "remove up to `N` documents although that is more than --max-remove allows, or although\nthe source may be another one; the other changes are made too")
	f.BoolVar(&x.wait, "wait", true, "wait until documents are searchable; --wait=false: until they are attached, and leave\nremovals to a later run")
	f.BoolVarP(&x.yes, "yes", "y", false, "do not ask; needed without a terminal")
}

func (a *app) applyCommand() *cobra.Command {
	var x executeFlags
	cmd := &cobra.Command{
		Use: "apply PLAN [SOURCE]", Short: "Execute a saved plan", Args: args(1, 2, "a PLAN, and a SOURCE where that has moved"),
		Long: `Apply executes a plan that vsctl plan --out has saved. Steps that the store or the source has
outrun are named and left alone, and the others are done. SOURCE says where the source is
now, when that is not where it was. When OPENAI_VECTOR_STORE_ID or --store names another store
than the plan's, nothing is changed.

It changes nothing, and exits with 4, when the plan removes documents and the last run here
has read another folder, of which the plan did not know. Plan again.

` + exitCodes,
		Example: "  vsctl plan ./docs --owner handbook --out today.plan\n  vsctl apply today.plan -y",
	}
	x.add(cmd.Flags())
	cmd.RunE = a.runs(func(ctx context.Context, args []string) (outcome, error) {
		if err := a.mayAsk(x.yes, "the PLAN holds the changes"); err != nil {
			return outcome{}, err
		}
		m, err := load(args[0])
		if err != nil {
			return outcome{}, environment(err)
		}
		read := m
		if len(args) == 2 {
			m.Spec.Source, m.Spec.Relative = args[1], relative(args[1])
		}
		m.Folder = m.Spec.folder()
		m.moved = len(args) == 2 || m.Folder != read.Folder
		if _, place := source.Split(m.Spec.Source); place == "-" && len(args) == 1 {
			return outcome{}, usagef("the plan is of standard input: give its SOURCE again, as a second argument")
		}
		opened, err := m.Spec.open(a)
		if err != nil {
			return outcome{}, err
		}
		defer opened.Close() //nolint:errcheck // it was read alone
		if named, _ := a.LookupEnv("OPENAI_VECTOR_STORE_ID"); a.emulate == "" && cmp.Or(a.flags.Store, named) == "" {
			a.flags.Store = m.Plan.StoreID
		}
		c, end, err := a.client(ctx, "", !x.wait)
		if err != nil {
			return outcome{}, err
		}
		defer end()
		if a.storeID != m.Plan.StoreID {
			planned := show.Text(m.Plan.StoreID)
			if a.emulate == "" && a.flags.Store == "" {
				return outcome{}, usagef("the plan is for the store %s, and OPENAI_VECTOR_STORE_ID names %s: give --store %s, or plan again", planned, show.Text(a.storeID), planned)
			}
			return outcome{}, usagef("the plan is for the store %s, and the command's is %s: plan again", planned, show.Text(a.storeID))
		}
		m.refusals = a.refusals(m.Plan.StoreID, m.Spec)
		last := a.last(m.Plan.StoreID, m.Spec)
		m.Doubt = m.Spec.doubt(ctx, last, m.Folder)
		if was := read.Spec.doubt(ctx, last, read.Folder); m.moved && read.Folder != "" && was.Level < m.Doubt.Level {
			m.Doubt = was // the plan's folder has decided this
		}
		if m.Doubt.Last != "" && (m.Doubt.Level > read.Doubt.Level || m.Doubt.Last != read.Doubt.Last) && m.Plan.Removals > x.most() {
			return outcome{code: Withheld, summary: "nothing was changed", result: m, err: fmt.Errorf("the last whole run has read %s, which the plan did not know: plan again", m.Doubt.Last)}, nil
		}
		if !x.wait {
			for i, e := range m.Plan.Entries {
				if e.Action == plan.Remove && e.Withheld == "" {
					m.Plan.Entries[i].Withheld = "documents are not waited for"
				}
			}
		}
		if !a.json {
			a.lines(a.Out, m.Plan)
			a.totals(a.Out, m.Plan)
		}
		return a.execute(ctx, c, m, opened, x, true, !x.wait)
	})
	return cmd
}

func load(file string) (m made, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Plan == nil {
		remedy := errors.New("make it again")
		if err != nil && strings.Contains(err.Error(), "again") {
			remedy = nil
		}
		return m, fmt.Errorf("%s is no plan that vsctl plan --out has saved: %w", file, errors.Join(err, remedy))
	}
	if m.Plan.Scope != m.Spec.scope() || m.Plan.OwnerAttribute != cmp.Or(m.Spec.OwnerAttribute, plan.DefaultOwnerAttribute) {
		return m, fmt.Errorf("%s was changed: the owner and the prefix of its plan are not those of its source; make it again", file)
	}
	return m, nil
}

// executed is the result of an execution in JSON.
type executed struct {
	Counts   map[plan.Action]int `json:"counts"`
	Idle     int                 `json:"idle"` // changes that the store had already
	Failed   []failed            `json:"failed"`
	Withheld []plan.Entry        `json:"withheld"`
	Stale    []plan.Entry        `json:"stale"`
	Made     made                `json:"planned"`
}

// Lists returns the lists of entries apart from the rest.
func (e executed) Lists() (bare any, lists []show.List) {
	lists = []show.List{show.Of("failed", e.Failed), show.Of("withheld", e.Withheld), show.Of("stale", e.Stale)}
	m, entries := e.Made.bare()
	e.Failed, e.Withheld, e.Stale, e.Made = []failed{}, []plan.Entry{}, []plan.Entry{}, m
	return e, append(lists, entries)
}

type failed struct {
	plan.Entry
	Error string `json:"error"`
}

// execute asks, and executes the plan. opened is asked for each document: a saved plan is of an
// earlier reading of the source. silent: removals are withheld because that was asked for.
func (a *app) execute(ctx context.Context, c *vsclient.Client, m made, opened source.Source, x executeFlags, saved, silent bool) (outcome, error) {
	p := m.Plan
	going, pending := p.Counts()[plan.Remove]-len(withheld(p)), p.Pending()
	if x.approves(p) {
		for _, e := range p.Entries {
			if e.Withheld == p.Guarded && e.Action.Changes() {
				pending++
			}
		}
		going = p.Removals
	}
	waits := 0
	for _, e := range p.Entries {
		if x.wait && e.Indexing() && e.Withheld == "" {
			waits++
		}
	}
	if pending+waits > 0 {
		among, anew := "", show.Count(waits, "document", "documents")+" anew if OpenAI does not index them"
		if going > 0 {
			among = ", " + show.Count(going, "removal", "removals") + " among them"
		}
		question := "Put " + anew
		if pending > 0 {
			question = "Make " + show.Count(pending, "change", "changes") + among
			if waits > 0 {
				question += ", and put " + anew
			}
		}
		if !a.ask(x.yes, question+"?") {
			return outcome{summary: "nothing was changed", result: m, text: func(w io.Writer) { fmt.Fprintln(w, "nothing was changed") }}, nil
		}
	}
	o := plan.ExecuteOptions{
		Approve: x.most(), Refusals: m.refusals, Exists: exists(opened), Source: opened.Again, Attached: !x.wait,
	}
	if saved {
		o.Source = opened.Document
	}
	a.gate.writing.Store(true)
	a.progress.Done(0, pending, 0)
	report, err := p.Execute(ctx, c, o, func(g plan.Progress) { a.progress.Done(g.Done, g.Total, g.Bytes) })
	a.saveRefusals(p.StoreID, m.Spec, m.refusals)
	shown := len(p.Entries) > p.Removals || len(opened.Refused()) > 0 // an empty folder may be any
	approved := p.Removals > 0 && p.Removals <= x.most()
	if err == nil && !silent && !m.moved && shown && whole(p, report) && (approved || m.decides(report)) {
		a.remember(p.StoreID, m.Spec, m.Folder)
	}
	a.progress.End()

	result := executed{Counts: report.Counts, Idle: report.Idle, Failed: []failed{}, Withheld: report.Withheld, Stale: report.Stale, Made: m}
	for _, f := range report.Failed {
		result.Failed = append(result.Failed, failed{f.Entry, message(f.Err)})
	}
	summary := show.Count(report.Done, "change", "changes") + " made"
	for _, one := range []struct {
		n    int
		word string
	}{{report.Idle, "not needed any more"}, {len(report.Failed), "failed"}, {len(report.Stale), "no longer fit"}, {removals(report.Withheld), "not removed"}} {
		if one.n > 0 {
			summary += fmt.Sprintf(", %d %s", one.n, one.word)
		}
	}
	out := outcome{summary: summary, result: result, text: func(w io.Writer) {
		for _, f := range result.Failed {
			fmt.Fprintln(w, show.Entry('!', f.Key, "failed: "+show.Text(f.Error), a.colour()))
		}
		for _, e := range result.Stale {
			fmt.Fprintln(w, show.Entry('?', e.Key, "not done: "+show.Text(e.Withheld), a.colour()))
		}
		fmt.Fprintln(w, summary)
	}}
	switch {
	case ctx.Err() != nil:
		out.code, out.err = Failed, fmt.Errorf("stopped, %w; changes on their way may take effect, and the next run sees them", err)
	case err != nil:
		out.code, out.err = codeOf(err), err
	case len(report.Failed) > 0:
		out.code, out.err = Failed, fmt.Errorf("%s: %w", show.Count(len(report.Failed), "change has failed", "changes have failed"), report.Failed[0].Err)
	case len(report.Stale) > 0:
		out.code, out.err = Failed, fmt.Errorf("%s: plan again", show.Count(len(report.Stale), "step no longer fits the store or the source", "steps no longer fit the store or the source"))
	default:
		return warned(out, p, unasked(report.Withheld, silent)), nil
	}
	return out, nil
}

// whole reports whether the store is as the source is after an execution, but for changes
// that have failed beside others, and for removals that are withheld one by one.
func whole(p *plan.Plan, r plan.Report) bool {
	refused := slices.ContainsFunc(r.Withheld, func(e plan.Entry) bool { return e.Withheld == p.Guarded })
	return p.Incomplete == "" && !refused && len(r.Stale) == 0 && (len(r.Failed) == 0 || r.Done+r.Idle > 0)
}

// decides reports whether a run decides which folder is the source's from now on. One that has read
// another folder than the last one may have found nothing to remove by chance: it needs a removal,
// or most documents unchanged, and a relative path an approval.
func (m made) decides(r plan.Report) bool {
	return m.Doubt.Last == "" || m.Doubt.Level != strict && (r.Counts[plan.Remove] > 0 || 2*m.Plan.Same > m.Plan.Owned)
}
