package report

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Watch logs the state of the service and the progress of a long write: one line when an
// outage begins, one when it is over, and one every progressEvery during a write.
type Watch struct {
	log      Logger
	endpoint string

	mu sync.Mutex

	since    time.Time // the outage's first failure; zero: there is no outage
	failedAt time.Time // the outage's last failure
	better   bool      // a request has succeeded after failedAt

	done    int  // records of the write whose change has ended
	refused int  // those of them with an error
	uploads int  // of the write
	paced   bool // a request has waited for a limit since the last line

	perMinute int         // the limit of uploads; 0 or less: no limit
	latest    []time.Time // the times of the uploads of the last minute
}

const (
	// progressEvery is the interval of the lines about a long write.
	progressEvery = 10 * time.Second
	// calm is the time without a failure after which an outage counts as over.
	calm = 5 * time.Second
)

// NewWatch returns a watch. endpoint is the server's name in the log. perMinute is the limit
// of uploads; 0 or less means no limit.
func NewWatch(log Logger, endpoint string, perMinute int) *Watch {
	return &Watch{log: log, endpoint: endpoint, perMinute: perMinute}
}

// See records an attempt at a request.
func (w *Watch) See(e vsclient.RequestEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Waited > time.Second || e.Status == http.StatusTooManyRequests {
		w.paced = true
	}
	now := time.Now()
	if e.Err == nil && e.Endpoint == "POST /files" {
		w.uploads++
		w.latest = append(w.recent(now), now)
	}
	switch {
	case e.Status >= http.StatusInternalServerError, e.Status == 0 && !errors.Is(e.Err, context.Canceled):
		if w.since.IsZero() {
			w.since = now
			w.log.Warn().Msgf("%s %s; tried again since %s", w.endpoint, answer(e), now.UTC().Format(time.TimeOnly+" UTC"))
		}
		w.failedAt, w.better = now, false
	case e.Err == nil:
		w.better = true
		if now.Sub(w.failedAt) >= calm {
			w.over(now)
		}
	}
}

func answer(e vsclient.RequestEvent) string {
	if e.Status > 0 {
		return fmt.Sprintf("answers %d", e.Status)
	}
	text, _, _ := strings.Cut(e.Err.Error(), "\n")
	return "cannot be reached (" + text + ")"
}

// over ends an outage. The caller holds mu.
func (w *Watch) over(now time.Time) {
	if w.since.IsZero() {
		return
	}
	w.log.Warn().Msgf("%s answers again, after %s", w.endpoint, now.Sub(w.since).Round(time.Second))
	w.since = time.Time{}
}

// Progress records the result of one record's change.
func (w *Watch) Progress(r vsclient.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done++
	if r.Err != nil {
		w.refused++
	}
}

// Follow logs the progress of a write until the function that it returns is called.
func (w *Watch) Follow(records int) (stop func()) {
	w.mu.Lock()
	w.done, w.refused, w.uploads, w.paced = 0, 0, 0, false
	w.mu.Unlock()
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.logProgress(records)
			case <-done:
				return
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.better {
			w.over(time.Now())
		}
	}
}

func (w *Watch) logProgress(records int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.log.Info().Int("records", records).Int("done", w.done).Int("refused", w.refused).Int("uploads", w.uploads)
	// The event of a waiting request comes when the request has ended.
	if w.paced || w.perMinute > 0 && len(w.recent(time.Now())) >= w.perMinute {
		e = e.Bool("waits_for_limits", true)
		w.paced = false
	}
	e.Msg("writing")
}

// recent returns the times of the uploads of the last minute. The caller holds mu.
func (w *Watch) recent(now time.Time) []time.Time {
	for len(w.latest) > 0 && now.Sub(w.latest[0]) > time.Minute {
		w.latest = w.latest[1:]
	}
	return w.latest
}
