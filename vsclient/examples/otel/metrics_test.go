package main

import (
	"testing"
	"testing/synctest"

	"github.com/matryer/is"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestEachAttemptAtARequestIsMeasuredUnderItsOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		reader := sdk.NewManualReader()
		provider := sdk.NewMeterProvider(sdk.WithReader(reader))
		is.NoErr(putDocuments(t.Context(), provider.Meter("test")))

		var all metricdata.ResourceMetrics
		is.NoErr(reader.Collect(t.Context(), &all))
		for _, name := range []string{"vsclient.request.duration", "vsclient.request.queued"} {
			of := histogram(t, all, name)
			const upload = "POST /files"
			is.Equal(of[attempt{upload, 429, 0}], uint64(1)) // refused at first
			is.Equal(of[attempt{upload, 200, 1}], uint64(1)) // sent again
			is.Equal(of[attempt{upload, 200, 0}], uint64(1)) // the second document
		}
	})
}

// attempt holds the attributes by which attempts are told apart.
type attempt struct {
	endpoint string
	status   int64
	resends  int64
}

// histogram returns how many attempts of each kind a histogram has counted.
func histogram(t *testing.T, all metricdata.ResourceMetrics, name string) map[attempt]uint64 {
	t.Helper()
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			data, ok := m.Data.(metricdata.Histogram[float64])
			if m.Name != name || !ok {
				continue
			}
			counts := map[attempt]uint64{}
			for _, p := range data.DataPoints {
				counts[attempt{
					endpoint: value(p.Attributes, "http.route").AsString(),
					status:   value(p.Attributes, "http.response.status_code").AsInt64(),
					resends:  value(p.Attributes, "http.request.resend_count").AsInt64(),
				}] += p.Count
			}
			return counts
		}
	}
	t.Fatalf("no histogram %s", name)
	return nil
}

// value returns an attribute's value; an invalid one, whose number is 0, when it is
// not there.
func value(set attribute.Set, key attribute.Key) attribute.Value {
	v, _ := set.Value(key)
	return v
}
