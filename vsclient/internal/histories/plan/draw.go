package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// families are keys that get into each other's way: they share a File name, its
// stem or its fold, or are at the edge of the allowed.
var families = [][]string{
	{"a", "a.txt", "a.md", "A.txt", "a.json"},
	{"docs/a.md", "docs_a.md", "docs a.md", "Docs/A.md"},
	{"README.md", "readme.md", "README", "README.txt"},
	{"legacy.md", "legacy.txt", "legacy"},
	{strings.Repeat("a long way down/", 63) + "/the end.md", strings.Repeat("long ", 204) + "x.md"},
	{strings.Repeat("д", 508) + "и.json", strings.Repeat("x", 1023)},
	{"Привет.md", "привет.md"},
	{"caf\u00e9.md", "cafe\u0301.md", "cafe.md"},
	{`{"id":1}`, `{"id":2}`, `{"id":"1"}`},
	{"two\r\nlines.md", `a "quoted" name.md`, "100%.md", "%41.md", "A.md"},
	{"日本語", "日本語.txt", "中文", "🙂", "..."},
	{"report.PDF.md", "report.pdf.md", "Report.MD"},
}

// drawing draws a plan.
type drawing struct {
	*rand.Rand
	plan    Plan
	process int
	beside  int // a process that works beside the present one; -1: none
	theme   theme
}

// theme is a kind of trouble that a share of the histories has more of.
type theme int

const (
	themeRemovals     theme = iota // removals that fail or land late, while indexing fails
	themeUploads                   // uploads that are lost, of keys that share a File name
	themeOneSlot                   // attaches that hang, with one slot and impatient callers
	themeCrowd                     // listings of many pages, and Files that go while they are read
	themeLateDeletion              // a Delete while the attach of a dead process is still on its way
	themeDropped                   // now and then, a server that keeps no attributes
	themeLostUpdate                // an update whose reply is lost, and one that takes it back
	themeSuccessor                 // an update just after the end of a process whose last version a GET does not show yet
	themes            = 12         // the rest have none
)

// sharing are keys that share a File name when their content is plain text.
var sharing = [][]string{{"a", "a.txt"}, {"README", "README.txt"}, {"legacy", "legacy.txt"}, {"日本語", "日本語.txt"}}

// Draw draws the plan of a seed.
func Draw(seed uint64) Plan {
	d := &drawing{Rand: rand.New(rand.NewPCG(seed, 0x686973746f7279)), plan: Plan{Seed: seed}, beside: -1}
	d.theme = theme(d.IntN(int(themes)))
	d.api()
	d.keys()
	d.people()
	d.lives()
	d.faults()
	if d.chance(0.4) { // drawn last, so that the rest of each plan is as without it
		d.plan.API.Quirks = append(d.plan.API.Quirks, QuirkEarlyListed)
	}
	if d.chance(0.3) {
		d.readers()
	}
	if d.chance(0.25) {
		d.texts()
	}
	if d.theme == themeDropped && d.chance(0.2) {
		d.dropped()
	}
	return d.plan
}

func (d *drawing) chance(p float64) bool { return d.Float64() < p }

func pick[T any](d *drawing, from ...T) T { return from[d.IntN(len(from))] }

func (d *drawing) upTo(t time.Duration) Duration { return Duration(1 + d.Int64N(int64(t))) }

