//go:build !linux

package attach

import (
	"errors"
	"net"
)

var errOS = errors.New("attaching endpoints is supported on Linux only, so far")

// Attach is not supported on this system.
func Attach(Spec) error { return errOS }

// Up is not supported on this system.
func Up(string) error { return errOS }

// Detach is not supported on this system.
func Detach(string) error { return errOS }

// Exists is not supported on this system.
func Exists(string) (bool, error) { return false, errOS }

// UnderlayMTU is not supported on this system.
func UnderlayMTU(string, net.IP) (int, bool, error) { return 0, false, errOS }
