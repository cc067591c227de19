package openaitest

type indexedChunk struct{}

func (c *call) searchStore() (any, *apiError) { return nil, notModelled("search") }
