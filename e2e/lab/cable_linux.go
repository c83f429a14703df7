package lab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
)

// Underlay device of a host.
func (h *Host) UnderlayDevice() string { return hostDevice }

// BPFDir is the host's directory for pinned objects.
func (h *Host) BPFDir() string { return h.files.bpf }

// Cable connects a container to its host without an agent: what the host's end, device, leads to is the caller's.
func (h *Host) Cable(c *Container, device string, mac [6]byte, prefix netip.Prefix) {
	h.lab.must(cableTo(h.ns, c.ns, device, h.lab.opts.MTU-50, mac[:], prefix), "%s: cable %s of %s", h.Name, device, c.Name)
}

func cableTo(host, container *Namespace, device string, mtu int, mac net.HardwareAddr, prefix netip.Prefix) error {
	a := netlink.NewLinkAttrs()
	a.Name, a.MTU = device, mtu
	v := netlink.NewVeth(a)
	v.PeerName, v.PeerMTU, v.PeerNamespace, v.PeerHardwareAddr = containerDevice, uint32(mtu), netlink.NsFd(int(container.ns)), mac
	if err := host.nl.LinkAdd(v); err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	if _, err := up(host, device); err != nil {
		return err
	}
	far, err := up(container, containerDevice)
	if err != nil {
		return err
	}
	return address(container, far, prefix)
}

// Stubs are cables with both ends in the host, which look like containers' to a vSwitch: <prefix>0 and so on.
func (h *Host) Stubs(prefix string, n int) {
	for i := range n {
		a := netlink.NewLinkAttrs()
		a.Name = fmt.Sprintf("%s%d", prefix, i)
		v := netlink.NewVeth(a)
		v.PeerName = fmt.Sprintf("%s%d-far", prefix, i)
		h.lab.must(h.ns.nl.LinkAdd(v), "%s: %s", h.Name, a.Name)
	}
}

// SinkUDP throws away what UDP comes to a container, so that floods cost what their way costs and no more.
func (l *Lab) SinkUDP(at *Namespace) {
	l.must(at.Do(func() error {
		return l.attach(containerDevice, asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.LoadAbs(14+9, asm.Byte), // the IPv4 protocol
			asm.JNE.Imm(asm.R0, 17, "pass"),
			asm.Mov.Imm(asm.R0, 2), // TC_ACT_SHOT
			asm.Return(),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("pass"), // TC_ACT_OK
			asm.Return(),
		})
	}), "%s: sink", at.Name)
}

// SinkUDP throws away what UDP comes to the container.
func (c *Container) SinkUDP() { c.host.lab.SinkUDP(c.ns) }

// Received counts the packets that a device of the container has received.
func (c *Container) Received() (uint64, error) {
	s, err := c.statistics()
	if err != nil {
		return 0, err
	}
	return s.RxPackets, nil
}

// ReceivedBytes counts the bytes of frames that a device of the container has received.
func (c *Container) ReceivedBytes() uint64 {
	s, err := c.statistics()
	c.host.lab.must(err, "%s: %s", c.Name, containerDevice)
	return s.RxBytes
}

func (c *Container) statistics() (*netlink.LinkStatistics, error) {
	dev, err := c.ns.nl.LinkByName(containerDevice)
	if err != nil {
		return nil, err
	}
	return dev.Attrs().Statistics, nil
}

// Route sends what the host's own stack sends to a prefix by way of another host.
func (h *Host) Route(prefix netip.Prefix, via netip.Addr) {
	route := &netlink.Route{Dst: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}, Gw: via.AsSlice()}
	h.lab.must(h.ns.nl.RouteAdd(route), "%s: route to %s", h.Name, prefix)
}
