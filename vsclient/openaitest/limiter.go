package openaitest

import "time"

// limiter counts against one limit per minute, as its LimitKind says.
type limiter struct {
	perMinute int
	kind      LimitKind
	burst     int

	tokens float64   // of a bucket
	at     time.Time // when the tokens were counted; the start of a fixed window
	used   int       // in a window
	hits   []hit     // in a sliding window, oldest first
}

type hit struct {
	at time.Time
	n  int
}

func newLimiter(perMinute int, limits Limits) *limiter {
	l := &limiter{perMinute: perMinute, kind: limits.Kind, burst: limits.Burst}
	if l.burst == 0 {
		l.burst = perMinute
	}
	l.tokens = float64(l.burst)
	return l
}

// wait returns how long n more have to wait; 0: they are within the limit. An n above the
// limit itself goes when nothing else counts, and the requests after it wait longer.
func (l *limiter) wait(now time.Time, n int) time.Duration {
	if l == nil || l.perMinute <= 0 {
		return 0
	}
	if n = min(n, l.perMinute); l.kind == "" || l.kind == Bucket {
		n = min(n, l.burst)
	}
	switch l.kind {
	case FixedWindow:
		window := now.Truncate(time.Minute)
		if !window.Equal(l.at) {
			l.at, l.used = window, 0
		}
		if l.used+n <= l.perMinute {
			return 0
		}
		return window.Add(time.Minute).Sub(now)
	case SlidingWindow:
		for len(l.hits) > 0 && now.Sub(l.hits[0].at) >= time.Minute {
			l.used -= l.hits[0].n
			l.hits = l.hits[1:]
		}
		over := l.used + n - l.perMinute
		if over <= 0 {
			return 0
		}
		for _, h := range l.hits {
			if over -= h.n; over <= 0 {
				return h.at.Add(time.Minute).Sub(now)
			}
		}
		return time.Minute
	default:
		perSecond := float64(l.perMinute) / 60
		if !l.at.IsZero() {
			l.tokens = min(float64(l.burst), l.tokens+now.Sub(l.at).Seconds()*perSecond)
		}
		l.at = now
		missing := float64(n) - l.tokens
		if missing <= 1e-6 { // the rounding error of many refills
			return 0
		}
		return time.Duration(missing / perSecond * float64(time.Second))
	}
}

// take counts n, which wait has just allowed.
func (l *limiter) take(now time.Time, n int) {
	if l == nil || l.perMinute <= 0 {
		return
	}
	switch l.kind {
	case FixedWindow:
		l.used += n
	case SlidingWindow:
		l.used += n
		l.hits = append(l.hits, hit{now, n})
	default:
		l.tokens -= float64(n)
	}
}

// remaining returns how many more are within the limit now.
func (l *limiter) remaining() int {
	if l.kind == FixedWindow || l.kind == SlidingWindow {
		return max(0, l.perMinute-l.used)
	}
	return max(0, int(l.tokens))
}
