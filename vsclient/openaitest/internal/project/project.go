// Package project is the state of one emulated project of OpenAI's: its Files, uploads
// and vector stores, how they change with time, and how lagging views show them. It
// knows no requests and no JSON.
//
// A [Project] is not safe for concurrent use: its owner holds a lock around every call.
// The fields of its objects are read outside the package and written only inside.
package project

import (
	"math/rand/v2"
	"time"
)

// Rules say how a project behaves. The fields have the meaning of those of
// openaitest.Config and openaitest.Quirks with the same names.
type Rules struct {
	Now func() time.Time
	Rng *rand.Rand // decides ids and chances

	IndexTime, IndexJitter time.Duration
	ListLag, SearchLag     Lag
	CountsLag              time.Duration
	NotFoundWindow         time.Duration
	GhostWindow            time.Duration
	StoresExpireAfter      time.Duration
	MaxFileTokens          int64

	// Decide returns how the indexing of a file that was just attached ends; false
	// leaves it to the file's content.
	Decide func(*StoreFile) (Outcome, bool)

	ReattachKeepsAttributes, ReattachReindexes                       bool
	DetachEverywhere, SearchKeepsAttributes                          bool
	DeleteLeavesCounts, DeleteLeavesStoreFile, ExpiryLeavesStoreFile bool
	DeletedCursorRefused, FilterAfterPage, ShuffledTies              bool
}

// Lag is the delay with which a view follows attaches, detaches and changes of status
// or attributes.
type Lag struct{ Attach, Detach, Update time.Duration }

// Outcome is the end of a file's indexing: none, a failure, or, without a code, success.
type Outcome struct {
	Stuck         bool
	Code, Message string
}

// Project is the state of one project.
type Project struct {
	rules     Rules
	ghostTime time.Duration // how long something remembers a detached file
	offset    time.Duration // by which Advance moved the clock
	seq       uint64

	files    map[string]*File
	fileList ordered[*File]
	stored   int64 // bytes of all Files
	expiring expiryHeap

	stores    map[string]*Store
	storeList ordered[*Store]
	buried    map[string]*Store // deleted, for their history

	// filesLeft and storesLeft hold the places of deleted objects: a cursor may name one.
	filesLeft, storesLeft map[string]place

	uploads map[string]*Upload
	pending []*Upload // oldest first; those that have ended stay until they would have expired
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
func (p *Project) Advance(d time.Duration) { p.offset += d }

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	hexSet = "0123456789abcdef"
)

// NewID returns a new id of n characters behind prefix, in the alphabet that OpenAI
// uses for that kind.
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

// tick lets Files and uploads expire that are due, and returns the time.
func (p *Project) tick() time.Time {
	now := p.Now()
	p.expireUploads(now)
	p.expireFiles(now)
	return now
}
