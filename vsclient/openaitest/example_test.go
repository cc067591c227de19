package openaitest_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// A test of code that uploads a file and attaches it. In a real test, call it inside
// synctest.Test: the indexing then takes no time.
func Example() {
	s := openaitest.New(openaitest.Config{IndexTime: 20 * time.Millisecond})
	defer s.Close()
	client := openai.NewClient(option.WithAPIKey("any"), option.WithBaseURL(s.URL()), option.WithHTTPClient(s.Client()))
	store := s.NewVectorStore("docs")

	file := openai.FileNewParams{File: openai.File(strings.NewReader("Cats sleep."), "cats.md", "text/markdown"), Purpose: openai.FilePurposeAssistants}
	if _, err := client.VectorStores.FileBatches.UploadAndPoll(context.Background(), store, []openai.FileNewParams{file}, nil, 5); err != nil {
		fmt.Println(err)
	}
	for _, f := range s.Snapshot().Store(store).Files {
		fmt.Println(f.Filename, f.Status)
	}
	// Output: cats.md completed
}

// The second upload takes effect, but its reply is lost. The SDK sends it again, and
// there are two files.
func ExampleServer_Inject() {
	s := openaitest.New(openaitest.Config{})
	s.Inject(openaitest.Fault{Method: "POST", Path: "/files", Nth: 2, Kind: openaitest.FaultCut, AfterEffect: true})
	client := openai.NewClient(option.WithAPIKey("any"), option.WithBaseURL(s.URL()), option.WithHTTPClient(s.Client()))
	for _, name := range []string{"a.md", "b.md"} {
		_, err := client.Files.New(context.Background(), openai.FileNewParams{
			File: openai.File(strings.NewReader("text"), name, "text/markdown"), Purpose: openai.FilePurposeAssistants,
		})
		fmt.Println(name, err)
	}
	for _, f := range s.Snapshot().Files {
		fmt.Println(f.Name)
	}
	fmt.Println(s.Counts()["POST /files"], "uploads")
	// Output:
	// a.md <nil>
	// b.md <nil>
	// a.md
	// b.md
	// b.md
	// 3 uploads
}

// While a document is replaced, the new file must be searchable before the old one
// is removed.
func ExampleServer_History() {
	s := openaitest.New(openaitest.Config{})
	store := s.NewVectorStore("docs")
	first := s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("old")})
	second := s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("new")})
	s.AddStoreFile(store, first, nil)
	s.Advance(time.Hour)
	s.AddStoreFile(store, second, nil)
	s.Advance(time.Minute)
	s.DetachStoreFile(store, first)

	history := s.History(store)
	fmt.Println("overlap:", history[0].To.Sub(history[1].From).Round(time.Second))
	// Output: overlap: 1m0s
}
