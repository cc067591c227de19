package runstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio/conduit-commons/lang"
	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
	sdk "github.com/conduitio/conduit-connector-sdk"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/runstream"
)

// Each test runs the SDK's adapter and middleware over a stream in memory, in virtual time.

func TestRecordsThatArriveDuringAWriteAreWrittenTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{took: time.Second}, nil)
		h.send("1")
		synctest.Wait() // the write of the first has begun
		for i := 2; i <= 100; i++ {
			h.send(strconv.Itoa(i))
		}
		acks := h.acks(100)
		is.Equal(h.dest.sizes, []int{1, 99})
		is.Equal(time.Since(h.began), 2*time.Second)
		for i, a := range acks {
			is.Equal(a, pconnector.DestinationRunResponseAck{Position: opencdc.Position(strconv.Itoa(i + 1))}) // in order
		}
		h.stop("100")
	})
}

func TestALoneRecordIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{}, nil)
		h.send("1")
		h.acks(1)
		is.Equal(time.Since(h.began), time.Duration(0))
		h.stop("1")
		is.Equal(time.Since(h.began), time.Duration(0)) // and a stop that follows has nothing to wait for
	})
}

func TestABadRecordIsRefusedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{bad: []string{"57"}}, nil)
		var positions []string
		for i := range 100 {
			positions = append(positions, strconv.Itoa(i))
		}
		h.send(positions...) // one message, as a source that batches would send
		for i, a := range h.acks(100) {
			is.Equal(string(a.Position), strconv.Itoa(i))
			is.Equal(a.Error != "", i == 57)
		}
		h.stop("99")
	})
}

func TestVerdictsGoByOrderWhenPositionsDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{badAt: []int{1, 3}}, nil)
		h.send("", "same", "same", "", "same")
		var refused []bool
		for _, a := range h.acks(5) {
			refused = append(refused, a.Error != "")
		}
		is.Equal(refused, []bool{false, true, false, true, false})
		h.stop("same")
	})
}

func TestADestinationThatReportsNothingKeepsTheSDKsMeaning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{bad: []string{"2"}, plain: true}, nil)
		h.send("1")
		is.Equal(h.acks(1)[0].Error, "")
		h.send("2")
		is.True(h.acks(1)[0].Error != "")
		h.stop("2")
	})
}

func TestBatchSettingsBoundAndDelayWrites(t *testing.T) {
	for _, tt := range []struct {
		name  string
		set   func(*sdk.DestinationWithBatch)
		sizes []int
		took  time.Duration
	}{
		{"a full batch goes at once and the rest after the delay", func(b *sdk.DestinationWithBatch) { b.BatchSize, b.BatchDelay = 5, time.Second }, []int{5, 2}, time.Second},
		{"a size without a delay only bounds a write", func(b *sdk.DestinationWithBatch) { b.BatchSize = 5 }, []int{5, 2}, 0},
		{"a size of one is one record a write", func(b *sdk.DestinationWithBatch) { b.BatchSize = 1 }, []int{1, 1, 1, 1, 1, 1, 1}, 0},
		{"a delay without a size does nothing", func(b *sdk.DestinationWithBatch) { b.BatchDelay = time.Second }, []int{7}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				h := start(t, &destination{}, tt.set)
				h.send("1", "2", "3", "4", "5", "6", "7")
				h.acks(7)
				is.Equal(h.dest.sizes, tt.sizes)
				is.Equal(time.Since(h.began), tt.took)
			})
		})
	}
}

func TestAStopWritesAnIncompleteBatchAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{}, func(b *sdk.DestinationWithBatch) { b.BatchSize, b.BatchDelay = 5, time.Hour })
		h.send("1", "2")
		synctest.Wait()
		h.stop("2")
		h.acks(2)
		is.Equal(time.Since(h.began), time.Duration(0))
	})
}

func TestAStopAfterAFullBatchDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{}, func(b *sdk.DestinationWithBatch) { b.BatchSize, b.BatchDelay = 2, time.Second })
		h.send("1", "2")
		h.acks(2)
		h.stop("2")
		is.Equal(time.Since(h.began), time.Duration(0))
	})
}

func TestAStopWaitsForALongWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{took: 10 * time.Minute}, nil)
		h.send("1")
		synctest.Wait()
		h.send("2", "3")
		h.stop("3") // fails the test on an error
		is.Equal(time.Since(h.began), 20*time.Minute)
		h.acks(3)
	})
}

func TestAStopAtAWaitingPositionDoesNotWaitForTheRecordsAfterIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{took: time.Minute}, nil)
		h.send("1")
		synctest.Wait()
		h.send("2", "3", "4", "5")
		h.stop("3")
		is.Equal(time.Since(h.began), 2*time.Minute) // the records behind are not waited for
		h.acks(5)
		is.Equal(h.dest.sizes, []int{1, 2, 2})
	})
}

