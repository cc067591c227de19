//go:build unix

package rig

import "syscall"

// ownGroup keeps an interrupt at the terminal from reaching the engine before
// this program has decided what to do.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
