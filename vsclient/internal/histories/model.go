package histories

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// value is a state of a key: a document, or none.
type value struct {
	absent bool
	text   string
	attrs  string // as AttrsText
	chunk  int
}

func valueOf(d plan.Doc) value {
	return value{text: d.Text, attrs: trail.AttrsText(d.Attrs), chunk: d.Chunk}
}

var nothing = value{absent: true}

func (v value) String() string {
	if v.absent {
		return "nothing"
	}
	return fmt.Sprintf("%q {%s} %d", v.text, v.attrs, v.chunk)
}

// after is the value once a change has taken effect.
func (v value) after(op plan.Op, d plan.Doc) value {
	switch op {
	case plan.OpDelete:
		return nothing
	case plan.OpUpdate:
		if !v.absent {
			v.attrs = trail.AttrsText(d.Attrs)
		}
		return v
	}
	return valueOf(d)
}

// cell is the model of one key in one store. A call that has not ended, or that
// was given up, may have taken effect or not; it takes effect before the next
// call of its process for the key that succeeds, or never. Calls of one process that
// were made at the same moment, by different callers, take effect in either order.
type cell struct {
	store   int
	key     string
	index   int
	states  []value
	pending []*pending
	points  []point
	touched bool // a caller has named the key, so that unmarked files of its name are its own

	writers    map[int]bool  // processes that have made changes
	calls      []*pending    // every change that was asked for
	deleted    []*pending    // deletions that have succeeded
	strippedAt time.Duration // when another tool has replaced the attributes
	accepted   *pending      // the last change, when it was a put that is only attached
}

// pending is a change of the cell that was asked for.
type pending struct {
	p        int
	op       plan.Op
	doc      plan.Doc
	from, to time.Duration
	ended    bool
	vain     bool       // it has failed without any effect
	base     []value    // what may have been there when it was asked for
	left     []value    // what it may have led to
	with     []*pending // changes of other processes that were under way meanwhile, or could not be seen yet
}

func (p *pending) String() string {
	return fmt.Sprintf("process %d: %s %q {%s}", p.p, p.op, p.doc.Text, trail.AttrsText(p.doc.Attrs))
}

// point says what may be there from a time on.
type point struct {
	at      time.Duration
	allowed []value
}

// allowed is what may be there now.
func (c *cell) allowed() []value {
	out := slices.Clone(c.states)
	for grown := true; grown; {
		grown = false
		for _, p := range c.pending {
			for _, v := range slices.Clone(out) {
				if w := v.after(p.op, p.doc); !slices.Contains(out, w) {
					out, grown = append(out, w), true
				}
			}
		}
	}
	return out
}

func (c *cell) note(at time.Duration) { c.points = append(c.points, point{at, c.allowed()}) }

// begin notes that a process asks for a change.
func (c *cell) begin(p int, k plan.Op, d plan.Doc, at time.Duration) *pending {
	c.touched = true
	call := &pending{p: p, op: k, doc: d, from: at, base: c.allowed()}
	for _, other := range c.pending {
		if other.p != p {
			other.with, call.with = append(other.with, call), append(call.with, other)
		}
	}
	c.pending = append(c.pending, call)
	c.calls = append(c.calls, call)
	c.writers[p] = true
	c.accepted = nil
	c.note(at)
	return call
}

// succeed notes that a change has been made. Those that its process had asked for
// before can no longer take effect.
func (c *cell) succeed(call *pending, at time.Duration, attachedOnly bool) {
	if !c.end(call, at) {
		return
	}
	var result []value
	for _, v := range call.amid(c.allowedWith(call)) {
		w := v.after(call.op, call.doc)
		if call.op == plan.OpUpdate && w.absent {
			continue
		}
		if !slices.Contains(result, w) {
			result = append(result, w)
		}
	}
	if call.op == plan.OpUpdate && len(call.with) > 0 { // it may not have seen the others
		for _, v := range call.base {
			if !v.absent {
				result = union(result, []value{v.after(call.op, call.doc)})
			}
		}
		call.left = result
	}
	if call.op == plan.OpDelete {
		c.deleted = append(c.deleted, call)
	}
	if attachedOnly && call.op == plan.OpPut {
		if call == c.pending[len(c.pending)-1] && len(call.with) == 0 {
			c.accepted = call
		}
		result = union(c.allowedWith(call), result)
	}
	c.states = call.amid(result)
	c.drop(call)
	c.note(at)
}

