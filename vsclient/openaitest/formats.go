package openaitest

func parsePDF(data []byte) *document                    { return &document{} }
func parseOffice(data []byte, truncated bool) *document { return &document{} }
func parseWord(data []byte) *document                   { return &document{} }
func htmlText(s string) string                          { return s }
