package histories

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/model"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// The rare states that the histories have to reach. A proof that never reaches one
// says nothing about it.
const (
	stateKilled       = "a process was killed"
	stateClosed       = "a client was closed with calls under way"
	stateGaveUp       = "a caller gave up"
	stateTwo          = "two processes on one key"
	stateOrphan       = "an orphan and its successor on one key"
	stateStripped     = "another tool replaced a document's attributes"
	stateHand         = "somebody attached a File of ours to another store"
	stateExpired      = "the store expired in mid-run"
	stateNotIndexed   = "a document could not be indexed"
	stateRefused      = "a batch was refused and its files were attached otherwise"
	stateStuck        = "a stuck file was uploaded anew"
	stateServerError  = "a file that failed by server_error was uploaded anew"
	stateRepeated     = "a lost upload was repeated"
	stateLateAttach   = "an attach of a dead process landed late and another process saw it"
	stateLate         = "took effect after its caller had given up: "
	stateLost         = "a reply was lost: "
	stateAltered      = "another process saw a document whose name the server had altered"
	stateCursor       = "a cursor of a listing was lost"
	stateAlone        = "a version was removed with no call for its key under way"
	stateSameName     = "two keys had Files of one name"
	stateNotYet       = "a GET said 404 after an attach"
	stateLateDeletion = "a deletion was followed by a late attach of a dead process"
	stateUnmarked     = "a File without attributes was taken for its key's document"
	stateAttached     = "a put returned when its version was attached"
	stateMirror       = "another client mirrored the documents into another store"
)

// writing are the endpoints that change something.
var writing = []string{"POST /files", "POST store/files", "POST file_batches", "POST store/files/{id}", "DELETE store/files/{id}", "DELETE /files/{id}"}

// EveryState lists the states that a long run has to reach.
func EveryState() []string {
	all := []string{
		stateKilled, stateClosed, stateGaveUp, stateTwo, stateOrphan, stateStripped, stateHand, stateExpired, stateNotIndexed, stateRefused, stateStuck,
		stateServerError, stateRepeated, stateLateAttach, stateAltered, stateCursor, stateAlone, stateSameName, stateNotYet, stateLateDeletion,
		stateUnmarked, stateAttached, stateMirror,
	}
	for _, e := range writing {
		all = append(all, stateLate+e, stateLost+e)
	}
	return all
}

