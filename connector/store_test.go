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

// documents returns the documents of a store by key, or by the name of the File where the client
// has not written them.
func documents(server *openaitest.Server, store string) map[string]document {
	docs := make(map[string]document)
	for _, f := range server.Snapshot().Store(store).Files {
		key := ""
		own := make(map[string]any)
		for n, name := 1, "vs_key"; f.Attributes[name] != nil; name = fmt.Sprintf("vs_key_%d", n) {
			key += f.Attributes[name].(string)
			n++
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
