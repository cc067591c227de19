// Package runstream lets a destination of the Conduit SDK write all waiting records at
// once, and answer each with its own verdict.
//
// Conduit sends one record per message. The SDK's adapter reads a message, writes it,
// acknowledges it, and only then reads the next. [Wrap] puts a stream between the adapter
// and Conduit's stream. It reads ahead, and one Recv of the adapter returns every record
// that has arrived. No record waits for others: an idle destination gets a lone record at
// once, and the next records gather while that one is written.
//
// The SDK acknowledges the first n records of a write and refuses all others with one
// error. A destination that calls [Report] with a verdict on each record returns
// len(records) and no error. The wrapped stream puts the verdicts into the
// acknowledgements, which keep the order of the records.
//
// [TakeBatching] replaces the SDK's batching (sdk.batch.size, sdk.batch.delay). Without a
// delay the SDK never writes an incomplete batch, and it waits for a minute at each stop
// that follows a full batch.
package runstream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
)

// Limits bound the reading ahead. A message above the limits is taken when no record waits.
type Limits struct {
	Records int
	Bytes   int // estimated from keys, payloads and metadata
}

// arrivalTime is how long an idle Stop waits for the last record that Conduit has sent. The
// SDK has the same limit.
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
	defer cancel() // ends fill when the adapter gives up first
	server := under.Server()
	go p.flow.fill(ctx, server)
	return p.DestinationPlugin.Run(withFlow(ctx, p.flow), &stream{ctx: ctx, flow: p.flow, under: server})
}

// Stop returns when every record up to the last position has been answered. A write may take
// longer than a minute, after which the SDK would give up.
func (p *plugin) Stop(ctx context.Context, req pconnector.DestinationStopRequest) (pconnector.DestinationStopResponse, error) {
	end, err := p.flow.awaitAnswer(ctx, req.LastPosition)
	req.LastPosition = end // the adapter knows only the last position of each batch
	resp, stopErr := p.DestinationPlugin.Stop(ctx, req)
	return resp, errors.Join(err, stopErr)
}

// stream is Conduit's stream as the SDK's adapter sees it.
type stream struct {
	ctx   context.Context // for Recv, which has none; it ends with the stream
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

// Report sets the verdict on each record of the write with that ctx: nil when it is written,
// otherwise the error. It returns false, and does nothing, when the stream is not wrapped. The
// destination must then answer as the SDK requires.
func Report(ctx context.Context, verdicts []error) bool {
	f, ok := ctx.Value(flowKey{}).(*flow)
	if ok {
		f.report(verdicts)
	}
	return ok
}

// TakeBatching makes the wrapped stream hand over at most size records at once; 0 means any
// number. With a size of more than 1 it waits up to delay for that many records. Call it from
// Open, with its context. It returns false, and does nothing, when the stream is not wrapped.
// When it returns true, turn off the SDK's batching.
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
