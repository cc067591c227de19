// Package faulttest holds no code but tests: the proof that vsclient loses,
// doubles and harms nothing when requests fail, replies are lost or the process
// is killed. docs/faults.md describes the trials and their results.
package faulttest
