// Package plan holds histories as data: it draws a plan from a seed, and cuts one
// down. It does not know how a plan is carried out, nor when its end is wrong.
package plan

import (
	"encoding/json"
	"fmt"
	"time"
)

// Plan is a history as data: how the API behaves, and the steps that people and
// processes take. It is drawn from a seed, cut down when it fails, and kept as JSON.
type Plan struct {
	Seed    uint64 // decides ids, times on the way and the order of events of one time
	API     API
	Keys    []string
	Planted []Planted `json:",omitempty"`
	Steps   []Step
	Faults  []Fault `json:",omitempty"`
}

// API is how the API behaves apart from faults.
type API struct {
	Latency    Duration // at the most, each way
	IndexTime  Duration `json:",omitempty"`
	Jitter     Duration `json:",omitempty"` // of IndexTime
	ListAttach Duration `json:",omitempty"` // how late a listing shows an attach, …
	ListDetach Duration `json:",omitempty"`
	ListUpdate Duration `json:",omitempty"`
	NotFound   Duration `json:",omitempty"` // how long a GET says 404 after an attach
	Ghost      Duration `json:",omitempty"` // how long a GET says 200 after a detach
	FreshFile  Duration `json:",omitempty"` // how long a new File cannot be attached
	Clock      Duration `json:",omitempty"` // by which OpenAI's clock is ahead of the processes'
	Failing    float64  `json:",omitempty"` // share of Files whose indexing fails by server_error
	Stuck      float64  `json:",omitempty"` // share of Files that stay in_progress
	Lands      float64  `json:",omitempty"` // share of abandoned requests that take effect
	Slow       float64  `json:",omitempty"` // share of requests whose reply comes seconds after their effect
	Quirks     []string `json:",omitempty"` // names of switches of the emulator
}

// QuirkEarlyListed is the switch by which a listing shows a version as searchable too early.
const QuirkEarlyListed = "early_listed"

// QuirkDropped is the switch by which no attributes are kept.
const QuirkDropped = "attributes_dropped"

// Planted is a File that is there before the history begins.
type Planted struct {
	Name    string
	Text    string
	Attrs   map[string]any `json:",omitempty"` // of the store file
	Ours    bool           `json:",omitempty"` // attached to the store under test
	Theirs  bool           `json:",omitempty"` // attached to another store
	Key     int            // its key in Plan.Keys, whose document it is; -1: nobody's
	Like    bool           `json:",omitempty"` // Name is a key, and the File has the name that vsclient gives one of it
	Purpose string         `json:",omitempty"`
	Fresh   bool           `json:",omitempty"` // made just before the history begins
}

// Doc is a document's content, attributes and chunking.
type Doc struct {
	Text  string
	Attrs map[string]any `json:",omitempty"`
	Chunk int            `json:",omitempty"` // tokens; 0: auto
}

// Op is the kind of a change.
type Op string

// The kinds of changes. An update replaces attributes and leaves the content.
const (
	OpPut    Op = "put"
	OpUpdate Op = "update"
	OpDelete Op = "delete"
)

// Change is a change in a plan.
type Change struct {
	Op  Op
	Key int
	Doc Doc            `json:",omitzero"`
	If  map[string]any `json:",omitempty"` // attributes that the stored document must have
}

// Step is one thing that happens. Do says which; the other fields belong to some.
type Step struct {
	Do string
	P  int // process, from 0

	// start
	Store       int      `json:",omitempty"` // 0: the store under test; 1: another one; -1: one that does not exist
	Attached    bool     `json:",omitempty"`
	Concurrency int      `json:",omitempty"`
	Batch       int      `json:",omitempty"`
	RetryFor    Duration `json:",omitempty"`
	IndexFor    Duration `json:",omitempty"`

	// apply (also of one change), get, text, strip, share
	Changes []Change `json:",omitempty"`
	Key     int      `json:",omitempty"`
	Query   string   `json:",omitempty"` // search
	Within  Duration `json:",omitempty"` // the caller gives up after this time; 0: never. Of close: its calls may end first
	Go      bool     `json:",omitempty"` // the next step does not wait for this one's end

	// sleep, outage
	For  Duration `json:",omitempty"`
	Fate string   `json:",omitempty"`
}

// The steps.
const (
	DoStart           = "start"            // a process begins
	DoApply           = "apply"            // it makes changes: one by a call of its own, several by Apply
	DoGet             = "get"              // it reads a key
	DoText            = "text"             // it reads the parsed text of a key's document
	DoSearch          = "search"           // it searches
	DoList            = "list"             // it lists all documents
	DoSweep           = "sweep"            // it sweeps
	DoStrays          = "strays"           // it lists Files that are attached nowhere
	DoFlush           = "flush"            // it waits for documents that were only attached
	DoClose           = "close"            // it is closed
	DoKill            = "kill"             // it dies
	DoOrphan          = "orphan"           // its supervisor is gone, and it lives on
	DoJoin            = "join"             // all calls have ended
	DoSleep           = "sleep"            // time passes
	DoOutage          = "outage"           // each request meets Fate for that time
	DoCalm            = "calm"             // from here on nothing fails
	DoStrip           = "strip"            // another tool replaces the attributes of a key's store file
	DoAttachElsewhere = "attach-elsewhere" // somebody attaches a key's File to another store
	DoCrowd           = "crowd"            // another store of the project gets a few hundred Files
	DoThin            = "thin"             // every second one of those Files goes
	DoExpire          = "expire"           // the store under test expires
)

// Fault is the fate of some requests of one process.
type Fault struct {
	P        int
	Endpoint string `json:",omitempty"` // as in Entry; empty: any
	Nth      int    // from 1, of those requests
	Times    int    `json:",omitempty"` // 0: one
	Fate     string
}

// The fates of a request. "late" is followed by the time after which it takes
// effect although its caller has long seen the connection break.
const (
	FateNone     = ""
	Fate500      = "500"
	fate503      = "503"
	Fate502      = "502"
	Fate429      = "429"
	FateCut      = "cut"
	FateHang     = "hang"
	FateKill     = "kill"
	FateCutReply = "cut reply"
	FateLate     = "late"      // the connection breaks now; the effect comes later
	FateLateHang = "late hang" // no reply; the effect comes later
	FateLate500  = "late 500"
	AfterEffect  = " after"
	FateSlow     = "slow" // the reply comes this much later, and its caller still waits

	// LongestLate is the longest after which an effect comes.
	LongestLate = 90 * time.Second
	// LongestSlow is the longest after which a reply comes.
	LongestSlow = 8 * time.Second
)

// BadText begins a content that OpenAI refuses to index.
const BadText = "cannot be indexed: "

// Duration is a time.Duration that JSON shows as "1.5s".
type Duration time.Duration

func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

func (d Duration) String() string { return time.Duration(d).String() }

func (s Step) String() string {
	data, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// Parse reads a plan as [Plan.Test] writes it.
func Parse(text string) (p Plan, err error) { return p, json.Unmarshal([]byte(text), &p) }

// Test is the plan as a test that can be pasted.
func (p Plan) Test(kind string) string {
	data, err := json.MarshalIndent(p, "\t\t", "\t")
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("func TestHistory%d(t *testing.T) { // %s\n\tstaysRight(t, `%s`)\n}\n", p.Seed, kind, data)
}
