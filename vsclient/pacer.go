package vsclient

import "github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"

// Limits are how much a [Pacer] lets through in any 60 seconds. In each, 0 means
// the limit that OpenAI publishes (API reference of POST /files and of the attach
// calls) and [NoLimit] turns it off.
type Limits struct {
	UploadsPerMinute        int // per user; OpenAI: 1,000
	AttachRequestsPerMinute int // per vector store; OpenAI: 300
	AttachedFilesPerMinute  int // per organization; OpenAI: 2,000
	ChangesPerMinute        int // removals and updates of attributes together; in force after the first 429. OpenAI publishes none; users report 300
}

// PublishedLimits returns the limits that 0 stands for.
func PublishedLimits() Limits { return Limits(pace.Published) }

// NoLimit turns a limit off.
const NoLimit = pace.NoLimit

// A Pacer keeps requests within [Limits]. Clients of one API key should share
// one: pass it to each in [Config].
//
// In no 60 seconds does it let more through than a limit, measured from the end
// of one request to the start of another, so that the limit holds however the
// server counts: by a bucket, by fixed or by sliding windows. The allowance may
// go at once. When the server answers 429 all the same, everything under that
// limit waits until the server will have it again, and goes evenly spaced for the
// minute after that: the server may not count by the minute.
type Pacer struct{ gates *pace.Pacer }

// NewPacer returns a Pacer for the limits.
func NewPacer(limits Limits) *Pacer { return &Pacer{pace.NewPacer(pace.Limits(limits))} }
