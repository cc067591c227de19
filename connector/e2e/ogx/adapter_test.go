//go:build ogx

package ogx_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// Every use of vsclient is in this file: a process opens one client and performs
// the calls that it is sent.

// settings are those of one client.
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
	Vouched  []string  // keys, of leftovers
	Since    time.Time // of leftovers
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
	Outcomes []string // of apply, in the order of the changes; an error's text where one failed
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

// The kinds of error that the tests tell apart.
const (
	kindNotFound = "not found"
	kindNoStore  = "no such store"
	kindIndexing = "indexing failed"
	kindInput    = "bad input"
	kindOther    = "other"
)

const nameOnly = string(vsclient.EvidenceName)

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
		result, err = c.UpdateAttributes(ctx, in.Document.Key, in.Document.Attributes)
	case "delete":
		result = c.Apply(ctx, []vsclient.Change{{Op: vsclient.OpDelete, Document: in.Document.client()}}, nil)[0]
		err = result.Err
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
		var swept vsclient.SweepResult
		swept, err = c.Sweep(ctx)
		out.Removed = swept.Removed
	case "leftovers":
		var files []vsclient.Leftover
		files, err = c.Leftovers(ctx, vsclient.LeftoverOptions{OlderThan: time.Nanosecond, Keys: in.Vouched, Since: in.Since})
		for _, f := range files {
			out.Orphans = append(out.Orphans, orphan{f.FileID, f.Name, string(f.Evidence)})
		}
	case "remove":
		files := make([]vsclient.Leftover, len(in.Files))
		for i, f := range in.Files {
			files[i] = vsclient.Leftover{FileID: f.FileID, Name: f.Name, Evidence: vsclient.Evidence(f.Evidence)}
		}
		out.Removed, err = c.RemoveLeftovers(ctx, files)
	default:
		err = fmt.Errorf("there is no call %q", in.Do)
	}
	if result.Outcome != 0 {
		out.Outcome = result.Outcome.String()
	}
	if err != nil {
		out.Err, out.Kind = err.Error(), kindOf(err)
	}
	return out
}

func apply(ctx context.Context, c *vsclient.Client, changes []change) []string {
	ops := map[string]vsclient.Op{"put": vsclient.OpPut, "update": vsclient.OpUpdateAttributes, "delete": vsclient.OpDelete}
	all := make([]vsclient.Change, len(changes))
	for i, ch := range changes {
		all[i] = vsclient.Change{Op: ops[ch.Do], Document: ch.Document.client()}
	}
	outcomes := make([]string, len(changes))
	for i, r := range c.Apply(ctx, all, nil) {
		outcomes[i] = r.Outcome.String()
		if r.Err != nil {
			outcomes[i] = r.Err.Error()
		}
	}
	return outcomes
}

func (d document) client() vsclient.Document {
	return vsclient.Document{Key: d.Key, Content: vsclient.String(d.Content), Attributes: d.Attributes}
}

func foundIn(info vsclient.Info) found {
	return found{info.Key, info.FileID, info.Size, string(info.Status), info.Attributes}
}

func kindOf(err error) string {
	switch {
	case errors.Is(err, vsclient.ErrStoreNotFound):
		return kindNoStore
	case errors.Is(err, vsclient.ErrNotFound):
		return kindNotFound
	case errors.Is(err, vsclient.ErrIndexing):
		return kindIndexing
	case vsclient.IsDocumentError(err):
		return kindInput
	}
	return kindOther
}
