package openaivs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	sdk "github.com/conduitio/conduit-connector-sdk"
	"github.com/conduitio/conduit-connector-sdk/schema"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/report"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Config holds the parameters of the destination.
type Config struct {
	sdk.DefaultDestinationMiddleware

	// OpenAI API key. It needs write access to files and vector stores.
	APIKey string `json:"api_key" validate:"required"`
	// ID of the vector store to write to (`vs_...`).
	VectorStoreID string `json:"vector_store_id" validate:"required"`
	// Base URL of an OpenAI-compatible endpoint, with its `/v1`. Empty means OpenAI
	// itself (`https://api.openai.com/v1`). The server must answer 404 for an absent
	// object (or a 400 that says "not found" and names the id), keep the attributes
	// of files in a vector store, and not change the id of a file. It may alter file
	// names, and need not know batches. Set `file_extension` to `.md` for a server
	// that cannot read JSON, such as OGX by default. The servers that were tested,
	// and their settings, are in
	// https://github.com/conduitio-labs/conduit-connector-openai-vectorstore/blob/main/vsclient/docs/compatible-servers.md.
	BaseURL string `json:"base_url"`
	// OpenAI organization of the requests. Empty means the default organization of
	// the API key.
	Organization string `json:"organization"`
	// OpenAI project of the requests. Empty means the default project of the API key.
	Project string `json:"project"`

	// Field of a structured payload that holds the document. Empty means that
	// the document is the whole payload. A dot leads into nested fields, also
	// into those of JSON columns. A null in an update means that the text has not
	// changed: it is taken from the row before the update. Without it there, the
	// stored content stays and only the attributes change.
	ContentField string `json:"content_field"`
	// Effect of a record without content: an empty text, a new row whose text is
	// null, or a tombstone. `delete` removes the document of its key, so that a
	// search no longer finds the old text (OpenAI accepts no empty files).
	// `refuse` refuses the record, and the document stays.
	EmptyContent string `json:"empty_content" default:"delete" validate:"inclusion=delete|refuse"`
	// Extension of the file when the key has no extension that OpenAI indexes
	// (e.g. `.md`). Empty means by content: `.pdf`, `.html` for text of a key that
	// ends in `.htm`, `.json` or `.txt`.
	FileExtension string `json:"file_extension"`
	// Whether the key of a document begins with the collection of its record
	// (e.g. the table), as in `users/{"id":7}`. Set it when records of several
	// collections with equal keys go into one vector store. Without it, the
	// record of the second collection is refused.
	CollectionInKey bool `json:"collection_in_key" default:"false"`
	// Owner of the documents: the value of their attribute `collection`. A record
	// of another owner with the same key is refused. Empty means the collection
	// of the record (e.g. the table). Give each pipeline an owner when their
	// tables have equal names. After a table was renamed, set it to the old name.
	// Tables with one owner replace each other's documents where their keys are
	// equal, unless collection_in_key is set.
	Owner string `json:"owner"`
	// Attribute NAME of the stored document, to filter searches by. The value
	// names its source: `metadata:FIELD`, `key` (the whole key), `key:FIELD`,
	// `payload:FIELD` or `constant:VALUE`, each optionally followed by
	// ` as string`, ` as number` or ` as bool`. The attribute `collection` is
	// always set when the record has a collection or `owner` is set.
	Attributes map[string]string `json:"attributes"`

	// Most tokens in one chunk (100 to 4096). 0 means OpenAI's own chunking (800
	// tokens, 400 of them shared with the next chunk).
	ChunkMaxTokens int `json:"chunk_max_tokens" default:"0" validate:"gt=-1,lt=4097"`
	// Tokens that a chunk shares with the next one: at most half of
	// `chunk_max_tokens`, which must be set as well.
	ChunkOverlapTokens int `json:"chunk_overlap_tokens" default:"0" validate:"gt=-1,lt=2049"`

	// When a record is acknowledged: `indexed`, when its document can be
	// searched, or `attached`, when OpenAI has accepted it for indexing. With
	// `attached`, a failure to index a document is only logged.
	WaitFor string `json:"wait_for" default:"indexed" validate:"inclusion=indexed|attached"`
	// How long OpenAI may take to index one file. A document that takes
	// longer is uploaded once more, and then refused.
	IndexTimeout time.Duration `json:"index_timeout" default:"10m"`
	// How long one request is retried when OpenAI is overloaded or unreachable.
	RetryTimeout time.Duration `json:"retry_timeout" default:"5m"`

	// Most files in one request that attaches files to the vector store.
	AttachBatchSize int `json:"batch_size" default:"100" validate:"gt=0,lt=2001"`
	// Most uploads at the same time.
	Concurrency int `json:"concurrency" default:"32" validate:"gt=0,lt=1001"`
	// Most uploads per minute. 0 means no limit. OpenAI allows 1000.
	UploadsPerMinute int `json:"uploads_per_minute" default:"1000" validate:"gt=-1"`
	// Most requests per minute that attach files to the vector store. 0 means no
	// limit. OpenAI allows 300 for each vector store.
	AttachRequestsPerMinute int `json:"attach_requests_per_minute" default:"300" validate:"gt=-1"`
	// Most files attached per minute. 0 means no limit. OpenAI allows 2000 for each
	// organization.
	AttachedFilesPerMinute int `json:"attached_files_per_minute" default:"2000" validate:"gt=-1"`
}

