package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// TestMain lets the test binary be the program, so that it can be signalled.
func TestMain(m *testing.M) {
	if os.Getenv("OPENAITEST_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestBadFlagsAreErrors(t *testing.T) {
	for _, args := range [][]string{
		{"-nonsense"},
		{"surplus"},
		{"-quirk", "unheard_of"},
		{"-quirk", "max_filename=many"},
		{"-quirk", "bad_file_in_batch=explode"},
		{"-quirk", "alter_filenames=upper_case"},
		{"-stores-expire-after", "-1s"},
		{"-limit-kind", "leaky"},
		{"-faults", "/does/not/exist"},
		{"-index-rules", "/does/not/exist"},
		{"-load", "/tmp"},
		{"-addr", "nowhere:-1"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			is := is.New(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // a server that starts after all ends at once
			is.True(run(ctx, args, io.Discard, io.Discard) != nil)
		})
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	is := is.New(t)
	var out bytes.Buffer
	is.NoErr(run(t.Context(), []string{"-h"}, &out, io.Discard))
	for _, flag := range []string{"-addr", "-latency", "-faults", "-quirk", "-published-limits", "-store"} {
		is.True(strings.Contains(out.String(), "  "+flag))
	}
}

func TestFlagsSetTheConfig(t *testing.T) {
	is := is.New(t)
	rules := filepath.Join(t.TempDir(), "rules.json")
	is.NoErr(os.WriteFile(rules, []byte(`[{"name":"*.pdf","stuck":true,"times":1}]`), 0o644))
	o, err := parseFlags([]string{
		"-limit-kind", "sliding", "-attached-files-per-minute", "7", "-published-limits", "-quirk", "max_filename=9", "-quirk", "null_bytes",
		"-quirk", "missing_extension=fails", "-index-rules", rules, "-list-lag-detach", "2m", "-seed", "5",
		"-quirk", "alter_filenames=nfc", "-quirk", "batches_not_taken=not_found", "-stores-expire-after", "3h",
	}, io.Discard)
	is.NoErr(err)
	is.Equal(string(o.cfg.Limits.Kind), "sliding")
	is.Equal(o.cfg.Limits.UploadsPerMinute, 1000)
	is.Equal(o.cfg.Limits.AttachedFilesPerMinute, 7)
	is.Equal(o.cfg.Quirks.MaxFilename, 9)
	is.True(o.cfg.Quirks.NullBytes)
	is.Equal(string(o.cfg.Quirks.MissingExtension), "fails")
	is.True(o.cfg.IndexRules[0].Stuck)
	is.Equal(o.cfg.ListLag.Detach, 2*time.Minute)
	is.Equal(o.cfg.Seed, uint64(5))
	is.Equal(o.cfg.Quirks.AlterFilenames, openaitest.NFCFilenames)
	is.Equal(o.cfg.Quirks.BatchesNotTaken, openaitest.BatchesNotFound)
	is.Equal(o.cfg.StoresExpireAfter, 3*time.Hour)

	o, err = parseFlags([]string{"-quirk", "early_completed=false", "-reported-quirks", "-published-limits=false"}, io.Discard)
	is.NoErr(err)
	is.Equal(o.cfg.Limits.UploadsPerMinute, 0)
	is.True(o.cfg.Quirks.UnknownBatch500 && !o.cfg.Quirks.EarlyCompleted)
}

func TestLoadFollowsALinkToADirectory(t *testing.T) {
	is := is.New(t)
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	is.NoErr(os.WriteFile(filepath.Join(dir, "cats.md"), []byte("Cats"), 0o600))
	is.NoErr(os.Symlink(dir, link))
	s := openaitest.New(openaitest.Config{})
	vs := s.NewVectorStore("docs")
	is.NoErr(load(s, []string{vs}, link))
	is.Equal(s.Snapshot().Store(vs).Files[0].Filename, "cats.md")
	is.True(load(s, []string{vs}, filepath.Join(dir, "cats.md")) != nil) // not a directory
}

func TestARecordInNoDirectoryIsAnErrorThatSaysSo(t *testing.T) {
	t.Setenv("OPENAITEST_RECORD", filepath.Join(t.TempDir(), "absent"))
	err := run(t.Context(), []string{"-addr", "127.0.0.1:0"}, io.Discard, io.Discard)
	is.New(t).True(err != nil && strings.Contains(err.Error(), "OPENAITEST_RECORD"))
}
