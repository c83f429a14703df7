package ebpf

import (
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// onlink remembers an answer for a while: reading a large routing table takes its time.
type onlink struct {
	pa      netip.Addr
	ifindex uint32
	at      time.Time
	bits    int
}

const onlinkAge = 10 * time.Second

func (d *Datapath) onlinkBits(pa netip.Addr) int {
	o := &d.onlink
	if o.pa != pa || o.ifindex != d.underlay || time.Since(o.at) > onlinkAge {
		*o = onlink{pa, d.underlay, time.Now(), d.findOnlink(pa)}
	}
	return o.bits
}

// findOnlink is the length of the prefix in which every PA is a neighbour on the underlay device, so that
// sending needs no route lookup. It is the prefix of the device's own address pa, unless routing could say
// otherwise for a part of it: then 32, and the kernel looks every packet's route up.
func (d *Datapath) findOnlink(pa netip.Addr) int {
	const lookAlways = 32
	link, err := netlink.LinkByIndex(int(d.underlay))
	if err != nil {
		return lookAlways
	}
	addrs, err := netlink.AddrList(link, unix.AF_INET)
	if err != nil {
		return lookAlways
	}
	bits := lookAlways
	for _, a := range addrs {
		if a.IP.Equal(pa.AsSlice()) {
			bits, _ = a.Mask.Size()
		}
	}
	if bits == lookAlways || policyRouting() || routedInside(link, netip.PrefixFrom(pa, bits).Masked()) {
		return lookAlways
	}
	return bits
}

// policyRouting reports rules beyond the kernel's own three.
func policyRouting() bool {
	rules, err := netlink.RuleList(unix.AF_INET)
	return err != nil || len(rules) > 3
}

// routedInside reports a route for a part of the prefix, or for all of it by another way.
func routedInside(link netlink.Link, p netip.Prefix) bool {
	routes, err := netlink.RouteList(nil, unix.AF_INET)
	if err != nil {
		return true
	}
	for i := range routes {
		r := &routes[i]
		if r.Dst == nil || !within(r.Dst, p) {
			continue
		}
		ones, _ := r.Dst.Mask.Size()
		if ones > p.Bits() || r.Gw != nil || r.LinkIndex != link.Attrs().Index || len(r.MultiPath) > 0 {
			return true
		}
	}
	return false
}

func within(dst *net.IPNet, p netip.Prefix) bool {
	a, ok := netip.AddrFromSlice(dst.IP.To4())
	ones, _ := dst.Mask.Size()
	return ok && ones >= p.Bits() && p.Contains(a)
}
