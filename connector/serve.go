package openaivs

import (
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/conduitio/conduit-connector-protocol/pconnector"
	"github.com/conduitio/conduit-connector-protocol/pconnector/server"
	"github.com/conduitio/conduit-connector-protocol/pconnutils"
	schemaclient "github.com/conduitio/conduit-connector-protocol/pconnutils/v1/client"
	sdk "github.com/conduitio/conduit-connector-sdk"
	"github.com/conduitio/conduit-connector-sdk/schema"
	"github.com/hamba/avro/v2"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/lifeline"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/runstream"
)

// readAhead limits the records that are read from Conduit before they can be written. At
// OpenAI's published limits 1,000 documents take a minute. A stop waits for them, and after
// a crash Conduit delivers them again.
var readAhead = runstream.Limits{Records: 1000, Bytes: 32 << 20}

// maxRecordSize is the largest payload that is accepted, in bytes. A record needs a few times
// its size in memory.
var maxRecordSize = 64 << 20

// connectTime is how long Conduit may take to connect to the plugin. Conduit gives up after a
// minute, too.
const connectTime = time.Minute

// Serve runs the plugin until Conduit ends it. It differs from [sdk.Serve] in two ways: it
// wraps the stream of records (see package runstream), and it exits at once when Conduit has
// died (see package lifeline). The program must write nothing to standard output or standard
// error before, because Conduit reads the handshake there.
func Serve() {
	if len(os.Args) > 1 {
		sdk.Serve(Connector) // the commands: spec, version
		return
	}
	if err := serve(); err != nil {
		fmt.Fprintf(os.Stderr, "error running plugin: %v\n", err)
		os.Exit(1)
	}
}

func serve() error {
	cfg := pconnector.PluginConfig{
		Token:       os.Getenv(pconnutils.EnvConduitConnectorToken),
		ConnectorID: os.Getenv(pconnector.EnvConduitConnectorID),
		LogLevel:    os.Getenv(pconnector.EnvConduitConnectorLogLevel),
	}
	utilities := os.Getenv(pconnutils.EnvConduitConnectorUtilitiesGRPCTarget)
	if cfg.Token == "" || cfg.ConnectorID == "" || utilities == "" {
		return fmt.Errorf("this program is started by Conduit (tested on v0.14 and v0.19), which sets %s, %s and %s; put it into Conduit's connectors folder (the commands \"spec\" and \"version\" work without)",
			pconnutils.EnvConduitConnectorToken, pconnector.EnvConduitConnectorID, pconnutils.EnvConduitConnectorUtilitiesGRPCTarget)
	}
	logTo(os.Stderr, cfg.LogLevel)

	conn, err := grpc.NewClient(utilities, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("reaching Conduit's schema service: %w", err)
	}
	schema.Service = &schemas{SchemaService: schemaclient.NewSchemaServiceClient(conn)}

	// Conduit always sets a size. Only a size other than the default was chosen by a user.
	if n, err := strconv.Atoi(os.Getenv(pconnector.EnvConduitConnectorMaxReceiveRecordSize)); err == nil && n != server.DefaultMaxReceiveRecordSize {
		maxRecordSize = n
	}
	// By default the decoder refuses texts of more than 1 MiB, and allocates any list that a
	// broken record announces. An element of a list takes 16 bytes.
	avro.DefaultConfig = avro.Config{MaxByteSliceSize: maxRecordSize, MaxSliceAllocSize: maxRecordSize / 16}.Freeze()
	spec := Connector.NewSpecification()
	return server.Serve(
		func() pconnector.SpecifierPlugin { return sdk.NewSpecifierPlugin(spec) },
		func() pconnector.SourcePlugin { return sdk.NewSourcePlugin(nil, cfg, nil) },
		func() pconnector.DestinationPlugin {
			return runstream.Wrap(sdk.NewDestinationPlugin(Connector.NewDestination(), cfg, spec.DestinationParams), readAhead)
		},
		server.WithGRPCServerOptions(
			// A message that gRPC refuses ends the stream, with all records in flight. So gRPC
			// takes every size, and the translation refuses a record that is too large alone.
			grpc.MaxRecvMsgSize(math.MaxInt32),
			// Exit at once, without deferred functions, which would undo changes.
			lifeline.Watch(connectTime, func() { os.Exit(1) }),
		),
	)
}

// logTo makes the SDK's logger write to w, which Conduit reads, with the field names that
// Conduit expects.
func logTo(w *os.File, level string) {
	zerolog.LevelFieldName = "@level"
	zerolog.CallerFieldName = "@caller"
	zerolog.TimestampFieldName = "@timestamp"
	zerolog.MessageFieldName = "@message"
	l, err := zerolog.ParseLevel(level)
	if err != nil {
		l = zerolog.TraceLevel // Conduit filters
	}
	// net/http logs the beginning of an unsolicited reply, which may contain the API key.
	log.SetOutput(io.Discard)
	logger := zerolog.New(w).Level(l)
	zerolog.DefaultContextLogger = &logger
}
