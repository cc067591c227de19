package lists

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
)

// at begins a client's lists at a moment of OpenAI's clock, an hour before now.
func at(t *testing.T) (l *Lists, now int64) {
	t.Helper()
	l = New(ledger.New(), Config{AttachTime: 10 * time.Minute})
	now = time.Now().Unix()
	l.clock.Show(now)
	time.Sleep(time.Hour)
	return l, now + 3600
}

func TestA404OfAFileThatMayStillBeAttachedIsBelievedForThreeMinutes(t *testing.T) {
	for sentence, tt := range map[string]struct {
		age, since time.Duration // of the File, and since the reply
		believed   bool
	}{
		"it was young a moment ago":            {time.Minute, time.Second, true},
		"it was young four minutes ago":        {5 * time.Minute, 4 * time.Minute, false},
		"it was old four minutes ago":          {18 * time.Minute, 4 * time.Minute, true},
		"it was old more than ten minutes ago": {time.Hour, 11 * time.Minute, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, now := at(t)
				file := ledger.Version{
					ID: "file-a", Status: ledger.Absent, Seen: ledger.Read, Created: now - int64(tt.age/time.Second),
					At: l.TickAt(time.Now().Add(-tt.since)),
				}
				is.New(t).Equal(l.Trusted(file), tt.believed)
			})
		})
	}
}

func TestAListingPassesOverNoFileThatMayStillBeAttached(t *testing.T) {
	for sentence, tt := range map[string]struct {
		age, since time.Duration // of the File, and since the listing was read
		over       bool
	}{
		"it was five minutes old":                  {6 * time.Minute, time.Minute, false},
		"it was fourteen minutes old":              {15 * time.Minute, time.Minute, true},
		"the listing is more than ten minutes old": {time.Hour, 11 * time.Minute, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, now := at(t)
				l.walked = time.Now().Add(-tt.since)
				is.New(t).Equal(l.passedOver(ledger.Version{ID: "file-a", Created: now - int64(tt.age/time.Second)}), tt.over)
			})
		})
	}
}
