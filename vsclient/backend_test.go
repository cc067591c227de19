package vsclient_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// backend is an API to run the suite of semantics against.
type backend struct {
	key, url string
	http     *http.Client
	store    string
	api      openai.Client // of others, who work beside the client
	alters   bool          // it lists Files under other names than those that were sent
}

func (b *backend) client(t *testing.T) *vsclient.Client {
	t.Helper()
	return b.clientOf(t, b.store)
}

// clientOf makes a client of another store.
func (b *backend) clientOf(t *testing.T, store string) *vsclient.Client {
	t.Helper()
	c, err := vsclient.New(vsclient.Config{APIKey: b.key, VectorStoreID: store, BaseURL: b.url, HTTPClient: b.http})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// upload uploads a File as somebody else does.
func (b *backend) upload(t *testing.T, name, content string) string {
	t.Helper()
	f, err := b.api.Files.New(t.Context(), openai.FileNewParams{
		File: openai.File(strings.NewReader(content), name, "text/plain"), Purpose: openai.FilePurposeAssistants,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f.ID
}

// attach attaches a File without any attribute, as the earlier connector did.
func (b *backend) attach(t *testing.T, id string) {
	t.Helper()
	f, err := b.api.VectorStores.Files.New(t.Context(), b.store, openai.VectorStoreFileNewParams{FileID: id})
	for err == nil && f.Status == openai.VectorStoreFileStatusInProgress {
		time.Sleep(time.Second)
		if f, err = b.api.VectorStores.Files.Get(t.Context(), b.store, id); isNotFound(err) {
			f, err = &openai.VectorStoreFile{Status: openai.VectorStoreFileStatusInProgress}, nil
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (b *backend) exists(t *testing.T, id string) bool {
	t.Helper()
	_, err := b.api.Files.Get(t.Context(), id)
	if err != nil && !isNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

// isNotFound reports whether an object is absent: some servers say so with a 400.
func isNotFound(err error) bool {
	apiErr, ok := errors.AsType[*openai.Error](err)
	return ok && (apiErr.StatusCode == http.StatusNotFound || apiErr.StatusCode == http.StatusBadRequest && strings.Contains(apiErr.Message, "not found"))
}

// TestSemanticsHoldOnOpenAI runs the same suite against the live API when
// OPENAI_API_KEY is set. It works in a store that it makes and removes, and
// deletes the Files that it uploaded and no others.
func TestSemanticsHoldOnOpenAI(t *testing.T) {
	key := os.Getenv("OPENAI_API_KEY")
	if key == "" {
		t.Skip("OPENAI_API_KEY is not set: the suite has run on the emulator alone")
	}
	base := os.Getenv("OPENAI_BASE_URL")
	if base == "" {
		base = vsclient.DefaultBaseURL
	}
	made := &uploads{next: http.DefaultTransport}
	b := &backend{key: key, url: base, http: &http.Client{Transport: made}}
	b.api = openai.NewClient(option.WithAPIKey(key), option.WithBaseURL(strings.TrimSuffix(base, "/")+"/"), option.WithHTTPClient(b.http))
	vs, err := b.api.VectorStores.New(t.Context(), openai.VectorStoreNewParams{Name: openai.String("vsclient semantic tests, safe to delete")})
	if err != nil {
		t.Fatal(err)
	}
	b.store = vs.ID
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Minute)
		defer cancel()
		if _, err := b.api.VectorStores.Delete(ctx, vs.ID); err != nil {
			t.Errorf("the store %s is left behind: %v", vs.ID, err)
		}
		for _, id := range made.all() {
			if _, err := b.api.Files.Delete(ctx, id); err != nil && !isNotFound(err) {
				t.Errorf("the File %s is left behind: %v", id, err)
			}
		}
	})
	for _, c := range semantics {
		t.Run(c.sentence, func(t *testing.T) { c.run(t, b) })
	}
}

// uploads notes the id of each File that is made through it.
type uploads struct {
	next http.RoundTripper
	mu   sync.Mutex
	ids  []string
}

func (u *uploads) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := u.next.RoundTrip(req)
	if err != nil || req.Method != http.MethodPost || !strings.HasSuffix(req.URL.Path, "/files") || strings.Contains(req.URL.Path, "vector_stores") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var f struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(body, &f) == nil && f.ID != "" {
		u.mu.Lock()
		u.ids = append(u.ids, f.ID)
		u.mu.Unlock()
	}
	return resp, err
}

func (u *uploads) all() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.ids)
}
