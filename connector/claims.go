package openaivs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// claims keep records of two collections with one key from overwriting each
// other. The row 7 of one table and the row 7 of another have the same key, and
// to the store they would be one document.
//
// Each document bears its collection as an attribute. The first time that a key
// is met, the stored document is asked for it (a new key costs no request); after
// that it is remembered.
type claims struct {
	store store

	ids    map[string]uint32 // of collections; "" is 0
	names  []string
	owners map[[16]byte]uint32 // by digest of the key
}

// mostClaims bounds the memory: what is forgotten is asked for again.
const mostClaims = 1 << 20

func newClaims(s store) *claims {
	return &claims{store: s, ids: map[string]uint32{"": 0}, names: []string{""}, owners: make(map[[16]byte]uint32)}
}

func claimKey(key string) [16]byte {
	sum := sha256.Sum256([]byte(key))
	return [16]byte(sum[:16])
}

// learn asks the store for the owners of the keys that are not known yet, all at
// once, so that the client can answer many of them from one listing. Errors are
// by key.
func (c *claims) learn(ctx context.Context, keys []string) map[string]error {
	if len(c.owners)+len(keys) > mostClaims {
		clear(c.owners)
	}
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		asked = make(map[string]bool)
		errs  = make(map[string]error)
	)
	for _, key := range keys {
		mu.Lock()
		_, known := c.owners[claimKey(key)]
		mu.Unlock()
		if known || asked[key] {
			continue
		}
		asked[key] = true
		wg.Go(func() {
			info, err := c.store.Get(ctx, key)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && !errors.Is(err, vsclient.ErrNotFound) {
				errs[key] = err
				return
			}
			owner, _ := info.Attributes[collectionAttribute].(string)
			c.owners[claimKey(key)] = c.id(owner)
		})
	}
	wg.Wait()
	return errs
}

func (c *claims) id(collection string) uint32 {
	id, ok := c.ids[collection]
	if !ok {
		id = uint32(len(c.names))
		c.ids[collection] = id
		c.names = append(c.names, collection)
	}
	return id
}

// claim makes the collection the owner of the key, or says whose it is.
func (c *claims) claim(key, collection string) error {
	owner := c.owners[claimKey(key)]
	if id := c.id(collection); owner != 0 && owner != id {
		return fmt.Errorf("key %q: the document belongs to the collection %q, and this record to %q; set collection_in_key to true, or give each collection a vector store of its own", shorten(key), c.names[owner], collection)
	}
	c.owners[claimKey(key)] = c.id(collection)
	return nil
}

// release makes the key nobody's, for one that was deleted.
func (c *claims) release(key string) { c.owners[claimKey(key)] = 0 }

// forget has the store asked again, when it is not clear what it holds.
func (c *claims) forget(key string) { delete(c.owners, claimKey(key)) }
