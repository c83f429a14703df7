// Package attach connects an endpoint's network namespace to the host vSwitch: a veth whose host side becomes
// a port.
package attach

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"slices"
)

// Spec of an attachment.
type Spec struct {
	Device    string // host side
	Netns     string // path
	Ifname    string // inside
	MAC       net.HardwareAddr
	Addresses []netip.Prefix // a CA with its subnet's prefix length
	Gateway   netip.Addr     // default route of IPv4; invalid: none
	Gateway6  netip.Addr     // default route of IPv6; invalid: none
	MTU       int
}

// hasIPv6 says whether the interface inside needs IPv6 at all.
func (s *Spec) hasIPv6() bool {
	return slices.ContainsFunc(s.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() })
}

// Errors that name whose fault it is.
var (
	ErrNoNamespace  = errors.New("is not a network namespace")
	ErrOwnNamespace = errors.New("is the host's own, an endpoint needs one of its own")
	ErrIfnameTaken  = errors.New("is already in use in the namespace")
	ErrDeviceTaken  = errors.New("exists already, though no endpoint has it; remove it with: ip link del")
)

// DeviceName is the name of the host side for an endpoint: short enough for the kernel, the same every time.
func DeviceName(endpoint string) string {
	sum := sha256.Sum256([]byte(endpoint))
	return "fl" + hex.EncodeToString(sum[:6])
}
