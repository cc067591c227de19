//go:build unix

package rig

import "syscall"

// ownGroup keeps an interrupt at the terminal from the engine: this program handles it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
