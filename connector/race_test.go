//go:build race

package openaivs_test

const underRace = true
