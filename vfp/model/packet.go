package model

import (
	"encoding/binary"
	"net/netip"

	"github.com/fairlead-net/fairlead/encap"
	"github.com/fairlead-net/fairlead/vfp"
)

// Offsets and values of the headers the pipeline reads.
const (
	ethLen  = 14
	ipv4Len = 20
	ipv6Len = 40

	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8

	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpRST = 0x04
	tcpACK = 0x10

	portDHCPServer   = 67
	portDHCPClient   = 68
	portDHCPv6Client = 546
	portDHCPv6Server = 547
)

// packet is what the layers match on.
type packet struct {
	v6           bool
	src, dst     netip.Addr
	sport, dport uint16 // both hold the identifier of an ICMP echo
	proto        uint8  // the last next header of an IPv6 packet
	tcpFlags     uint8
	tos, ttl     uint8 // traffic class and hop limit of an IPv6 packet
	icmpType     uint8
	icmpCode     uint8
	fragment     fragmentKind
	id           uint32 // of the datagram
	l4           int    // where the L4 header is, in bytes from the IP header
	length       int    // of the IP packet, headers included
}

type fragmentKind uint8

const (
	whole fragmentKind = iota
	firstFragment
	laterFragment
)

func macAt(b []byte) vfp.MAC { return vfp.MAC(b[:6]) }

func etherType(frame []byte) uint16 { return binary.BigEndian.Uint16(frame[12:]) }

func isVLAN(t uint16) bool { return t == etherVLAN || t == etherQinQ }

func addr4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b[:4])) }

func addr6(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b[:16])) }

// parse reads the IP packet of a frame whose Ethernet header is whole.
func parse(frame []byte) (packet, vfp.DropReason) {
	switch et := etherType(frame); {
	case isVLAN(et):
		return packet{}, vfp.DropVLAN
	case et == etherIPv4:
		return parseIPv4(frame[ethLen:])
	case et == etherIPv6:
		return parseIPv6(frame[ethLen:])
	}
	return packet{}, vfp.DropUnsupportedEthertype
}

// parseL4 reads the header of p's protocol at the start of l4, which ends with the packet.
func (p *packet) parseL4(l4 []byte) vfp.DropReason {
	switch {
	case p.proto == vfp.ProtocolTCP:
		if len(l4) < 20 {
			return vfp.DropMalformed
		}
		if offset := int(l4[12]>>4) * 4; offset < 20 || offset > len(l4) {
			return vfp.DropMalformed
		}
		p.sport, p.dport = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
		p.tcpFlags = l4[13]
	case p.proto == vfp.ProtocolUDP:
		if len(l4) < 8 {
			return vfp.DropMalformed
		}
		if n := int(binary.BigEndian.Uint16(l4[4:])); n < 8 || n > len(l4) && p.fragment == whole {
			return vfp.DropMalformed
		}
		p.sport, p.dport = binary.BigEndian.Uint16(l4), binary.BigEndian.Uint16(l4[2:])
	case p.isICMP():
		if len(l4) < 8 {
			return vfp.DropMalformed
		}
		p.icmpType, p.icmpCode = l4[0], l4[1]
		if p.isEchoRequest() || p.isEchoReply() {
			p.sport = binary.BigEndian.Uint16(l4[4:])
			p.dport = p.sport
		}
	}
	return vfp.DropNone
}

func (p *packet) hasPorts() bool { return p.proto == vfp.ProtocolTCP || p.proto == vfp.ProtocolUDP }

// isICMP reports whether p is of its family's ICMP: the other one's is just a protocol without ports.
func (p *packet) isICMP() bool {
	return !p.v6 && p.proto == vfp.ProtocolICMP || p.v6 && p.proto == vfp.ProtocolICMPv6
}

func (p *packet) hash() uint32 { return encap.FlowHash(p.src, p.dst, p.proto, p.sport, p.dport) }

// onesSum adds 16 bit words with end-around carry (RFC 1071).
func onesSum(words ...uint16) uint16 {
	sum := uint32(0)
	for _, w := range words {
		sum += uint32(w)
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// sumBytes is onesSum of big endian words; an odd last byte is followed by a zero.
func sumBytes(b []byte) uint16 {
	sum := uint16(0)
	for ; len(b) > 1; b = b[2:] {
		sum = onesSum(sum, binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum = onesSum(sum, uint16(b[0])<<8)
	}
	return sum
}

// sumICMPv6 is the sum of an ICMPv6 message and its pseudo header (RFC 8200 section 8.1); 0xffff when its checksum is right.
func sumICMPv6(src, dst netip.Addr, message []byte) uint16 {
	return onesSum(sumBytes(src.AsSlice()), sumBytes(dst.AsSlice()), uint16(len(message)), vfp.ProtocolICMPv6, sumBytes(message))
}

// patchWord changes a header word and the checksum over it (RFC 1624, equation 3).
func patchWord(check []byte, before, after uint16) {
	binary.BigEndian.PutUint16(check, ^onesSum(^binary.BigEndian.Uint16(check), ^before, after))
}

// patchBytes is patchWord for an even number of bytes at an even offset of what the checksum covers.
func patchBytes(check, before, after []byte) {
	for i := 0; i < len(before); i += 2 {
		patchWord(check, binary.BigEndian.Uint16(before[i:]), binary.BigEndian.Uint16(after[i:]))
	}
}
