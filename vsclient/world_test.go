package vsclient_test

import (
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// world is an emulated project with one store, and clients of it.
type world struct {
	t     *testing.T
	srv   *openaitest.Server
	store string
}

func newWorld(t *testing.T, cfg openaitest.Config) *world {
	t.Helper()
	srv := openaitest.New(cfg)
	return &world{t: t, srv: srv, store: srv.NewVectorStore("docs")}
}

// client makes a client of the store; opts change its configuration.
func (w *world) client(opts ...func(*vsclient.Config)) *vsclient.Client {
	w.t.Helper()
	cfg := vsclient.Config{
		APIKey: "sk-test", VectorStoreID: w.store, BaseURL: w.srv.URL(), HTTPClient: w.srv.Client(),
		Limits: vsclient.Limits{UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit},
	}
	for _, o := range opts {
		o(&cfg)
	}
	c, err := vsclient.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

func doc(key, content string) vsclient.Document {
	return vsclient.Document{Key: key, Content: text(content)}
}

// text is content in memory.
func text(s string) vsclient.Content { return vsclient.Bytes([]byte(s)) }

// onlyErr drops the result of a call that is asked for its error alone.
func onlyErr[T any](_ T, err error) error { return err }