// states finds the rare states that the log shows.
func (h *history) states() {
	log := h.log.Entries()
	names := make(map[string]string) // of Files, as the server has them
	for _, f := range h.srv.Snapshot().Files {
		names[f.ID] = f.Name
	}
	completed := make(map[string]bool)
	for store := range 2 {
		for _, i := range h.srv.History(h.stores[store]) {
			completed[i.FileID] = true
			names[i.FileID] = i.Filename
		}
	}
	failed := make(map[string]bool) // by server_error, or stuck
	for i, e := range log {
		if p := h.procs[e.P]; p == nil {
			continue
		}
		if slices.Contains(writing, e.Endpoint) {
			if e.Late && e.At > 0 {
				h.reached(stateLate + e.Endpoint)
			}
			if e.At > 0 && e.Status < 300 && e.Replied == 0 && !e.Late {
				h.reached(stateLost + e.Endpoint)
			}
		}
		switch {
		case e.Endpoint == "POST file_batches" && e.Status >= 400 && len(e.Files) > 1:
			if slices.ContainsFunc(log[i+1:], func(n *trail.Entry) bool {
				return n.P == e.P && strings.HasPrefix(n.Endpoint, "POST ") && n.Status > 0 && n.Status < 300 && len(n.Files) < len(e.Files) && len(n.Files) > 0 && slices.Contains(e.Files, n.Files[0]) && n.Endpoint != "POST store/files/{id}"
			}) {
				h.reached(stateRefused)
			}
		case h.landsAfter(e, -1, 0):
			if slices.ContainsFunc(log, func(n *trail.Entry) bool {
				return n.P != e.P && n.At > e.At && n.Endpoint == "GET store/files/{id}" && n.Status == 200 && slices.Contains(e.Files, n.Files[0])
			}) {
				h.reached(stateLateAttach)
			}
		case e.Endpoint == "GET store/files" && strings.Contains(e.Query, "after=") && e.Status == 400, e.Endpoint == "GET /files" && strings.Contains(e.Query, "after=") && e.Status == 400:
			h.reached(stateCursor)
		case e.Endpoint == "GET store/files/{id}" && e.Status >= 400 && len(h.attachedBefore(e)) > 0:
			h.reached(stateNotYet)
		case e.Endpoint == "GET store/files/{id}" && e.State == "failed":
			failed[e.Files[0]] = true
		case e.Endpoint == "GET store/files/{id}" && e.Status == 200:
			if up := h.uploaded(e.Files[0]); up != nil && up.P != e.P && names[e.Files[0]] != "" && names[e.Files[0]] != up.Name {
				h.reached(stateAltered)
			}
		case e.Endpoint == "POST /files" && e.At > 0:
			h.uploadedAgain(log[:i], e, completed, failed)
		case e.Endpoint == "DELETE store/files/{id}" && e.At > 0:
			if h.nobodyAsks(e) {
				h.reached(stateAlone)
			}
		}
	}
	for store := range 2 {
		keys := make(map[string]string)
		for _, i := range h.srv.History(h.stores[store]) {
			key := h.owner(i.FileID, i.Attributes, i.Filename)
			if was, ok := keys[i.Filename]; ok && was != key && key != "" && was != "" {
				h.reached(stateSameName)
				break
			}
			keys[i.Filename] = key
		}
	}
	for _, c := range h.cells {
		for _, d := range c.Deleted {
			if slices.ContainsFunc(log, func(e *trail.Entry) bool { return h.landsAfter(e, d.P, d.From) && h.ownerOf(e.Files[0]) == c.Key }) {
				h.reached(stateLateDeletion)
			}
		}
	}
	if h.uses(1) {
		h.reached(stateMirror)
	}
}

// landsAfter reports whether a request is an attach of another process, which was dead
// when the attach took effect, after that time.
func (h *history) landsAfter(e *trail.Entry, other int, after time.Duration) bool {
	p := h.procs[e.P]
	return p != nil && p.dead && e.P != other && e.At > max(after, p.gone) && e.Status < 300 && len(e.Files) > 0 &&
		(e.Endpoint == "POST store/files" || e.Endpoint == "POST file_batches")
}

// uploadedAgain tells why a process uploads a name once more.
func (h *history) uploadedAgain(before []*trail.Entry, e *trail.Entry, completed, failed map[string]bool) {
	for _, was := range slices.Backward(before) {
		if was.P != e.P || was.Endpoint != "POST /files" || was.Name != e.Name {
			continue
		}
		switch {
		case was.Replied == 0:
			h.reached(stateRepeated)
		case len(was.Files) == 1 && failed[was.Files[0]] && h.plan.Sea.Failing > 0:
			h.reached(stateServerError)
		case len(was.Files) == 1 && !completed[was.Files[0]] && h.plan.Sea.Stuck > 0 && e.Sent-was.At > time.Minute:
			h.reached(stateStuck)
		}
		return
	}
}

// attachedBefore are the attaches of a File that had taken effect, and not been
// undone, when a request did.
func (h *history) attachedBefore(e *trail.Entry) (out []time.Duration) {
	for _, n := range h.log.Of(e.Files[0]) {
		switch {
		case n.At == 0 || n.At >= e.At || n.Status >= 300:
		case n.Endpoint == "POST store/files" || n.Endpoint == "POST file_batches":
			out = append(out, n.At)
		case n.Method == http.MethodDelete:
			return nil
		}
	}
	return out
}

// nobodyAsks reports whether a process removes a version while none of its callers
// waits for a change of its key.
func (h *history) nobodyAsks(e *trail.Entry) bool {
	p := h.procs[e.P]
	for _, c := range h.cells {
		if c.Store != p.store || h.ownerOf(e.Files[0]) != c.Key {
			continue
		}
		return c.Writers[e.P] && !slices.ContainsFunc(c.Calls, func(call *model.Call) bool {
			return call.P == e.P && call.From <= e.Sent && (!call.Ended || call.To >= e.Sent)
		})
	}
	return false
}
