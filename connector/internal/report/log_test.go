package report_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/matryer/is"
	"github.com/rs/zerolog"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/report"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

func TestAReasonHasTheAdviceAndNeitherKeyNorIDs(t *testing.T) {
	is := is.New(t)
	err := fmt.Errorf("vector_store_id: %w; give another", &vsclient.Error{
		Op: "put", Key: "secret", Kind: vsclient.ErrStoreGone, Tries: 3,
		Reason: "400 Bad Request: file-1 is bad (code gone, request id req_1) and file-2 (request id req_2)",
	})
	is.Equal(report.Reason(err), "vector_store_id: put: vector store expired or gone: 400 Bad Request: file-… is bad (code gone) and file-…; give another")
	is.Equal(report.Reason(errors.Join(err, err)), "put: vector store expired or gone: 400 Bad Request: file-… is bad (code gone) and file-…") // of several, the first
}

func TestAWarningIsLoggedOnceAndAtMost100Are(t *testing.T) {
	is := is.New(t)
	var out strings.Builder
	log := zerolog.New(&out)
	warn := report.Logger{Logger: &log}.Once()
	for i := range 1000 {
		warn(fmt.Errorf("the extension %d", i%500))
	}
	is.Equal(strings.Count(out.String(), "the extension"), 100)
	is.Equal(strings.Count(out.String(), "left out of the log"), 1)
}
