// Package runstream lets a destination that is built on the Conduit SDK write all
// the records that are waiting at once, and answer each with a verdict of its
// own.
//
// Conduit sends one record a message. The SDK's adapter reads a message, writes
// it, acknowledges it, and only then reads the next, although more have been sent
// by then. [Wrap] stands between the adapter and the stream: it reads ahead, and
// one Recv of the adapter's returns everything that has arrived. Nothing waits
// for company: an idle destination gets a lone record at once, and while that is
// written the next ones gather.
//
// The SDK acknowledges the first n records of a write and refuses all others with
// one error. A destination that knows better calls [Report] with a verdict for
// each, returns len(records) and no error, and the acknowledgements are put right
// on their way out. They keep the order in which Conduit sent the records.
//
// The SDK's own batching (sdk.batch.size, sdk.batch.delay) is done here as well when
// the destination says so with [TakeBatching]: the SDK leaves an incomplete batch
// unwritten for ever when no delay is set, and waits for a minute at each stop that
// follows a full batch.
package runstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
)

// Limits bound the reading ahead. A message that alone is larger is still taken,
// when nothing else waits.
type Limits struct {
	Records int
	Bytes   int // as estimated from keys, payloads and metadata
}

// arrivalTime is how long Stop waits, while nothing else happens, for a record
// that Conduit says it has sent. It is the SDK's own limit.
const arrivalTime = time.Minute

// Wrap returns the plugin with its run stream wrapped.
func Wrap(p pconnector.DestinationPlugin, limits Limits) pconnector.DestinationPlugin {
	return &plugin{DestinationPlugin: p, flow: newFlow(limits)}
}

type plugin struct {
	pconnector.DestinationPlugin
	flow *flow
}

func (p *plugin) Open(ctx context.Context, req pconnector.DestinationOpenRequest) (pconnector.DestinationOpenResponse, error) {
	return p.DestinationPlugin.Open(withFlow(ctx, p.flow), req)
}

func (p *plugin) Run(ctx context.Context, under pconnector.DestinationRunStream) error {
	ctx, cancel := context.WithCancel(ctx)
	defer p.flow.abandon()
	defer cancel() // lets go of the reader, should the adapter give up first
	server := under.Server()
	go p.flow.fill(ctx, server)
	return p.DestinationPlugin.Run(withFlow(ctx, p.flow), &stream{ctx: ctx, flow: p.flow, under: server})
}

// Stop returns when every record up to the last position has been answered, as
// long as that takes; the SDK alone would give up after a minute, and a write may
// take longer.
func (p *plugin) Stop(ctx context.Context, req pconnector.DestinationStopRequest) (pconnector.DestinationStopResponse, error) {
	end, err := p.flow.settle(ctx, req.LastPosition)
	req.LastPosition = end // the adapter knows the last position of each batch alone
	resp, stopErr := p.DestinationPlugin.Stop(ctx, req)
	return resp, errors.Join(err, stopErr)
}

// stream is the real stream as the SDK's adapter sees it.
type stream struct {
	ctx   context.Context // Recv and Send take none, and this one lives as long as the stream
	flow  *flow
	under pconnector.DestinationRunStreamServer
}

func (s *stream) Client() pconnector.DestinationRunStreamClient {
	panic("runstream: Client called on the plugin's side")
}

func (s *stream) Server() pconnector.DestinationRunStreamServer { return s }

func (s *stream) Recv() (pconnector.DestinationRunRequest, error) {
	recs, err := s.flow.take(s.ctx)
	return pconnector.DestinationRunRequest{Records: recs}, err
}

func (s *stream) Send(resp pconnector.DestinationRunResponse) error {
	acks := s.flow.judge(resp.Acks)
	if len(acks) > 0 {
		if err := s.under.Send(pconnector.DestinationRunResponse{Acks: acks}); err != nil {
			return fmt.Errorf("sending acknowledgements: %w", err)
		}
	}
	s.flow.answered(acks)
	return nil
}

type flowKey struct{}

func withFlow(ctx context.Context, f *flow) context.Context {
	return context.WithValue(ctx, flowKey{}, f)
}

// Report sets the verdict on each record of the write that ctx belongs to: nil
// when it is written, else why not. It returns false, and does nothing, when the
// stream is not a wrapped one; the destination must then answer as the SDK asks.
func Report(ctx context.Context, verdicts []error) bool {
	f, ok := ctx.Value(flowKey{}).(*flow)
	if ok {
		f.report(verdicts)
	}
	return ok
}

// TakeBatching makes the wrapped stream hand over at most size records at once (0
// means any number) and, with a size of more than 1, wait for that many for up to
// delay. To be called from Open, with its context. It returns false, and does
// nothing, when the stream is not a wrapped one; when it returns true the SDK's
// own batching must be turned off.
func TakeBatching(ctx context.Context, size int, delay time.Duration) bool {
	f, ok := ctx.Value(flowKey{}).(*flow)
	if ok {
		f.setBatching(size, delay)
	}
	return ok
}

// sizeOf estimates the memory that a record takes.
func sizeOf(r opencdc.Record) int {
	n := 200 + len(r.Position) + sizeOfValue(r.Key) + sizeOfValue(r.Payload.Before) + sizeOfValue(r.Payload.After)
	for k, v := range r.Metadata {
		n += 32 + len(k) + len(v)
	}
	return n
}

func sizeOfValue(v any) int {
	const word = 16 // an interface, or a number in it
	switch v := v.(type) {
	case opencdc.RawData:
		return len(v)
	case opencdc.StructuredData:
		return sizeOfValue(map[string]any(v))
	case []byte:
		return word + len(v)
	case string:
		return word + len(v)
	case map[string]any:
		n := 48
		for name, field := range v {
			n += word + len(name) + sizeOfValue(field)
		}
		return n
	case []any:
		n := word
		for _, e := range v {
			n += sizeOfValue(e)
		}
		return n
	}
	return word
}
