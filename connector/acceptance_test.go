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
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// TestTheDestinationPassesTheSDKsSuite runs the SDK's suite, except for its check of
// parameter names, which allows only letters, digits and dots: this connector's have underscores.
// TestNamesOfParametersArePlain replaces that check.
func TestTheDestinationPassesTheSDKsSuite(t *testing.T) {
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
				// Goroutines that already run are the emulator's.
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

// GenerateRecord returns one of the SDK's records, with a key that is not too long. The
// connector refuses a longer key, which the SDK's test does not expect.
func (d acceptanceDriver) GenerateRecord(t *testing.T, op opencdc.Operation) opencdc.Record {
	for {
		if r := d.ConfigurableAcceptanceTestDriver.GenerateRecord(t, op); len(r.Key.Bytes()) <= vsclient.MaxKeyBytes {
			return r
		}
	}
}

// ReadFromDestination returns the emulator's documents, under the keys of the records.
func (d acceptanceDriver) ReadFromDestination(t *testing.T, records []opencdc.Record) []opencdc.Record {
	is := is.New(t)
	held := documents(d.server, d.store)
	var got []opencdc.Record
	for _, r := range records {
		doc, ok := held[string(r.Key.Bytes())]
		is.True(ok) // a record's document is in the store
		var after opencdc.Data = opencdc.RawData(doc.content)
		if _, ok := r.Payload.After.(opencdc.StructuredData); ok {
			// The document is the same JSON without needless escapes.
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
	// The SDK's check excludes characters with a meaning in YAML, shells and URLs. This one
	// also allows the underscore and the star of attributes.*.
	name := regexp.MustCompile(`^[a-zA-Z0-9._]+(\.\*)?$`)
	for n, p := range params {
		is.True(name.MatchString(n)) // the name of the parameter is plain
		is.True(p.Description != "") // the parameter is described
	}
}
