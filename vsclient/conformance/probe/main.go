// Probe asks OpenAI's live API the questions that its documents leave open, and prints the
// answers. Package openaitest has a switch for each answer.
//
//	OPENAI_API_KEY=… GOWORK=off go -C vsclient/conformance run ./probe
//
// It makes a few dozen small requests over some minutes. It creates Files and a vector
// store, and removes them. OPENAI_BASE_URL names another API.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, env func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	asJSON := flags.Bool("json", false, "write the findings as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	key := env("OPENAI_API_KEY")
	if key == "" {
		return errors.New("OPENAI_API_KEY is not set: nothing was asked")
	}
	base := env("OPENAI_BASE_URL")
	if base == "" {
		base = "https://api.openai.com/v1"
	}
	p := &prober{base: strings.TrimSuffix(base, "/"), key: key, client: &http.Client{}}
	findings, left := p.askAll(ctx)
	if *asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return errors.Join(enc.Encode(findings), left)
	}
	failed := 0
	for _, f := range findings {
		fmt.Fprintf(out, "%2d  %s\n    %s\n", f.Number, f.Question, f.Answer)
		for _, d := range f.Details {
			fmt.Fprintf(out, "      %s\n", d)
		}
		if f.Failed {
			failed++
		}
	}
	if failed > 0 {
		left = errors.Join(fmt.Errorf("%d questions found no answer", failed), left)
	}
	return left
}