// api draws how the API behaves: lags as people report them, and one or two of the
// switches.
func (d *drawing) api() {
	s := &d.plan.API
	s.Latency = d.upTo(80 * time.Millisecond)
	s.IndexTime = pick(d, Duration(300*time.Millisecond), Duration(2*time.Second), Duration(20*time.Second), Duration(60*time.Second))
	s.Jitter = d.upTo(time.Duration(s.IndexTime))
	if d.chance(0.5) {
		s.ListAttach = pick(d, Duration(2*time.Second), Duration(30*time.Second), Duration(2*time.Minute))
		s.ListDetach = pick(d, Duration(0), Duration(2*time.Minute))
		s.ListUpdate = pick(d, Duration(0), Duration(30*time.Second))
	}
	if d.chance(0.4) {
		s.NotFound = d.upTo(20 * time.Second)
	}
	if d.chance(0.2) {
		s.Ghost = d.upTo(15 * time.Second)
	}
	if d.chance(0.2) {
		s.FreshFile = d.upTo(3 * time.Second)
	}
	if d.chance(0.25) {
		s.Clock = pick(d, Duration(-3*time.Hour), Duration(-2*time.Hour), Duration(2*time.Hour), Duration(30*time.Second), Duration(-30*time.Second))
	}
	if d.chance(0.15) {
		s.Failing = 0.1 + 0.2*d.Float64()
	}
	if d.chance(0.1) {
		s.Stuck = 0.1 + 0.1*d.Float64()
	}
	s.Lands = pick(d, 0, 0.5, 1.0)
	for range pick(d, 0, 0, 1, 1, 2) {
		s.Quirks = append(s.Quirks, pick(d,
			"alter_filenames=lower_case", "alter_filenames=nfc", "alter_filenames=underscore_space", "alter_filenames=underscore_unsafe",
			"alter_filenames=latin1", "alter_filenames=percent_decoded", "decode_filenames", "base_filenames",
			"absent_400", "absent_file_400", "batches_not_taken=not_found", "batches_not_taken=server_error", "batches_not_taken=empty",
			"detach_everywhere", "extension_case", "second_detach_ok", "bad_file_in_batch=fail", "bad_file_in_batch=skip", "unknown_file_400",
			"delete_leaves_counts", "deleted_cursor_refused", "filter_after_page", "shuffled_ties", "update_while_indexing_refused",
			"writes_not_found", "batch_get_returns_store", "early_completed", "null_bytes", "unknown_batch_500", "reattach_reindexes", "reattach_keeps_attributes",
			"missing_extension=fails", "missing_extension=accepted", "max_filename=255", "check_upload_extension", "attribute_value_max=256", "attribute_bytes", "delete_leaves_store_file",
			"expiry_leaves_store_file", "batch_max=100", "fresh_batch_listing_500", "cancel_batch_500", "spec_batch_object", "rate_limit_headers", "idempotency_keys", "ignore_unknown_fields",
		))
	}
}

// keys draws keys of one to three families.
func (d *drawing) keys() {
	chosen := d.Perm(len(families))[:1+d.IntN(3)]
	if d.theme == themeUploads || d.theme == themeRemovals {
		d.plan.Keys = slices.Clone(pick(d, sharing...))
		chosen = chosen[:d.IntN(2)]
	}
	for _, f := range chosen {
		for _, i := range d.Perm(len(families[f]))[:1+d.IntN(min(3, len(families[f])))] {
			if !slices.Contains(d.plan.Keys, families[f][i]) {
				d.plan.Keys = append(d.plan.Keys, families[f][i])
			}
		}
	}
}

// people draws the Files that others have made: of the names and sizes of ours.
func (d *drawing) people() {
	shared := slices.Contains(d.plan.API.Quirks, "detach_everywhere")
	for i, key := range d.plan.Keys {
		if !plainName(key) {
			if d.chance(0.3) {
				d.plan.Planted = append(d.plan.Planted, Planted{Name: key, Like: true, Text: d.text(), Key: -1, Theirs: d.chance(0.5), Fresh: d.chance(0.5)})
			}
			continue
		}
		if d.chance(0.4) {
			d.plan.Planted = append(d.plan.Planted, Planted{Name: key, Text: d.text(), Key: -1, Fresh: d.chance(0.5)})
		}
		if d.chance(0.3) {
			d.plan.Planted = append(d.plan.Planted, Planted{Name: key, Text: d.text(), Key: -1, Theirs: true, Purpose: pick(d, "", "user_data")})
		}
		if d.chance(0.2) {
			d.plan.Planted = append(d.plan.Planted, Planted{Name: key, Text: d.text(), Key: -1, Ours: true, Attrs: map[string]any{"vs_key": "a key of another kind " + fmt.Sprint(i), "vs_version": "0000000000000001", "whose": "theirs"}})
		}
		if d.chance(0.3) {
			// By hand, or by an earlier connector; now and then twice, or in two stores.
			for range pick(d, 1, 1, 2) {
				d.plan.Planted = append(d.plan.Planted, Planted{Name: key, Text: d.text(), Key: i, Ours: true, Theirs: !shared && d.chance(0.4)})
			}
		}
	}
}

