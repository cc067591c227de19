package vsclient

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Info is what the store holds under a key.
type Info struct {
	Key        string // "" in a listing, when the key is too long to be kept; see KeySHA256
	KeySHA256  string // hex
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

	digest   keyDigest
	replaces []string // Files that this version has replaced
}

func newInfo(key string, s storeFile) Info {
	id := decode(s.Attributes)
	if key == "" {
		key = id.key
	} else {
		id.digest = digestKey(key)
	}
	info := Info{
		Key: key, KeySHA256: id.digest.String(), FileID: s.ID, Size: id.source.size, SHA256: id.source.sha256,
		Status: s.Status, Version: id.version, UsageBytes: s.UsageBytes, Attributes: id.own,
		Chunking: parseChunking(id.source.chunking), AttachedAt: time.Unix(s.CreatedAt, 0),
		digest: id.digest, replaces: id.source.replaces,
	}
	if id.source.chunking == "" && s.Chunking.Static != nil {
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
	ctx, cancel := c.bind(ctx)
	defer cancel()
	info, err := c.get(ctx, key)
	return info, wrap("get", key, err)
}

func (c *Client) get(ctx context.Context, key string) (Info, error) {
	if err := checkKey(key); err != nil {
		return Info{}, err
	}
	info, err := c.shownVersion(ctx, key)
	if is(err, ErrNotFound) {
		// Someone else may have put it since the list of Files was read.
		if err := c.catalog.fresh(ctx, 0); err != nil {
			return Info{}, err
		}
		info, err = c.shownVersion(ctx, key)
	}
	return info, err
}

// shownVersion finds the version that Get tells of among the Files that are known.
func (c *Client) shownVersion(ctx context.Context, key string) (Info, error) {
	have, _, err := c.catalog.holdings(ctx, key)
	if err != nil {
		return Info{}, err
	}
	var found *Info
	for _, h := range have {
		show := c.shownStoreFile
		if h.doomed { // it need not be there
			show = func(ctx context.Context, f *file) (storeFile, error) { return c.getStoreFile(ctx, f.id, nil) }
		}
		s, err := show(ctx, h.f)
		if is(err, ErrNotFound) {
			c.catalog.gone(h.f)
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
		return Info{}, invalid(ErrNotFound, "the store holds no document of that key")
	}
	return *found, nil
}

// shownStoreFile asks for a store file that is known to be there.
func (c *Client) shownStoreFile(ctx context.Context, f *file) (storeFile, error) {
	return c.shown(ctx, f, c.catalog.recent, func() (storeFile, error) { return c.getStoreFile(ctx, f.id, nil) })
}

// shown makes a request about a store file again and again as long as the answer
// is 404 and that proves nothing: it may be for a while after an attach. Of a File
// that is gone it is the truth.
func (c *Client) shown(ctx context.Context, f *file, tooSoon func(file) bool, ask func() (storeFile, error)) (storeFile, error) {
	began := time.Now()
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, maxPoll) {
		s, err := ask()
		if !is(err, ErrNotFound) || !tooSoon(c.catalog.snapshot(f).file) || time.Since(began) > unseenTime {
			return s, err
		}
		if there, err2 := c.fileExists(ctx, f.id); err2 == nil && !there {
			return s, err
		}
		if err := pause(ctx, wait, nil); err != nil {
			return s, err
		}
	}
}

// Text returns the text that OpenAI parsed out of the key's document: for a PDF
// what it read, for text the text, not always to the byte. The bytes that were
// uploaded cannot be had: OpenAI refuses the download of Files of this purpose.
func (c *Client) Text(ctx context.Context, key string) (string, error) {
	ctx, cancel := c.bind(ctx)
	defer cancel()
	info, err := c.get(ctx, key)
	if err != nil {
		return "", wrap("get", key, err)
	}
	text, err := c.text(ctx, info.FileID)
	return text, wrap("read", key, err)
}

// contentPage has two shapes: the one that the spec declares, and the one of its
// example.
type contentPage struct {
	Data     []textPart `json:"data"`
	Content  []textPart `json:"content"`
	HasMore  bool       `json:"has_more"`
	NextPage string     `json:"next_page"`
}

type textPart struct {
	Text string `json:"text"`
}

func (c *Client) text(ctx context.Context, id string) (string, error) {
	var b strings.Builder
	for token := ""; ; {
		r := request{method: http.MethodGet, path: "vector_stores/%s/files/%s/content", ids: []string{c.cfg.VectorStoreID, id}}
		if token != "" {
			r.query = url.Values{"page": {token}}
		}
		p, err := send[contentPage](ctx, c, r)
		if err != nil {
			return "", err
		}
		for _, part := range append(p.Data, p.Content...) {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(part.Text)
		}
		if !p.HasMore || p.NextPage == "" {
			return b.String(), nil
		}
		if p.NextPage == token {
			// The spec names no parameter for the following page. If OpenAI does not
			// know ours, it answers the same page for ever.
			return "", &failure{kind: ErrUnavailable, reason: "the text is longer than one page, and OpenAI does not hand out the next one"}
		}
		token = p.NextPage
	}
}

// List iterates over all documents of the store, the earlier connector's
// included. It asks for a hundred at a time as the loop goes on. Just after a
// replacement, or a crash in one, a key may come twice, with different versions.
// An error ends the loop.
func (c *Client) List(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		ctx, cancel := c.bind(ctx)
		defer cancel()
		for s, err := range c.storeFiles(ctx) {
			if err != nil {
				yield(Info{}, wrap("list", "", err))
				return
			}
			if !yield(s, nil) {
				return
			}
		}
	}
}

