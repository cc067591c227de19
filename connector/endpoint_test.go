package openaivs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

func TestTheEndpointIsShownWithoutAToken(t *testing.T) {
	for raw, want := range map[string]string{"https://t0ken@h/v1": "https://xxxxx@h/v1", "https://u:p@h/v1": "https://xxxxx@h/v1", "https://h/v1": "https://h/v1"} {
		if shown := redacted(raw); shown != want {
			t.Errorf("%q is shown as %q", raw, shown)
		}
	}
}

func TestTheSettingToBlameIsNamed(t *testing.T) {
	refused := func(kind error, message string) error {
		return fmt.Errorf("%w: %w", kind, &vsclient.APIError{Message: message})
	}
	for _, tt := range []struct {
		name, url string
		err       error
		blames    string
	}{
		{"an expired store at any URL", "https://h/api", vsclient.ErrStoreGone, "vector_store_id:"},
		{"a store that is not there, at a URL that ends in /v1", "https://h/v1/", refused(vsclient.ErrStoreGone, "no such store"), "vector_store_id:"},
		{"a store that is not there, at another URL", "https://h/api", refused(vsclient.ErrStoreGone, "it has expired; it was deleted"), "base_url:"},
		{"an id that the server refuses", "https://h/v1", refused(vsclient.ErrIncompatible, "Invalid 'vector_store_id'"), "vector_store_id:"},
		{"a server of another kind", "https://vector_store_id/v1", refused(vsclient.ErrIncompatible, "no such path"), "checking"},
		{"a server that does not answer", "https://h/api", vsclient.ErrUnavailable, "base_url: https://h/api cannot be reached"},
	} {
		d := Destination{config: Config{BaseURL: tt.url, VectorStoreID: "vs_1"}}
		if err := d.explain(tt.err); !strings.HasPrefix(err.Error(), tt.blames) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