// plainName reports whether a key can be a file name with an indexed extension.
func plainName(key string) bool {
	return len(key) < 200 && !strings.ContainsAny(key, "/\"\r\n%\\") && (strings.HasSuffix(key, ".md") || strings.HasSuffix(key, ".txt"))
}

// text is of a few values, all of one size: others may have the same.
func (d *drawing) text() string { return fmt.Sprintf("content %02d", d.IntN(5)) }

func (d *drawing) doc() Doc {
	doc := Doc{Text: d.text()}
	switch {
	case d.chance(0.04):
		doc.Text = BadText + fmt.Sprintf("%02d", d.IntN(5))
	case d.chance(0.1):
		doc.Chunk = 200
	}
	if d.chance(0.6) {
		doc.Attrs = d.attributes()
	}
	return doc
}

func (d *drawing) attributes() map[string]any {
	out := map[string]any{"n": float64(d.IntN(4))}
	for i := range d.IntN(4) {
		out[fmt.Sprintf("x%d", i)] = pick[any](d, "s", true, 2.5)
	}
	if d.chance(0.03) {
		for i := range 12 {
			out[fmt.Sprintf("many%02d", i)] = "x"
		}
	}
	return out
}

func (d *drawing) change(key int) Change {
	ch := Change{Op: OpDelete, Key: key}
	switch n := d.IntN(100); {
	case n < 60:
		ch.Op, ch.Doc = OpPut, d.doc()
	case n < 80:
		ch.Op, ch.Doc = OpUpdate, Doc{Attrs: d.attributes()}
	}
	if d.chance(0.08) {
		ch.If = map[string]any{"n": float64(d.IntN(4))}
	}
	return ch
}

func (d *drawing) step(s Step) { d.plan.Steps = append(d.plan.Steps, s) }

// begin draws a new process on a store.
func (d *drawing) begin(store int) int {
	s := Step{Do: DoStart, P: d.process, Store: store, Attached: d.chance(0.15)}
	s.Concurrency = pick(d, 0, 0, 1, 2)
	s.Batch = pick(d, 0, 0, 1, 2)
	s.RetryFor = pick(d, Duration(0), Duration(0), Duration(1), Duration(20*time.Second))
	s.IndexFor = pick(d, Duration(0), Duration(2*time.Minute))
	d.step(s)
	d.process++
	return s.P
}

// lives draws processes one after the other: each works for a while and then is
// closed, dies, or is left behind by its supervisor, which starts another.
func (d *drawing) lives() {
	mirror := -1
	if d.chance(0.3) {
		mirror = d.begin(1)
	}
	if d.chance(0.05) {
		p := d.begin(-1)
		for range 2 {
			d.step(Step{Do: DoApply, P: p, Changes: []Change{d.change(d.IntN(len(d.plan.Keys)))}})
			d.step(Step{Do: DoGet, P: p, Key: d.IntN(len(d.plan.Keys))})
		}
	}
	lives, last := pick(d, 1, 2, 2, 3), 0
	for life := range lives {
		p := d.begin(0)
		if d.chance(0.1) {
			d.beside = d.begin(0)
		}
		d.work(p, mirror)
		if d.beside >= 0 && d.chance(0.5) {
			d.step(Step{Do: DoClose, P: d.beside})
		}
		d.beside = -1
		if last = p; life == lives-1 {
			break
		}
		switch n := d.IntN(100); {
		case n < 40:
			if d.chance(0.5) {
				d.changes(p, mirror, true)
				d.pause()
			}
			d.step(Step{Do: DoKill, P: p})
		case n < 65:
			if d.chance(0.5) {
				d.changes(p, mirror, true)
				d.pause()
			}
			end := Step{Do: DoClose, P: p}
			if d.chance(0.3) {
				end.Within = d.upTo(time.Minute)
			}
			d.step(end)
			if d.chance(0.3) {
				d.step(Step{Do: DoApply, P: p, Changes: []Change{d.change(d.IntN(len(d.plan.Keys)))}})
			}
		default:
			d.changes(p, mirror, true)
			if d.chance(0.5) {
				d.pause()
			}
			d.step(Step{Do: DoOrphan, P: p})
		}
		if d.chance(0.4) {
			d.pause()
		}
	}
	d.step(Step{Do: DoJoin})
	d.step(Step{Do: DoCalm})
	if d.chance(0.3) {
		if d.chance(0.5) {
			d.step(Step{Do: DoClose, P: last})
		} else {
			d.step(Step{Do: DoKill, P: last})
		}
		last = d.begin(0)
		d.plan.Steps[len(d.plan.Steps)-1].Attached = false
	}
	for key := range d.plan.Keys {
		if d.chance(0.5) {
			d.step(Step{Do: DoApply, P: last, Changes: []Change{d.change(key)}})
		}
	}
}

