package overlay

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/fairlead-net/fairlead/vfp"
)

func TestParseMAC(t *testing.T) {
	want := vfp.MAC{0, 0x1d, 0xd8, 7, 0, 0xab}
	for _, s := range []string{"001DD80700AB", "001dd80700ab", "00-1D-D8-07-00-AB", "00:1d:d8:07:00:ab", "001d.d807.00ab"} {
		if got, err := parseMAC(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "0", "001DD80700A", "001DD80700AG", "00-1D:D8-07-00-AB", "00.1D.D8.07.00.AB", "001d-d807-00ab", "00:1d:d8:07:00:a:", "------------",
		"01005e000001", "ffffffffffff", "000000000000", "00:1d:d8:07:00:ab:00:00"} {
		if got, err := parseMAC(s); err == nil {
			t.Errorf("%q was read as %v", s, got)
		}
	}
}

func TestParsePrefixes(t *testing.T) {
	for s, want := range map[string]string{
		"": "[]", "*": "[]", " * ": "[]", "Any": "[]", "any,VirtualNetwork": "[]", "10.0.0.4": "[10.0.0.4/32]", "10.0.0.0/8": "[10.0.0.0/8]", "10.1.2.3/8": "[10.0.0.0/8]",
		"10.0.2.0/24, 10.0.1.0/24": "[10.0.1.0/24 10.0.2.0/24]", "10.0.0.0/8,10.1.0.0/16": "[10.0.0.0/8]", "10.0.0.0/8,*": "[]", "0.0.0.0/0": "[0.0.0.0/0]",
		"10.0.0.1-10.0.0.6": "[10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32]", "10.0.0.0-10.0.1.255": "[10.0.0.0/23]", "0.0.0.0-255.255.255.255": "[0.0.0.0/0]",
		"fd00::1": "[fd00::1/128]", "fd00::/64,10.0.0.0/8": "[10.0.0.0/8 fd00::/64]", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff": "[::/0]", "::ffff:10.0.0.1": "[10.0.0.1/32]",
	} {
		got, tags, _, err := parsePrefixes(s)
		if err != nil || tags != 0 || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{",", "10.0.0.0/8,", "10.0.0.0/-1", "10.0.0", "x", "*,x", "AzureLoadBalancer", "Intranet", "10.0.0.2-10.0.0.1", "10.0.0.1-fd00::1", "10.0.0.1-", "-", "::ffff:10.0.0.0/104", "fe80::1%eth0", "10.0.0.1/32-10.0.0.9"} {
		if got, _, _, err := parsePrefixes(s); err == nil || got != nil {
			t.Errorf("%q was read as %v", s, got)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for s, want := range map[string]string{
		"": "[]", "*": "[]", "0-65535": "[]", "80": "[{80 80}]", "80-90": "[{80 90}]", "443, 80": "[{80 80} {443 443}]", "80-90,85-100,101": "[{80 101}]",
		"0-100,101-65535": "[]", "80,*": "[]", "65535,65535": "[{65535 65535}]",
	} {
		if got, err := parsePorts(s); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v; want %s", s, got, err, want)
		}
	}
	for _, s := range []string{",", "80,", "-", "80-", "-80", "90-80", "65536", "x", "+80", "8_0", "80-90-100", "0x50"} {
		if got, err := parsePorts(s); err == nil {
			t.Errorf("%q was read as %v", s, got)
		}
	}
}

func TestParseProtocol(t *testing.T) {
	for s, want := range map[string]uint16{"All": vfp.ProtocolAny, "*": vfp.ProtocolAny, "tcp": 6, "UDP": 17, "Icmp": 1, "ICMPv4": 1, "icmpV6": 58, "0": 0, "132": 132, "255": 255} {
		if got, err := parseProtocol(s); err != nil || got != want {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "256", "-1", "tcp,udp"} {
		if _, err := parseProtocol(s); err == nil {
			t.Errorf("%q was read", s)
		}
	}
}

// A range's prefixes cover exactly the range.
func TestAddressRangeProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint16().Draw(t, "a"), rapid.Uint16().Draw(t, "b")
		a, b = min(a, b), max(a, b)
		at := func(n uint16) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }
		list := appendRange(nil, at(a), at(b))
		covered := 0
		for i, p := range list {
			covered += 1 << (32 - p.Bits())
			if p.Addr().Less(at(a)) || at(b).Less(lastAddr(p)) || i > 0 && list[i-1].Overlaps(p) {
				t.Fatalf("%v-%v: %v", at(a), at(b), list)
			}
		}
		if covered != int(b)-int(a)+1 || len(list) > 32 {
			t.Fatalf("%v-%v: %v", at(a), at(b), list)
		}
	})
}

func TestGatewayIsTheFirstHost(t *testing.T) {
	for prefix, want := range map[string]string{"10.0.1.0/24": "10.0.1.1", "10.0.1.4/31": "10.0.1.4", "fd00:1::/64": "fd00:1::1"} {
		if got := firstHost(netip.MustParsePrefix(prefix)); got.String() != want {
			t.Errorf("%s: %s", prefix, got)
		}
	}
}
