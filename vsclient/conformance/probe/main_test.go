package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// TestTheLiveAPIAnswersEachQuestion asks OpenAI's API.
func TestTheLiveAPIAnswersEachQuestion(t *testing.T) {
	if os.Getenv("OPENAI_API_KEY") == "" {
		t.Skip("OPENAI_API_KEY is not set: the live API was not asked")
	}
	var out bytes.Buffer
	err := run(t.Context(), nil, os.Getenv, &out)
	t.Log("\n" + out.String())
	if err != nil {
		t.Error(err)
	}
}

// TestProbesTellTheAnswersApart asks the emulator each question under every answer for
// which it has a switch.
func TestProbesTellTheAnswersApart(t *testing.T) {
	const minute = time.Minute
	for _, tt := range []struct {
		name   string
		number int // of the question
		cfg    openaitest.Config
		want   string
	}{
		{"refused", 1, openaitest.Config{}, "the attach is refused: 400 unsupported_file"},
		{"fails", 1, openaitest.Config{Quirks: openaitest.Quirks{MissingExtension: openaitest.MissingFails}}, "it is attached, then failed: unsupported_file"},
		{"accepted", 1, openaitest.Config{Quirks: openaitest.Quirks{MissingExtension: openaitest.MissingAccepted}}, "it is attached, then completed"},
		{"kept, any length", 2, openaitest.Config{}, "directories are kept; 4096 characters are not too many"},
		{"base, 255", 2, openaitest.Config{Quirks: openaitest.Quirks{BaseFilenames: true, MaxFilename: 255}}, `"probe/\"a\" ☃.txt" becomes "\"a\" ☃.txt"; 256 characters are too many, 255 are not`},
		{"512 characters", 3, openaitest.Config{}, "512 characters"},
		{"256 characters", 3, openaitest.Config{Quirks: openaitest.Quirks{AttributeValueMax: 256}}, "256 characters"},
		{"512 bytes", 3, openaitest.Config{Quirks: openaitest.Quirks{AttributeBytes: true}}, "512 bytes"},
		{"overwritten", 4, openaitest.Config{}, "the second remain; the status is completed at first"},
		{"kept and indexed anew", 4, openaitest.Config{Quirks: openaitest.Quirks{ReattachKeepsAttributes: true, ReattachReindexes: true}}, "the first remain; the status is in_progress at first"},
		{"whole", 5, openaitest.Config{}, "an unsupported extension refuses it: 400 unsupported_file; an unknown id refuses it: 404"},
		{"in part", 5, openaitest.Config{Quirks: openaitest.Quirks{BadFileInBatch: openaitest.BadFileFails}}, "an unsupported extension leaves it completed: 1 completed, 1 failed of 2; an unknown id leaves it completed: 1 completed, 1 failed of 2"},
		{"left out", 5, openaitest.Config{Quirks: openaitest.Quirks{BadFileInBatch: openaitest.BadFileSkipped}}, "an unsupported extension leaves it completed: 1 completed, 0 failed of 1; an unknown id leaves it completed: 1 completed, 0 failed of 1"},
		{"404", 6, openaitest.Config{}, "404"},
		{"200", 6, openaitest.Config{Quirks: openaitest.Quirks{SecondDetachOK: true}}, "200"},
		{"none", 7, openaitest.Config{}, "20 GET in a row are not limited; no x-ratelimit header"},
		{"headers", 7, openaitest.Config{Limits: openaitest.Limits{ReadsPerMinute: 1000}, Quirks: openaitest.Quirks{RateLimitHeaders: true}}, "20 GET in a row are not limited; there are 3 x-ratelimit headers"},
		{"limited", 7, openaitest.Config{Limits: openaitest.Limits{ReadsPerMinute: 10, Kind: openaitest.SlidingWindow}}, `429 after 10 requests, Retry-After "60"`},
		{"no lag", 8, openaitest.Config{}, "after the attach: GET 0s, listing 0s, search 2s; after the detach: GET 0s, listing 0s, search 0s"},
		{"lags", 8, openaitest.Config{
			NotFoundWindow: 5 * time.Second, GhostWindow: 6 * time.Second,
			ListLag: openaitest.Lag{Attach: minute, Detach: 2 * minute}, SearchLag: openaitest.Lag{Attach: 20 * time.Second, Detach: 30 * time.Second},
		}, "after the attach: GET 5s, listing 1m0s, search 22s; after the detach: GET 6s, listing 2m0s, search 30s"},
		{"at once", 9, openaitest.Config{}, "yes"},
		{"late", 9, openaitest.Config{SearchLag: openaitest.Lag{Attach: 20 * time.Second}}, "no, after 20s"},
		{"one page", 10, openaitest.Config{}, "none: all is on one page"},
		{"pages", 10, openaitest.Config{Quirks: openaitest.Quirks{ContentPageSize: 100}}, "page"},
		{"not found", 10, openaitest.Config{Quirks: openaitest.Quirks{ContentNotFound: true}}, "content is answered 404"},
		{"ignored", 11, openaitest.Config{}, "no"},
		{"honoured", 11, openaitest.Config{Quirks: openaitest.Quirks{IdempotencyKeys: true}}, "yes"},
		{"gone", 12, openaitest.Config{}, "no"},
		{"late", 12, openaitest.Config{CountsLag: 10 * time.Second}, "for 10s"},
		{"counted", 12, openaitest.Config{Quirks: openaitest.Quirks{DeleteLeavesCounts: true}}, "yes, still after 3m0s"},
		{"accepted", 13, openaitest.Config{}, "yes"},
		{"refused", 13, openaitest.Config{Quirks: openaitest.Quirks{DeletedCursorRefused: true}}, "no: 400 invalid_value"},
		{"allowed", 14, openaitest.Config{}, "yes"},
		{"refused", 14, openaitest.Config{Quirks: openaitest.Quirks{UpdateWhileIndexingRefused: true}}, "no: 409"},
	} {
		q := questions[tt.number-1]
		t.Run(q.text+" "+tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.cfg.IndexTime = 2 * time.Second
				s := openaitest.New(tt.cfg)
				defer s.Close()
				p := &prober{base: s.URL(), key: "sk-test", client: s.Client()}
				if err := p.ensureStore(t.Context()); err != nil {
					t.Fatal(err)
				}
				got, err := q.ask(p, t.Context())
				if err != nil || got != tt.want {
					t.Errorf("got %q, %v, want %q; %q", got, err, tt.want, p.details)
				}
				if err := p.cleanUp(t.Context()); err != nil {
					t.Error(err)
				}
				if left := s.Snapshot(); len(left.Files)+len(left.Stores) > 0 {
					t.Errorf("%d files and %d stores are left", len(left.Files), len(left.Stores))
				}
			})
		})
	}
}

func TestEveryQuestionIsAskedThoughOneFails(t *testing.T) {
	s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{{Path: "/vector_stores/*/file_batches", Times: -1, Kind: openaitest.FaultCut}}})
	base, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	env := func(name string) string {
		return map[string]string{"OPENAI_API_KEY": "sk-secret", "OPENAI_BASE_URL": base}[name]
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-json"}, env, &out); err != nil {
		t.Fatal(err)
	}
	var findings []finding
	if err := json.Unmarshal(out.Bytes(), &findings); err != nil {
		t.Fatal(err)
	}
	if len(findings) != 14 || !findings[4].Failed || findings[5].Failed {
		t.Errorf("got %s", out.String())
	}
	if strings.Contains(out.String(), "sk-secret") {
		t.Error("the key is in the findings")
	}
	if left := s.Snapshot(); len(left.Files)+len(left.Stores) > 0 {
		t.Errorf("%d files and %d stores are left", len(left.Files), len(left.Stores))
	}
}

func TestWithoutAKeyNothingIsAsked(t *testing.T) {
	err := run(context.Background(), nil, func(string) string { return "" }, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "OPENAI_API_KEY is not set") {
		t.Errorf("got %v", err)
	}
}
