// Package model says of each key which documents there may be, by the changes that
// processes have asked for and the answers they had. It knows no request and no
// store.
package model

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
)

// Value is a state of a key: a document, or none.
type Value struct {
	Absent bool
	Text   string
	Attrs  string // as AttrsText
	Chunk  int
}

// ValueOf is the value that a document is.
func ValueOf(d plan.Doc) Value {
	return Value{Text: d.Text, Attrs: trail.AttrsText(d.Attrs), Chunk: d.Chunk}
}

// Nothing is the value of a key without a document.
var Nothing = Value{Absent: true}

func (v Value) String() string {
	if v.Absent {
		return "nothing"
	}
	return fmt.Sprintf("%q {%s} %d", v.Text, v.Attrs, v.Chunk)
}

// Has reports whether a document has these attributes, among others.
func (v Value) Has(attrs map[string]any) bool {
	for name, value := range attrs {
		if one := trail.AttrsText(map[string]any{name: value}); !strings.HasPrefix(v.Attrs, one) && !strings.Contains(v.Attrs, ";"+one) {
			return false
		}
	}
	return !v.Absent
}

// after is the value once a change has taken effect.
func (v Value) after(op plan.Op, d plan.Doc) Value {
	switch op {
	case plan.OpDelete:
		return Nothing
	case plan.OpUpdate:
		if !v.Absent {
			v.Attrs = trail.AttrsText(d.Attrs)
		}
		return v
	}
	return ValueOf(d)
}

// Cell is the model of one key in one store. A call that has not ended, or that
// was given up, may have taken effect or not; it takes effect before the next
// call of its process for the key that succeeds, or never. Calls of one process that
// were made at the same moment, by different callers, take effect in either order; those
// of one Apply in the order given.
type Cell struct {
	Store   int
	Key     string
	Index   int
	States  []Value
	Pending []*Call
	points  []point
	Touched bool // a caller has named the key, so that unmarked files of its name are its own

	Writers    map[int]bool  // processes that have made changes
	Calls      []*Call       // every change that was asked for
	Deleted    []*Call       // deletions that have succeeded
	StrippedAt time.Duration // when another tool has replaced the attributes
	Accepted   *Call         // the last change, when it was a put that is only attached
	Excused    bool          // something of it cannot be promised
}

// Call is a change of the cell that was asked for.
type Call struct {
	P        int
	Op       plan.Op
	Doc      plan.Doc
	If       map[string]any // attributes that the stored document must have
	Follows  *Call          // the change of this key that comes before it in the same Apply
	Merged   bool           // another one follows it
	From, To time.Duration
	Ended    bool
	vain     bool    // it has failed without any effect
	made     bool    // it has succeeded
	base     []Value // values that may have been there when it was asked for
	left     []Value // values to which it may have led
	with     []*Call // changes of other processes that were under way meanwhile, or could not be seen yet
}

func (p *Call) String() string {
	text := fmt.Sprintf("process %d: %s %q {%s}", p.P, p.Op, p.Doc.Text, trail.AttrsText(p.Doc.Attrs))
	if p.If != nil {
		text += fmt.Sprintf(" if {%s}", trail.AttrsText(p.If))
	}
	return text
}

// Made reports whether the change has succeeded.
func (p *Call) Made() bool { return p.made }

// Alone reports whether no other process has changed the key meanwhile, or so shortly
// before that this one need not have seen it.
func (p *Call) Alone() bool { return len(p.with) == 0 }

// point holds the values that may be there from a time on.
type point struct {
	at      time.Duration
	allowed []Value
}

// allowed returns the values that may be there now.
func (c *Cell) allowed() []Value {
	out := slices.Clone(c.States)
	for grown := true; grown; {
		grown = false
		for _, p := range c.Pending {
			for _, v := range slices.Clone(out) {
				if w := v.after(p.Op, p.Doc); !slices.Contains(out, w) {
					out, grown = append(out, w), true
				}
			}
		}
	}
	return out
}

// Note notes a time from which on other documents may be there.
func (c *Cell) Note(at time.Duration) { c.points = append(c.points, point{at, c.allowed()}) }

