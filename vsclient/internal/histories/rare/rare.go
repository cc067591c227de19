// Package rare names the rare states that histories have to reach, and finds them in the
// log of a history. It judges nothing.
package rare

import (
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/course"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// The rare states that the histories have to reach. A proof that never reaches one
// says nothing about it.
const (
	Killed            = "a process was killed"
	Closed            = "a client was closed with calls under way"
	ShutDown          = "a client was shut down and let its calls end"
	GaveUp            = "a caller gave up"
	Two               = "two processes on one key"
	Orphan            = "an orphan and its successor on one key"
	Stripped          = "another tool replaced a document's attributes"
	AttachedElsewhere = "somebody attached a File of ours to another store"
	Expired           = "the store expired in mid-run"
	Conflict          = "a change was refused since the stored document was not as it asked for"
	Merged            = "several changes of one key were given to one Apply"
	Searched          = "a search found a document"
	Got               = "a get found a document"
	Read              = "the parsed text of a document was read"
	Updated           = "a document's attributes were updated"
	Flushed           = "a flush succeeded with documents to wait for"
	LeftNothing       = "a client that had made Files was closed and named none"
	LeftSome          = "a client that was closed named Files"
	Dropped           = "a server that keeps no attributes was refused"
	NotIndexed        = "a document could not be indexed"
	refused           = "a batch was refused and its files were attached otherwise"
	stuck             = "a stuck file was uploaded anew"
	serverError       = "a file that failed by server_error was uploaded anew"
	repeated          = "a lost upload was repeated"
	lateAttach        = "an attach of a dead process landed late and another process saw it"
	late              = "took effect after its caller had given up: "
	lost              = "a reply was lost: "
	altered           = "another process saw a document whose name the server had altered"
	cursor            = "a cursor of a listing was lost"
	slowRead          = "a reply to a reader came after a change that was made meanwhile"
	alone             = "a version was removed with no call for its key under way"
	sameName          = "two keys had Files of one name"
	notYet            = "a GET said 404 after an attach"
	lateDeletion      = "a deletion was followed by a late attach of a dead process"
	Unmarked          = "a File without attributes was taken for its key's document"
	Attached          = "a put returned when its version was attached"
	mirror            = "another client changed a document of the same key in another store"
)

// writing are the endpoints that change something.
var writing = []string{"POST /files", "POST store/files", "POST file_batches", "POST store/files/{id}", "DELETE store/files/{id}", "DELETE /files/{id}"}

// EveryState lists the states that a long run has to reach.
func EveryState() []string {
	all := []string{
		Killed, Closed, ShutDown, GaveUp, Two, Orphan, Stripped, AttachedElsewhere, Expired, Conflict, Merged, Searched, Got, Read, Updated, Flushed, LeftNothing, LeftSome, Dropped, NotIndexed, refused, stuck,
		serverError, repeated, lateAttach, altered, cursor, slowRead, alone, sameName, notYet, lateDeletion,
		Unmarked, Attached, mirror,
	}
	for _, e := range writing {
		all = append(all, late+e, lost+e)
	}
	return all
}

// search looks for rare states in the log of a history.
type search struct{ *course.Course }

// Reach notes the rare states that the log shows.
func Reach(c *course.Course) {
	j := &search{c}
	log := j.Entries()
	names := make(map[string]string) // of Files, as the server has them
	for _, f := range j.Srv.Snapshot().Files {
		names[f.ID] = f.Name
	}
	completed := make(map[string]bool)
	for store := range 2 {
		for _, i := range j.Srv.History(j.Stores[store]) {
			completed[i.FileID] = true
			names[i.FileID] = i.Filename
		}
	}
	failed := make(map[string]bool) // by server_error, or stuck
	for i, e := range log {
		if p := j.Procs[e.P]; p == nil {
			continue
		}
		if slices.Contains(writing, e.Endpoint) {
			if e.Late && e.At > 0 {
				j.Reached(late + e.Endpoint)
			}
			if e.At > 0 && e.Status < 300 && e.Replied == 0 && !e.Late {
				j.Reached(lost + e.Endpoint)
			}
		}
		switch {
		case e.Endpoint == "POST file_batches" && e.Status >= 400 && len(e.Files) > 1:
			if slices.ContainsFunc(log[i+1:], func(n *trail.Entry) bool {
				return n.P == e.P && strings.HasPrefix(n.Endpoint, "POST ") && n.Status > 0 && n.Status < 300 && len(n.Files) < len(e.Files) && len(n.Files) > 0 && slices.Contains(e.Files, n.Files[0]) && n.Endpoint != "POST store/files/{id}"
			}) {
				j.Reached(refused)
			}
		case j.landsAfter(e, -1, 0):
			if slices.ContainsFunc(log, func(n *trail.Entry) bool {
				return n.P != e.P && n.At > e.At && n.Endpoint == "GET store/files/{id}" && n.Status == 200 && slices.Contains(e.Files, n.Files[0])
			}) {
				j.Reached(lateAttach)
			}
		case e.Endpoint == "GET store/files" && strings.Contains(e.Query, "after=") && e.Status == 400, e.Endpoint == "GET /files" && strings.Contains(e.Query, "after=") && e.Status == 400:
			j.Reached(cursor)
		case e.Endpoint == "GET store/files/{id}" && e.Status >= 400 && len(j.AttachedBefore(e)) > 0:
			j.Reached(notYet)
		case e.Endpoint == "GET store/files/{id}" && e.Slow() && slices.ContainsFunc(j.Of(e.Files[0]), func(n *trail.Entry) bool {
			return n.Endpoint == "POST store/files/{id}" && n.At > e.At && n.Replied > 0 && n.Replied < e.Replied && n.P == e.P
		}):
			j.Reached(slowRead)
		case e.Endpoint == "GET store/files/{id}" && e.State == "failed":
			failed[e.Files[0]] = true
		case e.Endpoint == "GET store/files/{id}" && e.Status == 200:
			if up := j.Uploaded(e.Files[0]); up != nil && up.P != e.P && names[e.Files[0]] != "" && names[e.Files[0]] != up.Name {
				j.Reached(altered)
			}
		case e.Endpoint == "POST /files" && e.At > 0:
			j.uploadedAgain(log[:i], e, completed, failed)
		case e.Endpoint == "DELETE store/files/{id}" && e.At > 0:
			if j.nobodyAsks(e) {
				j.Reached(alone)
			}
		}
	}
	for store := range 2 {
		keys := make(map[string]string)
		for _, i := range j.Srv.History(j.Stores[store]) {
			key := j.Owner(i.FileID, i.Attributes, i.Filename)
			if was, ok := keys[i.Filename]; ok && was != key && key != "" && was != "" {
				j.Reached(sameName)
				break
			}
			keys[i.Filename] = key
		}
	}
	for _, c := range j.Cells {
		for _, d := range c.Deleted {
			if slices.ContainsFunc(log, func(e *trail.Entry) bool { return j.landsAfter(e, d.P, d.From) && j.OwnerOf(e.Files[0]) == c.Key }) {
				j.Reached(lateDeletion)
			}
		}
	}
	for at, c := range j.Cells {
		if at[0] == 1 && c.Changed() && j.Cells[[2]int{0, at[1]}].Changed() {
			j.Reached(mirror)
		}
	}
}

// landsAfter reports whether a request is an attach of another process, which was dead
// when the attach took effect, after that time.
func (j *search) landsAfter(e *trail.Entry, other int, after time.Duration) bool {
	p := j.Procs[e.P]
	return p != nil && p.Dead && e.P != other && e.At > max(after, p.Gone) && e.Status < 300 && len(e.Files) > 0 &&
		(e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches")
}

// uploadedAgain returns why a process uploads a name once more.
func (j *search) uploadedAgain(before []*trail.Entry, e *trail.Entry, completed, failed map[string]bool) {
	for _, was := range slices.Backward(before) {
		if was.P != e.P || was.Endpoint != "POST /files" || was.Name != e.Name {
			continue
		}
		switch {
		case !j.sameCall(was, e):
		case was.Lost():
			j.Reached(repeated)
		case len(was.Files) == 1 && failed[was.Files[0]] && j.Plan.API.Failing > 0:
			j.Reached(serverError)
		case len(was.Files) == 1 && !completed[was.Files[0]] && j.Plan.API.Stuck > 0 && e.Sent-was.At > time.Minute:
			j.Reached(stuck)
		}
		return
	}
}

// sameCall reports whether two uploads were made for one put, with no other change of the
// key by its process at that time.
func (j *search) sameCall(was, e *trail.Entry) bool {
	if len(e.Files) == 0 {
		return false
	}
	key := j.OwnerOf(e.Files[0])
	for _, c := range j.Cells {
		if p := j.Procs[e.P]; p != nil && c.Store == p.Store && c.Key == key {
			return c.OnePut(e.P, was.Sent, e.Sent)
		}
	}
	return false
}

// nobodyAsks reports whether a process removes a version while none of its callers
// waits for a change of its key.
func (j *search) nobodyAsks(e *trail.Entry) bool {
	p := j.Procs[e.P]
	for _, c := range j.Cells {
		if c.Store != p.Store || j.OwnerOf(e.Files[0]) != c.Key {
			continue
		}
		return c.Writers[e.P] && !slices.ContainsFunc(c.Calls, func(call *model.Call) bool {
			return call.P == e.P && call.From <= e.Sent && (!call.Ended || call.To >= e.Sent)
		})
	}
	return false
}
