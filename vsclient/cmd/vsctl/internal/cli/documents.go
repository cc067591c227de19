package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/show"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/source"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/filter"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// document is a stored document in JSON.
type document struct {
	Key        string              `json:"key"`
	FileID     string              `json:"file_id"`
	Status     vsclient.Status     `json:"status"`
	Error      string              `json:"error,omitempty"`
	Bytes      int64               `json:"bytes"`
	UsageBytes int64               `json:"usage_bytes"`
	SHA256     string              `json:"sha256,omitempty"`
	Version    int64               `json:"version,omitempty"`
	AttachedAt time.Time           `json:"attached_at"`
	Chunking   string              `json:"chunking"`
	Attributes vsclient.Attributes `json:"attributes"`
}

func newDocument(i vsclient.Info) document {
	return document{
		Key: i.Key, FileID: i.FileID, Status: i.Status, Error: reason(i), Bytes: i.Size, UsageBytes: i.UsageBytes, SHA256: i.SHA256,
		Version: i.Version, AttachedAt: i.AttachedAt.UTC(), Chunking: i.Chunking.String(), Attributes: i.Attributes,
	}
}

// reason is the reason for which OpenAI could not index a document.
func reason(i vsclient.Info) string {
	if i.Code == "" {
		return ""
	}
	return strings.TrimSuffix(i.Code+": "+i.Reason, ": ")
}

// parseChunking reads "auto" or MAX/OVERLAP.
func parseChunking(text string) (c vsclient.Chunking, err error) {
	if text == "" || text == "auto" {
		return c, nil
	}
	if _, err := fmt.Sscanf(text, "%d/%d", &c.MaxTokens, &c.OverlapTokens); err != nil || c.String() != text {
		return c, usagef("the chunking is %q: give auto or MAX/OVERLAP tokens, such as 800/400", text)
	}
	return c, nil
}

func (a *app) getCommand() *cobra.Command {
	return &cobra.Command{
		Use: "get KEY", Short: "Describe a document", Args: args(1, 1, "a KEY"),
		Example: "  vsctl get handbook/travel.md",
		RunE: a.stored(func(ctx context.Context, c *vsclient.Client, args []string) (outcome, error) {
			i, err := c.Get(ctx, args[0])
			if err != nil {
				return outcome{}, err
			}
			d := newDocument(i)
			return outcome{summary: fmt.Sprintf("%s is %s", d.Key, d.Status), result: d, text: func(w io.Writer) {
				rows := []string{
					"key\t" + show.Text(d.Key), "file\t" + d.FileID, "status\t" + strings.TrimSuffix(string(d.Status)+", "+show.Text(d.Error), ", "),
					"size\t" + show.Bytes(d.Bytes), "storage\t" + show.Bytes(d.UsageBytes), "sha256\t" + cmp.Or(d.SHA256, "-"),
					"attached\t" + show.Time(d.AttachedAt), "chunking\t" + d.Chunking,
				}
				for _, name := range slices.Sorted(maps.Keys(d.Attributes)) {
					rows = append(rows, "@"+show.Text(name)+"\t"+show.Text(valueText(d.Attributes[name])))
				}
				show.Table(w, "", rows)
			}}, nil
		}),
	}
}

// valueText returns the value of an attribute as a person writes it.
func valueText(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	text, _ := json.Marshal(value) //nolint:errchkjson // a number or a bool
	return string(text)
}

func (a *app) textCommand() *cobra.Command {
	return &cobra.Command{
		Use: "text KEY", Short: "Print the text that OpenAI has parsed out of a document", Args: args(1, 1, "a KEY"),
		Long:    "Text prints the text that OpenAI has parsed out of a document. OpenAI does not return the\nbytes that were uploaded. On a terminal, characters that cannot be seen are escaped.",
		Example: "  vsctl text handbook/travel.pdf | less",
		RunE: a.stored(func(ctx context.Context, c *vsclient.Client, args []string) (outcome, error) {
			text, err := c.Text(ctx, args[0])
			if err != nil {
				return outcome{}, err
			}
			return outcome{
				summary: fmt.Sprintf("%s has %s of text", args[0], show.Bytes(int64(len(text)))),
				result:  map[string]string{"key": args[0], "text": text},
				text: func(w io.Writer) {
					if a.OutTerminal {
						text = show.Block(text)
					}
					fmt.Fprint(w, text)
					if a.OutTerminal && !strings.HasSuffix(text, "\n") {
						fmt.Fprintln(w)
					}
				},
			}, nil
		}),
	}
}