// Begin notes that a process asks for a change. follows is the change of the key before it
// in the same Apply; nil: there is none.
func (c *Cell) Begin(p int, ch plan.Change, follows *Call, at time.Duration) *Call {
	c.Touched = true
	call := &Call{P: p, Op: ch.Op, Doc: ch.Doc, If: ch.If, Follows: follows, From: at, base: c.allowed()}
	if follows != nil {
		follows.Merged = true
	}
	for _, other := range c.Pending {
		if other.P != p {
			other.with, call.with = append(other.with, call), append(call.with, other)
		}
	}
	c.Pending = append(c.Pending, call)
	c.Calls = append(c.Calls, call)
	c.Writers[p] = true
	c.Accepted = nil
	c.Note(at)
	return call
}

// Before returns the values that may have been there when a call took effect.
func (c *Cell) Before(call *Call) []Value {
	return call.amid(Union(call.base, c.allowedWith(call)))
}

// Succeed notes that a change has been made. Those that its process had asked for
// before can no longer take effect.
func (c *Cell) Succeed(call *Call, at time.Duration, attachedOnly bool) {
	if !c.end(call, at) {
		return
	}
	call.made = true
	var result []Value
	for _, v := range call.amid(c.allowedWith(call)) {
		w := v.after(call.Op, call.Doc)
		if call.Op == plan.OpUpdate && w.Absent && !call.Merged {
			continue
		}
		if !slices.Contains(result, w) {
			result = append(result, w)
		}
	}
	if call.Op == plan.OpUpdate && len(call.with) > 0 { // it may not have seen the others
		for _, v := range call.base {
			if !v.Absent {
				result = Union(result, []Value{v.after(call.Op, call.Doc)})
			}
		}
		call.left = result
	}
	if call.Op == plan.OpDelete {
		c.Deleted = append(c.Deleted, call)
	}
	if attachedOnly && (call.Op == plan.OpPut || call.Merged || call.Follows != nil) { // the older version stays until the new one is searchable
		if call.Op == plan.OpPut && call == c.Pending[len(c.Pending)-1] && len(call.with) == 0 {
			c.Accepted = call
		}
		result = Union(c.allowedWith(call), result)
	}
	c.States = call.amid(result)
	c.drop(call)
	c.Note(at)
}

// amid returns the values that may be there after a change that has led to these values: those of
// other processes that were made at the same time may have come after it.
func (p *Call) amid(values []Value) []Value {
	for grown := true; grown; {
		grown = false
		for _, other := range p.with {
			values = Union(values, other.left)
			for _, v := range slices.Clone(values) {
				if w := v.after(other.Op, other.Doc); !other.vain && !slices.Contains(values, w) {
					values, grown = append(values, w), true
				}
			}
		}
	}
	return values
}

// Fail notes that a change has failed, or was given up. maybe: it may have taken
// effect.
func (c *Cell) Fail(call *Call, at time.Duration, maybe bool) {
	if !c.end(call, at) {
		return
	}
	call.vain = !maybe
	if maybe {
		c.States = Union(c.States, c.allowedWith(call))
		for _, v := range slices.Clone(c.States) {
			c.States = Union(c.States, []Value{v.after(call.Op, call.Doc)})
		}
	}
	// While a call before it has not ended, this one may still take effect after that.
	if !maybe || !slices.ContainsFunc(c.Pending, func(p *Call) bool { return p.P == call.P && !p.Ended }) {
		c.Pending = slices.DeleteFunc(c.Pending, func(p *Call) bool { return p == call })
	}
	c.Note(at)
}

// end ends a call; false: it had ended, or a later one has succeeded.
func (c *Cell) end(call *Call, at time.Duration) bool {
	if call.Ended {
		return false
	}
	call.Ended, call.To = true, at
	return slices.Contains(c.Pending, call)
}

// drop removes a call and those that its process had made before.
func (c *Cell) drop(call *Call) {
	c.Pending = slices.DeleteFunc(c.Pending, func(p *Call) bool { return p == call || p.before(call) })
}

// before reports whether p takes effect before other, or never.
func (p *Call) before(other *Call) bool {
	for f := other.Follows; f != nil; f = f.Follows {
		if f == p {
			return true
		}
	}
	return p.P == other.P && p.From < other.From
}

