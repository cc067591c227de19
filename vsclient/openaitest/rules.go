package openaitest

import (
	"cmp"
	"path"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// rules returns the part of the Config that the state follows.
func (s *Server) rules() project.Rules {
	c, q := s.cfg, s.cfg.Quirks
	return project.Rules{
		Now: c.Now, Rng: s.rng, IndexTime: c.IndexTime, IndexJitter: c.IndexJitter,
		ListLag: project.Lag(c.ListLag), SearchLag: project.Lag(c.SearchLag), CountsLag: c.CountsLag,
		NotFoundWindow: c.NotFoundWindow, GhostWindow: c.GhostWindow, StoresExpireAfter: c.StoresExpireAfter,
		MaxFileTokens: c.MaxFileTokens, Decide: s.decide,
		ReattachKeepsAttributes: q.ReattachKeepsAttributes, ReattachReindexes: q.ReattachReindexes, DetachEverywhere: q.DetachEverywhere,
		SearchKeepsAttributes: q.SearchKeepsAttributes,
		DeleteLeavesCounts:    q.DeleteLeavesCounts, DeleteLeavesStoreFile: q.DeleteLeavesStoreFile, ExpiryLeavesStoreFile: q.ExpiryLeavesStoreFile,
		DeletedCursorRefused: q.DeletedCursorRefused, FilterAfterPage: q.FilterAfterPage, ShuffledTies: q.ShuffledTies,
		EarlyListed: q.EarlyListed,
	}
}

// decide returns the outcome of indexing a file that was just attached, if a rule, a
// function of the Config or a quirk determines it.
func (s *Server) decide(f *project.StoreFile) (end project.Outcome, decided bool) {
	stuck := project.Outcome{Stuck: true}
	fails := func(code, message string) (project.Outcome, bool) {
		return project.Outcome{Code: code, Message: cmp.Or(message, "An internal error occurred.")}, true
	}
	for _, r := range s.cfg.IndexRules {
		if r.Name != "" {
			if ok, _ := path.Match(r.Name, f.File.Name); !ok {
				continue
			}
		}
		if r.Times > 0 && f.File.Attaches > r.Times || r.Rate > 0 && s.rng.Float64() >= r.Rate {
			continue
		}
		if r.Stuck {
			return stuck, true
		}
		if r.Code != "" {
			return fails(r.Code, r.Message)
		}
		break
	}
	if s.cfg.StickIndexing != nil || s.cfg.FailIndexing != nil {
		info := fileInfo(f.File)
		info.VectorStoreID, info.Attributes = f.Store.ID, plain(f.Attributes)
		if s.cfg.StickIndexing != nil && s.cfg.StickIndexing(info) {
			return stuck, true
		}
		if s.cfg.FailIndexing != nil {
			if code, message := s.cfg.FailIndexing(info); code != "" {
				return fails(code, message)
			}
		}
	}
	if project.Extension(f.File.Name) == "" && s.cfg.Quirks.MissingExtension == MissingFails {
		return fails("unsupported_file", project.UnsupportedContent)
	}
	return end, false
}
