package openaivs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conduitio/conduit-commons/lang"
	"github.com/conduitio/conduit-commons/opencdc"
	sdk "github.com/conduitio/conduit-connector-sdk"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/runstream"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// store is what the destination needs of a *vsclient.Client.
type store interface {
	Check(ctx context.Context) (vsclient.Store, error)
	Apply(ctx context.Context, changes []vsclient.Change, progress func(vsclient.Progress)) []vsclient.Result
	Flush(ctx context.Context) error
	Close() error
}

// Destination writes records to a vector store.
type Destination struct {
	sdk.UnimplementedDestination

	config     Config
	store      store
	translator *translator
	taken      *holders
}

// NewDestination returns a destination within the SDK's middleware.
func NewDestination() sdk.Destination {
	d := &Destination{}
	// Sources that attach no schema are the common case; a record that has one is
	// refused with a word about these two settings.
	d.config.KeyEnabled = lang.Ptr(false)
	d.config.PayloadEnabled = lang.Ptr(false)
	return sdk.DestinationWithMiddleware(d)
}

// Config returns where the SDK puts the settings.
func (d *Destination) Config() sdk.DestinationConfig { return &d.config }

// Open checks the API key and the vector store. The context is not kept: the SDK
// may cancel it as soon as Open has returned.
func (d *Destination) Open(ctx context.Context) error {
	log := logger{sdk.Logger(ctx)}
	cfg := d.config.client()
	cfg.Logger = log.slog()
	client, err := vsclient.New(cfg)
	if err != nil {
		return fmt.Errorf("opening the destination: %w", err)
	}
	if err := d.open(ctx, client, log); err != nil {
		return errors.Join(err, client.Close())
	}
	return nil
}

func (d *Destination) open(ctx context.Context, s store, log logger) error {
	found, err := s.Check(ctx)
	if err != nil {
		return d.explain(err)
	}
	log.storeFound(found)
	d.translator, err = newTranslator(&d.config, log.once())
	if err != nil {
		return err
	}
	// The translation decodes. The SDK reads these two with each write.
	d.config.KeyEnabled, d.config.PayloadEnabled = lang.Ptr(false), lang.Ptr(false)
	if runstream.TakeBatching(ctx, d.config.BatchSize, d.config.BatchDelay) {
		// The stream does it. The SDK reads these two when Open has returned.
		d.config.BatchSize, d.config.BatchDelay = 0, 0
	}
	d.store, d.taken = s, newHolders()
	return nil
}

// explain names the setting behind a failed check.
func (d *Destination) explain(err error) error {
	endpoint := d.config.BaseURL
	if endpoint == "" {
		endpoint = vsclient.DefaultBaseURL
	}
	switch {
	case errors.Is(err, vsclient.ErrUnauthorized):
		return fmt.Errorf("api_key: %s does not accept the key: %w", endpoint, err)
	case errors.Is(err, vsclient.ErrNotFound):
		return fmt.Errorf("vector_store_id: %s has no vector store %q for this key: %w", endpoint, d.config.VectorStoreID, err)
	case errors.Is(err, vsclient.ErrTimeout), errors.Is(err, vsclient.ErrUnavailable):
		return fmt.Errorf("base_url: %s cannot be reached: %w", endpoint, err)
	}
	return fmt.Errorf("checking the vector store %q at %s: %w", d.config.VectorStoreID, endpoint, err)
}

// Write puts and deletes the documents of the records. Where the stream is
// wrapped each record gets its own verdict, and Write returns no error; else it
// does as the SDK asks.
func (d *Destination) Write(ctx context.Context, recs []opencdc.Record) (int, error) {
	log := logger{sdk.Logger(ctx)}
	start := time.Now()
	w := d.write(ctx, recs, log.progress())
	log.written(w, time.Since(start))
	if runstream.Report(ctx, w.verdicts) {
		return len(recs), nil
	}
	for n, err := range w.verdicts {
		if err != nil {
			return n, err
		}
	}
	return len(recs), nil
}

// Teardown closes the client. It is called without Open as well, when Conduit
// checks a configuration or deletes the connector.
func (d *Destination) Teardown(ctx context.Context) error {
	if d.store == nil {
		return nil
	}
	s := d.store
	d.store = nil
	// With wait_for "attached", older versions may still be waiting for newer ones.
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		sdk.Logger(ctx).Warn().Err(withoutKey(err)).Msg("documents were still being indexed; older versions of them go the next time that they are written")
	}
	if err := s.Close(); err != nil {
		return fmt.Errorf("closing the client: %w", err)
	}
	return nil
}

const flushTime = 30 * time.Second
