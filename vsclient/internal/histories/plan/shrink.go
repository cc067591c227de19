package plan

import "slices"

// Shrink cuts a plan down to the fewest steps and faults with which it is still red.
// It tries no more than so many plans.
func Shrink(plan Plan, red func(Plan) bool, runs int) Plan {
	s := &shrinking{red: red, left: runs, best: plan}
	for changed := true; changed && s.left > 0; {
		changed = s.pass()
	}
	return s.best
}

type shrinking struct {
	red  func(Plan) bool
	left int
	best Plan
}

// try keeps a plan that is still red.
func (s *shrinking) try(plan Plan) bool {
	if s.left <= 0 {
		return false
	}
	s.left--
	if !s.red(plan) {
		return false
	}
	s.best = plan
	return true
}

// pass tries each way to make the plan smaller once.
func (s *shrinking) pass() (changed bool) {
	changed = s.cut(func(p *Plan) int { return len(p.Steps) }, func(p *Plan, from, to int) { p.Steps = slices.Delete(slices.Clone(p.Steps), from, to) })
	changed = s.cut(func(p *Plan) int { return len(p.Faults) }, func(p *Plan, from, to int) { p.Faults = slices.Delete(slices.Clone(p.Faults), from, to) }) || changed
	changed = s.cut(func(p *Plan) int { return len(p.Planted) }, func(p *Plan, from, to int) { p.Planted = slices.Delete(slices.Clone(p.Planted), from, to) }) || changed
	for i := range s.best.Steps {
		changed = s.cut(func(p *Plan) int {
			if i >= len(p.Steps) || len(p.Steps[i].Changes) < 2 {
				return 0
			}
			return len(p.Steps[i].Changes)
		}, func(p *Plan, from, to int) {
			p.Steps = slices.Clone(p.Steps)
			p.Steps[i].Changes = slices.Delete(slices.Clone(p.Steps[i].Changes), from, to)
		}) || changed
		changed = s.simplify(i) || changed
	}
	changed = s.calmSea() || changed
	for i := len(s.best.Keys) - 1; i >= 0; i-- {
		changed = s.dropKey(i) || changed
	}
	return changed
}

// cut removes parts of a list: halves first, then less and less.
func (s *shrinking) cut(length func(*Plan) int, remove func(p *Plan, from, to int)) (changed bool) {
	for size := length(&s.best); size > 0; size /= 2 {
		for from := 0; from < length(&s.best); {
			plan := s.best
			remove(&plan, from, min(from+size, length(&s.best)))
			if s.try(plan) {
				changed = true
				continue
			}
			from += size
		}
	}
	return changed
}

// simplify makes one step plainer.
func (s *shrinking) simplify(i int) (changed bool) {
	for _, plainer := range []func(*Step) bool{
		func(x *Step) bool { was := x.Go; x.Go = false; return was },
		func(x *Step) bool { was := x.Within; x.Within = 0; return was > 0 },
		func(x *Step) bool { was := x.Attached; x.Attached = false; return was },
		func(x *Step) bool { was := x.Concurrency; x.Concurrency = 0; return was > 0 },
		func(x *Step) bool { was := x.Batch; x.Batch = 0; return was > 0 },
		func(x *Step) bool { was := x.RetryFor; x.RetryFor = 0; return was > 0 },
		func(x *Step) bool { was := x.IndexFor; x.IndexFor = 0; return was > 0 },
		func(x *Step) bool {
			return each(x, func(ch *Change) bool { was := len(ch.Doc.Attrs); ch.Doc.Attrs = nil; return was > 0 })
		},
		func(x *Step) bool {
			return each(x, func(ch *Change) bool { was := ch.Doc.Chunk; ch.Doc.Chunk = 0; return was > 0 })
		},
		func(x *Step) bool {
			return each(x, func(ch *Change) bool { was := len(ch.If); ch.If = nil; return was > 0 })
		},
	} {
		if i >= len(s.best.Steps) {
			return changed
		}
		plan := s.best
		plan.Steps = slices.Clone(plan.Steps)
		if plainer(&plan.Steps[i]) && s.try(plan) {
			changed = true
		}
	}
	return changed
}

func each(x *Step, plainer func(*Change) bool) (changed bool) {
	x.Changes = slices.Clone(x.Changes)
	for i := range x.Changes {
		changed = plainer(&x.Changes[i]) || changed
	}
	return changed
}

// calmSea takes lags and switches away.
func (s *shrinking) calmSea() (changed bool) {
	for _, field := range []func(*API) *Duration{
		func(x *API) *Duration { return &x.ListAttach }, func(x *API) *Duration { return &x.ListDetach }, func(x *API) *Duration { return &x.ListUpdate },
		func(x *API) *Duration { return &x.NotFound }, func(x *API) *Duration { return &x.Ghost }, func(x *API) *Duration { return &x.FreshFile },
		func(x *API) *Duration { return &x.Clock }, func(x *API) *Duration { return &x.IndexTime }, func(x *API) *Duration { return &x.Jitter },
	} {
		plan := s.best
		if *field(&plan.API) != 0 {
			*field(&plan.API) = 0
			changed = s.try(plan) || changed
		}
	}
	for _, field := range []func(*API) *float64{
		func(x *API) *float64 { return &x.Failing }, func(x *API) *float64 { return &x.Stuck }, func(x *API) *float64 { return &x.Lands }, func(x *API) *float64 { return &x.Slow },
	} {
		plan := s.best
		if *field(&plan.API) != 0 {
			*field(&plan.API) = 0
			changed = s.try(plan) || changed
		}
	}
	return s.cut(func(p *Plan) int { return len(p.API.Quirks) }, func(p *Plan, from, to int) { p.API.Quirks = slices.Delete(slices.Clone(p.API.Quirks), from, to) }) || changed
}

// dropKey takes away a key that nothing names.
func (s *shrinking) dropKey(key int) bool {
	plan := s.best
	plan.Keys = slices.Delete(slices.Clone(plan.Keys), key, key+1)
	plan.Steps, plan.Planted = slices.Clone(plan.Steps), slices.Clone(plan.Planted)
	less := func(k int) int {
		if k > key {
			return k - 1
		}
		return k
	}
	for i := range plan.Steps {
		x := &plan.Steps[i]
		names := x.Do == DoGet || x.Do == DoText || x.Do == DoStrip || x.Do == DoAttachElsewhere
		if names && x.Key == key {
			return false
		}
		x.Key = less(x.Key)
		x.Changes = slices.Clone(x.Changes)
		for j := range x.Changes {
			if x.Changes[j].Key == key {
				return false
			}
			x.Changes[j].Key = less(x.Changes[j].Key)
		}
	}
	for i := range plan.Planted {
		if plan.Planted[i].Key == key {
			return false
		}
		plan.Planted[i].Key = less(plan.Planted[i].Key)
	}
	return s.try(plan)
}
