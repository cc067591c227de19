package vsclient_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// newClient returns a client of an emulated store, so that the examples run
// without a key. Yours needs APIKey and VectorStoreID alone.
func newClient() *vsclient.Client {
	api := openaitest.New(openaitest.Config{})
	client, err := vsclient.New(vsclient.Config{
		APIKey:        "sk-example",
		VectorStoreID: api.NewVectorStore("docs"),
		BaseURL:       api.URL(),
		HTTPClient:    api.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func ExampleClient_Put() {
	client := newClient()
	defer client.Close()

	result, err := client.Put(context.Background(), vsclient.Document{
		Key:        "handbook/travel.md",
		Content:    vsclient.String("# Travel\nBook early."),
		Attributes: vsclient.Attributes{"team": "people", "year": 2026},
	})
	fmt.Println(result.Outcome, err)
	// Output: created <nil>
}

// A second Put of a key replaces its document. The new version is searchable
// before the old one goes; the same document again costs nothing.
func ExampleClient_Put_replace() {
	client := newClient()
	defer client.Close()
	ctx := context.Background()

	for _, text := range []string{"first", "second", "second"} {
		result, err := client.Put(ctx, vsclient.Document{Key: "notes.md", Content: vsclient.String(text)})
		fmt.Println(result.Outcome, err)
	}
	// Output:
	// created <nil>
	// replaced <nil>
	// unchanged <nil>
}

func ExampleClient_Apply() {
	client := newClient()
	defer client.Close()

	put := func(key, text string) vsclient.Change {
		return vsclient.Change{Op: vsclient.OpPut, Document: vsclient.Document{Key: key, Content: vsclient.String(text)}}
	}
	results := client.Apply(context.Background(), []vsclient.Change{
		put("a.md", "one"),
		put("b.md", ""), // refused: it is empty, and takes no other along
		put("a.md", "two"),
		{Op: vsclient.OpDelete, Document: vsclient.Document{Key: "c.md"}},
	}, nil)
	for _, r := range results {
		fmt.Println(r.Key, r.Outcome, errors.Is(r.Err, vsclient.ErrEmpty))
	}
	// Output:
	// a.md created false
	// b.md  true
	// a.md created false
	// c.md absent false
}

func ExampleClient_List() {
	client := newClient()
	defer client.Close()
	ctx := context.Background()
	if _, err := client.Put(ctx, vsclient.Document{Key: `{"id":7}`, Content: vsclient.String("seven")}); err != nil {
		log.Fatal(err)
	}

	for doc, err := range client.List(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(doc.Key, doc.Size, doc.Status)
	}
	// Output: {"id":7} 5 completed
}

// An error tells its kind, whether the document is to blame, and whether trying
// again can help.
func ExampleError() {
	client := newClient()
	defer client.Close()

	_, err := client.Put(context.Background(), vsclient.Document{Key: "photo", Content: vsclient.Bytes([]byte{0xff, 0xd8})})
	fmt.Println(errors.Is(err, vsclient.ErrUnsupportedType), vsclient.IsDocumentError(err), vsclient.Retryable(err))
	var e *vsclient.Error
	if errors.As(err, &e) {
		fmt.Println(e.Op, e.Key)
	}
	// Output:
	// true true false
	// put photo
}

// A process that was killed may leave a File behind that is attached nowhere. Look
// at what is found before removing it.
func ExampleClient_Leftovers() {
	client := newClient()
	defer client.Close()
	ctx := context.Background()

	started := time.Now().Add(-24 * time.Hour) // of the run that was killed
	found, err := client.Leftovers(ctx, vsclient.LeftoverOptions{
		Keys:  []string{"a.md", "b.md"}, // uploaded by that run and by nobody else
		Since: started,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range found {
		fmt.Println(f.FileID, f.Name, f.Evidence)
	}
	removed, err := client.RemoveLeftovers(ctx, found)
	fmt.Println(removed, err)
	// Output: 0 <nil>
}