func TestAStopAtAPositionWithinTheLastWriteReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{}, nil)
		h.send("1", "2", "3")
		h.acks(3)
		h.stop("2")
		is.Equal(time.Since(h.began), time.Duration(0))
	})
}

func TestAStopWaitsForARecordThatHasNotArrivedYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{took: 2 * time.Minute}, nil)
		go func() {
			time.Sleep(time.Second)
			h.send("1")
		}()
		h.stop("1")
		is.Equal(time.Since(h.began), 2*time.Minute+time.Second)
		h.acks(1)
	})
}

func TestAStopAtAPositionThatNeverComesIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{}, nil)
		_, err := h.plugin.Stop(h.ctx, pconnector.DestinationStopRequest{LastPosition: opencdc.Position("lost")})
		is.True(err != nil)
		is.True(strings.Contains(err.Error(), `"lost"`))
		is.Equal(time.Since(h.began), time.Minute)
	})
}

func TestAStopWithoutRecordsHasNothingToWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, &destination{}, nil)
		h.stop("")
	})
}

func TestReadingAheadIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits runstream.Limits
		size   int // bytes of each record
		ahead  int // records taken from the stream while the first write runs
	}{
		{"by records", runstream.Limits{Records: 10, Bytes: 1 << 30}, 10, 10},
		{"by bytes", runstream.Limits{Records: 1000, Bytes: 100_000}, 24_000, 4},
		{"a record above the bound goes alone", runstream.Limits{Records: 1000, Bytes: 100}, 24_000, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				h := startLimited(t, &destination{took: time.Hour}, nil, tt.limits)
				h.send("0")
				synctest.Wait()
				var sent atomic.Int32
				go func() {
					for i := 1; i <= 50; i++ {
						r := record(strconv.Itoa(i))
						r.Payload.After = opencdc.RawData(strings.Repeat("x", tt.size))
						h.sendRecords(r)
						sent.Add(1)
					}
				}()
				synctest.Wait()
				is.Equal(int(sent.Load()), tt.ahead+1) // one more has been read and waits for room
				h.acks(51)
			})
		})
	}
}

func TestAForcedStopEndsTheWriteAndTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{took: time.Hour}, nil)
		h.send("1")
		synctest.Wait()
		h.send("2")
		h.cancel()
		is.True(<-h.ran != nil)
		is.Equal(time.Since(h.began), time.Duration(0))
		is.Equal(h.dest.written, nil)
		h.plugin.Stop(context.Background(), pconnector.DestinationStopRequest{LastPosition: opencdc.Position("2")}) //nolint:errcheck // it only must not hang
		is.Equal(time.Since(h.began), time.Duration(0))
	})
}

func TestRecordsThatArrivedBeforeTheStreamBrokeAreWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{took: time.Second}, nil)
		h.send("1", "2")
		synctest.Wait()
		h.send("3")
		h.stream.broken <- errors.New("received message larger than max")
		h.acks(3)
		is.True(strings.Contains((<-h.ran).Error(), "larger than max"))
		h.stop("4") // the record that did not get through; there is nothing to wait for
		is.Equal(time.Since(h.began), 2*time.Second)
	})
}

func TestRateLimitsHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		h := start(t, &destination{rate: 2, bad: []string{"2"}}, nil)
		h.send("1", "2", "3", "4", "5", "6")
		var refused []string
		for _, a := range h.acks(6) {
			if a.Error != "" {
				refused = append(refused, string(a.Position))
			}
		}
		is.Equal(refused, []string{"2"})
		is.Equal(h.dest.sizes, []int{2, 2, 2})
		is.Equal(time.Since(h.began).Round(time.Second), 2*time.Second)
	})
}

// harness is Conduit's side of a running destination.
type harness struct {
	t      *testing.T
	dest   *destination
	plugin pconnector.DestinationPlugin
	stream *memoryStream
	ctx    context.Context
	cancel context.CancelFunc
	ran    chan error
	began  time.Time
}

func start(t *testing.T, d *destination, batch func(*sdk.DestinationWithBatch)) *harness {
	return startLimited(t, d, batch, runstream.Limits{Records: 1000, Bytes: 1 << 20})
}

