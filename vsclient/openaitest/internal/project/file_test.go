package project

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/matryer/is"
)

func TestTheContentOfAFileIsFreedWhenNothingCanShowIt(t *testing.T) {
	const ghostTime = time.Minute
	newFile := func(p *Project) *File {
		f := &File{Name: "cats.md", Content: Content{Size: 4, Kept: []byte("cats")}}
		p.AddFile(f)
		return f
	}
	attach := func(p *Project, f *File) (*Store, *StoreFile) {
		st := p.NewStore(StoreSettings{})
		sf := p.NewBatch(st, []Attachment{{File: f, Chunking: AutoChunking}}, 0).byID[f.ID]
		p.Search(st, []string{"cats"}, nil)
		return st, sf
	}
	freed := func(f *File) bool { return f.Kept == nil && f.parsed == nil }

	for name, end := range map[string]func(p *Project, f *File, st *Store, sf *StoreFile){
		"detached, then deleted":         func(p *Project, f *File, _ *Store, sf *StoreFile) { p.Detach(sf); p.DeleteFile(f) },
		"deleted":                        func(p *Project, f *File, _ *Store, _ *StoreFile) { p.DeleteFile(f) },
		"deleted, and then its store":    func(p *Project, f *File, st *Store, _ *StoreFile) { p.DeleteFile(f); p.DeleteStore(st) },
		"left by its store, and deleted": func(p *Project, f *File, st *Store, _ *StoreFile) { p.DeleteStore(st); p.DeleteFile(f) },
	} {
		t.Run(name, func(t *testing.T) {
			is := is.New(t)
			p := New(Rules{Now: time.Now, Rng: newRand()})
			f := newFile(p)
			st, sf := attach(p, f)
			is.True(!freed(f))
			end(p, f, st, sf)
			is.True(freed(f))
			is.Equal(p.History(st.ID)[0].File.Name, "cats.md") // the history still names it
		})
	}

	t.Run("but not while a view shows the detached file", func(t *testing.T) {
		is := is.New(t)
		p := New(Rules{Now: time.Now, Rng: newRand(), GhostWindow: ghostTime})
		f := newFile(p)
		st, sf := attach(p, f)
		p.Detach(sf)
		p.DeleteFile(f)
		is.True(len(p.ReadStoreFile(st, f.ID).Chunks()) == 1)
		is.NoErr(p.Advance(ghostTime))
		p.Store(st.ID)
		is.True(freed(f))
	})

	t.Run("nor while a store file outlives its File", func(t *testing.T) {
		is := is.New(t)
		p := New(Rules{Now: time.Now, Rng: newRand(), DeleteLeavesStoreFile: true})
		f := newFile(p)
		st, sf := attach(p, f)
		p.DeleteFile(f)
		is.True(len(p.Search(st, []string{"cats"}, nil)) == 1)
		p.Detach(sf)
		is.True(freed(f))
	})
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
