package lab

import (
	"fmt"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Redirect builds the limit for any vSwitch on two hosts: containers that reach each other by nothing but two eBPF
// redirects, without overlay, policy, flow table or a look at the packet. A container has the MAC of its host's
// underlay device, so even the Ethernet header stays as it is.
func (l *Lab) Redirect(a, b *Host) Path {
	p := l.peer("redirect", a, b, 2)
	var macs [2]net.HardwareAddr
	for i, h := range p.hosts {
		under, err := h.ns.nl.LinkByName(hostDevice)
		l.must(err, "%s: %s", h.Name, hostDevice)
		macs[i] = under.Attrs().HardwareAddr
		l.must(p.plug(i, l.opts.MTU-50, macs[i]), "%s: container", h.Name)
	}
	for i, h := range p.hosts {
		l.must(p.neighbour(i, macs[1-i]), "%s: neighbour", h.Name)
		l.must(h.ns.Do(func() error { return p.redirect(cable, hostDevice, asm.FnRedirect) }), "%s: redirect out", h.Name)
		l.must(h.ns.Do(func() error { return p.redirect(hostDevice, cable, asm.FnRedirectPeer) }), "%s: redirect in", h.Name)
	}
	return p.path()
}

func (p *peer) neighbour(i int, mac net.HardwareAddr) error {
	dev, err := p.ns[i].nl.LinkByName(containerDevice)
	if err != nil {
		return err
	}
	return p.ns[i].nl.NeighSet(&netlink.Neigh{LinkIndex: dev.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_PERMANENT,
		IP: net.IP(p.addresses[1-i].AsSlice()), HardwareAddr: mac})
}

// redirect sends everything that comes in at one device to another; it runs in the devices' namespace.
func (p *peer) redirect(from, to string, how asm.BuiltinFunc) error {
	source, err := net.InterfaceByName(from)
	if err != nil {
		return err
	}
	target, err := net.InterfaceByName(to)
	if err != nil {
		return err
	}
	return p.lab.attach(source.Name, asm.Instructions{
		asm.Mov.Imm(asm.R1, int32(target.Index)),
		asm.Mov.Imm(asm.R2, 0),
		how.Call(),
		asm.Return(),
	})
}

// attach runs a program on everything that comes in at a device of the calling thread's namespace, until the lab is closed.
func (l *Lab) attach(device string, instructions asm.Instructions) error {
	dev, err := net.InterfaceByName(device)
	if err != nil {
		return fmt.Errorf("%s: %w", device, err)
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Name: "fixed", Type: ebpf.SchedCLS, License: "GPL", Instructions: instructions})
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer program.Close()
	attached, err := link.AttachTCX(link.TCXOptions{Interface: dev.Index, Program: program, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return fmt.Errorf("attach to %s: %w", device, err)
	}
	l.mu.Lock()
	l.closers = append(l.closers, attached)
	l.mu.Unlock()
	return nil
}
