package overlay

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/fairlead-net/fairlead/vfp"
)

// parseMAC reads "001DD8070001", "00-1D-D8-07-00-01", "00:1d:d8:07:00:01" and "001d.d807.0001".
func parseMAC(s string) (mac vfp.MAC, err error) {
	var sep byte
	every := 13
	switch len(s) {
	case 12:
	case 17:
		sep, every = s[2], 3
		if sep != ':' && sep != '-' {
			return mac, errors.New("is not a MAC address")
		}
	case 14:
		sep, every = '.', 5
	default:
		return mac, errors.New("is not a MAC address")
	}
	n := 0
	for i := 0; i < len(s); i++ {
		if i%every == every-1 {
			if s[i] != sep {
				return vfp.MAC{}, errors.New("is not a MAC address")
			}
			continue
		}
		d, ok := hexDigit(s[i])
		if !ok {
			return vfp.MAC{}, errors.New("is not a MAC address")
		}
		mac[n/2] = mac[n/2]<<4 | d
		n++
	}
	switch {
	case mac == vfp.MAC{}:
		return mac, errors.New("is all zero")
	case mac[0]&1 != 0:
		return mac, errors.New("is a multicast address")
	case mac == vfp.RouterMAC:
		return mac, errors.New("is the distributed router's own address")
	}
	return mac, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// parseAddr reads a unicast address.
func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return a, errors.New("is not an IP address")
	}
	a = a.Unmap()
	return a, unicast(a)
}

func unicast(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return errors.New("is not an IP address")
	case a.Zone() != "":
		return errors.New("has a zone")
	case a.IsUnspecified(), a.IsLoopback(), a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New("is not a unicast address")
	}
	return nil
}

// parsePrefix reads a prefix, masks it, and says whether it had to.
func parsePrefix(s string) (p netip.Prefix, masked bool, err error) {
	p, err = netip.ParsePrefix(strings.TrimSpace(s))
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, false, errors.New("is not an address prefix")
	}
	m := p.Masked()
	return m, m != p, nil
}

// lastAddr is the highest address of p.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().As16()
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	for i := bits; i < 128; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a := netip.AddrFrom16(b)
	if p.Addr().Is4() {
		return a.Unmap()
	}
	return a
}

// firstHost is the gateway of a subnet whose source names none.
func firstHost(p netip.Prefix) netip.Addr {
	if p.Bits() >= p.Addr().BitLen()-1 {
		return p.Addr()
	}
	return p.Addr().Next()
}

// hostAddr reports why a cannot be an interface's address in p. Point-to-point prefixes (RFC 3021, RFC 6164) have
// neither a network nor a broadcast address.
func hostAddr(p netip.Prefix, a netip.Addr) error {
	switch {
	case !p.Contains(a):
		return fmt.Errorf("is outside the subnet's prefix %s", p)
	case p.Bits() >= a.BitLen()-1:
		return nil
	case a == p.Addr():
		return fmt.Errorf("is the network address of %s", p)
	case a.Is4() && a == lastAddr(p):
		return fmt.Errorf("is the broadcast address of %s", p)
	}
	return nil
}
