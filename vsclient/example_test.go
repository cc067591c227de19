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
	defer func() { _ = client.Close() }()

	result, err := client.Put(context.Background(), vsclient.Document{
		Key:        "handbook/travel.md",
		Content:    vsclient.Bytes([]byte("# Travel\nBook early.")),
		Attributes: vsclient.Attributes{"team": "people", "year": 2026},
	})
	fmt.Println(result.Outcome, err)
	// Output: created <nil>
}

// A second Put of a key replaces its document. The new version is searchable
// before the old one goes; the same document again uploads nothing.
func ExampleClient_Put_replace() {
	client := newClient()
	defer func() { _ = client.Close() }()
	ctx := context.Background()

	for _, text := range []string{"first", "second", "second"} {
		result, err := client.Put(ctx, vsclient.Document{Key: "notes.md", Content: vsclient.Bytes([]byte(text))})
		fmt.Println(result.Outcome, err)
	}
	// Output:
	// created <nil>
	// replaced <nil>
	// unchanged <nil>
}

func ExampleClient_Apply() {
	client := newClient()
	defer func() { _ = client.Close() }()

	put := func(key, text string) vsclient.Change {
		return vsclient.Put(vsclient.Document{Key: key, Content: vsclient.Bytes([]byte(text))})
	}
	results := client.Apply(context.Background(), []vsclient.Change{
		put("a.md", "one"),
		put("b.md", ""), // refused: it is empty, and takes no other along
		put("a.md", "two"),
		vsclient.Delete("c.md"),
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
	defer func() { _ = client.Close() }()
	ctx := context.Background()
	if _, err := client.Put(ctx, vsclient.Document{Key: `{"id":7}`, Content: vsclient.Bytes([]byte("seven"))}); err != nil {
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

// An error tells its kind, and by its class who has to act: a bad document is set
// aside, a transient failure is tried again, a fatal one needs a person.
func ExampleError() {
	client := newClient()
	defer func() { _ = client.Close() }()

	_, err := client.Put(context.Background(), vsclient.Document{Key: "photo", Content: vsclient.Bytes([]byte{0xff, 0xd8})})
	fmt.Println(errors.Is(err, vsclient.ErrUnsupportedType), vsclient.ClassOf(err))
	var e *vsclient.Error
	if errors.As(err, &e) {
		fmt.Println(e.Op, e.Key)
	}
	// Output:
	// true bad document
	// put photo
}

// A change can ask for the attributes that the stored document must have, so that two
// owners of one key do not overwrite each other.
func ExampleChange_If() {
	client := newClient()
	defer func() { _ = client.Close() }()

	ours, theirs := vsclient.Attributes{"table": "users"}, vsclient.Attributes{"table": "orders"}
	put := func(a vsclient.Attributes) vsclient.Change {
		return vsclient.Put(vsclient.Document{Key: `{"id":7}`, Content: vsclient.Bytes([]byte("seven")), Attributes: a}).If(a)
	}
	for _, r := range client.Apply(context.Background(), []vsclient.Change{put(ours), put(theirs)}, nil) {
		fmt.Println(r.Outcome, errors.Is(r.Err, vsclient.ErrConflict))
	}
	// Output:
	// created false
	//  true
}

// A process that was killed may leave a File behind that is attached nowhere. Look
// at the strays before removing them.
func ExampleClient_Sweep() {
	client := newClient()
	defer func() { _ = client.Close() }()
	ctx := context.Background()

	options := vsclient.SweepOptions{
		DryRun: true,
		Keys:   []string{"a.md", "b.md"}, // uploaded by the killed run and by nobody else
		Since:  time.Now().Add(-24 * time.Hour),
	}
	strays, err := client.Sweep(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range strays {
		fmt.Println(s.FileID, s.Name, s.Why)
	}
	options.DryRun = false
	strays, err = client.Sweep(ctx, options)
	fmt.Println(len(strays), err)
	// Output: 0 <nil>
}

// The key of a search hit is in its attributes.
func ExampleKeyOf() {
	hit := map[string]any{"vs_key": "handbook/travel.md", "vs_version": "1700000000000000", "team": "people"}
	fmt.Println(vsclient.KeyOf(hit))
	// Output: handbook/travel.md true
}
