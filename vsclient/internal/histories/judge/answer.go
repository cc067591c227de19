package judge

import (
	"fmt"
	"slices"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
)

// untrue says why the result of a change that has succeeded is not true; empty: it is. The
// values are those that may have been there before it.
func (j *Judge) untrue(p *course.Process, c *model.Cell, call *model.Call, a client.Answer, before []model.Value) string {
	if a.Outcome == "created" || a.Outcome == "replaced" {
		if up := j.Uploaded(a.FileID); !call.Merged && (up == nil || up.P != p.N || up.Sent < call.From) {
			return fmt.Sprintf("%s as File %s, which it has not made", a.Outcome, a.FileID)
		}
	}
	if call.Merged || !call.Alone() { // the result is that of a later change, or rests on a view of before another's
		return ""
	}
	want := model.ValueOf(call.Doc)
	nothing := func(v model.Value) bool { return v.Absent }
	var possible func(model.Value) bool
	switch {
	case a.Outcome == "created", a.Outcome == "absent":
		possible = nothing
	case (a.Outcome == "replaced" || a.Outcome == "deleted") && !j.another(p, c, call, a):
		possible = func(v model.Value) bool { return !v.Absent }
	case a.Outcome == "unchanged" && call.Op == plan.OpPut:
		possible = func(v model.Value) bool { return v == want }
	case a.Outcome == "unchanged":
		possible = func(v model.Value) bool { return !v.Absent && v.Attrs == want.Attrs }
	case a.Outcome == "attributes updated" && call.Op == plan.OpPut:
		possible = func(v model.Value) bool { return v.Text == want.Text && v.Chunk == want.Chunk && v.Attrs != want.Attrs }
	case a.Outcome == "attributes updated":
		possible = func(v model.Value) bool { return !v.Absent && v.Attrs != want.Attrs }
	}
	switch {
	case possible != nil && !slices.ContainsFunc(before, possible) && !j.marksUnknown(c) && j.gone(c, j.Now()) == "":
		return fmt.Sprintf("%s, where there can be %s", a.Outcome, model.Show(before))
	case call.If != nil && !slices.ContainsFunc(before, func(v model.Value) bool { return v.Absent || v.Has(call.If) }) && !j.marksUnknown(c):
		return fmt.Sprintf("%s, where there can be %s", a.Outcome, model.Show(before))
	case call.Op == plan.OpDelete || j.othersWrite(p, c) || j.marksUnknown(c):
		return ""
	}
	for _, f := range j.Files(c.Store, c.Key) {
		if f.FileID == a.FileID && f.Attributes["vs_version"] == fmt.Sprintf("%016d", a.Version) {
			return ""
		}
	}
	return fmt.Sprintf("%s as File %s, version %d, which is not there", a.Outcome, a.FileID, a.Version)
}

// another reports whether a change can have found a version of its key, besides the one that
// it has made: also one that was no document. A version that another process has removed may
// be believed for a while.
func (j *Judge) another(p *course.Process, c *model.Cell, call *model.Call, a client.Answer) bool {
	there := func(id string) bool {
		for _, e := range j.Of(id) {
			if e.Endpoint == "DELETE /files/{id}" && e.Status < 300 && e.At > 0 && (e.P != p.N && e.At < call.From-trustedFor || e.P == p.N && e.Replied > 0 && e.Replied < call.From) {
				return false
			}
		}
		return true
	}
	for _, e := range j.Entries() {
		q := j.Procs[e.P]
		if e.Endpoint != "POST /files" || len(e.Files) == 0 || q == nil || q.Store != p.Store || e.Files[0] == a.FileID && a.Outcome == "replaced" || !there(e.Files[0]) {
			continue
		}
		if key := j.OwnerOf(e.Files[0]); key == c.Key || key == "" && e.P == p.N {
			return true
		}
	}
	return false
}

// marksUnknown reports whether a key has, or has had, a store file without the client's
// attributes: its document may be taken for another, or for none.
func (j *Judge) marksUnknown(c *model.Cell) bool {
	return c.StrippedAt > 0 || c.Store == 0 && slices.ContainsFunc(j.Plan.Planted, func(p plan.Planted) bool { return p.Ours && p.Key == c.Index })
}

// othersWrite reports whether another process that lives has changed the key.
func (j *Judge) othersWrite(p *course.Process, c *model.Cell) bool {
	for n := range c.Writers {
		if q := j.Procs[n]; n != p.N && !q.Dead && !q.Closed {
			return true
		}
	}
	return false
}
