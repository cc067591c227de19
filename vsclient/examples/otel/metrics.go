package main

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// seconds are the limits of the histograms' buckets: OpenTelemetry's own are for
// milliseconds.
var seconds = metric.WithExplicitBucketBoundaries(.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300)

// requestMetrics returns a Config.OnRequest that measures each attempt at a request:
//
//   - vsclient.request.duration, in seconds: how long OpenAI took
//   - vsclient.request.queued, in seconds: how long the attempt waited for its turn
//     below the limits
//
// Both are told apart by endpoint and by status or, where no reply came, by
// "error.type"; attempts after the first also by "http.request.resend_count". No
// attribute holds a key or an id, so that their number stays small.
func requestMetrics(meter metric.Meter) (func(vsclient.RequestEvent), error) {
	duration, err := meter.Float64Histogram("vsclient.request.duration",
		seconds, metric.WithUnit("s"), metric.WithDescription("Time that OpenAI took for an attempt at a request."))
	if err != nil {
		return nil, fmt.Errorf("duration of requests: %w", err)
	}
	queued, err := meter.Float64Histogram("vsclient.request.queued",
		seconds, metric.WithUnit("s"), metric.WithDescription("Time that an attempt waited for its turn below the limits."))
	if err != nil {
		return nil, fmt.Errorf("waiting of requests: %w", err)
	}
	return func(e vsclient.RequestEvent) {
		ctx, with := context.Background(), metric.WithAttributes(describe(e)...)
		duration.Record(ctx, e.Took.Seconds(), with)
		queued.Record(ctx, e.Waited.Seconds(), with)
	}, nil
}

// describe names an attempt as OpenTelemetry's conventions for HTTP clients do.
func describe(e vsclient.RequestEvent) []attribute.KeyValue {
	of := []attribute.KeyValue{attribute.String("http.route", e.Endpoint)}
	if e.Try > 1 {
		of = append(of, attribute.Int("http.request.resend_count", e.Try-1))
	}
	if e.Status != 0 {
		return append(of, attribute.Int("http.response.status_code", e.Status))
	}
	return append(of, attribute.String("error.type", "no reply"))
}