// Validate makes the checks that the generated validations do not. Each error names the
// setting, its value and the allowed values.
func (c *Config) Validate(ctx context.Context) error {
	errs := []error{
		c.DefaultDestinationMiddleware.Validate(ctx),
		// The embedded Validate skips this one, whose method has a pointer receiver. The
		// SDK then ignores an unknown format.
		c.DestinationWithRecordFormat.Validate(ctx),
	}
	bad := func(setting, value, allowed string) {
		errs = append(errs, fmt.Errorf("%s: %q is not allowed; %s", setting, value, allowed))
	}

	// The client refuses each setting alone, so that its error is about this one.
	for _, one := range []struct {
		setting string
		cfg     vsclient.Config
	}{
		{"api_key", vsclient.Config{APIKey: c.APIKey}},
		{"vector_store_id", vsclient.Config{VectorStoreID: c.VectorStoreID}},
		{"base_url", vsclient.Config{BaseURL: c.BaseURL}},
		{"organization", vsclient.Config{Organization: c.Organization}},
		{"project", vsclient.Config{Project: c.Project}},
	} {
		one.cfg.APIKey, one.cfg.VectorStoreID = cmp.Or(one.cfg.APIKey, "sk-any"), cmp.Or(one.cfg.VectorStoreID, "vs_any")
		client, err := vsclient.New(one.cfg)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s", one.setting, report.Reason(err)))
			continue
		}
		_ = client.Close() // it has made no request
	}
	if c.FileExtension != "" && !slices.Contains(vsclient.Extensions(), c.fileExtension()) {
		bad("file_extension", c.FileExtension, "OpenAI indexes "+strings.Join(vsclient.Extensions(), " "))
	}
	if c.ContentField != "" && c.hasRecordFormat() {
		bad("content_field", c.ContentField, "leave it empty when sdk.record.format is set: the format makes the document from the record")
	}
	if c.hasRecordFormat() && *c.RecordFormat == "template" && strings.TrimSpace(c.RecordFormatOptions) == "" {
		bad("sdk.record.format.options", c.RecordFormatOptions, "give the template: without one every record is empty, which removes its document")
	}
	if c.ChunkMaxTokens > 0 && c.ChunkMaxTokens < 100 {
		bad("chunk_max_tokens", strconv.Itoa(c.ChunkMaxTokens), "give 100 to 4096, or 0 for OpenAI's own chunking")
	}
	if c.ChunkOverlapTokens > c.ChunkMaxTokens/2 {
		bad("chunk_overlap_tokens", strconv.Itoa(c.ChunkOverlapTokens), fmt.Sprintf("give at most half of chunk_max_tokens (%d)", c.ChunkMaxTokens))
	}
	if c.IndexTimeout <= 0 {
		bad("index_timeout", c.IndexTimeout.String(), "give a time above 0, such as 10m")
	}
	if c.RetryTimeout <= 0 {
		bad("retry_timeout", c.RetryTimeout.String(), "give a time above 0, such as 5m")
	}
	if err := translate.CheckAttributes(c.Attributes, vsclient.MaxAttributes); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// endpoint returns the base URL without its password.
