package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/show"
)

// finding is a fault of the store.
type finding struct {
	Kind   string `json:"kind"` // failed, stuck, doubled, gone, leftover or expiry
	Key    string `json:"key,omitempty"`
	FileID string `json:"file_id,omitempty"`
	Detail string `json:"detail"`
}

type diagnosis struct {
	StoreID    string    `json:"store_id"`
	Name       string    `json:"name"`
	Documents  int       `json:"documents"`
	UsageBytes int64     `json:"usage_bytes"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	Healthy    bool      `json:"healthy"`
	Findings   []finding `json:"findings"`
}

const (
	// stuckTime is how long indexing may take before a document counts as stuck.
	stuckTime = 10 * time.Minute
	// notice is how long before its end an expiry counts as a fault.
	notice = 24 * time.Hour
	// lag is how late a listing may be, and pause the time between two looks at it.
	lag, pause = 2 * time.Minute, 10 * time.Second
	// showTime is how long an attach may not show, in a listing or to a GET.
	showTime = 3 * time.Minute
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for faults of the store", Args: args(0, 0, "no argument"),
		Long: `Doctor looks for
  failed    documents that OpenAI could not index
  stuck     documents that are being indexed for more than ten minutes
  doubled   keys with two versions
  gone      files that the store counts and does not list, for example after a File was deleted
  leftover  Files that no key needs, attached or not (vsctl sweep, vsctl leftovers); of those
            that are not attached, the ones an hour older than the newest File of the project
  expiry    a store that expires within a day
and exits with 1 when it finds one. It only reads. A listing that is late shows too few
files: doctor then looks again for two minutes before it tells of files that are gone.`,
		Example: "  vsctl doctor || echo \"look at the store\"",
		RunE: a.stored(func(ctx context.Context, c *vsclient.Client, _ []string) (outcome, error) {
			d, late, err := diagnose(ctx, c)
			for waited := time.Duration(0); err == nil && late && waited < lag; waited += pause {
				a.progress.Waiting("the listing may be late: looking again")
				a.Sleep(ctx, pause)
				d, late, err = diagnose(ctx, c)
			}
			if err != nil {
				return outcome{}, err
			}
			out := outcome{result: d, summary: "healthy: " + show.Count(d.Documents, "document", "documents") + ", " + show.Bytes(d.UsageBytes)}
			if !d.Healthy {
				out.summary = show.Count(len(d.Findings), "fault", "faults")
				out.code, out.err = Failed, fmt.Errorf("the store is not healthy: %s", out.summary)
			}
			out.text = func(w io.Writer) {
				rows := make([]string, len(d.Findings))
				for i, f := range d.Findings {
					rows[i] = strings.Join([]string{"!", f.Kind, show.Text(f.Key), f.FileID, show.Text(f.Detail)}, "\t")
				}
				show.Table(w, "", rows)
				if !d.ExpiresAt.IsZero() {
					fmt.Fprintln(w, "the store expires at "+show.Time(d.ExpiresAt)+", if it is not used")
				}
				if d.Healthy {
					fmt.Fprintln(w, out.summary)
				}
			}
			return out, nil
		}),
	}
}

// diagnose looks at the store once. late: the listing shows fewer files than the store counts.
func diagnose(ctx context.Context, c *vsclient.Client) (d diagnosis, late bool, err error) {
	now := time.Now()
	store, err := c.Check(ctx)
	if err != nil {
		return d, false, err
	}
	d = diagnosis{StoreID: store.ID, Name: store.Name, UsageBytes: store.UsageBytes, ExpiresAt: store.ExpiresAt, Findings: []finding{}}
	add := func(kind, key, file, detail string) {
		d.Findings = append(d.Findings, finding{kind, key, file, detail})
	}
	if !store.ExpiresAt.IsZero() && store.ExpiresAt.Sub(now) < notice {
		add("expiry", "", "", "the store expires at "+show.Time(store.ExpiresAt))
	}
	listed := map[string]bool{} // Files
	keys := map[string]int{}
	for i, err := range c.List(ctx) {
		if err != nil {
			return d, false, err
		}
		if listed[i.FileID] {
			continue // a listing that began anew shows it twice
		}
		d.Documents++
		listed[i.FileID] = true
		switch {
		case i.Status == vsclient.Failed || i.Status == vsclient.Cancelled:
			add("failed", i.Key, i.FileID, strings.TrimSuffix(string(i.Status)+", "+reason(i), ", "))
		case i.Status == vsclient.InProgress && now.Sub(i.AttachedAt) > stuckTime:
			add("stuck", i.Key, i.FileID, "it is being indexed since "+show.Time(i.AttachedAt))
		}
		if i.Key == "" {
			continue
		}
		if keys[i.Key]++; keys[i.Key] == 2 {
			add("doubled", i.Key, "", "the key has two versions: put it again, or run vsctl sweep")
		}
	}
	if again, err := c.Check(ctx); err != nil {
		return d, false, err
	} else if again.Files > d.Documents && store.Files > d.Documents {
		late = true
		add("gone", "", "", fmt.Sprintf("the store counts %s and lists %d: Files were deleted while they were attached, or its listing or its count is later than usual", show.Count(store.Files, "file", "files"), d.Documents))
	}
	strays, err := c.Sweep(ctx, vsclient.SweepOptions{DryRun: true})
	for _, s := range strays {
		if !listed[s.FileID] || s.Why != vsclient.Superseded && s.Why != vsclient.Unindexed { // those are told above
			add("leftover", s.Key, s.FileID, strayText(s))
		}
	}
	d.Healthy = len(d.Findings) == 0
	return d, late, err
}

func strayText(s vsclient.Stray) string {
	text := string(s.Why)
	if s.Name != "" {
		text += ", named " + s.Name
	}
	return text
}

// stray is a stray in JSON.
type stray struct {
	FileID    string       `json:"file_id"`
	Name      string       `json:"name,omitempty"`
	Key       string       `json:"key,omitempty"`
	Bytes     int64        `json:"bytes"`
	CreatedAt time.Time    `json:"created_at"`
	Why       vsclient.Why `json:"why"`
	Removed   bool         `json:"removed"`
}

// swept is the outcome of a sweep. One and many name its Files.
func swept(found []vsclient.Stray, one, many string) outcome {
	list := make([]stray, len(found))
	rows := make([]string, len(found))
	removed := 0
	for i, s := range found {
		list[i] = stray{s.FileID, s.Name, s.Key, s.Size, s.CreatedAt.UTC(), s.Why, s.Removed}
		sign := "?"
		if s.Removed {
			sign = "-"
			removed++
		}
		rows[i] = strings.Join([]string{sign, s.FileID, show.Bytes(s.Size), show.Time(s.CreatedAt), string(s.Why), show.Text(s.Key + s.Name)}, "\t")
	}
	out := outcome{result: list, summary: fmt.Sprintf("%s, %d removed", show.Count(len(list), one, many), removed)}
	out.text = func(w io.Writer) {
		show.Table(w, "", rows)
		fmt.Fprintln(w, out.summary)
	}
	return out
}

func (a *app) sweepCommand() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use: "sweep", Short: "Remove strays: Files that no key needs", Args: args(0, 0, "no argument"),
		Long: `Sweep removes the remains of crashes: older versions of a key whose newer one is searchable,
versions that OpenAI could not index, and unattached Files that a document names as replaced.
It lists unattached Files that only look like this program's: vsctl leftovers is for them.`,
		Example: "  vsctl sweep -n\n  vsctl sweep",
	}
	cmd.Flags().BoolVarP(&dry, "dry-run", "n", false, "list them and remove nothing")
	cmd.RunE = a.stored(func(ctx context.Context, c *vsclient.Client, _ []string) (outcome, error) {
		a.gate.writing.Store(!dry)
		found, err := c.Sweep(ctx, vsclient.SweepOptions{DryRun: dry})
		out := swept(found, "stray", "strays")
		if err != nil {
			out.code, out.err = codeOf(err), err
		}
		return out, nil
	})
	return cmd
}

