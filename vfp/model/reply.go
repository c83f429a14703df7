package model

import (
	"encoding/binary"
	"net/netip"

	"github.com/fairlead-net/fairlead/vfp"
)

// arp answers requests for the gateway and for the neighbours in the mapping table; nothing is flooded.
func (pl *Pipeline) arp(t *vfp.Trace, port *vfp.Port, b []byte) vfp.Trace {
	if len(b) < ethLen+28 {
		return pl.drop(t, port, vfp.DropMalformed)
	}
	a := b[ethLen:]
	if binary.BigEndian.Uint16(a) != 1 || binary.BigEndian.Uint16(a[2:]) != etherIPv4 || a[4] != 6 || a[5] != 4 {
		return pl.drop(t, port, vfp.DropMalformed)
	}
	sender, target := addr4(a[14:]), addr4(a[24:])
	if macAt(a[8:]) != macAt(b[6:]) {
		return pl.drop(t, port, vfp.DropARPSpoof)
	}
	claimed := sender
	if sender == netip.IPv4Unspecified() { // a probe (RFC 5227) has no sender address yet
		claimed = firstIPv4(port)
	}
	at := addressOf(port, claimed)
	if at == nil {
		return pl.drop(t, port, vfp.DropARPSpoof)
	}
	if binary.BigEndian.Uint16(a[6:]) != 1 {
		return pl.drop(t, port, vfp.DropARPUnanswered)
	}
	answer := vfp.RouterMAC
	if s := pl.subnets[at.VSID]; s == nil || s.Gateway != target {
		m, ok := pl.mapping(at.RDID, target)
		if !ok || m.VSID != at.VSID || pl.owners[home{at.RDID, target}] == port {
			return pl.drop(t, port, vfp.DropARPUnanswered)
		}
		answer = m.MAC
	}
	copy(b, b[6:12])
	copy(b[6:], answer[:])
	binary.BigEndian.PutUint16(a[6:], 2)
	copy(a[18:], a[8:14]) // sender becomes target
	copy(a[24:28], a[14:18])
	copy(a[8:], answer[:])
	copy(a[14:18], target.AsSlice())
	t.Verdict, t.Frame = vfp.Reply, b
	return *t
}

func firstIPv4(p *vfp.Port) netip.Addr {
	for _, a := range p.Addresses {
		if a.CA.Is4() {
			return a.CA
		}
	}
	return netip.Addr{}
}

// routerReply answers an echo request to the gateway.
func (pl *Pipeline) routerReply(t *vfp.Trace, port *vfp.Port, b []byte, p *packet) vfp.Trace {
	copy(b, b[6:12])
	copy(b[6:], vfp.RouterMAC[:])
	ip := b[ethLen:]
	copy(ip[12:], p.dst.AsSlice())
	copy(ip[16:], p.src.AsSlice())
	icmp := ip[int(ip[0]&0xf)*4:]
	icmp[0] = icmpEchoReply
	patchWord(icmp[2:4], icmpEcho<<8, icmpEchoReply<<8)
	step(t, vfp.Step{Layer: LayerRouter, Rule: p.dst.String(), Action: "reply", Note: "the gateway answers"})
	t.Verdict, t.Frame = vfp.Reply, b
	return *t
}
