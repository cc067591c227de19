package report_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
	"github.com/rs/zerolog"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/internal/report"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

func watch() (*report.Watch, func() []string) {
	out := new(bytes.Buffer)
	l := zerolog.New(out)
	return report.NewWatch(report.Logger{Logger: &l}, "https://api.openai.com/v1", 300), func() []string {
		defer out.Reset()
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
}

var (
	fine   = vsclient.RequestEvent{Endpoint: "GET /files/{id}", Status: 200}
	failed = vsclient.RequestEvent{Endpoint: "POST /files", Status: 503, Err: errors.New("503 Service Unavailable")}
)

func TestAnOutageHasOneLineAtItsBeginningAndOneAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w, lines := watch()
		w.See(fine)
		w.See(failed)
		is.Equal(lines(), []string{`{"level":"warn","message":"https://api.openai.com/v1 answers 503; tried again since 00:00:00 UTC"}`})
		for range 100 {
			time.Sleep(time.Second)
			w.See(failed)
			w.See(fine) // some requests go through meanwhile
		}
		is.Equal(lines(), []string{""})
		time.Sleep(6 * time.Second)
		w.See(fine)
		is.Equal(lines(), []string{`{"level":"warn","message":"https://api.openai.com/v1 answers again, after 1m46s"}`})
		w.See(fine)
		is.Equal(lines(), []string{""})
	})
}

func TestAnOutageIsOverWithAWriteThatGoesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w, lines := watch()
		stop := w.Follow(1)
		w.See(vsclient.RequestEvent{Err: errors.New("dial tcp: connection refused")})
		w.See(fine)
		stop()
		is.Equal(lines(), []string{
			`{"level":"warn","message":"https://api.openai.com/v1 cannot be reached (dial tcp: connection refused); tried again since 00:00:00 UTC"}`,
			`{"level":"warn","message":"https://api.openai.com/v1 answers again, after 0s"}`,
		})
	})
}

func TestRefusalsLimitsAndACancelAreNotAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w, lines := watch()
		for _, e := range []vsclient.RequestEvent{
			{Status: 400, Err: errors.New("400")},
			{Status: 404, Err: errors.New("404")},
			{Status: 429, Err: errors.New("429")},
			{Err: context.Canceled},
		} {
			w.See(e)
		}
		is.Equal(lines(), []string{""})
	})
}

func TestALongWriteLogsItsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w, lines := watch()
		stop := w.Follow(1000)
		for range 200 {
			w.See(vsclient.RequestEvent{Endpoint: "POST /files", Status: 200, Waited: 2 * time.Second})
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		is.Equal(lines(), []string{`{"level":"info","records":1000,"done":0,"refused":0,"uploads":200,"waits_for_limits":true,"message":"writing"}`})
		w.Progress(vsclient.Result{Err: errors.New("refused")})
		for range 149 {
			w.Progress(vsclient.Result{})
		}
		time.Sleep(9 * time.Second)
		synctest.Wait()
		is.Equal(lines(), []string{`{"level":"info","records":1000,"done":150,"refused":1,"uploads":200,"message":"writing"}`})
		for range 100 { // as many in this minute as the limits allow; the next waits for leave
			w.See(vsclient.RequestEvent{Endpoint: "POST /files", Status: 200})
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		is.Equal(lines(), []string{`{"level":"info","records":1000,"done":150,"refused":1,"uploads":300,"waits_for_limits":true,"message":"writing"}`})
		stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		is.Equal(lines(), []string{""})
	})
}
