package openaivs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/conduitio/conduit-commons/lang"
	"github.com/conduitio/conduit-commons/opencdc"
	sdk "github.com/conduitio/conduit-connector-sdk"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/deliver"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/report"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/runstream"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// store is the part of a *vsclient.Client that the destination needs.
type store interface {
	deliver.Store
	Check(ctx context.Context) (vsclient.Store, error)
	Flush(ctx context.Context) error
	Close() error
}

// Destination writes records to a vector store.
type Destination struct {
	sdk.UnimplementedDestination

	config    Config
	store     store
	deliverer *deliver.Deliverer
	watch     *report.Watch
}

// NewDestination returns a destination within the SDK's middleware.
func NewDestination() sdk.Destination {
	d := &Destination{}
	// Most sources attach no schema. The refusal of a record that has one names these two
	// settings.
	d.config.KeyEnabled = lang.Ptr(false)
	d.config.PayloadEnabled = lang.Ptr(false)
	return sdk.DestinationWithMiddleware(d)
}

// Config returns the struct into which the SDK reads the settings.
func (d *Destination) Config() sdk.DestinationConfig { return &d.config }

// Open checks the API key and the vector store. It does not keep the context, which the SDK
// may cancel when Open has returned.
func (d *Destination) Open(ctx context.Context) error {
	log := report.Logger{Logger: sdk.Logger(ctx)}
	d.watch = report.NewWatch(log, d.config.endpoint(), d.config.UploadsPerMinute)
	cfg := d.config.client()
	cfg.Logger = log.Slog()
	cfg.OnRequest = d.watch.See
	client, err := vsclient.New(cfg)
	if err != nil {
		return fmt.Errorf("opening the destination: %w", err)
	}
	if err := d.open(ctx, client, log); err != nil {
		_ = client.Close() // it has no work to end
		return err
	}
	return nil
}

func (d *Destination) open(ctx context.Context, s store, log report.Logger) error {
	found, err := s.Check(ctx)
	if err != nil {
		return d.explain(err)
	}
	log.StoreFound(found)
	cfg, err := d.config.translation(log.Once())
	if err != nil {
		return err
	}
	translator, err := translate.New(cfg)
	if err != nil {
		return err
	}
	// The translation decodes instead. The SDK reads these two at each write.
	d.config.KeyEnabled, d.config.PayloadEnabled = lang.Ptr(false), lang.Ptr(false)
	if runstream.TakeBatching(ctx, d.config.BatchSize, d.config.BatchDelay) {
		// The stream does it instead. The SDK reads these two after Open.
		d.config.BatchSize, d.config.BatchDelay = 0, 0
	}
	d.store = s
	d.deliverer = deliver.New(s, translator.Translate, d.config.chunking(), log.Once())
	return nil
}

// explain adds the setting to blame to the error of a failed check.
func (d *Destination) explain(err error) error {
	endpoint := d.config.endpoint()
	versioned := strings.HasSuffix(strings.TrimRight(endpoint, "/"), "/v1")
	refusal, refused := errors.AsType[*vsclient.APIError](err)
	switch {
	// Without a refusal, the server has shown the store, and it has expired.
	case errors.Is(err, vsclient.ErrStoreGone) && (versioned || !refused):
		return fmt.Errorf("vector_store_id: %s has no vector store %q that takes documents: %w", endpoint, d.config.VectorStoreID, err)
	case errors.Is(err, vsclient.ErrIncompatible) && refused && strings.Contains(refusal.Message, "vector_store_id"):
		return fmt.Errorf("vector_store_id: %s does not accept the id %q: %w", endpoint, d.config.VectorStoreID, err)
	case errors.Is(err, vsclient.ErrUnauthorized):
		return fmt.Errorf("api_key: %s does not accept the key: %w", endpoint, err)
	case !errors.Is(err, vsclient.ErrIncompatible) && (errors.Is(err, vsclient.ErrTimeout) || errors.Is(err, vsclient.ErrUnavailable)):
		return fmt.Errorf("base_url: %s cannot be reached: %w", endpoint, err)
	case !versioned:
		return fmt.Errorf("base_url: %s does not end in /v1, as it does for OpenAI and most other servers; try %s/v1: %w", endpoint, strings.TrimRight(endpoint, "/"), err)
	}
	return fmt.Errorf("checking the vector store %q at %s: %w", d.config.VectorStoreID, endpoint, err)
}

// redacted returns a URL without its user and password, of which the first may be a token.
func redacted(text string) string {
	u, err := url.Parse(text)
	// A URL without its "//" has no user for the parser.
	if err != nil || u.Host == "" && strings.Contains(text, "@") {
		return "the URL (not shown)"
	}
	if u.User != nil {
		u.User = url.User("xxxxx")
	}
	return u.String()
}

// Write puts and deletes the documents of the records. If the stream is wrapped, each record
// gets a verdict, and Write returns no error. Otherwise Write returns the number of records
// before the first refused one, and its error, as the SDK requires.
func (d *Destination) Write(ctx context.Context, recs []opencdc.Record) (int, error) {
	log := report.Logger{Logger: sdk.Logger(ctx)}
	start := time.Now()
	stop := d.watch.Follow(len(recs))
	result := d.deliverer.Write(ctx, recs, d.watch.Progress)
	stop()
	log.Written(recs, result, time.Since(start))
	if runstream.Report(ctx, result.Verdicts) {
		return len(recs), nil
	}
	for n, err := range result.Verdicts {
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
	// With wait_for "attached", older versions stay until newer ones are indexed.
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := s.Flush(ctx); err != nil && ctx.Err() != nil { // the client has logged each that failed
		sdk.Logger(ctx).Warn().Str("reason", report.Reason(err)).Msg("documents are still being indexed; the next run removes their older versions")
	}
	if err := s.Close(); err != nil {
		sdk.Logger(ctx).Warn().Str("reason", report.Reason(err)).Msg("the client was closed before it had removed all older versions; the next run removes them")
	}
	return nil
}

// flushTime is the longest time that a stop waits after the last write.
const flushTime = 20 * time.Second
