// Package gate stands between processes and an emulated API: it lets one thing happen
// at a time, in an order that can be repeated, and gives each request its fate. It
// knows nothing of keys and documents.
package gate

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing/synctest"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// Gate stands between all processes and the API. It lets one thing happen at a
// time: a request takes effect, a reply arrives, or the plan takes its next step.
// Each waits until the gate lets it through, which it does when all goroutines of
// the bubble wait. The order is decided by the seed, or by a record of an earlier
// run; it is recorded either way.
type Gate struct {
	seed    uint64
	api     http.RoundTripper
	log     *trail.Log
	behaves plan.API
	was     func(path string) string

	arrived chan struct{}
	over    chan struct{}
	lates   sync.WaitGroup

	mu      sync.Mutex
	waiting []*ticket
	count   map[string]int    // how often each name came
	alias   map[string]string // of a File's id: a name that does not depend on the order of uploads
	drive   []trail.Pass      // the record, or nil
	kept    int               // how many things have happened as the record says, before the first that did not
	order   []trail.Pass
	calm    bool
	faults  []*struckFault
	outages []outage
}

type struckFault struct {
	plan.Fault
	seen, struck int
}

type outage struct {
	until time.Time
	fate  string
}

// ticket is something that waits at the gate.
type ticket struct {
	name  string
	tie   string // orders those of one name
	leave chan struct{}
}

// New makes a gate before an API, by a seed, and a record of an earlier run if drive
// is not nil. It enters the requests into the log, and at a removal the status of the store
// file, which was returns for its path.
func New(p plan.Plan, api http.RoundTripper, log *trail.Log, drive []trail.Pass, was func(path string) string) *Gate {
	g := &Gate{
		seed: p.Seed, api: api, log: log, behaves: p.API, was: was, arrived: make(chan struct{}, 1), over: make(chan struct{}),
		count: make(map[string]int), alias: make(map[string]string), drive: drive,
	}
	for _, f := range p.Faults {
		g.faults = append(g.faults, &struckFault{Fault: f})
	}
	return g
}

// chance is a number from 0 to 1 that depends on the seed and on its purpose.
func (g *Gate) chance(purpose ...string) float64 {
	return float64(g.hash(purpose...)>>11) / (1 << 53)
}

func (g *Gate) hash(purpose ...string) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, g.seed)
	for _, w := range purpose {
		_, _ = io.WriteString(h, w)
		_, _ = h.Write([]byte{0})
	}
	v := h.Sum64()
	v ^= v >> 33
	v *= 0xff51afd7ed558ccd
	v ^= v >> 33
	v *= 0xc4ceb9fe1a85ec53
	return v ^ v>>33
}

// Run lets things happen until the history is over. It is the only goroutine that
// calls synctest.Wait.
func (g *Gate) Run() {
	for {
		select {
		case <-g.arrived:
		case <-g.over:
			return
		}
		for {
			synctest.Wait()
			t := g.next()
			if t == nil {
				break
			}
			close(t.leave)
		}
	}
}

// next takes the ticket whose turn it is: the next one of the record, as long as the run
// has kept to it, and otherwise the one that the seed prefers. Where the next one of the
// record does not wait, the client has chosen otherwise: no other order at the gate leads
// back to the record.
func (g *Gate) next() *ticket {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		return nil
	}
	best, n := -1, len(g.order)
	if g.kept == n && n < len(g.drive) && g.drive[n].At == g.log.Now() {
		best = slices.IndexFunc(g.waiting, func(t *ticket) bool { return t.name == g.drive[n].Name })
	}
	if best >= 0 {
		g.kept++
	}
	if best < 0 {
		best = 0
		for i, t := range g.waiting {
			if c, d := g.chance("order", t.name), g.chance("order", g.waiting[best].name); c > d || c == d && t.tie < g.waiting[best].tie {
				best = i
			}
		}
	}
	t := g.waiting[best]
	g.waiting = slices.Delete(g.waiting, best, best+1)
	g.order = append(g.order, trail.Pass{Name: t.name, At: g.log.Now()})
	g.reseed(t.name)
	return t
}

// reseed seeds the generator from which waits between tries are drawn, see the directive in
// histories_test.go. So the waits that follow an event depend on this event alone, and not
// on how many were drawn before.
func (g *Gate) reseed(name string) {
	rand.Seed(int64(g.hash("wait", name))) //nolint:staticcheck // no other way reaches the generator that backoff uses
}