func (a *app) leftoversCommand() *cobra.Command {
	var remove, yes, young bool
	cmd := &cobra.Command{
		Use: "leftovers [FILE-ID...]", Short: "List Files that are attached nowhere, and remove those that you choose",
		Long: `Leftovers lists strays that are attached to no store and look like uploads that were cut off:
a document of the store has their name. OpenAI keeps no owner of a File, so that a name proves
nothing: with --remove, Files that are only named alike go when you name their ids, or when you
have seen the list on a terminal and say yes. Versions that a sweep removes go with them.

A File is listed when the newest File of the project was made an hour later or more: an upload
under way is none. OpenAI tells its time by its Files alone, so that after the last upload none
becomes older. When no program uploads files into the project, --young lists the others as well.
It takes three minutes, since an attach may not show before.`,
		Example: "  vsctl leftovers\n  vsctl leftovers --young\n  vsctl leftovers --remove file-abc123 file-def456 -y",
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "remove them: those with these ids, or all that you say yes to")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask; needed without a terminal")
	cmd.Flags().BoolVar(&young, "young", false, "also Files that may be younger than an hour; no program may upload meanwhile")
	cmd.RunE = a.runs(func(ctx context.Context, ids []string) (outcome, error) {
		age := time.Duration(0)
		if young {
			age = -1
		}
		if remove {
			if err := a.mayAsk(yes, "vsctl leftovers without --remove lists them"); err != nil {
				return outcome{}, err
			}
		}
		c, end, err := a.client(ctx, "", false)
		if err != nil {
			return outcome{}, err
		}
		defer end()
		all, err := c.Sweep(ctx, vsclient.SweepOptions{DryRun: true, MinAge: age})
		if err == nil && young && len(all) > 0 {
			all, err = a.still(ctx, c, all)
		}
		if err != nil {
			return outcome{}, err
		}
		var found []vsclient.Stray
		choice := []string{}
		for _, s := range all {
			chosen := len(ids) == 0 && (!yes || s.Why != vsclient.NamedAlike)
			chosen = chosen || slices.Contains(ids, s.FileID)
			if s.Why == vsclient.Superseded || s.Why == vsclient.Unindexed || len(ids) > 0 && !chosen {
				continue
			}
			found = append(found, s)
			if chosen {
				choice = append(choice, s.FileID)
			}
		}
		out := swept(found, "leftover", "leftovers")
		others := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(choice, id) })
		if len(others) > 0 {
			return outcome{}, usagef("not among the leftovers: %s; vsctl leftovers lists them, with --young those of the last hour as well", strings.Join(others, ", "))
		}
		if len(found) == 0 && !young {
			list := out.text
			out.text = func(w io.Writer) {
				list(w)
				fmt.Fprintln(w, "Files that may be younger than an hour are not listed: see --young")
			}
		}
		if !remove || len(choice) == 0 {
			return out, nil
		}
		if !a.json {
			out.text(a.Out)
		}
		if !a.ask(yes, fmt.Sprintf("Remove %s?", show.Count(len(choice), "File", "Files"))) {
			return outcome{summary: "nothing was removed", result: out.result, text: func(w io.Writer) { fmt.Fprintln(w, "nothing was removed") }}, nil
		}
		a.gate.writing.Store(true)
		all, err = c.Sweep(ctx, vsclient.SweepOptions{Files: choice, MinAge: age})
		out = swept(all, "leftover", "leftovers")
		if err != nil {
			out.code, out.err = codeOf(err), err
		}
		return out, nil
	})
	return cmd
}

// still waits for showTime and returns the strays that a second look finds again.
func (a *app) still(ctx context.Context, c *vsclient.Client, before []vsclient.Stray) ([]vsclient.Stray, error) {
	a.progress.Waiting(fmt.Sprintf("an attach may not show for %v: looking again then", showTime))
	a.Sleep(ctx, showTime)
	was := make(map[string]bool)
	for _, s := range before {
		was[s.FileID] = true
	}
	now, err := c.Sweep(ctx, vsclient.SweepOptions{DryRun: true, MinAge: -1})
	return slices.DeleteFunc(now, func(s vsclient.Stray) bool { return !was[s.FileID] }), err
}