func (d *drawing) pause() {
	d.step(Step{Do: DoSleep, For: pick(d, d.upTo(100*time.Millisecond), d.upTo(time.Second), d.upTo(5*time.Second), d.upTo(30*time.Second), d.upTo(3*time.Minute))})
}

// changes draws a call of one or several changes.
func (d *drawing) changes(p, mirror int, alongside bool) {
	s := Step{Do: DoApply, P: p, Go: alongside}
	if d.chance(0.25) {
		for _, key := range d.Perm(len(d.plan.Keys)) {
			s.Changes = append(s.Changes, d.change(key))
		}
		for d.chance(0.3) { // of one key more than once
			s.Changes = slices.Insert(s.Changes, d.IntN(len(s.Changes)+1), d.change(d.IntN(len(d.plan.Keys))))
		}
	} else {
		s.Changes = []Change{d.change(d.IntN(len(d.plan.Keys)))}
	}
	s.Within = d.within()
	if d.beside >= 0 && d.chance(0.4) {
		s.P, s.Go = d.beside, true
	}
	if mirror >= 0 && d.chance(0.6) {
		m := s
		m.P, m.Go, m.Within = mirror, true, 0
		if d.chance(0.5) {
			d.step(m)
			d.step(s)
			return
		}
		s.Go = true
		d.step(s)
		d.step(m)
		return
	}
	d.step(s)
}

// within draws after which time a caller gives up; 0: never.
func (d *drawing) within() Duration {
	if d.chance(0.85) {
		return 0
	}
	return pick(d, d.upTo(200*time.Millisecond), d.upTo(2*time.Second), d.upTo(20*time.Second))
}

func (d *drawing) work(p, mirror int) {
	for range 2 + d.IntN(9) {
		switch n := d.IntN(100); {
		case n < 62:
			d.changes(p, mirror, d.chance(0.4))
		case n < 68:
			d.step(Step{Do: DoGet, P: p, Key: d.IntN(len(d.plan.Keys)), Within: d.within(), Go: d.chance(0.3)})
		case n < 71:
			d.step(Step{Do: DoList, P: p, Within: d.within()})
		case n < 73:
			d.step(Step{Do: DoSearch, P: p, Query: d.text(), Within: d.within(), Go: d.chance(0.3)})
		case n < 76:
			d.step(Step{Do: DoSweep, P: p, Within: d.within(), Go: d.chance(0.5)})
		case n < 77:
			d.step(Step{Do: DoStrays, P: p, Within: d.within()})
		case n < 79:
			d.step(Step{Do: DoFlush, P: p, Within: d.within()})
		case n < 82:
			d.step(Step{Do: DoJoin})
		case n < 91:
			d.pause()
		case n < 94:
			d.step(Step{Do: DoOutage, For: pick(d, d.upTo(30*time.Second), d.upTo(10*time.Minute)), Fate: pick(d, fate503, Fate500+AfterEffect, FateCut, FateHang)})
		case n < 96:
			d.step(Step{Do: DoStrip, Key: d.IntN(len(d.plan.Keys))})
		case n < 97 && d.chance(0.5):
			d.step(Step{Do: DoCrowd})
			d.step(Step{Do: DoList, P: p})
		case n < 97 && d.chance(0.2):
			d.step(Step{Do: DoExpire})
		default:
			d.step(Step{Do: DoAttachElsewhere, Key: d.IntN(len(d.plan.Keys))})
		}
	}
}