// Pass waits for leave. It is false when ctx has ended first.
func (g *Gate) Pass(ctx context.Context, name, tie string) bool {
	t := &ticket{name: name, tie: tie, leave: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, t)
	g.mu.Unlock()
	select {
	case g.arrived <- struct{}{}:
	default:
	}
	select {
	case <-t.leave:
		return true
	case <-ctx.Done():
	case <-g.over:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, t)
	if i < 0 {
		return true // it was let through at the same moment
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return false
}

// kind names a request by everything that does not depend on the order of others.
func (g *Gate) kind(e *trail.Entry, body string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	kind := fmt.Sprintf("p%d %s", e.P, e.Endpoint)
	var of []string
	for _, id := range e.Files {
		of = append(of, cmp.Or(g.alias[id], id))
	}
	if e.Name != "" {
		of = append(of, e.Name)
	}
	if e.Endpoint == "POST /files" || e.Endpoint == "POST store/files/{id}" {
		of = append(of, hex.EncodeToString([]byte(body[:4])))
	}
	for part := range strings.SplitSeq(e.Query, "&") {
		if name, id, ok := strings.Cut(part, "="); ok && (name == "after" || name == "before") {
			of = append(of, name+"="+cmp.Or(g.alias[id], id))
		}
	}
	slices.Sort(of)
	if all := strings.Join(of, ","); len(all) > 80 {
		sum := sha256.Sum256([]byte(all))
		of = []string{all[:40], hex.EncodeToString(sum[:4])}
	}
	return strings.TrimSpace(kind + " " + strings.ToValidUTF8(strings.Join(of, ","), ""))
}

// number makes a name unique: the nth of its kind.
func (g *Gate) number(name string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count[name]++
	return name + " #" + strconv.Itoa(g.count[name])
}

// Line is the connection of one process.
type Line struct {
	g     *Gate
	p     int
	Death context.Context // ends when the process dies
	Die   context.CancelFunc
}

// Line makes the connection of a process.
func (g *Gate) Line(p int) *Line {
	l := &Line{g: g, p: p}
	l.Death, l.Die = context.WithCancel(context.Background())
	return l
}

// Dead reports whether the process has died.
func (l *Line) Dead() bool { return l.Death.Err() != nil }

// Calm ends all faults.
func (g *Gate) Calm() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calm = true
}

// Outage has every request meet a fate for some time.
func (g *Gate) Outage(length time.Duration, fate string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.outages = append(g.outages, outage{time.Now().Add(length), fate})
}

// Wait returns when every late effect has come, or the history is over.
func (g *Gate) Wait() { g.lates.Wait() }

// End ends the history: nothing waits at the gate any more.
func (g *Gate) End() { close(g.over) }

// Kept reports whether everything has happened as the record says, and how many things
// had when the run left it.
func (g *Gate) Kept() (whole bool, n int) {
	return g.kept == len(g.order) && g.kept == len(g.drive), g.kept
}

// Order is the order in which things have happened.
func (g *Gate) Order() []trail.Pass { return g.order }

var errReset = fmt.Errorf("connection lost: %w", syscall.ECONNRESET)

// RoundTrip is a request's way: to the API, its effect, and the way back.
func (l *Line) RoundTrip(req *http.Request) (*http.Response, error) {
	g := l.g
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	if l.Death.Err() != nil {
		return l.silence(req)
	}
	e := trail.Describe(req, body)
	e.P, e.Sent = l.p, g.log.Now()
	tie := bodyTie(req, body)
	kind := g.kind(e, tie)
	tie += e.Path
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	defer context.AfterFunc(l.Death, cancel)()

	// There. One that is given up on its way may arrive all the same.
	way := g.number(kind + " way")
	arrives := time.Duration(1 + g.chance("there", way)*float64(g.behaves.Latency))
	given := !sleep(ctx, arrives) || !g.Pass(ctx, g.number(kind), tie)
	if e.Endpoint == "DELETE store/files/{id}" {
		e.Was = g.was(e.Path)
	}
	if given {
		g.log.Enter(e)
		g.log.GiveUp(e)
		if g.chance("lands", way) < g.behaves.Lands {
			g.later(e, req, body, time.Duration(g.chance("when", way)*float64(plan.LongestLate)), kind)
		}
		return l.silence(req)
	}
	g.log.Enter(e)
	e.Fate = g.fate(e, way)
	if e.Fate == plan.FateKill {
		l.Die()
		return l.silence(req)
	}
	fate, after := strings.CutSuffix(e.Fate, plan.AfterEffect)
	var resp *reply
	if fate == plan.FateNone || after || fate == plan.FateCutReply {
		resp = g.effect(e, req, body)
	}
	slow := time.Duration(0)
	if base, delay, ok := strings.Cut(fate, "@"); ok && base == plan.FateSlow {
		slow, _ = time.ParseDuration(delay)
		resp, fate = g.effect(e, req, body), plan.FateNone
	} else if ok {
		wait, _ := time.ParseDuration(delay)
		g.later(e, req, body, wait, kind)
		fate = map[string]string{plan.FateLate: plan.FateCut, plan.FateLateHang: plan.FateHang, plan.FateLate500: plan.Fate500}[base]
	}
	if fate == plan.FateKill {
		l.Die()
		return l.silence(req)
	}
	if fate == plan.FateHang {
		g.log.GiveUp(e)
		return l.silence(req.WithContext(ctx))
	}

	// And back.
	back := slow + time.Duration(1+g.chance("back", way)*float64(g.behaves.Latency))
	if !sleep(ctx, back) || !g.Pass(ctx, g.number(kind+" reply"), tie) {
		g.log.GiveUp(e)
		return l.silence(req)
	}
	switch fate {
	case plan.FateNone:
		if resp == nil {
			return nil, errReset
		}
		e.Replied = g.log.Now()
		return resp.response(req, false), nil
	case plan.FateCutReply:
		if resp == nil {
			return nil, errReset
		}
		return resp.response(req, true), nil
	case plan.FateCut:
		return nil, errReset
	}
	return failure(req, fate), nil
}

