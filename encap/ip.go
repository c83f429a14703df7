package encap

import (
	"encoding/binary"
	"net/netip"
)

const (
	ipv4Len = 20
	ipv6Len = 40

	protocolUDP = 17
	protocolGRE = 47

	ipv4DontFragment = 0x4000
	ipv4FragmentMask = 0x3FFF // more fragments, and the offset
)

// putIPv4 writes a header without options (RFC 791 section 3.1). The identification may be 0 because the packet is
// never fragmented (RFC 6864 section 4.1), which is what don't fragment asks for: an underlay that is too narrow must
// show, not cost reassembly at the far end (RFC 7348 section 4.3).
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-------+-------+---------------+-------------------------------+
//	|   4   |   5   |      TOS      |         total length          |
//	+-------+-------+---------------+-----+-------------------------+
//	|       identification = 0      |0 1 0|   fragment offset = 0   |
//	+---------------+---------------+-----+-------------------------+
//	|      TTL      |   protocol    |        header checksum        |
//	+---------------+---------------+-------------------------------+
//	|                            source                             |
//	|                          destination                          |
//	+---------------------------------------------------------------+
func putIPv4(b []byte, o *Outer, protocol uint8, payloadLen int) {
	b = b[:ipv4Len]
	b[0] = 4<<4 | ipv4Len/4
	b[1] = o.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(ipv4Len+payloadLen))
	binary.BigEndian.PutUint16(b[4:], 0)
	binary.BigEndian.PutUint16(b[6:], ipv4DontFragment)
	b[8] = o.ttl()
	b[9] = protocol
	binary.BigEndian.PutUint16(b[10:], 0)
	src, dst := o.Src.As4(), o.Dst.As4()
	copy(b[12:16], src[:])
	copy(b[16:20], dst[:])
	binary.BigEndian.PutUint16(b[10:], ^sumIPv4(b))
}

// sumIPv4 is the one's complement sum of a 20 byte header (RFC 1071): 0xFFFF over one with a right checksum.
func sumIPv4(h []byte) uint16 {
	h = h[:ipv4Len]
	var sum uint32
	for i := 0; i < ipv4Len; i += 2 {
		sum += uint32(h[i])<<8 | uint32(h[i+1])
	}
	sum = sum>>16 + sum&0xFFFF // of 10 words: folding a second time leaves no carry
	return uint16(sum>>16 + sum)
}

// putIPv6 writes a header without extensions (RFC 8200 section 3).
//
//	+-------+---------------+---------------------------------------+
//	|   6   | traffic class |            flow label = 0             |
//	+-------+---------------+-------+---------------+---------------+
//	|        payload length         |  next header  |   hop limit   |
//	+-------------------------------+---------------+---------------+
//	|                       source, 16 bytes                        |
//	|                     destination, 16 bytes                     |
//	+---------------------------------------------------------------+
func putIPv6(b []byte, o *Outer, protocol uint8, payloadLen int) {
	b = b[:ipv6Len]
	binary.BigEndian.PutUint32(b[0:], 6<<28|uint32(o.TOS)<<20)
	binary.BigEndian.PutUint16(b[4:], uint16(payloadLen))
	b[6] = protocol
	b[7] = o.ttl()
	src, dst := o.Src.As16(), o.Dst.As16()
	copy(b[8:24], src[:])
	copy(b[24:40], dst[:])
}

func (o *Outer) ttl() uint8 {
	if o.TTL == 0 {
		return DefaultTTL
	}
	return o.TTL
}

// parseIPv4 fills o and returns the protocol and payload of an unfragmented packet without options. The fault is what
// makes the packet malformed if its payload turns out to be the overlay's; until then it is the host's to judge.
func parseIPv4(o *Outer, b []byte) (protocol uint8, payload []byte, fault, err error) {
	if len(b) < ipv4Len {
		return 0, nil, nil, errShortIPv4
	}
	if b[0]>>4 != 4 {
		return 0, nil, nil, errIPv4Version
	}
	if b[0]&0xF != ipv4Len/4 {
		return 0, nil, nil, errIPv4Options
	}
	if binary.BigEndian.Uint16(b[6:])&ipv4FragmentMask != 0 {
		return 0, nil, nil, errIPv4Fragment
	}
	o.TOS, o.TTL = b[1], b[8]
	o.Src = netip.AddrFrom4([4]byte(b[12:16]))
	o.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	payload, fault = cut(b[ipv4Len:], int(binary.BigEndian.Uint16(b[2:]))-ipv4Len)
	if sumIPv4(b) != 0xFFFF {
		fault = errIPv4Checksum
	}
	return b[9], payload, fault, nil
}

// parseIPv6 is parseIPv4's sister. An extension header is just another protocol that is not the overlay's.
func parseIPv6(o *Outer, b []byte) (protocol uint8, payload []byte, fault, err error) {
	if len(b) < ipv6Len {
		return 0, nil, nil, errShortIPv6
	}
	if b[0]>>4 != 6 {
		return 0, nil, nil, errIPv6Version
	}
	o.TOS, o.TTL = b[0]<<4|b[1]>>4, b[7]
	o.Src = netip.AddrFrom16([16]byte(b[8:24]))
	o.Dst = netip.AddrFrom16([16]byte(b[24:40]))
	payload, fault = cut(b[ipv6Len:], int(binary.BigEndian.Uint16(b[4:])))
	// Such addresses are an API's, not the wire's. One that passed could be taken for the IPv4 PA it contains.
	if o.Src.Is4In6() || o.Dst.Is4In6() {
		fault = errIPv6Mapped
	}
	return b[6], payload, fault, nil
}

// cut takes the padding of a short Ethernet frame off an IP payload of n bytes. Of a payload that is cut short it
// returns what there is, so that its ports can still tell whose fault that is.
func cut(b []byte, n int) (payload []byte, fault error) {
	switch {
	case n < 0:
		return nil, nil // an IPv4 total length below its header's: no payload, hence nobody's packet
	case n > len(b):
		return b, errIPLength
	}
	return b[:n], nil
}