// faults draws the fates of single requests.
func (d *drawing) faults() {
	endpoints := []string{
		"POST /files", "POST /files", "GET /files", "GET /files/{id}", "DELETE /files/{id}", "POST store/files", "POST file_batches", "POST file_batches",
		"GET store/files", "GET store/files/{id}", "POST store/files/{id}", "DELETE store/files/{id}", "GET file_batches/{id}/files", "",
	}
	late := func() string { return "@" + Duration(1+d.Int64N(int64(LongestLate))).String() }
	add := func(nth int, fate string, endpoints ...string) {
		d.plan.Faults = append(d.plan.Faults, Fault{P: d.IntN(d.process), Endpoint: pick(d, endpoints...), Nth: 1 + d.IntN(nth), Times: 1 + d.IntN(2), Fate: fate})
	}
	switch d.theme {
	case themeRemovals:
		d.plan.API.Failing = pick(d, 0, 0.4, 0.7)
		if d.chance(0.4) {
			add(2, FateKill, "DELETE /files/{id}")
		}
		for range 6 {
			add(3, pick(d, Fate500, FateCut, FateHang, FateLate+late(), FateLate+late(), FateLateHang+late()), "DELETE store/files/{id}", "DELETE store/files/{id}", "DELETE /files/{id}")
		}
	case themeUploads:
		if d.chance(0.8) {
			d.plan.API.NotFound = Duration(5*time.Second) + d.upTo(15*time.Second)
		}
		for i := range d.plan.Steps {
			if s := &d.plan.Steps[i]; s.Do == DoApply {
				s.Go = s.Go || d.chance(0.5)
			}
		}
		for range 5 {
			add(6, pick(d, Fate500, Fate500, Fate500+AfterEffect, FateCut, FateCut+AfterEffect, FateHang, FateLate+late()), "POST /files")
		}
	case themeOneSlot:
		for i := range d.plan.Steps {
			switch s := &d.plan.Steps[i]; {
			case s.Do == DoStart:
				s.Concurrency = 1
			case s.Do == DoApply && d.chance(0.4):
				s.Within = d.upTo(20 * time.Second)
			}
		}
		for range 4 {
			add(6, pick(d, FateHang, FateHang+AfterEffect, FateLateHang+late(), FateLateHang+late(), FateCut+AfterEffect, FateCutReply), "POST store/files", "POST file_batches")
		}
	case themeCrowd:
		d.plan.API.Quirks = append(d.plan.API.Quirks, pick(d, "deleted_cursor_refused", "deleted_cursor_refused", "filter_after_page"))
		d.crowd()
	case themeLateDeletion:
		d.deletion(late())
	case themeLostUpdate:
		if d.chance(0.5) {
			d.lostUpdate()
		}
	case themeSuccessor:
		if d.chance(0.5) {
			d.successor()
		}
	}
	for range d.IntN(7) {
		f := Fault{P: d.IntN(d.process), Endpoint: pick(d, endpoints...), Nth: 1 + d.IntN(5)}
		if f.Endpoint == "" {
			f.Nth = 1 + d.IntN(60)
		}
		f.Times = pick(d, 0, 0, 0, 2, 4)
		f.Fate = pick(d, Fate500, Fate500+AfterEffect, fate503, Fate502, Fate429, FateCut, FateCut+AfterEffect, FateCutReply, FateHang, FateHang+AfterEffect,
			FateKill, FateKill+AfterEffect, FateKill, FateLate+late(), FateLateHang+late(), FateLate500+late())
		d.plan.Faults = append(d.plan.Faults, f)
	}
}

