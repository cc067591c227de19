// Package deeds checks actions of a process that no result reports: removed versions, and
// Files named by Close. It compares both with the log of requests and with the emulator.
package deeds

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// deeds are those of a history so far.
type deeds struct{ *course.Course }

const (
	openTime    = 15 * time.Minute // a version that was never seen searchable stays for at least this long
	slack       = 2 * time.Second  // OpenAI's times are whole seconds
	hostsDiffer = 4 * time.Second  // the clocks of OpenAI's hosts differ by at most this
	unseenTime  = 20 * time.Second // a process waits at least this long for a version that cannot be seen
)

// TakenBack finds versions that were, or may have been, accepted by the store and that a
// process has removed, although none of its callers had asked for a deletion, none that is
// newer was searchable, it had not failed, and its time was not over.
func TakenBack(c *course.Course) {
	if c.Drops() {
		return
	}
	d := &deeds{c}
	first := make(map[string]bool) // the Files of which a removal was seen
	for _, e := range c.Entries() {
		if e.Endpoint != "DELETE store/files/{id}" || first[e.Files[0]] {
			continue
		}
		first[e.Files[0]] = true
		if p := c.Procs[e.P]; p != nil && d.takesBack(p, e) {
			c.Wrong(course.KindTaken, "process %d takes File %s of %s, made by process %d, out of the store at %v, where it is %q and nothing newer is searchable",
				p.N, e.Files[0], trail.Shown(c.OwnerOf(e.Files[0])), c.Maker(e.Files[0]), e.Sent, e.Was)
		}
	}
}

// Numbered finds updates of a version's attributes whose number is not above those that the
// process itself has given or asked for, and has seen answered.
func Numbered(c *course.Course) {
	type given struct {
		process int
		file    string
		store   string
	}
	if c.Drops() {
		return
	}
	last := make(map[given]*trail.Entry)
	for _, e := range c.Entries() {
		if e.Endpoint != "POST store/files/{id}" || len(e.Attrs) == 0 {
			continue
		}
		if p, i := c.Procs[e.P], slices.Index(c.Keys, c.OwnerOf(e.Files[0])); p == nil || p.Store < 0 || i < 0 || c.Cells[[2]int{p.Store, i}].StrippedAt > 0 {
			continue // without attributes it has no number
		}
		at := given{e.P, e.Files[0], e.Path}
		before := last[at]
		if before != nil && before.Replied > 0 && before.Status < 300 && before.Replied < e.Sent && number(e) <= number(before) && attributes(e) != attributes(before) {
			c.Wrong(course.KindAnswer, "process %d gives File %s of %s the number %s at %v, which it had at %v", e.P, e.Files[0], trail.Shown(c.OwnerOf(e.Files[0])), number(e), e.Sent, before.Sent)
		}
		last[at] = e
	}
}

// Older finds updates of a version beside a newer one of its key that the process before had
// attached: a GET may have said 404 of it, and the list of Files has shown it.
func Older(c *course.Course) {
	for _, e := range c.Entries() {
		p := c.Procs[e.P]
		if e.Endpoint != "POST store/files/{id}" || p == nil || p.Store < 0 || c.Drops() || e.Sent-p.Begun > unseenTime || len(e.Attrs) == 0 {
			continue
		}
		up, key := c.Uploaded(e.Files[0]), c.OwnerOf(e.Files[0])
		for _, n := range c.Entries() {
			maker := c.Procs[n.P]
			if up == nil || n.Endpoint != "POST /files" || n.Replied == 0 || n.P == e.P || maker == nil || maker.Store != p.Store || !maker.Dead && !maker.Closed || maker.Gone > p.Begun || n.At < up.At+2*hostsDiffer || c.OwnerOf(n.Files[0]) != key {
				continue
			}
			attached := c.Attached(n.Files[0])
			if len(attached) == 1 && attached[0] < p.Begun && !slices.ContainsFunc(c.Of(n.Files[0]), func(a *trail.Entry) bool {
				return a.Method == http.MethodDelete || a.State == "failed" || a.State == "cancelled"
			}) {
				c.Wrong(course.KindStale, "process %d updates File %s of %s at %v, although process %d has attached the newer %s", e.P, e.Files[0], trail.Shown(key), e.Sent, n.P, n.Files[0])
			}
		}
	}
}

func number(e *trail.Entry) string {
	v, _ := e.Attrs[0]["vs_version"].(string)
	return v
}

func attributes(e *trail.Entry) string { return trail.AttrsText(trail.Own(e.Attrs[0])) }

// takesBack judges the first removal of a version.
func (d *deeds) takesBack(p *course.Process, e *trail.Entry) bool {
	id := e.Files[0]
	key, up := d.OwnerOf(id), d.Uploaded(id)
	i := slices.Index(d.Keys, key)
	if i < 0 || up == nil || p.Store < 0 || p.Store == 0 && d.Expired && e.Sent >= d.ExpiredAt || e.Was == "failed" || e.Was == "cancelled" {
		return false
	}
	c := d.Cells[[2]int{p.Store, i}]
	if c.StrippedAt > 0 || slices.ContainsFunc(c.Calls, func(call *model.Call) bool {
		return call.P == p.N && call.Op == plan.OpDelete && call.From <= e.Sent && (!call.Ended || up.Sent < call.To+slack)
	}) {
		return false
	}
	var last *trail.Entry
	number := "" // as the process knows it
	for _, a := range d.Of(id) {
		if a.P == p.N && a.Endpoint == "GET store/files/{id}" && a.State == "failed" && a.Replied > 0 {
			return false
		}
		if a.Sent >= e.Sent || !strings.Contains(a.Path, d.Stores[p.Store]) || a.Method != http.MethodPost {
			continue
		}
		if n := slices.Index(a.Files, id); n < len(a.Attrs) && (a.P == p.N || a.P == up.P) {
			if v, _ := a.Attrs[n]["vs_version"].(string); v > number {
				number = v
			}
		}
		switch {
		case a.Endpoint != "POST store/files" && a.Endpoint != "POST file_batches":
		case a.Refused():
			return false
		case a.Fate != plan.Fate429:
			last = a
		}
	}
	return last != nil && e.Sent < last.Sent+openTime && !d.newer(p.Store, key, id, number, e.Sent)
}

