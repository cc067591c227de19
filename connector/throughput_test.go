package openaivs_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// BenchmarkThroughput compares two ways to send records with documents of 4 KB at the default
// settings: all at once, and each after the acknowledgement of the one before. The emulator
// takes 50 ms for a request and 500 ms to index a file. The absolute figures are those of the
// emulator; the ratio matters.
func BenchmarkThroughput(b *testing.B) {
	const together, single = 200, 10
	for b.Loop() {
		is := is.New(b)
		one, _ := throughput(b, single, true)
		all, stopped := throughput(b, together, false)
		b.ReportMetric(one, "records/s-one-at-a-time")
		b.ReportMetric(all, "records/s-together")
		b.ReportMetric(all/one, "times-faster")
		b.ReportMetric(stopped.Seconds(), "s-to-stop")
		is.True(all >= 20*one)            // at least 20 times as fast
		is.True(stopped <= 2*time.Second) // and a stop does not wait
	}
}

// BenchmarkServerError measures how long one row that always fails with a server_error delays
// the acknowledgements of the rows of its write, whose documents are already searchable.
func BenchmarkServerError(b *testing.B) {
	for b.Loop() {
		good, _ := throughput(b, 100, false)
		bad, _ := throughput(b, 100, false, openaitest.IndexRule{Name: "57.txt", Code: "server_error", Message: "An internal error occurred."})
		b.ReportMetric(100/good, "s-without")
		b.ReportMetric(100/bad, "s-with-one")
		b.ReportMetric(100/bad-100/good, "s-held")
	}
}

// throughput writes n documents of 4 KB. It returns the records per second, and the time that
// the plugin took to stop after the last acknowledgement.
func throughput(b *testing.B, n int, oneAtATime bool, rules ...openaitest.IndexRule) (perSecond float64, stop time.Duration) {
	e := emulate(b, openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: 500 * time.Millisecond, IndexRules: rules})
	p := start(b, e.settings())
	recs := numbered(n)
	for i := range recs {
		recs[i].Payload.After = opencdc.RawData(strings.Repeat("document "+strconv.Itoa(i)+"\n", 400)[:4096])
	}
	began := time.Now()
	if oneAtATime {
		for _, r := range recs {
			p.Send(r)
			p.Acks(1)
		}
	} else {
		go p.Send(recs...)
		p.Acks(n)
	}
	took := time.Since(began)
	began = time.Now()
	p.Finish(recs[n-1].Position)
	return float64(n) / took.Seconds(), time.Since(began)
}
