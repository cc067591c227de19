package openaivs_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/conduitio/conduit-commons/config"
	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// The tests in this file start the built program and speak Conduit's protocol
// with it.

func TestAcknowledgementsComeInOrder(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{IndexTime: 100 * time.Millisecond, IndexJitter: 200 * time.Millisecond})
	p := start(t, e.settings())
	recs := numbered(200)
	p.Send(recs...)
	for i, a := range p.Acks(200) {
		is.Equal(a.Error, "")
		is.Equal(a.Position, recs[i].Position)
	}
	p.Finish(recs[199].Position)
	is.Equal(len(e.documents()), 200)
	is.True(e.Counts()["POST /vector_stores/{vector_store_id}/file_batches"] < 20) // they were written together
}

func TestABadRecordIsRefusedAlone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server openaitest.Config
		spoil  func(*opencdc.Record)
		says   string
	}{
		{"when OpenAI cannot index it", openaitest.Config{IndexRules: []openaitest.IndexRule{{Name: "57*", Code: "invalid_file", Message: "could not be parsed"}}}, nil, "could not be parsed"},
		{"when its content is empty", openaitest.Config{}, func(r *opencdc.Record) { r.Payload.After = nil }, "the content is empty"},
		{"when it is neither text nor a known file", openaitest.Config{}, func(r *opencdc.Record) { r.Payload.After = opencdc.RawData("\xff\x00") }, "extension"},
		{"when it has no key", openaitest.Config{}, func(r *opencdc.Record) { r.Key = nil }, `position "57"`},
		{"when its operation is unknown", openaitest.Config{}, func(r *opencdc.Record) { r.Operation = 0 }, "operation"},
		{"when it is a chunk of a file", openaitest.Config{}, func(r *opencdc.Record) { r.Metadata = opencdc.Metadata{opencdc.MetadataFileChunked: "true"} }, "chunk"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			is := is.New(t)
			e := emulate(t, tt.server)
			cfg := e.settings()
			cfg["empty_content"] = "refuse"
			p := start(t, cfg)
			recs := numbered(100)
			if tt.spoil != nil {
				tt.spoil(&recs[57])
			}
			p.Send(recs...)
			for i, a := range p.Acks(100) {
				is.Equal(a.Position, recs[i].Position)
				is.Equal(a.Error != "", i == 57)
				if i == 57 {
					is.True(strings.Contains(a.Error, tt.says))
				}
			}
			p.Finish(recs[99].Position)
			is.Equal(len(e.documents()), 99)
		})
	}
}

func TestARefusedKeyStopsTheWholeWrite(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	p := start(t, e.settings())
	e.Inject(openaitest.Fault{Method: "POST", Times: -1, Kind: openaitest.FaultStatus, Status: http.StatusUnauthorized})
	recs := numbered(20)
	p.Send(recs...)
	for _, a := range p.Acks(20) {
		is.True(strings.Contains(a.Error, "401"))
	}
	p.Finish(recs[19].Position)
	is.Equal(len(e.documents()), 0)
}

func TestAVectorStoreThatIsGoneStopsTheWholeWrite(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	d := open(t, e, nil)
	write(t, d, row("docs", 1, "body", "text"), row("docs", 2, "body", "text"))
	e.removeStore(t)
	uploads := e.Counts()["POST /files"]
	n, err := d.Write(t.Context(), []opencdc.Record{move(1, 3), row("others", 1, "body", "another's row under the old key")})
	is.Equal(n, 0)
	is.True(errors.Is(err, vsclient.ErrStoreGone))
	is.Equal(e.Counts()["POST /files"], uploads+1) // the step that waits for the old key is not tried
}

func TestAKillInMidWriteLosesAndDoublesNothing(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{IndexTime: 300 * time.Millisecond})
	recs := numbered(30)
	p := start(t, e.settings())
	p.Send(recs[:10]...)
	p.Acks(10)
	attached := e.attaches()
	p.Send(recs[10:]...)
	<-attached // documents are being attached
	p.Kill()
	err := drain(p)
	is.True(err != nil)

	e.deliverToASuccessor(t, 30)
}

// deliverToASuccessor starts a plugin, sends it n numbered records again, as Conduit does
// after a crash, and checks that each document has one version.
func (e *emulator) deliverToASuccessor(t *testing.T, n int) {
	t.Helper()
	is := is.New(t)
	p := start(t, e.settings())
	recs := numbered(n)
	p.Send(recs...)
	p.Accepted(n)
	p.Finish(recs[n-1].Position)
	docs := e.documents()
	is.Equal(len(docs), n)
	for key, d := range docs {
		is.Equal(d.versions, 1)
		is.Equal(d.content, "document "+key)
		is.Equal(d.status, "completed")
	}
}

func TestRedeliveryChangesNothing(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	recs := numbered(50)
	for range 2 {
		p := start(t, e.settings())
		p.Send(recs...)
		p.Acks(50)
		p.Finish(recs[49].Position)
	}
	is.Equal(e.Counts()["POST /files"], 50)
	is.Equal(len(e.Snapshot().Files), 50)
}

func TestAStopWaitsForTheWriteUnderWay(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{IndexTime: time.Second})
	p := start(t, e.settings())
	recs := numbered(20)
	p.Send(recs...)
	_, err := p.Stop(p.Ctx, pconnector.DestinationStopRequest{LastPosition: recs[19].Position})
	is.NoErr(err)
	p.Accepted(20)
	p.End()
	is.Equal(len(e.documents()), 20)
}

