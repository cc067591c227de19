package judge

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/rare"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// Judge holds everything by which a history is judged.
type Judge struct {
	*course.Course
	Was map[string]string // the Files that others have made, as they were

	Done       bool                  // everything is judged
	LearntGone map[int]time.Duration // when a process learnt that it is gone: since then it may upload nothing
}

// New makes the judge of a plan.
func New(p plan.Plan) *Judge {
	return &Judge{Course: course.New(p), LearntGone: make(map[int]time.Duration)}
}

// Answered enters the end of a change into the model, and judges the answer. stopped reports
// whether its caller's context has ended. The caller holds mu.
func (j *Judge) Answered(p *course.Process, c *model.Cell, call *model.Call, a client.Answer, stopped bool) {
	now := j.Now()
	wrong := func(kind, format string, args ...any) {
		j.Find(kind, "%v of %s: "+format, append([]any{call, trail.Shown(c.Key)}, args...)...)
	}
	if call.Ended {
		return
	}
	if why := j.Unasked(p, call.From, a, stopped); why != "" {
		wrong(course.KindError, "%s: %v", why, a.Err)
	}
	if c.Store == 0 && j.Expired && call.From >= j.ExpiredAt {
		silent := a.Outcome == "unchanged" || a.Conflict || refused(c.Key, call.Doc) // without a request
		if why := j.Expiry(p, call.From, a); why != "" && !silent {
			wrong(course.KindAnswer, "the store has expired, and %s: %v", why, a.Err)
		}
		if _, learnt := j.LearntGone[p.N]; !learnt && a.Class == client.Everybody {
			j.LearntGone[p.N] = now
		}
		c.Fail(call, now, true)
		return
	}
	if j.Drops() {
		j.unkept(p, c, call, a)
		return
	}
	back := j.backAgain(c)
	before := c.Before(call)
	mustRefuse := call.Op != plan.OpDelete && refused(c.Key, call.Doc)
	switch {
	case a.Err == nil:
		if mustRefuse {
			wrong(course.KindAnswer, "it is accepted, and must be refused")
		}
		if p.Step.Attached && call.Op == plan.OpPut && (a.Outcome == "created" || a.Outcome == "replaced") {
			j.Out.States[rare.Attached]++
		}
		if a.Outcome == "attributes updated" {
			j.Out.States[rare.Updated]++
		}
		if a.Outcome == "replaced" && j.unmarked(c) {
			j.Out.States[rare.Unmarked]++
		}
		if a.Outcome == "unchanged" && j.listedEarly(c) {
			j.Pardon(excuseListed, c)
			c.Fail(call, now, true)
			return
		}
		if why := j.untrue(p, c, call, a, before); why != "" && !back && !(j.Expired && c.Store == 0) {
			wrong(course.KindAnswer, "%s", why)
		}
		before = c.States
		c.Succeed(call, now, p.Step.Attached)
		since := max(p.Begun, now-trustedFor) // it believes all that it has seen since then
		if a.Outcome == "unchanged" && (c.StrippedAt > since || c.ChangedBesides(p.N, since)) {
			c.States = model.Union(before, c.States) // it need not have seen that
			c.Note(now)
			j.Pardon(ExcuseUnseen, c)
		}
		if len(c.States) == 0 {
			wrong(course.KindAnswer, "%s, where there can be nothing", a.Outcome)
			c.States = []model.Value{model.Nothing}
		}
		return
	case a.Class == client.Stopped:
		c.Fail(call, now, true)
		return
	case a.Class == client.Service:
		if why := j.works(p, c, call); why != "" {
			wrong(course.KindError, "%s, and the error is of the service: %v", why, a.Err)
		}
		c.Fail(call, now, true)
		return
	case mustRefuse:
	case a.Class == client.Everybody && c.Store == 0 && j.Expired: // while the call was under way
		c.Fail(call, now, true)
		return
	case a.Class == client.Everybody:
		wrong(course.KindError, "an error of everybody: %v", a.Err)
	case call.If != nil && a.Conflict:
		j.Out.States[rare.Conflict]++
		if !slices.ContainsFunc(before, func(v model.Value) bool { return !v.Absent && !v.Has(call.If) }) && call.Alone() && !j.marksUnknown(c) && !j.open(c) {
			wrong(course.KindAnswer, "refused, where there can be %s", model.Show(before))
		}
	case call.Op == plan.OpUpdate && a.NotFound:
		if !slices.ContainsFunc(before, func(v model.Value) bool { return v.Absent }) {
			wrong(course.KindAnswer, "not found, where there is %s", model.Show(before))
		}
	case a.Indexing && (strings.HasPrefix(call.Doc.Text, plan.BadText) || j.Plan.API.Failing > 0 || j.Plan.API.Stuck > 0):
		j.Out.States[rare.NotIndexed]++
	default:
		wrong(course.KindError, "a good document is refused: %v", a.Err)
	}
	c.Fail(call, now, false)
}

// open reports whether a version of the key is not searchable yet. A condition may be judged by it.
func (j *Judge) open(c *model.Cell) (found bool) {
	for _, f := range j.Files(c.Store, c.Key) {
		found = found || f.Status == "in_progress"
	}
	return found
}

