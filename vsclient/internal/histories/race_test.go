//go:build race

package histories_test

const few = 25
