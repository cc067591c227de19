// Otel shows how requests of package vsclient are measured with OpenTelemetry. It
// stands in a module of its own, so that vsclient does not depend on OpenTelemetry.
//
//	GOWORK=off go run .
//
// puts documents into an emulated vector store that answers one upload with 429,
// and prints the metrics.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "otel:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	exporter, err := stdoutmetric.New(stdoutmetric.WithPrettyPrint())
	if err != nil {
		return fmt.Errorf("exporter: %w", err)
	}
	provider := sdk.NewMeterProvider(sdk.WithReader(sdk.NewPeriodicReader(exporter)))
	if err := putDocuments(ctx, provider.Meter("example")); err != nil {
		return err
	}
	return provider.Shutdown(ctx) // exports the measurements
}

// putDocuments puts two documents, measured.
func putDocuments(ctx context.Context, meter metric.Meter) error {
	api := openaitest.New(openaitest.Config{})
	defer api.Close()
	api.Inject(openaitest.Fault{Method: "POST", Path: "/files", Nth: 1, Kind: openaitest.FaultStatus, Status: 429, RetryAfter: openaitest.Duration(time.Second)})

	onRequest, err := requestMetrics(meter)
	if err != nil {
		return err
	}
	client, err := vsclient.New(vsclient.Config{
		APIKey:        "sk-example",
		VectorStoreID: api.NewVectorStore("docs"),
		BaseURL:       api.URL(),
		HTTPClient:    api.Client(),
		OnRequest:     onRequest,
	})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()

	for _, key := range []string{"a.md", "b.md"} {
		if _, err := client.Put(ctx, vsclient.Document{Key: key, Content: vsclient.Bytes([]byte("of " + key))}); err != nil {
			return err
		}
	}
	return nil
}
