//go:build race

package bench

// underRace has the long tests do a share of their work: the race detector makes it take
// many times as long, and finds in a share the same races.
const underRace = true
