// Package upgrade holds no code but a test: two releases change one store in turns. The
// older one is a commit of this repository, which the test compiles. docs/upgrade.md
// has the results.
package upgrade