// allowedWith returns the values that may have been there when a call took effect: without those
// of its process that came after it.
func (c *Cell) allowedWith(call *Call) []Value {
	other := *c
	other.Pending = slices.DeleteFunc(slices.Clone(c.Pending), func(p *Call) bool { return p == call || call.before(p) })
	return other.allowed()
}

// listAge is the time for which a client believes the list of Files.
const listAge = 30 * time.Second

// Unseen returns the changes that other processes have made so shortly before that
// this one need not have seen them: within the time for which the list of Files is
// believed, or while a GET said 404 after an attach or 200 after a detach.
func (c *Cell) Unseen(call *Call, begun, behind time.Duration) (hidden bool) {
	for _, other := range c.Calls {
		since := call.From - other.To
		if other.P == call.P || !other.Ended || other.vain || slices.Contains(call.with, other) {
			continue
		}
		if since < behind || begun < other.To && since < listAge+behind {
			call.with = append(call.with, other)
			hidden = true
		}
	}
	return hidden
}

// MakeCertain makes a put that was only attached certain.
func (c *Cell) MakeCertain(call *Call, at time.Duration) {
	c.States = []Value{ValueOf(call.Doc)}
	c.Note(at)
}

// Changed reports whether a change may have been made.
func (c *Cell) Changed() bool {
	return slices.ContainsFunc(c.Calls, func(call *Call) bool { return call.Ended && !call.vain })
}

// ChangedBesides reports whether another process has changed the key since a time.
func (c *Cell) ChangedBesides(p int, since time.Duration) bool {
	return slices.ContainsFunc(c.Calls, func(other *Call) bool { return other.P != p && other.Ended && !other.vain && other.To > since })
}

// OnePut reports whether one put of a process was under way all the time between two, and
// no other of its changes at any of it.
func (c *Cell) OnePut(p int, from, to time.Duration) bool {
	n := 0
	for _, call := range c.Calls {
		if call.P != p || call.From > to || call.Ended && call.To < from {
			continue
		}
		if n++; call.Op != plan.OpPut || call.From > from || call.Ended && call.To < to {
			return false
		}
	}
	return n == 1
}

// Clear reports whether every other change that was asked for has succeeded, or has failed
// without any effect: nothing of the key can be open.
func (c *Cell) Clear(call *Call) bool {
	return !slices.ContainsFunc(c.Calls, func(other *Call) bool { return other != call && !other.made && !(other.Ended && other.vain) })
}

// UnderWay reports whether a change of a process was under way at some time since another, or
// may still take effect.
func (c *Cell) UnderWay(p int, since time.Duration) bool {
	return slices.ContainsFunc(c.Calls, func(call *Call) bool {
		return call.P == p && (!call.Ended || call.To >= since || !call.made && !call.vain)
	})
}

// Replace notes that another tool has set the attributes.
func (c *Cell) Replace(attrs map[string]any, at time.Duration) {
	for i, v := range c.States {
		c.States[i] = v.after(plan.OpUpdate, plan.Doc{Attrs: attrs})
	}
	c.Accepted = nil
	c.Note(at)
}

// Moments are the times from which on other documents may be there.
func (c *Cell) Moments() (at []time.Duration) {
	for _, p := range c.points {
		at = append(at, p.at)
	}
	return at
}

// At returns the values that may be there at a time.
func (c *Cell) At(t time.Duration) []Value {
	var out []Value
	for _, p := range c.points {
		if p.at > t {
			break
		}
		out = p.allowed
	}
	return out
}

// During returns the values that may have been there at some time between two.
func (c *Cell) During(from, to time.Duration) []Value {
	out := c.At(from)
	for _, p := range c.points {
		if p.at > from && p.at <= to {
			out = Union(out, p.allowed)
		}
	}
	return out
}

// Union is the values of both.
func Union(a, b []Value) []Value {
	out := slices.Clone(a)
	for _, v := range b {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// Show formats values for a person.
func Show(values []Value) string {
	var parts []string
	for _, v := range values {
		parts = append(parts, v.String())
	}
	return strings.Join(parts, " or ")
}

// AnyLike reports whether one of the values is v, apart from its chunking.
func AnyLike(values []Value, v Value) bool {
	return slices.ContainsFunc(values, func(w Value) bool { return w.Absent == v.Absent && w.Text == v.Text && w.Attrs == v.Attrs })
}
