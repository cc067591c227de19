package vsclient

import (
	"context"
	"fmt"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// reattachPauses are the waits before a file whose indexing failed by OpenAI's own
// fault is attached anew.
var reattachPauses = []time.Duration{time.Second, 4 * time.Second, 15 * time.Second}

// index attaches the File and waits until it is searchable. taken is called when
// OpenAI has taken the attach, and about each fresh one: before it, since what was
// there is not to be found for a while, and after it. On an error the File may be
// attached, and not be searchable.
func (c *Client) index(ctx context.Context, f wire.Attachment, arrived, taken func()) error {
	at, err := c.attacher.attach(ctx, f, arrived)
	if err != nil {
		return err
	}
	taken()
	end := at.attached.Add(c.cfg.IndexTimeout)
	stuck, failures := false, 0
	for {
		until := end
		if !stuck {
			until = at.attached.Add(c.cfg.IndexTimeout / 2)
		}
		o, err := c.await(ctx, at, earlier(until, end))
		if err != nil {
			return err
		}
		switch {
		case o.status == wire.Completed:
			return nil
		case !o.final():
			if stuck || !time.Now().Before(end) {
				return &fail.Error{
					Kind:   ErrIndexing,
					Reason: fmt.Sprintf("File %s was still %q after %v, and attaching it anew did not help", f.FileID, wire.InProgress, c.cfg.IndexTimeout),
					Err:    ErrTimeout,
				}
			}
			stuck = true
		case o.status == wire.Failed && !o.passing(), failures == len(reattachPauses):
			return o.err(f.FileID, failures)
		default:
			if err := wire.Pause(ctx, reattachPauses[failures], nil); err != nil {
				return err
			}
			failures++
		}
		taken()
		if o.status != missing {
			if _, err := c.wire.Detach(ctx, f.FileID); err != nil {
				return err
			}
		}
		if at, err = c.attacher.attachAlone(ctx, f); err != nil {
			return err
		}
		taken()
	}
}

// passing reports whether indexing failed by a fault of OpenAI's that may pass.
// Codes are an open set: whatever does not speak of the file is taken for one.
func (o outcome) passing() bool {
	if o.reason == nil {
		return true
	}
	switch o.reason.Code {
	case "unsupported_file", "invalid_file", "unhandled_mime_type", "parsing_error", "file_not_found":
		return false
	}
	return true
}

func (o outcome) err(id string, retries int) error {
	e := &fail.Error{Kind: ErrIndexing, Reason: fmt.Sprintf("File %s is %q: %v", id, o.status, o.reason)}
	if o.status == missing {
		e.Reason = fmt.Sprintf("OpenAI took File %s, but the vector store does not show it", id)
	}
	if retries > 0 {
		e.Reason += fmt.Sprintf("; it was attached %d times", retries+1)
	}
	if o.passing() {
		e.Err = ErrUnavailable
	}
	return e
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