// newer reports whether another version of the key with that number or a higher one was
// searchable by a time.
func (d *deeds) newer(store int, key, id, number string, at time.Duration) bool {
	return slices.ContainsFunc(d.Srv.History(d.Stores[store]), func(i openaitest.Interval) bool {
		v, _ := i.Attributes["vs_version"].(string)
		return i.FileID != id && v >= number && d.Since(i.From) <= at && d.Owner(i.FileID, i.Attributes, i.Filename) == key
	})
}

// Ended judges the Files that a process names at its end, and those that it does not.
func Ended(c *course.Course, p *course.Process, left client.Left, early bool) {
	if c.Drops() {
		return
	}
	d := &deeds{c}
	for _, id := range left.Files {
		if why := d.misnamed(p, id, early); why != "" {
			c.Wrong(course.KindLeaves, "process %d: its end names File %s, which %s", p.N, id, why)
		}
	}
	if left.More || p.Store < 0 || p.Store == 0 && c.Expired {
		return
	}
	status := make(map[string]string)
	for _, f := range c.Srv.Snapshot().Files {
		status[f.ID] = "attached nowhere"
	}
	for _, f := range c.Srv.Snapshot().Store(c.Stores[p.Store]).Files {
		if status[f.FileID] != "" {
			status[f.FileID] = f.Status
		}
	}
	for _, i := range c.Srv.History(c.Stores[p.Store]) {
		delete(status, i.FileID) // it was searchable
	}
	for _, e := range c.Entries() {
		if e.P != p.N || e.Endpoint != "POST /files" || e.Replied == 0 || e.Replied >= p.Ending || len(e.Files) != 1 {
			continue
		}
		id := e.Files[0]
		if is := status[id]; is != "" && !slices.Contains(left.Files, id) && !d.removedByOthers(p, id) {
			c.Wrong(course.KindLeaves, "process %d: its end does not name File %s %q, which is %s", p.N, id, e.Name, is)
		}
	}
}

// misnamed says why an end must not name a File. early: nothing has kept the client from the
// removals that were due.
func (d *deeds) misnamed(p *course.Process, id string, early bool) string {
	up := d.Uploaded(id)
	mine, removes, tries, gone, failed, attached, hidden := up != nil && up.P == p.N, false, false, false, false, false, false
	var seen *trail.Entry
	for _, e := range d.Of(id) {
		if e.P != p.N {
			continue
		}
		answered := e.Replied > 0 && e.Replied < p.Ending
		switch {
		case e.Method == http.MethodDelete:
			removes, tries = true, tries || e.Sent >= p.Ending || !answered // or it was under way
			gone = gone || e.Endpoint == "DELETE /files/{id}" && answered && (e.Status < 300 || e.Status == http.StatusNotFound)
		case e.Endpoint == "GET store/files/{id}" && answered:
			failed = failed || e.State == "failed"
			seen, hidden = e, removes && e.Status == http.StatusNotFound // the store does not show it any more
		case e.Endpoint == "POST store/files", e.Endpoint == "POST file_batches":
			attached, seen = true, nil
		}
	}
	switch {
	case !mine && !removes && !d.changing(p, id):
		return "it has neither made nor begun to remove"
	case gone:
		return "it has deleted"
	case !removes && !d.changing(p, id) && seen != nil && seen.State == "completed":
		return "it has seen searchable"
	case mine && !tries && !hidden && (failed || !attached) && up.Replied > 0 && early && d.quiet(p) && !d.removedByOthers(p, id):
		return "had to go, and which it has not tried to remove at its end"
	}
	return ""
}

// changing reports whether the end of a process has cut a change of the File's key: the removal
// may have waited for its request to be sent.
func (d *deeds) changing(p *course.Process, id string) bool {
	i := slices.Index(d.Keys, d.OwnerOf(id))
	d.Mu.Lock()
	defer d.Mu.Unlock()
	return i >= 0 && p.Store >= 0 && slices.ContainsFunc(d.Cells[[2]int{p.Store, i}].Calls, func(call *model.Call) bool {
		return call.P == p.N && call.From <= p.Ending && (!call.Ended || call.To >= p.Ending)
	})
}

// quiet reports whether no request of a process has met a fault since its end was asked for.
func (d *deeds) quiet(p *course.Process) bool {
	return !slices.ContainsFunc(d.Entries(), func(e *trail.Entry) bool {
		return e.P == p.N && e.Failed() && e.Sent >= p.Ending
	})
}

// removedByOthers reports whether another process has begun to remove a File.
func (d *deeds) removedByOthers(p *course.Process, id string) bool {
	return slices.ContainsFunc(d.Of(id), func(e *trail.Entry) bool { return e.P != p.N && e.Method == http.MethodDelete })
}
