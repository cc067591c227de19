//go:build unix

// Package rig runs the plugin in a real Conduit, for the end-to-end tests and the demo. It
// builds the programs, starts and stops the engine, and runs a PostgreSQL server.
package rig
