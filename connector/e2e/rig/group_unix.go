//go:build unix

package rig

import "syscall"

// ownGroup keeps an interrupt at the terminal from reaching the engine before
// this program has reacted to it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
