// Package bench measures vsclient against the alternatives, in one table:
// the plain loop of simple tools, and the helpers of openai-go. `make bench` runs
// it and writes the table into docs/performance.md.
//
// Waiting for the API is measured in virtual time, against the emulator with 50 ms a
// request and 500 ms of indexing a file: the figures are then the same on every
// machine, and every alternative runs over all of its documents. CPU and memory are
// measured on the machine itself, and only by `make bench`.
package bench
