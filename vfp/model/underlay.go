package model

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// outer is what the pipeline reads of an overlay packet's outer headers.
type outer struct {
	src       netip.Addr
	vsid      encap.VSID
	tos       uint8
	inner     []byte
	malformed bool
}

const (
	greFlags    = 0x2000 // key present, version 0
	greProtocol = 0x6558
	vxlanFlags  = 0x08
)

// readOuter reports false for what is not an overlay packet to pa. It is laxer than encap.Decode in one way:
// a packet whose VSID can be read is recognised although it is malformed, because a malformed packet of a
// tenant here is dropped and counted, while one of somebody else's overlay is left alone.
func readOuter(b []byte, pa netip.Addr) (o outer, ok bool) {
	if len(b) < ethLen+20 || etherType(b) != etherIPv4 {
		return o, false
	}
	ip := b[ethLen:]
	if ip[0] != 0x45 || addr4(ip[16:]) != pa || binary.BigEndian.Uint16(ip[6:])&0x3fff != 0 {
		return o, false
	}
	total := int(binary.BigEndian.Uint16(ip[2:]))
	o.src, o.tos = addr4(ip[12:]), ip[1]
	var words []uint16
	for i := 0; i < 20; i += 2 {
		words = append(words, binary.BigEndian.Uint16(ip[i:]))
	}
	o.malformed = total > len(ip) || onesSum(words...) != 0xffff
	l4 := ip[20:]
	switch ip[9] {
	case vfp.ProtocolUDP:
		if len(l4) < 16 || binary.BigEndian.Uint16(l4[2:]) != encap.VXLANPort {
			return o, false
		}
		o.vsid = encap.VSID(binary.BigEndian.Uint32(l4[12:]) >> 8)
		udp := int(binary.BigEndian.Uint16(l4[4:]))
		if l4[8] != vxlanFlags || udp < 16+ethLen || udp+20 != total {
			o.malformed = true
		}
		o.inner = l4[16:]
		return o, true
	case 47: // GRE
		if len(l4) < 8 || binary.BigEndian.Uint16(l4) != greFlags || binary.BigEndian.Uint16(l4[2:]) != greProtocol {
			return o, false
		}
		o.vsid = encap.VSID(binary.BigEndian.Uint32(l4[4:]) >> 8)
		if total < 20+8+ethLen {
			o.malformed = true
		}
		o.inner = l4[8:]
		return o, true
	}
	return o, false
}

// UnderlayIn runs a frame that the underlay NIC received.
func (pl *Pipeline) UnderlayIn(frame []byte, now time.Duration) vfp.Trace {
	t := &vfp.Trace{}
	pass := vfp.Trace{Verdict: vfp.Pass, Frame: frame}
	o, ok := readOuter(frame, pl.policy.ProviderAddress)
	if !ok {
		return pass
	}
	subnet := pl.subnets[o.vsid]
	if subnet == nil {
		return pass // somebody else's overlay
	}
	if o.malformed || len(o.inner) < ethLen {
		return pl.drop(t, nil, vfp.DropMalformed)
	}
	inner := append([]byte(nil), o.inner...)
	switch et := etherType(inner); {
	case isVLAN(et):
		return pl.drop(t, nil, vfp.DropVLAN)
	case et != etherIPv4:
		return pl.drop(t, nil, vfp.DropUnsupportedEthertype)
	}
	p, reason := parseIPv4(inner[ethLen:])
	if reason != 0 {
		return pl.drop(t, nil, reason)
	}
	congested := o.tos&3 == 3
	if congested && p.tos&3 == 0 {
		return pl.drop(t, nil, vfp.DropECN)
	}
	if reason := pl.fragmentPorts(&p, fmt.Sprint("vsid ", o.vsid), now); reason != 0 {
		return pl.drop(t, nil, reason)
	}
	m, ok := pl.mapping(subnet.RDID, p.dst)
	to := pl.owners[home{subnet.RDID, p.dst}]
	if !ok || m.VSID != o.vsid || to == nil {
		return pl.drop(t, nil, vfp.DropNoPort)
	}
	if macAt(inner) != to.MAC {
		return pl.drop(t, to, vfp.DropDestinationMAC)
	}
	if o.src == pl.policy.ProviderAddress { // what is said here never comes from the wire
		return pl.drop(t, to, vfp.DropPASpoof)
	}
	step(t, vfp.Step{Layer: LayerDecap, Direction: vfp.Inbound, Rule: fmt.Sprintf("vsid %d", o.vsid), Action: "decapsulate", Note: "from " + o.src.String()})
	h := &hop{packet: p, port: to, vsid: o.vsid, dir: vfp.Inbound, outerSrc: o.src, now: now, length: len(inner)}
	if congested {
		before := binary.BigEndian.Uint16(inner[ethLen:])
		inner[ethLen+1] |= 3 // RFC 6040 section 4.2
		patchWord(inner[ethLen+10:ethLen+12], before, before|3)
	}
	return pl.inbound(t, h, inner)
}
