// Conformance validates recorded exchanges with OpenAI's API against its
// OpenAPI document.
//
//	OPENAITEST_RECORD=/tmp/record go -C vsclient test ./...
//	GOWORK=off go -C vsclient/conformance run . -spec openapi.json /tmp/record
//
// It reads the exchanges that package openaitest records while tests run. Its arguments are
// files, or directories with files *.jsonl. It validates every request and every reply. A
// known deviation of the live API is an exception, listed in exceptions.go with its reason.
// Any other deviation fails the run.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	spec := flags.String("spec", "", "`path` of the OpenAPI document")
	deliberate := flags.String("deliberate", "openaitest.test",
		"`prefix` of the records in which requests may be wrong if they are refused")
	whole := flags.Bool("whole", false, "fail unless every operation was answered 200 and every exception was needed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *spec == "" || flags.NArg() == 0 {
		return errors.New("usage: conformance -spec openapi.json directory-or-file …")
	}
	document, err := os.ReadFile(*spec)
	if err != nil {
		return err
	}
	rules, err := newRules(document)
	if err != nil {
		return err
	}
	return checkRecords(rules, flags.Args(), *deliberate, *whole, out)
}

// checkRecords validates records and writes a report.
func checkRecords(rules *rules, paths []string, deliberate string, whole bool, out io.Writer) error {
	files, err := recordFiles(paths)
	if err != nil {
		return err
	}
	c := newChecker(rules)
	for _, file := range files {
		var found []finding // by line
		err := readRecord(file, func(e openaitest.Exchange) error {
			switch {
			case e.Again == 0:
				found = append(found, c.check(e, strings.HasPrefix(filepath.Base(file), deliberate)))
			case e.Again <= len(found):
				found = append(found, found[e.Again-1])
			default:
				return errors.New("the line refers to one that does not come before it")
			}
			c.count(found[len(found)-1])
			return nil
		})
		if err != nil {
			return err
		}
	}
	c.report(out)
	return c.verdict(whole)
}

// recordFiles returns the files and directories' files that args name.
func recordFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (path == arg || filepath.Ext(path) == ".jsonl") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// readRecord calls each for every exchange of a file. It ignores a last line without an
// end, which a killed process has left.
func readRecord(file string, each func(openaitest.Exchange) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var e openaitest.Exchange
		err = json.Unmarshal(line, &e)
		if err == nil {
			err = each(e)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file, n, err)
		}
	}
}
