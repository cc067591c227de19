package openaivs

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/translate"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

func TestTheLimitsInTheDocsAreThoseOfTheCode(t *testing.T) {
	is := is.New(t)
	data, err := os.ReadFile("docs/limits.json")
	is.NoErr(err)
	var told struct {
		Document struct {
			MaxBytes            int64 `json:"max_bytes"`
			Attributes          int   `json:"attributes"`
			AttributeCharacters int   `json:"attribute_characters"`
		} `json:"document"`
		PerMinute struct {
			Uploads                int `json:"uploads"`
			AttachRequestsPerStore int `json:"attach_requests_per_store"`
			AttachedFiles          int `json:"attached_files"`
		} `json:"per_minute"`
		ReadAhead struct {
			Records int `json:"records"`
			Bytes   int `json:"bytes"`
		} `json:"read_ahead"`
		RecordBytes int `json:"record_bytes"`
	}
	is.NoErr(json.Unmarshal(data, &told))
	is.Equal(told.Document.MaxBytes, int64(vsclient.MaxFileSize))
	is.Equal(told.Document.Attributes, vsclient.MaxAttributes-1) // one is the collection's
	is.Equal(told.Document.AttributeCharacters, translate.MaxAttributeValue)
	is.Equal(told.ReadAhead.Records, readAhead.Records)
	is.Equal(told.ReadAhead.Bytes, readAhead.Bytes)
	is.Equal(told.RecordBytes, maxRecordSize)

	params := Connector.NewSpecification().DestinationParams
	is.Equal(params["batch_size"].Default, strconv.Itoa(vsclient.DefaultBatchSize))
	is.Equal(params["concurrency"].Default, strconv.Itoa(vsclient.DefaultConcurrency))
	is.Equal(strconv.Itoa(told.PerMinute.Uploads), params["uploads_per_minute"].Default)
	is.Equal(strconv.Itoa(told.PerMinute.AttachRequestsPerStore), params["attach_requests_per_minute"].Default)
	is.Equal(strconv.Itoa(told.PerMinute.AttachedFiles), params["attached_files_per_minute"].Default)
}