func (c *Config) endpoint() string {
	if c.BaseURL == "" {
		return vsclient.DefaultBaseURL
	}
	return redacted(c.BaseURL)
}

// fileExtension returns the setting with its dot, which a user may leave out.
func (c *Config) fileExtension() string {
	if c.FileExtension == "" || strings.HasPrefix(c.FileExtension, ".") {
		return c.FileExtension
	}
	return "." + c.FileExtension
}

// hasRecordFormat reports whether the user chose a record format. The SDK's default counts
// as no choice.
func (c *Config) hasRecordFormat() bool {
	return c.RecordFormat != nil && *c.RecordFormat != defaultRecordFormat
}

// defaultRecordFormat is the SDK's default of sdk.record.format. In the SDK it means the
// whole record; here it means the payload.
const defaultRecordFormat = "opencdc/json"

// translation returns the settings for the translation of records.
func (c *Config) translation(warn func(error)) (translate.Config, error) {
	cfg := translate.Config{
		ContentField:    c.ContentField,
		KeepEmpty:       c.EmptyContent == "refuse",
		CollectionInKey: c.CollectionInKey,
		Owner:           c.Owner,
		Attributes:      c.Attributes,
		MaxAttributes:   vsclient.MaxAttributes,
		Extensions:      vsclient.Extensions(),
		DecodeKey:       *c.KeyEnabled,
		DecodePayload:   *c.PayloadEnabled,
		MaxBytes:        maxRecordSize,
		Schema:          schema.Get,
		Warn:            warn,
	}
	if !c.hasRecordFormat() {
		return cfg, nil
	}
	// Record.Bytes hides the error of a template and falls back to JSON, so the serializer
	// is called directly.
	for _, s := range c.DefaultRecordSerializers() {
		if s.Name() == *c.RecordFormat {
			var err error
			cfg.Format, err = s.Configure(c.RecordFormatOptions)
			return cfg, err
		}
	}
	return cfg, fmt.Errorf("sdk.record.format: the SDK does not know the format %q", *c.RecordFormat)
}

func (c *Config) chunking() vsclient.Chunking {
	return vsclient.Chunking{MaxTokens: c.ChunkMaxTokens, OverlapTokens: c.ChunkOverlapTokens}
}

// client returns the settings of the client.
func (c *Config) client() vsclient.Config {
	return vsclient.Config{
		APIKey:        c.APIKey,
		VectorStoreID: c.VectorStoreID,
		BaseURL:       c.BaseURL,
		Organization:  c.Organization,
		Project:       c.Project,
		Concurrency:   c.Concurrency,
		BatchSize:     c.AttachBatchSize,
		Async:         c.WaitFor == "attached",
		IndexTimeout:  c.IndexTimeout,
		RetryTimeout:  c.RetryTimeout,
		FileExtension: c.fileExtension(),
		Limits: vsclient.Limits{
			UploadsPerMinute:        limit(c.UploadsPerMinute),
			AttachRequestsPerMinute: limit(c.AttachRequestsPerMinute),
			AttachedFilesPerMinute:  limit(c.AttachedFilesPerMinute),
		},
	}
}

// limit returns the client's limit for a setting, where 0 means no limit.
func limit(perMinute int) int {
	if perMinute == 0 {
		return vsclient.NoLimit
	}
	return perMinute
}
