package view

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
)

// Condition describes the stored document that a change asks for.
type Condition struct {
	Own     map[string]any // its attributes; nil for an attribute that it must not have
	Prints  string         // the same, packed
	Version *int64         // the number of its newest version, whatever its status; nil: any
	Gone    bool           // the change has removed that version: older ones meet it, and none
}

// Same reports whether one is the same condition: none, or the same attributes and any version.
func (c *Condition) Same(one *Condition) bool {
	if c == nil || one == nil {
		return c == one
	}
	return c.Prints == one.Prints && c.Version == nil && one.Version == nil
}

// Check reads the newest version that is there, and refuses a change whose condition does not hold.
// It returns the versions as they are known then. A put of source also meets the number of a version
// with that content. updated is the File whose attributes the change has updated, or "". gone
// reports whether this client has deleted a version.
func (v *View) Check(ctx context.Context, d Doc, h ledger.Holdings, c *Condition, source naming.Source, updated string, gone func(id string) bool) (ledger.Holdings, error) {
	for _, one := range h.Versions {
		if one.Key == (ledger.Key{}) || one.Status == ledger.Failed && c.Version == nil || one.Going || gone(one.ID) {
			continue
		}
		if one.ID == updated || one.Open && c.Version == nil && ledger.Includes(one.Own, c.Prints) {
			return v.Known(d), nil
		}
		s, err := v.Shown(ctx, one.ID)
		if errors.Is(err, fail.NotFound) {
			if err = v.Absent(one.ID); err == nil {
				continue
			}
		}
		if err != nil {
			return h, err
		}
		id := v.Read(s)
		same := source.SHA256 != "" && id.Source.SHA256 == source.SHA256 && id.Source.Chunking == source.Chunking
		if c.Version != nil && id.Version != *c.Version && !same && !(c.Gone && id.Version < *c.Version) {
			return h, fail.New(fail.Conflict, "the newest version of the key is %d, File %s, and the change asks for %d", id.Version, one.ID, *c.Version)
		}
		for _, name := range slices.Sorted(maps.Keys(c.Own)) {
			if id.Own[name] != c.Own[name] {
				return h, fail.New(fail.Conflict, "the attribute %q of the stored document is %s, and the change asks for %s", name, v.value(id.Own[name]), v.value(c.Own[name]))
			}
		}
		return v.Known(d), nil
	}
	if c.Version != nil && *c.Version != 0 && !c.Gone {
		return h, fail.New(fail.Conflict, "the key has no version, and the change asks for %d", *c.Version)
	}
	return v.Known(d), nil
}

// maxValueShown is how much of the value of an attribute an error shows, in bytes.
const maxValueShown = 120

// value is the value of an attribute in an error.
func (v *View) value(of any) string {
	if of == nil {
		return "not set"
	}
	return v.cfg.Wire.Line(fmt.Sprintf("%#v", of), maxValueShown)
}
