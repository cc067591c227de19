package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// pieces is a writer that keeps the size of the largest piece.
type pieces struct {
	bytes.Buffer
	largest int
}

func (p *pieces) Write(data []byte) (int, error) {
	p.largest = max(p.largest, len(data))
	return p.Buffer.Write(data)
}

func TestAPlanIsSavedInPiecesAndReadWhole(t *testing.T) {
	for _, n := range []int{0, 1, 10_000} {
		is := is.New(t)
		m := made{Spec: spec{Source: `a "entries": [] b`, Owner: "us"}, Plan: &plan.Plan{Format: plan.Format, Entries: []plan.Entry{}}}
		for i := range n {
			m.Plan.Entries = append(m.Plan.Entries, plan.Entry{Action: plan.Remove, Key: fmt.Sprintf("a <b> \"c\" %d", i), Version: int64(i)})
		}
		var to pieces
		is.NoErr(m.write(&to))
		is.True(to.largest < 64<<10)
		var read made
		is.NoErr(json.Unmarshal(to.Bytes(), &read))
		is.Equal(read, m)
	}
}
