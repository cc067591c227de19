package openaivs

import (
	"context"
	"log/slog"
	"slices"

	"github.com/rs/zerolog"
)

// slog returns a log/slog logger that writes here.
func (l logger) slog() *slog.Logger { return slog.New(handler{l: l.Logger}) }

// handler is a slog.Handler over zerolog.
type handler struct {
	l     *zerolog.Logger
	attrs []slog.Attr
	group string
}

func (h handler) Enabled(_ context.Context, level slog.Level) bool {
	return zerologLevel(level) >= h.l.GetLevel()
}

func (h handler) Handle(_ context.Context, r slog.Record) error {
	h.l.WithLevel(zerologLevel(r.Level)).Func(func(e *zerolog.Event) {
		for _, a := range h.attrs {
			e.Any(a.Key, a.Value.Resolve().Any())
		}
		r.Attrs(func(a slog.Attr) bool {
			e.Any(h.group+a.Key, a.Value.Resolve().Any())
			return true
		})
	}).Msg(r.Message)
	return nil
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		h.attrs = append(h.attrs, a)
	}
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	if name != "" {
		h.group += name + "."
	}
	return h
}

func zerologLevel(l slog.Level) zerolog.Level {
	switch {
	case l >= slog.LevelError:
		return zerolog.ErrorLevel
	case l >= slog.LevelWarn:
		return zerolog.WarnLevel
	case l >= slog.LevelInfo:
		return zerolog.InfoLevel
	}
	return zerolog.DebugLevel
}
