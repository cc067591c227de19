//go:build unix

package bench

import (
	"context"
	"path"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
)

// loop does as simple tools do, one document and one request after the other. It
// goes through openai-go. With waits it returns from a put when the document is
// searchable, as vsclient does; without, as soon as it is attached.
type loop struct {
	t     *testing.T
	api   openai.Client
	store string
	waits bool
}

// find lists the Files to see which has the name.
func (l loop) find(ctx context.Context, name string) (id string) {
	files := l.api.Files.ListAutoPaging(ctx, openai.FileListParams{Purpose: openai.String("assistants")})
	for files.Next() {
		if f := files.Current(); f.Filename == name {
			id = f.ID
		}
	}
	l.must(files.Err())
	return id
}

// put lists, deletes the older File, uploads and attaches.
func (l loop) put(ctx context.Context, key, content string) {
	l.remove(ctx, key)
	f, err := l.api.Files.New(ctx, openai.FileNewParams{
		File: openai.File(strings.NewReader(content), path.Base(key), "text/markdown"), Purpose: openai.FilePurposeAssistants,
	})
	l.must(err)
	_, err = l.api.VectorStores.Files.New(ctx, l.store, openai.VectorStoreFileNewParams{FileID: f.ID})
	l.must(err)
	if l.waits {
		_, err = l.api.VectorStores.Files.PollStatus(ctx, l.store, f.ID, 0)
		l.must(err)
	}
}

// remove lists and deletes. Deleting a File detaches it as well, so that this is
// the shortest way.
func (l loop) remove(ctx context.Context, key string) {
	if id := l.find(ctx, path.Base(key)); id != "" {
		_, err := l.api.Files.Delete(ctx, id)
		l.must(err)
	}
}

func (l loop) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// uploadAndPoll is openai-go's helper for many files: it knows no keys, sets no
// attributes, keeps no order, and its poll tells about the batch alone.
func uploadAndPoll(t *testing.T, api openai.Client, store string, n, concurrency, pollMillis int) {
	t.Helper()
	files := make([]openai.FileNewParams, n)
	for i := range files {
		files[i] = openai.FileNewParams{
			File:    openai.File(strings.NewReader(content(i, 1)), path.Base(key(i)), "text/markdown"),
			Purpose: openai.FilePurposeAssistants,
		}
	}
	api.VectorStores.FileBatches.MaxUploadConcurrency = concurrency
	b, err := api.VectorStores.FileBatches.UploadAndPoll(context.Background(), store, files, nil, pollMillis)
	if err != nil || b.FileCounts.Completed != int64(n) {
		t.Fatalf("%+v, %v", b, err)
	}
}
