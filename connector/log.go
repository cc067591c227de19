package openaivs

import (
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// logger says what the destination does, through the SDK's logger. Nothing is
// said of a single record above debug level, no key and no content at all.
type logger struct{ *zerolog.Logger }

func (l logger) storeFound(s vsclient.Store) {
	l.Info().Str("vector_store_id", s.ID).Str("name", s.Name).Int("files", s.Files).Int64("usage_bytes", s.UsageBytes).
		Msg("vector store found")
	switch {
	case s.Status == "expired":
		l.Warn().Str("vector_store_id", s.ID).Msg("the vector store has expired; make a new one and set vector_store_id")
	case !s.ExpiresAt.IsZero():
		l.Warn().Str("vector_store_id", s.ID).Time("expires_at", s.ExpiresAt).
			Msg("the vector store expires unless it is used; remove its expires_after to keep it")
	}
}

// written is the one line that a write gets.
func (l logger) written(w *writing, took time.Duration) {
	failed := 0
	for _, err := range w.verdicts {
		if err != nil {
			failed++
		}
	}
	l.Info().Int("records", len(w.verdicts)).Func(func(e *zerolog.Event) {
		for _, o := range []vsclient.Outcome{vsclient.Created, vsclient.Replaced, vsclient.AttributesUpdated, vsclient.Unchanged, vsclient.Deleted, vsclient.Absent} {
			if n := w.outcomes[o]; n > 0 {
				e.Int(o.String(), n)
			}
		}
		if failed > 0 {
			e.Int("failed", failed)
		}
		if w.outage != nil {
			e.AnErr("cause", withoutKey(w.outage))
		}
	}).Dur("took_ms", took).Msg("write done")
}

// progressEvery is how often a long write says how far it is.
const progressEvery = 10 * time.Second

// progress returns what tells how far a write is, now and then.
func (l logger) progress() func(vsclient.Progress) {
	var mu sync.Mutex
	last := time.Now()
	return func(p vsclient.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(last) < progressEvery {
			return
		}
		last = time.Now()
		l.Info().Int("of", p.Total).Int("done", p.Done).Int("failed", p.Failed).
			Msg("writing")
	}
}

// once returns what gives each warning a single time.
func (l logger) once() func(error) {
	var mu sync.Mutex
	given := make(map[string]bool)
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if !given[err.Error()] {
			given[err.Error()] = true
			l.Warn().Msg(err.Error())
		}
	}
}

// withoutKey reduces an error to what may be logged above debug level.
func withoutKey(err error) error {
	e, ok := errors.AsType[*vsclient.Error](err)
	if !ok {
		return err
	}
	text := e.Op
	if e.Kind != nil {
		text += ": " + e.Kind.Error()
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return errors.New(text)
}
