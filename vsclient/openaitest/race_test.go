//go:build race

package openaitest_test

const raceDetector = true
