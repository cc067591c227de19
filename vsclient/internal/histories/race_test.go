//go:build race

package histories_test

const (
	underRace = true
	few       = 25
)
