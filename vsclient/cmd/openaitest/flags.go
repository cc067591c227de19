package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// options are the settings that the flags give.
type options struct {
	cfg    openaitest.Config
	addr   string
	stores []string
	load   string
	record string
	strict bool
}

// parseFlags reads the flags. For -help it writes the help and returns flag.ErrHelp.
func parseFlags(args []string, help io.Writer) (options, error) {
	var o options
	c := &o.cfg
	fs := flag.NewFlagSet("openaitest", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the caller prints the error

	fs.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks one")
	fs.StringVar(&c.APIKey, "api-key", "", "the only `key` to accept; empty: any")
	fs.Uint64Var(&c.Seed, "seed", 0, "`seed` of ids and of every random decision")
	fs.Func("store", "make a vector store of this `name` (repeatable)", func(v string) error {
		o.stores = append(o.stores, v)
		return nil
	})
	fs.StringVar(&o.load, "load", "", "attach the files of this `directory` to the first -store as completed, without indexing")
	fs.IntVar(&c.LogSize, "log-size", 10000, "how many requests to remember; 0: all")
	fs.StringVar(&o.record, "record", "", "append every exchange to this `file`, a line of JSON each")
	fs.BoolVar(&o.strict, "strict", false, "report requests that are legal but unwise on stderr")

	durations := []struct {
		name  string
		to    *time.Duration
		usage string
	}{
		{"latency", &c.Latency, "the transmission time of a request and its reply"},
		{"index-time", &c.IndexTime, "how long a file is in_progress"},
		{"index-jitter", &c.IndexJitter, "the most that a file is in_progress longer, at random"},
		{"poll-after", &c.PollAfter, "openai-poll-after-ms to send; 0: none"},
		{"list-lag-attach", &c.ListLag.Attach, "how late listings of store files show an attach"},
		{"list-lag-detach", &c.ListLag.Detach, "how late listings of store files show a detach"},
		{"list-lag-update", &c.ListLag.Update, "how late listings of store files show a status or attributes"},
		{"counts-lag", &c.CountsLag, "how late a store's counts and status are"},
		{"not-found-window", &c.NotFoundWindow, "how long a store file is 404 after its attach"},
		{"ghost-window", &c.GhostWindow, "how long a store file is still there after its detach"},
		{"search-lag-attach", &c.SearchLag.Attach, "how late searches find a completed file"},
		{"search-lag-detach", &c.SearchLag.Detach, "how long searches find a detached file"},
		{"stores-expire-after", &c.StoresExpireAfter, "how long after its creation each store expires, even if it is used; 0: never"},
		{"fresh-file-window", &c.FreshFileWindow, "how long a new File cannot be attached"},
	}
	for _, d := range durations {
		fs.DurationVar(d.to, d.name, 0, d.usage)
	}

	fs.Int64Var(&c.KeepBytes, "keep-bytes", 0, "how much of a file's content to keep, in `bytes`; 0: 16 MiB")
	fs.Int64Var(&c.StorageQuota, "storage-quota", 0, "`bytes` that all Files may hold; 0: any")
	fs.Int64Var(&c.MaxFileTokens, "max-file-tokens", 0, "`tokens` a file may have; 0: any (OpenAI: 5000000)")

	published := fs.Bool("published-limits", false, "the rate limits that OpenAI publishes, unless a flag sets another")
	fs.IntVar(&c.Limits.UploadsPerMinute, "uploads-per-minute", 0, "limit of POST /files; 0: none")
	fs.IntVar(&c.Limits.AttachRequestsPerMinute, "attach-requests-per-minute", 0, "limit of attach requests to a store; 0: none")
	fs.IntVar(&c.Limits.AttachedFilesPerMinute, "attached-files-per-minute", 0, "limit of attached files; 0: none")
	fs.IntVar(&c.Limits.ReadsPerMinute, "reads-per-minute", 0, "limit of GET under /vector_stores; 0: none")
	fs.IntVar(&c.Limits.DeletesPerMinute, "deletes-per-minute", 0, "limit of DELETE; 0: none")
	fs.IntVar(&c.Limits.Burst, "limit-burst", 0, "the size of a full bucket; 0: a minute's limit")
	fs.Func("limit-kind", "how limits are counted: bucket, fixed or sliding `window`", func(v string) error {
		switch k := openaitest.LimitKind(v); k {
		case openaitest.Bucket, openaitest.FixedWindow, openaitest.SlidingWindow:
			c.Limits.Kind = k
			return nil
		}
		return fmt.Errorf("not bucket, fixed or sliding")
	})

	fs.Func("faults", "`file` with a JSON array of faults to inject", func(name string) error {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		faults, err := openaitest.ParseFaults(data)
		c.Faults = append(c.Faults, faults...)
		return err
	})
	fs.Func("index-rules", "`file` with a JSON array of rules that make indexing fail or stick", func(name string) error {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rules, err := openaitest.ParseIndexRules(data)
		c.IndexRules = append(c.IndexRules, rules...)
		return err
	})
	reported := fs.Bool("reported-quirks", false, "every quirk that users report of the live API, unless -quirk sets another")
	var quirks []string
	fs.Func("quirk", "a `name[=value]` of openaitest.Quirks in JSON (repeatable), e.g. bad_file_in_batch=fail or alter_filenames=lower_case", func(v string) error {
		quirks = append(quirks, v)
		return setQuirk(new(openaitest.Quirks), v)
	})

	fs.Usage = func() {}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(help, "openaitest serves an emulator of OpenAI's Files, Uploads and Vector Stores API.")
			fmt.Fprintln(help, "Without flags it answers at once, never lags and never fails.")
			fs.SetOutput(help)
			fs.PrintDefaults()
		}
		return o, err
	}
	if *published {
		limits := openaitest.PublishedLimits()
		for name, of := range map[string]struct{ to, from *int }{
			"uploads-per-minute":         {&c.Limits.UploadsPerMinute, &limits.UploadsPerMinute},
			"attach-requests-per-minute": {&c.Limits.AttachRequestsPerMinute, &limits.AttachRequestsPerMinute},
			"attached-files-per-minute":  {&c.Limits.AttachedFilesPerMinute, &limits.AttachedFilesPerMinute},
		} {
			if !given(fs, name) {
				*of.to = *of.from
			}
		}
	}
	if *reported {
		c.Quirks = openaitest.ReportedQuirks()
	}
	for _, v := range quirks {
		if err := setQuirk(&c.Quirks, v); err != nil {
			return o, err
		}
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return o, nil
}

// given reports whether the flag was set.
func given(fs *flag.FlagSet, name string) bool {
	found := false
	fs.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// setQuirk sets one quirk by its name in JSON; without a value it is true.
func setQuirk(q *openaitest.Quirks, nameAndValue string) error {
	name, value, given := strings.Cut(nameAndValue, "=")
	if !given {
		value = "true"
	}
	return q.Set(name, value)
}
