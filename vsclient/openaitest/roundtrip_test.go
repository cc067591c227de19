package openaitest_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// sdk returns OpenAI's own client for the server.
func sdk(s *openaitest.Server) openai.Client {
	return openai.NewClient(option.WithAPIKey("sk-test"), option.WithBaseURL(s.URL()), option.WithHTTPClient(s.Client()))
}

func newFile(name, content string) openai.FileNewParams {
	return openai.FileNewParams{File: openai.File(strings.NewReader(content), name, "text/plain"), Purpose: openai.FilePurposeAssistants}
}

func TestOpenAIGoSpeaksToFiles(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{Strict: t.Errorf})
	c, ctx := sdk(s), t.Context()

	name := "guides/\"quoted\"\\ ☃.md"
	f, err := c.Files.New(ctx, newFile(name, "hello"))
	is.NoErr(err)
	is.Equal(f.Filename, name)
	is.Equal(f.Bytes, int64(5))
	is.Equal(string(s.Content(f.ID)), "hello")

	params := newFile("b.md", "x")
	params.ExpiresAfter = openai.FileNewParamsExpiresAfter{Seconds: 3600}
	expiring, err := c.Files.New(ctx, params)
	is.NoErr(err)
	is.Equal(expiring.ExpiresAt, expiring.CreatedAt+3600)

	got, err := c.Files.Get(ctx, f.ID)
	is.NoErr(err)
	is.Equal(got.ID, f.ID)

	var ids []string
	pages := c.Files.ListAutoPaging(ctx, openai.FileListParams{Limit: openai.Int(1), Order: openai.FileListParamsOrderAsc, Purpose: openai.String("assistants")})
	for pages.Next() {
		ids = append(ids, pages.Current().ID)
	}
	is.NoErr(pages.Err())
	is.Equal(ids, []string{f.ID, expiring.ID})

	vision := s.AddFile(openaitest.NewFile{Name: "a.png", Purpose: "vision", Content: []byte("as it was")})
	resp, err := c.Files.Content(ctx, vision)
	is.NoErr(err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	is.NoErr(err)
	is.Equal(string(data), "as it was")

	deleted, err := c.Files.Delete(ctx, f.ID)
	is.NoErr(err)
	is.True(deleted.Deleted)
	_, err = c.Files.Get(ctx, f.ID)
	var apiErr *openai.Error
	is.True(errors.As(err, &apiErr))
	is.Equal(apiErr.StatusCode, 404)
	is.Equal(apiErr.Type, "invalid_request_error")
}

func TestOpenAIGoSpeaksToUploads(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{Strict: t.Errorf})
	c, ctx := sdk(s), t.Context()

	u, err := c.Uploads.New(ctx, openai.UploadNewParams{Filename: "a.md", Purpose: openai.FilePurposeAssistants, Bytes: 10, MimeType: "text/markdown"})
	is.NoErr(err)
	is.Equal(u.Status, openai.UploadStatusPending)
	var parts []string
	for _, data := range []string{"hello", "world"} {
		p, err := c.Uploads.Parts.New(ctx, u.ID, openai.UploadPartNewParams{Data: strings.NewReader(data)})
		is.NoErr(err)
		is.Equal(p.UploadID, u.ID)
		parts = append(parts, p.ID)
	}
	u, err = c.Uploads.Complete(ctx, u.ID, openai.UploadCompleteParams{PartIDs: parts, Md5: openai.String("fc5e038d38a57032085441e7fe7010b0")})
	is.NoErr(err)
	is.Equal(u.Status, openai.UploadStatusCompleted)
	is.Equal(string(s.Content(u.File.ID)), "helloworld")

	u, err = c.Uploads.New(ctx, openai.UploadNewParams{Filename: "b.md", Purpose: openai.FilePurposeAssistants, Bytes: 1, MimeType: "text/markdown"})
	is.NoErr(err)
	u, err = c.Uploads.Cancel(ctx, u.ID)
	is.NoErr(err)
	is.Equal(u.Status, openai.UploadStatusCancelled)
}

