//go:build unix

// Package rig runs the plugin in a real Conduit, for the end-to-end tests and the
// demo: it builds the programs, starts and stops the engine, and runs a
// PostgreSQL of its own.
package rig