// deletion has a process die with an attach on its way, and the next one delete the
// key before the attach lands.
func (d *drawing) deletion(late string) {
	dead, next := d.process, d.process+1
	d.process += 2
	key, pause := d.IntN(len(d.plan.Keys)), d.upTo(3*time.Minute)
	if d.chance(0.5) { // nobody else asks for it, and the watch is not cut short
		key, pause = d.ownKey(), Duration(8*time.Minute)
	}
	for _, endpoint := range []string{"POST store/files", "POST file_batches"} {
		d.plan.Faults = append(d.plan.Faults, Fault{P: dead, Endpoint: endpoint, Nth: 1, Fate: FateLateHang + late})
	}
	d.plan.Steps = slices.Concat([]Step{
		{Do: DoStart, P: dead},
		{Do: DoApply, P: dead, Go: true, Changes: []Change{{Op: OpPut, Key: key, Doc: d.doc()}}},
		{Do: DoSleep, For: Duration(5 * time.Second)},
		{Do: DoKill, P: dead},
		{Do: DoStart, P: next},
		{Do: DoApply, P: next, Changes: []Change{{Op: OpDelete, Key: key}}},
		{Do: DoSleep, For: pause},
		{Do: DoClose, P: next},
	}, d.plan.Steps)
}

// ownKey is a key that no other step names.
func (d *drawing) ownKey() int {
	d.plan.Keys = append(d.plan.Keys, "nobody else's.md")
	return len(d.plan.Keys) - 1
}

// lostUpdate has a process that tries nothing twice lose the reply to an update, and be asked for
// the attributes that the document had before.
func (d *drawing) lostUpdate() {
	p, key := d.process, d.ownKey()
	d.process++
	d.plan.Faults = append(d.plan.Faults, Fault{P: p, Endpoint: "POST store/files/{id}", Nth: 1, Fate: pick(d, Fate500+AfterEffect, FateCut+AfterEffect, FateCutReply)})
	before, put := Doc{Attrs: map[string]any{"n": 1.0}}, Change{Op: OpPut, Key: key, Doc: Doc{Text: d.text(), Attrs: map[string]any{"n": 1.0}}}
	again := pick(d, put, Change{Op: OpUpdate, Key: key, Doc: before})
	d.plan.Steps = slices.Concat([]Step{
		{Do: DoStart, P: p, RetryFor: 1},
		{Do: DoApply, P: p, Changes: []Change{put}},
		{Do: DoApply, P: p, Changes: []Change{{Op: OpUpdate, Key: key, Doc: Doc{Attrs: map[string]any{"n": 2.0}}}}},
		{Do: DoApply, P: p, Changes: []Change{again}},
		{Do: DoClose, P: p},
	}, d.plan.Steps)
}

// successor has a process die whose last version is attached and cannot be seen yet, and the next
// one update the key's attributes at once.
func (d *drawing) successor() {
	p, key := d.process, d.ownKey()
	d.process += 2
	d.plan.API.NotFound = Duration(10*time.Second) + d.upTo(10*time.Second)
	put := func() Step {
		return Step{Do: DoApply, P: p, Changes: []Change{{Op: OpPut, Key: key, Doc: Doc{Text: fmt.Sprintf("content %02d of %d", d.IntN(5), len(d.plan.Steps))}}}}
	}
	d.plan.Steps = slices.Concat([]Step{
		{Do: DoStart, P: p, Attached: true},
		put(),
		{Do: DoSleep, For: Duration(3 * time.Minute)},
		put(),
		{Do: DoKill, P: p},
		{Do: DoStart, P: p + 1},
		{Do: DoApply, P: p + 1, Changes: []Change{{Op: OpUpdate, Key: key, Doc: Doc{Attrs: d.attributes()}}}},
		{Do: DoClose, P: p + 1},
	}, d.plan.Steps)
}

