package model

import (
	"encoding/binary"
	"net/netip"

	"github.com/fairlead-net/fairlead/vfp"
)

const (
	ndHopLimit = 255 // proves that no router forwarded the message
	ndLen      = 24  // of a solicitation or advertisement without options
	ndNALen    = 32  // of an advertisement with the target's link-layer address

	optionSourceLink = 1
	optionTargetLink = 2
	optionPrefix     = 3
	optionMTU        = 5

	naRouter    = 0x80
	naSolicited = 0x40
	naOverride  = 0x20

	raHopLimit = 64
	raLifetime = 1800 // seconds
	raOnLink   = 0x80
)

var (
	routerLinkLocal = linkLocal(vfp.RouterMAC)
	allNodes        = netip.MustParseAddr("ff02::1")
	allNodesMAC     = vfp.MAC{0x33, 0x33, 0, 0, 0, 1}
)

// nd is arp's sister (RFC 4861): the endpoint may speak of its own addresses only, and questions are answered from the
// mapping table. p is a whole packet.
func (pl *Pipeline) nd(t *vfp.Trace, port *vfp.Port, b []byte, p *packet) vfp.Trace {
	icmp := b[ethLen+p.l4 : ethLen+p.length]
	need := 8
	if p.icmpType == icmp6NS || p.icmpType == icmp6NA {
		need = ndLen
	}
	if p.icmpCode != 0 || p.ttl != ndHopLimit || len(icmp) < need {
		return pl.drop(t, port, vfp.DropMalformed)
	}
	if p.icmpType == icmp6RA || p.icmpType == icmp6Redirect {
		return pl.drop(t, port, vfp.DropRAGuard)
	}
	if p.icmpType == icmp6NA {
		if target := addr6(icmp[8:]); addressOf(port, target) == nil && target != linkLocal(port.MAC) {
			return pl.drop(t, port, vfp.DropNDSpoof)
		}
		return pl.drop(t, port, vfp.DropNDUnanswered)
	}
	own := addressOf(port, p.src)
	if own == nil && p.src != netip.IPv6Unspecified() && p.src != linkLocal(port.MAC) {
		return pl.drop(t, port, vfp.DropNDSpoof)
	}
	if p.icmpType == icmp6RS {
		return pl.routerAdvertisement(t, port, b, p)
	}
	if len(icmp) >= ndNALen && icmp[24] == optionSourceLink && icmp[25] == 1 && macAt(icmp[26:]) != macAt(b[6:]) {
		return pl.drop(t, port, vfp.DropNDSpoof)
	}
	if own == nil {
		own = firstAddress(port, true)
	}
	if own == nil {
		return pl.drop(t, port, vfp.DropNDSpoof)
	}
	target := addr6(icmp[8:])
	answer, flags := vfp.RouterMAC, uint8(naRouter)
	if s := pl.subnets[own.VSID]; target != routerLinkLocal && (s == nil || s.Gateway != target) {
		m := pl.neighbour(port, own, target)
		if m == nil {
			return pl.drop(t, port, vfp.DropNDUnanswered)
		}
		answer, flags = m.MAC, naOverride
	}
	asker, askerMAC := p.src, macAt(b[6:])
	if asker == netip.IPv6Unspecified() { // duplicate address detection
		asker, askerMAC = allNodes, allNodesMAC
	} else {
		flags |= naSolicited
	}
	na := make([]byte, ndNALen)
	na[0], na[4] = icmp6NA, flags
	copy(na[8:], target.AsSlice())
	na[24], na[25] = optionTargetLink, 1
	copy(na[26:], answer[:])
	t.Verdict, t.Frame = vfp.Reply, ndFrame(askerMAC, answer, target, asker, na)
	return *t
}

// routerAdvertisement answers a router solicitation. Hosts learn the router and what is on the link from it, but no address:
// those are the controller's to give.
func (pl *Pipeline) routerAdvertisement(t *vfp.Trace, port *vfp.Port, b []byte, p *packet) vfp.Trace {
	at := firstAddress(port, true)
	if at == nil {
		return pl.drop(t, port, vfp.DropNDUnanswered)
	}
	s := pl.subnets[at.VSID]
	if s == nil || !s.Gateway.Is6() {
		return pl.drop(t, port, vfp.DropNDUnanswered)
	}
	asker, askerMAC := p.src, macAt(b[6:])
	if asker == netip.IPv6Unspecified() {
		asker, askerMAC = allNodes, allNodesMAC
	}
	ra := make([]byte, 16, 64)
	ra[0], ra[4] = icmp6RA, raHopLimit
	binary.BigEndian.PutUint16(ra[6:], raLifetime)
	ra = append(append(ra, optionSourceLink, 1), vfp.RouterMAC[:]...)
	if pl.policy.InnerMTU != 0 {
		ra = binary.BigEndian.AppendUint32(append(ra, optionMTU, 1, 0, 0), uint32(pl.policy.InnerMTU))
	}
	ra = append(ra, optionPrefix, 4, uint8(s.Prefix.Bits()), raOnLink,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)
	prefix := s.Prefix.Masked().Addr().As16()
	ra = append(ra, prefix[:]...)
	t.Verdict, t.Frame = vfp.Reply, ndFrame(askerMAC, vfp.RouterMAC, routerLinkLocal, asker, ra)
	return *t
}

// ndFrame puts headers in front of an ND message and a checksum into it.
func ndFrame(dstMAC, srcMAC vfp.MAC, src, dst netip.Addr, message []byte) []byte {
	binary.BigEndian.PutUint16(message[2:], ^sumICMPv6(src, dst, message))
	b := make([]byte, ethLen+ipv6Len, ethLen+ipv6Len+len(message))
	putEthernet(b, dstMAC, srcMAC, etherIPv6)
	putIPv6(b[ethLen:], len(message), vfp.ProtocolICMPv6, ndHopLimit, src, dst)
	return append(b, message...)
}