// unkept checks a change on a server that keeps no attributes. Only a put that returns after
// the attach may succeed. The next Flush must then report it as failed.
func (j *Judge) unkept(p *course.Process, c *model.Cell, call *model.Call, a client.Answer) {
	made := a.Outcome == "created" || a.Outcome == "replaced" || a.Outcome == "attributes updated"
	attached := p.Step.Attached && (call.Op == plan.OpPut || call.Merged || call.Follows != nil)
	if made && !attached {
		j.Find(course.KindAnswer, "%v of %s: %s, on a server that keeps no attributes", call, trail.Shown(c.Key), a.Outcome)
	}
	if c.Fail(call, j.Now(), true); made && attached && call == c.Calls[len(c.Calls)-1] {
		c.Accepted = call
	}
	if a.Class == client.Everybody {
		j.Out.States[rare.Dropped]++
	}
}

// Unasked returns why an error of class Stopped is wrong, because nobody has stopped the call,
// or "".
func (j *Judge) Unasked(p *course.Process, from time.Duration, a client.Answer, stopped bool) string {
	switch {
	case a.Class != client.Stopped || p.Dead:
	case a.Closed && !p.Closed:
		return "its client is not closed"
	case a.Closed && from < p.Ending && j.Now() < p.Until:
		return "its client is shut down and does not let it end"
	case !a.Closed && !stopped:
		return "its caller has not stopped it"
	}
	return ""
}

// Expiry returns why the answer is wrong for a call that began after the store had expired,
// or "". "Not found" is a wrong answer.
func (j *Judge) Expiry(p *course.Process, from time.Duration, a client.Answer) string {
	switch {
	case from < j.ExpiredAt+time.Duration(j.Plan.API.Ghost) || a.NoStore || a.Class == client.Stopped:
	case a.Err == nil:
		return "it succeeds"
	case a.Class != client.Service:
		return "the error is " + a.Class.String()
	case j.Calmed > 0 && from >= j.Calmed && p.Step.RetryFor == 0:
		return "the service works"
	}
	return ""
}

// Works returns why the call had no reason to fail with a service error, or "".
// Either nothing failed any more, or no fault has struck a request of its process. A short
// retry timeout may end within a reading that has hung since before that.
func (j *Judge) Works(p *course.Process, from time.Duration) string {
	switch {
	case p.Store < 0 || p.Store == 0 && j.Expired || p.Closed || p.Step.RetryFor > 0:
	case j.Calmed > 0 && from >= j.Calmed:
		return "the service works"
	case j.Untouched(p.N, p.Begun):
		return "no fault has struck its requests"
	}
	return ""
}

// works is Works for a change. Its version has to be searchable well within the index
// timeout. An update is refused as long as the removal of an earlier Delete is under way,
// and waits for a version that is open.
func (j *Judge) works(p *course.Process, c *model.Cell, call *model.Call) string {
	api := j.Plan.API
	within := cmp.Or(time.Duration(p.Step.IndexFor), indexFor)
	if api.Failing > 0 || api.Stuck > 0 || 2*time.Duration(api.IndexTime+api.Jitter) >= within ||
		(call.Op == plan.OpUpdate || call.If != nil) && !c.Clear(call) {
		return ""
	}
	return j.Works(p, call.From)
}

// Flushed judges the error that a Flush returns for a document.
func (j *Judge) Flushed(p *course.Process, t client.LateFailure) {
	j.Mu.Lock()
	defer j.Mu.Unlock()
	var put *model.Call
	var c *model.Cell
	if i := slices.Index(j.Keys, t.Key); i >= 0 && p.Store >= 0 {
		c = j.Cells[[2]int{p.Store, i}]
		for _, call := range c.Calls {
			if call.P == p.N && call.Op == plan.OpPut && call.Made() {
				put = call
			}
		}
	}
	why := ""
	switch {
	case put == nil, !p.Step.Attached:
		why = "no put of it has returned before its end"
	case t.Class == client.Stopped:
		why = "nobody has stopped it"
	case t.Class == client.Service && put.Alone() && !c.ChangedBesides(p.N, put.From): // another process may have removed it
		why = j.works(p, c, put)
	}
	if why != "" {
		j.Find(course.KindError, "process %d: flush reports %s: %s: %v", p.N, trail.Shown(t.Key), why, t.Err)
	}
}

// listedEarly reports whether a listing has shown a key's newest version as searchable that
// is still being indexed, or has failed since.
func (j *Judge) listedEarly(c *model.Cell) bool {
	return slices.Contains(j.Plan.API.Quirks, plan.QuirkEarlyListed) && !j.NewestSearchable(c.Store, c.Key)
}

// refused reports whether a document has to be refused before any request.
func refused(key string, d plan.Doc) bool {
	parts := (len(key) + 255) / 256
	return key == "" || len(key) > 1024 || len(d.Attrs)+2+parts > 16
}

// unmarked reports whether the key has begun with a File without attributes, and
// this is its first change that succeeds.
func (j *Judge) unmarked(c *model.Cell) bool {
	return c.Store == 0 && len(c.Calls) == 1 && slices.ContainsFunc(j.Plan.Planted, func(p plan.Planted) bool { return p.Ours && p.Key == c.Index })
}
