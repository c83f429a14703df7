package model

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

func (pl *Pipeline) replicates(id encap.VSID) bool {
	s := pl.subnets[id]
	return s != nil && s.Multicast == vfp.MulticastReplicate
}

// isDHCP reports whether p is DHCP of either family, which is never replicated: a subnet's only server is the vSwitch.
func isDHCP(p *packet) bool {
	if p.proto != vfp.ProtocolUDP {
		return false
	}
	if p.v6 {
		return p.dport == portDHCPv6Client || p.dport == portDHCPv6Server
	}
	return p.dport == portDHCPServer || p.dport == portDHCPClient
}

// multicastOut replicates what an endpoint sends. It makes no flow: every packet is classified.
func (pl *Pipeline) multicastOut(t *vfp.Trace, h *hop, at *vfp.Address, out []byte) vfp.Trace {
	if h.isError() {
		return pl.drop(t, h.port, vfp.DropICMPUnrelated)
	}
	if reason := pl.classifyPacket(t, h, at); reason != 0 {
		return pl.drop(t, h.port, reason)
	}
	pl.countPort(h, vfp.MeterSubnet)
	pl.copyToPorts(t, h, h.port, out)
	for _, pa := range pl.hosts(h.vsid) {
		o := encap.Outer{Type: pl.policy.Encapsulation, Src: pl.policy.ProviderAddress, Dst: pa, VSID: h.vsid, TOS: h.tos & 3}
		o.Spread(h.hash())
		if frame, err := encap.Append(nil, &o, out); err == nil {
			t.Copies = append(t.Copies, vfp.Copy{Frame: frame})
			step(t, vfp.Step{Layer: vfp.LayerNameEncap, Rule: h.dst.String(), Action: "encapsulate", Note: fmt.Sprintf("%s vsid %d to %s", o.Type, h.vsid, pa)})
		}
	}
	t.Verdict = vfp.Replicate
	return *t
}

// multicastIn replicates what another host sent to the ports here; that host has served the others.
func (pl *Pipeline) multicastIn(t *vfp.Trace, h *hop, rdid string, inner []byte) vfp.Trace {
	if !pl.replicates(h.vsid) || isDHCP(&h.packet) {
		return pl.drop(t, nil, vfp.DropMulticast)
	}
	m := pl.mappings[home{rdid, h.src}]
	if m == nil || m.VSID != h.vsid {
		return pl.drop(t, nil, vfp.DropNoMapping)
	}
	if m.PA != h.outerSrc || h.outerSrc == pl.policy.ProviderAddress {
		return pl.drop(t, nil, vfp.DropPASpoof)
	}
	if h.isError() {
		return pl.drop(t, nil, vfp.DropICMPUnrelated)
	}
	pl.copyToPorts(t, h, nil, inner)
	t.Verdict = vfp.Replicate
	return *t
}

// copyToPorts delivers to the subnet's ports here, except the sender.
func (pl *Pipeline) copyToPorts(t *vfp.Trace, h *hop, sender *vfp.Port, frame []byte) {
	members := 0
	for i := range pl.policy.Ports {
		port := &pl.policy.Ports[i]
		n := slices.IndexFunc(port.Addresses, func(a vfp.Address) bool { return a.VSID == h.vsid })
		if n < 0 {
			continue
		}
		if members++; members > vfp.MaxReplicas {
			return
		}
		if port == sender {
			continue
		}
		to := &hop{packet: h.packet, port: port, vsid: h.vsid, dir: vfp.Inbound, now: h.now, bytes: len(frame)}
		if reason := pl.classifyPacket(t, to, &port.Addresses[n]); reason != 0 {
			pl.charge(port, reason)
			continue
		}
		if !pl.admit(to, nil) {
			pl.charge(port, vfp.DropBandwidth)
			continue
		}
		pl.countPort(to, vfp.MeterSubnet)
		t.Copies = append(t.Copies, vfp.Copy{Port: port.ID, Frame: append([]byte(nil), frame...)})
	}
}

// classifyPacket judges one packet that belongs to no flow.
func (pl *Pipeline) classifyPacket(t *vfp.Trace, h *hop, at *vfp.Address) vfp.DropReason {
	reason, hits := pl.classify(at, &h.packet, h.dir, t)
	pl.countRules(hits, h.bytes)
	if reason != 0 {
		pl.logged(h, hits)
	}
	return reason
}

// hosts are the provider addresses of the other hosts that have endpoints in a subnet.
func (pl *Pipeline) hosts(id encap.VSID) []netip.Addr {
	var list []netip.Addr
	rdid := pl.subnets[id].RDID
	for i := range pl.policy.Mappings {
		if m := &pl.policy.Mappings[i]; m.RDID == rdid && m.VSID == id && m.PA != pl.policy.ProviderAddress {
			list = append(list, m.PA)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	list = slices.Compact(list)
	return list[:min(len(list), vfp.MaxReplicas)]
}
