// Package lists reads the list of Files and the store's listing, once for all calls that wait
// for them. It enters each reply in the ledger and says for how long a reply is believed. It
// knows OpenAI's time.
package lists

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Config is the configuration of Lists. All of it but Extension is required.
type Config struct {
	Wire       *wire.Client
	Extension  string                           // for keys without an extension that OpenAI indexes; "": by content
	AttachTime time.Duration                    // how long after its upload a File may still be attached
	Life       context.Context                  // ends all reading
	Go         func(func(context.Context)) bool // runs a function in a goroutine that ends with Life; false: it has ended
	Logger     *slog.Logger
}

// Lists is the state of the two lists as the client has read them. It is safe for
// concurrent use.
//
// GET /files shows a new File at once and carries names, but not where it is attached. The
// store's listing carries the attributes that say whose a store file is, but lags by up to two
// minutes and has no names. So the first says which Files could be a key's, and a look at each
// decides: a GET of the store file or, when there are many, the pages of the listing.
type Lists struct {
	cfg    Config
	born   time.Time
	ledger *ledger.Ledger
	keeps  atomic.Bool // a store file with marks was seen

	mu      sync.Mutex
	clock   pace.Clock
	newest  map[string]int64 // by purpose, created_at of the newest File that was listed
	listed  time.Time        // when the last reading of the list of Files began
	whole   time.Time        // when the last complete one began
	walked  time.Time        // when the last complete reading of the store's listing began
	renewed time.Time        // when its newest entries were read last
	tried   time.Time        // when the last reading ended, well or not
	looks   int              // single looks since then
	first   time.Time        // when the first list of Files was read
	sure    int              // how many versions Sure has had looked at
	files   *flight
	walk    *flight
	store   *flight
	paged   chan struct{} // closed at each page of a walk
}

// New returns Lists that enter replies in the ledger. It makes no request.
func New(l *ledger.Ledger, cfg Config) *Lists { return &Lists{cfg: cfg, born: time.Now(), ledger: l} }

// KeepsAttributes reports whether the store was seen to hold a document with marks.
func (l *Lists) KeepsAttributes() bool { return l.keeps.Load() }

// Tick returns the present time in the ledger's unit: tenths of a second since New, from 1 on.
func (l *Lists) Tick() uint32 { return l.TickAt(time.Now()) }

// TickAt returns the tick of t.
func (l *Lists) TickAt(t time.Time) uint32 {
	return uint32(max(0, t.Sub(l.born)/(100*time.Millisecond))) + 1 //nolint:gosec // 13 years
}

// Since returns how long ago a tick was.
func (l *Lists) Since(tick uint32) time.Duration {
	return time.Duration(l.Tick()-tick) * 100 * time.Millisecond
}

// Now is OpenAI's time, in Unix seconds, and never ahead.
func (l *Lists) Now() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock.Now()
}

// Age returns how long ago, at least, a File was made.
func (l *Lists) Age(created int64) time.Duration {
	return time.Duration(l.Now()-created) * time.Second
}

// Running returns how long ago the first list of Files was read.
func (l *Lists) Running() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.first)
}
