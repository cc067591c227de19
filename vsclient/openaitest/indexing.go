package openaitest

import "path"

// verdict tells how the indexing of a just attached file will end: never, with
// an error code, or well.
func (s *Server) verdict(f *storeFile) (stuck bool, code, message string) {
	for _, r := range s.cfg.IndexRules {
		if r.Name != "" {
			if ok, _ := path.Match(r.Name, f.file.name); !ok {
				continue
			}
		}
		if r.Times > 0 && f.file.attaches > r.Times || r.Rate > 0 && s.rng.Float64() >= r.Rate {
			continue
		}
		if r.Stuck {
			return true, "", ""
		}
		if r.Code != "" {
			return false, r.Code, orElse(r.Message, "An internal error occurred.")
		}
		break
	}
	if s.cfg.StickIndexing != nil || s.cfg.FailIndexing != nil {
		info := f.file.info()
		info.VectorStoreID, info.Attributes = f.store.id, plain(f.attributes)
		if s.cfg.StickIndexing != nil && s.cfg.StickIndexing(info) {
			return true, "", ""
		}
		if s.cfg.FailIndexing != nil {
			if code, message := s.cfg.FailIndexing(info); code != "" {
				return false, code, orElse(message, "An internal error occurred.")
			}
		}
	}
	if extension(f.file.name) == "" && s.cfg.Quirks.MissingExtension == MissingFails {
		return false, "unsupported_file", unsupportedContent
	}
	if most := s.cfg.MaxFileTokens; most > 0 && f.file.bytes/bytesPerToken > most {
		return false, "invalid_file", tooManyTokens
	}
	d := f.file.document()
	return false, d.code, d.message
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