// change is the result of a change in JSON.
type change struct {
	Key     string           `json:"key"`
	Outcome vsclient.Outcome `json:"outcome"`
	FileID  string           `json:"file_id,omitempty"`
	Version int64            `json:"version,omitempty"`
}

func changed(r vsclient.Result) outcome {
	line := show.Text(r.Key) + ": " + string(r.Outcome)
	return outcome{summary: line, result: change{r.Key, r.Outcome, r.FileID, r.Version}, text: func(w io.Writer) { fmt.Fprintln(w, line) }}
}

func (a *app) putCommand() *cobra.Command {
	var attributes []string
	var chunking, owner, ownerAttribute string
	var wait bool
	cmd := &cobra.Command{
		Use: "put KEY [FILE|-]", Short: "Put one document, from a file or from standard input", Args: args(1, 2, "a KEY, and a FILE unless the content is on standard input"),
		Long:    "Put makes the content the only document of its key. It returns when the document is\nsearchable. The same content again uploads nothing.",
		Example: "  vsctl put handbook/travel.md travel.md --attribute lang=en\n  pandoc -t markdown travel.docx | vsctl put handbook/travel.md",
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&attributes, "attribute", nil, "`NAME=VALUE` (repeatable); true, false and numbers are typed, \"quotes\" make text of them")
	f.StringVar(&chunking, "chunking", "auto", "auto, or `MAX/OVERLAP` tokens")
	f.StringVar(&owner, "owner", "", "`NAME` of the source that the document belongs to (default: that of the stored one)")
	f.StringVar(&ownerAttribute, "owner-attribute", plan.DefaultOwnerAttribute, "`NAME` of the attribute that holds the owner")
	f.BoolVar(&wait, "wait", true, "wait until the document is searchable; --wait=false: until it is attached")
	cmd.RunE = a.runs(func(ctx context.Context, args []string) (outcome, error) {
		d := vsclient.Document{Key: args[0], Attributes: vsclient.Attributes{}}
		var err error
		if d.Chunking, err = parseChunking(chunking); err != nil {
			return outcome{}, err
		}
		for _, text := range attributes {
			name, value, ok := strings.Cut(text, "=")
			if !ok {
				return outcome{}, usagef("--attribute %q: give NAME=VALUE", text)
			}
			d.Attributes[name] = typed(value)
		}
		if owner != "" {
			d.Attributes[ownerAttribute] = owner
		}
		from := "-"
		if len(args) == 2 {
			from = args[1]
		}
		if from == "-" || isPipe(from) {
			file, err := a.spool(ctx, from)
			if err != nil {
				return outcome{}, err
			}
			defer os.Remove(file) //nolint:errcheck // of the temporary folder
			d.Content = vsclient.Path(file)
		} else {
			if reason := source.Pointer(func() (io.ReadCloser, error) { return os.Open(from) }); reason != "" {
				return outcome{}, fmt.Errorf("%s: %s", from, reason)
			}
			d.Content = vsclient.Path(from)
			d.Extension = path.Ext(from)
			if !slices.Contains(vsclient.Extensions(), strings.ToLower(d.Extension)) {
				d.Extension = ""
			}
		}
		c, end, err := a.client(ctx, "", !wait)
		if err != nil {
			return outcome{}, err
		}
		defer end()
		if !f.Changed("owner") && d.Attributes[ownerAttribute] == nil {
			stored, err := c.Get(ctx, d.Key)
			if err != nil && vsclient.ClassOf(err) != vsclient.BadDocument { // Put tells of a bad key
				return outcome{}, err
			}
			for _, name := range []string{ownerAttribute, plan.DefaultOwnerAttribute, "collection"} { // the last is Conduit's
				if owner := stored.Attributes[name]; owner != nil && d.Attributes[name] == nil {
					d.Attributes[name] = owner
				}
			}
		}
		a.gate.writing.Store(true)
		r, err := c.Put(ctx, d)
		if err != nil {
			return outcome{}, err
		}
		return changed(r), nil
	})
	return cmd
}

