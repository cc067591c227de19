// Package keep removes Files that no key needs. Of several versions of a key [ledger.Settle]
// alone decides; a Delete, the watch after it, and a sweep of unattached Files have rules of
// their own. It never uploads or attaches.
package keep

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/life"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/view"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Config is the configuration of a Keeper. All of it is required.
type Config struct {
	AttachTime   time.Duration                    // how long after its upload a File may still be attached
	RetryTimeout time.Duration                    // how long a request may be tried again
	Go           func(func(context.Context)) bool // runs a function in a goroutine that ends with the client; false: it has ended
	Removed      func(id string, failed bool)     // is called with each version whose removal begins, and whether it had failed
	Calls        *semaphore.Weighted              // bounds the requests that are made side by side
	Logger       *slog.Logger
}

// Keeper is safe for concurrent use.
type Keeper struct {
	cfg     Config
	wire    *wire.Client
	ledger  *ledger.Ledger
	view    *view.View
	turns   life.Turns
	tending tending
	recent  recent
}

// New returns a Keeper. It makes no request.
func New(w *wire.Client, l *ledger.Ledger, v *view.View, cfg Config) *Keeper {
	k := &Keeper{cfg: cfg, wire: w, ledger: l, view: v}
	k.tending.init(k)
	k.recent.init(k)
	return k
}

// Ask takes the next place in the key's line. The caller must leave the place,
// even if it never waits.
func (k *Keeper) Ask(key string) *life.Turn { return k.turns.Ask(key) }

// Start begins the looks at the newest store files: with the first change, or three minutes
// after the client has begun to read.
func (k *Keeper) Start(change bool) { k.recent.start(change) }

// Finish ends the work in the background. Removals that are due are tried until ctx
// ends; nothing else is waited for. It returns the Files that this client has made and
// has seen neither searchable nor gone, and those whose removal has begun.
func (k *Keeper) Finish(ctx context.Context) (left []string) {
	k.tending.finish(ctx)
	return k.ledger.Unfinished()
}
