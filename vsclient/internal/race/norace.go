//go:build !race

// Package race reports whether the race detector is on. It makes the long tests take many
// times as long, and finds the same races in a share of their work.
package race

// Enabled reports whether the race detector is on.
const Enabled = false