// readers has replies that come late, readers beside the writers, and changes that are
// delivered once more.
func (d *drawing) readers() {
	d.plan.API.Slow = 0.05 + 0.4*d.Float64()
	var steps []Step
	before := make(map[int]Change) // the last of each key
	for _, s := range d.plan.Steps {
		if s.Do != DoApply || len(s.Changes) != 1 || s.P < 0 {
			steps = append(steps, s)
			continue
		}
		ch := s.Changes[0]
		if d.chance(0.6) {
			steps = append(steps, Step{Do: DoGet, P: s.P, Key: ch.Key, Go: true}, Step{Do: DoSleep, For: d.upTo(4 * time.Duration(d.plan.API.Latency))})
		}
		steps = append(steps, s)
		if was, ok := before[ch.Key]; ok && d.chance(0.3) {
			steps = append(steps, Step{Do: DoApply, P: s.P, Changes: []Change{was}, Go: s.Go})
		}
		if before[ch.Key] = ch; ch.Op == OpPut && !s.Go && d.chance(0.7) { // it is delivered again after an update
			for range 3 {
				steps = append(steps, Step{Do: DoGet, P: s.P, Key: ch.Key, Go: true}, Step{Do: DoSleep, For: 2 * d.plan.API.Latency})
			}
			steps = append(steps, Step{Do: DoApply, P: s.P, Changes: []Change{{Op: OpUpdate, Key: ch.Key, Doc: Doc{Attrs: d.attributes()}}}},
				Step{Do: DoSleep, For: Duration(LongestSlow)}, Step{Do: DoApply, P: s.P, Changes: []Change{ch}})
		}
	}
	d.plan.Steps = steps
}

// texts has the parsed text of documents read, beside their changes and after them.
func (d *drawing) texts() {
	if d.chance(0.3) {
		d.plan.API.Quirks = append(d.plan.API.Quirks, pick(d, "content_page_size=1", "content_legacy_shape", "content_overlap"))
	}
	var steps []Step
	for _, s := range d.plan.Steps {
		reads := s.Do == DoApply && s.P >= 0 && d.chance(0.4)
		if beside := reads && d.chance(0.5); beside {
			steps = append(steps, Step{Do: DoText, P: s.P, Key: s.Changes[0].Key, Go: true}, Step{Do: DoSleep, For: d.upTo(4 * time.Duration(d.plan.API.Latency))})
			reads = false
		}
		if steps = append(steps, s); reads {
			steps = append(steps, Step{Do: DoText, P: s.P, Key: s.Changes[0].Key, Within: d.within()})
		}
	}
	d.plan.Steps = steps
}

// dropped has a server that keeps no attributes, whoever sends them. In half of the plans nobody
// deletes, so that whatever goes is taken.
func (d *drawing) dropped() {
	d.plan.API.Quirks = append(d.plan.API.Quirks, QuirkDropped)
	d.plan.Planted = slices.DeleteFunc(d.plan.Planted, func(p Planted) bool { return len(p.Attrs) > 0 })
	d.plan.Steps = slices.DeleteFunc(d.plan.Steps, func(s Step) bool { return s.Do == DoCrowd })
	if d.chance(0.5) {
		for _, s := range d.plan.Steps {
			for i := range s.Changes {
				if ch := &s.Changes[i]; ch.Op == OpDelete {
					ch.Op, ch.Doc = OpUpdate, Doc{Attrs: d.attributes()}
				}
			}
		}
	}
}

// crowd has a listing of many pages, and Files go while it is read.
func (d *drawing) crowd() {
	at := slices.IndexFunc(d.plan.Steps, func(s Step) bool { return s.Do == DoApply && s.P == d.process-1 })
	if at < 0 {
		return
	}
	p := d.plan.Steps[at].P
	d.plan.Steps = slices.Insert(d.plan.Steps, at+1,
		Step{Do: DoCrowd}, Step{Do: DoSleep, For: Duration(3 * time.Minute)}, Step{Do: DoList, P: p, Go: true}, Step{Do: DoSweep, P: p, Go: true},
		Step{Do: DoSleep, For: 2 * d.plan.API.Latency}, Step{Do: DoThin}, Step{Do: DoJoin})
}
