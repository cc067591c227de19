package vsclient

import (
	"context"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// Info is what the store holds under a key.
type Info struct {
	Key        string // "" in a listing, where it is too long to be kept beside the attributes; see KeySHA256
	KeySHA256  string // of the key, hex
	FileID     string
	Size       int64  // in bytes; 0: not known, as for a file of the earlier connector
	SHA256     string // of the content, hex; "" likewise
	Status     Status
	Reason     string // why indexing failed, "" otherwise
	Version    int64  // grows with each change of the key; 0 for a file of the earlier connector
	AttachedAt time.Time
	UsageBytes int64 // what OpenAI counts as storage
	Attributes Attributes
	Chunking   Chunking

	digest   naming.Digest
	replaces []string // Files that this version has replaced
}

func newInfo(key string, s wire.StoreFile) Info {
	id := naming.Decode(s.Attributes)
	if key == "" {
		key = id.Key
	} else {
		id.Digest = naming.DigestOf(key)
	}
	info := Info{
		Key: key, KeySHA256: id.Digest.String(), FileID: s.ID, Size: id.Source.Size, SHA256: id.Source.SHA256,
		Status: Status(s.Status), Version: id.Version, UsageBytes: s.UsageBytes, Attributes: id.Own,
		Chunking: Chunking(naming.ParseChunking(id.Source.Chunking)), AttachedAt: time.Unix(s.CreatedAt, 0),
		digest: id.Digest, replaces: id.Source.Replaces,
	}
	if id.Source.Chunking == "" && s.Chunking.Static != nil {
		info.Chunking = Chunking(*s.Chunking.Static)
	}
	if s.LastError != nil {
		info.Reason = s.LastError.String()
	}
	return info
}

// Get tells what the store holds under the key: of several versions the newest
// that is searchable, or the newest when none is. A key that has no document is
// [ErrNotFound].
func (c *Client) Get(ctx context.Context, key string) (Info, error) {
	ctx, over := c.begin(ctx)
	defer over()
	info, err := c.get(ctx, key)
	return info, wrap("get", key, err)
}

func (c *Client) get(ctx context.Context, key string) (Info, error) {
	if err := naming.CheckKey(key); err != nil {
		return Info{}, err
	}
	have, _, err := c.catalog.holdings(ctx, key)
	if err != nil {
		return Info{}, err
	}
	info, err := c.shownVersion(ctx, key, have)
	if !is(err, ErrNotFound) {
		return info, err
	}
	// Someone else may have put it since.
	if have, _, err = c.catalog.holdingsNow(ctx, key); err != nil {
		return Info{}, err
	}
	return c.shownVersion(ctx, key, have)
}

// shownVersion finds the version that Get tells of.
func (c *Client) shownVersion(ctx context.Context, key string, have []held) (Info, error) {
	var found *Info
	for _, h := range have {
		show := c.shownStoreFile
		if h.doomed { // it need not be there
			show = func(ctx context.Context, f *file) (wire.StoreFile, error) { return c.getStoreFile(ctx, f.id) }
		}
		s, err := show(ctx, h.f)
		if is(err, ErrNotFound) {
			c.catalog.noteAbsent(h.f)
			continue
		}
		if err != nil {
			return Info{}, err
		}
		info := newInfo(key, s)
		if info.Size == 0 {
			info.Size = h.size
		}
		if info.Status == StatusCompleted {
			return info, nil
		}
		if found == nil {
			found = &info
		}
	}
	if found == nil {
		return Info{}, fail.New(ErrNotFound, "the store holds no document of that key")
	}
	return *found, nil
}

// shownStoreFile asks for a store file that is known to be there.
func (c *Client) shownStoreFile(ctx context.Context, f *file) (wire.StoreFile, error) {
	return c.shown(ctx, f, c.catalog.recent, func() (wire.StoreFile, error) { return c.getStoreFile(ctx, f.id) })
}

// shown makes a request about a store file again and again as long as the answer
// is 404 and that proves nothing: it may be for a while after an attach. Of a File
// that is gone it is the truth.
func (c *Client) shown(ctx context.Context, f *file, tooSoon func(file) bool, ask func() (wire.StoreFile, error)) (wire.StoreFile, error) {
	began := time.Now()
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, maxPoll) {
		s, err := ask()
		if !is(err, ErrNotFound) || !tooSoon(c.catalog.snapshot(f).file) || time.Since(began) > unseenTime {
			return s, err
		}
		if there, err2 := c.fileExists(ctx, f.id); err2 == nil && !there {
			return s, err
		}
		if err := wire.Pause(ctx, wait, nil); err != nil {
			return s, err
		}
	}
}
