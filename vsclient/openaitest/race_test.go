//go:build race

package openaitest_test

const underRace = true