// isPipe reports whether the file can be read once alone.
func isPipe(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// spool copies a pipe, or "-" for standard input, to a temporary file, since an upload may
// be repeated.
func (a *app) spool(ctx context.Context, name string) (string, error) {
	in := a.In
	if name != "-" {
		pipe, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer pipe.Close()
		in = until{ctx, pipe}
	}
	f, err := os.CreateTemp("", "vsctl-*")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, in)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func (a *app) rmCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "rm KEY", Short: "Remove one document", Args: args(1, 1, "a KEY"),
		Long:    "Rm removes the document of a key, whoever owns it, and its File. It succeeds also when\nthere is none.",
		Example: "  vsctl rm handbook/travel.md -y",
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask; needed without a terminal")
	cmd.RunE = a.runs(func(ctx context.Context, args []string) (outcome, error) {
		if err := a.mayAsk(yes, "vsctl get shows the document"); err != nil {
			return outcome{}, err
		}
		c, end, err := a.client(ctx, "", false)
		if err != nil {
			return outcome{}, err
		}
		defer end()
		if !a.ask(yes, "Remove "+show.Text(args[0])+" from the store?") {
			return outcome{summary: "nothing was removed", result: change{Key: args[0]}, text: func(w io.Writer) { fmt.Fprintln(w, "nothing was removed") }}, nil
		}
		a.gate.writing.Store(true)
		r, err := c.Delete(ctx, args[0])
		if err != nil {
			return outcome{}, err
		}
		return changed(r), nil
	})
	return cmd
}

func (a *app) lsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls [PREFIX]", Short: "List the documents, by key", Args: args(0, 1, "at most one PREFIX"),
		Example: "  vsctl ls\n  vsctl ls handbook/ --json | jq -r '.result[].key'",
		RunE: a.stored(func(ctx context.Context, c *vsclient.Client, args []string) (outcome, error) {
			return a.list(ctx, c, append(args, "")[0])
		}),
	}
}

// listed is a document of the store as the one text that is written of it. Its attributes take
// far more memory.
type listed struct {
	key     string
	version int64
	text    string // JSON, or a row of the table
}

// listing is the documents of the store in their order.
type listing []listed

// Lists returns the documents apart from the rest, which is nothing.
func (l listing) Lists() (bare any, lists []show.List) {
	return []document{}, []show.List{{Name: "result", All: func(yield func(any) bool) {
		for _, d := range l {
			if !yield(json.RawMessage(d.text)) {
				return
			}
		}
	}}}
}

// list lists the documents whose keys begin with the prefix.
func (a *app) list(ctx context.Context, c *vsclient.Client, prefix string) (outcome, error) {
	documents := listing{}
	for i, err := range c.List(ctx) {
		if err != nil {
			return outcome{}, err
		}
		if !strings.HasPrefix(i.Key, prefix) {
			continue
		}
		text := row(i)
		if a.json {
			if text, err = show.Line(newDocument(i)); err != nil {
				return outcome{}, err
			}
		}
		documents = append(documents, listed{i.Key, i.Version, text})
	}
	slices.SortFunc(documents, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.version, b.version))
	})
	summary := show.Count(len(documents), "document", "documents")
	return outcome{summary: summary, result: documents, text: func(w io.Writer) {
		if len(documents) == 0 {
			fmt.Fprintln(w, "no documents")
			return
		}
		rows := make([]string, len(documents))
		for i, d := range documents {
			rows[i] = d.text
		}
		show.Table(w, "STATUS\tSIZE\tATTACHED\tKEY", rows)
		fmt.Fprintln(w, summary)
	}}, nil
}

// row is a document in the table.
func row(i vsclient.Info) string {
	size, key := show.Bytes(i.Size), show.Text(i.Key)
	if i.Size == 0 {
		size = "-"
	}
	if i.Key == "" {
		key = "(" + i.FileID + ", which another tool has attached)"
	}
	return strings.Join([]string{string(i.Status), size, show.Time(i.AttachedAt), key}, "\t")
}

// hit is a hit of a search in JSON.
type hit struct {
	Key        string              `json:"key"`
	FileID     string              `json:"file_id"`
	Name       string              `json:"name"`
	Score      float64             `json:"score"`
	Text       string              `json:"text"`
	Attributes vsclient.Attributes `json:"attributes"`
}

