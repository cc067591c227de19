package faulttest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// neverDone is the context of calls that nobody gives up.
var neverDone = context.Background()

// step is one change that a caller asks for.
type step struct {
	op      vsclient.Op
	key     string
	content string
	attrs   vsclient.Attributes
	chunks  vsclient.Chunking
}

func (s step) String() string { return fmt.Sprintf("%v %s", s.op, shown(s.key)) }

func (s step) change() vsclient.Change {
	return vsclient.Change{Op: s.op, Document: vsclient.Document{
		Key: s.key, Content: text(s.content), Attributes: s.attrs, Chunking: s.chunks,
	}}
}

// normal are the attributes as they come back.
func (s step) normal() vsclient.Attributes {
	out := vsclient.Attributes{}
	for name, v := range s.attrs {
		if n, ok := v.(int); ok {
			v = float64(n)
		}
		out[name] = v
	}
	return out
}

// firstContent is what the first version of each document holds, and what the
// Files of others hold: they have the same name and the same size.
const firstContent = "# The first version of it"

var (
	longKey    = strings.Repeat("a long way down/", 80) + "end.md"
	unsafeKey  = "a/b \"c\"\r\n"
	attributes = vsclient.Attributes{"lang": "en", "page": 1, "draft": true}
)

// compact is a workload that passes every kind of change over a few keys.
func compact() []step {
	put := func(key, content string) step { return step{op: vsclient.OpPut, key: key, content: content} }
	with := func(s step, a vsclient.Attributes) step { s.attrs = a; return s }
	chunked := put(longKey, "# The second version of it")
	chunked.chunks = vsclient.Chunking{MaxTokens: 200, OverlapTokens: 50}
	return []step{
		put("a.md", firstContent),
		with(put(unsafeKey, firstContent), attributes),
		put("a.md", firstContent),                                             // unchanged
		put("a.md", "# The other version of it"),                              // replaced, the size being the same
		with(put(unsafeKey, firstContent), vsclient.Attributes{"lang": "fr"}), // attributes alone
		put(legacyKey, "# What replaces the earlier connector's"),
		{op: vsclient.OpSet, key: "a.md", attrs: attributes},
		{op: vsclient.OpDelete, key: unsafeKey},
		put(longKey, firstContent),
		put(unsafeKey, "back again"),
		chunked,
		{op: vsclient.OpDelete, key: "a.md"},
		{op: vsclient.OpDelete, key: "never.md"},
		put("twice.md", firstContent),
		put("twice.md", "changed"),
		put("twice.md", firstContent), // back to what it was
	}
}

// keysOf are the keys of a workload, in order of appearance.
func keysOf(steps []step) []string {
	var keys []string
	seen := make(map[string]bool)
	for _, s := range steps {
		if !seen[s.key] {
			seen[s.key] = true
			keys = append(keys, s.key)
		}
	}
	return keys
}

// rounds deals a workload out so that no round has two steps of one key.
func rounds(steps []step) [][]step {
	var out [][]step
	at := make(map[string]int)
	for _, s := range steps {
		n := at[s.key]
		at[s.key]++
		if n == len(out) {
			out = append(out, nil)
		}
		out[n] = append(out[n], s)
	}
	return out
}

// delivery is a way to bring steps to a client. It returns those that failed, with
// their errors.
type delivery func(ctx context.Context, c *vsclient.Client, log *session, steps []step) []failed

type failed struct {
	step
	err error
}

func call(ctx context.Context, c *vsclient.Client, log *session, s step) error {
	log.asked(s)
	began := log.w.now()
	d := s.change().Document
	var err error
	switch s.op {
	case vsclient.OpPut:
		_, err = c.Put(ctx, d)
	case vsclient.OpSet:
		_, err = c.SetAttributes(ctx, d.Key, d.Attributes)
	case vsclient.OpDelete:
		err = c.Delete(ctx, d.Key)
	}
	if err != nil {
		log.failed(s, began)
		return err
	}
	log.done(s)
	return nil
}

// mode is a way to use the client.
type mode struct {
	name    string
	groups  func([]step) [][]step // what is brought at once
	deliver delivery
}

var modes = []mode{
	{"one by one", singly, sideBySide},
	{"many callers", rounds, sideBySide},
	{"Apply", rounds, inBatches},
}

func singly(steps []step) (out [][]step) {
	for _, s := range steps {
		out = append(out, []step{s})
	}
	return out
}

// sideBySide makes all calls at once; no two are of one key.
func sideBySide(ctx context.Context, c *vsclient.Client, log *session, steps []step) (out []failed) {
	var (
		calls sync.WaitGroup
		mu    sync.Mutex
	)
	for _, s := range steps {
		calls.Go(func() {
			if err := call(ctx, c, log, s); err != nil {
				mu.Lock()
				defer mu.Unlock()
				out = append(out, failed{s, err})
			}
		})
	}
	calls.Wait()
	return out
}

// inBatches passes all steps to Apply; no two are of one key.
func inBatches(ctx context.Context, c *vsclient.Client, log *session, steps []step) (out []failed) {
	began := log.w.now()
	changes := make([]vsclient.Change, len(steps))
	for i, s := range steps {
		log.asked(s)
		changes[i] = s.change()
	}
	for i, r := range c.Apply(ctx, changes, nil) {
		if r.Err != nil {
			log.failed(steps[i], began)
			out = append(out, failed{steps[i], r.Err})
			continue
		}
		log.done(steps[i])
	}
	return out
}
