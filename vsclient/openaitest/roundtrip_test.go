package openaitest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/matryer/is"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func TestVirtualTimePassesInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{Latency: 50 * time.Millisecond, IndexTime: time.Minute})
		defer s.Close()
		c := openai.NewClient(option.WithAPIKey("k"), option.WithBaseURL(s.URL()), option.WithHTTPClient(s.Client()))
		ctx := t.Context()
		vs := s.NewVectorStore("docs")
		f, err := c.Files.New(ctx, openai.FileNewParams{File: openai.File(strings.NewReader("hello"), "a/b.txt", "text/plain"), Purpose: "assistants"})
		is.NoErr(err)
		is.Equal(f.Filename, "a/b.txt")
		b, err := c.VectorStores.FileBatches.NewAndPoll(ctx, vs, openai.VectorStoreFileBatchNewParams{FileIDs: []string{f.ID}}, 0)
		is.NoErr(err)
		is.Equal(string(b.Status), "completed")
		h := s.History(vs)
		is.Equal(len(h), 1)
		is.Equal(h[0].FileID, f.ID)
		s.Inject(openaitest.Fault{Method: "GET", Kind: openaitest.FaultCutReply}, openaitest.Fault{Method: "GET", Nth: 2, Kind: openaitest.FaultCut})
		_, err = c.VectorStores.Get(ctx, vs, option.WithMaxRetries(0))
		is.True(strings.Contains(err.Error(), "unexpected EOF"))
		_, err = c.VectorStores.Get(ctx, vs, option.WithMaxRetries(0))
		is.True(strings.HasSuffix(err.Error(), "EOF"))
		_, err = c.VectorStores.Get(ctx, vs)
		is.NoErr(err)
	})
}
