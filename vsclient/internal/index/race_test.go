//go:build race

package index_test

// many are the rounds of a random test. The race detector makes each many times as long.
const many = 50
