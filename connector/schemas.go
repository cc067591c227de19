package openaivs

import (
	"context"
	"sync"

	"github.com/conduitio/conduit-connector-protocol/pconnutils"
)

// schemas caches the answers of the schema service. A version of a schema never changes,
// and each record needs two.
type schemas struct {
	pconnutils.SchemaService
	known sync.Map // pconnutils.GetSchemaRequest to pconnutils.GetSchemaResponse
}

func (s *schemas) GetSchema(ctx context.Context, req pconnutils.GetSchemaRequest) (pconnutils.GetSchemaResponse, error) {
	if resp, ok := s.known.Load(req); ok {
		return resp.(pconnutils.GetSchemaResponse), nil // the cache has no other type
	}
	resp, err := s.SchemaService.GetSchema(ctx, req)
	if err == nil {
		s.known.Store(req, resp)
	}
	return resp, err
}
