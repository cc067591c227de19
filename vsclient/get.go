package vsclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Status is the state of a store file.
type Status string

// The states that OpenAI documents. A search finds a file that is completed.
const (
	InProgress Status = "in_progress"
	Completed  Status = "completed"
	Failed     Status = "failed"
	Cancelled  Status = "cancelled"
)

// Info describes a document as the store holds it.
type Info struct {
	Key        string // empty where an earlier release has kept a digest alone: the key was too long, or without room beside many attributes
	FileID     string
	Size       int64  // in bytes; 0: not known, as for a file of the earlier connector
	SHA256     string // of the content, hex; empty likewise
	Status     Status
	Code       string // why indexing failed, as OpenAI says; empty otherwise
	Reason     string // the same in words
	Version    int64  // grows with each change of the key; 0 for a file of the earlier connector
	AttachedAt time.Time
	UsageBytes int64 // storage that OpenAI counts
	Attributes Attributes
	Chunking   Chunking
}

func newInfo(key string, s wire.StoreFile) Info {
	id := naming.Decode(s.Attributes)
	info := Info{
		Key: cmp.Or(key, id.Key), FileID: s.ID, Size: id.Source.Size, SHA256: id.Source.SHA256, Status: Status(s.Status), Version: id.Version,
		UsageBytes: s.UsageBytes, Attributes: id.Own, Chunking: Chunking(naming.ParseChunking(id.Source.Chunking)),
		AttachedAt: time.Unix(s.CreatedAt, 0),
	}
	if id.Source.Chunking == "" && s.Chunking.Static != nil {
		info.Chunking = Chunking(*s.Chunking.Static)
	}
	if s.LastError != nil {
		info.Code, info.Reason = s.LastError.Code, s.LastError.Message
	}
	return info
}

// Get describes the key's document: of several versions the newest that is
// searchable, or the newest when none is. A key without a document is
// [ErrNotFound]. One that this client has just put, and that OpenAI denies for more than
// half a minute, is [ErrUnavailable].
func (c *Client) Get(ctx context.Context, key string) (Info, error) {
	ctx, over, err := c.reading(ctx, key)
	if err != nil {
		return Info{}, wrap("get", key, err)
	}
	defer over()
	info, err := c.get(ctx, key)
	return info, wrap("get", key, err)
}

// reading begins a call that reads the key's document, and returns the end of it.
func (c *Client) reading(ctx context.Context, key string) (_ context.Context, over func(), err error) {
	if err := naming.CheckKey(key); err != nil {
		return nil, nil, err
	}
	if ctx, over, err = c.life.Begin(ctx); err == nil {
		c.keep.Start(false)
	}
	return ctx, over, err
}

func (c *Client) get(ctx context.Context, key string) (Info, error) {
	look, before := c.view.Holdings, ""
	for again := false; ; again = true {
		h, _, err := look(ctx, c.view.Doc(key))
		if err != nil {
			return Info{}, err
		}
		info, err := c.newestShown(ctx, key, h)
		newest, found := h.Newest()
		switch {
		case !errors.Is(err, fail.NotFound), again && !found: // HoldingsNow has asked for the store
			return info, err
		case again && newest.ID == before:
			return Info{}, cmp.Or(c.view.StoreThere(ctx), err)
		}
		if look, before = c.view.HoldingsNow, newest.ID; found { // others may have put it since
			look = c.view.HoldingsAnew // or replaced it
		}
	}
}

// newestShown describes the version that a reader finds.
func (c *Client) newestShown(ctx context.Context, key string, h ledger.Holdings) (Info, error) {
	var found *Info
	var hidden error // of a version that cannot be seen yet
	for _, v := range h.Versions {
		var s wire.StoreFile
		var err error
		if attached := v.Status == ledger.InProgress; v.Open && !attached || v.Going || attached && len(h.Versions) > 1 {
			s, _, err = c.wire.StoreFile(ctx, v.ID) // it need not be there
		} else {
			s, err = c.view.Shown(ctx, v.ID)
		}
		if errors.Is(err, fail.NotFound) {
			hidden = cmp.Or(hidden, c.view.Absent(v.ID))
			continue
		}
		if err != nil {
			return Info{}, err
		}
		c.view.Read(s)
		info := newInfo(key, s)
		info.Size = cmp.Or(info.Size, v.Size)
		if info.Status == Completed {
			return info, nil
		}
		found = cmp.Or(found, &info)
	}
	switch {
	case found != nil && (hidden == nil || found.Status == InProgress):
		return *found, nil
	case hidden != nil:
		return Info{}, cmp.Or(c.view.StoreThere(ctx), hidden)
	}
	return Info{}, fail.New(fail.NotFound, "the store holds no document of that key")
}

// Text returns the text that OpenAI has parsed out of the key's document. It may differ from
// the text that was uploaded. The uploaded bytes cannot be downloaded: OpenAI refuses that for
// purposes such as "assistants". A text of more than 64 MB is [ErrTooLarge], and a reply of more
// than 33 MB is [ErrUnavailable]. A document that is not searchable and has no text is
// [ErrIndexing], of class [Transient] while it is being indexed. Where OpenAI answers 404 for the
// text of a document that is there, as users have reported (openai-node issue 1691), the error is
// [ErrNotFound] too.
func (c *Client) Text(ctx context.Context, key string) (string, error) {
	ctx, over, err := c.reading(ctx, key)
	if err != nil {
		return "", wrap("text", key, err)
	}
	defer over()
	text, err := c.text(ctx, key)
	return text, wrap("text", key, err)
}

func (c *Client) text(ctx context.Context, key string) (string, error) {
	for before := ""; ; {
		info, err := c.get(ctx, key)
		if err != nil {
			return "", err
		}
		text, err := c.wire.Text(ctx, info.FileID)
		if text == "" && err == nil && info.Status != Completed {
			e := &fail.Error{Kind: fail.Indexing, Reason: fmt.Sprintf("File %s is %q and has no text", info.FileID, info.Status)}
			if info.Status == InProgress {
				e.Kind, e.Err = fail.Unavailable, fail.Indexing
			}
			return "", e
		}
		if !errors.Is(err, fail.NotFound) || info.FileID == before {
			return text, err
		}
		before = info.FileID // it may have been replaced meanwhile
	}
}

// List iterates over all documents of the store, files of other tools included. It
// asks for a hundred at a time as the loop goes on. Just after a replacement, or a
// crash in one, a key may come twice, with different versions. A document that this client
// replaces during the loop comes at least once. Where OpenAI refuses to go on from a document
// that was removed, the listing begins anew, and a version may come twice. An error ends the loop.
func (c *Client) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		ctx, over, err := c.life.Begin(ctx)
		if err != nil {
			yield(Info{}, wrap("list", "", err))
			return
		}
		defer over()
		c.keep.Start(false)
		for e, err := range c.view.Entries(ctx) {
			if err != nil {
				yield(Info{}, wrap("list", "", err))
				return
			}
			if !yield(newInfo(e.Key, e.StoreFile), nil) {
				return
			}
		}
	}
}

// KeyOf returns the key of a search hit, or of any store file, from its attributes.
// It reports false for a file that this package has not written.
func KeyOf(attributes map[string]any) (key string, ok bool) {
	id := naming.Decode(attributes)
	return id.Key, id.Key != ""
}
