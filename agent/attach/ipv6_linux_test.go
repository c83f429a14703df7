package attach

import (
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestAttachIPv6: addresses are usable at once, the link-local one is the MAC's, the default route is there.
func TestAttachIPv6(t *testing.T) {
	path, inside := namespace(t)
	s := spec(t, path)
	s.Addresses = append(s.Addresses, netip.MustParsePrefix("fd00:1::4/64"))
	s.Gateway6 = netip.MustParseAddr("fd00:1::1")
	if err := Attach(s); err != nil {
		t.Fatal(err)
	}
	if err := Up(s.Device); err != nil {
		t.Fatal(err)
	}
	link, err := inside.LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for range 10000 { // the kernel adds the link-local address when it has seen the carrier
		waiting := false
		got = nil
		addrs, err := inside.AddrList(link, netlink.FAMILY_V6)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			got = append(got, a.IPNet.String())
			tentative := a.Flags&unix.IFA_F_TENTATIVE != 0
			if tentative && !a.IP.IsLinkLocalUnicast() {
				t.Errorf("%s waits for duplicate detection", a.IPNet)
			}
			waiting = waiting || tentative
		}
		if len(got) == 2 && !waiting {
			break
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"fd00:1::4/64", "fe80::21d:d8ff:fe07:1/64"}) {
		t.Errorf("addresses %q", got)
	}
	routes, err := inside.RouteListFiltered(netlink.FAMILY_V6, &netlink.Route{Dst: nil}, netlink.RT_FILTER_DST)
	if err != nil || len(routes) != 1 || !routes[0].Gw.Equal(net.ParseIP("fd00:1::1")) {
		t.Errorf("default routes %v, %v", routes, err)
	}
}
