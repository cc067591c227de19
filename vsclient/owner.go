package vsclient

import (
	"context"
	"fmt"
	"hash/maphash"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// ownerOf is whose a document with these attributes is, as a hash; 0: nobody's.
func (c *Client) ownerOf(own Attributes) uint32 {
	v, ok := own[c.cfg.OwnerAttribute]
	if c.cfg.OwnerAttribute == "" || !ok {
		return 0
	}
	return max(1, uint32(maphash.String(c.seed, fmt.Sprint(v)))) //nolint:gosec // a part of the hash is enough
}

// checkOwner refuses a change to a document that is another owner's.
func (c *Client) checkOwner(ctx context.Context, v *version, have []held) error {
	if v.owner == 0 {
		return nil
	}
	for _, h := range have {
		if h.owner == 0 || h.owner == v.owner {
			continue
		}
		name := c.cfg.OwnerAttribute
		reason := fmt.Sprintf("its document has another %s than this change (%q)", name, fmt.Sprint(v.own[name]))
		if s, err := c.getStoreFile(ctx, h.id); err == nil {
			reason = fmt.Sprintf("its document has the %s %q, and this change %q", name, fmt.Sprint(s.Attributes[name]), fmt.Sprint(v.own[name]))
		}
		return fail.New(ErrConflict, "%s; use keys that differ", reason)
	}
	return nil
}
