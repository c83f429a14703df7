package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Peers of a benchmark get their own hosts on the same underlay, their own device names, addresses and UDP port: neither
// the agents' datapath nor another peer's filters touch their packets.
const (
	peerVNI  = 42
	peerPort = 8472 // the kernel's traditional port
	cable    = "peerc"
	bridge   = "peerbr"
	tunnel   = "peervx"
)

// peer is two hosts, each with a container, and the containers' addresses in one subnet.
type peer struct {
	lab       *Lab
	hosts     [2]*Host
	ns        [2]*Namespace
	addresses [2]netip.Addr
}

func (l *Lab) peer(name string, a, b *Host, third byte) *peer {
	p := &peer{lab: l, hosts: [2]*Host{a, b}}
	for i, h := range p.hosts {
		p.ns[i] = l.namespace(name + "-" + h.Name)
		p.addresses[i] = netip.AddrFrom4([4]byte{10, 42, third, byte(i + 1)})
	}
	return p
}

func (p *peer) path() Path {
	return Path{from: p.ns[0], to: p.ns[1], source: p.addresses[0], address: p.addresses[1]}
}

// plug gives a container its cable to the host, with an address but no route.
func (p *peer) plug(i int, mtu int, mac net.HardwareAddr) error {
	return cableTo(p.hosts[i].ns, p.ns[i], cable, mtu, mac, netip.PrefixFrom(p.addresses[i], 24))
}

func up(ns *Namespace, name string) (netlink.Link, error) {
	link, err := ns.nl.LinkByName(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return link, ns.nl.LinkSetUp(link)
}

func address(ns *Namespace, link netlink.Link, prefix netip.Prefix) error {
	a, err := netlink.ParseAddr(prefix.String())
	if err != nil {
		return err
	}
	if prefix.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD // usable at once
	}
	return ns.nl.AddrAdd(link, a)
}

// BridgeVXLAN builds what a kernel overlay without policy is on two hosts, and what flannel programs: a bridge
// with a container and a vxlan device, forwarding entry and neighbours set by hand. It returns the path from
// the container on a to the one on b.
func (l *Lab) BridgeVXLAN(a, b *Host) Path {
	p := l.peer("bridged", a, b, 0)
	for i := range p.hosts {
		l.must(p.bridged(i), "%s: bridge and vxlan device", p.hosts[i].Name)
		// The kernel's default hands bridged packets to the firewall: not here.
		l.must(p.hosts[i].ns.Do(passBridge), "%s: bridge without filters", p.hosts[i].Name)
	}
	return p.path()
}

func (p *peer) bridged(i int) error {
	h, other := p.hosts[i], p.hosts[1-i]
	mtu := p.lab.opts.MTU - 50
	under, err := h.ns.nl.LinkByName(hostDevice)
	if err != nil {
		return err
	}
	named := func(name string) netlink.LinkAttrs {
		a := netlink.NewLinkAttrs()
		a.Name, a.MTU = name, mtu
		return a
	}
	br := &netlink.Bridge{LinkAttrs: named(bridge)}
	vx := &netlink.Vxlan{LinkAttrs: named(tunnel), VxlanId: peerVNI, Port: peerPort, SrcAddr: net.IP(h.Provider.AsSlice()),
		VtepDevIndex: under.Attrs().Index, Learning: false}
	for _, link := range []netlink.Link{br, vx} {
		if err := h.ns.nl.LinkAdd(link); err != nil {
			return fmt.Errorf("%s: %w", link.Attrs().Name, err)
		}
		if _, err := up(h.ns, link.Attrs().Name); err != nil {
			return err
		}
	}
	if err := p.plug(i, mtu, net.HardwareAddr{2, 0, 0, 42, 0, byte(i)}); err != nil {
		return err
	}
	for _, name := range []string{tunnel, cable} {
		link, err := h.ns.nl.LinkByName(name)
		if err != nil {
			return err
		}
		if err := h.ns.nl.LinkSetMaster(link, br); err != nil {
			return err
		}
	}
	tunnelLink, err := h.ns.nl.LinkByName(tunnel)
	if err != nil {
		return err
	}
	entry := &netlink.Neigh{LinkIndex: tunnelLink.Attrs().Index, Family: 7 /* AF_BRIDGE */, State: netlink.NUD_PERMANENT,
		Flags: netlink.NTF_SELF, IP: net.IP(other.Provider.AsSlice()), HardwareAddr: net.HardwareAddr{0, 0, 0, 0, 0, 0}}
	if err := h.ns.nl.NeighAppend(entry); err != nil {
		return fmt.Errorf("forwarding entry: %w", err)
	}
	return nil
}