func TestOpenAIGoSpeaksToVectorStores(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{Strict: t.Errorf})
	c, ctx := sdk(s), t.Context()

	file := s.AddFile(openaitest.NewFile{Name: "france.md", Content: []byte("The capital of France is Paris.")})
	vs, err := c.VectorStores.New(ctx, openai.VectorStoreNewParams{
		Name: openai.String("docs"), FileIDs: []string{file}, Metadata: shared.Metadata{"team": "a"},
		ExpiresAfter:     openai.VectorStoreNewParamsExpiresAfter{Days: 7},
		ChunkingStrategy: openai.FileChunkingStrategyParamOfStatic(openai.StaticFileChunkingStrategyParam{MaxChunkSizeTokens: 200, ChunkOverlapTokens: 100}),
	})
	is.NoErr(err)
	is.Equal(vs.FileCounts.Completed, int64(1))
	is.Equal(vs.ExpiresAfter.Days, int64(7))
	is.Equal(vs.Metadata["team"], "a")

	vs, err = c.VectorStores.Update(ctx, vs.ID, openai.VectorStoreUpdateParams{Name: openai.String("renamed")})
	is.NoErr(err)
	vs, err = c.VectorStores.Get(ctx, vs.ID)
	is.NoErr(err)
	is.Equal(vs.Name, "renamed")

	s.NewVectorStore("second")
	n := 0
	pages := c.VectorStores.ListAutoPaging(ctx, openai.VectorStoreListParams{Limit: openai.Int(1)})
	for pages.Next() {
		n++
	}
	is.NoErr(pages.Err())
	is.Equal(n, 2)

	found, err := c.VectorStores.Search(ctx, vs.ID, openai.VectorStoreSearchParams{
		Query:         openai.VectorStoreSearchParamsQueryUnion{OfString: openai.String("What is the capital of France?")},
		MaxNumResults: openai.Int(3),
	})
	is.NoErr(err)
	is.Equal(len(found.Data), 1)
	is.Equal(found.Data[0].Filename, "france.md")
	is.Equal(found.Data[0].Content[0].Text, "The capital of France is Paris.")
	is.True(found.Data[0].Score > 0.3)

	gone, err := c.VectorStores.Delete(ctx, vs.ID)
	is.NoErr(err)
	is.True(gone.Deleted)
}

func TestOpenAIGoSpeaksToStoreFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{IndexTime: 3 * time.Second, PollAfter: 500 * time.Millisecond, Strict: t.Errorf})
		defer s.Close()
		c, ctx := sdk(s), t.Context()
		vs := s.NewVectorStore("docs")

		f, err := c.Files.New(ctx, newFile("a.md", "Cats sleep."))
		is.NoErr(err)
		start := time.Now()
		sf, err := c.VectorStores.Files.NewAndPoll(ctx, vs, openai.VectorStoreFileNewParams{
			FileID: f.ID,
			Attributes: map[string]openai.VectorStoreFileNewParamsAttributeUnion{
				"lang": {OfString: openai.String("en")}, "year": {OfFloat: openai.Float(2024)}, "draft": {OfBool: openai.Bool(true)},
			},
		}, 0)
		is.NoErr(err)
		is.Equal(sf.Status, openai.VectorStoreFileStatusCompleted)
		is.Equal(sf.Attributes["lang"].OfString, "en")
		is.Equal(sf.Attributes["year"].OfFloat, 2024.0)
		is.Equal(sf.Attributes["draft"].OfBool, true)
		is.Equal(sf.ChunkingStrategy.Static.MaxChunkSizeTokens, int64(800))
		is.Equal(time.Since(start), 3*time.Second)

		sf, err = c.VectorStores.Files.Update(ctx, vs, f.ID, openai.VectorStoreFileUpdateParams{
			Attributes: map[string]openai.VectorStoreFileUpdateParamsAttributeUnion{"lang": {OfString: openai.String("fr")}},
		})
		is.NoErr(err)
		is.Equal(len(sf.Attributes), 1)
		page, err := c.VectorStores.Files.List(ctx, vs, openai.VectorStoreFileListParams{Filter: openai.VectorStoreFileListParamsFilterCompleted})
		is.NoErr(err)
		is.Equal(page.Data[0].Attributes["lang"].OfString, "fr")

		text, err := c.VectorStores.Files.Content(ctx, vs, f.ID)
		is.NoErr(err)
		is.Equal(text.Data[0].Text, "Cats sleep.")

		gone, err := c.VectorStores.Files.Delete(ctx, vs, f.ID)
		is.NoErr(err)
		is.True(gone.Deleted)
	})
}

func TestOpenAIGoSpeaksToFileBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{IndexTime: 3 * time.Second, Strict: t.Errorf})
		defer s.Close()
		c, ctx := sdk(s), t.Context()
		vs := s.NewVectorStore("docs")

		var files []openai.VectorStoreFileBatchNewParamsFile
		for range 3 {
			f, err := c.Files.New(ctx, newFile("a.md", "Cats sleep."))
			is.NoErr(err)
			files = append(files, openai.VectorStoreFileBatchNewParamsFile{
				FileID:     f.ID,
				Attributes: map[string]openai.VectorStoreFileBatchNewParamsFileAttributeUnion{"id": {OfString: openai.String(f.ID)}},
			})
		}
		b, err := c.VectorStores.FileBatches.New(ctx, vs, openai.VectorStoreFileBatchNewParams{Files: files})
		is.NoErr(err)
		is.Equal(b.FileCounts.InProgress, int64(3))
		b, err = c.VectorStores.FileBatches.PollStatus(ctx, vs, b.ID, 0)
		is.NoErr(err)
		is.Equal(b.FileCounts.Completed, int64(3))
		pages := c.VectorStores.FileBatches.ListFilesAutoPaging(ctx, vs, b.ID, openai.VectorStoreFileBatchListFilesParams{Limit: openai.Int(2)})
		n := 0
		for ; pages.Next(); n++ {
			is.Equal(pages.Current().Attributes["id"].OfString, pages.Current().ID)
		}
		is.NoErr(pages.Err())
		is.Equal(n, 3)

		f, err := c.Files.New(ctx, newFile("b.md", "Dogs bark."))
		is.NoErr(err)
		b, err = c.VectorStores.FileBatches.New(ctx, vs, openai.VectorStoreFileBatchNewParams{FileIDs: []string{f.ID}})
		is.NoErr(err)
		b, err = c.VectorStores.FileBatches.Cancel(ctx, vs, b.ID)
		is.NoErr(err)
		is.Equal(b.Status, openai.VectorStoreFileBatchStatusCancelled)

		b, err = c.VectorStores.FileBatches.UploadAndPoll(ctx, vs, []openai.FileNewParams{newFile("c.md", "Cows moo."), newFile("d.md", "Hens cluck.")}, nil, 0)
		is.NoErr(err)
		is.Equal(b.FileCounts.Completed, int64(2))
	})
}

func TestTheListenerServesTheSDKAsWell(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	url, err := s.Listen("127.0.0.1:0")
	is.NoErr(err)
	t.Cleanup(s.Close)
	c := openai.NewClient(option.WithAPIKey("sk-test"), option.WithBaseURL(url), option.WithMaxRetries(0))
	f, err := c.Files.New(t.Context(), newFile("a.md", strings.Repeat("x", 1<<20)))
	is.NoErr(err)
	is.Equal(f.Bytes, int64(1<<20))
	is.True(bytes.HasPrefix(s.Content(f.ID), []byte("xxx")))

	s.Inject(openaitest.Fault{Kind: openaitest.FaultCut}, openaitest.Fault{Nth: 2, Kind: openaitest.FaultCutReply})
	_, err = c.Files.New(t.Context(), newFile("b.md", "x"))
	is.True(err != nil) // cut before the effect
	is.Equal(len(s.Snapshot().Files), 1)
	_, err = c.Files.New(t.Context(), newFile("c.md", "x"))
	is.True(err != nil && strings.Contains(err.Error(), "unexpected EOF"))
	is.Equal(len(s.Snapshot().Files), 2)
}
