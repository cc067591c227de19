package faulttest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
)

// neverDone is the context of calls that nobody gives up.
var neverDone = context.Background()

// step is one change that a caller asks for.
type step struct {
	op      plan.Op
	key     string
	content string
	attrs   map[string]any
	chunks  int // tokens; 0: auto
}

func (s step) String() string { return fmt.Sprintf("%v %s", s.op, shown(s.key)) }

func (s step) change() client.Keyed {
	return client.Keyed{Op: s.op, Key: s.key, Doc: plan.Doc{Text: s.content, Attrs: s.attrs, Chunk: s.chunks}}
}

// firstContent is the content of the first version of each document, and of the
// Files of others: they have the same name and the same size.
const firstContent = "# The first version of it"

var (
	longKey    = strings.Repeat("a long way down/", 63) + "end.md"
	unsafeKey  = "a/b \"c\"\r\n"
	attributes = map[string]any{"lang": "en", "page": 1, "draft": true}
)

// compact is a workload that passes every kind of change over a few keys.
func compact() []step {
	put := func(key, content string) step { return step{op: plan.OpPut, key: key, content: content} }
	with := func(s step, a map[string]any) step { s.attrs = a; return s }
	chunked := put(longKey, "# The second version of it")
	chunked.chunks = 200
	return []step{
		put("a.md", firstContent),
		with(put(unsafeKey, firstContent), attributes),
		put("a.md", firstContent),                                        // unchanged
		put("a.md", "# The other version of it"),                         // replaced, the size being the same
		with(put(unsafeKey, firstContent), map[string]any{"lang": "fr"}), // attributes alone
		put(legacyKey, "# The successor of the earlier connector's"),
		{op: plan.OpUpdate, key: "a.md", attrs: attributes},
		{op: plan.OpDelete, key: unsafeKey},
		put(longKey, firstContent),
		put(unsafeKey, "back again"),
		chunked,
		{op: plan.OpDelete, key: "a.md"},
		{op: plan.OpDelete, key: "never.md"},
		put("twice.md", firstContent),
		put("twice.md", "changed"),
		put("twice.md", firstContent), // back to the first content
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
type delivery func(ctx context.Context, c *client.Client, log *session, steps []step) []failed

type failed struct {
	step
	client.Answer
}

func call(ctx context.Context, c *client.Client, log *session, s step) client.Answer {
	log.asked(s)
	began := log.w.now()
	a := c.Do(ctx, s.change())
	if a.Err != nil {
		log.failed(s, began)
		return a
	}
	log.done(s)
	return a
}

// mode is a way to use the client.
type mode struct {
	name    string
	groups  func([]step) [][]step // the steps that are brought at once
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
func sideBySide(ctx context.Context, c *client.Client, log *session, steps []step) (out []failed) {
	var (
		calls sync.WaitGroup
		mu    sync.Mutex
	)
	for _, s := range steps {
		calls.Go(func() {
			if a := call(ctx, c, log, s); a.Err != nil {
				mu.Lock()
				defer mu.Unlock()
				out = append(out, failed{s, a})
			}
		})
	}
	calls.Wait()
	return out
}

// inBatches passes all steps to Apply; no two are of one key.
func inBatches(ctx context.Context, c *client.Client, log *session, steps []step) (out []failed) {
	began := log.w.now()
	changes := make([]client.Keyed, len(steps))
	for i, s := range steps {
		log.asked(s)
		changes[i] = s.change()
	}
	answers := make([]client.Answer, len(changes))
	c.Apply(ctx, changes, func(i int, a client.Answer) { answers[i] = a })
	for i, r := range answers {
		if r.Err != nil {
			log.failed(steps[i], began)
			out = append(out, failed{steps[i], r})
			continue
		}
		log.done(steps[i])
	}
	return out
}