// amid is what may be there after a change that has led to these values: those of
// other processes that were made at the same time may have come after it.
func (p *pending) amid(values []value) []value {
	for grown := true; grown; {
		grown = false
		for _, other := range p.with {
			values = union(values, other.left)
			for _, v := range slices.Clone(values) {
				if w := v.after(other.op, other.doc); !other.vain && !slices.Contains(values, w) {
					values, grown = append(values, w), true
				}
			}
		}
	}
	return values
}

// fail notes that a change has failed, or was given up. maybe: it may have taken
// effect.
func (c *cell) fail(call *pending, at time.Duration, maybe bool) {
	if !c.end(call, at) {
		return
	}
	call.vain = !maybe
	if maybe {
		c.states = union(c.states, c.allowedWith(call))
		for _, v := range slices.Clone(c.states) {
			c.states = union(c.states, []value{v.after(call.op, call.doc)})
		}
	}
	// While a call before it has not ended, this one may still take effect after that.
	if !maybe || !slices.ContainsFunc(c.pending, func(p *pending) bool { return p.p == call.p && !p.ended }) {
		c.pending = slices.DeleteFunc(c.pending, func(p *pending) bool { return p == call })
	}
	c.note(at)
}

// end ends a call; false: it had ended, or a later one has succeeded.
func (c *cell) end(call *pending, at time.Duration) bool {
	if call.ended {
		return false
	}
	call.ended, call.to = true, at
	return slices.Contains(c.pending, call)
}

// drop removes a call and those that its process had made before.
func (c *cell) drop(call *pending) {
	c.pending = slices.DeleteFunc(c.pending, func(p *pending) bool { return p == call || p.before(call) })
}

// before reports whether p takes effect before other, or never.
func (p *pending) before(other *pending) bool { return p.p == other.p && p.from < other.from }

// allowedWith is what may have been there when a call took effect: without those
// of its process that came after it.
func (c *cell) allowedWith(call *pending) []value {
	other := *c
	other.pending = slices.DeleteFunc(slices.Clone(c.pending), func(p *pending) bool { return p == call || call.before(p) })
	return other.allowed()
}

// unseen returns the changes that other processes have made so shortly before that
// this one need not have seen them: within the time for which the list of Files is
// believed, or while a GET said 404.
func (c *cell) unseen(call *pending, begun, notFound time.Duration) (hidden bool) {
	for _, other := range c.calls {
		since := call.from - other.to
		if other.p == call.p || !other.ended || other.vain || slices.Contains(call.with, other) {
			continue
		}
		if since < notFound || begun < other.to && since < listAge+notFound {
			call.with = append(call.with, other)
			hidden = true
		}
	}
	return hidden
}

// settle makes a put that was only attached certain.
func (c *cell) settle(call *pending, at time.Duration) {
	c.states = []value{valueOf(call.doc)}
	c.note(at)
}

// replace notes that another tool has set the attributes.
func (c *cell) replace(attrs map[string]any, at time.Duration) {
	for i, v := range c.states {
		c.states[i] = v.after(plan.OpUpdate, plan.Doc{Attrs: attrs})
	}
	c.note(at)
}

// at is what may be there at a time.
func (c *cell) at(t time.Duration) []value {
	var out []value
	for _, p := range c.points {
		if p.at > t {
			break
		}
		out = p.allowed
	}
	return out
}

// during is what may have been there at some time between two.
func (c *cell) during(from, to time.Duration) []value {
	out := c.at(from)
	for _, p := range c.points {
		if p.at > from && p.at <= to {
			out = union(out, p.allowed)
		}
	}
	return out
}

func union(a, b []value) []value {
	out := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func show(values []value) string {
	var parts []string
	for _, v := range values {
		parts = append(parts, v.String())
	}
	return strings.Join(parts, " or ")
}
