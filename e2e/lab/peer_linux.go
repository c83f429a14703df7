package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Peers of a benchmark get their own device names, addresses and UDP port: the agents' datapath beside them
// must not touch their packets.
const (
	peerVNI  = 42
	peerPort = 8472 // the kernel's traditional port
)

// BridgeVXLAN builds what a kernel overlay without policy is on two hosts, and what flannel programs: a bridge
// with a container and a vxlan device, forwarding entry and neighbours set by hand. It returns the path from
// the container on a to the one on b.
func (l *Lab) BridgeVXLAN(a, b *Host) Path {
	addresses := [2]netip.Addr{netip.MustParseAddr("10.42.0.1"), netip.MustParseAddr("10.42.0.2")}
	hosts := [2]*Host{a, b}
	var ns [2]*Namespace
	for i, h := range hosts {
		ns[i] = l.namespace("bridged-" + h.Name)
		l.must(bridged(h, hosts[1-i], ns[i], addresses[i], l.opts.MTU-50, i), "%s: bridge and vxlan device", h.Name)
	}
	return Path{ns[0], ns[1], addresses[1]}
}

func bridged(h, other *Host, ns *Namespace, address netip.Addr, mtu, index int) error {
	nl := h.ns.nl
	named := func(name string) netlink.LinkAttrs {
		a := netlink.NewLinkAttrs()
		a.Name, a.MTU = name, mtu
		return a
	}
	under, err := nl.LinkByName(hostDevice)
	if err != nil {
		return err
	}
	bridge := &netlink.Bridge{LinkAttrs: named("peerbr")}
	tunnel := &netlink.Vxlan{LinkAttrs: named("peervx"), VxlanId: peerVNI, Port: peerPort, SrcAddr: net.IP(h.Provider.AsSlice()),
		VtepDevIndex: under.Attrs().Index, Learning: false}
	cable := netlink.NewVeth(named("peerc"))
	cable.PeerName, cable.PeerMTU, cable.PeerNamespace = containerDevice, uint32(mtu), netlink.NsFd(int(ns.ns))
	cable.PeerHardwareAddr = net.HardwareAddr{2, 0, 0, 42, 0, byte(index)}
	for _, link := range []netlink.Link{bridge, tunnel, cable} {
		if err := nl.LinkAdd(link); err != nil {
			return fmt.Errorf("%s: %w", link.Attrs().Name, err)
		}
	}
	for _, name := range []string{"peervx", "peerc", "peerbr"} {
		link, err := nl.LinkByName(name)
		if err != nil {
			return err
		}
		if name != "peerbr" {
			if err := nl.LinkSetMaster(link, bridge); err != nil {
				return err
			}
		}
		if err := nl.LinkSetUp(link); err != nil {
			return err
		}
	}
	tunnelLink, err := nl.LinkByName("peervx")
	if err != nil {
		return err
	}
	entry := &netlink.Neigh{LinkIndex: tunnelLink.Attrs().Index, Family: 7 /* AF_BRIDGE */, State: netlink.NUD_PERMANENT,
		Flags: netlink.NTF_SELF, IP: net.IP(other.Provider.AsSlice()), HardwareAddr: net.HardwareAddr{0, 0, 0, 0, 0, 0}}
	if err := nl.NeighAppend(entry); err != nil {
		return fmt.Errorf("forwarding entry: %w", err)
	}
	far, err := ns.nl.LinkByName(containerDevice)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(netip.PrefixFrom(address, 24).String())
	if err != nil {
		return err
	}
	if err := ns.nl.AddrAdd(far, addr); err != nil {
		return err
	}
	return ns.nl.LinkSetUp(far)
}
