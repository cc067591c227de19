package openaivs_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/conduitio/conduit-commons/config"
	"github.com/conduitio/conduit-commons/opencdc"
	"github.com/conduitio/conduit-connector-protocol/pconnector"
	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func TestAnOutageIsLoggedOnceAtItsBeginningAndOnceAtItsEnd(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	p := start(t, e.settings())
	e.Inject(openaitest.Fault{Method: "POST", Times: -1, Kind: openaitest.FaultStatus, Status: http.StatusServiceUnavailable})
	recs := numbered(30)
	p.Send(recs...)
	p.awaitLogged("warn", "answers 503")
	e.ClearFaults()
	p.Accepted(30)
	p.Finish(recs[29].Position)
	is.Equal(p.logged("warn", "answers 503; tried again since "), 1)
	is.Equal(p.logged("warn", "answers again, after "), 1)
	is.Equal(p.logged("warn", ""), 2) // and no other warning
}

func TestRefusalsAreLoggedByTheirReasons(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{IndexRules: []openaitest.IndexRule{{Name: "secret-1*", Code: "invalid_file", Message: "could not be parsed"}}})
	cfg := e.settings()
	cfg["empty_content"] = "refuse"
	p := start(t, cfg)
	recs := numbered(30)
	for i := range recs {
		recs[i].Key = opencdc.RawData("secret-" + strconv.Itoa(i))
	}
	recs[2].Payload.After, recs[3].Payload.After = nil, nil
	// In one message, so that they are written together.
	is.NoErr(p.Stream.Client().Send(pconnector.DestinationRunRequest{Records: recs}))
	p.Acks(30)
	p.Finish(recs[29].Position)
	var reasons []string
	for line := range strings.SplitSeq(p.log.String(), "\n") {
		var entry struct {
			Message string `json:"@message"`
			Level   string `json:"@level"`
			Records int    `json:"records"`
			Reason  string `json:"reason"`
		}
		json.Unmarshal([]byte(line), &entry) //nolint:errcheck // other lines are ignored
		if entry.Message == "records refused" {
			reasons = append(reasons, strconv.Itoa(entry.Records)+" "+entry.Reason)
		}
		is.True(entry.Level == "debug" || entry.Level == "trace" || !strings.Contains(line, "secret-"))
	}
	is.Equal(len(reasons), 2)
	is.True(strings.HasPrefix(reasons[0], "11 ")) // 1 and 10 to 19
	is.True(strings.Contains(reasons[0], "could not be parsed"))
	is.True(strings.HasPrefix(reasons[1], "2 the content is empty"))
}

// expiringStore creates a store that expires a day after its last use.
func (e *emulator) expiringStore(t *testing.T) {
	t.Helper()
	is := is.New(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+"/vector_stores",
		strings.NewReader(`{"name":"short-lived","expires_after":{"anchor":"last_active_at","days":1}}`))
	is.NoErr(err)
	req.Header.Set("Authorization", "Bearer sk-test")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	is.NoErr(err)
	defer resp.Body.Close()
	var made struct {
		ID string `json:"id"`
	}
	is.NoErr(json.NewDecoder(resp.Body).Decode(&made))
	e.store = made.ID
}

func TestAnExpiredStoreIsRefusedAtOpen(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	e.expiringStore(t)
	e.Advance(48 * time.Hour)
	p := newProgram(t)
	_, err := p.Configure(p.Ctx, pconnector.DestinationConfigureRequest{Config: e.settings()})
	is.NoErr(err)
	_, err = p.Open(p.Ctx, pconnector.DestinationOpenRequest{})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "vector_store_id"))
	is.True(strings.Contains(err.Error(), "expired"))
	p.End()
}

func TestAStoreThatExpiresInMidRunIsNoFaultOfTheRecords(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	e.expiringStore(t)
	p := start(t, e.settings())
	recs := numbered(20)
	p.Send(recs[:10]...)
	p.Acks(10)
	e.Advance(48 * time.Hour)
	p.Send(recs[10:]...)
	for _, a := range p.Acks(10) {
		is.True(strings.Contains(a.Error, "vector_store_id"))
		is.True(strings.Contains(a.Error, "expired"))
	}
	p.Finish(recs[19].Position)
	is.Equal(len(e.Snapshot().Files), 10) // the Files of the refused ones are gone
}

func TestABaseURLWithoutItsVersionIsNamed(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	p := newProgram(t)
	cfg := e.settings()
	cfg["base_url"] = strings.TrimSuffix(e.url, "/v1")
	_, err := p.Configure(p.Ctx, pconnector.DestinationConfigureRequest{Config: cfg})
	is.NoErr(err)
	_, err = p.Open(p.Ctx, pconnector.DestinationOpenRequest{})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "base_url"))
	is.True(strings.Contains(err.Error(), e.url)) // the URL to try
	p.End()
}

func TestAnIDThatIsNoVectorStoresIsBlamed(t *testing.T) {
	is := is.New(t)
	e := emulate(t, openaitest.Config{})
	p := newProgram(t)
	cfg := e.settings()
	cfg["vector_store_id"], cfg["retry_timeout"] = "asst_1", "1s"
	_, err := p.Configure(p.Ctx, pconnector.DestinationConfigureRequest{Config: cfg})
	is.NoErr(err)
	_, err = p.Open(p.Ctx, pconnector.DestinationOpenRequest{})
	is.True(err != nil)
	is.True(strings.Contains(err.Error(), "vector_store_id: "+e.url+` does not accept the id "asst_1"`))
	is.True(!strings.Contains(err.Error(), "cannot be reached")) // it answers
	p.End()
}

func TestThePasswordInABaseURLIsNowhere(t *testing.T) {
	for _, url := range []string{
		"http://proxyuser:hunter2secret@127.0.0.1:1/v1", // nothing answers there
		"ftp://proxyuser:hunter2secret@127.0.0.1/v1",
		"http://proxyuser:hunter2secret@127.0.0.1:none/v1",
		"proxyuser:hunter2secret@127.0.0.1/v1",
		"https:proxyuser:hunter2secret@127.0.0.1/v1",
		"http:/proxyuser:hunter2secret@127.0.0.1/v1",
		"http://hunter2secret@127.0.0.1:1/v1", // a token
	} {
		t.Run(url, func(t *testing.T) {
			is := is.New(t)
			p := newProgram(t)
			_, err := p.Configure(p.Ctx, pconnector.DestinationConfigureRequest{Config: config.Config{
				"api_key": "sk-test", "vector_store_id": "vs_1", "base_url": url, "retry_timeout": "1s",
			}})
			if err == nil {
				_, err = p.Open(p.Ctx, pconnector.DestinationOpenRequest{})
			}
			is.True(err != nil)
			is.True(strings.Contains(err.Error(), "base_url"))
			is.True(!strings.Contains(err.Error(), "hunter2secret"))
			p.End()
			is.True(!strings.Contains(p.log.String(), "hunter2secret"))
		})
	}
}

// awaitLogged returns once the log of a level has a line that contains a text.
func (p *program) awaitLogged(level, text string) {
	for p.logged(level, text) == 0 {
		time.Sleep(10 * time.Millisecond)
	}
}

// logged counts the lines of the log of a level that contain a text.
func (p *program) logged(level, text string) int {
	n := 0
	for line := range strings.SplitSeq(p.log.String(), "\n") {
		if strings.Contains(line, `"@level":"`+level+`"`) && strings.Contains(line, text) {
			n++
		}
	}
	return n
}
