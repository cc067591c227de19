package vsclient

import (
	"context"
	"iter"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

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
		unseen := c.catalog.recentFiles()
		// Of a File that is not known, it may have come since; one look tells of all.
		renewed := false
		known := func(key, id string) bool {
			if !c.catalog.has(key, id) && !renewed {
				renewed = c.catalog.fresh(ctx, 0) == nil
			}
			return c.catalog.has(key, id)
		}
		var names map[string]string
		emit := func(s wire.StoreFile) (more bool, err error) {
			id := naming.Decode(s.Attributes)
			key := id.Key
			switch {
			case c.catalog.isDropped(s.ID), key != "" && !known(key, s.ID):
				return true, nil // its File is gone: the listing is behind
			case !naming.Marked(s.Attributes):
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
		for data, err := range c.wire.StoreFiles(ctx) {
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
		for id, f := range unseen {
			s, err := c.shown(ctx, f, c.catalog.justAttached, func() (wire.StoreFile, error) { return c.getStoreFile(ctx, id) })
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
	for data, err := range c.wire.Files(ctx, wire.FilesPage) {
		if err != nil {
			return nil, err
		}
		for _, f := range data {
			names[f.ID] = f.Filename
		}
	}
	return names, nil
}
