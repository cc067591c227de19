// Package project is the state of one emulated project of OpenAI's: its Files, uploads
// and vector stores, their changes over time, and the views of them that lag. It
// knows no requests and no JSON.
//
// A [Project] is not safe for concurrent use: its owner holds a lock around every call.
// The fields of its objects are read outside the package and written only inside.
package project

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Rules are the behaviour of a project. The fields mean the same as those with the same
// names in openaitest.Config and openaitest.Quirks.
type Rules struct {
	Now func() time.Time
	Rng *rand.Rand // makes ids and random decisions

	IndexTime, IndexJitter time.Duration
	ListLag, SearchLag     Lag
	CountsLag              time.Duration
	NotFoundWindow         time.Duration
	GhostWindow            time.Duration
	StoresExpireAfter      time.Duration
	MaxFileTokens          int64

	// Decide returns the outcome of indexing a file that was just attached; false
	// leaves the outcome to the file's content.
	Decide func(*StoreFile) (Outcome, bool)

	ReattachKeepsAttributes, ReattachReindexes                       bool
	DetachEverywhere, SearchKeepsAttributes                          bool
	DeleteLeavesCounts, DeleteLeavesStoreFile, ExpiryLeavesStoreFile bool
	DeletedCursorRefused, FilterAfterPage, ShuffledTies, EarlyListed bool
}

// Lag is the delay with which a view follows attaches, detaches and changes of status
// or attributes.
type Lag struct{ Attach, Detach, Update time.Duration }

// Outcome is the outcome of a file's indexing. Without Stuck and Code it is a success.
type Outcome struct {
	Stuck         bool
	Code, Message string
}

// Project is the state of one project.
type Project struct {
	rules     Rules
	ghostTime time.Duration // how long a view may show a detached file
	offset    time.Duration // the sum of all Advances
	seq       uint64

	files    map[string]*File
	fileList ordered[*File]
	stored   int64 // bytes of all Files
	expiring expiryHeap

	stores    map[string]*Store
	storeList ordered[*Store]
	buried    map[string]*Store // deleted stores, kept for their history

	// filesLeft and storesLeft hold the places of deleted objects: a cursor may name one.
	filesLeft, storesLeft map[string]place

	uploads map[string]*Upload
	pending []*Upload // oldest first; an ended upload stays until it would have expired
}

// New returns an empty project.
func New(rules Rules) *Project {
	return &Project{
		rules:      rules,
		ghostTime:  max(rules.ListLag.Detach, rules.GhostWindow, rules.SearchLag.Detach),
		files:      make(map[string]*File),
		filesLeft:  make(map[string]place),
		stores:     make(map[string]*Store),
		storesLeft: make(map[string]place),
		buried:     make(map[string]*Store),
		uploads:    make(map[string]*Upload),
	}
}

// Now returns the project's time.
func (p *Project) Now() time.Time { return p.rules.Now().Add(p.offset) }

// Advance moves the clock on by d.
func (p *Project) Advance(d time.Duration) error {
	switch {
	case d < 0:
		return fmt.Errorf("the clock cannot go back by %v", -d)
	case p.offset+d < p.offset:
		return fmt.Errorf("the clock was moved on by %v already, and %v more is too far", p.offset, d)
	}
	p.offset += d
	return nil
}

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	hexSet = "0123456789abcdef"
)

// NewID returns a new id: prefix and n characters of the alphabet that OpenAI uses with it.
func (p *Project) NewID(prefix string, n int) string {
	set := hexSet
	if prefix == "file-" {
		set = base62
	}
	b := make([]byte, len(prefix)+n)
	copy(b, prefix)
	for i := len(prefix); i < len(b); {
		for v, k := p.rules.Rng.Uint64(), 0; k < 10 && i < len(b); k, i = k+1, i+1 {
			b[i] = set[v%uint64(len(set))]
			v /= uint64(len(set))
		}
	}
	return string(b)
}

// nextPlace returns the place of an object that is created now.
func (p *Project) nextPlace(now time.Time) place {
	p.seq++
	pl := place{createdAt: now.Unix(), seq: p.seq}
	if p.rules.ShuffledTies {
		pl.tie = p.rules.Rng.Uint64()
	}
	return pl
}

// tick expires the Files and uploads that are due, and returns the time.
func (p *Project) tick() time.Time {
	now := p.Now()
	p.expireUploads(now)
	p.expireFiles(now)
	return now
}
