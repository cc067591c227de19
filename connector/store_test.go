package openaivs_test

import (
	"fmt"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// document is a document in the emulator.
type document struct {
	name       string
	content    string
	status     string
	attributes map[string]any // without the client's
	versions   int            // how many are attached under that key
}

// documents returns the documents of a store by key, or by digest when the key is too long.
func documents(server *openaitest.Server, store string) map[string]document {
	docs := make(map[string]document)
	for _, f := range server.Snapshot().Store(store).Files {
		key := ""
		own := make(map[string]any)
		for i := range 4 {
			name := "vs_key"
			if i > 0 {
				name = fmt.Sprintf("vs_key_%d", i+1)
			}
			part, _ := f.Attributes[name].(string)
			key += part
		}
		if key == "" {
			key, _ = f.Attributes["vs_key_sha256"].(string)
		}
		if key == "" {
			key = f.Filename
		}
		for n, v := range f.Attributes {
			if len(n) < 3 || n[:3] != "vs_" {
				own[n] = v
			}
		}
		docs[key] = document{
			name:       f.Filename,
			content:    string(server.Content(f.FileID)),
			status:     f.Status,
			attributes: own,
			versions:   docs[key].versions + 1,
		}
	}
	return docs
}
