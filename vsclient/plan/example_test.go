package plan_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// folder is the source of the examples.
type folder map[string]string

func (f folder) documents(keys ...string) iter.Seq2[vsclient.Document, error] {
	return func(yield func(vsclient.Document, error) bool) {
		for _, key := range keys {
			d, _, err := f.open(context.Background(), key)
			if !yield(d, err) {
				return
			}
		}
	}
}

func (f folder) open(_ context.Context, key string) (vsclient.Document, bool, error) {
	text, there := f[key]
	return vsclient.Document{Key: key, Content: vsclient.Bytes([]byte(text))}, there, nil
}

// exampleClient returns a client of an emulated store, so that the examples run without a
// key.
func exampleClient() *vsclient.Client {
	api := openaitest.New(openaitest.Config{})
	client, err := vsclient.New(vsclient.Config{APIKey: "sk-example", VectorStoreID: api.NewVectorStore("docs"), BaseURL: api.URL(), HTTPClient: api.Client()})
	if err != nil {
		log.Fatal(err)
	}
	return client
}

// A plan shows the changes before they are made. The second one is of a folder in which a
// page has changed and another is gone.
func Example() {
	client := exampleClient()
	defer func() { _ = client.Close() }()
	ctx := context.Background()

	options := plan.Options{Scope: plan.Scope{Owner: "handbook"}}
	sync := func(documents iter.Seq2[vsclient.Document, error]) {
		p, err := plan.Make(ctx, client, documents, options)
		if err != nil {
			log.Fatal(err)
		}
		for _, e := range p.Entries {
			fmt.Println(e.Action, e.Key)
		}
		report, err := p.Execute(ctx, client, plan.ExecuteOptions{}, nil)
		fmt.Println(report.Done, "done", report.Err(), err)
	}
	sync(folder{"travel.md": "Book early.", "pets.md": "No dogs."}.documents("travel.md", "pets.md"))
	sync(folder{"travel.md": "Book late."}.documents("travel.md"))
	// Output:
	// create travel.md
	// create pets.md
	// 2 done <nil> <nil>
	// replace travel.md
	// remove pets.md
	// 2 done <nil> <nil>
}

// A plan can be kept, looked at by somebody, and executed by another process. That opens
// the documents again.
func ExamplePlan_Execute() {
	client := exampleClient()
	defer func() { _ = client.Close() }()
	ctx := context.Background()
	source := folder{"travel.md": "Book early.", "pets.md": "No dogs."}

	made, err := plan.Make(ctx, client, source.documents("travel.md", "pets.md"), plan.Options{})
	if err != nil {
		log.Fatal(err)
	}
	kept, err := json.Marshal(made)
	if err != nil {
		log.Fatal(err)
	}

	source["pets.md"] = "Dogs are welcome."
	var p plan.Plan
	if err := json.Unmarshal(kept, &p); err != nil {
		log.Fatal(err)
	}
	report, err := p.Execute(ctx, client, plan.ExecuteOptions{Source: source.open}, func(progress plan.Progress) {
		fmt.Println(progress.Done, "of", progress.Total)
	})
	fmt.Println(report.Done, "done", err)
	for _, e := range report.Stale {
		fmt.Println(e.Key, "is stale:", e.Withheld)
	}
	// Output:
	// 1 of 2
	// 2 of 2
	// 1 done <nil>
	// pets.md is stale: the source's content has changed since the plan was made
}
