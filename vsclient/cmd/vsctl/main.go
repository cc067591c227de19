// Vsctl keeps an OpenAI vector store equal to a folder, a manifest or a list of keys. See
// README.md, and vsctl --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/cli"
)

var version string // set by the linker in a release

func main() {
	if os.Getenv("GOGC") == "" {
		// Most of the memory is the plan, which lives until the end. By default its garbage could take
		// as much again.
		debug.SetGCPercent(14)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		time.Sleep(time.Second) // a signal may come twice: to the program, and to its group
		stop()                  // a later one ends the program at once
	})
	code := cli.Run(ctx, os.Args[1:], cli.Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		ErrWidth: func() int {
			columns, _, _ := term.GetSize(int(os.Stderr.Fd()))
			return columns
		},
		LookupEnv: os.LookupEnv,
		Version:   version,
		Sleep: func(ctx context.Context, d time.Duration) {
			ctx, end := context.WithTimeout(ctx, d)
			defer end()
			<-ctx.Done()
		},
	})
	os.Exit(code)
}
