// Package faulttest holds no code but tests: what proves that vsclient loses,
// doubles and harms nothing when requests fail, replies are lost or the process
// is killed. docs/faults.md tells what is tried, and with what result.
package faulttest