// storeFiles reads the listing, without its ghosts and with what it does not show
// yet.
func (c *Client) storeFiles(ctx context.Context) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := c.catalog.fresh(ctx, refreshAfter); err != nil {
			yield(Info{}, err)
			return
		}
		unseen := c.catalog.recentIDs()
		// Of a File that is not known, it may have come since; one look tells of all.
		renewed := false
		known := func(key, id string) bool {
			if !c.catalog.has(key, id) && !renewed {
				renewed = c.catalog.fresh(ctx, 0) == nil
			}
			return c.catalog.has(key, id)
		}
		var names map[string]string
		emit := func(s storeFile) (more bool, err error) {
			id := decode(s.Attributes)
			key := id.key
			switch {
			case key != "" && !known(key, s.ID):
				return true, nil // its File is gone: the listing is behind
			case !marked(s.Attributes):
				// The earlier connector's key is the name of the File, which this
				// listing does not carry.
				if names == nil {
					if names, err = c.fileNames(ctx); err != nil {
						return false, err
					}
				}
				if key = names[s.ID]; key == "" {
					return true, nil
				}
			}
			return yield(newInfo(key, s), nil), nil
		}
		for data, err := range c.listStoreFiles(ctx) {
			if err != nil {
				yield(Info{}, err)
				return
			}
			for _, s := range data {
				delete(unseen, s.ID)
				if more, err := emit(s); err != nil {
					yield(Info{}, err)
					return
				} else if !more {
					return
				}
			}
		}
		for id := range unseen {
			s, err := c.getStoreFile(ctx, id, nil)
			if is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				yield(Info{}, err)
				return
			}
			if more, err := emit(s); err != nil {
				yield(Info{}, err)
				return
			} else if !more {
				return
			}
		}
	}
}

// fileNames reads the names of all Files of our purpose.
func (c *Client) fileNames(ctx context.Context) (map[string]string, error) {
	names := make(map[string]string)
	for data, err := range c.listFiles(ctx, filesPage) {
		if err != nil {
			return nil, err
		}
		for _, f := range data {
			names[f.ID] = f.Filename
		}
	}
	return names, nil
}