func (a *app) searchCommand() *cobra.Command {
	var filters []string
	var o vsclient.SearchOptions
	cmd := &cobra.Command{
		Use: "search QUERY", Short: "Search the documents", Args: args(1, 1, "one QUERY (in quotes)"),
		Example: "  vsctl search \"who pays for travel\" --filter lang=en --filter 'year>=2024'",
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringArrayVar(&filters, "filter", nil, "`NAME=VALUE` that documents must have (repeatable); also !=, >, >=, <, <=;\ntrue, false and numbers are typed, \"quotes\" make text of them")
	f.IntVar(&o.Limit, "limit", 10, "the most hits, 1 to 50")
	f.Float64Var(&o.MinScore, "min-score", 0, "the least score, 0 to 1")
	f.BoolVar(&o.Rewrite, "rewrite", false, "OpenAI may put the query in other words")
	cmd.RunE = a.runs(func(ctx context.Context, args []string) (outcome, error) {
		var err error
		if o.Filter, err = parseFilters(filters); err != nil {
			return outcome{}, err
		}
		switch {
		case strings.TrimSpace(args[0]) == "":
			return outcome{}, usagef("the QUERY is empty")
		case o.Limit < 1 || o.Limit > 50:
			return outcome{}, usagef("--limit %d: give 1 to 50", o.Limit)
		case !(o.MinScore >= 0 && o.MinScore <= 1):
			return outcome{}, usagef("--min-score %v: give 0 to 1", o.MinScore)
		}
		c, end, err := a.client(ctx, "", false)
		if err != nil {
			return outcome{}, err
		}
		defer end()
		found, err := c.Search(ctx, args[0], o)
		if err != nil {
			return outcome{}, err
		}
		hits := make([]hit, len(found))
		for i, h := range found {
			hits[i] = hit{h.Key, h.FileID, h.Name, h.Score, h.Text, h.Attributes}
		}
		return outcome{summary: show.Count(len(hits), "hit", "hits"), result: hits, text: func(w io.Writer) {
			for _, h := range hits {
				fmt.Fprintf(w, "%.3f  %s\n", h.Score, show.Text(cmp.Or(h.Key, h.Name)))
				fmt.Fprintf(w, "       %s\n", excerpt(h.Text))
			}
			if len(hits) == 0 {
				fmt.Fprintln(w, "nothing was found")
			}
		}}, nil
	})
	return cmd
}

// excerpt is the beginning of a text on one line.
func excerpt(text string) string {
	words := strings.Join(strings.Fields(text), " ")
	if r := []rune(words); len(r) > 160 {
		words = string(r[:159]) + "…"
	}
	return show.Text(words)
}

// typed returns a bool, a number or a text. Quotes make a text of anything.
func typed(text string) any {
	if !json.Valid([]byte(text)) {
		return text
	}
	values := json.NewDecoder(strings.NewReader(text))
	values.UseNumber() // a float64 would round integers beyond 2^53
	var value any
	_ = values.Decode(&value) // it is valid
	switch value := value.(type) {
	case bool, string:
		return value
	case json.Number:
		if _, err := value.Float64(); err == nil { // one beyond all numbers, such as 12e4567, is text
			return value
		}
	}
	return text
}

// parseFilters reads conditions such as lang=en and year>=2024, all of which have to
// hold.
func parseFilters(texts []string) (filter.Filter, error) {
	var all []filter.Filter
	for _, text := range texts {
		one, err := parseFilter(text)
		if err != nil {
			return filter.Filter{}, err
		}
		all = append(all, one)
	}
	return filter.And(all...), nil
}

func parseFilter(text string) (filter.Filter, error) {
	none := filter.Filter{}
	at := strings.IndexAny(text, "=!<>")
	if at <= 0 {
		return none, usagef("--filter %q: give NAME=VALUE, or !=, >, >=, <, <= in place of =", text)
	}
	name, rest := strings.TrimSpace(text[:at]), text[at:]
	operator := rest[:1]
	if strings.HasPrefix(rest[1:], "=") && operator != "=" {
		operator = rest[:2]
	}
	bare := strings.TrimSpace(rest[len(operator):])
	if strings.IndexAny(bare, "=!<>") == 0 {
		return none, usagef("--filter %q: no operator ends in %q; \"quotes\" make text of the value", text, bare[:1])
	}
	value := typed(bare)
	var f filter.Filter
	switch operator {
	case "=":
		f = filter.Eq(name, value)
	case "!=":
		f = filter.Ne(name, value)
	case "!":
		return none, usagef("--filter %q: ! stands before = alone", text)
	default:
		number, ok := value.(json.Number)
		if !ok {
			return none, usagef("--filter %q: %s compares numbers", text, operator)
		}
		if err := filter.Eq(name, number).Err(); err != nil {
			return none, usagef("--filter %q: %w", text, err)
		}
		limit, _ := number.Float64() // the filter has read it
		f = map[string]func(string, float64) filter.Filter{">": filter.Gt, ">=": filter.Gte, "<": filter.Lt, "<=": filter.Lte}[operator](name, limit)
	}
	if err := f.Err(); err != nil {
		return none, usagef("--filter %q: %w", text, err)
	}
	return f, nil
}
