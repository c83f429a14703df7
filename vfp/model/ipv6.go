package model

import (
	"encoding/binary"
	"net/netip"

	"github.com/fairlead-net/fairlead/vfp"
)

// Next headers that are extension headers (RFC 8200 section 4).
const (
	nextHopByHop    = 0
	nextRouting     = 43
	nextFragment    = 44
	nextAH          = 51
	nextDestination = 60
)

// maxExtensions bounds the walk: what a datapath cannot walk to the end it cannot filter.
const maxExtensions = 6

func isExtension(next uint8) bool {
	switch next {
	case nextHopByHop, nextRouting, nextFragment, nextAH, nextDestination:
		return true
	}
	return false
}

// parseIPv6 is parseIPv4's sister. A packet whose first fragment doesn't hold all headers is malformed (RFC 7112).
func parseIPv6(b []byte) (p packet, reason vfp.DropReason) {
	if len(b) < ipv6Len || b[0]>>4 != 6 {
		return p, vfp.DropMalformed
	}
	p.v6 = true
	p.length = ipv6Len + int(binary.BigEndian.Uint16(b[4:]))
	if p.length > len(b) {
		return p, vfp.DropMalformed
	}
	b = b[:p.length]
	p.src, p.dst = addr6(b[8:]), addr6(b[24:])
	if p.src.Is4In6() || p.dst.Is4In6() { // never on the wire (RFC 4038 section 4.2); a datapath could take it for IPv4
		return p, vfp.DropMalformed
	}
	p.tos, p.ttl = b[0]<<4|b[1]>>4, b[7]
	next, at := b[6], ipv6Len
	fragmented := false
	for seen := 0; isExtension(next); seen++ {
		if seen == maxExtensions || next == nextHopByHop && seen > 0 {
			return p, vfp.DropMalformed
		}
		if next == nextRouting {
			return p, vfp.DropIPOptions
		}
		h := b[at:]
		if len(h) < 8 {
			return p, vfp.DropMalformed
		}
		size := 8
		switch next {
		case nextHopByHop, nextDestination:
			size = (int(h[1]) + 1) * 8
		case nextAH:
			size = (int(h[1]) + 2) * 4
		case nextFragment:
			if fragmented {
				return p, vfp.DropMalformed
			}
			fragmented = true
			word := binary.BigEndian.Uint16(h[2:])
			offset := int(word &^ 7)
			if offset == 0 && word&1 == 0 {
				break // atomic: RFC 6946
			}
			p.id, p.fragment = binary.BigEndian.Uint32(h[4:]), firstFragment
			if offset > 0 {
				p.fragment, p.proto, p.l4 = laterFragment, h[0], at+8
				if isExtension(p.proto) || p.proto == vfp.ProtocolTCP && offset < 20 {
					return p, vfp.DropMalformed
				}
				return p, vfp.DropNone
			}
		}
		if size > len(h) {
			return p, vfp.DropMalformed
		}
		next, at = h[0], at+size
	}
	p.proto, p.l4 = next, at
	return p, p.parseL4(b[at:])
}

// linkLocal is the address an interface gives itself (RFC 4291 appendix A).
func linkLocal(m vfp.MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// putIPv6 writes a header without extensions, traffic class and flow label.
func putIPv6(b []byte, payload int, next, hopLimit uint8, src, dst netip.Addr) {
	binary.BigEndian.PutUint32(b, 6<<28)
	binary.BigEndian.PutUint16(b[4:], uint16(payload))
	b[6], b[7] = next, hopLimit
	copy(b[8:], src.AsSlice())
	copy(b[24:], dst.AsSlice())
}

// putIPv4 writes a header without options.
func putIPv4(b []byte, total int, frag uint16, ttl, proto uint8, src, dst netip.Addr) {
	clear(b[:ipv4Len])
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(total))
	binary.BigEndian.PutUint16(b[6:], frag)
	b[8], b[9] = ttl, proto
	if src.Is4() {
		copy(b[12:16], src.AsSlice())
	}
	copy(b[16:20], dst.AsSlice())
	binary.BigEndian.PutUint16(b[10:], ^sumBytes(b[:ipv4Len]))
}

// putEthernet writes an Ethernet header.
func putEthernet(b []byte, dst, src vfp.MAC, etherType uint16) {
	copy(b, dst[:])
	copy(b[6:], src[:])
	binary.BigEndian.PutUint16(b[12:], etherType)
}
