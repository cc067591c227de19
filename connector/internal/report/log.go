// Package report logs the writes, for people.
package report

import (
	"cmp"
	"errors"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/rs/zerolog"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/deliver"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Logger logs the events of the destination through the SDK's logger. Keys and single records
// are logged only at debug level, and content never.
type Logger struct{ *zerolog.Logger }

// Slog returns the logger for the client.
func (l Logger) Slog() *slog.Logger { return slog.New(zerolog.NewSlogHandler(*l.Logger)) }

// StoreFound logs the vector store of the destination.
func (l Logger) StoreFound(s vsclient.Store) {
	l.Info().Str("vector_store_id", s.ID).Str("name", s.Name).Int("files", s.Files).Int64("usage_bytes", s.UsageBytes).
		Msg("vector store found")
	if !s.ExpiresAt.IsZero() {
		l.Warn().Str("vector_store_id", s.ID).Time("expires_at", s.ExpiresAt).
			Msg("the vector store expires unless it is used; remove its expires_after to keep it")
	}
}

// Written logs one line about a write, and further lines about the reasons of refusals.
func (l Logger) Written(recs []opencdc.Record, r deliver.Result, took time.Duration) {
	reasons := make(map[string]int)
	for i, err := range r.Verdicts {
		if err != nil {
			reasons[Reason(err)]++
			l.Debug().Str("record_position", string(recs[i].Position)).Err(err).Msg("record refused")
		}
	}
	for _, err := range r.Passed {
		l.Debug().Err(err).Msg("update acknowledged though its key has no document")
	}
	failed := 0
	for _, n := range reasons {
		failed += n
	}
	l.Info().Int("records", len(r.Verdicts)).Func(func(e *zerolog.Event) {
		for _, o := range []vsclient.Outcome{vsclient.Created, vsclient.Replaced, vsclient.AttributesUpdated, vsclient.Unchanged, vsclient.Deleted, vsclient.Absent} {
			if n := r.Outcomes[o]; n > 0 {
				e.Int(string(o), n)
			}
		}
		if failed > 0 {
			e.Int("refused", failed)
		}
	}).Dur("took_ms", took).Msg("write done")
	if failed == 0 {
		return
	}
	const most = 5
	byNumber := slices.SortedFunc(maps.Keys(reasons), func(a, b string) int {
		return cmp.Or(reasons[b]-reasons[a], strings.Compare(a, b))
	})
	for _, text := range byNumber[:min(most, len(byNumber))] {
		l.Warn().Int("records", reasons[text]).Str("reason", text).Msg("records refused")
	}
	if more := len(byNumber) - most; more > 0 {
		l.Warn().Int("reasons", more).Msg("records refused for more reasons, each at debug level")
	}
}

// Once returns a function that logs each warning once, and at most 100 warnings.
func (l Logger) Once() func(error) {
	const most = 100
	var mu sync.Mutex
	given := make(map[string]bool)
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if given[err.Error()] || len(given) == most {
			return
		}
		given[err.Error()] = true
		l.Warn().Msg(err.Error())
		if len(given) == most {
			l.Warn().Msg("further warnings about records are left out of the log")
		}
	}
}

// Reason returns the text of an error without keys and ids, for levels above debug.
func Reason(err error) string {
	if e, ok := errors.AsType[*translate.Error](err); ok {
		return e.Err.Error()
	}
	text := err.Error()
	if e, ok := errors.AsType[*vsclient.Error](err); ok {
		short := e.Op
		if e.Kind != nil {
			short += ": " + e.Kind.Error()
		}
		if e.Reason != "" {
			short += ": " + e.Reason
		}
		if !strings.Contains(text, "\n") { // otherwise there are several errors, each with its key
			short = strings.Replace(text, e.Error(), short, 1)
		}
		text = short
	}
	return requestID.ReplaceAllString(fileID.ReplaceAllString(text, "file-…"), "")
}

// fileID and requestID match ids, which would make equal reasons differ.
var (
	fileID    = regexp.MustCompile(`\bfile-\w+`)
	requestID = regexp.MustCompile(` \(request id [^)]*\)|, request id [^,)]*`)
)
