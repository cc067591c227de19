//go:build !race

package vsclient_test

const underRace = false
