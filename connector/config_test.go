package openaivs_test

import (
	"strings"
	"testing"

	"github.com/conduitio/conduit-commons/config"
	sdk "github.com/conduitio/conduit-connector-sdk"
	"github.com/matryer/is"

	openaivs "github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector"
)

func TestTheParametersHaveTheseDefaults(t *testing.T) {
	is := is.New(t)
	got := make(map[string]string)
	for name, p := range openaivs.Connector.NewSpecification().DestinationParams {
		got[name] = p.Default
	}
	is.Equal(got, map[string]string{
		"api_key": "", "vector_store_id": "", "base_url": "", "organization": "", "project": "",
		"content_field": "", "empty_content": "delete", "owner": "", "file_extension": "", "collection_in_key": "false", "attributes.*": "",
		"chunk_max_tokens": "0", "chunk_overlap_tokens": "0",
		"wait_for": "indexed", "index_timeout": "10m", "retry_timeout": "5m",
		"concurrency": "32", "batch_size": "100", "uploads_per_minute": "1000", "attach_requests_per_minute": "300", "attached_files_per_minute": "2000",
		"sdk.batch.delay": "0", "sdk.batch.size": "0",
		"sdk.rate.burst": "0", "sdk.rate.perSecond": "0",
		"sdk.record.format": "opencdc/json", "sdk.record.format.options": "",
		"sdk.schema.extract.key.enabled": "false", "sdk.schema.extract.payload.enabled": "false",
	})
}

func TestSettingsAreCheckedAtStart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		setting string
		value   string
		allowed string // the error says so; "": the value is good
	}{
		{"the API key is required", "api_key", "", "required"},
		{"the vector store is required", "vector_store_id", "", "required"},
		{"an API key holds no line end", "api_key", "sk-\nx", "no API key has"},
		{"a base URL has a scheme", "base_url", "api.example.com/v1", "http or https URL"},
		{"a base URL has a port that there is", "base_url", "http://localhost:99999/v1", "1 to 65535"},
		{"a base URL has no query", "base_url", "https://api.example.com/v1?", "remove everything from the ?"},
		{"a vector store's id is one", "vector_store_id", "vs 1", "like vs_abc123"},
		{"an organization is one word", "organization", "my org", "a space or a line end"},
		{"a project is one word", "project", "proj 1", "a space or a line end"},
		{"a base URL is for HTTP", "base_url", "ftp://example.com", "http or https URL"},
		{"a base URL may be any HTTP URL", "base_url", "http://localhost:8080/v1", ""},
		{"an extension is one that OpenAI indexes", "file_extension", ".csv", ".md"},
		{"an extension may lack its dot", "file_extension", "md", ""},
		{"a chunk has at least 100 tokens", "chunk_max_tokens", "99", "100 to 4096"},
		{"a chunk has at most 4096 tokens", "chunk_max_tokens", "4097", "4097"},
		{"an overlap needs a chunk size", "chunk_overlap_tokens", "50", "half of chunk_max_tokens"},
		{"waiting is for indexed or attached", "wait_for", "searchable", "indexed,attached"},
		{"an empty content is deleted or refused", "empty_content", "keep", "delete,refuse"},
		{"a batch has at most 2000 files", "batch_size", "2001", "2001"},
		{"an attribute's field may have a space before it", "attributes.team", "payload: team", ""},
		{"a time is a duration", "index_timeout", "10", "duration"},
		{"a time is above zero", "index_timeout", "0s", "above 0"},
		{"a retry time is above zero", "retry_timeout", "-1s", "above 0"},
		{"there is at least one upload at a time", "concurrency", "0", "greater than 0"},
		{"a number is a number", "concurrency", "many", "not an integer"},
		{"a limit is not negative", "uploads_per_minute", "-1", "greater than -1"},
		{"a limit of zero is none", "uploads_per_minute", "0", ""},
		{"a record format is one of the SDK's", "sdk.record.format", "xml", "opencdc/json"},
		{"a record format may be another of the SDK's", "sdk.record.format", "debezium/json", ""},
		{"an attribute comes from somewhere", "attributes.team", "docs", "constant:VALUE"},
		{"an attribute names a field", "attributes.team", "payload:", "payload:FIELD"},
		{"an attribute has a known type", "attributes.team", "payload:team as text", "as string"},
		{"a constant fits its type", "attributes.team", "constant:docs as number", "neither a number"},
		{"a constant number is one", "attributes.team", "constant:NaN as number", "neither a number"},
		{"an attribute has a name", "attributes.", "key", "the name is empty"},
		{"the client's names are reserved", "attributes.vs_key", "key", "reserved"},
		{"the collection's name is taken", "attributes.collection", "constant:x", "choose another name"},
		{"an attribute may be a typed constant", "attributes.year", "constant:2026 as number", ""},
		{"an attribute may be the whole key", "attributes.key", "key", ""},
		{"an unknown setting is an error", "contentfield", "body", "unrecognized"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			cfg := config.Config{"api_key": "sk-test", "vector_store_id": "vs_1"}
			cfg[tt.setting] = tt.value
			err := configure(t, openaivs.NewDestination(), cfg)
			if tt.allowed == "" {
				is.NoErr(err)
				return
			}
			is.True(err != nil)
			is.True(strings.Contains(err.Error(), tt.setting))
			is.True(strings.Contains(err.Error(), tt.allowed))
			is.True(tt.setting == "api_key" || tt.allowed == "unrecognized" || tt.setting == "attributes." || tt.setting == "organization" || tt.setting == "project" || strings.Contains(err.Error(), tt.value))
		})
	}
}

func TestSettingsThatExcludeEachOtherAreRefused(t *testing.T) {
	is := is.New(t)
	err := configure(t, openaivs.NewDestination(), config.Config{
		"api_key": "sk-test", "vector_store_id": "vs_1",
		"content_field": "body", "sdk.record.format": "template", "sdk.record.format.options": "{{ .Key }}",
	})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), `content_field: "body"`))
	err = configure(t, openaivs.NewDestination(), config.Config{
		"api_key": "sk-test", "vector_store_id": "vs_1",
		"sdk.record.format": "template", "sdk.record.format.options": "{{ .Key",
	})
	is.True(err != nil) // a template that does not parse
	err = configure(t, openaivs.NewDestination(), config.Config{
		"api_key": "sk-test", "vector_store_id": "vs_1", "sdk.record.format": "template",
	})
	is.True(err != nil) // no template: every record would be empty, and remove its document
	is.True(strings.Contains(err.Error(), "sdk.record.format.options"))
	err = configure(t, openaivs.NewDestination(), config.Config{
		"api_key": "sk-test", "vector_store_id": "vs_1", "chunk_max_tokens": "200", "chunk_overlap_tokens": "101",
	})
	is.True(err != nil) // more overlap than half a chunk
}

func configure(t *testing.T, d sdk.Destination, cfg config.Config) error {
	return sdk.Util.ParseConfig(t.Context(), cfg, d.Config(), openaivs.Connector.NewSpecification().DestinationParams)
}
