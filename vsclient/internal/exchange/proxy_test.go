package exchange

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
)

func TestAProxyThatRefusesIsAskedOnce(t *testing.T) {
	is := is.New(t)
	asked := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	c, err := New(Config{
		BaseURL: "https://t0ken@api.example/v1", APIKey: "key", RetryTimeout: time.Minute, RequestTimeout: time.Minute,
		Pacer: pace.NewPacer(pace.Limits{}), Logger: slog.New(slog.DiscardHandler),
	})
	is.NoErr(err)
	defer c.Close()
	at, err := url.Parse(proxy.URL)
	is.NoErr(err)
	c.own.Transport.(*http.Transport).Proxy = http.ProxyURL(at)
	_, _, err = Send[struct{}](t.Context(), c, Request{Method: http.MethodGet, Path: "files"})
	is.True(errors.Is(err, fail.Incompatible))
	is.Equal(asked, 1)
}
