//go:build ogx

package ogx_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Every use of vsclient is in this file. A process opens one client and performs the calls
// that the test sends to it.

// settings are the settings of one client.
type settings struct {
	URL       string
	Store     string
	Extension string // for keys without one
}

// call is one use of the client.
type call struct {
	Do       string    // the name of a method, in lower case
	Document document  // of a call for one key
	Changes  []change  // of apply
	Files    []orphan  // of remove
	Vouched  []string  // keys, for leftovers and remove
	Since    time.Time // for leftovers and remove
}

type document struct {
	Key        string
	Content    string
	Attributes map[string]any
}

type change struct {
	Do       string // put, update or delete
	Document document
}

// answer is the result of one call.
type answer struct {
	Err      string // "" on success
	Kind     string // of the error
	Outcome  string
	Outcomes []string // of apply, in the order of the changes; the error's text of a failed one
	Found    []found  // of get and list
	Text     string
	Removed  int
	Orphans  []orphan
}

type found struct {
	Key        string
	FileID     string
	Size       int64
	Status     string
	Attributes map[string]any
}

// orphan is a File that is attached nowhere.
type orphan struct {
	FileID, Name, Evidence string
}

// These are the kinds of errors that the tests distinguish.
const (
	kindNotFound = "not found"
	kindNoStore  = "no such store"
	kindIndexing = "indexing failed"
	kindInput    = "bad input"
	kindOther    = "other"
)

// anyAge makes also a File of this second a leftover.
const anyAge = -time.Second

const nameOnly = string(vsclient.NamedAlike)

func open(s settings) (*vsclient.Client, error) {
	return vsclient.New(vsclient.Config{
		APIKey: "sk-ogx", VectorStoreID: s.Store, BaseURL: s.URL, FileExtension: s.Extension,
		IndexTimeout: time.Minute, RetryTimeout: 30 * time.Second,
	})
}

func perform(ctx context.Context, c *vsclient.Client, in call) (out answer) {
	var err error
	var result vsclient.Result
	switch in.Do {
	case "check":
		_, err = c.Check(ctx)
	case "put":
		result, err = c.Put(ctx, in.Document.client())
	case "update":
		result, err = c.SetAttributes(ctx, in.Document.Key, in.Document.Attributes)
	case "delete":
		result, err = c.Delete(ctx, in.Document.Key)
	case "get":
		var info vsclient.Info
		info, err = c.Get(ctx, in.Document.Key)
		if err == nil {
			out.Found = []found{foundIn(info)}
		}
	case "text":
		out.Text, err = c.Text(ctx, in.Document.Key)
	case "list":
		for info, failed := range c.List(ctx) {
			if failed != nil {
				err = failed
				break
			}
			out.Found = append(out.Found, foundIn(info))
		}
	case "apply":
		out.Outcomes = apply(ctx, c, in.Changes)
	case "sweep":
		out.Removed, _, err = sweep(ctx, c, vsclient.SweepOptions{})
	case "leftovers":
		_, out.Orphans, err = sweep(ctx, c, vsclient.SweepOptions{DryRun: true, MinAge: anyAge, Keys: in.Vouched, Since: in.Since})
	case "remove":
		ids := make([]string, len(in.Files))
		for i, f := range in.Files {
			ids[i] = f.FileID
		}
		out.Removed, _, err = sweep(ctx, c, vsclient.SweepOptions{Files: ids, MinAge: anyAge, Keys: in.Vouched, Since: in.Since})
	default:
		err = fmt.Errorf("there is no call %q", in.Do)
	}
	out.Outcome = string(result.Outcome)
	if err != nil {
		out.Err, out.Kind = err.Error(), kindOf(err)
	}
	return out
}

// sweep returns the number of Files that a sweep has removed, and the Files that are attached
// nowhere.
func sweep(ctx context.Context, c *vsclient.Client, o vsclient.SweepOptions) (removed int, left []orphan, err error) {
	strays, err := c.Sweep(ctx, o)
	for _, s := range strays {
		if s.Removed {
			removed++
		}
		if s.Why != vsclient.Superseded && s.Why != vsclient.Unindexed {
			left = append(left, orphan{s.FileID, s.Name, string(s.Why)})
		}
	}
	return removed, left, err
}

func apply(ctx context.Context, c *vsclient.Client, changes []change) []string {
	all := make([]vsclient.Change, len(changes))
	for i, ch := range changes {
		switch ch.Do {
		case "put":
			all[i] = vsclient.Put(ch.Document.client())
		case "update":
			all[i] = vsclient.SetAttributes(ch.Document.Key, ch.Document.Attributes)
		case "delete":
			all[i] = vsclient.Delete(ch.Document.Key)
		}
	}
	outcomes := make([]string, len(changes))
	for i, r := range c.Apply(ctx, all, nil) {
		outcomes[i] = string(r.Outcome)
		if r.Err != nil {
			outcomes[i] = r.Err.Error()
		}
	}
	return outcomes
}

func (d document) client() vsclient.Document {
	return vsclient.Document{Key: d.Key, Content: vsclient.Bytes([]byte(d.Content)), Attributes: d.Attributes}
}

func foundIn(info vsclient.Info) found {
	return found{info.Key, info.FileID, info.Size, string(info.Status), info.Attributes}
}

func kindOf(err error) string {
	switch {
	case errors.Is(err, vsclient.ErrStoreGone):
		return kindNoStore
	case errors.Is(err, vsclient.ErrNotFound):
		return kindNotFound
	case errors.Is(err, vsclient.ErrIndexing):
		return kindIndexing
	case vsclient.ClassOf(err) == vsclient.BadDocument:
		return kindInput
	}
	return kindOther
}