// silence is heard by whoever waits for a reply that does not come.
func (l *Line) silence(req *http.Request) (*http.Response, error) {
	select {
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	case <-l.g.over:
		return nil, errReset
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fate draws the fate of a request that is about to take effect.
func (g *Gate) fate(e *trail.Entry, way string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.P < 0 {
		return plan.FateNone
	}
	fate := plan.FateNone
	for _, f := range g.faults {
		if f.P != e.P || f.Endpoint != "" && f.Endpoint != e.Endpoint {
			continue
		}
		f.seen++
		if fate == plan.FateNone && f.seen >= f.Nth && f.struck < max(1, f.Times) && !g.calm {
			f.struck++
			fate = f.Fate
		}
	}
	if fate == plan.FateNone && !g.calm {
		for _, o := range g.outages {
			if time.Now().Before(o.until) {
				return o.fate
			}
		}
		if g.chance("slow", way) < g.behaves.Slow {
			return plan.FateSlow + "@" + time.Duration(1+g.chance("how slow", way)*float64(plan.LongestSlow)).String()
		}
	}
	return fate
}

// later has a request take effect after some time, whoever still waits for it.
func (g *Gate) later(e *trail.Entry, req *http.Request, body []byte, wait time.Duration, kind string) {
	again := req.Clone(context.Background())
	g.lates.Go(func() {
		if !sleep(context.Background(), max(wait, time.Millisecond)) || !g.Pass(context.Background(), g.number(kind+" late"), "") {
			return
		}
		g.mu.Lock()
		e.Late = true
		g.mu.Unlock()
		g.effect(e, again, body)
	})
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

// effect carries a request out.
func (g *Gate) effect(e *trail.Entry, req *http.Request, body []byte) *reply {
	in := req.Clone(context.Background())
	if req.Body != nil {
		in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	e.At = g.log.Now()
	resp, err := g.api.RoundTrip(in)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	out := &reply{status: resp.StatusCode, header: resp.Header}
	out.body, err = io.ReadAll(resp.Body)
	if err != nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	e.Status = out.status
	var got struct{ ID, Status string }
	if out.status < 300 && json.Unmarshal(out.body, &got) == nil {
		switch e.Endpoint {
		case "POST /files":
			g.log.Made(e, got.ID)
			g.count["file "+e.Name]++
			g.alias[got.ID] = fmt.Sprintf("%s~%d", e.Name, g.count["file "+e.Name])
		case "GET store/files/{id}":
			e.State = got.Status
		}
	}
	return out
}

func (r *reply) response(req *http.Request, cut bool) *http.Response {
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", r.status, http.StatusText(r.status)), StatusCode: r.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: r.header, ContentLength: int64(len(r.body)), Request: req,
	}
	var body io.Reader = bytes.NewReader(r.body)
	if cut {
		body = io.MultiReader(bytes.NewReader(r.body[:len(r.body)/2]), broken{})
	}
	resp.Body = io.NopCloser(body)
	return resp
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// retryAfterOf is the time that a 429 asks for.
const retryAfterOf = 7 * time.Second

// failure is the reply of a server or a proxy that is in trouble.
func failure(req *http.Request, fate string) *http.Response {
	status, _ := strconv.Atoi(fate)
	r := &reply{status: status, header: http.Header{"Content-Type": {"application/json"}}}
	r.body = []byte(`{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`)
	switch fate {
	case plan.Fate502:
		r.header, r.body = http.Header{"Content-Type": {"text/html"}}, []byte("<html><body>502 Bad Gateway</body></html>")
	case plan.Fate429:
		r.header.Set("Retry-After", strconv.Itoa(int(retryAfterOf/time.Second)))
		r.body = []byte(`{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}`)
	}
	return r.response(req, false)
}

// bodyTie is equal for bodies that are equal but for a boundary drawn by chance.
func bodyTie(req *http.Request, body []byte) string {
	if _, params, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err == nil && params["boundary"] != "" {
		body = bytes.ReplaceAll(body, []byte(params["boundary"]), nil)
	}
	sum := sha256.Sum256(body)
	return string(sum[:])
}
