package vsclient_test

import (
	"fmt"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// benchClient is a client of an emulator in the same process that answers at
// once: the time that the emulator takes is measured as well.
func benchClient(b *testing.B) *vsclient.Client {
	srv := openaitest.New(openaitest.Config{LogSize: 1, KeepBytes: 1})
	c, err := vsclient.New(vsclient.Config{
		APIKey: "sk-bench", VectorStoreID: srv.NewVectorStore("docs"), BaseURL: srv.URL(), HTTPClient: srv.Client(),
		Limits: vsclient.Limits{UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}

func BenchmarkPutUnchanged(b *testing.B) {
	c := benchClient(b)
	d := doc("travel.md", "text")
	if _, err := c.Put(b.Context(), d); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if r, err := c.Put(b.Context(), d); err != nil || r.Outcome != vsclient.Unchanged {
			b.Fatal(r, err)
		}
	}
}

// One operation is one document, in calls of 500.
func BenchmarkApplyUnchanged(b *testing.B) {
	c := benchClient(b)
	changes := many("d", 500)
	apply := func() {
		for _, r := range c.Apply(b.Context(), changes, nil) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	apply()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(changes) == 0 {
			apply()
		}
	}
}

func BenchmarkMergeChangesOfOneKey(b *testing.B) {
	c := benchClient(b)
	changes := make([]vsclient.Change, 100)
	for i := range changes {
		changes[i] = put("travel.md", fmt.Sprint("version ", i))
	}
	changes[99] = put("travel.md", "version 0")
	b.ReportAllocs()
	for b.Loop() {
		if r := c.Apply(b.Context(), changes, nil); r[0].Err != nil {
			b.Fatal(r[0].Err)
		}
	}
}