func TestAForcedStopDoesNotWaitForTheIndexing(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{IndexTime: time.Hour})
	p := start(t, e.settings())
	attached := e.attaches()
	p.Send(numbered(5)...)
	<-attached
	began := time.Now()
	p.Cancel()
	err := drain(p)
	is.True(err != nil)
	p.End()
	is.True(time.Since(began) < 20*time.Second) // it does not wait for the indexing
}

func TestTeardownWithoutOpenIsHarmless(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	p := newProgram(t)
	_, err := p.Configure(p.Ctx, pconnector.DestinationConfigureRequest{Config: e.settings()})
	is.NoErr(err)
	p.End()
	is.Equal(e.RequestCount(), 0)
}

func TestDeletingTheConnectorLeavesTheDocuments(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	p := start(t, e.settings())
	p.Send(numbered(3)...)
	p.Acks(3)
	p.Finish(opencdc.Position("2"))
	requests := e.RequestCount()

	p = newProgram(t) // Conduit starts a process for this alone
	_, err := p.LifecycleOnDeleted(p.Ctx, pconnector.DestinationLifecycleOnDeletedRequest{Config: e.settings()})
	is.NoErr(err)
	p.End()
	is.Equal(e.RequestCount(), requests)
	is.Equal(len(e.documents()), 3)
}

func TestOpenNamesTheFaultInOneLine(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings config.Config
		says     []string
	}{
		{"a wrong key", config.Config{"api_key": "sk-wrong"}, []string{"api_key", "401"}},
		{"a store that is not there", config.Config{"vector_store_id": "vs_absent"}, []string{"vector_store_id", "vs_absent"}},
		{"an endpoint that cannot be reached", config.Config{"base_url": "http://127.0.0.1:1/v1", "retry_timeout": "1s"}, []string{"base_url", "http://127.0.0.1:1/v1", "refused"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is := is.New(t)
			e := emulate(t, openaitest.Config{APIKey: "sk-right"})
			cfg := e.settings()
			cfg["api_key"] = "sk-right"
			for k, v := range tt.settings {
				cfg[k] = v
			}
			p := newProgram(t)
			_, err := p.Configure(p.Ctx, pconnector.DestinationConfigureRequest{Config: cfg})
			is.NoErr(err)
			_, err = p.Open(p.Ctx, pconnector.DestinationOpenRequest{})
			is.True(err != nil)
			for _, s := range tt.says {
				is.True(strings.Contains(err.Error(), s))
			}
			is.True(!strings.Contains(err.Error(), "\n"))
			is.True(!strings.Contains(err.Error(), cfg["api_key"]))
			p.End() // as Conduit does after a failed Open
		})
	}
}

func TestLogsHoldNoKeyNoContentAndNoSecret(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{IndexRules: []openaitest.IndexRule{{Name: "secret-key-2*", Code: "invalid_file", Message: "could not be parsed"}}})
	p := start(t, e.settings())
	recs := numbered(5)
	for i := range recs {
		recs[i].Key = opencdc.RawData("secret-key-" + strconv.Itoa(i))
		recs[i].Payload.After = opencdc.RawData("secret content")
	}
	p.Send(recs...)
	p.Acks(5)
	p.Finish(recs[4].Position)
	writes := 0
	for line := range strings.SplitSeq(p.log.String(), "\n") {
		is.True(!strings.Contains(line, "sk-test"))
		is.True(!strings.Contains(line, "secret content"))
		if strings.Contains(line, `"debug"`) {
			continue
		}
		is.True(!strings.Contains(line, "secret-key"))
		if strings.Contains(line, "write done") {
			writes++
		}
	}
	is.True(writes >= 1 && writes <= 5)
}

// emulator is an emulated project with one store.
type emulator struct {
	*openaitest.Server
	url, store string
}

func emulate(t testing.TB, cfg openaitest.Config) *emulator {
	t.Helper()
	cfg.Quirks = answerOf(t)
	s := openaitest.New(cfg)
	t.Cleanup(s.Close)
	url, err := s.Listen("127.0.0.1:0")
	is.New(t).NoErr(err)
	return &emulator{s, url, s.NewVectorStore("test")}
}

func (e *emulator) settings() config.Config {
	return config.Config{"api_key": "sk-test", "vector_store_id": e.store, "base_url": e.url}
}

func (e *emulator) documents() map[string]document { return documents(e.Server, e.store) }

// removeStore deletes the store, as another client may.
func (e *emulator) removeStore(t *testing.T) {
	t.Helper()
	is := is.New(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, e.url+"/vector_stores/"+e.store, nil)
	is.NoErr(err)
	req.Header.Set("Authorization", "Bearer sk-test")
	resp, err := http.DefaultClient.Do(req)
	is.NoErr(err)
	resp.Body.Close()
	is.Equal(resp.StatusCode, http.StatusOK)
}

// attaches returns a channel that receives a value for each request that attaches files.
func (e *emulator) attaches() <-chan struct{} {
	attached := make(chan struct{}, 1000)
	e.OnRequest(func(_ int, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/vector_stores/") {
			attached <- struct{}{}
		}
	})
	return attached
}

// numbered makes records with the keys and positions 0, 1, ….
func numbered(n int) []opencdc.Record {
	recs := make([]opencdc.Record, n)
	for i := range recs {
		name := strconv.Itoa(i)
		recs[i] = opencdc.Record{
			Position:  opencdc.Position(name),
			Operation: opencdc.OperationCreate,
			Key:       opencdc.RawData(name),
			Payload:   opencdc.Change{After: opencdc.RawData("document " + name)},
		}
	}
	return recs
}

// drain reads acknowledgements until the stream ends, and returns why it did.
func drain(p *program) error {
	for {
		if _, err := p.Stream.Client().Recv(); err != nil {
			return err
		}
	}
}
