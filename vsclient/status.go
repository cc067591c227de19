package vsclient

import "github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"

// Status is where a store file is on its way to being searchable.
type Status string

// The states that OpenAI documents.
const (
	StatusInProgress = Status(wire.InProgress)
	StatusCompleted  = Status(wire.Completed)
	StatusFailed     = Status(wire.Failed)
	StatusCancelled  = Status(wire.Cancelled)
)
