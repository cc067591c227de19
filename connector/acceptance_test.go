package openaivs_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/conduitio/conduit-commons/config"
	"github.com/conduitio/conduit-commons/opencdc"
	sdk "github.com/conduitio/conduit-connector-sdk"
	"github.com/matryer/is"
	"go.uber.org/goleak"

	openaivs "github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// TestAcceptance runs the SDK's suite, except for its check of parameter names:
// it allows letters, digits and dots alone, and the names of this connector's
// settings are given, with underscores. TestNamesOfParametersArePlain takes its place.
func TestAcceptance(t *testing.T) {
	server := openaitest.New(openaitest.Config{})
	t.Cleanup(server.Close)
	url, err := server.Listen("127.0.0.1:0")
	is.New(t).NoErr(err)
	store := server.NewVectorStore("acceptance")

	sdk.AcceptanceTest(t, acceptanceDriver{
		ConfigurableAcceptanceTestDriver: sdk.ConfigurableAcceptanceTestDriver{
			Config: sdk.ConfigurableAcceptanceTestDriverConfig{
				Connector: openaivs.Connector,
				DestinationConfig: config.Config{
					"api_key":         "sk-acceptance",
					"vector_store_id": store,
					"base_url":        url,
				},
				Skip: []string{`TestDestination_Parameters_Success`},
				// Goroutines that run by now are the emulator's.
				GoleakOptions: []goleak.Option{goleak.IgnoreCurrent()},
			},
		},
		server: server,
		store:  store,
	})
}

type acceptanceDriver struct {
	sdk.ConfigurableAcceptanceTestDriver
	server *openaitest.Server
	store  string
}

// ReadFromDestination returns the emulator's documents, under the keys that the
// records were written with.
func (d acceptanceDriver) ReadFromDestination(t *testing.T, records []opencdc.Record) []opencdc.Record {
	is := is.New(t)
	held := documents(d.server, d.store)
	var got []opencdc.Record
	for _, r := range records {
		doc, ok := held[string(r.Key.Bytes())]
		if !ok {
			// The SDK's keys can be longer than an attribute, and are then known by
			// digest alone.
			doc, ok = held[digest(string(r.Key.Bytes()))]
		}
		is.True(ok) // a record's document is in the store
		var after opencdc.Data = opencdc.RawData(doc.content)
		if _, ok := r.Payload.After.(opencdc.StructuredData); ok {
			// The document is the same JSON without the escapes that JSON does not need.
			dec := json.NewDecoder(strings.NewReader(doc.content))
			dec.UseNumber()
			var fields opencdc.StructuredData
			is.NoErr(dec.Decode(&fields))
			after = opencdc.RawData(fields.Bytes())
		}
		got = append(got, opencdc.Record{
			Operation: opencdc.OperationSnapshot,
			Key:       opencdc.RawData(r.Key.Bytes()),
			Payload:   opencdc.Change{After: after},
		})
	}
	return got
}

func TestNamesOfParametersArePlain(t *testing.T) {
	is := is.New(t)
	params := openaivs.Connector.NewSpecification().DestinationParams
	is.True(len(params) > 0)
	// As the SDK's check, which keeps names free of characters that mean something in
	// YAML, shells and URLs, with the underscore and with the star of attributes.*.
	name := regexp.MustCompile(`^[a-zA-Z0-9._]+(\.\*)?$`)
	for n, p := range params {
		is.True(name.MatchString(n)) // the name of the parameter is plain
		is.True(p.Description != "") // the parameter is described
	}
}
