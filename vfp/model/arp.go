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
	at := addressOf(port, sender)
	if sender == netip.IPv4Unspecified() { // a probe (RFC 5227) has no sender address yet
		at = firstAddress(port, false)
	}
	if at == nil {
		return pl.drop(t, port, vfp.DropARPSpoof)
	}
	if binary.BigEndian.Uint16(a[6:]) != 1 {
		return pl.drop(t, port, vfp.DropARPUnanswered)
	}
	answer := vfp.RouterMAC
	if s := pl.subnets[at.VSID]; s == nil || s.Gateway != target {
		m := pl.neighbour(port, at, target)
		if m == nil {
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

// neighbour is who else has the address in the subnet of one of the port's.
func (pl *Pipeline) neighbour(port *vfp.Port, at *vfp.Address, target netip.Addr) *vfp.Mapping {
	m := pl.mappings[home{at.RDID, target}]
	if m == nil || m.VSID != at.VSID || pl.owners[place{at.VSID, target}] == port {
		return nil
	}
	return m
}

// firstAddress of a family; nil when the port has none.
func firstAddress(p *vfp.Port, v6 bool) *vfp.Address {
	for i := range p.Addresses {
		if p.Addresses[i].CA.Is6() == v6 {
			return &p.Addresses[i]
		}
	}
	return nil
}