func startLimited(t *testing.T, d *destination, batch func(*sdk.DestinationWithBatch), limits runstream.Limits) *harness {
	t.Helper()
	is := is.New(t)
	if batch != nil {
		batch(&d.cfg.DestinationWithBatch)
	}
	d.cfg.RatePerSecond = d.rate
	d.cfg.KeyEnabled, d.cfg.PayloadEnabled = lang.Ptr(false), lang.Ptr(false)
	h := &harness{
		t:      t,
		dest:   d,
		plugin: runstream.Wrap(sdk.NewDestinationPlugin(sdk.DestinationWithMiddleware(d), pconnector.PluginConfig{}, nil), limits),
		stream: &memoryStream{requests: make(chan pconnector.DestinationRunRequest), replies: make(chan pconnector.DestinationRunResponse, 1000), broken: make(chan error)},
		ran:    make(chan error, 1),
		began:  time.Now(),
	}
	h.ctx, h.cancel = context.WithCancel(t.Context())
	h.stream.ctx = h.ctx
	_, err := h.plugin.Open(h.ctx, pconnector.DestinationOpenRequest{})
	is.NoErr(err)
	go func() { h.ran <- h.plugin.Run(h.ctx, h.stream) }()
	t.Cleanup(h.cancel)
	return h
}

func record(position string) opencdc.Record {
	return opencdc.Record{
		Position:  opencdc.Position(position),
		Operation: opencdc.OperationCreate,
		Key:       opencdc.RawData(position),
		Payload:   opencdc.Change{After: opencdc.RawData("document " + position)},
	}
}

// send sends one message.
func (h *harness) send(positions ...string) {
	var recs []opencdc.Record
	for _, p := range positions {
		recs = append(recs, record(p))
	}
	h.sendRecords(recs...)
}

func (h *harness) sendRecords(recs ...opencdc.Record) {
	h.stream.requests <- pconnector.DestinationRunRequest{Records: recs}
}

func (h *harness) acks(n int) []pconnector.DestinationRunResponseAck {
	var acks []pconnector.DestinationRunResponseAck
	for len(acks) < n {
		acks = append(acks, (<-h.stream.replies).Acks...)
	}
	is.New(h.t).Equal(len(acks), n)
	return acks
}

func (h *harness) stop(position string) {
	h.t.Helper()
	_, err := h.plugin.Stop(h.ctx, pconnector.DestinationStopRequest{LastPosition: opencdc.Position(position)})
	is.New(h.t).NoErr(err)
}

// memoryStream is both ends of a run stream. Conduit's Send returns when the plugin has read
// the message.
type memoryStream struct {
	ctx      context.Context
	requests chan pconnector.DestinationRunRequest
	replies  chan pconnector.DestinationRunResponse
	broken   chan error
}

func (s *memoryStream) Client() pconnector.DestinationRunStreamClient { panic("not used") }
func (s *memoryStream) Server() pconnector.DestinationRunStreamServer { return s }

func (s *memoryStream) Recv() (pconnector.DestinationRunRequest, error) {
	select {
	case req, ok := <-s.requests:
		if !ok {
			return req, io.EOF
		}
		return req, nil
	case err := <-s.broken:
		return pconnector.DestinationRunRequest{}, err
	case <-s.ctx.Done():
		return pconnector.DestinationRunRequest{}, s.ctx.Err()
	}
}

func (s *memoryStream) Send(resp pconnector.DestinationRunResponse) error {
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	s.replies <- resp
	return nil
}

// destination writes to memory.
type destination struct {
	sdk.UnimplementedDestination
	cfg config

	took  time.Duration // by a write
	bad   []string      // positions that are refused
	badAt []int         // places in a write that are refused
	plain bool          // answers as the SDK requires, without Report
	rate  float64       // records a second

	sizes   []int
	written []string
}

type config struct {
	sdk.DefaultDestinationMiddleware
}

func (d *destination) Config() sdk.DestinationConfig { return &d.cfg }

func (d *destination) Open(ctx context.Context) error {
	if runstream.TakeBatching(ctx, d.cfg.BatchSize, d.cfg.BatchDelay) {
		d.cfg.BatchSize, d.cfg.BatchDelay = 0, 0
	}
	return nil
}

func (d *destination) Write(ctx context.Context, recs []opencdc.Record) (int, error) {
	select {
	case <-time.After(d.took):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	d.sizes = append(d.sizes, len(recs))
	verdicts := make([]error, len(recs))
	for i, r := range recs {
		if slices.Contains(d.bad, string(r.Position)) || slices.Contains(d.badAt, i) {
			verdicts[i] = fmt.Errorf("record %d is bad", i)
			if d.plain {
				return i, verdicts[i]
			}
			continue
		}
		d.written = append(d.written, string(r.Position))
	}
	if !d.plain {
		runstream.Report(ctx, verdicts)
	}
	return len(recs), nil
}

func (d *destination) Teardown(context.Context) error { return nil }
