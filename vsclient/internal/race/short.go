package race

import "testing"

// EnabledOrShort reports whether the long tests do a share of their work: with the race
// detector, and with -short.
func EnabledOrShort() bool { return Enabled || testing.Short() }
