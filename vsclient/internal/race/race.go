// Package race reports whether the race detector is on. The detector slows the long tests down
// many times, and finds the same races in a share of their work.
package race

import "testing"

// EnabledOrShort reports whether the long tests do a share of their work: with the race
// detector, and with -short.
func EnabledOrShort() bool { return Enabled || testing.Short() }

// Pick returns full, or with the race detector share: how much of its work a long test does.
func Pick[T any](full, share T) T {
	if Enabled {
		return share
	}
	return full
}
