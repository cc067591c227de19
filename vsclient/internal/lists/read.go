package lists

import (
	"context"
	"maps"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

const (
	// ListAge is how old the list of Files may be for a call. Within that time a File that
	// somebody else made for one of our keys can go unnoticed.
	ListAge = 30 * time.Second
	// wholeAge is how old the last complete list may be: deletions by others are known
	// from then on.
	wholeAge = 24 * time.Hour
	// newestFiles is the size of the first page when the list is read again.
	newestFiles = 100
)

// Renew returns when the list of Files is there and not older than age.
func (l *Lists) Renew(ctx context.Context, age time.Duration) error {
	l.mu.Lock()
	fresh := time.Since(l.listed) < age
	l.mu.Unlock()
	if fresh {
		return nil
	}
	return l.shared(ctx, &l.files, l.readFiles)
}

// Relist returns when a complete list of Files has been read. It shows
// which Files others have deleted.
func (l *Lists) Relist(ctx context.Context) error {
	l.mu.Lock()
	l.whole = time.Time{}
	l.mu.Unlock()
	return l.Renew(ctx, 0)
}

// readFiles takes in the list of Files, the newest first: all of them at first and then
// once a day, and otherwise, of each purpose, those made in or after the second of the
// newest that is known: the lists of two purposes are not of one moment.
func (l *Lists) readFiles(ctx context.Context) error {
	began := time.Now()
	l.mu.Lock()
	first, since, newest := newestFiles, l.newest, make(map[string]int64)
	maps.Copy(newest, since)
	whole := l.whole.IsZero() || time.Since(l.whole) > wholeAge
	l.mu.Unlock()
	if whole {
		first, since = wire.FilesPage, nil
		l.ledger.Begin()
	}
	top := int64(0)
	for page, err := range l.cfg.Wire.Files(ctx, first, since) {
		if err != nil {
			return err
		}
		files := make([]ledger.File, len(page))
		for i, f := range page {
			top = max(top, f.CreatedAt)
			newest[f.Purpose] = max(newest[f.Purpose], f.CreatedAt)
			files[i] = FileOf(f)
		}
		l.ledger.Listed(files)
	}
	if whole {
		l.ledger.End(l.TickAt(began))
	}
	l.ledger.Forget(l.TickAt(began.Add(-ShowTime)))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock.Show(top)
	l.newest, l.listed = newest, began
	if l.first.IsZero() {
		l.first = began
	}
	if whole {
		l.whole = began
	}
	return nil
}

// readStore reads the store's whole listing.
func (l *Lists) readStore(ctx context.Context) error {
	began := time.Now()
	l.mu.Lock()
	l.paged = make(chan struct{})
	l.mu.Unlock()
	// A reading that failed is not begun again at once: the rest is looked at singly.
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.tried, l.looks = time.Now(), 0
	}()
	at := l.Tick()
	for page, err := range l.cfg.Wire.StoreFiles(ctx) {
		if err != nil {
			return err
		}
		for _, s := range page {
			l.observe(s, ledger.Listed, at)
		}
		at = l.Tick()
		l.mu.Lock()
		close(l.paged)
		l.paged = make(chan struct{})
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.walked, l.renewed = began, began
	return nil
}

// Walk returns when the store's listing has been read, and its newest entries lately.
func (l *Lists) Walk(ctx context.Context) error {
	l.mu.Lock()
	walked, renewed := time.Since(l.walked) < trustedFor, time.Since(l.renewed) <= ListAge
	l.mu.Unlock()
	switch {
	case walked && renewed:
		return nil
	case walked:
		return l.shared(ctx, &l.walk, l.readNewest)
	}
	return l.shared(ctx, &l.walk, l.readStore)
}

// readNewest reads the newest entries of the store's listing, down to a page that
// brings nothing new.
func (l *Lists) readNewest(ctx context.Context) error {
	began, at := time.Now(), l.Tick()
	for page, err := range l.cfg.Wire.NewestStoreFiles(ctx) {
		if err != nil {
			return err
		}
		news := false
		for _, s := range page {
			file, known := l.ledger.Find(s.ID)
			news = news || !known || file.Status <= ledger.Absent
			l.observe(s, ledger.Listed, at)
		}
		if at = l.Tick(); !news {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = began
	return nil
}

// StoreThere returns an error when the vector store is missing or has expired.
func (l *Lists) StoreThere(ctx context.Context) error {
	return l.shared(ctx, &l.store, func(ctx context.Context) error {
		_, err := l.cfg.Wire.Store(ctx)
		return err
	})
}
