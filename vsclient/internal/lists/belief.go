package lists

import (
	"context"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// How long a reply is believed, and how long absence is not.
const (
	// trustedFor is how long a reply about a File is believed. The client records its
	// own changes; this is for changes by others.
	trustedFor = 10 * time.Minute
	// ShowTime is how long an attach may stay unseen: listings lag by up to two
	// minutes, and a look may answer 404 for a while.
	ShowTime = 3 * time.Minute
	// redelivered is the number of versions that a new client asks for by GET although the
	// listing shows them: for three minutes the listing may lag behind the process before it.
	// A killed process has its last batch delivered first.
	redelivered = 100
	// singleLooks is the number of single looks after which the store's listing is read
	// instead; a large project allows more.
	singleLooks = 4
)

// Young reports whether a File is so new that an attach of it may not be visible yet.
func (l *Lists) Young(created int64) bool {
	return created > 0 && l.Age(created) < l.cfg.AttachTime+ShowTime
}

// Unknown returns the young Files of which no reply says whose they are.
func (l *Lists) Unknown() []ledger.Version {
	return l.ledger.Young(l.Now() - int64((l.cfg.AttachTime+ShowTime)/time.Second))
}

// Trusted reports whether the last reply about a File is still believed.
func (l *Lists) Trusted(file ledger.Version) bool {
	since := l.Since(file.At)
	switch {
	case file.Seen == ledger.NotSeen, file.Bare():
		return false
	case file.Seen == ledger.Listed && file.Status != ledger.Completed:
		return false // the listing may be behind
	case file.Seen == ledger.Listed && !file.Made && !l.ledger.InFileList(file.ID):
		return false // its File may be gone
	case file.Status == ledger.Absent && since > ShowTime && file.Created > 0 && l.Age(file.Created)-since < l.cfg.AttachTime+ShowTime:
		return false // it was too new for a 404 to be conclusive
	}
	return since < trustedFor
}

// Sure reports whether enough is known of a version to leave it as it is.
func (l *Lists) Sure(file ledger.Version) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if file.Seen != ledger.Listed || time.Since(l.first) > ShowTime || l.sure >= redelivered {
		return file.Seen != ledger.NotSeen
	}
	l.sure++
	return false
}

// Inspect waits until a believed reply about the File has arrived: a page of the store's
// listing while one is being read, else the reply that look gets. over reports that a complete
// listing has not shown the File.
func (l *Lists) Inspect(ctx context.Context, file ledger.Version, look func(context.Context, string) error) (over bool, err error) {
	for joined := (*flight)(nil); ; {
		now, known := l.ledger.Find(file.ID)
		if !known || l.Trusted(now) || now.Open || now.Going {
			return false, nil
		}
		l.mu.Lock()
		reading := l.walk != nil && l.walk.ctx.Err() == nil
		switch {
		case reading && joined != l.walk && now.Status == ledger.Unknown:
			joined = l.join(&l.walk, l.readStore)
			defer l.leave(joined)
		case !reading && now.Status == ledger.Unknown && l.passedOver(now):
			l.mu.Unlock()
			return true, nil
		case !reading && now.Status == ledger.Unknown && l.looks >= max(singleLooks, l.ledger.Len()/wire.StoreFilesPage/2) && time.Since(l.tried) > trustedFor:
			joined = l.join(&l.walk, l.readStore)
			defer l.leave(joined)
		case !reading || now.Status != ledger.Unknown:
			l.looks++
			l.mu.Unlock()
			return false, look(ctx, file.ID)
		}
		paged := l.paged
		l.mu.Unlock()
		select {
		case <-paged:
		case <-joined.done:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// passedOver reports whether a complete listing omitted the File although the File was
// old enough to be listed. The caller holds mu.
func (l *Lists) passedOver(file ledger.Version) bool {
	since := time.Since(l.walked)
	age := time.Duration(l.clock.Now()-file.Created) * time.Second
	return since < trustedFor && age-since > l.cfg.AttachTime+ShowTime
}
