package lab

// Underlay is how the cables between hosts carry packets.
type Underlay string

const (
	// Whole keeps super-packets whole from host to host, as veth does.
	Whole Underlay = "whole"
	// Wire carries packets of the MTU's size, as a physical wire does: the sender's device cuts, and the receiver's puts
	// together what it can (GRO). Checksums stay the device's work, as on any real NIC.
	Wire Underlay = "wire"
)

// SetUnderlay changes every cable of the fabric.
func (l *Lab) SetUnderlay(u Underlay) {
	cut, coalesce := "on", "off"
	if u == Wire {
		cut, coalesce = "off", "on"
	}
	features := func(gro string) []string {
		return []string{"gso", cut, "tso", cut, "gro", gro, "tx-udp-segmentation", cut, "tx-udp_tnl-segmentation", cut,
			"tx-udp_tnl-csum-segmentation", cut, "tx-gre-segmentation", cut, "tx-gre-csum-segmentation", cut}
	}
	for _, h := range l.hosts {
		l.ethtool(h.ns, hostDevice, features(coalesce)...)
		// Nothing in the middle of a wire coalesces.
		l.ethtool(l.fabric, h.Name, features("off")...)
	}
}

func (l *Lab) ethtool(ns *Namespace, device string, features ...string) {
	err := l.command(ns, "ethtool", append([]string{"-K", device}, features...)...)
	l.must(err, "%s: ethtool -K %s", ns.Name, device)
}
