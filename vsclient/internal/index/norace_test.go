//go:build !race

package index_test

// many are the rounds of a random test.
const many = 400
