package life_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/life"
)

func TestTheErrorsBeyondTenThousandAreCounted(t *testing.T) {
	is := is.New(t)
	var a life.Awaited
	for i := range 10_003 {
		end := a.Begin()
		end(fmt.Errorf("document %d", i))
	}
	a.Begin()(nil)
	text := a.TakeErrors().Error()
	is.Equal(strings.Count(text, "\ndocument"), 9_999)
	is.True(strings.HasSuffix(text, "\n3 more documents failed"))
	a.Begin()(errors.New("another"))
	is.Equal(a.TakeErrors().Error(), "another")
}
